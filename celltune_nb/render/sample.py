"""Image and mask pixels at the resolution of a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from celltune_nb.data.chunks import read_part
from celltune_nb.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celltune_nb.data.chunks import Patience
    from celltune_nb.render.camera import Window
    from celltune_nb.render.pyramid import Pyramid

__all__ = [
    "as_level",
    "channel_count",
    "image_shape",
    "is_rgb",
    "part_key",
    "region",
    "sample_labels",
    "sample_planes",
    "sample_rgb",
]


def is_rgb(array: Any) -> bool:
    """Whether an image array is RGB: (Y, X, 3) uint8."""
    return len(array.shape) == 3 and array.shape[2] == 3 and np.dtype(array.dtype) == np.uint8


def image_shape(array: Any) -> tuple[int, int]:
    """Size (Y, X) of an image: (Y, X), (C, Y, X) or RGB (Y, X, 3).

    Raises
    ------
    InputError
        Another number of dimensions.
    """
    if len(array.shape) == 2 or is_rgb(array):
        return (int(array.shape[0]), int(array.shape[1]))
    if len(array.shape) == 3:
        return (int(array.shape[1]), int(array.shape[2]))
    raise InputError(
        f"An image of shape {tuple(array.shape)} cannot be shown. Give it as (Y, X), (C, Y, X) or RGB (Y, X, 3) uint8."
    )


def channel_count(array: Any) -> int:
    """Number of channels of an image that is not RGB."""
    return 1 if len(array.shape) == 2 else int(array.shape[0])


def as_level(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Pixel values as uint16 (exact for bool, uint8, uint16) or float32 (everything else)."""
    small = values.dtype in (np.dtype(np.uint16), np.dtype(np.uint8), np.dtype(np.bool_))
    return values.astype(np.uint16 if small else np.float32, copy=False)


def part_key(array: Any, channel: int, ys: slice, xs: slice) -> tuple[Any, ...]:
    """How a part of a channel is asked of an image array: (Y, X), (C, Y, X), or RGB, all samples."""
    return (ys, xs) if len(array.shape) == 2 or is_rgb(array) else (channel, ys, xs)


def region(shape: Sequence[int], window: Window, level: int) -> tuple[slice, slice, Any, Any]:
    """The part of a level that a window sees, and the places in it of the window's rows and columns.

    A level that is far too fine is read with a stride, so that never more comes in than a frame needs.
    """
    stride = max(1, int(window.step / (1 << level)))
    slices, places = [], []
    for index, size in zip((window.rows, window.columns), shape, strict=True):
        own = np.minimum(index >> level, size - 1)
        slices.append(slice(int(own[0]), int(own[-1]) + 1, stride))
        places.append((own - own[0]) // stride)
    return slices[0], slices[1], places[0], places[1]


def _look(
    array: Any, channel: int, window: Window, pyramid: Pyramid | None, patience: Patience | None
) -> tuple[npt.NDArray[Any], Any, Any]:
    """The pixels that a window sees of a channel, and the places in them of its rows and columns."""
    if pyramid is not None:
        return pyramid.look(channel, window, patience)
    ys, xs, rows, columns = region(image_shape(array), window, 0)
    return read_part(array, part_key(array, channel, ys, xs), patience)[0], rows, columns


def _gather(crop: npt.NDArray[Any], rows: Any, columns: Any, out: npt.NDArray[Any]) -> None:
    """Nearest-neighbour look-up for 2- and 4-byte pixels of any type, on the bytes alone."""
    from celltune_nb.render import kernels

    if crop.shape == out.shape and rows[-1] == len(rows) - 1 and columns[-1] == len(columns) - 1:
        out[:] = crop  # one pixel each, in order
        return
    bits = np.uint16 if out.itemsize == 2 else np.uint32
    crop = crop.view(bits)
    # A read-only view of every input: one compiled version serves memory and memory-mapped files.
    crop.flags.writeable = False
    kernels.gather(crop, rows, columns, out.view(bits))


def sample_planes(
    array: Any,
    window: Window,
    channels: Sequence[int],
    pyramid: Pyramid | None = None,
    patience: Patience | None = None,
) -> npt.NDArray[Any]:
    """Channels of an image at the pixels of a frame.

    Parameters
    ----------
    array : array-like
        (Y, X) or (C, Y, X) of any number type; anything that slices (memory map, zarr, dask).
    window : Window
        What the frame shows.
    channels : sequence of int
        Channel indices.
    pyramid : Pyramid, optional
        Reduced copies of ``array`` for zoomed-out views; without it, pixels are skipped.
    patience : Patience, optional
        What is not there in time is left 0, or coarse.

    Returns
    -------
    ndarray
        (len(channels), h, w) uint16 or float32, for the part of the frame inside the image.
    """
    size = (len(channels), len(window.rows), len(window.columns))
    if not channels or 0 in size:
        return np.zeros(size, np.uint16)
    out: npt.NDArray[Any] | None = None
    for position, channel in enumerate(channels):
        if patience is not None:
            patience.share(position, len(channels))
        crop, rows, columns = _look(array, channel, window, pyramid, patience)
        crop = as_level(crop)
        if out is None:
            out = np.empty(size, crop.dtype)
        _gather(crop.astype(out.dtype, copy=False), rows, columns, out[position])
    assert out is not None
    return out


def sample_rgb(
    array: Any, window: Window, pyramid: Pyramid | None = None, patience: Patience | None = None
) -> npt.NDArray[np.uint8]:
    """Pixels (h, w, 3) of an RGB image inside a frame."""
    from celltune_nb.render import kernels

    out = np.empty((len(window.rows), len(window.columns), 3), np.uint8)
    if out.size:
        crop, rows, columns = _look(array, 0, window, pyramid, patience)
        crop = crop.view()
        crop.flags.writeable = False
        kernels.gather_rgb(crop, rows, columns, out)
    return out


def sample_labels(
    mask: Any, window: Window, pyramid: Pyramid | None = None, patience: Patience | None = None
) -> npt.NDArray[np.uint32]:
    """Labels (h, w) of a mask at the pixels of a frame, for the part inside the image."""
    size = (len(window.rows), len(window.columns))
    if 0 in size:
        return np.zeros(size, np.uint32)
    crop, rows, columns = _look(mask, 0, window, pyramid, patience)
    if crop.dtype.itemsize not in (2, 4):
        crop = crop.astype(np.uint32)
    out = np.empty(size, np.uint16 if crop.dtype.itemsize == 2 else np.uint32)
    _gather(crop, rows, columns, out)
    return out.astype(np.uint32, copy=False)
