"""Which cell an answer is about: a page goes on to the next one by itself, and a quick hand is ahead of it.

The browser says with a key or a click which cell the page asked for on the screen then (``data-asked`` of
``static/live.js``), and with a gesture of which image the picture was.  Who presses twice, or presses before the next cell
has come, has seen only the one before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..session import Session

__all__ = ["Going", "image", "on_screen", "pointed", "pointing", "seen"]

_SEEN: ContextVar[int | None] = ContextVar("celltune_nb_asked_on_screen", default=None)
_POINTS: ContextVar[bool] = ContextVar("celltune_nb_pointed_at", default=False)
_PICTURE: ContextVar[str | None] = ContextVar("celltune_nb_picture_on_screen", default=None)


@contextmanager
def on_screen(message: Mapping[str, Any]) -> Iterator[None]:
    """While a message of the browser is carried out, in this thread: what was on the screen when it was sent.

    Parameters
    ----------
    message : mapping
        ``seen``: id of the cell that was asked for; ``subject``: what the picture was of.  Either may be missing.
    """
    before, subject = message.get("seen"), message.get("subject")
    try:
        item = None if before is None else int(before)
    except (TypeError, ValueError):
        item = None
    tokens = _SEEN.set(item), _PICTURE.set(subject if isinstance(subject, str) else None)
    try:
        yield
    finally:
        _SEEN.reset(tokens[0])
        _PICTURE.reset(tokens[1])


def seen() -> int | None:
    """Id of the cell that the screen asked for when the person did what is carried out now; None: not known."""
    return _SEEN.get()


def image(session: Session) -> str | None:
    """The image in the picture in which the person did what is carried out now; another one may be on its way since."""
    shown = _PICTURE.get()
    return shown if shown in session.images else session.view.image


@contextmanager
def pointing() -> Iterator[None]:
    """While what is selected is what the person points at in the picture, not what a page goes on to."""
    token = _POINTS.set(True)
    try:
        yield
    finally:
        _POINTS.reset(token)


def pointed() -> bool:
    """Whether the person points at what is being selected now."""
    return _POINTS.get()


class Going:
    """How a page came to the cell that it asks for: by itself, after an answer, or because the person wanted it.

    What the person asks for (back, undo, a square) is known to the person; a cell that follows by itself has to be seen
    before it can be judged.
    """

    def __init__(self) -> None:
        self._by_itself = False

    def by_itself(self) -> None:
        """The page went on after an answer."""
        self._by_itself = True

    def wanted(self) -> None:
        """The person went there."""
        self._by_itself = False

    def late(self, item: int | None) -> int | None:
        """The cell that was on the screen instead of *item*, which has come since; None when *item* itself is meant."""
        before = seen()
        return before if self._by_itself and item is not None and before not in (None, item) else None
