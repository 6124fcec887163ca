"""Items that are learned from: labelled, and not of the audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .session import Session

__all__ = ["taught", "where_taught"]


def taught(session: Session, level: str, known: int, most: int | None = None) -> NDArray[np.int64]:
    """Rows of labelled items below row `known`; none of the audit's.

    Where there are more than `most`, every so many of them.
    """
    with session.lock:
        labelled = session.book.level(level).codes_in_order(session.table.ids[:known]) != 0
        audited = session.table.positions(session.audits.of(level).ids)
        labelled[audited[audited < known]] = False
        rows = np.flatnonzero(labelled)
    return rows if most is None else rows[:: -(-len(rows) // most) or 1]


def where_taught(
    session: Session, level: str
) -> tuple[NDArray[np.integer], NDArray[np.floating], NDArray[np.floating]]:
    """Image number, y and x of every item that is learned from, each of shape (n,)."""
    table = session.table
    rows = taught(session, level, len(table))
    return table.images[rows], table.y[rows], table.x[rows]
