"""Labels of several categories given in one step, also in the name of those who gave them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.categories import UNKNOWN, CategorySet
from ..errors import InputError
from .checks import onsets
from .events import CategoriesChanged, LabelsChanged

if TYPE_CHECKING:
    from .session import Session

__all__ = ["Batch", "label_each", "put", "with_categories"]


@dataclass(frozen=True, eq=False)
class Batch:
    """Labels of one person.

    Attributes
    ----------
    ids : ndarray of int64, shape (n,)
    codes : ndarray of int16, shape (n,)
    user : str
    """

    ids: NDArray[np.int64]
    codes: NDArray[np.int16]
    user: str


def put(
    session: Session, batches: Sequence[Batch], level: str, source: str, what: str, *,
    categories: CategorySet | None = None,
) -> int:  # fmt: skip
    """Give the labels of several people as one step that can be undone; returns the last row of the journal.

    The session's lock has to be held (``session.writing()``).
    """
    revision = session.book.revision
    with session.journal.writing():  # all rows or none
        try:
            for i, batch in enumerate(batches):
                revision = session.book.label(
                    batch.ids, batch.codes, level=level, source=source, round=session.rounds(level), user=batch.user,
                    categories=categories if i == 0 else None, what=what, joined=i > 0,
                )  # fmt: skip
        except BaseException:
            session.book.forget()
            raise
    return revision


def with_categories(categories: CategorySet, create: Any) -> CategorySet:
    """A set with the categories of *create* that it lacks: names, or (name, colour, key)."""
    if not isinstance(create, list | tuple) or not all(
        isinstance(one, str) or (isinstance(one, list | tuple) and 0 < len(one) < 4) for one in create
    ):
        raise InputError(f"{create!r} are no categories. Give names, or a name, colour and key of each.")
    for one in create:
        name, *rest = (one,) if isinstance(one, str) else one
        if name not in categories.names:
            categories = categories.add(name, *rest)
    return categories


def label_each(
    session: Session, labels: Any, level: str, source: str, t0: Any, create: Any, joined: bool, what: str
) -> int:
    """See :meth:`celltune_nb.Session.label_each`."""
    if not isinstance(labels, Mapping) or not labels:
        raise InputError("Labels are given as a dict: category → ids, such as {'CD8T': [1, 2], 'B': [7]}.")
    before = session.book.level(level).categories
    after = with_categories(before, create)
    parts, codes = [], []
    for name, ids in labels.items():
        code = after.named(UNKNOWN if name is None else name).code
        found = np.unique(session.table.ids[session.table.positions(ids)])
        parts.append(found)
        codes.append(np.full(len(found), code, np.int16))
    every, given = np.concatenate(parts), np.concatenate(codes)
    if not len(every):
        raise InputError("No item was given to label. Select some first.")
    unique, counts = np.unique(every, return_counts=True)
    if (counts > 1).any():
        raise InputError(f"Item {int(unique[counts > 1][0])} is named under two categories. Name it once.")
    order = np.argsort(every, kind="stable")
    onset = onsets(t0, len(every))
    one = len(labels) == 1 and after == before
    with session.writing():
        revision = session.book.label(
            every[order], int(given[0]) if one else given[order], level=level, source=source, t0=onset, round=session.rounds(level),
            user=session.user, categories=None if after == before else after, joined=joined,
            what=what,
        )  # fmt: skip
    if after != before:
        session.emit(session.categories_changed, CategoriesChanged(level))
    session.emit(session.labels_changed, LabelsChanged(level, every[order], revision))
    return revision
