"""Notes on cells, and what blind answers say of the labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .checks import whole_number
from .events import LabelsChanged

if TYPE_CHECKING:
    import pandas as pd

    from ..learn.repeats import Repeats
    from .session import Session

__all__ = ["LONGEST", "kappa", "table", "write"]

#: Characters of a note.
LONGEST = 2_000


def write(session: Session, item: int, text: str) -> None:
    """See :meth:`celltune_nb.Session.note`."""
    item = int(session.table.ids[session.positions([whole_number(item, "The item")])[0]])
    if not isinstance(text, str):
        raise InputError(f"{text!r} is no note. Write a text.")
    text = " ".join(text.split())
    if len(text) > LONGEST:
        raise InputError(f"The note has {len(text):,} characters. Write at most {LONGEST:,}.")
    with session.writing():
        if session.book.remarks.note_of(item) == text:
            return
        row = session.book.note(item, text, session.level, session.user)
    session.emit(session.labels_changed, LabelsChanged(session.level, np.array([item], np.int64), row))


def table(session: Session) -> pd.DataFrame:
    """See :attr:`celltune_nb.Session.notes`."""
    import pandas as pd

    with session.lock:
        found = session.book.remarks.notes()
        items = session.table
    ids = np.array(sorted(found), np.int64)
    ids = ids[np.isin(ids, items.ids)]  # of cells that are gone nothing is told
    rows = items.positions(ids)
    names = np.array([*items.names, ""], object)
    return pd.DataFrame(
        {
            "image": names[items.images[rows]],
            "cellID": items.cells[rows],
            "note": [found[i].text for i in ids.tolist()],
            "user": [found[i].user for i in ids.tolist()],
            "time": pd.to_datetime([found[i].time for i in ids.tolist()], unit="s", utc=True),
        },
        index=pd.Index(ids, name="item", dtype=np.int64),
    )


def kappa(session: Session, whose: str, level: str) -> Repeats:
    """See :meth:`celltune_nb.Session.kappa`."""
    from ..learn.repeats import repeats

    user = session.user
    with session.lock:
        given = [o for o in session.book.remarks.opinions(level) if o.user == user and o.before]
    if whose == "mine":
        given = [o for o in given if o.by == user]
    elif whose == "others":
        given = [o for o in given if o.by != user]
    else:
        given = [o for o in given if o.by == whose]
    first, second = (np.array([getattr(o, name) for o in given], np.int64) for name in ("before", "code"))
    return repeats(first, second, whose)
