"""A new mask for an image of the project: new cells with new ids, and what was known of the former ones carried over.

Everything that takes long is done without the lock, and written where nobody looks for it yet.  Then one transaction of
the journal holds the row that says which cells are gone and which took their places, and the labels that go over;
``project.json``, written inside it, counts from that row on (:meth:`Project.settle`).  Features, population sets, audits
and reviews stay on disk as they are: whoever reads them asks :class:`~celltune_nb.data.lineage.Lineage`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from ..data.images import Image, check_mask
from ..data.items import ItemTable, NewCells
from ..errors import CellTuneError, InputError, NotReadyError, ProjectError
from ..formats.images import ImageFile, is_image_path, open_image
from . import features_file, sources
from .adding import cells_of
from .carrying import CarryReport, disputes, report
from .checks import number, one_of
from .committing import committing
from .project import REPLACING
from .recording import located, note

if TYPE_CHECKING:
    import pandas as pd

    from ..measure.runs import CellIndex
    from ..measure.segmentations import Overlaps
    from .session import Session

__all__ = ["MaskReport", "former_mask", "replace_mask"]

Ids = NDArray[np.int64]
Progress = Callable[[int], object]


@dataclass(frozen=True, eq=False)
class MaskReport(CarryReport):
    """What becomes of the cells of an image, and of their labels, with another mask; str() is a sentence.

    Attributes
    ----------
    table, ids, sources, batch
        Of the active level, as of :class:`CarryReport`: *ids* are cells of the new mask, *sources* of the former.  ``lost``
        includes labelled cells that nothing took the place of.
    image : str
    cells : dict of str to int
        ``before``, ``after``; ``carried`` (cells that have one of their own in the new mask), ``merged``, ``split``,
        ``lost`` of those before; ``new`` (cells that take nobody's place).
    pairs : ndarray of int64, shape (n, 2)
        Former item, new item, one to one.
    levels : dict of str to CarryReport
        Of each level that has labels here.
    lost : DataFrame
        Every labelled cell whose label no cell has now: level, category, outcome, cellID, y, x; indexed by former item.
    audit : dict of str to int
        ``carried`` and ``dropped`` cells of audit samples.
    done : bool
        False: this is what would be.
    """

    image: str = ""
    cells: dict[str, int] = field(default_factory=dict)
    pairs: Ids = field(default_factory=lambda: np.empty((0, 2), np.int64))
    levels: dict[str, CarryReport] = field(default_factory=dict)
    lost: pd.DataFrame | None = None
    audit: dict[str, int] = field(default_factory=dict)
    done: bool = False

    @property
    def labels(self) -> tuple[int, int]:
        """How many labels go over, and how many do not, of all levels."""
        carried = sum(int(one.table["carried"].sum()) for one in self.levels.values())
        return carried, 0 if self.lost is None else len(self.lost)

    def __str__(self) -> str:
        cells, (carried, lost) = self.cells, self.labels
        kinds = ", ".join(f"{cells[kind]:,} {kind}" for kind in ("carried", "merged", "split", "lost"))
        labels = f"{carried:,} of {carried + lost:,} labels go over" if carried + lost else "no labels"
        return f"{self.image}: {cells['before']:,} cells → {cells['after']:,} ({kinds}; {cells['new']:,} new); {labels}."

    __repr__ = __str__


@dataclass(frozen=True, eq=False)
class _Given:
    """A mask as it was given, looked through."""

    labels: Any
    outline: ImageFile | None
    cells: CellIndex
    nuclei: Any
    inner: ImageFile | None


@dataclass(frozen=True, eq=False)
class _Plan:
    """What becomes of the cells of the image."""

    base: ItemTable
    table: ItemTable
    start: int
    old: Ids
    into: Ids
    partners: Ids
    fate: NDArray[np.object_]
    found: Overlaps | None
    new: Ids


@dataclass(frozen=True, eq=False)
class _Labels:
    """What becomes of the labels of a level."""

    new: Ids
    old: Ids
    codes: NDArray[np.int16]
    report: CarryReport


def replace_mask(
    session: Session, name: str, mask: Any, nucleus: Any, minimum: float, by: str, copy: bool | None, preview: bool,
    told: Callable[[float], object] | None = None,
) -> MaskReport:  # fmt: skip
    """See :meth:`celltune_nb.Session.replace_mask`."""
    minimum = number(minimum, "The least overlap")
    if not 0 < minimum <= 1:
        raise InputError(f"The least overlap is {minimum}. Give a part between 0 and 1, for example 0.5.")
    one_of(by, ("covered", "iou"), "by")
    if not preview:
        with session.writing():
            pass  # refuse before the work, not after it
        _refuse_if_busy(session)
    image = _image(session, name)
    given = _looked(session, image, mask, nucleus, copy, told or (lambda part: None))
    while True:
        plan = _plan(session, image, given, minimum, by)
        audit = _audited(session, plan)
        labels = _labels(session, plan)
        if preview:
            return _report(session, image, plan, labels, audit, None, done=False)
        arguments = {
            "name": name, "mask": located(mask), "nucleus": located(nucleus), "minimum": minimum, "by": by, "copy": copy,
            "+nth": sum(row["image"] == name for row in session.project.settings.get("replaced", ())),
        }  # fmt: skip
        told_of = _report(session, image, plan, labels, audit, None, done=True)
        batch = _commit(session, image, plan, given, copy, labels, arguments)
        if batch is not None:
            _tidy(session)
            session.tell_everything()
            return replace(told_of, batch=batch)


def _refuse_if_busy(session: Session) -> None:
    session.refuse_if_busy()
    job = session.jobs.current
    if job is not None and not job.finished:
        raise NotReadyError(
            f"The program is {job.name} now, of the cells that are to go. Wait until it is done, or stop it."
        )


def _image(session: Session, name: str) -> Image:
    session.image_number(name)  # says which images there are
    image = session.images.get(name)
    if image is None:
        raise InputError(
            f"The cells of image {name!r} came with a table; it has no pixels that a mask could lie on."
        )
    if image.mask is None and name in session.table.names:
        raise InputError(
            f"A table brought the cells of image {name!r}, by their places alone; what a mask would make of each cannot be "
            "told. Add the image with its mask under another name, and import the labels by their places."
        )
    return image


def _looked(
    session: Session,
    image: Image,
    mask: Any,
    nucleus: Any,
    copy: bool | None,
    told: Callable[[float], object],
) -> _Given:
    name = image.name
    if mask is None:
        raise InputError(
            f"No mask was given for image {name!r}. Give an array (Y, X), or the path of a file."
        )
    outline = open_image(mask, session.chunks) if is_image_path(mask) else None
    inner = open_image(nucleus, session.chunks) if is_image_path(nucleus) else None
    if copy is False and (outline is None or (nucleus is not None and inner is None)):
        raise sources.must_be_a_file(name)
    labels = check_mask(name, mask if outline is None else outline.array, image.shape)
    nuclei = (
        None if nucleus is None else check_mask(name, nucleus if inner is None else inner.array, image.shape)
    )
    done, total = 0, image.shape[0] * image.shape[1] * 4

    def progress(more: int) -> None:
        nonlocal done
        done += more
        told(min(0.5, 0.5 * done / max(total, 1)))

    cells = cells_of(labels, progress)
    if not len(cells.labels):
        raise InputError(
            f"The new mask of image {name!r} has no cell: it is 0 everywhere. Check the file, or leave the image as it is."
        )
    return _Given(labels, outline, cells, nuclei, inner)


def _plan(session: Session, image: Image, given: _Given, minimum: float, by: str) -> _Plan:
    from ..measure.segmentations import fates, overlaps

    base, name, cells = session.table, image.name, given.cells
    place = base.names.index(name) if name in base.names else len(base.names)
    rows = base.of_image(place)
    new_cells = NewCells(name, cells.labels, cells.y, cells.x, cells.bbox, cells.border_distance, image.group)
    table = base.resegmented(new_cells)
    old, new = base.ids[rows], table.ids[len(table) - len(cells.labels) :]
    if image.mask is None:
        none = np.empty(0, np.int64)
        return _Plan(base, table, rows.start, old, none, none, np.empty(0, object), None, new)
    numbers = cells.labels
    consecutive = numbers[0] == 1 and numbers[-1] == len(numbers)
    numbered = sources.numbered(given.labels, None if consecutive else numbers)
    found = overlaps(image.mask, numbered, len(old), len(new))
    partner, fate = fates(found, minimum, by)  # type: ignore[arg-type]
    partners = np.where(partner < 0, -1, new[partner])
    into = np.where(fate == "carried", partners, 0)
    return _Plan(base, table, rows.start, old, into, partners, fate, found, new)


def _labels(session: Session, plan: _Plan) -> dict[str, _Labels]:
    """What becomes of the labels of each level that has some here."""
    found = {}
    for level in session.book.levels:
        state = session.book.level(level)
        codes = state.codes_of(plan.old)
        labelled = np.flatnonzero(codes)
        if not len(labelled):
            continue
        codes, what = codes[labelled], plan.fate[labelled].copy()
        partners = plan.partners[labelled]
        disputes(what, partners, codes)
        pieces = plan.new[:0]
        if plan.found is not None:
            split = labelled[what == "split"]
            pieces = plan.new[np.unique(plan.found.new[np.isin(plan.found.old, split)])]
        told = report(what, codes, plan.old[labelled], partners, pieces, state.categories, None)
        goes = np.flatnonzero(what == "carried")
        goes = goes[np.argsort(partners[goes])]
        found[level] = _Labels(partners[goes], plan.old[labelled[goes]], codes[goes], told)
    return found


def _audited(session: Session, plan: _Plan) -> dict[str, int]:
    found = {"carried": 0, "dropped": 0}
    for level in session.book.levels:
        drawn = np.isin(plan.old, session.audits.of(level).ids)
        stay = int((plan.into[drawn] > 0).sum())
        found["carried"] += stay
        found["dropped"] += int(drawn.sum()) - stay
    return found


# ---------------------------------------------------------------------- what is told


def _report(
    session: Session, image: Image, plan: _Plan, labels: Mapping[str, _Labels], audit: dict[str, int],
    batch: int | None, done: bool,
) -> MaskReport:  # fmt: skip
    levels = {level: one.report for level, one in labels.items()}
    active = levels.get(session.level)
    if active is None:
        none, few = np.empty(0, np.int64), plan.old[:0]
        active = report(np.empty(0, object), few.astype(np.int16), none, none, none, session.book.level(session.level).categories, None)  # fmt: skip
    cells = {"before": len(plan.old), "after": len(plan.new)}
    cells |= {kind: int((plan.fate == kind).sum()) for kind in ("carried", "merged", "split", "lost")}
    cells["new"] = len(plan.new) - cells["carried"]
    some = plan.into > 0
    return MaskReport(
        active.table, active.ids, active.sources, batch, _notes(session, plan, audit, done), image.name, cells,
        np.stack([plan.old[some], plan.into[some]], axis=1), levels, _lost(session, plan, labels), audit, done,
    )  # fmt: skip


def _lost(session: Session, plan: _Plan, labels: Mapping[str, _Labels]) -> pd.DataFrame:
    import pandas as pd

    parts = []
    for level, one in labels.items():
        state = session.book.level(level)
        for outcome in ("ambiguous", "merged", "split", "lost"):
            ids = one.report.sources[outcome]
            rows = plan.base.positions(ids)
            names = [state.categories.by_code[int(code)].name for code in state.codes_of(ids)]
            parts.append(
                pd.DataFrame(
                    {
                        "level": level, "category": names, "outcome": outcome, "cellID": plan.base.cells[rows],
                        "y": plan.base.y[rows], "x": plan.base.x[rows],
                    },
                    index=pd.Index(ids, name="item", dtype=np.int64),
                )
            )  # fmt: skip
    parts = [part for part in parts if len(part)]
    if not parts:
        return pd.DataFrame(
            columns=["level", "category", "outcome", "cellID", "y", "x"],
            index=pd.Index([], name="item", dtype=np.int64),
        )
    return pd.concat(parts)


def _notes(session: Session, plan: _Plan, audit: Mapping[str, int], done: bool) -> list[str]:
    """What else is of the cells that go."""
    notes, n = [], len(plan.old)
    if n and session.features_by_name:
        notes.append(
            f"The features of the {n:,} former cells {'are' if done else 'will be'} gone. Measure again: this image alone "
            "is measured."
        )
    trained = [one for one in session.populations.kept().values() if one.run is not None]
    if trained and n:
        notes.append("What was predicted for them goes too. Train again once the new cells are measured.")
    frozen = sorted({one.name for one in session.populations.kept().values() if one.run is None})
    if frozen and n:
        notes.append(
            f"{', '.join(frozen)}: cells that have one of their own in the new mask keep their membership, the others have none."
        )
    if audit["carried"] or audit["dropped"]:
        notes.append(
            f"{audit['carried']:,} cells of the audit keep their place, answer and probability of being drawn; "
            f"{audit['dropped']:,} drop out."
        )
    queue = [queue for level in session.book.levels if (queue := session.reviews.of(level)) is not None]
    gone = sum(int((np.isin(one.ids, plan.old[plan.into == 0])).sum()) for one in queue)
    if gone:
        notes.append(f"{gone:,} cells leave the review that is open.")
    table = session.features_by_name.get("table")
    if table is not None and n and np.isin(plan.old, table.ids).any():
        notes.append(
            "What a table said of the former cells says nothing of the new ones. Import a table of the new mask."
        )
    return notes


# ---------------------------------------------------------------------- taking effect


def _commit(
    session: Session, image: Image, plan: _Plan, given: _Given, copy: bool | None, labels: Mapping[str, _Labels],
    arguments: Mapping[str, Any],
) -> int | None:  # fmt: skip
    """Write everything, then let it take effect in one step; the last journal row, None when something came between."""
    project, adding, files = session.project, session._adding, list[str]()
    mark = uuid4().hex[:12]
    former = next(row for row in project.settings["images"] if row["name"] == image.name)
    key = f"{image.key.split('-')[0]}-{uuid4().hex[:6]}"
    part: dict[str, Any] = {"key": key, "mask": None}
    try:
        adding.keep_mask(part, files, given.labels, given.outline, given.cells, copy, lambda more: None)
        if given.nuclei is not None:
            part["nucleus"] = None
            adding.keep_nuclei(part, files, given.nuclei, given.inner, copy, lambda more: None)
        was = _former(session, former, plan, files)
        dropped = {"mask", "mask_file", *({"nucleus", "nucleus_file"} if given.nuclei is not None else ())}
        row = {k: v for k, v in former.items() if k not in dropped}
        row |= {**{k: v for k, v in part.items() if k != "key"}, "mask_key": key}
        with project.prepared_items(plan.table, unchanged=plan.start) as items, session.writing():
            if (
                session.table is not plan.base
                or session.images.get(image.name) is not image
                or not _same(labels, _labels(session, plan))
            ):
                adding.remove(files)  # what was found out is of before
                return None
            replacing = {"mark": mark, "row": former, "items": project.settings.get("items")}
            record = {"mark": mark, "image": image.name, "time": time.time(), "former": was}
            revision = session.book.revision
            before = project.settings
            try:
                with session.journal.writing():
                    note(session, "replace_mask", arguments, revision=revision)
                    batch = _journal(session, plan, labels, mark, image.name)
                    project.settings = {
                        **before,
                        "images": [row if r["name"] == image.name else r for r in before["images"]],
                        "replaced": [*before.get("replaced", ()), record],
                        REPLACING: replacing,
                    }
                    project.use_items(items)
                    project.save()
            except BaseException:
                session.book.forget()
                session.book.mend()
                project.settings = type(project).open(project.folder).settings
                _take_in(session, None, None)
                raise
            project.settings = {k: v for k, v in project.settings.items() if k != REPLACING}
            _take_in(session, plan.table, project.image(row, session.chunks))
            with suppress(ProjectError):  # it counts already; who opens the project next finds that out
                project.save()  # tells those who look on, and lets go of the items of before
    except BaseException:
        if mark not in session.book.lineage.marks:
            adding.remove(files)
        raise
    return batch


def _same(one: Mapping[str, _Labels], other: Mapping[str, _Labels]) -> bool:
    return one.keys() == other.keys() and all(
        np.array_equal(a.old, b.old)
        and np.array_equal(a.codes, b.codes)
        and a.report.table.equals(b.report.table)
        for a, b in ((one[level], other[level]) for level in one)
    )


def _tidy(session: Session) -> None:
    """Write features without the cells that are gone; until then they are left out whenever they are read."""
    for name, source in list(session.features_by_name.items()):
        if isinstance(source.matrix, np.memmap):
            continue
        with suppress(CellTuneError):
            ready = session.project.prepare_features(source)
            try:
                with committing(session) as project:
                    if session.features_by_name.get(name) is source:
                        session.features_by_name[name] = project.use_features(ready)
            finally:
                features_file.drop(session.project, ready)


def _former(session: Session, row: Mapping[str, Any], plan: _Plan, files: list[str]) -> dict[str, Any]:
    """Where the former mask lies, with the numbers that its cells had."""
    was = {k: row[k] for k in ("mask", "mask_file", "nucleus", "nucleus_file") if row.get(k)}
    numbers = plan.base.cells[plan.start : plan.start + len(plan.old)]
    if was.get("mask") and len(numbers) and not (numbers[0] == 1 and numbers[-1] == len(numbers)):
        was["cells"] = f"masks/{row.get('mask_key') or row['key']}-cells.npy"
        files.append(was["cells"])
        session.project.write_array(
            was["cells"], numbers.shape, np.int64, lambda out: np.copyto(out, numbers)
        )
    return was


def _journal(session: Session, plan: _Plan, labels: Mapping[str, _Labels], mark: str, name: str) -> int:
    """Who goes and who takes the places, then the labels that go over, which are one step."""
    book = session.book
    book.retire(plan.old, plan.into, mark=mark, user=session.user)
    count = sum(len(one.new) for one in labels.values())
    joined = False
    for level, one in labels.items():
        if len(one.new):
            what = f"{count:,} labels carried to the new mask of {name}"
            book.carry(one.new, one.old, one.codes, level=level, what=what, user=session.user, joined=joined)
            joined = True
    return book.revision


def _take_in(session: Session, table: ItemTable | None, image: Image | None) -> None:
    """Let the session stand on what is on disk; None: read that too."""
    if table is None or image is None:
        session.load_data()
    else:
        session.table, session.images[image.name] = table, image
        session.replaced = len(session.book.lineage.marks)
        session.features_by_name = {
            k: features_file.living(v, table.ids) for k, v in session.features_by_name.items()
        }
    session.load_populations()
    session.audits.forget()
    session.reviews.follow()
    now = session.book.lineage.now(session.selection)
    session.selection = np.unique(now[now > 0])


# ---------------------------------------------------------------------- former masks


def former_mask(session: Session, name: str, which: int, nucleus: bool) -> Any:
    """See :meth:`celltune_nb.Session.former_mask`."""
    _image(session, name)
    rows = [row for row in session.project.settings.get("replaced", ()) if row.get("image") == name]
    if not rows or not -len(rows) <= which < len(rows):
        raise InputError(
            f"Image {name!r} has {len(rows) or 'no'} former mask{'' if len(rows) == 1 else 's'}. "
            "The one that counts is session.images[name].mask."
        )
    was, project = rows[which]["former"], session.project
    kind = "nucleus" if nucleus else "mask"
    if was.get(f"{kind}_file"):
        about = {k: v for k, v in was[f"{kind}_file"].items() if k != "cells"}
        return sources.Reference(about, project, f"the former mask of image {name!r}", session.chunks).array()
    if not was.get(kind):
        raise InputError(f"Image {name!r} had no {'mask of nuclei' if nucleus else 'mask'} then.")
    mask = project.read_array(was[kind])
    if nucleus or not was.get("cells"):
        return mask
    numbers = np.concatenate([np.zeros(1, np.int64), project.read_array(was["cells"])])
    return numbers[mask]
