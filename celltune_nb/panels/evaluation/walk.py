"""Going to items on the image, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from celltune_nb.panels.actions import look_at
from celltune_nb.panels.instead import question
from celltune_nb.panels.theme import Markup, tag
from celltune_nb.session import Session

__all__ = ["Walk", "look_at"]


class Walk:
    """Items looked at in turn.

    Attributes
    ----------
    ids : ndarray of int64
    at : int
        Place of the one in the middle of the image.
    title : str
        What they have in common, in words.
    asking : str
        What a review of them would leave unfinished, while that is asked.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.ids: NDArray[np.int64] = np.empty(0, np.int64)
        self.at = 0
        self.title = self.asking = ""

    def __len__(self) -> int:
        return len(self.ids)

    def begin(self, ids: Sequence[int] | NDArray[np.int64], title: str) -> None:
        """Select all of *ids* and go to the first."""
        self.ids, self.at, self.title = np.unique(np.asarray(ids, np.int64)), 0, title
        self.asking = ""
        self._session.select(self.ids)
        if len(self.ids):
            look_at(self._session, int(self.ids[0]))

    def step(self, by: int) -> None:
        """Go on or back, around the end, and select that item alone: a key then corrects just this one."""
        if not len(self.ids):
            return
        self.at = (self.at + by) % len(self.ids)
        item = int(self.ids[self.at])
        self._session.select([item])
        look_at(self._session, item)

    def select_all(self) -> None:
        """Select all of them again."""
        self._session.select(self.ids)

    def clear(self) -> None:
        """Have nothing to walk through."""
        self.ids, self.at, self.title = np.empty(0, np.int64), 0, ""

    @property
    def all_selected(self) -> bool:
        """Whether all of them are selected."""
        return bool(np.array_equal(self._session.selection, self.ids))

    def words(self) -> str:
        """Where it is: ``"2 of 12"``."""
        return f"{self.at + 1:,} of {len(self.ids):,}" if len(self.ids) else ""

    def markup(self) -> Markup:
        """Where it is, with buttons ``previous``, ``next``, ``all`` and ``end``; nothing when there are no items."""
        if not len(self.ids):
            return Markup("")
        one = len(self.ids) < 2
        return tag("div", [
            tag("div", tag("b", self.title, cls="ct-cut", title=self.title),
                tag("span", self.words(), cls="ct-muted ct-grow ct-nowrap", role="status"),
                tag("button", "Done", cls="ct-button ct-quiet", do="end"), cls="ct-line"),
            tag("div", tag("button", "Previous", cls="ct-button", do="previous", disabled=one),
                tag("button", "Next", cls="ct-button", do="next", disabled=one),
                tag("button", "Select all", cls="ct-button ct-quiet", do="all", disabled=self.all_selected),
                tag("span", cls="ct-grow"),
                tag("button", "Review", cls="ct-button", do="review",
                    title="Put these cells into the review: tiles, both models' answers, one key each"), cls="ct-line"),
            question(self.asking),
        ], cls="ct-ev-walker")  # fmt: skip
