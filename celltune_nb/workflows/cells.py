"""The cells workflow: an image with its cells, and everything that teaches a classifier to them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ..panels.levels import LevelsPanel
from .page import Page

if TYPE_CHECKING:
    from ..session import Session

__all__ = ["PAGES", "CellsWorkflow", "cells"]

#: The tabs: title → attribute of :class:`CellsWorkflow`.
PAGES = {
    "Data": "importing",
    "Label": "labelling",
    "Gate": "gating",
    "Train": "training",
    "Review": "review",
    "Evaluate": "evaluation",
    "Export": "exporting",
}


def cells(session: Session, *, look_at: str | Path | None = None) -> CellsWorkflow:
    """Teach a classifier to cells: look, label a few, train, see where it fails, correct.

    Parameters
    ----------
    session : Session
        A project with images and masks, or a table of cells; an empty one begins with bringing them.
    look_at : path, optional
        A folder of images that the page shows first, to be imported.

    Returns
    -------
    CellsWorkflow
        What to display; opening it again for the same session closes the one before.
    """
    return CellsWorkflow(session, look_at)


class CellsWorkflow(Page):
    """Channels and populations, the image, and the steps of the loop as tabs.

    Attributes
    ----------
    levels : LevelsPanel
        Above the categories in the Label tab.
    """

    PAGES: ClassVar[dict[str, str]] = PAGES

    def __init__(self, session: Session, look_at: str | Path | None = None) -> None:
        super().__init__(session, look_at)
        self.levels = LevelsPanel(session)
        self.part(self.levels)
        label = self.labelling.widget
        label.children = (self.levels.widget, *label.children)
