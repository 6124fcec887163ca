"""What is drawn over the image as lines, and the keys that it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from celltune_nb.panels.canvas import Shape

if TYPE_CHECKING:
    from celltune_nb.panels.image.scene import Scene

__all__ = [
    "KEYS",
    "MOST_OUTLINES",
    "WALKING",
    "hover_shapes",
    "outline_shapes",
    "rectangle_shapes",
    "selection_shapes",
]

#: Selected items drawn as outlines; more are rimmed in the picture itself.
MOST_OUTLINES = 2_000
#: The selection is white with a dark rim: every colour may belong to a category.
SELECTED = "#FFFFFF"

#: Keys that the image takes, as the viewport names them.
KEYS = (
    *"0123456789", *(f"shift+{digit}" for digit in range(10)), "Delete", "Backspace",
    "u", "ctrl+z", "r", "ctrl+shift+z", "ctrl+y", "Escape", "s", "n", "f", "g", "o", "h", "?", "shift+?",
    "m", "y", "ctrl+ArrowLeft", "ctrl+ArrowRight",
)  # fmt: skip
#: Of them, those that mean nothing to the image itself: for who goes through cells beside it.
WALKING = ("m", "y", "ArrowLeft", "ArrowRight")


def selection_shapes(scene: Scene, ids: npt.NDArray[np.int64], *, masked: bool) -> list[Shape]:
    """Outlines of the selected items of the image on the screen; none when they are too many.

    Parameters
    ----------
    scene : Scene
    ids : ndarray of int64
        The selected items that lie on the image.
    masked : bool
        Whether the image has a mask; without one, an item is a circle of constant size round its centre.
    """
    if len(ids) > MOST_OUTLINES:
        return []
    if masked:
        return [Shape.polygon(points, SELECTED, width=2) for points in scene.outlines(ids)]
    return [Shape.circle(points[0, 0], points[0, 1], 9, SELECTED, width=2) for points in scene.outlines(ids)]


def hover_shapes(scene: Scene, item: int | None, *, masked: bool) -> list[Shape]:
    """A thin outline of the cell under the cursor."""
    if item is None or not masked:
        return []
    return [Shape.polygon(p, SELECTED, width=1) for p in scene.outlines(np.array([item], np.int64))]


def rectangle_shapes(rectangle: tuple[float, float, float, float] | None) -> list[Shape]:
    """The rectangle that sampling is held to, dashed."""
    return [] if rectangle is None else [Shape.rectangle(rectangle, SELECTED, width=1.5, dash=(6, 4))]


def outline_shapes(outline: Sequence[tuple[float, float]] | None) -> list[Shape]:
    """The outline that was drawn, dashed."""
    return [] if outline is None else [Shape.polygon(outline, SELECTED, width=1.5, dash=(6, 4))]
