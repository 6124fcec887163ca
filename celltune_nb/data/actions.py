"""What was done besides labelling: images brought, features measured, models trained, in order.

The label journal tells every label.  The rest, which a script needs to do the work again, stands in a table of its own
in the same file: a verb and its arguments as JSON, one row each, written in the transaction of what it tells.
"""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import dataclass, field
from keyword import iskeyword
from typing import Any

from ..errors import FormatError
from .journal import Journal

__all__ = ["Action", "actions", "record"]

_TABLE = """
CREATE TABLE IF NOT EXISTS actions (
    id INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL, user TEXT NOT NULL, revision INTEGER NOT NULL,
    verb TEXT NOT NULL, arguments TEXT NOT NULL)
"""


@dataclass(frozen=True)
class Action:
    """One thing that was done.

    Attributes
    ----------
    verb : str
        Of the session, such as ``measure``.
    arguments : dict
        Plain data.
    revision : int
        The newest row of the label journal when it was done.
    """

    verb: str
    arguments: dict[str, Any] = field(default_factory=dict)
    revision: int = 0
    user: str = ""
    time: float = 0.0


def _is_name(text: str) -> bool:
    return text.isidentifier() and not text.startswith("_") and not iskeyword(text)


def record(journal: Journal, action: Action) -> None:
    """Add a row, as part of the transaction that is open, else in one of its own.

    Raises
    ------
    TypeError
        When an argument is not plain data.
    """
    arguments = json.dumps(action.arguments, separators=(",", ":"))
    with journal.writing() as connection:
        connection.execute(_TABLE)
        connection.execute(
            "INSERT INTO actions (time, user, revision, verb, arguments) VALUES (?,?,?,?,?)",
            (action.time or time.time(), str(action.user), int(action.revision), action.verb, arguments),
        )


def actions(journal: Journal) -> list[Action]:
    """What was done, oldest first; nothing in a project of before there was this table.

    Raises
    ------
    FormatError
        When a row is damaged.
    """
    try:
        if not journal.connection.execute(
            "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'actions'"
        ).fetchall():
            return []
        rows = journal.connection.execute(
            "SELECT verb, arguments, revision, user, time FROM actions ORDER BY id"
        ).fetchall()
        found = [
            Action(str(verb), json.loads(arguments), int(revision), str(user), float(when))
            for verb, arguments, revision, user, when in rows
        ]
        if not all(isinstance(action.arguments, dict) for action in found):
            raise ValueError("arguments without names")
        # They become lines of a program: whatever somebody wrote into the file, a verb and an argument are names.
        names = (name.removeprefix("+") for action in found for name in action.arguments)
        if not all(map(_is_name, names)) or not all(_is_name(v) for a in found for v in a.verb.split(".")):
            raise ValueError("a verb or an argument that is no name")
    except (sqlite3.DatabaseError, ValueError, TypeError, RecursionError) as error:
        raise FormatError(
            f"The list of what was done, in {journal.path.name}, is damaged ({error}). Restore the file from a copy of the "
            "project."
        ) from error
    return found
