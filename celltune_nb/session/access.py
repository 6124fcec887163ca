"""Who may write: the lease of a session, and what happens when it is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..data.journal import Journal
from ..errors import ReadOnlyError
from .lease import Lease

__all__ = ["Access"]


class Access:
    """The right of a session to write, guarded by the session's lock.

    Parameters
    ----------
    journal : Journal
    user : str
    lock : RLock
        Held for every change.

    Attributes
    ----------
    read_only : bool
        Whether the session can only look now.
    reason : str
        Why, in a sentence; empty when it may write.
    """

    def __init__(self, journal: Journal, user: str, lock: threading.RLock) -> None:
        self._journal = journal
        self._lock = lock
        self._lease = Lease(journal, user)
        self._ended = False
        #: When the lease was taken, if nobody was at work then; else None.
        self.alone_since: float | None = None
        self.read_only = journal.read_only
        self.reason = "This project was opened read-only." if journal.read_only else ""
        if not journal.read_only:
            self.take(force=False)

    def take(self, *, force: bool) -> None:
        """Take the lease; with *force* from whoever has it."""
        if self._journal.read_only or self._ended:
            raise ReadOnlyError(
                "This session was opened read-only. Open the project again without read_only=True."
            )
        holder = self._lease.take(force=force)
        self.alone_since = self._lease.alone_since
        self.read_only = holder is not None
        self.reason = (
            f"{holder.user} is working on this project on {holder.host}; you can look, and take it over."
            if holder
            else ""
        )

    @contextmanager
    def writing(self) -> Iterator[None]:
        """The lock, for a short change; refuses when the session may only look.

        Raises
        ------
        ReadOnlyError
        """
        with self._lock:
            if self.read_only:
                raise ReadOnlyError(f"{self.reason} Nothing was changed.")
            # Files are replaced outside SQLite's transactions, so the lease is looked at before every change.
            if self.lost():
                raise ReadOnlyError(f"{self.reason} Nothing was changed; take it over here to go on.")
            try:
                yield
            except ReadOnlyError:
                self.lost()
                raise

    def lost(self) -> bool:
        """Whether the lease went elsewhere; the session can only look from then on."""
        if self.read_only or self._ended or self._lease.held:
            return False
        self.read_only = True
        self.reason = "This project was opened again elsewhere; this session can only look now."
        return True

    def beat(self) -> bool:
        """Say that the session is alive; False when the lease went elsewhere."""
        return self._lease.beat() or not self.lost()

    def end(self) -> None:
        """Give the lease back; nothing can be written any more."""
        if not self._journal.read_only:
            self._lease.release()
        self._ended = True
        self.read_only = True
        self.reason = "The session is closed."
