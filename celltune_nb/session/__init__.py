"""One session on one project folder: the verbs that a click and a line of Python both call."""

from .session import Session

__all__ = ["Session"]
