"""The parts of the review panel that are shown, each drawn anew when what it tells has changed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as w
import numpy as np

from ...session import Session
from ...session.review import FILLERS
from .. import actions
from ..theme import Live, column, tag
from . import markup

if TYPE_CHECKING:
    from ...session.queue import ReviewQueue
    from ...session.reviewed import ReviewItem
    from .filling import Filling
    from .form import Form

__all__ = ["Page"]

#: Ways of filling a review that need no model.
_WITHOUT_MODEL = ("clusters", "random", "blind")
_HELP = "Look at cells one by one, beside what the models say. Each answer is a label."


@cache
def _styles() -> str:
    return f"<style>{(Path(__file__).parents[1] / 'static' / 'review.css').read_text('utf-8')}</style>"


class Page:
    """What is shown.

    Parameters
    ----------
    session : Session
    form : Form
    tiles : Live
        The pictures of the cell that is asked for.

    Attributes
    ----------
    widgets : list of Widget
        From top to bottom.
    heading, tiles, question, strip, ending : Live
        The form or the title, the pictures, the cell that is asked for, the progress, the figures.
    """

    def __init__(self, session: Session, form: Form, tiles: Live) -> None:
        self._session = session
        self._form = form
        self.tiles = tiles
        self.heading, self.question, self.strip, self.ending = (Live() for _ in range(4))
        styles = w.HTML(_styles())
        styles.add_class("ct-styles")
        styles.layout.display = "none"
        # Empty, but never hidden, while nothing is asked for: what is out of sight cannot take the focus.
        self.widgets = [styles, self.heading, column(self.tiles, self.question, self.strip, self.ending)]

    def on(self, verb: str, act: Callable[..., Any]) -> None:
        """Call *act* for a verb, wherever it is clicked."""
        for live in (self.heading, self.question, self.strip, self.ending):
            live.on(verb, act)

    def head(self, queue: ReviewQueue | None, filling: Filling, *, running: bool) -> None:
        """The form, or the title of the review that is going on."""
        session, form = self._session, self._form
        if running and queue is not None:
            title = tag("div", tag("b", queue.title, cls="ct-cut ct-grow", title=queue.title),
                tag("button", "New review", cls="ct-button ct-quiet ct-small-button", do="pause"), cls="ct-line")  # fmt: skip
            differing = len(queue.differing()) if queue.blind and queue.finished else 0
            done = (
                markup.finish(queue, self._training(), locked=session.read_only, differing=differing)
                if queue.finished
                else None
            )
            self.heading.html = tag("div", title, done)
            return
        trained = actions.has_model(session)
        fillers = {key: name for key, name in FILLERS.items() if trained or key in _WITHOUT_MODEL}
        gates = list(session.gates)
        if form.by not in fillers and form.by not in gates:
            form.by = next(iter(fillers))
        self.heading.html = tag("div", tag("p", _HELP, cls="ct-muted ct-small"), markup.begin(
            form, list(session.images), fillers, gates, queue, filling, locked=session.read_only))  # fmt: skip

    def card(self, queue: ReviewQueue | None, item: ReviewItem | None) -> None:
        """The cell that is asked for, and the keys that answer."""
        keys = list(markup.KEYS) if item is not None else []
        for live in (self.question, self.strip, self.ending):
            if live.key_names != keys:
                live.key_names = keys
        if item is None or queue is None:
            self.question.html = ""
            return
        session = self._session
        run = next(
            (r for r in reversed(session.runs) if r.level == queue.level and r.state in ("done", "stopped")),
            None,
        )
        self.question.html = markup.question(
            queue, item, list(session.categories),
            [markup.MODEL_NAMES.get(name, name) for name in (run.model_names if run else ())],
            top=", ".join(f"{name} {z:+.1f}" for name, z in session.describe(item.id).top),
            strayed=not np.array_equal(session.selection, [item.id]), fields=self._form.changes, locked=session.read_only,
            undo=actions.in_cells(session.can_undo), again=True,
        )  # fmt: skip

    def end(self, queue: ReviewQueue | None) -> None:
        """How the answers compare with the models, and what is to do next."""
        if queue is None:
            self.ending.html = ""
            return
        agreement = None if queue.blind else queue.agreement()
        self.ending.html = markup.summary(queue, agreement, self._training(), locked=self._session.read_only)

    def _training(self) -> str:
        """What the button says while a training runs; else empty."""
        run = self._session.busy()
        return "" if run is None else f"Training {run.progress.fraction:.0%}"
