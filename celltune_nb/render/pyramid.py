"""Reduced copies of images and masks for zoomed-out views."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import numpy as np
import numpy.typing as npt

from celltune_nb.render.sample import _Channel, as_level, image_shape, is_rgb

__all__ = ["Pyramid"]

#: Source rows reduced at a time: bounds the memory of building over a disk-backed array.
STRIP = 512


class Pyramid:
    """Stride-2 levels of one image or mask, built when first looked at.

    Level ``l`` has one pixel per ``2**l × 2**l`` source pixels: their mean for images, the top left one
    for labels.  A level too large to keep (more than an eighth of the budget per channel) is never
    stored; views between it and the source then read the source with a stride.  The least recently
    used channels are dropped when the budget is spent.

    Parameters
    ----------
    array : array-like
        Image (Y, X), (C, Y, X), RGB (Y, X, 3) uint8, or mask (Y, X); anything that slices.
    labels : bool
        Whether ``array`` is a mask.
    max_bytes : int
        Memory budget for all levels together.
    """

    def __init__(self, array: Any, *, labels: bool = False, max_bytes: int = 512 << 20) -> None:
        self._array = array
        self._labels = labels
        self._rgb = not labels and is_rgb(array)
        self._shape = image_shape(array)
        self._max_bytes = max_bytes
        self._levels: OrderedDict[int, dict[int, npt.NDArray[Any]]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Memory held by all levels, in bytes."""
        return sum(level.nbytes for levels in list(self._levels.values()) for level in levels.values())

    def plane(self, channel: int, level: int) -> tuple[Any, int]:
        """The stored level nearest to (not coarser than) the one asked for.

        Parameters
        ----------
        channel : int
            Channel index; 0 for RGB images and masks.
        level : int
            Level wanted; 0 is the source.

        Returns
        -------
        plane : array-like
            (Y, X), or (Y, X, 3) for RGB, at that level.
        level : int
            Its level.  0 when only the source is fine enough.
        """
        if level <= 0 or min(self._shape) < 2:
            return self._source(channel), 0
        # Building holds the lock: two frames must not reduce the same channel side by side.
        with self._lock:
            levels = self._levels.get(channel)
            if levels is None:
                levels = self._levels[channel] = self._build(channel)
                self._trim(keep=channel)
            self._levels.move_to_end(channel)
        usable = [stored for stored in levels if stored <= level]
        if not usable:
            return self._source(channel), 0
        best = max(usable)
        return levels[best], best

    def _source(self, channel: int) -> Any:
        return self._array if len(self._array.shape) == 2 or self._rgb else _Channel(self._array, channel)

    def _build(self, channel: int) -> dict[int, npt.NDArray[Any]]:
        source = self._source(channel)
        pixel = 3 if self._rgb else 4
        limit = self._max_bytes // 8
        first = 1
        while (self._shape[0] >> first) * (self._shape[1] >> first) * pixel > limit:
            first += 1
        strip = max(STRIP, 1 << first)
        strip -= strip % (1 << first)
        parts = []
        for top in range(0, self._shape[0], strip):
            part = np.asarray(source[top : min(top + strip, self._shape[0]), 0 : self._shape[1]])
            for _ in range(first):
                part = self._reduce(part)
            parts.append(part)
        levels = {first: np.concatenate(parts)}
        # A mean of uint16 is kept as uint16; float levels stay float32.
        last = first
        while max(levels[last].shape[:2]) > 64:
            levels[last + 1] = self._reduce(levels[last])
            last += 1
        return levels

    def _reduce(self, part: npt.NDArray[Any]) -> npt.NDArray[Any]:
        from celltune_nb.render import kernels

        if self._labels:
            return np.ascontiguousarray(part[::2, ::2])
        size = ((part.shape[0] + 1) // 2, (part.shape[1] + 1) // 2)
        if self._rgb:
            part = np.ascontiguousarray(part)
            out: npt.NDArray[Any] = np.empty((*size, 3), np.uint8)
            kernel = kernels.halve_rgb
        else:
            part = np.ascontiguousarray(as_level(part))
            out = np.empty(size, part.dtype)
            kernel = kernels.halve
        part = part.view()
        part.flags.writeable = False
        kernel(part, out)
        return out

    def _trim(self, keep: int) -> None:
        for channel in list(self._levels):
            if self.nbytes <= self._max_bytes or channel == keep:
                break
            del self._levels[channel]
