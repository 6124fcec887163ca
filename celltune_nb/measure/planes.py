"""The channels of an image, some rows at a time as float32.

Whatever the type and layout of an image, it is measured as float32 rows: there is one version of
each kernel to compile, and never more than a part of an image in memory.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from celltune_nb.data.chunks import read_part
from celltune_nb.errors import InputError

__all__ = ["STAINS", "Channel", "Part", "Planes", "Window", "chunk_of", "image_planes"]

Float32 = npt.NDArray[np.float32]

STAINS = ("Hematoxylin", "Eosin", "DAB")
"""Stains separated from brightfield RGB (Ruifrok & Johnston 2001, the vectors of ``skimage.color.rgb2hed``)."""

_STAIN_VECTORS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
_DARKEST = 1e-6  # below this an optical density is cut off, as in skimage.color.separate_stains
_SLACK = 16  # values after the last row, so that kernels may read whole SIMD blocks


@dataclass(frozen=True)
class Window:
    """Rows of one channel.

    Attributes
    ----------
    flat : float32 (rows · X + 16,)
        The rows one after the other, and values that mean nothing.
    width : int
        X.
    y0 : int
        The first row in the image.
    """

    flat: Float32
    width: int
    y0: int

    @classmethod
    def of(cls, memory: Float32, y0: int, y1: int, width: int) -> Window:
        """Rows ``y0:y1``, to be filled, in memory that holds `room_for` them."""
        return cls(memory[: cls.room_for(y0, y1, width)], width, y0)

    @staticmethod
    def room_for(y0: int, y1: int, width: int) -> int:
        """Values that rows ``y0:y1`` take."""
        return (y1 - y0) * width + _SLACK

    @property
    def rows(self) -> Float32:
        """As (rows, X)."""
        return self.flat[:-_SLACK].reshape(-1, self.width)


@dataclass(frozen=True)
class Channel:
    """One channel to measure.

    Attributes
    ----------
    name : str
    unit : str
        ``"intensity"``, or ``"stain"`` for a separated stain.
    source : int
        Channels of the same source come from the same reading: the colours of RGB, or channels that an
        array keeps in one chunk.
    read : callable
        ``read(y0, y1)`` gives these rows of the source as they are stored.
    fill : callable
        ``fill(stored, a, b, out)`` writes rows ``a:b`` of what was read into a float32 (b − a, X).
    """

    name: str
    unit: str
    source: int
    read: Callable[[int, int], npt.NDArray[Any]]
    fill: Callable[[npt.NDArray[Any], int, int, Float32], None]


class Part:
    """Rows ``y0:y1`` of a source, read by whoever needs them first and kept as long as this is."""

    def __init__(self, channel: Channel, y0: int, y1: int, lock: threading.Lock) -> None:
        self.y0, self.source = y0, channel.source
        self._read, self._y1, self._lock = channel.read, y1, lock
        self._stored: npt.NDArray[Any] | None = None

    def stored(self) -> npt.NDArray[Any]:
        """As the image has them.  One at a time: not every reader of files can be called by two threads."""
        with self._lock:
            if self._stored is None:
                self._stored = self._read(self.y0, self._y1)
            return self._stored


@dataclass(frozen=True)
class Planes:
    """The channels of an image, and how it is best read.

    Attributes
    ----------
    channels : list of Channel
    row_bytes : int
        Of a row of what is read at once; 0 where reading only looks into memory or a memory map.
    chunk_rows : int
        Rows that the image keeps together.
    """

    channels: list[Channel]
    row_bytes: int
    chunk_rows: int


def image_planes(image: Any, shape: tuple[int, int], names: Sequence[str] | None, *, stains: bool) -> Planes:
    """The channels of an image that belongs to a mask of a shape.

    Parameters
    ----------
    image : array-like (Y, X), (C, Y, X) or RGB (Y, X, 3)
        Only ``shape``, ``dtype``, slicing and, where there is one, ``chunks`` are used.
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
    rows_axis = 0 if rgb else len(size) - 2
    together = 3 if rgb else (chunk_of(image, 0) if len(size) == 3 else 1)
    in_memory = isinstance(opened(image), np.ndarray)
    row_bytes = 0 if in_memory else shape[1] * together * np.dtype(image.dtype).itemsize
    if rgb:
        read = _reader(image, None)
        found = [Channel(name, "intensity", 0, read, _colour(c)) for c, name in enumerate(names)]
        if stains:
            clash = sorted(set(STAINS) & set(names))
            if clash:
                raise InputError(
                    f"The channel name '{clash[0]}' is also that of a separated stain. Rename it, or pass stains=False."
                )
            found += [
                Channel(name, "stain", 0, read, _stain(s, image.dtype)) for s, name in enumerate(STAINS)
            ]
    elif len(size) == 2:
        found = [Channel(names[0], "intensity", 0, _reader(image, None), _plane(None))]
    else:
        readers = [_reader(image, (c, c + together)) for c in range(0, size[0], together)]
        found = [
            Channel(name, "intensity", c // together, readers[c // together], _plane(c % together))
            for c, name in enumerate(names)
        ]
    return Planes(found, row_bytes, chunk_of(image, rows_axis))


def chunk_of(image: Any, axis: int) -> int:
    """How much of an axis an array keeps together (zarr, dask); 1 if it says nothing of the kind."""
    chunks = getattr(opened(image), "chunks", None)
    if not chunks:
        return 1
    return int(np.max(chunks[axis]))  # dask has a tuple for each axis


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


def opened(image: Any) -> Any:
    """The array of an image that is opened when it is read first."""
    return getattr(image, "opened", image)


def _reader(image: Any, channels: tuple[int, int] | None) -> Callable[[int, int], npt.NDArray[Any]]:
    # one pass over everything: what is read is not kept in place of what a viewer looks at
    if channels is None:
        return lambda y0, y1: read_part(image, (slice(y0, y1),), keep=False)[0]
    return lambda y0, y1: read_part(image, (slice(*channels), slice(y0, y1)), keep=False)[0]


def _plane(c: int | None) -> Callable[[npt.NDArray[Any], int, int, Float32], None]:
    def fill(stored: npt.NDArray[Any], a: int, b: int, out: Float32) -> None:
        np.copyto(out, (stored if c is None else stored[c])[a:b], casting="unsafe")

    return fill


def _colour(c: int) -> Callable[[npt.NDArray[Any], int, int, Float32], None]:
    def fill(stored: npt.NDArray[Any], a: int, b: int, out: Float32) -> None:
        np.copyto(out, stored[a:b, :, c], casting="unsafe")

    return fill


def _stain(s: int, dtype: Any) -> Callable[[npt.NDArray[Any], int, int, Float32], None]:
    weights = (np.linalg.inv(_STAIN_VECTORS)[:, s] / np.log(_DARKEST)).astype(np.float32)
    scale = _full_scale(np.dtype(dtype))
    # of 8-bit images every optical density there is
    table = np.log(np.maximum(np.arange(256) / scale, _DARKEST))

    def fill(stored: npt.NDArray[Any], a: int, b: int, out: Float32) -> None:
        out[:] = 0
        for c in range(3):
            values = stored[a:b, :, c]
            if values.dtype == np.uint8:
                out += (table * weights[c]).astype(np.float32)[values]
            else:
                light = np.maximum(values.astype(np.float32) / np.float32(scale), np.float32(_DARKEST))
                out += np.log(light) * weights[c]
        np.maximum(out, 0, out=out)

    return fill


def _full_scale(dtype: np.dtype[Any]) -> float:
    """The value of white: the largest of an integer type, 1 for floats."""
    return float(np.iinfo(dtype).max) if dtype.kind in "ui" else 1.0
