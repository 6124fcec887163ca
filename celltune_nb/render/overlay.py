"""Items over the picture: coloured fills and borders, and outlines as polygons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from celltune_nb.errors import InputError
from celltune_nb.render.camera import Camera, Window
from celltune_nb.render.compose import parse_color
from celltune_nb.render.sample import sample_labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celltune_nb.render.pyramid import Pyramid

__all__ = ["Style", "color_table", "overlay", "overlay_mask", "polygons"]

Style = Literal["fill", "border", "both"]


def color_table(codes: npt.NDArray[Any], palette: Sequence[str | None]) -> npt.NDArray[np.uint32]:
    """RGBA by label, as :func:`overlay` takes it.

    Parameters
    ----------
    codes : ndarray
        (n,) integer: index into ``palette`` by label value; entry 0 belongs to the background.
    palette : sequence of str or None
        Colours ``"#rrggbb"``; None hides the items of that code.

    Returns
    -------
    ndarray
        (n,) uint32, 0xAABBGGRR (bytes r, g, b, a in memory); 0 is invisible.
    """
    packed = np.zeros(len(palette), np.uint32)
    for index, color in enumerate(palette):
        if color is not None:
            r, g, b = parse_color(color)
            packed[index] = 0xFF000000 | b << 16 | g << 8 | r
    table = packed[codes] if len(codes) else np.zeros(0, np.uint32)
    if len(table):
        table[0] = 0
    return table


def overlay(
    rgb: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.uint32],
    table: npt.NDArray[Any],
    opacity: float = 0.4,
    style: Style = "fill",
    dpr: float = 1.0,
) -> npt.NDArray[np.uint8]:
    """Paint items over a picture, in place.

    Parameters
    ----------
    rgb : ndarray
        (h, w, 3) uint8, C-contiguous; changed in place.
    labels : ndarray
        (h, w) uint32 labels at the same pixels.
    table : ndarray
        RGBA by label: (n,) uint32 (see :func:`color_table`) or (n, 4) uint8.  An item whose alpha is
        0, or whose label lies beyond the table, is not drawn; a smaller alpha makes it fainter.
    opacity : float
        Opacity of fills, 0 to 1.  Borders are opaque.
    style : {"fill", "border", "both"}
        Borders lie inside the item and are one CSS pixel wide.
    dpr : float
        Device pixels per CSS pixel.

    Returns
    -------
    ndarray
        ``rgb``.

    Raises
    ------
    InputError
        Another style.
    """
    from celltune_nb.render.painting import paint

    if style not in ("fill", "border", "both"):
        raise InputError(f"Style {style!r} does not exist. Choose 'fill', 'border' or 'both'.")
    if table.dtype == np.uint8:
        table = np.ascontiguousarray(table).view(np.uint32)[:, 0]
    table = np.ascontiguousarray(table, np.uint32)
    border = 0 if style == "fill" else max(1, round(dpr))
    strength = round(256 * min(1.0, max(0.0, opacity)))
    paint(rgb, labels, table, strength, style != "border", border)
    return rgb


def overlay_mask(
    frame: npt.NDArray[np.uint8],
    mask: Any,
    camera: Camera,
    table: npt.NDArray[Any],
    opacity: float = 0.4,
    style: Style = "fill",
    dpr: float = 1.0,
    pyramid: Pyramid | None = None,
) -> npt.NDArray[np.uint8]:
    """:func:`overlay` of a whole mask (Y, X) onto a frame that :func:`~celltune_nb.render.compose` drew."""
    window = Window.of(camera, (int(mask.shape[0]), int(mask.shape[1])), dpr)
    inside = window.inside
    labels = sample_labels(mask, window, pyramid)
    if labels.shape == frame.shape[:2]:
        return overlay(frame, labels, table, opacity, style, dpr)
    # A copy and back, so that one compiled version (contiguous rows) serves every frame.
    part = np.ascontiguousarray(frame[inside])
    frame[inside] = overlay(part, labels, table, opacity, style, dpr)
    return frame


def polygons(mask: Any, bbox: tuple[int, int, int, int], label: int) -> list[npt.NDArray[np.float64]]:
    """Outlines of one item, along the edges of its pixels.

    Parameters
    ----------
    mask : array-like
        (Y, X) integer.
    bbox : tuple of int
        y0, x0, y1, x1 of the item, half-open.
    label : int
        The item's label.

    Returns
    -------
    list of ndarray
        Closed polygons, each (k, 2) y, x in image pixels (corners lie at halves); one per 4-connected
        part (clockwise on the screen) and one per hole (counter-clockwise).
    """
    from celltune_nb.render import kernels

    y0, x0 = max(0, int(bbox[0])), max(0, int(bbox[1]))
    part = np.asarray(mask[y0 : int(bbox[2]), x0 : int(bbox[3])]) == label
    inside = np.pad(part, 1)
    # Every pixel has four corners at most, and every loop starts at a pixel of its own.
    corners = np.empty((4 * int(part.sum()) + 4, 2), np.int64)
    starts = np.empty(int(part.sum()) + 1, np.int64)
    count, loops = kernels.trace(inside, corners, starts)
    points = corners[:count] + np.array([y0 - 1.5, x0 - 1.5])
    return np.split(points, starts[1:loops]) if loops else []
