"""A mask of discs around centres, worked out strip by strip as it is read: for cells that nobody has segmented."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

__all__ = ["Discs"]

#: Rows that are worked out at once at most: labels and distances of a strip are all that is in memory.
STRIP = 512
#: Pixels around centres that are looked at together.
_PIXELS = 1 << 20
_NOBODY = np.uint64(0xFFFFFFFFFFFFFFFF)


class Discs:
    """Discs that never overlap: a pixel within reach of several centres belongs to the nearest, of equally near ones to the first.

    Reads as an array of labels, a strip of rows at a time; nothing of it is kept.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the image.
    y, x : float arrays, shape (n,)
        Centres in pixels, origin at the centre of pixel 0; all on the image.
    radius : float, or float array, shape (n,)
        Pixels, 0.5 or more.
    labels : int array, shape (n,), optional
        Number of each disc; by default 1..n.

    Raises
    ------
    InputError
        Something does not fit.
    """

    dtype = np.dtype(np.uint32)
    ndim = 2

    def __init__(
        self, shape: tuple[int, int], y: Any, x: Any, radius: Any, labels: NDArray[np.integer] | None = None
    ) -> None:
        self.shape = (int(shape[0]), int(shape[1]))
        ys, xs = np.asarray(y, np.float64), np.asarray(x, np.float64)
        if ys.ndim != 1 or ys.shape != xs.shape:
            raise InputError(f"{ys.shape} y and {xs.shape} x make no centres. Give one of each for a cell.")
        radii = np.broadcast_to(np.asarray(radius, np.float64), ys.shape)
        if not (np.isfinite(ys) & np.isfinite(xs)).all() or not (np.isfinite(radii) & (radii >= 0.5)).all():
            raise InputError(
                "A disc needs a centre and a radius that are numbers, the radius of half a pixel or more."
            )
        number = np.arange(1, len(ys) + 1) if labels is None else np.asarray(labels)
        if number.shape != ys.shape or (number < 1).any():
            raise InputError("Each disc needs a number from 1 up.")
        # By row, so that a strip finds its discs; of equally near centres the one given first comes first.
        order = np.argsort(ys, kind="stable")
        self._y, self._x, self._radius = ys[order], xs[order], radii[order]
        self._first, self._number = order, number.astype(np.uint32)
        self._reach = float(radii.max()) + 1 if len(radii) else 0.0

    def __repr__(self) -> str:
        return f"Discs({len(self._y):,} on {self.shape[0]:,} × {self.shape[1]:,} pixels)"

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        del copy  # it is always a new one
        whole = self[:]
        return whole if dtype is None else whole.astype(dtype)

    def __getitem__(self, key: Any) -> NDArray[np.uint32]:
        rows, *rest = key if isinstance(key, tuple) else (key,)
        if not isinstance(rows, slice) or rows.step not in (None, 1):
            return np.asarray(self[:])[key]
        start, stop, _ = rows.indices(self.shape[0])
        parts = [self._strip(y0, min(y0 + STRIP, stop)) for y0 in range(start, stop, STRIP)]
        found = np.concatenate(parts) if parts else np.zeros((0, self.shape[1]), np.uint32)
        return found[(slice(None), *rest)] if rest else found

    def _strip(self, y0: int, y1: int) -> NDArray[np.uint32]:
        """Rows y0:y1."""
        width = self.shape[1]
        a, b = np.searchsorted(self._y, (y0 - self._reach, y1 + self._reach))
        # The squared distance in the upper half, which centre it is to in the lower: the least of these is the nearest
        # centre, of equally near ones the first.
        best = np.full((y1 - y0) * width, _NOBODY, np.uint64)
        side = int(2 * np.ceil(self._reach)) + 1
        some = max(1, _PIXELS // (side * side))
        around = np.arange(side, dtype=np.int64) - side // 2
        for start in range(a, b, some):
            part = slice(start, min(start + some, b))
            ys, xs = self._y[part], self._x[part]
            rows = np.rint(ys).astype(np.int64)[:, None] + around
            columns = np.rint(xs).astype(np.int64)[:, None] + around
            dy = np.where((rows >= y0) & (rows < y1), rows - ys[:, None], np.inf).astype(np.float32)
            dx = np.where((columns >= 0) & (columns < width), columns - xs[:, None], np.inf).astype(
                np.float32
            )
            far = (dy * dy)[:, :, None] + (dx * dx)[:, None, :]
            disc, i, j = np.nonzero(
                far <= np.square(self._radius[part], dtype=np.float64).astype(np.float32)[:, None, None]
            )
            # Distances are not negative, so that their bits are in the order of their values.
            key = far[disc, i, j].view(np.uint32).astype(np.uint64) << np.uint64(32)
            key |= self._first[part][disc].astype(np.uint64)
            np.minimum.at(best, (rows[disc, i] - y0) * width + columns[disc, j], key)
        taken = np.flatnonzero(best != _NOBODY)
        out = np.zeros((y1 - y0) * width, np.uint32)
        out[taken] = self._number[best[taken] & np.uint64(0xFFFFFFFF)]
        return out.reshape(y1 - y0, width)
