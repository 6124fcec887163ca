"""The channels of an image, one float32 band of rows at a time.

Whatever the type and layout of an image, kernels see float32 rows: there is one version of
each to compile, and never more than a few bands of a channel in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from celltune_nb.errors import InputError

__all__ = ["STAINS", "Channel", "image_channels"]

Band = npt.NDArray[np.float32]

STAINS = ("Hematoxylin", "Eosin", "DAB")
"""Stains separated from brightfield RGB (Ruifrok & Johnston 2001, the vectors of ``skimage.color.rgb2hed``)."""

_STAIN_VECTORS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
_DARKEST = 1e-6  # below this an optical density is cut off, as in skimage.color.separate_stains


@dataclass(frozen=True)
class Channel:
    """One channel to measure.

    Attributes
    ----------
    name : str
    unit : str
        ``"intensity"``, or ``"stain"`` for a separated stain.
    open : callable
        Reads the channel as far as needed and gives a function ``fill(y0, y1, out)`` that
        writes its rows ``y0:y1`` into a float32 (y1 − y0, X).
    """

    name: str
    unit: str
    open: Callable[[], Callable[[int, int, Band], None]]


def image_channels(
    image: Any, shape: tuple[int, int], names: Sequence[str] | None, *, stains: bool
) -> list[Channel]:
    """The channels of an image that belongs to a mask of a shape.

    Parameters
    ----------
    image : array-like (Y, X), (C, Y, X) or RGB (Y, X, 3)
        Only ``shape``, ``dtype`` and slicing are used, one channel at a time.
    shape : (int, int)
        Of the mask.
    names : sequence of str or None
        One for each channel; None for an RGB image gives Red, Green and Blue.
    stains : bool
        Add `STAINS` for an RGB image.

    Raises
    ------
    InputError
        Image and mask differ in size, the image does not hold numbers, or the names do not fit.
    """
    size = _image_shape(image)
    rgb = len(size) == 3 and size[:2] == shape and size[2] == 3 and size[1:] != shape
    if not rgb and size[-2:] != shape:
        raise InputError(
            f"The image has shape {size} and the mask {shape}: their rows and columns differ. "
            "Pass the mask of this image, as (Y, X), and the image as (Y, X), (C, Y, X) or RGB (Y, X, 3)."
        )
    if names is None and rgb:
        names = ("Red", "Green", "Blue")
    names = _checked_names(names, 3 if rgb else (size[0] if len(size) == 3 else 1), size)
    if rgb:
        found = [Channel(name, "intensity", _colour(image, c)) for c, name in enumerate(names)]
        if stains:
            clash = sorted(set(STAINS) & set(names))
            if clash:
                raise InputError(
                    f"The channel name '{clash[0]}' is also that of a separated stain. Rename it, or pass stains=False."
                )
            found += [Channel(name, "stain", _stain(image, s)) for s, name in enumerate(STAINS)]
        return found
    if len(size) == 2:
        return [Channel(names[0], "intensity", lambda: _rows_of(np.asarray(image)))]
    return [Channel(name, "intensity", _plane(image, c)) for c, name in enumerate(names)]


def _image_shape(image: Any) -> tuple[int, ...]:
    if not hasattr(image, "shape") or not hasattr(image, "dtype"):
        raise InputError(
            f"The image is a {type(image).__name__}, not an array. Pass a NumPy array, memory map or zarr array."
        )
    dtype = np.dtype(image.dtype)
    if dtype.kind not in "buif":
        raise InputError(
            f"The image has dtype {dtype}; only whole and real numbers can be measured. "
            "Convert it first, for example image.astype('float32')."
        )
    size = tuple(int(n) for n in image.shape)
    if len(size) not in (2, 3):
        raise InputError(
            f"The image has shape {size}; an image is (Y, X), (C, Y, X) or RGB (Y, X, 3). "
            "Take one plane or time point of it, for example image[0]."
        )
    return size


def _checked_names(names: Sequence[str] | None, count: int, size: tuple[int, ...]) -> list[str]:
    if isinstance(names, str):
        names = [names]
    given = [str(name) for name in names] if names is not None else []
    if len(given) != count:
        raise InputError(
            f"The image of shape {size} has {count} channel{'s' * (count != 1)}, but {len(given)} channel "
            f"name{'s were' if len(given) != 1 else ' was'} given. Name every channel once, in image order."
        )
    twice = sorted({name for name in given if given.count(name) > 1})
    if twice:
        raise InputError(
            f"The channel name '{twice[0]}' is used twice. Give every channel a name of its own."
        )
    if any(not name.strip() for name in given):
        raise InputError(
            "A channel has an empty name. Give every channel a name; features are called after it."
        )
    return given


def _rows_of(plane: npt.NDArray[Any]) -> Callable[[int, int, Band], None]:
    def fill(y0: int, y1: int, out: Band) -> None:
        np.copyto(out, plane[y0:y1], casting="unsafe")

    return fill


def _plane(image: Any, c: int) -> Callable[[], Callable[[int, int, Band], None]]:
    return lambda: _rows_of(np.asarray(image[c]))


def _colour(image: Any, c: int) -> Callable[[], Callable[[int, int, Band], None]]:
    return lambda: _rows_of(np.asarray(image[:, :, c]))


def _stain(image: Any, s: int) -> Callable[[], Callable[[int, int, Band], None]]:
    weights = (np.linalg.inv(_STAIN_VECTORS)[:, s] / np.log(_DARKEST)).astype(np.float32)

    def open_() -> Callable[[int, int, Band], None]:
        pixels = np.asarray(image[:, :, :])
        scale = _full_scale(pixels.dtype)

        def fill(y0: int, y1: int, out: Band) -> None:
            out[:] = 0
            for c in range(3):
                values = pixels[y0:y1, :, c]
                if pixels.dtype == np.uint8:
                    table = np.log(np.maximum(np.arange(256) / scale, _DARKEST)) * weights[c]
                    out += table.astype(np.float32)[values]
                else:
                    light = np.maximum(values.astype(np.float32) / np.float32(scale), np.float32(_DARKEST))
                    out += np.log(light) * weights[c]
            np.maximum(out, 0, out=out)

        return fill

    return open_


def _full_scale(dtype: np.dtype[Any]) -> float:
    """The value of white: the largest of an integer type, 1 for floats."""
    return float(np.iinfo(dtype).max) if dtype.kind in "ui" else 1.0
