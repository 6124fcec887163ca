"""Labels for many cells at once, as gates, landmarks and clusters give them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .events import CategoriesChanged, LabelsChanged

if TYPE_CHECKING:
    from .session import Session

__all__ = ["BatchReport", "label_many"]


@dataclass(frozen=True)
class BatchReport:
    """What labelling many cells at once did.

    Attributes
    ----------
    labelled : int
        Cells that have another label now than before.
    already : int
        Cells that had a label: left as they were, or with ``overwrite=True`` labelled anew.
    same : int
        Those among them that had this very label.
    audit : int
        Cells left out because they belong to the audit sample, which is labelled one by one and blind.
    batch : int or None
        The journal row, None when there was nothing to label.
    """

    labelled: int
    already: int = 0
    same: int = 0
    audit: int = 0
    batch: int | None = None

    def __str__(self) -> str:
        text = f"{self.labelled:,} cell{'' if self.labelled == 1 else 's'} labelled"
        if self.already:
            text += f"; {self.already:,} had a label already"
            text += f" ({self.same:,} this one)" if self.same else ""
        if self.audit:
            text += f"; {self.audit:,} of the audit sample left out"
        return text + "."


def label_many(
    session: Session, ids: NDArray[np.int64], names: NDArray[np.object_] | str, *, level: str, source: str,
    overwrite: bool = False, create: bool = False,
) -> BatchReport:  # fmt: skip
    """Give many items a category each, as one step that can be undone.

    Parameters
    ----------
    ids : ndarray of int64, shape (n,)
        Each once.
    names : str, or ndarray of str, shape (n,)
    overwrite : bool
        Whether items change that have a label already.
    create : bool
        Whether categories that are missing are added, in the same step.

    Raises
    ------
    LabelError
        For a category that is missing.
    """
    import pandas as pd

    if isinstance(names, str):
        which, words = np.zeros(len(ids), np.int64), np.array([names], object)
    else:
        which, words = pd.factorize(np.asarray(names, object))
    with session.writing():
        state = session.book.level(level)
        before = categories = state.categories
        for word in words.tolist():
            if create and word not in categories:
                categories = categories.add(word)
        codes = np.array([categories.named(word).code for word in words.tolist()], np.int16)[which]
        had = state.codes_of(ids)
        audit = np.isin(ids, session.audits.of(level).ids)
        free = ~audit & (had != codes)
        if not overwrite:
            free &= had == 0
        batch = None
        if free.any():
            batch = session.book.label(
                ids[free], codes[free], level=level, source=source, round=session.rounds(level), user=session.user,
                categories=None if categories == before else categories,
            )  # fmt: skip
    if batch is not None:
        if categories != before:
            session.emit(session.categories_changed, CategoriesChanged(level))
        session.emit(session.labels_changed, LabelsChanged(level, ids[free], batch))
    taken = (had != 0) & ~audit
    return BatchReport(
        int(free.sum()), int(taken.sum()), int((taken & (had == codes)).sum()), int(audit.sum()), batch
    )
