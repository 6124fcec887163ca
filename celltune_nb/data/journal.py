"""The label journal: one SQLite row for each thing a person did, only ever added to.

``labels.sqlite`` runs in WAL mode with ``synchronous=FULL``: when a verb returns, its row is on
disk, and a process killed at any moment leaves either the whole row or none of it.  Undo is a row
too, so nothing is ever taken away.  Beside the journal lies the proposals log (what a sampler
offered, with score, reason and selection probability) and the lease that admits one writer.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FormatError, ProjectError, ProjectVersionError, ReadOnlyError
from .idcodec import decode_array, decode_ids, encode_array, encode_ids

__all__ = ["SOURCES", "Entry", "Journal", "ProposalRecord"]

#: Where a label can come from.
SOURCES = (
    "click", "rectangle", "batch", "correction", "review", "accept", "gate", "audit", "import",
)  # fmt: skip

#: 2: notes and second opinions stand among the steps; a program that does not know them would undo the wrong one.
SCHEMA_VERSION = 2

Digest = Any  # of hashlib, which names no type for it

_ROWS = (
    "SELECT seq, time, user, verb, level, category, code, source, strategy, round, ids, codes, t0, detail "
    "FROM journal WHERE seq > ? AND seq <= ? ORDER BY seq"
)
_NEW_ROW = (
    "INSERT INTO journal (time, user, verb, level, category, code, source, strategy, round, ids, codes, t0, detail, n) "
    "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)
_LAST = 2**62
_CLOSED = "The session is closed. Open the project again, then repeat the action."

_TABLES = """
CREATE TABLE IF NOT EXISTS journal (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    time REAL NOT NULL, user TEXT NOT NULL, verb TEXT NOT NULL, level TEXT,
    category TEXT, code INTEGER, source TEXT, strategy TEXT, round INTEGER,
    n INTEGER NOT NULL, ids BLOB, codes BLOB, t0 BLOB, detail TEXT);
CREATE TABLE IF NOT EXISTS proposals (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time REAL NOT NULL, user TEXT NOT NULL, strategy TEXT NOT NULL, level TEXT NOT NULL,
    image TEXT, rectangle TEXT, seed TEXT, round INTEGER, n INTEGER NOT NULL,
    ids BLOB NOT NULL, score BLOB NOT NULL, probability BLOB NOT NULL, reasons TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS lease (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    owner TEXT NOT NULL, user TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL,
    taken REAL NOT NULL, heartbeat REAL NOT NULL);
"""


@dataclass(frozen=True)
class Entry:
    """One row of the journal.

    Attributes
    ----------
    verb : str
        ``label``, ``categories`` (an edit; may move labels too), ``level``, ``note``, ``opinion``, ``undo``, ``redo``,
        ``seal``; ``retire`` and ``carry`` of a new mask.
    ids : ndarray of int64, ascending
        The items it concerns.
    codes : ndarray of int16 or int
        Their new category codes: one for all, or one each.
    t0 : ndarray of float64 or None
        Onsets, one for all or one each (signals only).
    detail : dict
        What the verb needs besides: the new categories, the undone row, the parent level.
    """

    verb: str
    level: str
    ids: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    codes: NDArray[np.int16] | int = 0
    t0: NDArray[np.float64] | None = None
    category: str | None = None
    source: str | None = None
    strategy: str | None = None
    round: int = 0
    user: str = ""
    detail: dict[str, Any] = field(default_factory=dict)
    time: float = 0.0
    seq: int = 0


@dataclass(frozen=True)
class ProposalRecord:
    """What a sampler offered: ids with score, reason and selection probability."""

    strategy: str
    level: str
    ids: NDArray[np.int64]
    score: NDArray[np.float32]
    probability: NDArray[np.float64]
    reasons: tuple[str, ...]
    seed: int
    image: str | None = None
    rectangle: tuple[float, float, float, float] | None = None
    round: int = 0
    user: str = ""
    time: float = 0.0
    id: int = 0


class Journal:
    """The journal of a project on disk.

    Parameters
    ----------
    path : Path
        ``labels.sqlite``; made when it is not there (unless *read_only*).
    read_only : bool
        Never write, not even a lock beside the file.

    Notes
    -----
    The connection may be used from any thread, by one at a time: the session's lock sees to that.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self.read_only = read_only
        #: Token of the lease that a write must still hold; set by the session's lease.
        self.owner: str | None = None
        self._inside = False  # of a transaction
        if read_only and not path.exists():
            raise FormatError(f"{path.name} is missing in {path.parent}. Open a complete project folder.")
        try:
            self._closed = False
            self._connection = self._connect("?mode=ro" if read_only else "")
            version = self.connection.execute("PRAGMA user_version").fetchone()[0]
            if version > SCHEMA_VERSION:
                self.connection.close()
                raise ProjectVersionError(
                    f"{path.name} was written by a newer celltune_nb (label journal version {version}, "
                    f"this program reads up to {SCHEMA_VERSION}). Update celltune_nb, then open it again."
                )
            if not read_only:
                self.connection.execute("PRAGMA journal_mode=WAL")
                self.connection.execute("PRAGMA synchronous=FULL")
                if version < SCHEMA_VERSION:
                    self.connection.executescript(f"{_TABLES} PRAGMA user_version={SCHEMA_VERSION};")
            self._inode = path.stat().st_ino
        except sqlite3.DatabaseError as error:
            raise FormatError(
                f"{path} is not a readable label journal ({error}). Restore it from a copy of the project, or "
                "start a new project and import the newest file of backups/."
            ) from error

    def _connect(self, options: str) -> sqlite3.Connection:
        address = self.path.resolve().as_uri()
        connection = sqlite3.connect(
            f"{address}{options}", uri=True, check_same_thread=False, isolation_level=None, timeout=5.0
        )
        if options:
            try:
                connection.execute("SELECT 1 FROM journal LIMIT 1")
            except sqlite3.OperationalError:
                # A folder on a read-only disk: SQLite cannot make its lock files there, and needs none.
                connection.close()
                connection = sqlite3.connect(
                    f"{address}?mode=ro&immutable=1", uri=True, check_same_thread=False, isolation_level=None
                )
        return connection

    @property
    def connection(self) -> sqlite3.Connection:
        """The open file.

        Raises
        ------
        ProjectError
            After :meth:`close`.
        """
        if self._closed:
            raise ProjectError(_CLOSED)
        return self._connection

    @property
    def in_place(self) -> bool:
        """Whether the file still lies where it was opened: not moved, replaced or deleted."""
        try:
            return self.path.stat().st_ino == self._inode
        except OSError:
            return False

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._closed = True
        self._connection.close()

    def _read(self, query: str, values: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a query; whatever SQLite cannot read becomes a sentence."""
        try:
            yield from self.connection.execute(query, values)
        except sqlite3.ProgrammingError as error:  # closed meanwhile
            raise ProjectError(_CLOSED) from error
        except sqlite3.OperationalError as error:
            raise ProjectError(
                f"{self.path} cannot be read now ({error}). Look whether another program holds it, then repeat."
            ) from error
        except sqlite3.DatabaseError as error:
            raise FormatError(
                f"{self.path} is damaged ({error}). Restore it from a copy of the project, or start a new project and "
                "import the newest file of backups/."
            ) from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction; the lease is checked inside it, so two writers can never interleave.

        Nobody else can take the lease before it ends.  One within another is part of it.
        """
        if self._inside:
            yield self.connection
            return
        if self.read_only:
            raise ReadOnlyError("This project is open read-only. Take it over, or work on a copy.")
        if not self.in_place:
            raise ProjectError(
                f"{self.path} was moved, replaced or deleted while it was open. Put it back, or close the session and "
                "restore the project from a copy."
            )
        try:
            try:
                self.connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                raise ReadOnlyError(
                    f"The label journal cannot be written ({error}). Check that the folder is writable and the "
                    "disk not full, then repeat the last action: nothing was changed."
                ) from error
            if self.owner is not None:
                held = self.connection.execute("SELECT owner FROM lease WHERE id = 1").fetchone()
                if held is None or held[0] != self.owner:
                    raise ReadOnlyError(
                        "This project was taken over by a newer session; this one can only look. Continue there, "
                        "or take it over here: nothing was lost."
                    )
            self._inside = True
            yield self.connection
            self.connection.execute("COMMIT")
        except BaseException as error:
            if self.connection.in_transaction:  # an interrupt may come when the row is on disk already
                self.connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError):
                raise ProjectError(
                    f"The label journal cannot be written ({error}). Make room on the disk and look whether the "
                    "folder is writable, then repeat the last action: nothing was changed."
                ) from error
            raise
        finally:
            self._inside = False

    # ------------------------------------------------------------------ rows

    def append(self, entry: Entry, *, digest: Digest | None = None) -> int:
        """Write one row, durably; returns its number.

        Parameters
        ----------
        digest : hashlib object, optional
            Fed with the row once it is written, as :meth:`entries` feeds it on reading.
        """
        codes = None if isinstance(entry.codes, int) else encode_array(entry.codes)
        row = (
            float(entry.time or time.time()), *map(_text, (entry.user, entry.verb, entry.level, entry.category)),
            int(entry.codes) if isinstance(entry.codes, int) else None,
            _text(entry.source), _text(entry.strategy), int(entry.round),
            encode_ids(entry.ids) if len(entry.ids) else None, codes,
            None if entry.t0 is None else encode_array(entry.t0),
            json.dumps(entry.detail, separators=(",", ":")) if entry.detail else None,
        )  # fmt: skip
        with self.writing() as connection:
            cursor = connection.execute(_NEW_ROW, (*row, len(entry.ids)))
        assert cursor.lastrowid is not None
        if digest is not None:
            _feed(digest, (cursor.lastrowid, *row))
        return cursor.lastrowid

    def entries(self, after: int = 0, *, digest: Digest | None = None) -> Iterator[Entry]:
        """The rows, oldest first, from the one after number *after* on; *digest* is fed with each."""
        for row in self._read(_ROWS, (after, _LAST)):
            if digest is not None:
                _feed(digest, row)
            yield _entry(row)

    def entry(self, seq: int) -> Entry:
        """One row by its number."""
        for row in self._read(_ROWS, (seq - 1, seq)):
            return _entry(row)
        raise FormatError(f"Row {seq} of the label journal is gone. Restore labels.sqlite from a backup.")

    def digest(self, upto: int) -> Digest:
        """The digest of every byte of the rows up to a number, as :meth:`entries` would feed it."""
        digest = hashlib.sha256()
        for row in self._read(_ROWS, (0, upto)):
            _feed(digest, row)
        return digest

    # ------------------------------------------------------------------ proposals

    def propose(self, record: ProposalRecord) -> int:
        """Log what a sampler offered; returns the proposal's number."""
        order = np.argsort(record.ids, kind="stable")
        row = (
            record.time or time.time(), record.user, record.strategy, record.level, record.image,
            json.dumps(record.rectangle) if record.rectangle else None, str(record.seed), record.round,
            len(record.ids), encode_ids(record.ids[order]),
            encode_array(record.score.astype(np.float32)[order]),
            encode_array(record.probability.astype(np.float64)[order]),
            json.dumps([record.reasons[i] for i in order], separators=(",", ":")),
        )  # fmt: skip
        with self.writing() as connection:
            cursor = connection.execute(
                "INSERT INTO proposals (time, user, strategy, level, image, rectangle, seed, round, n, ids, score, "
                "probability, reasons) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
                row,
            )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def proposals(
        self, strategy: str | None = None, level: str | Sequence[str] | None = None
    ) -> Iterator[ProposalRecord]:
        """What was offered, oldest first, optionally of one strategy and level; of this all names that it ever had."""
        names = None if level is None else json.dumps([level] if isinstance(level, str) else list(level))
        rows = self._read(
            "SELECT id, time, user, strategy, level, image, rectangle, seed, round, ids, score, probability, reasons "
            "FROM proposals WHERE (?1 IS NULL OR strategy = ?1) AND (?2 IS NULL OR level IN "
            "(SELECT value FROM json_each(?2))) ORDER BY id",
            (strategy, names),
        )
        for (
            number,
            when,
            user,
            by,
            where,
            image,
            rectangle,
            seed,
            turn,
            ids,
            score,
            probability,
            reasons,
        ) in rows:
            yield ProposalRecord(
                strategy=by, level=where, ids=decode_ids(ids), score=decode_array(score).astype(np.float32),
                probability=decode_array(probability).astype(np.float64), reasons=tuple(json.loads(reasons)),
                seed=int(seed), image=image, rectangle=tuple(json.loads(rectangle)) if rectangle else None,
                round=turn or 0, user=user, time=when, id=number,
            )  # fmt: skip


def _text(value: str | None) -> str | None:
    """The text as it will be read back: a NumPy string has another repr, and the digest would differ."""
    return None if value is None else str(value)


def _feed(digest: Digest, row: tuple[Any, ...]) -> None:
    """Add a row to a digest: the plain values as text, which also says how long what follows is, then the bytes."""
    ids, codes, t0 = row[10], row[11], row[12]
    lengths = [None if part is None else len(part) for part in (ids, codes, t0)]
    digest.update(repr((*row[:10], row[13], lengths)).encode("utf-8", "surrogatepass"))
    for part in (ids, codes, t0):
        if part is not None:
            digest.update(part)


def _entry(row: tuple[Any, ...]) -> Entry:
    seq, when, user, verb, level, category, code, source, strategy, turn, ids, codes, t0, detail = row
    return Entry(
        verb=verb, level=level, ids=decode_ids(ids) if ids else np.empty(0, np.int64),
        codes=decode_array(codes).astype(np.int16) if codes else int(code or 0),
        t0=decode_array(t0).astype(np.float64) if t0 else None,
        category=category, source=source, strategy=strategy, round=turn or 0, user=user,
        detail=json.loads(detail) if detail else {}, time=when, seq=seq,
    )  # fmt: skip
