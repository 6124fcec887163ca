"""A part of the dashboard that opens: folded away until somebody wants it, and not worked out before."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import ipywidgets as w
import numpy as np
from numpy.typing import NDArray

from celltune_nb.panels import theme
from celltune_nb.panels.panel import Kind, Panel
from celltune_nb.session import Session

__all__ = ["OpenItems", "Part"]

#: Called with item ids and what they have in common: select them and go to the first.
OpenItems = Callable[[NDArray[np.int64], str], object]

BLIND = "Hidden while labels are given blind."


class Part(Panel, ABC):
    """A panel behind a heading.

    Parameters
    ----------
    session : Session
    title : str
    *content : Widget
    """

    def __init__(self, session: Session, title: str, *content: w.Widget) -> None:
        super().__init__(session)
        self._fold = theme.fold(title, *content)
        self._fold.children[0].observe(self.guard(lambda change: self._turned(change["new"])), "value")
        self._fold.add_class("ct-ev-part")
        self.widget = self._fold
        self.say("")

    @property
    def unfolded(self) -> bool:
        """Whether it is unfolded; can be set."""
        return bool(self._fold.children[0].value)

    @unfolded.setter
    def unfolded(self, value: bool) -> None:
        self._fold.children[0].value = value

    def say(self, text: str, kind: Kind = "info") -> None:
        """Put a sentence below; an empty one takes its line away."""
        super().say(text, kind)
        self._message.layout.display = None if text else "none"

    def _turned(self, now: bool) -> None:
        if now:
            self.show()

    @abstractmethod
    def show(self) -> None:
        """Work out what is shown."""
