"""What undo and redo need, and who gave which label: flat arrays, however many steps there were.

A project of ten thousand edits keeps some hundred kilobytes here, and no object a step.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .categories import CategorySet

__all__ = ["History", "Rows", "Step"]


@dataclass(frozen=True)
class Step:
    """What one step found before it, enough to take it back.

    Attributes
    ----------
    seq : int
        Its row in the journal, which says what it did.
    level : str
    codes : ndarray of int16, shape (n,)
    batches : ndarray of int32, shape (n,)
    t0 : ndarray of float64, shape (n,), or None
    categories : (CategorySet, CategorySet) or None
        Before and after, where it edited them.
    """

    seq: int
    level: str
    codes: NDArray[np.int16]
    batches: NDArray[np.int32]
    t0: NDArray[np.float64] | None
    categories: tuple[CategorySet, CategorySet] | None


class History:
    """The steps that can be taken back, and after them those that can be done again."""

    def __init__(self) -> None:
        self._at = 0  # steps before this one can be taken back, the others done again
        self._seqs, self._counts, self._edits = array("q"), array("q"), array("q")
        self._levels: list[str] = []
        self._sentences: list[str] = []
        self._sets: list[CategorySet] = []
        self._codes, self._batches, self._t0 = _Ragged("h"), _Ragged("i"), _Ragged("d")

    @property
    def undoable(self) -> str | None:
        """What would be taken back."""
        return self._sentences[self._at - 1] if self._at else None

    @property
    def redoable(self) -> str | None:
        """What would be done again."""
        return self._sentences[self._at] if self._at < len(self._sentences) else None

    @property
    def next_undo(self) -> tuple[int, str] | None:
        """Row and level of the step that would be taken back."""
        return (self._seqs[self._at - 1], self._levels[self._at - 1]) if self._at else None

    @property
    def next_redo(self) -> tuple[int, str] | None:
        """Row and level of the step that would be done again."""
        return (self._seqs[self._at], self._levels[self._at]) if self._at < len(self._seqs) else None

    def push(self, step: Step, sentence: str) -> None:
        """Add a step; what could be done again no longer can."""
        self._cut(self._at)
        self._seqs.append(step.seq)
        self._counts.append(len(step.codes))
        self._levels.append(step.level)
        self._sentences.append(sentence)
        self._edits.append(len(self._sets) if step.categories else -1)
        self._sets.extend(step.categories or ())
        self._codes.append(step.codes)
        self._batches.append(step.batches)
        self._t0.append(np.empty(0) if step.t0 is None else step.t0)
        self._at += 1

    def back(self) -> Step:
        """Step back over the newest step."""
        self._at -= 1
        return self._step(self._at)

    def forth(self) -> Step:
        """Step forth again."""
        self._at += 1
        return self._step(self._at - 1)

    def rename(self, old: str, new: str) -> None:
        """A level is called otherwise from now on, in what was done before too."""
        for i, level in enumerate(self._levels):
            if level == old:
                self._levels[i] = new
                if self._sentences[i] in (f"{old} added", f"{old} removed"):
                    self._sentences[i] = new + self._sentences[i][len(old) :]

    def clear(self) -> None:
        """Forget all steps."""
        self._cut(0)
        self._at = 0

    def _step(self, i: int) -> Step:
        n, edit = self._counts[i], self._edits[i]
        t0 = self._t0.get(i, n)
        return Step(
            self._seqs[i], self._levels[i], self._codes.get(i, n), self._batches.get(i, n), t0 if len(t0) == n else None,
            (self._sets[edit], self._sets[edit + 1]) if edit >= 0 else None,
        )  # fmt: skip

    def _cut(self, size: int) -> None:
        edits = [edit for edit in self._edits[size:] if edit >= 0]
        if edits:
            del self._sets[edits[0] :]
        for column in (
            self._seqs, self._counts, self._edits, self._levels, self._sentences, self._codes, self._batches, self._t0,
        ):  # fmt: skip
            del column[size:]

    # ------------------------------------------------------------------ kept with a checkpoint

    def to_plain(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Everything as plain data and as arrays, all copies."""
        about = {
            "at": self._at, "levels": list(self._levels), "sentences": list(self._sentences),
            "sets": [categories.to_json() for categories in self._sets],
        }  # fmt: skip
        columns = {"seqs": self._seqs, "counts": self._counts, "edits": self._edits}
        arrays = {f"history.{name}": _numbers(column) for name, column in columns.items()}
        for name, ragged in (("codes", self._codes), ("batches", self._batches), ("t0", self._t0)):
            arrays[f"history.{name}"] = _numbers(ragged.values)
            arrays[f"history.{name}.ends"] = _numbers(ragged.ends)
        return about, arrays

    @classmethod
    def from_plain(cls, about: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> History:
        """What :meth:`to_plain` gave."""
        self = cls()
        self._at = about["at"]
        self._levels, self._sentences = about["levels"], about["sentences"]
        self._sets = [CategorySet.from_json(stored) for stored in about["sets"]]
        for name, column in (("seqs", self._seqs), ("counts", self._counts), ("edits", self._edits)):
            column.frombytes(arrays[f"history.{name}"].tobytes())
        for name, ragged in (("codes", self._codes), ("batches", self._batches), ("t0", self._t0)):
            ragged.values.frombytes(arrays[f"history.{name}"].tobytes())
            ragged.ends.frombytes(arrays[f"history.{name}.ends"].tobytes())
        return self


class Rows:
    """Who made each row of the journal, when, from where and in which round, by its number."""

    def __init__(self) -> None:
        self.times, self.rounds = array("d", [0.0]), array("i", [0])
        self._users, self._sources = array("i", [0]), array("h", [0])
        self.users, self.sources = [""], [""]

    def add(self, seq: int, time: float, user: str, source: str, round: int) -> None:
        """Add the next row."""
        while len(self.times) < seq:  # a number that was never given
            self.add(len(self.times), 0.0, "", "", 0)
        self.times.append(time)
        self.rounds.append(round)
        for value, names, numbers in ((user, self.users, self._users), (source, self.sources, self._sources)):
            if value not in names:
                names.append(value)
            numbers.append(names.index(value))

    def user_of(self, rows: NDArray[np.int32]) -> NDArray[np.int32]:
        """Number of the user, in :attr:`users`, of some rows."""
        return np.frombuffer(self._users, np.int32)[rows]

    def source_of(self, rows: NDArray[np.int32]) -> NDArray[np.int32]:
        """Number of the source, in :attr:`sources`, of some rows."""
        return np.frombuffer(self._sources, np.int16)[rows].astype(np.int32)

    def to_plain(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Everything as plain data and as arrays, all copies."""
        columns: dict[str, array[Any]] = {
            "times": self.times, "rounds": self.rounds, "users": self._users, "sources": self._sources,
        }  # fmt: skip
        return {"users": list(self.users), "sources": list(self.sources)}, {
            f"rows.{name}": _numbers(column) for name, column in columns.items()
        }

    @classmethod
    def from_plain(cls, about: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Rows:
        """What :meth:`to_plain` gave."""
        self = cls()
        self.users, self.sources = about["users"], about["sources"]
        self.times = array("d", arrays["rows.times"].tobytes())
        self.rounds = array("i", arrays["rows.rounds"].tobytes())
        self._users = array("i", arrays["rows.users"].tobytes())
        self._sources = array("h", arrays["rows.sources"].tobytes())
        return self


class _Ragged:
    """Arrays of different lengths, one after the other; one value throughout is kept once."""

    def __init__(self, code: str) -> None:
        self.values = array(code)
        self.ends = array("q")

    def append(self, values: NDArray[Any]) -> None:
        plain = np.ascontiguousarray(values, self.values.typecode)
        if len(plain) > 1:
            bits = plain.view(f"i{plain.itemsize}")  # NaN is not equal to itself, its bits are
            if (bits == bits[0]).all():
                plain = plain[:1]
        self.values.frombytes(plain.tobytes())
        self.ends.append(len(self.values))

    def get(self, i: int, n: int) -> NDArray[Any]:
        """The i-th array, of n values; empty where none was given."""
        part = _numbers(self.values[self.ends[i - 1] if i else 0 : self.ends[i]])
        return np.full(n, part[0]) if len(part) == 1 else part

    def __delitem__(self, which: slice) -> None:
        del self.ends[which]
        del self.values[self.ends[-1] if self.ends else 0 :]


def _numbers(column: array[Any]) -> NDArray[Any]:
    """A copy of a column as an array."""
    return np.array(column, dtype=column.typecode)
