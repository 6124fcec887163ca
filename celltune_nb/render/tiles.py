"""Small pictures of one item: its channels together, then each alone, with its outline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from celltune_nb.render.camera import Camera, Window
from celltune_nb.render.compose import BACKGROUND, Channel, blend
from celltune_nb.render.overlay import color_table, overlay
from celltune_nb.render.sample import image_shape, is_rgb, sample_labels, sample_planes, sample_rgb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celltune_nb.render.compose import ChannelLike
    from celltune_nb.render.pyramid import Pyramid

__all__ = ["Crop", "tile_pictures"]

#: Sides of an item's box that a tile is wide, and image pixels that it shows at least.
ROOM, LEAST = 2.6, 24.0
#: Radius of the ring round an item without a mask, image pixels.
RING = 6.0


@dataclass(frozen=True)
class Crop:
    """The part of an image that a tile shows.

    Attributes
    ----------
    y, x : float
        Its middle, pixels.
    side : float
        Its height and width, pixels.
    """

    y: float
    x: float
    side: float

    @classmethod
    def around(cls, bbox: Sequence[int], y: float, x: float) -> Crop:
        """Round an item: its box (y0, x0, y1, x1), half-open, or its centre where the box is empty."""
        y0, x0, y1, x1 = (int(v) for v in bbox)
        side = max(y1 - y0, x1 - x0)
        if side <= 0:
            return cls(y, x, 2 * LEAST)
        return cls((y0 + y1 - 1) / 2, (x0 + x1 - 1) / 2, max(LEAST, ROOM * side))


def tile_pictures(
    array: Any,
    mask: Any,
    crop: Crop,
    label: int,
    together: Sequence[ChannelLike],
    alone: Sequence[ChannelLike],
    *,
    side: int = 96,
    pyramid: Pyramid | None = None,
    outline: str = "#FFFFFF",
) -> list[npt.NDArray[np.uint8]]:
    """Pictures of one item.

    Parameters
    ----------
    array : array-like
        (Y, X), (C, Y, X) or RGB (Y, X, 3) uint8.
    mask : array-like or None
        (Y, X) integer; without one a ring marks the centre.
    crop : Crop
    label : int
        The item's value in the mask.
    together : sequence of ChannelLike
        Channels of the first picture, in their colours.
    alone : sequence of ChannelLike
        A picture each, in grey between their limits; none for an RGB image, which is shown as it is.
    side : int
        Device pixels.
    pyramid : Pyramid, optional
        Reduced copies, for items larger than a tile.
    outline : str
        Colour of the item's border, ``"#rrggbb"``.

    Returns
    -------
    list of ndarray
        (side, side, 3) uint8 each; what lies beyond the image is dark.
    """
    camera = Camera(crop.y, crop.x, side / crop.side, side, side)
    window = Window.of(camera, image_shape(array))
    border = _border(mask, window, crop, label)
    if is_rgb(array):
        return [_framed(np.ascontiguousarray(sample_rgb(array, window, pyramid)), window, border, outline)]
    grey: list[ChannelLike] = [Channel(c.index, "#FFFFFF", c.low, c.high) for c in alone]
    wanted = sorted({c.index for c in (*together, *grey)})  # each channel is read once
    planes = dict(zip(wanted, sample_planes(array, window, wanted, pyramid), strict=True))
    pictures = []
    views: list[list[ChannelLike]] = [list(together), *([c] for c in grey)]
    for channels in views:
        seen = (
            np.stack([planes[c.index] for c in channels])
            if channels
            else np.zeros((0, *border.shape), np.uint16)
        )
        pictures.append(_framed(blend(seen, channels), window, border, outline))
    return pictures


def _border(mask: Any, window: Window, crop: Crop, label: int) -> npt.NDArray[np.uint32]:
    """1 where the item is, at the pixels of a tile inside the image."""
    if mask is not None:
        return (sample_labels(mask, window) == label).astype(np.uint32)
    y, x = window.rows[:, None] - crop.y, window.columns[None, :] - crop.x
    return (np.hypot(y, x) <= RING).astype(np.uint32)


def _framed(
    seen: npt.NDArray[np.uint8], window: Window, border: npt.NDArray[np.uint32], outline: str
) -> npt.NDArray[np.uint8]:
    if seen.size:
        # As wide as the tile allows: a line of one pixel breaks up where the tile is shown smaller.
        width = max(1, round(window.shape[0] / 96))
        overlay(seen, border, color_table(np.array([0, 1]), [None, outline]), 0, "border", width)
    if seen.shape[:2] == window.shape:
        return seen
    frame = np.full((*window.shape, 3), BACKGROUND, np.uint8)
    frame[window.inside] = seen
    return frame
