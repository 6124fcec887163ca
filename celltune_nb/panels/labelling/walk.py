"""Cells on offer, gone through one by one: the image goes to the cell, a key names it, the next one follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import NotReadyError
from .. import actions
from ..asked import Going
from ..panel import Panel

__all__ = ["KEYS", "Steps", "Walk"]

#: Keys besides those of the image, as a browser names them.
KEYS = ("m", "ctrl+ArrowRight", "ctrl+ArrowLeft")
#: More selected cells are no sample to go through.
MANY = 200
_HINT = "1–9 name it · S skips · Ctrl+← → move · U undoes"


@dataclass(frozen=True)
class Steps:
    """How far a walk is.

    Attributes
    ----------
    at : int
        Place of the cell that is asked for, from 0.
    codes : tuple of int
        Category of each cell by now; 0: none.
    skipped : frozenset of int
        Places that were left without a label.
    item : int
        The cell that is asked for.
    strayed : bool
        Whether something else is selected, or another image looked at.
    """

    at: int
    codes: tuple[int, ...]
    skipped: frozenset[int]
    strayed: bool
    item: int = -1

    @property
    def labelled(self) -> int:
        """How many have a label."""
        return sum(code != 0 for code in self.codes)

    @property
    def words(self) -> str:
        """``Cell 7 of 30``."""
        return f"Cell {self.at + 1:,} of {len(self.codes):,}"


class Walk:
    """The cells that are on offer, and the one that is asked for.

    Only the place and what was skipped are kept here: whether a cell has a label is read from the session, so that
    undo opens it again.

    Parameters
    ----------
    panel : Panel
        Says where one is.
    changed : callable
        Called after each step; at the end with what came of it, in a sentence.
    """

    def __init__(self, panel: Panel, changed: Callable[..., None]) -> None:
        self._panel, self._session, self._changed = panel, panel.session, changed
        self._level = panel.session.level
        self._ids: NDArray[np.int64] = np.empty(0, np.int64)
        self._skipped: set[int] = set()
        self._at = 0
        self._going = Going()

    @property
    def on(self) -> bool:
        """Whether cells are being asked for."""
        return bool(len(self._ids))

    @property
    def item(self) -> int | None:
        """The cell that is asked for."""
        return int(self._ids[self._at]) if self.on else None

    @property
    def late(self) -> int | None:
        """The cell that was on the screen when the key was pressed, where the page has gone on from it since; else None."""
        if not self.on or self._session.selection.tolist() != [self.item]:
            return None  # the person has pointed at something else
        before = self._going.late(self.item)
        return before if before in self._ids else None

    # ------------------------------------------------------------------ verbs

    def begin(self, ids: Sequence[int] | NDArray[np.int64]) -> None:
        """Ask for cells in their order, from the first."""
        self._ids, self._level = np.array(ids, np.int64), self._session.level
        self._skipped = set()
        # a rectangle that is drawn from now on is meant for a sample
        self._session.set_view(rectangle=None)
        self.go(0)
        self._panel.say(f"{self.steps().words}. {_HINT}")

    def takes_selection(self) -> bool:
        """Ask for the cells that are selected where they are several without a label, as a sample is; whether they are."""
        ids, session = self._session.selection, self._session
        if (
            not 1 < len(ids) <= MANY
            or session.view.blind
            or session.labels.codes()[session.positions(ids)].any()
        ):
            return False
        self.begin(ids)
        self._changed(
            f"The {len(ids):,} cells that were selected. Name each by its key; the next one follows."
        )
        return True

    def go(self, place: int) -> None:
        """Ask for one of them: the image goes there, and it alone is selected."""
        if not self.on:
            raise NotReadyError("No cells are on offer now. Press M for cells worth a label.")
        self._going.wanted()
        self._to(place)
        self._panel.say(f"{self.steps().words}.")
        self._changed()

    def forward(self) -> None:
        """Go to the next one, labelled or not; the last is followed by none."""
        self.go(self._at + 1)

    def back(self) -> None:
        """Go to the one before."""
        self.go(self._at - 1)

    def here(self) -> None:
        """Return to the cell that is asked for."""
        self.go(self._at)

    def skip(self) -> None:
        """Leave the cell that is asked for without a label."""
        if self.late is not None:
            self._panel.say(f"{self.steps().words}: it was not on the screen yet when you pressed S.")
        elif self.on:
            self._skipped.add(self._at)
            self.onward("Skipped.")

    def corrects(self, category: str) -> bool:
        """Give the cell before a category where it was still on the screen, and so is the one that is meant; whether it was."""
        item, session = self.late, self._session
        if item is None:
            return False
        ids = np.array([item], np.int64)
        if session.labels.codes()[session.positions(ids)][0] != session.categories[category].code:
            session.label(ids, category, source=actions.label_source(session, ids, category))
            said = f"The cell before is {category} now: the next was not on the screen yet."
            self._panel.say(said, "warning")
        return True

    def onward(self, said: str) -> None:
        """Ask for the next cell without a label; after the last one for those that were passed over, but not skipped."""
        steps = self.steps()
        open_ = [i for i, code in enumerate(steps.codes) if not code and i not in self._skipped]
        if open_:
            self._going.by_itself()
            self._to(next((i for i in open_ if i > self._at), open_[0]))
            self._panel.say(f"{said} {self.steps().words}.", "good")
            self._changed()
            return
        self._stop()
        skipped = f", {len(steps.skipped)} skipped" if steps.skipped else ""
        n = len(steps.codes)
        what = f"{steps.labelled} of {n} cell{'s' if n != 1 else ''} labelled{skipped}. M brings more."
        self._panel.say(f"{said} {what}", "good")
        self._changed(what)

    def end(self) -> None:
        """Ask for none any more; labels stay."""
        if self.on:
            self._stop()
            self._changed("Labels stay. M brings other cells.")

    # ------------------------------------------------------------------ what happens

    def check(self) -> None:
        """End where there is nothing to go through any more: another level, cells that are gone."""
        known = self._session.table.ids
        if self.on and (self._level != self._session.level or not np.isin(self._ids, known).all()):
            self._stop()

    def reopened(self, ids: NDArray[np.int64]) -> bool:
        """Go to a cell that has lost its label, as undo does; whether it was another one than the one asked for."""
        if not self.on or len(ids) != 1 or ids[0] == self.item or ids[0] not in self._ids:
            return False
        place = int(np.flatnonzero(self._ids == ids[0])[0])
        if self.steps().codes[place]:
            return False
        self._going.wanted()
        self._to(place)
        self._changed()
        return True

    # ------------------------------------------------------------------ how far it is

    def steps(self) -> Steps:
        """How far it is."""
        session = self._session
        positions = session.positions(self._ids)
        codes = session.labels.codes()[positions].tolist()
        table = session.table
        image = table.names[int(table.images[positions[self._at]])]
        strayed = session.selection.tolist() != [self.item] or session.view.image != image
        skipped = frozenset(i for i in self._skipped if not codes[i])
        return Steps(self._at, tuple(int(code) for code in codes), skipped, strayed, int(self._ids[self._at]))

    def meaning(self, key: str, held: Sequence[str]) -> str:
        """What a key means while cells are on offer: a verb of this class or ``useful``; empty: what it means elsewhere."""
        if "ctrl" in held:
            moves = {"ArrowRight": "forward", "ArrowLeft": "back"}
            return moves.get(key, "") if self.on else ""
        if key == "m" and not held:
            return "here" if self.on and self.steps().strayed else "useful"
        # with a rectangle drawn meanwhile, S samples in it
        return "skip" if self.on and key == "s" and self._session.view.rectangle is None else ""

    def _to(self, place: int) -> None:
        self._at = min(max(place, 0), len(self._ids) - 1)
        item = int(self._ids[self._at])
        actions.look_at(self._session, item)
        self._session.select([item])

    def _stop(self) -> None:
        self._ids, self._at = np.empty(0, np.int64), 0
