"""Points sorted into the bins of a grid, so that a rectangle is answered without looking at every point."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Grid"]

#: Bins at most: their numbers fit 16 bits, which NumPy sorts by radix, 20 times faster than wider ones.
MOST_BINS = (1 << 16) - 1
#: Points a bin holds on average, where there are bins enough.
PER_BIN = 8
#: Fewer points are compared one by one sooner than a grid is made.
WORTH_IT = 4_096


class Grid:
    """Answers which points lie in a rectangle.

    Parameters
    ----------
    y, x : ndarray of float64, shape (n,)
        Kept, not copied; they must not change any more.

    Notes
    -----
    A million points take 4 MB and some hundredths of a second once.  Points that are not finite lie in no rectangle.
    """

    def __init__(self, y: NDArray[np.float64], x: NDArray[np.float64]) -> None:
        self._y, self._x = y, x
        self._order: NDArray[np.int32] | None = None
        n = len(y)
        if n < WORTH_IT:
            return
        top, bottom, left, right = (float(v) for v in (y.min(), y.max(), x.min(), x.max()))
        if not np.isfinite([top, bottom, left, right]).all():
            return
        height, width = max(bottom - top, 1e-9), max(right - left, 1e-9)
        bins = min(n // PER_BIN, MOST_BINS)
        rows = int(np.clip(np.sqrt(bins * height / width), 1, bins))
        columns = max(1, bins // rows)
        self._rows, self._columns = rows, columns
        # Slightly less than the whole span, so that the last point lies in the last bin.
        self._top, self._left = top, left
        self._down, self._across = rows / height * (1 - 1e-9), columns / width * (1 - 1e-9)
        number = ((y - top) * self._down).astype(np.uint16)
        number *= np.uint16(columns)
        number += ((x - left) * self._across).astype(np.uint16)
        self._order = np.argsort(number, kind="stable").astype(np.int32)
        self._starts = np.concatenate(([0], np.cumsum(np.bincount(number, minlength=rows * columns))))

    def inside(self, rectangle: tuple[float, float, float, float]) -> NDArray[np.int64]:
        """The points of a half-open rectangle (y0, x0, y1, x1), ascending; shape (m,)."""
        y0, x0, y1, x1 = rectangle
        near = self._near(y0, x0, y1, x1)
        if near is None:
            y, x = self._y, self._x
            return np.flatnonzero((y >= y0) & (y < y1) & (x >= x0) & (x < x1))
        y, x = self._y[near], self._x[near]
        found = near[(y >= y0) & (y < y1) & (x >= x0) & (x < x1)]
        found.sort()
        return found.astype(np.int64)

    def _near(self, y0: float, x0: float, y1: float, x1: float) -> NDArray[np.int32] | None:
        """The points of every bin that the rectangle touches; None where looking at all of them is quicker."""
        if self._order is None or not (y1 > y0 and x1 > x0):
            return None
        # The same arithmetic as for the points, and it never falls as they rise: no point is missed.
        first, last = (_bin((v - self._top) * self._down, self._rows) for v in (y0, y1))
        begin, end = (_bin((v - self._left) * self._across, self._columns) for v in (x0, x1))
        edge = np.arange(first, last + 1) * self._columns
        starts, stops = self._starts[edge + begin], self._starts[edge + end + 1]
        if int((stops - starts).sum()) > len(self._order) // 8:
            return None
        return np.concatenate(
            [self._order[a:b] for a, b in zip(starts.tolist(), stops.tolist(), strict=True)]
        )


def _bin(value: float, count: int) -> int:
    return int(min(max(value, 0.0), count - 1.0))
