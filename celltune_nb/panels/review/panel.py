"""The panel: its verbs, what it hears from the browser and from the session."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InputError, NotReadyError
from ...session import Session
from ...session.events import LabelsChanged, QueueChanged, ViewChanged
from .. import actions
from ..panel import Panel
from ..tiles import CellTiles
from . import markup
from .filling import Filling
from .form import FIELDS, Form
from .hand import Hand
from .page import Page

if TYPE_CHECKING:
    from ...session.queue import ReviewQueue
    from ...session.reviewed import ReviewItem

__all__ = ["ReviewPanel"]


class ReviewPanel(Panel):
    """Fill a review, walk through its cells, answer by key or click, train in between.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    running : bool
        Whether cells are being asked for now.
    form : Form
        What the next review is to be filled with.
    filling : Filling
        What fills it.
    page : Page
        What is shown.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.running = False
        self.form = Form()
        self._queue: ReviewQueue | None = session.queue
        self._shown: int | None = None
        self._former: str | None = None
        self._answering = False
        self._hand = Hand(session, lambda: self._queue if self.running else None)
        self.pictures = CellTiles(self, list(markup.KEYS), self.press)
        self.page = Page(session, self.form, self.pictures.live)
        self.filling = Filling(self, self.form, self._show_head)
        verbs: dict[str, Callable[..., Any]] = {
            "start": self.start, "stop": self.stop, "instead": self.instead, "keep": self.resume, "resume": self.resume, "pause": self.pause, **{field: self._set(field) for field in FIELDS},
            "assign": self.assign, "unknown": self.unknown,
            "first": self.first, "second": self.second, "skip": self.skip, "next": self.next, "previous": self.previous,
            "go": self._go_to, "note": self._note, "here": self.here, "undo": self.undo, "train": self.train,
            "decide": self.decide, "key": self.press,
        }  # fmt: skip
        for verb, act in verbs.items():
            self.page.on(verb, self.guard(act))
        self.widget = self.page.widgets
        self._root.add_class("ct-review")
        self.listen(session.queue_changed, self._moved)
        self.listen(session.labels_changed, self._labelled)
        self.listen(session.populations_changed, self._predicted)
        self.listen(session.categories_changed, self._categories)
        self.listen(session.selection_changed, self._show_card)
        self.listen(session.view_changed, self._viewed)
        self.listen(session.access_changed, self._access)
        self.listen(session.run_changed, self._show_end)
        self.listen(session.run_progressed, self._show_end)
        self._show()

    # ------------------------------------------------------------------ filling

    def start(self) -> None:
        """Fill a review as the form says and go to its first cell; asks first where one is unfinished."""
        self.filling.start()

    def instead(self) -> None:
        """Fill it in place of the unfinished one."""
        self.filling.start(instead=True)

    def stop(self) -> None:
        """End the search for label errors."""
        self.filling.stop()

    def resume(self) -> None:
        """Go on with the review where it was left.

        Raises
        ------
        NotReadyError
            When there is none, or the audit is being labelled.
        """
        queue = self.session.queue
        self.filling.asking = ""
        if queue is None:
            raise NotReadyError("There is no review yet. Choose cells and start one.")
        if not self.running and self.session.view.blind:
            raise NotReadyError(
                "The audit is being labelled blind. Pause it first, in Evaluate; then go on here."
            )
        self._queue = queue
        if not self.running:
            self.running = True
            if queue.blind:
                self._former = self.session.view.color_by
                self.session.set_view(blind=True, color_by=None)
        self._go()

    def pause(self) -> None:
        """Leave the review; its place and every answer stay."""
        if not self.running:
            return
        self.running = False
        session = self.session
        if self._queue is not None and self._queue.blind and session.view.blind:
            known = self._former is None or self._former in session.populations
            session.set_view(blind=False, color_by=self._former if known else "labels")
        session.select([])
        self._show()

    # ------------------------------------------------------------------ answering

    def assign(self, category: str) -> None:
        """Say what the cell is; the next one follows."""
        self._answer(category)

    def unknown(self) -> None:
        """Say that it cannot be told; the cell does not come back."""
        self._answer(None)

    def _answer(self, category: str | None) -> None:
        if self._here() is None:
            return
        late, queue = self._hand.late, self._asked()
        if not self._hand.answers(int(queue.ids[queue.at if late is None else late]), category):
            return
        self._answering = True  # what the label changes is drawn once, with the cell that follows
        try:
            self._hand.going.by_itself()
            following = queue.answer(category, late)
        finally:
            self._answering = False
        if late is not None:
            self.say(
                f"The cell before is {category or 'Unknown'} now: the next was not on the screen yet.",
                "warning",
            )
            return
        self._answered(following)

    def first(self) -> None:
        """Take the first model's answer."""
        self._take("Pred_MDL1")

    def second(self) -> None:
        """Take the second model's answer."""
        self._take("Pred_MDL2")

    def _take(self, model: str) -> None:
        late = self._hand.late
        item = self._here() if late is None else self._asked()[late]
        found = None if item is None else item.answer(model)
        if found is None:
            raise NotReadyError("There is no prediction to take. Name the cell yourself, with its key.")
        self.assign(found.category)

    def skip(self) -> None:
        """Leave the cell for later."""
        if self._hand.late is not None:
            self.say("The cell was not on the screen yet when you pressed S.")
        elif self._here() is not None:
            self._hand.going.by_itself()
            self._asked().skip()

    def next(self) -> None:
        """Go to the next cell."""
        if self._here() is not None:
            self._hand.going.wanted()
            self._asked().next()

    def previous(self) -> None:
        """Go to the cell before."""
        if self._here() is not None:
            self._hand.going.wanted()
            self._asked().previous()

    def here(self) -> None:
        """Bring the cell that is asked for back to the middle and select it."""
        self._go()

    def undo(self) -> None:
        """Take back the newest step; the cell it was about is asked for again."""
        self.say(actions.undo(self.session))

    def decide(self) -> None:
        """Review the cells whose blind answer is another than their label, now with everything in sight."""
        ids = self._asked().differing()
        self.pause()
        self.session.review(ids=ids, reason="a blind repeat gave another answer than the label", again=True)

    def train(self) -> None:
        """Train on all labels so far, as the last training was made; the place in the review stays."""
        try:
            last = self.session.finished_run(self.session.level)
        except NotReadyError:
            self.session.train()
        else:
            self.session.train(last.model_names, seed=last.seed, **last.options)
        self._show_end()

    def press(self, key: str, held: list[str] | None = None) -> None:
        """Do what a key means; keys that mean nothing here do nothing."""
        ctrl = "ctrl" in (held or ())
        verb = markup.KEYS.get(f"ctrl+{key}" if ctrl else key)
        if verb is None or not self.running:
            return
        if verb == "undo" and "shift" in (held or ()):
            verb = "redo"
        if verb == "redo":
            self.say(actions.redo(self.session))
        elif verb == "assign":
            name = next((c.name for c in self.session.categories if c.key == key), None)
            if name is None:
                raise InputError(f"No category has the key {key}. Click one, or give it a key in Label.")
            self.assign(name)
        else:
            getattr(self, verb)()

    def close(self) -> None:
        """Bring what was hidden back, then free everything."""
        if not self.closed:
            self.pause()
        super().close()

    # ------------------------------------------------------------------ what happens

    def _asked(self) -> ReviewQueue:
        assert self._queue is not None
        return self._queue

    def _here(self) -> ReviewItem | None:
        return self._queue.current if self.running and self._queue is not None else None

    def _answered(self, following: ReviewItem | None) -> None:
        if following is None:
            queue = self._asked()
            if queue.blind:  # what was hidden may be seen now
                former = self._former
                known = former is None or former in self.session.populations
                self.session.set_view(blind=False, color_by=former if known else "labels")
                self._former = None
            self._show()
            n = len(queue)
            self.say(f"All {n:,} cells are reviewed." if n > 1 else "The cell is reviewed.", "good")

    def _go(self) -> None:
        """Look at the cell that is asked for."""
        item = self._here()
        if item is None:
            return
        actions.look_at(self.session, item.id)
        self.session.select([item.id])
        self._show()

    def _go_to(self, place: str) -> None:
        if self._here() is not None:
            self._hand.going.wanted()
            self._asked().go(int(place))

    def _note(self, _what: str, text: Any) -> None:
        if self._here() is None:
            return
        # Typed while the next cell came: it is about the one that was there when the typing began.
        place = self._hand.typed_at
        before = place not in (None, self._asked().at)
        self._asked().note(str(text or ""), place)
        self.form.changes += before
        self._show_card()
        self.say("Note kept on the cell before." if before else "Note kept.", "good")

    def _moved(self, event: QueueChanged) -> None:
        queue = self.session.queue
        if event.level != self.session.level or queue is None:
            return
        if queue is not self._queue:  # begun here, from a matrix, or in the notebook
            if self.running:
                self.pause()
            self._queue = queue
            self.resume()
        elif self.running:
            self._go()
        else:
            self._show()

    def _labelled(self, event: LabelsChanged) -> None:
        queue = self._queue
        if queue is None or event.level != queue.level or self._answering:
            return
        if self.running and queue.blind and not queue.finished and not self.session.view.blind:
            # Undo has opened a repeat again: the labels are out of sight until it is answered.
            self._former = self.session.view.color_by
            self.session.set_view(blind=True, color_by=None)
        if self.running and event.ids is not None and len(event.ids) == 1:
            item = int(event.ids[0])
            place = np.flatnonzero(queue.ids == item)
            # Undo takes the person back to the cell whose answer it took.
            opened = len(place) and not queue.answered[place[0]] and queue.at != place[0]
            if opened and self._taken_back(item):
                self._hand.going.wanted()
                queue.go(int(place[0]))
                return
        self._show_head()
        self._show_card()
        self._show_strip()
        self._show_end()

    def _taken_back(self, item: int) -> bool:
        """Whether an answer of this review is what was taken back, not a note."""
        return self._queue is not None and self._queue.was_answered(item)

    def _predicted(self) -> None:
        if self.running:
            self.pictures.again()
        self._show()

    def _categories(self) -> None:
        if self._queue is not None and self._queue.level != self.session.level:
            self.pause()
            self._queue = self.session.queue
        self._show()

    def _viewed(self, event: ViewChanged) -> None:
        queue = self._queue
        if event.fields & {"channels"} and self.running:
            self.pictures.again()
        if not self.running or queue is None or not event.fields & {"blind", "color_by"}:
            return
        if not queue.blind or queue.finished:
            return
        if not event.view.blind:
            self.pause()  # somebody ended it in another way
        elif event.view.color_by is not None:
            self._former = event.view.color_by
            self.session.set_view(color_by=None)
            self.say("Colours stay hidden until every cell is answered; then these come.")

    def _access(self) -> None:
        if self.session.read_only and self._queue is not None and self._queue.blind:
            self.pause()
        self._show()

    def _set(self, field: str) -> Callable[[str, Any], None]:
        def set_(what: str, value: Any) -> None:
            try:
                self.form.set(field, what, value)
            finally:
                self._show_head()

        return set_

    # ------------------------------------------------------------------ what is shown

    def _show(self) -> None:
        with self.showing:
            self._show_head()
            self._show_card()
            self._show_strip()
            self._show_end()
        item = self._here()
        if (None if item is None else item.id) != self._shown:
            self._shown = None if item is None else item.id
            self.pictures.show(self._shown)

    def _show_head(self) -> None:
        self.page.head(self._queue, self.filling, running=self.running)

    def _show_card(self) -> None:
        self.page.card(self._queue, self._here())

    def _show_strip(self) -> None:
        self.page.strip.html = markup.strip(self._asked()) if self._here() is not None else ""

    def _show_end(self) -> None:
        self.page.end(self._queue if self.running else None)
        if self.running and self._asked().finished:
            self._show_head()  # the button to train stands there then
