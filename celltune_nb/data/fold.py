"""What the journal's rows amount to: a state that each of them moves on, and that a checkpoint can stand for.

:class:`Fold` is the only place where a row changes something, whether it was written a moment ago or is
replayed on opening.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from . import checkpoint, levelling
from .categories import UNKNOWN, CategorySet
from .history import History, Rows, Step
from .journal import Entry, Journal
from .level import Level
from .level_names import LevelNames
from .lineage import Lineage, unpacked
from .remarks import NOTE, OPINION, Remarks

__all__ = ["CARRY", "RETIRE", "Fold"]

#: Raised whenever the same rows would fold into another state: checkpoints of before are left aside then.
FOLD = 3
#: Verbs of rows: items are gone; those that took their place have their labels.
RETIRE, CARRY = "retire", "carry"


class Fold:
    """The state of all levels, with what undo and redo know of.

    Parameters
    ----------
    journal : Journal
        Replayed on opening, appended to afterwards.
    kept : Path, optional
        A checkpoint that :meth:`snapshot` filled.  Taken only if it is whole and was made of the very rows that the
        journal begins with; only the rows after it are replayed then.

    Attributes
    ----------
    revision : int
        Number of the newest journal row; a run records it, so that its labels can be told again.
    kept : int
        Number of the newest row that the checkpoint holds, 0 without one.
    last_level : str
        The level of the newest row.
    renamed : (str, str) or None
        The former and the new name, where the newest row renamed a level.
    """

    def __init__(self, journal: Journal, kept: Path | None = None) -> None:
        self.journal = journal
        self._begin()
        if kept is not None:
            self._restore(kept)
        self.catch_up()

    def _begin(self) -> None:
        self.levels: dict[str, Level] = {}
        self.revision = self.kept = 0
        self.last_level = ""
        self.renamed: tuple[str, str] | None = None
        self._last_ids = np.empty(0, np.int64)
        self._history = History()
        self._rows = Rows()
        self.remarks = Remarks()
        #: What levels were called when files were written.
        self.names = LevelNames()
        #: The items of former masks.
        self.lineage = Lineage()
        #: Of every byte of every row that was folded, in order.
        self._digest = hashlib.sha256()
        #: While a row is being folded, and after that was interrupted: the state is not what the journal says.
        self._halfway = False

    def catch_up(self) -> int:
        """Apply the rows written since (by a former run of this project, or by another session).

        After a folding that was interrupted, everything is read anew.
        """
        if self._halfway:
            self._begin()
        start = self.revision
        self._halfway = True
        for entry in self.journal.entries(after=self.revision, digest=self._digest):
            self._apply(entry)
        self._halfway = False
        return self.revision - start

    @classmethod
    def steps(cls, journal: Journal) -> Iterator[tuple[Self, Entry]]:
        """The rows, each with the state before it; the state goes on changing."""
        book = cls.__new__(cls)
        book.journal = journal
        book._begin()
        for entry in list(journal.entries()):
            yield book, entry
            book._apply(entry)

    def forget(self) -> None:
        """Read everything anew before the next look: rows that were folded may not have stayed."""
        self._halfway = True

    def mend(self) -> None:
        """Read everything anew if a folding was interrupted; else do nothing."""
        if self._halfway:
            self.catch_up()

    # ------------------------------------------------------------------ one row

    def _apply(self, entry: Entry) -> None:
        """Fold one row into the state; the only place that changes it."""
        self.revision = entry.seq
        self._last_ids, self.last_level = entry.ids, entry.level
        self.renamed = None
        self._rows.add(entry.seq, entry.time, entry.user, entry.source or "", entry.round)
        if levelling.is_step(entry):
            nothing = Step(entry.seq, entry.level, np.empty(0, np.int16), np.empty(0, np.int32), None, None)
            self._history.push(nothing, levelling.sentence(entry.verb, entry.level))
            self._relevel(entry.level, entry)
        elif entry.verb == levelling.RENAMED:
            self._rename(entry.level, str(entry.detail["to"]), bool(entry.detail.get("files")))
        elif entry.verb == "level":
            self.levels[entry.level] = Level(entry.level, entry.detail.get("parent"))
        elif entry.verb == RETIRE:
            self._retire(entry)
        elif entry.verb in ("label", "categories", CARRY):
            step = self._step(entry)
            self._history.push(step, _sentence(entry))
            self._forth(step, entry)
        elif entry.verb in (NOTE, OPINION):
            self.remarks.add(entry)
            nothing = Step(entry.seq, entry.level, np.empty(0, np.int16), np.empty(0, np.int32), None, None)
            self._history.push(nothing, _sentence(entry))
        elif entry.verb == "seal":
            self._history.clear()
        elif entry.verb == "undo" and self._history.undoable is not None:
            self._back(self._history.back())
        elif entry.verb == "redo" and self._history.redoable is not None:
            step = self._history.forth()
            self._forth(step, self.journal.entry(step.seq))

    def _relevel(self, name: str, entry: Entry, *, undone: bool = False) -> None:
        """A level begins, or goes."""
        self.levels = (levelling.back if undone else levelling.forth)(self.levels, name, entry)
        self._last_ids = np.empty(0, np.int64)

    def _rename(self, old: str, new: str, lasting: bool) -> None:
        self.levels = levelling.renamed(self.levels, old, new)
        self.names.rename(old, new, lasting)
        self.remarks.rename(old, new)
        self._history.rename(old, new)
        self.renamed, self.last_level = (old, new), new

    def _retire(self, entry: Entry) -> None:
        into = unpacked(entry.detail["into"], len(entry.ids))
        self.lineage.add(entry.ids, into, str(entry.detail["mark"]))
        self.remarks.move(entry.ids, into)
        for state in self.levels.values():
            ids = entry.ids[entry.ids < len(state.codes)]
            # What gave the label stays named: a label that is carried over is that one still.
            t0 = np.nan if state.t0 is None else state.t0[ids]
            state.put(ids, np.zeros(len(ids), np.int16), state.batches[ids], t0)

    def _step(self, entry: Entry) -> Step:
        """What a row finds before it."""
        state, ids = self.levels[entry.level], entry.ids
        if len(ids):
            state.reserve(int(ids[-1]) + 1)
        if entry.t0 is not None and state.t0 is None:
            state.t0 = np.full(len(state.codes), np.nan)
        edited = None
        if "categories" in entry.detail:
            edited = (state.categories, CategorySet.from_json(entry.detail))
        t0 = None if state.t0 is None else state.t0[ids]
        return Step(entry.seq, entry.level, state.codes[ids], state.batches[ids], t0, edited)

    def _forth(self, step: Step, entry: Entry) -> None:
        if levelling.is_step(entry):
            self._relevel(step.level, entry)
            return
        state, ids = self.levels[step.level], entry.ids
        if step.seq in self.remarks:
            self.remarks.forth(step.seq)
            self._last_ids = ids
            return
        codes = np.full(len(ids), entry.codes, np.int16) if isinstance(entry.codes, int) else entry.codes
        if step.categories is not None:
            _put_categories(state, step.categories[1], step.categories)
        batches: NDArray[np.int32] | int
        if entry.verb == "label":
            batches, t0 = entry.seq, entry.t0
        elif entry.verb == CARRY:
            former = unpacked(entry.detail["from"], len(ids))
            batches, t0 = state.batches_of(former), None if state.t0 is None else state.t0[former]
        else:  # a merge moves the category; who gave the label, and when, stays as it was
            batches, t0 = step.batches, step.t0
        self._last_ids = self._put(state, ids, codes, batches, t0)

    def _back(self, step: Step) -> None:
        entry = self.journal.entry(step.seq)
        if levelling.is_step(entry):
            self._relevel(step.level, entry, undone=True)
            return
        state, ids = self.levels[step.level], entry.ids
        if step.seq in self.remarks:
            self.remarks.back(step.seq)
            self._last_ids = ids
            return
        if step.categories is not None:
            _put_categories(state, step.categories[0], step.categories)
        self._last_ids = self._put(state, ids, step.codes, step.batches, step.t0)

    def _put(
        self, state: Level, ids: NDArray[np.int64], codes: NDArray[np.int16], batches: NDArray[np.int32] | int,
        t0: NDArray[np.float64] | None,
    ) -> NDArray[np.int64]:  # fmt: skip
        """Set what items have, of those that are not gone; which those are."""
        if len(self.lineage) and not (living := self.lineage.living(ids)).all():
            ids, codes = ids[living], codes[living]
            batches = batches if isinstance(batches, int) else batches[living]
            t0 = t0 if t0 is None or len(t0) != len(living) else t0[living]
        if len(ids):  # a level that was brought back begins without room
            state.reserve(int(ids[-1]) + 1)
        if state.t0 is None and t0 is not None and len(t0):
            state.t0 = np.full(len(state.codes), np.nan)
        state.put(ids, codes, batches, np.nan if t0 is None else t0)
        return ids

    # ------------------------------------------------------------------ the checkpoint

    def snapshot(self) -> checkpoint.Content:
        """The state as plain data and copies of arrays, for a checkpoint."""
        self.mend()
        history, arrays = self._history.to_plain()
        rows, row_arrays = self._rows.to_plain()
        arrays.update(row_arrays)
        arrays |= {"gone": self.lineage.gone, "into": self.lineage.into}
        levels = []
        for i, state in enumerate(self.levels.values()):
            levels.append([state.name, state.parent, state.categories.to_json()])
            for name in ("codes", "batches", "t0", "tally"):
                if (values := getattr(state, name)) is not None:
                    arrays[f"level{i}.{name}"] = values.copy()
        about = {
            "fold": FOLD, "revision": self.revision, "digest": self._digest.hexdigest(), "last_level": self.last_level,
            "levels": levels, "history": history, "rows": rows, "remarks": self.remarks.to_plain(),
            "marks": self.lineage.marks, "names": self.names.to_plain(),
        }  # fmt: skip
        return about, arrays

    def _restore(self, path: Path) -> None:
        """Begin with a checkpoint, if it is whole and speaks of this journal; else with nothing."""
        try:
            about, arrays = checkpoint.read(path)
            revision = int(about["revision"])
            if about["fold"] != FOLD:
                return
            digest = self.journal.digest(revision)
            if digest.hexdigest() != about["digest"]:
                return
            for i, (name, parent, categories) in enumerate(about["levels"]):
                self.levels[name] = Level(
                    name, parent, CategorySet.from_json(categories), arrays[f"level{i}.codes"], arrays[f"level{i}.batches"],
                    arrays.get(f"level{i}.t0"), arrays[f"level{i}.tally"],
                )  # fmt: skip
            self._history = History.from_plain(about["history"], arrays)
            self._rows = Rows.from_plain(about["rows"], arrays)
            self.remarks = Remarks.from_plain(about["remarks"])
            self.lineage.gone, self.lineage.into = arrays["gone"], arrays["into"]
            self.lineage.marks = [str(mark) for mark in about["marks"]]
            self.names = LevelNames(about.get("names"))
            self.last_level = about["last_level"]
            self._digest = digest
            self.revision = self.kept = revision
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            self._begin()  # the journal says it all


def _put_categories(state: Level, categories: CategorySet, both: tuple[CategorySet, CategorySet]) -> None:
    # A code is never given twice, not even after the category that had it was undone: predictions may speak of it.
    newest = max(state.categories.next_code, *(each.next_code for each in both))
    state.categories = CategorySet(categories, newest, categories.merged)


def _sentence(entry: Entry) -> str:
    """What a step did, for the undo button."""
    if entry.verb == "categories" or "what" in entry.detail:
        return str(entry.detail.get("what", "category edit"))
    if entry.verb in (NOTE, OPINION):
        return "note on 1 item" if entry.verb == NOTE else "blind answer for 1 item"
    n = len(entry.ids)
    items = f"{n:,} item{'s' if n != 1 else ''}"
    if entry.category == UNKNOWN:
        return f"label removed from {items}"
    return f"{items} labelled {entry.category}" if entry.category else f"{items} labelled"
