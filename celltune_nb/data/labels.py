"""The labels as the journal says they are now: levels, categories, codes, undo and redo.

:class:`LabelBook` folds the journal's rows, in order, into arrays that are looked up by item id.
Every change is written to the journal first and then applied by the very function that replays
it on opening, so what is on the screen and what is on disk cannot differ.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import LabelError
from .categories import UNKNOWN, CategorySet
from .journal import SOURCES, Entry, Journal

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LabelBook", "Level"]


@dataclass
class Level:
    """A category set with its labels and an optional parent.

    Attributes
    ----------
    codes : ndarray of int16
        Category code by item id (0 = *Unknown*); may be shorter than the largest id.
    batches : ndarray of int64
        The journal row that gave each code, by item id; 0 = never labelled.
    t0 : ndarray of float64 or None
        Onset by item id, NaN where there is none; None until one is given.
    """

    name: str
    parent: str | None = None
    categories: CategorySet = field(default_factory=CategorySet)
    codes: NDArray[np.int16] = field(default_factory=lambda: np.zeros(0, np.int16))
    batches: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    t0: NDArray[np.float64] | None = None
    #: Number of items of each category code; kept up to date with every change.
    tally: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))

    def reserve(self, size: int) -> None:
        """Make room for ids below *size*."""
        missing = size - len(self.codes)
        if missing > 0:
            missing = max(missing, len(self.codes) // 4)  # grow in steps, not by one id at a time
            self.codes = np.concatenate([self.codes, np.zeros(missing, np.int16)])
            self.batches = np.concatenate([self.batches, np.zeros(missing, np.int64)])
            if self.t0 is not None:
                self.t0 = np.concatenate([self.t0, np.full(missing, np.nan)])

    def codes_of(self, ids: NDArray[np.int64]) -> NDArray[np.int16]:
        """Category codes of items, 0 where unlabelled.

        Parameters
        ----------
        ids : ndarray of int64, shape (n,)

        Returns
        -------
        ndarray of int16, shape (n,)
        """
        if len(ids) and int(ids.max()) >= len(self.codes):
            self.reserve(int(ids.max()) + 1)
        return self.codes[ids]


@dataclass(frozen=True)
class _Step:
    """What a row changed, both ways: enough to undo it and to do it again."""

    entry: Entry
    before: tuple[NDArray[np.int16], NDArray[np.int64], NDArray[np.float64] | None]
    after: tuple[NDArray[np.int16], NDArray[np.int64], NDArray[np.float64] | None]
    categories: tuple[CategorySet, CategorySet]

    @property
    def sentence(self) -> str:
        entry, n = self.entry, len(self.entry.ids)
        if entry.verb == "categories":
            return str(entry.detail.get("what", "category edit"))
        items = f"{n:,} item{'s' if n != 1 else ''}"
        if entry.category == UNKNOWN:
            return f"label removed from {items}"
        return f"{items} labelled {entry.category}" if entry.category else f"{items} labelled"


class LabelBook:
    """All levels of a project, with undo and redo.

    Parameters
    ----------
    journal : Journal
        Replayed on opening, appended to afterwards.

    Attributes
    ----------
    revision : int
        Number of the newest journal row; a run records it, so that its labels can be told again.
    last_level : str
        The level of that row.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.levels: dict[str, Level] = {}
        self.revision = 0
        self.last_level = ""
        self._last_ids = np.empty(0, np.int64)
        self._entries: dict[int, Entry] = {}
        self._done: list[_Step] = []
        self._undone: list[_Step] = []
        self.catch_up()

    def catch_up(self) -> int:
        """Apply the rows written since (by a former run of this project, or by another session)."""
        start = self.revision
        for entry in self.journal.entries(after=self.revision):
            self._apply(entry)
        return self.revision - start

    # ------------------------------------------------------------------ verbs

    def add_level(self, name: str, parent: str | None = None, user: str = "") -> Level:
        """Begin a level with no categories but *Unknown*."""
        name = str(name).strip()
        if not name or len(name) > 80 or not name.isprintable() or "/" in name:
            raise LabelError(
                "A level needs a name of 1 to 80 printable characters without '/'. Choose another."
            )
        if name in self.levels:
            raise LabelError(f"There is already a level {name!r}. Choose another name.")
        if parent is not None:
            self.level(parent)
        self._record(Entry("level", name, user=user, detail={"parent": parent}))
        return self.levels[name]

    def label(
        self, ids: NDArray[np.int64], codes: NDArray[np.int16] | int, *, level: str, source: str,
        t0: NDArray[np.float64] | None = None, strategy: str | None = None, round: int = 0, user: str = "",
        categories: CategorySet | None = None,
    ) -> int:  # fmt: skip
        """Give items their categories, as one undoable step.

        Parameters
        ----------
        ids : ndarray of int64, shape (n,)
            Distinct item ids in any order.
        codes : int or ndarray of int16, shape (n,)
            One category code for all, or one each; 0 removes the label.
        t0 : ndarray of float64, shape (1,) or (n,), optional
            Onset, in frames.
        categories : CategorySet, optional
            The level's categories from now on, where the labels bring new ones.

        Returns
        -------
        int
            The batch id: number of the journal row.
        """
        known = (categories or self.level(level).categories).by_code
        used = {codes} if isinstance(codes, int) else set(np.unique(codes).tolist())
        if not used <= known.keys():
            raise LabelError(
                f"Level {level!r} has no category with code {min(used - known.keys())}. Add it first."
            )
        if source not in SOURCES:
            raise LabelError(f"{source!r} is not a source of labels. Sources: {', '.join(SOURCES)}.")
        order = np.argsort(ids, kind="stable")
        if len(ids) and (np.any(np.diff(ids[order]) == 0) or ids[order[0]] < 0):
            raise LabelError("An item may be named once in a labelling, by its id. Remove the repeats.")
        return self._record(
            Entry(
                "label", level, ids[order], codes if isinstance(codes, int) else codes[order],
                t0=t0 if t0 is None or len(t0) == 1 else t0[order],
                category=known[codes].name if isinstance(codes, int) else None,
                source=source, strategy=strategy, round=round, user=user,
                detail={} if categories is None else categories.to_json(),
            )
        )  # fmt: skip

    def edit_categories(
        self, level: str, categories: CategorySet, what: str, *, moved: dict[int, int] | None = None,
        round: int = 0, user: str = "",
    ) -> int:  # fmt: skip
        """Replace a level's categories, and move the labels of some codes to others, as one step.

        Parameters
        ----------
        moved : dict of int to int, optional
            Old code to new code, for a merge or a deletion (new code 0).
        """
        state = self.level(level)
        ids, codes = np.empty(0, np.int64), np.empty(0, np.int16)
        if moved:
            ids = np.flatnonzero(np.isin(state.codes, list(moved)))
            codes = np.array([moved[int(c)] for c in state.codes[ids]], np.int16)
        return self._record(
            Entry(
                "categories", level, ids, codes if len(ids) else 0, round=round, user=user,
                detail={"what": what, **categories.to_json()},
            )
        )  # fmt: skip

    def seal(self, user: str = "") -> None:
        """Let undo go no further back than now (the categories that an example comes with)."""
        self._record(Entry("seal", next(iter(self.levels), ""), user=user))

    def undo(self, user: str = "") -> str | None:
        """Take the newest step back; returns what it was, None when there is none."""
        return self._turn("undo", self._done, user)

    def redo(self, user: str = "") -> str | None:
        """Do the step last taken back again; returns what it was, None when there is none."""
        return self._turn("redo", self._undone, user)

    @property
    def undoable(self) -> str | None:
        """What :meth:`undo` would take back."""
        return self._done[-1].sentence if self._done else None

    @property
    def redoable(self) -> str | None:
        """What :meth:`redo` would do again."""
        return self._undone[-1].sentence if self._undone else None

    def _turn(self, verb: str, stack: list[_Step], user: str) -> str | None:
        if not stack:
            return None
        step = stack[-1]
        self._record(Entry(verb, step.entry.level, user=user, detail={"row": step.entry.seq}))
        return step.sentence

    # ------------------------------------------------------------------ reading

    def level(self, name: str) -> Level:
        """A level by name."""
        if name not in self.levels:
            known = ", ".join(map(repr, self.levels)) or "none yet"
            raise LabelError(
                f"There is no level {name!r}. Levels: {known}. Add it: session.levels.add({name!r})."
            )
        return self.levels[name]

    def last_ids(self) -> NDArray[np.int64]:
        """The items of the newest row that moved labels in either direction (for recolouring)."""
        return self._last_ids

    def sources(self, level: str, ids: NDArray[np.int64]) -> NDArray[np.object_]:
        """Where each item's label came from (``click``, ``audit``, …), "" where there is none."""
        state = self.level(level)
        state.codes_of(ids)
        batches = state.batches[ids]
        unique, inverse = np.unique(batches, return_inverse=True)
        names = np.array([self._entries[int(b)].source or "" if b else "" for b in unique], object)
        return names[inverse] if len(ids) else np.empty(0, object)

    def to_pandas(self, level: str) -> pd.DataFrame:
        """The labels of a level, one row an item, indexed by item id.

        Returns
        -------
        DataFrame
            Columns category, level, source, user, time (UTC), round, batch, t0.
        """
        import pandas as pd

        state = self.level(level)
        ids = np.flatnonzero(state.codes)
        batches, inverse = np.unique(state.batches[ids], return_inverse=True)
        rows = [self._entries[int(batch)] for batch in batches]
        by_code = state.categories.by_code
        names = np.array([by_code[c].name if c in by_code else "" for c in range(max(by_code) + 1)], object)

        def column(values: list[Any], dtype: Any = object) -> NDArray[Any]:
            return np.array(values, dtype)[inverse] if len(rows) else np.empty(0, dtype)

        return pd.DataFrame(
            {
                "category": names[state.codes[ids]],
                "level": level,
                "source": column([row.source or "" for row in rows]),
                "user": column([row.user for row in rows]),
                "time": pd.to_datetime(column([row.time for row in rows], np.float64), unit="s", utc=True),
                "round": column([row.round for row in rows], np.int64),
                "batch": state.batches[ids],
                "t0": np.full(len(ids), np.nan) if state.t0 is None else state.t0[ids],
            },
            index=pd.Index(ids, name="item", dtype=np.int64),
        )

    # ------------------------------------------------------------------ the fold

    def _record(self, entry: Entry) -> int:
        entry = replace(entry, time=time.time())
        seq = self.journal.append(entry)
        self._apply(replace(entry, seq=seq))
        return seq

    def _apply(self, entry: Entry) -> None:
        """Fold one row into the state; the only place that changes it."""
        self.revision = entry.seq
        self._last_ids, self.last_level = entry.ids, entry.level
        if entry.verb == "level":
            self.levels[entry.level] = Level(entry.level, entry.detail.get("parent"))
        elif entry.verb in ("label", "categories"):
            step = self._step(entry)
            self._done.append(step)
            self._undone.clear()
            self._put(step, forward=True)
        elif entry.verb == "seal":
            self._done.clear()
            self._undone.clear()
        elif entry.verb == "undo" and self._done:
            step = self._done.pop()
            self._undone.append(step)
            self._put(step, forward=False)
        elif entry.verb == "redo" and self._undone:
            step = self._undone.pop()
            self._done.append(step)
            self._put(step, forward=True)

    def _step(self, entry: Entry) -> _Step:
        state, ids = self.levels[entry.level], entry.ids
        if len(ids):
            state.reserve(int(ids[-1]) + 1)
        if entry.t0 is not None and state.t0 is None:
            state.t0 = np.full(len(state.codes), np.nan)
        before = (state.codes[ids], state.batches[ids], None if state.t0 is None else state.t0[ids])
        codes = np.broadcast_to(np.asarray(entry.codes, np.int16), ids.shape)
        if entry.verb == "label":
            self._entries[entry.seq] = replace(entry, ids=ids[:0], codes=0)
            batches = np.full(len(ids), entry.seq, np.int64)
            onset = np.nan if entry.t0 is None else entry.t0
            after_t0 = None if state.t0 is None else np.broadcast_to(np.asarray(onset, np.float64), ids.shape)
        else:  # a merge moves the category; who gave the label, and when, stays as it was
            batches, after_t0 = before[1], before[2]
        categories = state.categories
        edited = CategorySet.from_json(entry.detail) if "categories" in entry.detail else categories
        return _Step(entry, before, (codes, batches, after_t0), (categories, edited))

    def _put(self, step: _Step, *, forward: bool) -> None:
        state, ids = self.levels[step.entry.level], step.entry.ids
        codes, batches, t0 = step.after if forward else step.before
        other = (step.before if forward else step.after)[0]
        # A code is never given twice, not even after the category that had it was undone: predictions may speak of it.
        newest = max(state.categories.next_code, *(categories.next_code for categories in step.categories))
        state.categories = CategorySet(step.categories[1 if forward else 0], newest)
        self._last_ids = ids
        size = max([*state.categories.by_code, len(state.tally) - 1, int(other.max(initial=0))]) + 1
        tally = np.bincount(codes, minlength=size) - np.bincount(other, minlength=size)
        state.tally = np.pad(state.tally, (0, len(tally) - len(state.tally))) + tally
        state.codes[ids] = codes
        state.batches[ids] = batches
        if state.t0 is not None:
            state.t0[ids] = np.nan if t0 is None else t0
