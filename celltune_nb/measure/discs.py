"""A mask of discs around centres, worked out strip by strip as it is read: for cells that nobody has segmented."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

__all__ = ["Discs"]

#: Pixels of a strip: their nearest centres are all that is in memory, eight bytes each.
STRIP = 1 << 23
#: Pixels around centres that are looked at together, and rows of a disc up to which it is.
_PIXELS, _SMALL = 1 << 20, 64
#: Half of a pixel's diagonal: from here on the pixel that a centre lies in belongs to its disc.
_LEAST = np.sqrt(0.5) + 1e-6
_NOBODY = np.uint64(0xFFFFFFFFFFFFFFFF)


class Discs:
    """Discs that never overlap: a pixel within reach of several centres belongs to the nearest, of equally near ones to the first.

    Reads as an array of labels, a strip of rows at a time; nothing of it is kept.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the image.
    y, x : float arrays, shape (n,)
        Centres in pixels, origin at the centre of pixel 0.  What reaches over the edge is cut off.
    radius : float, or float array, shape (n,)
        Pixels, 0.5 or more.  The smallest disc is the pixel that its centre lies in.
    labels : int array, shape (n,), optional
        Number of each disc, 1 to 2³² − 1; by default 1..n.

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
        given = np.asarray(radius, np.float64)
        if given.shape not in ((), ys.shape):
            raise InputError(
                f"{given.shape} radii do not fit {len(ys):,} centres. Give one, or one for each cell."
            )
        radii = np.broadcast_to(given, ys.shape)
        places = (np.abs(ys) < 1e9) & (np.abs(xs) < 1e9)  # false for what is no number
        if not places.all() or not ((radii >= 0.5) & (radii < 1e9)).all():
            raise InputError(
                "A disc needs a centre and a radius that are numbers, the radius of half a pixel or more."
            )
        number = np.arange(1, len(ys) + 1) if labels is None else np.asarray(labels)
        if number.shape != ys.shape or ((number < 1) | (number > 0xFFFFFFFF)).any():
            raise InputError("Each disc needs a number from 1 up.")
        self._number = number.astype(np.uint32)
        self._groups = list(_grouped(ys, xs, np.maximum(radii, _LEAST)))

    def __repr__(self) -> str:
        return f"Discs({len(self._number):,} on {self.shape[0]:,} × {self.shape[1]:,} pixels)"

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
        step = max(1, STRIP // max(1, self.shape[1]))
        parts = [self._strip(y0, min(y0 + step, stop)) for y0 in range(start, stop, step)]
        found = np.concatenate(parts or [np.zeros((0, self.shape[1]), np.uint32)])
        return found[(slice(None), *rest)] if rest else found

    def _strip(self, y0: int, y1: int) -> NDArray[np.uint32]:
        """Rows y0:y1."""
        # The squared distance in the upper half, which centre it is to in the lower: the least of these is the nearest
        # centre, of equally near ones the first.
        best = np.full((y1 - y0, self.shape[1]), _NOBODY, np.uint64)
        for group in self._groups:
            group.draw(best, y0)
        taken = best != _NOBODY
        out = np.zeros(best.shape, np.uint32)
        out[taken] = self._number[best[taken] & np.uint64(0xFFFFFFFF)]
        return out


def _grouped(y: NDArray[np.float64], x: NDArray[np.float64], radius: NDArray[np.float64]) -> Iterator[_Group]:
    """Discs of about one size together, since what is looked at around each is as large as the largest needs."""
    size = np.ceil(np.log2(radius))
    for one in np.unique(size).tolist():
        rows = np.flatnonzero(size == one)
        rows = rows[np.argsort(y[rows], kind="stable")]
        half = int(np.ceil(radius[rows].max())) + 1
        yield _Group(y[rows], x[rows], radius[rows], rows.astype(np.uint64), half)


@dataclass(frozen=True, eq=False)
class _Group:
    """Discs of about one size, from top to bottom.

    Attributes
    ----------
    y, x, radius : ndarray of float64
    first : ndarray of uint64
        Which centre each is, in the order given.
    half : int
        Rows and columns on either side of a centre's pixel that its disc may reach.
    """

    y: NDArray[np.float64]
    x: NDArray[np.float64]
    radius: NDArray[np.float64]
    first: NDArray[np.uint64]
    half: int

    def draw(self, best: NDArray[np.uint64], y0: int) -> None:
        """Let each pixel of the rows from y0 on know its nearest centre: the least of what was known and these."""
        a, b = np.searchsorted(self.y, (y0 - self.half, y0 + len(best) + self.half)).tolist()
        side = 2 * self.half + 1
        if side > _SMALL:
            for i in range(a, b):
                self._draw_one(best, y0, i)
            return
        some = max(1, _PIXELS // (side * side))
        for start in range(a, b, some):
            self._draw_some(best, y0, slice(start, min(start + some, b)))

    def _draw_some(self, best: NDArray[np.uint64], y0: int, part: slice) -> None:
        """Small discs: all at once, each in a square of its own."""
        height, width = best.shape
        ys, xs = self.y[part, None], self.x[part, None]
        around = np.arange(-self.half, self.half + 1)
        rows, columns = np.rint(ys).astype(np.int64) + around, np.rint(xs).astype(np.int64) + around
        dy = np.where((rows >= y0) & (rows < y0 + height), rows - ys, np.inf).astype(np.float32)
        dx = np.where((columns >= 0) & (columns < width), columns - xs, np.inf).astype(np.float32)
        far = (dy * dy)[:, :, None] + (dx * dx)[:, None, :]
        disc, i, j = np.nonzero(far <= np.square(self.radius[part]).astype(np.float32)[:, None, None])
        np.minimum.at(
            best.reshape(-1),  # a view: strips lie in one piece
            (rows[disc, i] - y0) * width + columns[disc, j],
            _key(far[disc, i, j], self.first[part][disc]),
        )

    def _draw_one(self, best: NDArray[np.uint64], y0: int, i: int) -> None:
        """A large disc: the rows and columns of the strip that it reaches."""
        y, x, radius = float(self.y[i]), float(self.x[i]), float(self.radius[i])
        top, bottom = max(y0, int(np.ceil(y - radius))), min(y0 + len(best) - 1, int(np.floor(y + radius)))
        left, right = max(0, int(np.ceil(x - radius))), min(best.shape[1] - 1, int(np.floor(x + radius)))
        if top > bottom or left > right:
            return
        dx = (np.arange(left, right + 1) - x).astype(np.float32)
        rows = max(1, _PIXELS // len(dx))
        for start in range(top, bottom + 1, rows):
            stop = min(start + rows, bottom + 1)
            dy = (np.arange(start, stop) - y).astype(np.float32)
            far = (dy * dy)[:, None] + dx * dx
            key = np.where(far <= np.float32(radius * radius), _key(far, self.first[i]), _NOBODY)
            there = best[start - y0 : stop - y0, left : right + 1]
            np.minimum(there, key, out=there)


def _key(far: NDArray[np.float32], first: Any) -> NDArray[np.uint64]:
    """What orders by distance, then by which centre came first: distances are not negative, so that their bits do."""
    bits: NDArray[np.uint64] = far.view(np.uint32).astype(np.uint64) << np.uint64(32)
    return bits | first
