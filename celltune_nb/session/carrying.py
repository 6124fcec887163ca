"""Labels carried across a new segmentation: each labelled cell gives its label to the cell that took its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.categories import UNKNOWN, Category, CategorySet
from ..errors import InputError, NotReadyError
from .batches import Batch, put
from .checks import a_path, number, one_of, texts
from .events import CategoriesChanged, LabelsChanged

if TYPE_CHECKING:
    import pandas as pd

    from .session import Session

__all__ = ["CarryReport", "carry_labels", "disputes", "opened", "report"]

#: What becomes of a labelled cell.
OUTCOMES = ("carried", "kept", "ambiguous", "merged", "split", "lost")


@dataclass(frozen=True, eq=False)
class CarryReport:
    """What became of the labels of another segmentation.

    Attributes
    ----------
    table : DataFrame
        One row a category, a column an outcome: ``carried``; ``kept`` (the cell here had another label, which stays);
        ``ambiguous`` (cells of different categories became one); ``merged`` (it became part of a cell that is another
        one's); ``split`` (into cells none of which is it); ``lost`` (nothing is there).
    ids : dict of str to ndarray of int64
        Items here: ``carried``, ``kept``, ``ambiguous``, ``split`` (the pieces): what to look at again.
    sources : dict of str to ndarray of int64
        Items there: ``ambiguous``, ``merged``, ``split``, ``lost``.
    batch : int or None
        The last journal row; one undo takes all back.
    notes : list of str
    """

    table: pd.DataFrame
    ids: dict[str, NDArray[np.int64]]
    sources: dict[str, NDArray[np.int64]]
    batch: int | None = None
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        sums = self.table.sum()
        return ", ".join(f"{int(sums[name]):,} {name}" for name in self.table.columns if sums[name]) or (
            "No label was there to carry."
        )

    __repr__ = __str__


@contextmanager
def opened(source: Any) -> Iterator[Session]:
    """Another project: a session as it is, a folder opened to look."""
    from .session import Session

    if isinstance(source, Session):
        yield source
    elif isinstance(source, str | Path):
        with Session.open(a_path(source), read_only=True) as other:
            yield other
    else:
        raise InputError(f"{source!r} is no project. Give its folder, or the session that has it open.")


def carry_labels(
    session: Session, source: Any, images: Any, minimum: float, by: str, level: str, theirs: str | None
) -> CarryReport:
    """See :meth:`celltune_nb.Session.carry_labels`."""
    minimum = number(minimum, "The least overlap")
    if not 0 < minimum <= 1:
        raise InputError(f"The least overlap is {minimum}. Give a part between 0 and 1, for example 0.5.")
    one_of(by, ("covered", "iou"), "by")
    with session.writing():
        pass  # refuse before the work, not after it
    with opened(source) as other:
        if other is session or other.folder.resolve() == session.folder.resolve():
            raise InputError("Labels are carried from another project. This is the one itself.")
        return _carry(session, other, _pairs(session, other, images), minimum, by, level, theirs)


def _pairs(session: Session, other: Session, images: Any) -> dict[str, str]:
    """Image here → image there; of both a mask is needed, of one size."""
    if images is None:
        pairs = {name: name for name in session.images if name in other.images}
        pairs = {
            a: b
            for a, b in pairs.items()
            if session.images[a].mask is not None and other.images[b].mask is not None
        }
        if not pairs:
            raise NotReadyError(
                "No image with a mask has the same name in both projects. Say which belong together: "
                "images={'name here': 'name there'}."
            )
        return pairs
    given = dict(images) if isinstance(images, Mapping) else {n: n for n in texts(images, "The images")}
    for here, there in given.items():
        for project, name, where in ((session, here, "here"), (other, there, "there")):
            if name not in project.images or project.images[name].mask is None:
                raise InputError(f"There is no image {name!r} with a mask {where}.")
    return given


def _carry(
    session: Session,
    other: Session,
    pairs: dict[str, str],
    minimum: float,
    by: str,
    level: str,
    theirs: str | None,
) -> CarryReport:
    there = other.book.level(theirs or (level if level in other.levels else other.level))
    labels = other.labels.to_pandas(there.name)
    state = session.book.level(level)
    old_ids, new_ids, outcome, pieces = [], [], [], [np.empty(0, np.int64)]
    for here, name in pairs.items():
        ids, partners, fate, split = _image(session, other, here, name, there.codes_of, minimum, by)
        old_ids.append(ids)
        new_ids.append(partners)
        outcome.append(fate)
        pieces.append(split)
    old, new, what = np.concatenate(old_ids), np.concatenate(new_ids), np.concatenate(outcome)
    codes = there.codes_of(old)
    disputes(what, new, codes)
    carried = what == "carried"
    categories, place = _named_alike(
        state.categories, [there.categories.by_code[c] for c in np.unique(codes[carried])]
    )
    mapped = np.array([place.get(int(c), -1) for c in codes], np.int64)
    before = state.codes_of(np.where(new < 0, 0, new)).astype(np.int64)
    held = carried & (before != 0) & (before != mapped)
    what[held] = "kept"
    carried = carried & ~held
    fresh = carried & (before == 0)
    batch = None
    if fresh.any():
        users = labels["user"].astype(str).reindex(old[fresh]).to_numpy(object)
        batches = []
        for user in sorted(set(users)):
            rows = np.flatnonzero(fresh)[users == user]
            order = np.argsort(new[rows])
            batches.append(Batch(new[rows][order], mapped[rows][order].astype(np.int16), user))
        text = f"{int(fresh.sum()):,} labels carried from {other.folder.name}"
        with session.writing():
            now = session.book.level(level)
            if now.categories != state.categories or now.codes_of(new[fresh]).any():
                raise NotReadyError("Labels were given here meanwhile. Carry again: nothing was changed.")
            batch = put(
                session, batches, level, "import", text,
                categories=None if categories == state.categories else categories,
            )  # fmt: skip
        session.emit(session.categories_changed, CategoriesChanged(level))
        session.emit(session.labels_changed, LabelsChanged(level, np.sort(new[fresh]), batch))
    return report(what, codes, old, new, np.concatenate(pieces), there.categories, batch)


def _image(
    session: Session, other: Session, here: str, there: str, codes_of: Any, minimum: float, by: str
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.object_], NDArray[np.int64]]:
    """Labelled items there, the items here that took their place (-1: none), what became of them, and pieces."""
    from ..measure.segmentations import fates, overlaps

    ours, others = session.images[here].mask, other.images[there].mask
    if ours.shape != others.shape:
        raise InputError(
            f"Image {here!r} is {ours.shape[0]} × {ours.shape[1]} pixels here and {others.shape[0]} × {others.shape[1]} there. "
            "Only segmentations of the same pixels can be compared; leave it out with images=."
        )
    rows = session.table.of_image(session.image_number(here))
    their_rows = other.table.of_image(other.image_number(there))
    our_ids, their_ids = session.table.ids[rows], other.table.ids[their_rows]
    found = overlaps(others, ours, len(their_ids), len(our_ids))
    labelled = np.flatnonzero(codes_of(their_ids) != 0)
    partner, fate = fates(found, minimum, by)  # type: ignore[arg-type]
    partners = np.where(partner[labelled] < 0, -1, our_ids[partner[labelled]] if len(our_ids) else -1)
    split = labelled[fate[labelled] == "split"]
    pieces = np.unique(found.new[np.isin(found.old, split)])
    return their_ids[labelled], partners, fate[labelled], our_ids[pieces]


def disputes(what: NDArray[np.object_], new: NDArray[np.int64], codes: NDArray[np.int16]) -> None:
    """Where cells of different categories became one, none of them says what it is."""
    joined = np.flatnonzero((what == "carried") | (what == "merged"))
    for cell in np.unique(new[joined[what[joined] == "merged"]]).tolist():
        members = joined[new[joined] == cell]
        if len(set(codes[members].tolist())) > 1:
            what[members] = "ambiguous"


def _named_alike(categories: CategorySet, wanted: Sequence[Category]) -> tuple[CategorySet, dict[int, int]]:
    """The categories here with those of other places that they lack; code there → code here."""
    place = {}
    for category in wanted:
        same = next((c for c in categories if c.name.casefold() == category.name.casefold()), None)
        if same is None:
            key = category.key if category.key not in {c.key for c in categories} else None
            categories = categories.add(category.name, category.color, key or "")
            same = categories.named(category.name)
        place[category.code] = same.code
    return categories, place


def report(
    what: NDArray[np.object_], codes: NDArray[np.int16], old: NDArray[np.int64], new: NDArray[np.int64],
    pieces: NDArray[np.int64], categories: CategorySet, batch: int | None,
) -> CarryReport:  # fmt: skip
    """Count what became of labelled cells.

    Parameters
    ----------
    what : ndarray of str, shape (n,)
    codes : ndarray of int16, shape (n,)
        Their categories.
    old, new : ndarray of int64, shape (n,)
        The cells, and what each became (-1: nothing).
    pieces : ndarray of int64
        Items that split cells became.
    """
    import pandas as pd

    names = [c for c in categories if c.name != UNKNOWN and (codes == c.code).any()]
    table = pd.DataFrame(
        {
            outcome: [int(((codes == c.code) & (what == outcome)).sum()) for c in names]
            for outcome in OUTCOMES
        },
        index=pd.Index([c.name for c in names], name="category"),
    )
    ids = {name: np.unique(new[what == name]) for name in ("carried", "kept", "ambiguous")}
    ids["split"] = np.unique(pieces)
    return CarryReport(
        table,
        ids,
        {name: np.sort(old[what == name]) for name in ("ambiguous", "merged", "split", "lost")},
        batch,
    )
