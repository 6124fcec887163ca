"""A new mask for an image of the project: new cells with new ids, and what was known of the former ones carried over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .carrying import CarryReport, report
from .checks import number, one_of
from .embedding import EMBEDDING
from .mask_commit import commit, former_mask, refuse_if_busy, tidy
from .mask_plan import Labels, Plan, audited, image_of, labels_of, looked, plan_of
from .recording import located

if TYPE_CHECKING:
    import pandas as pd

    from .session import Session

__all__ = ["MaskReport", "former_mask", "replace_mask"]

Ids = NDArray[np.int64]


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
        refuse_if_busy(session)
    image = image_of(session, name)
    given = looked(session, image, mask, nucleus, copy, told or (lambda part: None))
    plan = plan_of(session, image, given, minimum, by)
    if preview:
        return _report(session, plan, labels_of(session, plan), None, done=False)
    arguments = {
        "name": name, "mask": located(mask), "nucleus": located(nucleus), "minimum": minimum, "by": by, "copy": copy,
        "+nth": sum(row["image"] == name for row in session.project.settings.get("replaced", ())),
    }  # fmt: skip
    for patience in (True, True, False):
        # What takes long is done without the lock; when something was added or labelled meanwhile it is done again.
        with nullcontext() if patience else session.writing():
            if session.table is not plan.base:
                plan = plan_of(session, image_of(session, name), given, minimum, by)
            labels = labels_of(session, plan)
            told_of = _report(session, plan, labels, None, done=True)
            batch = commit(session, plan, given, copy, labels, arguments)
        if batch is not None:
            break
    tidy(session)
    if session.view.color_by not in (None, *session.populations):  # predictions of cells that are all gone
        session.set_view(color_by="labels", hidden=frozenset())
    session.tell_everything()
    return replace(told_of, batch=batch)


def _report(
    session: Session, plan: Plan, labels: Mapping[str, Labels], batch: int | None, done: bool
) -> MaskReport:
    audit = audited(session, plan)
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
        active.table, active.ids, active.sources, batch, _notes(session, plan, audit, done), plan.image.name, cells,
        np.stack([plan.old[some], plan.into[some]], axis=1), levels, _lost(session, plan, labels), audit, done,
    )  # fmt: skip


def _lost(session: Session, plan: Plan, labels: Mapping[str, Labels]) -> pd.DataFrame:
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


def _notes(session: Session, plan: Plan, audit: Mapping[str, int], done: bool) -> list[str]:
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
    if n and EMBEDDING in session.features_by_name:
        notes.append(
            "The map of cells leaves the new ones out, and so do gates on it: session.embed() lays them out."
        )
    table = session.features_by_name.get("table")
    if table is not None and n and np.isin(plan.old, table.ids).any():
        notes.append(
            "What a table said of the former cells says nothing of the new ones. Import a table of the new mask."
        )
    return notes
