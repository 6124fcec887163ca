"""The labels as the journal says they are now: levels, categories, codes, undo and redo.

:class:`LabelBook` writes every change to the journal first; it is then applied by the very function
(:mod:`celltune_nb.data.fold`) that replays it on opening, so what is on the screen and what is on disk
cannot differ.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import CellTuneError, LabelError
from . import levelling
from .categories import CategorySet
from .columns import words
from .fold import CARRY, RETIRE, Fold
from .journal import SOURCES, Entry
from .level import Level, checked_name
from .lineage import packed
from .remarks import NOTE, OPINION

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LabelBook"]


class LabelBook(Fold):
    """All levels of a project, with undo and redo.

    What it is made with, and what it knows, stands in :class:`~celltune_nb.data.fold.Fold`.
    """

    # ------------------------------------------------------------------ verbs

    def add_level(
        self, name: str, parent: str | None = None, user: str = "", categories: CategorySet | None = None
    ) -> Level:
        """Begin a level with no categories but *Unknown*; with others, as one undoable step."""
        name = checked_name(name)
        self.refuse_taken(name)
        if parent is not None:
            self.level(parent)
        with_them = {} if categories is None else categories.to_json()
        self._record(Entry("level", name, user=user, detail={"parent": parent, **with_them}))
        return self.levels[name]

    def rename_level(self, name: str, new: str, user: str = "", *, files: bool = False) -> Level:
        """Call a level by another name; its labels and their steps stay.  No step itself: rename it back.

        Parameters
        ----------
        files : bool
            Whether files were written that bear the name; no other level may have it from then on.
        """
        state, new = self.level(name), checked_name(new)
        self.refuse_taken(new, state.name)
        more = {"files": True} if files else {}
        self._record(Entry(levelling.RENAMED, state.name, user=user, detail={"to": new, **more}))
        return self.levels[new]

    def refuse_taken(self, name: str, own: str | None = None) -> None:
        """Refuse the name of a level, and one that another level had; *own* is the level that may have had it."""
        if name in self.levels:
            raise LabelError(f"There is already a level {name!r}. Choose another name.")
        owner = self.names.owner(name)
        if owner not in (None, own):
            raise LabelError(
                f"{owner} was called {name!r}, and its files bear that name. Choose another one."
            )

    def remove_level(self, name: str, user: str = "") -> None:
        """Remove a level that has no label, as one undoable step."""
        if np.any(self.level(name).codes):
            raise LabelError(f"Level {name!r} has labels. Take them back first.")
        if len(self.levels) == 1:
            raise LabelError(f"{name!r} is the only level. Add another one first.")
        self._record(Entry(levelling.REMOVED, name, user=user, detail=levelling.described(self.levels, name)))

    def label(
        self, ids: NDArray[np.int64], codes: NDArray[np.int16] | int, *, level: str, source: str,
        t0: NDArray[np.float64] | None = None, strategy: str | None = None, round: int = 0, user: str = "",
        categories: CategorySet | None = None, what: str = "", joined: bool = False,
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
        what : str
            What undo calls it, where that is more than their number.
        joined : bool
            Part of the step before it: undo takes both back.

        Returns
        -------
        int
            The batch id: number of the journal row.
        """
        if not isinstance(codes, int) and categories is None and len(codes) and (codes == codes[0]).all():
            codes = int(codes[0])  # then undo can name the category
        known = (categories or self.level(level).categories).by_code
        used = {codes} if isinstance(codes, int) else set(np.unique(codes).tolist())
        if not used <= known.keys():
            raise LabelError(
                f"Level {level!r} has no category with code {min(used - known.keys())}. Add it first."
            )
        if not isinstance(source, str) or source not in SOURCES:
            raise LabelError(f"{source!r} is not a source of labels. Sources: {', '.join(SOURCES)}.")
        order = np.argsort(ids, kind="stable")
        if len(ids) and (np.any(np.diff(ids[order]) == 0) or ids[order[0]] < 0):
            raise LabelError("An item may be named once in a labelling, by its id. Remove the repeats.")
        self._refuse_gone(ids)
        return self._record(
            Entry(
                "label", level, ids[order], codes if isinstance(codes, int) else codes[order],
                t0=t0 if t0 is None or len(t0) == 1 else t0[order],
                category=known[codes].name if isinstance(codes, int) else None,
                source=source, strategy=strategy, round=round, user=user,
                detail={
                    **({} if categories is None else categories.to_json()),
                    **({"what": what} if what else {}), **({"with_former": True} if joined else {}),
                },
            )
        )  # fmt: skip

    def edit_categories(
        self, level: str, categories: CategorySet, what: str, *, moved: dict[int, int] | None = None,
        ids: NDArray[np.int64] | None = None, round: int = 0, user: str = "",
    ) -> int:  # fmt: skip
        """Replace a level's categories, and move the labels of some codes to others, as one step.

        Parameters
        ----------
        moved : dict of int to int, optional
            Old code to new code, for a merge or a deletion (new code 0).
        ids : ndarray of int64, optional
            The items that move, ascending; by default all of the old codes.
        """
        state = self.level(level)
        becomes = np.full(max([len(state.tally), *(moved or ())]) + 1, -1, np.int16)  # by old code
        for old, new in (moved or {}).items():
            becomes[old] = new
        if ids is None:
            ids = np.flatnonzero((becomes >= 0)[state.codes]) if moved else np.empty(0, np.int64)
        codes = becomes[state.codes[ids]]
        return self._record(
            Entry(
                "categories", level, ids, codes if len(ids) else 0, round=round, user=user,
                detail={"what": what, **categories.to_json()},
            )
        )  # fmt: skip

    def note(self, item: int, text: str, level: str, user: str = "") -> int:
        """Write a note on an item in place of the former one, as one undoable step; an empty text removes it."""
        self._refuse_gone(np.array([item], np.int64))
        return self._record(Entry(NOTE, level, np.array([item], np.int64), user=user, detail={"text": text}))

    def opinion(self, item: int, code: int, *, level: str, round: int = 0, user: str = "") -> int:
        """Keep what somebody called an item without seeing its label, beside the label; one undoable step."""
        state, ids = self.level(level), np.array([item], np.int64)
        self._refuse_gone(ids)
        if code not in state.categories.by_code:
            raise LabelError(f"Level {level!r} has no category with code {code}. Add it first.")
        batch = state.batches_of(ids)
        before = {
            "before": int(state.codes_of(ids)[0]),
            "by": self._rows.users[int(self._rows.user_of(batch)[0])],
        }
        return self._record(
            Entry(
                OPINION, level, ids, code, category=state.categories.by_code[code].name, source="review",
                strategy="blind", round=round, user=user, detail=before,
            )
        )  # fmt: skip

    def _refuse_gone(self, ids: NDArray[np.int64]) -> None:
        """Refuse what would be said of no cell: whoever chose these items did so before their mask was replaced."""
        if len(self.lineage) and not (living := self.lineage.living(ids)).all():
            n = len(living) - int(np.count_nonzero(living))
            raise LabelError(
                f"{n:,} of these {len(ids):,} cells are gone: the mask of their image was replaced meanwhile. Choose again; "
                "nothing was changed."
            )

    def retire(self, ids: NDArray[np.int64], into: NDArray[np.int64], *, mark: str, user: str = "") -> int:
        """Items are gone for good, on all levels, and others may have taken their places; no step of undo's.

        Steps of before say nothing of them from now on, in either direction.  Notes go over to who took the place.

        Parameters
        ----------
        ids : ndarray of int64, shape (n,), ascending
        into : ndarray of int64, shape (n,)
            Who took the place of each; 0 for nobody.
        mark : str
            What ``project.json`` calls the change.
        """
        detail = {"mark": mark, "into": packed(into)}
        return self._record(Entry(RETIRE, next(iter(self.levels), ""), ids, user=user, detail=detail))

    def carry(
        self, ids: NDArray[np.int64], former: NDArray[np.int64], codes: NDArray[np.int16], *, level: str, what: str = "",
        user: str = "", joined: bool = False,
    ) -> int:  # fmt: skip
        """Give items the labels that others had before they were gone, as one undoable step.

        Who gave each label, how, when and in which round stays as it was.

        Parameters
        ----------
        ids, former : ndarray of int64, shape (n,)
            The items, ascending, and those that they take them from.
        codes : ndarray of int16, shape (n,)
        """
        detail = {"from": packed(former), "what": what, **({"with_former": True} if joined else {})}
        return self._record(Entry(CARRY, level, ids, codes, source="import", user=user, detail=detail))

    def seal(self, user: str = "") -> None:
        """Let undo go no further back than now (the categories that an example comes with)."""
        self._record(Entry("seal", next(iter(self.levels), ""), user=user))

    def undo(self, user: str = "") -> str | None:
        """Take the newest step back; returns what it was, None when there is none."""
        return self._turn("undo", self._history.undoable, self._history.next_undo, user)

    def redo(self, user: str = "") -> str | None:
        """Do the step last taken back again; returns what it was, None when there is none."""
        return self._turn("redo", self._history.redoable, self._history.next_redo, user)

    def turns(self, verb: str) -> tuple[Entry, str] | None:
        """The row that ``"undo"`` or ``"redo"`` would move, and what its level is called today."""
        step = self._history.next_undo if verb == "undo" else self._history.next_redo
        return None if step is None else (self.journal.entry(step[0]), step[1])

    @property
    def undoable(self) -> str | None:
        """What :meth:`undo` would take back."""
        return self._history.undoable

    @property
    def redoable(self) -> str | None:
        """What :meth:`redo` would do again."""
        return self._history.redoable

    def _turn(self, verb: str, sentence: str | None, step: tuple[int, str] | None, user: str) -> str | None:
        if step is None:
            return sentence
        moved, joined = [], False
        try:
            with self.journal.writing():  # rows that were joined to one step go together
                while step is not None:
                    part = "with_former" in self.journal.entry(step[0]).detail
                    if verb == "redo" and joined and not part:
                        break
                    detail = {"row": step[0], **({"with_former": True} if joined else {})}
                    self._record(Entry(verb, step[1], user=user, detail=detail))
                    moved.append(self._last_ids)
                    joined = True
                    if verb == "undo" and not part:
                        break
                    step = self._history.next_undo if verb == "undo" else self._history.next_redo
        except BaseException:
            self._halfway = joined  # rows that were folded and have not stayed
            raise
        if len(moved) > 1:  # those of one row ascend already
            self._last_ids = np.unique(np.concatenate(moved))
        return sentence

    # ------------------------------------------------------------------ reading

    def level(self, name: str) -> Level:
        """A level by name."""
        if not isinstance(name, str) or name not in self.levels:
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
        batches = self.level(level).batches_of(ids)
        return np.array(self._rows.sources, object)[self._rows.source_of(batches)]

    def users(self, level: str, ids: NDArray[np.int64]) -> NDArray[np.object_]:
        """Who gave each item's label, "" where there is none."""
        return np.array(self._rows.users, object)[self._rows.user_of(self.level(level).batches_of(ids))]

    def rounds(self, level: str, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many trainings there had been when each item was labelled."""
        return np.array(self._rows.rounds, np.int64)[self.level(level).batches_of(ids)]

    def to_pandas(self, level: str) -> pd.DataFrame:
        """The labels of a level, one row an item, indexed by item id.

        Returns
        -------
        DataFrame
            Columns category, level, source, user, time (UTC), round, batch, t0.
        """
        import pandas as pd

        state, rows = self.level(level), self._rows
        ids = np.flatnonzero(state.codes)
        batches = state.batches[ids]
        names = [""] * (max(state.categories.by_code) + 1)
        for category in state.categories:
            names[category.code] = category.name
        times = pd.to_datetime(np.array(rows.times), unit="s", utc=True)
        return pd.DataFrame(
            {
                "category": words(names, state.codes[ids]),
                "level": words([level], np.zeros(len(ids), np.int32)),
                "source": words(rows.sources, rows.source_of(batches)),
                "user": words(rows.users, rows.user_of(batches)),
                "time": times[batches],
                "round": np.array(rows.rounds)[batches].astype(np.int64),
                "batch": batches.astype(np.int64),
                "t0": np.full(len(ids), np.nan) if state.t0 is None else state.t0[ids],
            },
            index=pd.Index(ids, name="item", dtype=np.int64),
        )

    # ------------------------------------------------------------------ writing

    def _record(self, entry: Entry) -> int:
        self.mend()
        entry = replace(entry, time=time.time())
        digest = self._digest.copy()
        try:
            seq = self.journal.append(entry, digest=digest)
            self._halfway = True
            self._apply(replace(entry, seq=seq))
            self._digest = digest
            self._halfway = False
        except BaseException as error:
            # The row may be on disk and not folded, or folded by half; a refusal has written nothing.
            if self._halfway or not isinstance(error, CellTuneError):
                self.catch_up()
            raise
        return seq
