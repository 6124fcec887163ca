"""What a person draws on the image: a rectangle or an outline, and the regions of interest that came of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from celltune_nb.data.gates import CORNERS
from celltune_nb.data.shapes import Shape as Region
from celltune_nb.panels.canvas import Shape, Viewport
from celltune_nb.panels.image import controls, marks
from celltune_nb.session.areas import columns, kept
from celltune_nb.session.events import StudyChanged

if TYPE_CHECKING:
    from celltune_nb.panels.image.panel import ImagePanel

__all__ = ["Drawing"]

REGION = "#FFD166"


class Drawing:
    """Draws what was drawn, and hears outlines.

    Parameters
    ----------
    panel : ImagePanel
    viewport : Viewport
    """

    def __init__(self, panel: ImagePanel, viewport: Viewport) -> None:
        self._panel, self._viewport, self._session = panel, viewport, panel.session
        self._shown: str | None = ""  # the image whose regions are drawn
        viewport.on_lasso(panel.guard(self.lasso))
        panel.listen(panel.session.study_changed, self._study_changed)

    def show(self) -> None:
        """Draw the rectangle, the outline and the regions of the image, and take up the tool."""
        view = self._session.view
        self._viewport.mode = view.tool  # type: ignore[assignment]
        self._viewport.draw_shapes(marks.rectangle_shapes(view.rectangle), "rectangle")
        self._viewport.draw_shapes(marks.outline_shapes(view.outline), "outline")
        if view.image == self._shown:
            return
        self._shown, shapes = view.image, list[Shape]()
        for column in columns(self._session):
            for one in kept(self._session, column).get(view.image or "", []):
                if one.shape is not None:
                    shapes += _region(one.shape)
        self._viewport.draw_shapes(shapes, "regions")

    def lasso(self, corners: Sequence[Sequence[float]], held: frozenset[str] = frozenset()) -> None:
        """Take an outline (pixels); with Shift select the cells inside, with Ctrl toggle them."""
        session = self._session
        image = session.images.get(session.view.image or "")
        if image is None:
            return
        points = np.asarray(corners, np.float64)
        points = points[:: -(-len(points) // CORNERS)]
        # An image spans −0.5 … n − 0.5.
        points = np.clip(points, -0.5, np.array(image.shape) - 0.5)
        outline = tuple((float(y), float(x)) for y, x in points)
        rows = session.table.of_image(session.image_number(image.name))
        within = Region("", "polygon", outline).inside(session.table.y[rows], session.table.x[rows])
        inside = session.table.ids[rows][within]
        if held & {"shift", "ctrl"}:
            session.select(inside, "add" if "shift" in held else "toggle")
            return
        session.set_view(outline=outline, rectangle=None)
        self._panel.say(
            f"{controls.cells(len(inside))} in this outline. Name it beside and add it as a region."
        )

    def _study_changed(self, event: StudyChanged) -> None:
        if event.what == "regions":
            self._shown = ""
            self.show()


def _region(region: Region) -> list[Shape]:
    """Its outline and its name."""
    y0, x0, y1, x1 = region.bounds
    outline = (
        Shape.rectangle((y0, x0, y1, x1), REGION, width=1.5)
        if region.kind == "rectangle"
        else Shape.polygon(region.corners, REGION, width=1.5)
    )
    return [outline, Shape.label(region.name, (y0 + y1) / 2, (x0 + x1) / 2, REGION)]
