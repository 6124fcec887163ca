"""The question that is asked before another review takes the place of one that is unfinished."""

from __future__ import annotations

from ..session import Session
from .theme import Markup, tag

__all__ = ["question", "unfinished"]


def unfinished(session: Session) -> str:
    """What would be left where another review began now, in a sentence; empty when nothing."""
    queue = session.queue
    if queue is None or not queue.begun:
        return ""
    done = int(queue.answered.sum())
    return f"“{queue.title}” is unfinished: {done:,} of {len(queue):,} answered. Its answers stay, its place does not."


def question(text: str, *, keep: str = "Keep it") -> Markup | None:
    """The sentence with its two buttons, verbs ``keep`` and ``instead``; None for an empty one."""
    if not text:
        return None
    return tag("div",
        tag("p", text, cls="ct-small", role="alert"),
        tag("div", tag("button", keep, cls="ct-button ct-primary", do="keep"),
            tag("button", "Start the new one", cls="ct-button", do="instead"), cls="ct-line"),
        cls="ct-note ct-warning ct-instead")  # fmt: skip
