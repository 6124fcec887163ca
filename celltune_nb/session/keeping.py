"""Keeping a checkpoint of the labels beside the journal, so that a project of many edits opens as soon as a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..data import checkpoint
from .files import write_atomically

if TYPE_CHECKING:
    from .session import Session

__all__ = ["CHECKPOINT", "keep_labels"]

#: Name of the file in the project folder.
CHECKPOINT = "labels.checkpoint"
#: Rows of the journal after which it is renewed while a person works, and on closing: replaying as many takes
#: some hundredths of a second.
EVERY, AT_THE_END = 1_000, 100


def keep_labels(session: Session, every: int = EVERY) -> bool:
    """Write the checkpoint anew when *every* rows came since; returns whether it did.

    The lock is held only while the state is copied.  A read-only session writes nothing.
    """
    with session.lock:
        book = session.book
        if session.read_only or book.revision - book.kept < every or not session.journal.in_place:
            return False
        content = book.snapshot()
        revision = book.revision
    try:
        write_atomically(session.project.path(CHECKPOINT), lambda stream: checkpoint.write(stream, content))
    except OSError:
        return False  # nothing rests on it, and the next turn tries again
    book.kept = revision
    return True
