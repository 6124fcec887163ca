"""One writer for a project: a lease with a heartbeat, kept in the label journal itself.

Because the lease lies in the same SQLite file as the labels, every write checks it within its own
transaction: two programs can never write in turns, whatever their clocks say.
"""

from __future__ import annotations

import getpass
import os
import socket
import sqlite3
import time
from dataclasses import dataclass
from uuid import uuid4

from ..data.journal import Journal
from ..errors import ProjectError

__all__ = ["Holder", "Lease", "current_user"]

#: Seconds between heartbeats, and after how many without one a lease counts as left behind.
HEARTBEAT = 5.0
ABANDONED = 30.0


def current_user() -> str:
    """The person at work: the JupyterHub user where there is one, else the login name."""
    hub = os.environ.get("JUPYTERHUB_USER")
    if hub:
        return hub
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no name for this number, as in some containers
        return f"user-{os.getuid()}" if hasattr(os, "getuid") else "user"


@dataclass(frozen=True)
class Holder:
    """Who holds a lease."""

    owner: str
    user: str
    host: str
    pid: int
    heartbeat: float

    @property
    def abandoned(self) -> bool:
        """No heartbeat for half a minute, or a process of this machine that is gone."""
        if time.time() - self.heartbeat > ABANDONED:
            return True
        if self.host != socket.gethostname() or self.pid == os.getpid():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False


class Lease:
    """The right to write to a project.

    Parameters
    ----------
    journal : Journal
    user : str
    """

    def __init__(self, journal: Journal, user: str) -> None:
        self._journal = journal
        self._user = user
        self._token = uuid4().hex
        #: When it was taken, if it was free or left behind.
        self.alone_since: float | None = None

    def holder(self) -> Holder | None:
        """Who holds it now."""
        row = self._journal.connection.execute(
            "SELECT owner, user, host, pid, heartbeat FROM lease"
        ).fetchone()
        return Holder(*row) if row else None

    @property
    def held(self) -> bool:
        """Whether this session holds it."""
        holder = self.holder()
        return holder is not None and holder.owner == self._token

    def take(self, *, force: bool = False) -> Holder | None:
        """Take it if it is free, left behind, or held by the same user; returns who has it otherwise.

        Parameters
        ----------
        force : bool
            Take it from another user too (*Take over here*).
        """
        connection = self._journal.connection
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise ProjectError(
                f"The label journal of this project is in use by another program ({error}). Close it there, then "
                "open the project again."
            ) from error
        try:
            holder = self.holder()
            if holder and not (force or holder.user == self._user or holder.abandoned):
                connection.execute("ROLLBACK")
                return holder
            now = time.time()
            connection.execute(
                "INSERT OR REPLACE INTO lease (id, owner, user, host, pid, taken, heartbeat) VALUES (1,?,?,?,?,?,?)",
                (self._token, self._user, socket.gethostname(), os.getpid(), now, now),
            )
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self._journal.owner = self._token
        self.alone_since = now if holder is None or holder.abandoned else None
        return None

    def beat(self) -> bool:
        """Say that the session is alive; False when the lease is no longer its own."""
        try:
            cursor = self._journal.connection.execute(
                "UPDATE lease SET heartbeat = ? WHERE id = 1 AND owner = ?", (time.time(), self._token)
            )
        except sqlite3.OperationalError:
            return True  # the file was busy; the next beat is a few seconds away
        return cursor.rowcount == 1

    def release(self) -> None:
        """Give it back, if it is still ours."""
        try:
            self._journal.connection.execute("DELETE FROM lease WHERE id = 1 AND owner = ?", (self._token,))
        except sqlite3.OperationalError:
            return  # it ends by itself when its heartbeat grows old
