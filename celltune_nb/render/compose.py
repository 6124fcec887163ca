"""Image channels to an RGB frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from celltune_nb.errors import InputError
from celltune_nb.render.camera import Camera, Window
from celltune_nb.render.sample import channel_count, image_shape, is_rgb, sample_planes, sample_rgb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celltune_nb.data.chunks import Patience
    from celltune_nb.render.pyramid import Pyramid

__all__ = ["BACKGROUND", "Channel", "ChannelLike", "blend", "compose", "parse_color"]

#: What lies beyond the image, so that its edges are seen; the browser side uses the same colour.
BACKGROUND = (30, 32, 38)


class ChannelLike(Protocol):
    """What :func:`compose` needs to know of a channel: the fields of :class:`Channel`."""

    @property
    def index(self) -> int:
        """Position in the image."""

    @property
    def color(self) -> str:
        """Colour, ``"#rrggbb"``."""

    @property
    def low(self) -> float:
        """Intensity shown as black."""

    @property
    def high(self) -> float:
        """Intensity shown in full colour."""


@dataclass(frozen=True)
class Channel:
    """One channel to show: ``low`` becomes black and ``high`` (or more) the full colour."""

    index: int
    color: str
    low: float
    high: float


def parse_color(color: str) -> tuple[int, int, int]:
    """``"#rrggbb"``, ``"#rgb"`` or a CSS colour name as (r, g, b) in 0..255.

    Raises
    ------
    InputError
        Not a colour.
    """
    from PIL import ImageColor

    try:
        return ImageColor.getrgb(color)[:3]
    except ValueError:
        raise InputError(f"{color!r} is not a colour. Write it as '#rrggbb'.") from None


def blend(planes: npt.NDArray[Any], channels: Sequence[ChannelLike]) -> npt.NDArray[np.uint8]:
    """Add coloured channels.

    Parameters
    ----------
    planes : ndarray
        (C, h, w) uint16 or float32, in the order of ``channels``.
    channels : sequence of ChannelLike
        Colour and contrast limits of each plane.

    Returns
    -------
    ndarray
        (h, w, 3) uint8; sums above white are clipped.
    """
    from celltune_nb.render import kernels

    out = np.empty((*planes.shape[1:], 3), np.uint8)
    low = np.array([c.low for c in channels], np.float32)
    spread = np.array([c.high for c in channels], np.float32) - low
    # Equal limits make a step at low instead of a division by zero.
    scale = (1 / np.maximum(spread, np.float32(1e-12))).astype(np.float32)
    colors = np.array([parse_color(c.color) for c in channels], np.float32).reshape(-1, 3)
    kernels.blend(planes, low, scale, colors, out)
    return out


def compose(
    array: Any,
    camera: Camera,
    channels: Sequence[ChannelLike] = (),
    dpr: float = 1.0,
    pyramid: Pyramid | None = None,
    patience: Patience | None = None,
) -> npt.NDArray[np.uint8]:
    """Draw what a camera sees of an image.

    Fluorescence channels are added in their colours; an RGB image is shown as it is.  Magnified pixels
    stay sharp squares; a reduced view takes its pixels from ``pyramid``.

    Parameters
    ----------
    array : array-like
        (Y, X), (C, Y, X) of any number type, or RGB (Y, X, 3) uint8.
    camera : Camera
        The view, in CSS pixels.
    channels : sequence of ChannelLike
        Channels to add; ignored for an RGB image.
    dpr : float
        Device pixels per CSS pixel.
    pyramid : Pyramid, optional
        Reduced copies of ``array``.
    patience : Patience, optional
        How long to wait for pixels that are still to be decoded; without it, the frame is complete.

    Returns
    -------
    ndarray
        (H, W, 3) uint8 with H = round(camera.height × dpr), W alike.

    Raises
    ------
    InputError
        A shape that is no image, or a channel index that the image lacks.
    """
    window = Window.of(camera, image_shape(array), dpr)
    if is_rgb(array):
        seen = sample_rgb(array, window, pyramid, patience)
    else:
        count = channel_count(array)
        for channel in channels:
            if not 0 <= channel.index < count:
                raise InputError(
                    f"Channel {channel.index} does not exist: the image has {count}. Choose 0 to {count - 1}."
                )
        seen = blend(sample_planes(array, window, [c.index for c in channels], pyramid, patience), channels)
    if seen.shape[:2] == window.shape:
        return seen
    frame = np.full((*window.shape, 3), BACKGROUND, np.uint8)
    frame[window.inside] = seen
    return frame
