"""A hand that is quicker than the screen: which cell of a review an answer is about."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ...session import Session
from ..asked import Going, seen

if TYPE_CHECKING:
    from ...session.queue import ReviewQueue

__all__ = ["Hand"]


class Hand:
    """Tells an answer to the cell that is asked for from one to the cell before, which was still on the screen.

    Parameters
    ----------
    session : Session
    running : callable
        The review that is going on, or None.

    Attributes
    ----------
    going : Going
        How the review came to its cell.
    """

    def __init__(self, session: Session, running: Callable[[], ReviewQueue | None]) -> None:
        self._session, self._running = session, running
        self._last: tuple[int, str | None] | None = None
        self.going = Going()

    @property
    def late(self) -> int | None:
        """The place of the cell before, where the answer is about that one."""
        queue = self._running()
        if queue is None:
            return None
        item = int(queue.ids[queue.at])
        if self._session.selection.tolist() not in ([], [item]):
            return None  # the person has pointed at something else
        return self._place(queue, self.going.late(item))

    @property
    def typed_at(self) -> int | None:
        """The place of the cell that was on the screen when a text was begun."""
        queue = self._running()
        return None if queue is None else self._place(queue, seen())

    @staticmethod
    def _place(queue: ReviewQueue, item: int | None) -> int | None:
        if item is None:
            return None
        places = np.flatnonzero(queue.ids == item)
        return int(places[0]) if len(places) else None

    def answers(self, item: int, category: str | None) -> bool:
        """Take down an answer; False where it is the last one again: a key pressed twice."""
        twice = self._last == (item, category) and self.late is not None
        self._last = (item, category)
        return not twice
