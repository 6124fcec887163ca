"""Labelling the audit sample: blind, one cell after the other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from celltune_nb.data.categories import UNKNOWN
from celltune_nb.errors import InputError, NotReadyError
from celltune_nb.panels import theme
from celltune_nb.panels.asked import Going
from celltune_nb.panels.panel import Panel
from celltune_nb.panels.tiles import CellTiles
from celltune_nb.session import Session
from celltune_nb.session.events import LabelsChanged, ViewChanged

from .questions import KEYS, question, summary
from .walk import look_at

__all__ = ["AuditPanel"]

#: Cells drawn unless another number is given: an accuracy of 90 % is then known to about ±4 points.
DRAWN = 200


class AuditPanel(Panel):
    """Draw the audit sample and label it blind.

    While it is being labelled no prediction is shown anywhere; pausing brings the former colours back.

    Parameters
    ----------
    session : Session
    on_running : callable, optional
        Called as ``on_running(running)`` when labelling begins and ends.

    Attributes
    ----------
    running : bool
    current : int or None
        Id of the cell that is asked for.
    """

    def __init__(self, session: Session, on_running: Callable[[bool], object] | None = None) -> None:
        super().__init__(session)
        self.running = False
        self.current: int | None = None
        self._on_running = on_running
        self._level = session.level
        self._former: str | None = None
        self._seen: list[int] = []
        self._skipped: set[int] = set()
        self._pictured: int | None = None
        self._wanted = DRAWN
        self._drawn_now = False
        self._going = Going()
        self._live = theme.Live()
        for verb in ("start", "pause", "skip", "back", "here"):
            self._live.on(verb, self.guard(getattr(self, verb)))
        self._live.on("assign", self.guard(self.assign))
        self._live.on("key", self.guard(self.press))
        self._live.on("count", self.guard(self._count))
        self._live.on("draw", self.guard(self.draw))
        #: Chosen by what the cell is bright in alone: predictions are out of sight.
        self.tiles = CellTiles(self, list(KEYS), self.press)
        self.widget = [self.tiles.live, self._live]
        self._drawing = self.latest(self._draw)  # of a million cells it takes a tenth of a second
        self._root.add_class("ct-audit")
        self.listen(session.labels_changed, self._labelled)
        self.listen(session.items_changed, self._show)
        self.listen(session.categories_changed, self._categories)
        self.listen(session.selection_changed, self._selected)
        self.listen(session.view_changed, self._viewed)
        self.listen(session.access_changed, self._access)
        self._show()

    @property
    def asking(self) -> bool:
        """Whether a cell is asked for, and the person has selected no other one."""
        return self.current is not None and self.session.selection.tolist() == [self.current]

    # ------------------------------------------------------------------ verbs

    def draw(self, n: int | None = None) -> None:
        """Draw *n* more cells into the sample (by default the number in the field), aside."""
        if not self._drawn_now:
            self._drawn_now = True
            self._drawing.request(int(n) if n else self._wanted)

    def _draw(self, n: int) -> None:
        try:
            drawn = self.session.draw_audit(n)
        finally:
            self._drawn_now = False
        self.say(f"{len(drawn):,} cells drawn. They take no part in training from now on.", "good")
        self._show()

    def start(self) -> None:
        """Begin or go on labelling, at the first cell without a label.

        Raises
        ------
        NotReadyError
            When there is nothing to label, or nothing to label it with.
        """
        session = self.session
        if not len(session.audit.todo):
            raise NotReadyError("Every cell of the audit sample has a label. Draw more to make it surer.")
        if len(session.categories) < 2:
            raise NotReadyError("There is no category yet to give. Add the categories first, then start.")
        with session.writing():
            pass  # refuses where one can only look
        if not self.running:
            self._former = session.view.color_by
            self._level = session.level
            self.running = True
            session.set_view(blind=True, color_by="labels")
            if self._on_running is not None:
                self._on_running(True)
        self._seen.clear()
        self._skipped.clear()
        self._go(self._next(), focus=True)

    def pause(self) -> None:
        """End the blind labelling and bring the former colours back; every label given stays."""
        if not self.running:
            return
        self.running = False
        self.current = None
        session = self.session
        if session.view.blind or session.view.color_by == "labels":
            known = self._former is None or self._former in session.populations
            session.set_view(blind=False, color_by=self._former if known else "labels")
        session.select([])
        if self._on_running is not None:
            self._on_running(False)
        self._show()

    def assign(self, category: str) -> None:
        """Give the current cell a category; the next one follows."""
        late = self._late()
        if late is not None:
            if self._label_of(late) != category:
                self.session.label([late], category, level=self._level, source="audit")
                self.say(f"The cell before is {category} now: the next was not on the screen yet.", "warning")
        elif self.current is not None:
            self.session.label([self.current], category, level=self._level, source="audit")

    def _late(self) -> int | None:
        """The cell that was still on the screen when the answer was given, where the next has come since."""
        before = self._going.late(self.current)
        return before if before in self._seen else None

    def skip(self) -> None:
        """Leave the current cell for later."""
        if self.current is None or self._late() is not None:
            return
        self._skipped.add(self.current)
        self._seen.append(self.current)
        self._going.by_itself()
        self._go(self._next())

    def back(self) -> None:
        """Return to the cell before, to look again or to change its label."""
        if self._seen:
            self._going.wanted()
            self._go(self._seen.pop())

    def here(self) -> None:
        """Select the current cell again and bring it to the middle."""
        self._go(self.current)

    def close(self) -> None:
        """Bring the former colours back, then free everything."""
        if self.running and not self.closed:
            self._on_running = None
            self.pause()
        super().close()

    # ------------------------------------------------------------------ what happens

    def _next(self) -> int | None:
        """The next cell without a label, in the order drawn: each part of it is a fair sample too."""
        todo = [int(i) for i in self.session.audits.of(self._level).todo]
        if not todo:
            return None
        fresh = [i for i in todo if i not in self._skipped]
        if not fresh:
            self._skipped.clear()
            fresh = [i for i in todo if i != self.current] or todo
        return fresh[0]

    def _go(self, item: int | None, *, focus: bool = False) -> None:
        if item is None:
            self.pause()
            self.say("Every cell of the audit sample has a label. Evaluate speaks from them.", "good")
            return
        self.current = item
        look_at(self.session, item)
        self.session.select([item])
        self._show(focus=focus)

    def _labelled(self, event: LabelsChanged) -> None:
        if event.level != self._level or not self.running or self.current is None:
            self._show()
            return
        ids = None if event.ids is None else np.asarray(event.ids)
        if (ids is None or self.current in ids) and self._label_of(self.current) != UNKNOWN:
            self._skipped.discard(self.current)
            self._seen.append(self.current)
            self._going.by_itself()
            self._go(self._next())
            return
        # Undo takes the person back to the cell whose label it took.
        freed = [] if ids is None else [i for i in self._seen if i in ids and self._label_of(i) == UNKNOWN]
        if freed and freed[-1] not in self._skipped:
            self._seen.remove(freed[-1])
            self._going.wanted()
            self._go(freed[-1])
            return
        self._show()

    def _label_of(self, item: int) -> str:
        session = self.session
        with session.lock:
            state = session.book.level(self._level)
            return str(state.categories.by_code[int(state.codes_of(np.array([item], np.int64))[0])].name)

    def _categories(self) -> None:
        if self.running and self.session.level != self._level:
            self.pause()
        if not self.running:
            self._level = self.session.level
        self._show()

    def _selected(self) -> None:
        if self.running:
            self._show()

    def _viewed(self, event: ViewChanged) -> None:
        if "channels" in event.fields:
            self.tiles.again()
        if not self.running or not event.fields & {"blind", "color_by"}:
            return
        if not event.view.blind:
            self.pause()  # somebody ended it in another way
        elif event.view.color_by not in (None, "labels"):
            self._former = event.view.color_by
            self.session.set_view(color_by="labels")
            self.say("Predictions stay hidden until the audit is paused; then these colours come.")

    def _access(self) -> None:
        if self.running and self.session.read_only:
            self.pause()
        self._show()

    def _count(self, _what: str, value: str) -> None:
        if not str(value).strip().isdigit() or int(value) < 1:
            raise InputError("Draw at least one cell. Give a whole number, such as 200.")
        self._wanted = int(value)
        self._show()

    def press(self, key: str) -> None:
        """Do what a key means; keys that mean nothing here do nothing."""
        if not self.running or key not in KEYS:
            return
        if KEYS[key] != "assign":
            getattr(self, KEYS[key])()
            return
        for category in self.session.categories:
            if category.key == key:
                self.assign(category.name)

    # ------------------------------------------------------------------ what is shown

    def _show(self, *, focus: bool = False) -> None:
        self._live.key_names = list(KEYS) if self.running else []
        session = self.session
        if (asked := self.current if self.running else None) != self._pictured:
            self._pictured = asked
            self.tiles.show(asked)
        if not self.running or self.current is None:
            self._live.html = summary(session.audit, self._wanted, locked=session.read_only)
            return
        self._live.html = question(
            session, session.audits.of(self._level), self.current, self._label_of(self.current),
            returns=bool(self._seen), focus=focus,
        )  # fmt: skip
