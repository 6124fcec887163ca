"""What groups of verbs have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from ..session import Session

__all__ = ["Rectangle", "Verbs"]

Rectangle = tuple[float, float, float, float]


class Verbs:
    """Verbs of the session that one page could show; the work lies in the module of that name beside the session's."""

    @property
    def _session(self) -> Session:
        # Every group is a part of Session and of nothing else.
        return cast("Session", self)
