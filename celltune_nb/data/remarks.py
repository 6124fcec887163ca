"""What a person says about an item beside its label: a note, or a second opinion given without seeing the first.

Rows of the journal like labels are, so that undo takes them back in turn; :class:`Remarks` is what they add up to.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .journal import Entry

__all__ = ["NOTE", "OPINION", "Opinion", "Remark", "Remarks"]

NOTE, OPINION = "note", "opinion"


@dataclass(frozen=True)
class Remark:
    """A note on an item.

    Attributes
    ----------
    item : int
    text : str
        Empty: the note was removed.
    user : str
    time : float
        Seconds since 1970.
    """

    item: int
    text: str
    user: str
    time: float


@dataclass(frozen=True)
class Opinion:
    """What somebody called an item without seeing what it was called before.

    Attributes
    ----------
    item : int
    code : int
        Category code; 0 when the person could not tell.
    before : int
        Code of the label at that moment.
    by : str
        Who had given that label.
    level, user : str
    time : float
    row : int
        Of the journal.
    """

    item: int
    code: int
    before: int
    by: str
    level: str
    user: str
    time: float
    row: int


class Remarks:
    """Notes and opinions by the row of the journal that holds them, without those that were taken back."""

    def __init__(self) -> None:
        self._notes: dict[int, Remark] = {}
        self._opinions: dict[int, Opinion] = {}
        self._undone: set[int] = set()

    def __contains__(self, row: object) -> bool:
        return row in self._notes or row in self._opinions

    def add(self, entry: Entry) -> None:
        """Take in a row."""
        item = int(entry.ids[0])
        if entry.verb == NOTE:
            self._notes[entry.seq] = Remark(item, str(entry.detail["text"]), entry.user, entry.time)
            return
        code = entry.codes if isinstance(entry.codes, int) else int(entry.codes[0])
        before, by = int(entry.detail["before"]), str(entry.detail["by"])
        self._opinions[entry.seq] = Opinion(
            item, code, before, by, entry.level, entry.user, entry.time, entry.seq
        )

    def back(self, row: int) -> None:
        """Take a row back."""
        self._undone.add(row)

    def forth(self, row: int) -> None:
        """Let a row count again."""
        self._undone.discard(row)

    def move(self, ids: NDArray[np.int64], into: NDArray[np.int64]) -> None:
        """Let others have the remarks on some items; 0: nobody has them."""
        if not self._notes and not self._opinions:
            return
        to = {a: b for a, b in zip(ids.tolist(), into.tolist(), strict=True) if b}
        self._notes = {
            row: replace(note, item=to.get(note.item, note.item)) for row, note in self._notes.items()
        }
        self._opinions = {
            row: replace(opinion, item=to.get(opinion.item, opinion.item))
            for row, opinion in self._opinions.items()
        }

    def rename(self, old: str, new: str) -> None:
        """Let opinions be of a level that is called otherwise."""
        self._opinions = {
            row: replace(opinion, level=new) if opinion.level == old else opinion
            for row, opinion in self._opinions.items()
        }

    def notes(self) -> dict[int, Remark]:
        """The newest note of each item that has one."""
        newest = {note.item: note for row, note in self._notes.items() if row not in self._undone}
        return {item: note for item, note in newest.items() if note.text}

    def note_of(self, item: int) -> str:
        """The newest note of an item, empty without one."""
        if not self._notes:
            return ""
        found = self.notes().get(item)
        return found.text if found is not None else ""

    def opinions(self, level: str) -> list[Opinion]:
        """Of a level, oldest first; of each person's opinions of an item the newest only."""
        newest: dict[tuple[int, str], Opinion] = {}
        for row, opinion in self._opinions.items():
            if opinion.level == level and row not in self._undone:
                newest[opinion.item, opinion.user] = opinion
        return sorted(newest.values(), key=lambda opinion: opinion.row)

    # ------------------------------------------------------------------ kept with a checkpoint

    def to_plain(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {
            "notes": [[row, *astuple(note)] for row, note in self._notes.items()],
            "opinions": [list(astuple(opinion)) for opinion in self._opinions.values()],
            "undone": sorted(self._undone),
        }

    @classmethod
    def from_plain(cls, about: dict[str, Any]) -> Remarks:
        """What :meth:`to_plain` gave."""
        self = cls()
        self._notes = {int(row): Remark(*rest) for row, *rest in about["notes"]}
        self._opinions = {int(values[-1]): Opinion(*values) for values in about["opinions"]}
        self._undone = {int(row) for row in about["undone"]}
        return self
