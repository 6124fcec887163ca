"""Levels of two categories: which of them counts as positive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..data.categories import UNKNOWN, Category, CategorySet
from ..errors import InputError, NotReadyError
from . import levelling

if TYPE_CHECKING:
    from .session import Session

__all__ = ["OFF_COLOR", "ON_COLOR", "add_marker", "negative_of", "positive_name", "positive_of"]

#: What people call the category that is counted, in lower case; in this order where several stand side by side.
POSITIVE = ("on", "positive", "pos", "+", "yes", "1", "true")
NEGATIVE = ("off", "negative", "neg", "-", "−", "no", "0", "false")

#: Told apart by who cannot tell red from green, and both seen on a dark image.
ON_COLOR, OFF_COLOR = "#FFB000", "#648FFF"


def add_marker(session: Session, name: Any, on: Any, off: Any) -> None:
    """See :meth:`celltune_nb.Session.add_marker`."""
    if not isinstance(name, str) or not name.strip():
        raise InputError("The marker has no name. Give one, such as 'cFos'.")
    words = [str(word).strip() for word in (on, off)]
    if not all(words) or words[0] == words[1] or UNKNOWN in words:
        raise InputError(
            f"The categories are {on!r} and {off!r}. Give two different names, such as ON and OFF."
        )
    both = CategorySet().add(words[0], ON_COLOR, "1").add(words[1], OFF_COLOR, "2")
    session.level = levelling.add(session, name.strip(), both)


def positive_of(session: Session, level: str) -> Category:
    """The category of a level that is counted: called ON or positive, else the one that is not OFF, else the first.

    Raises
    ------
    NotReadyError
        The level has no category yet.
    """
    categories = [c for c in session.book.level(level).categories if c.name != UNKNOWN]
    if not categories:
        raise NotReadyError(f"{level} has no categories yet. Add ON and OFF: session.categories.add('ON').")
    named = {_plain(c.name, level): c for c in reversed(categories)}
    for word in POSITIVE:
        if word in named:
            return named[word]
    others = [c for c in categories if _plain(c.name, level) not in NEGATIVE]
    return (others or categories)[0]


def positive_name(session: Session) -> str:
    """What to call a positive cell of the active level, also before it has categories."""
    try:
        return positive_of(session, session.level).name
    except NotReadyError:
        return "ON"


def negative_of(session: Session, level: str) -> Category | None:
    """The other category of a level of two, None where there are more or fewer."""
    categories = [c for c in session.book.level(level).categories if c.name != UNKNOWN]
    if len(categories) != 2:
        return None
    positive = positive_of(session, level)
    return next(c for c in categories if c != positive)


def _plain(name: str, level: str) -> str:
    """``cFos ON``, ``cFos+`` and ``ON`` of the level cFos are one name."""
    plain = name.casefold().strip()
    if plain in POSITIVE or plain in NEGATIVE:
        return plain
    if plain.startswith(level.casefold()) and plain != level.casefold():
        plain = plain[len(level) :].strip(" _-:") or plain[len(level) :].strip()
    return plain
