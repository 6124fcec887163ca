"""Statistics of one channel over the runs of cells: moments, range, exact quantiles."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from celltune_nb.measure.compiled import NO_NAN, REORDER, kernel
from celltune_nb.measure.runs import Int32, Int64

__all__ = ["BLOCK", "measure_runs"]

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

BLOCK = ("Mean", "Sum", "Std", "Var", "Min", "Max")
"""The rows that `measure_runs` writes, before the quantiles."""

_BUCKETS = 256
_SMALL = 24


def _sums(values, origin):  # type: ignore[no-untyped-def]
    first = 0.0
    second = 0.0
    for i in range(values.size):
        d = np.float64(values[i]) - origin
        first += d
        second += d * d
    return first, second


def _total(values):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(values.size):
        total += np.float64(values[i])
    return total


def _range(values, low, high):  # type: ignore[no-untyped-def]
    for i in range(values.size):
        low = min(low, values[i])
        high = max(high, values[i])
    return low, high


sums = kernel(_sums, REORDER)
total = kernel(_total, REORDER)
extent = kernel(_range, NO_NAN)


@kernel
def spread(keys: Int32, lo: int, hi: int, spare: Int32, begins: Int32) -> bool:
    """Order ``keys[lo:hi]`` coarsely, by the top bits of their range; False if all are equal.

    Bucket b ends up at ``lo + begins[b] : lo + begins[b + 1]``.
    """
    part = keys[lo:hi]
    low = part[0]
    high = part[0]
    for i in range(part.size):
        low = min(low, part[i])
        high = max(high, part[i])
    if low == high:
        return False
    base = np.int64(low)
    span = np.int64(high) - base
    shift = 0
    while (span >> shift) >= _BUCKETS:
        shift += 1
    begins[:] = 0
    for i in range(part.size):
        begins[((np.int64(part[i]) - base) >> shift) + 1] += 1
    for b in range(_BUCKETS):
        begins[b + 1] += begins[b]
    # `begins` is the read-only answer; the scatter advances a copy
    place = begins.copy()
    for i in range(part.size):
        b = (np.int64(part[i]) - base) >> shift
        spare[place[b]] = part[i]
        place[b] += 1
    part[:] = spare[: part.size]
    return True


@kernel
def bucket_of(begins: Int32, rank: int) -> int:
    """The bucket that holds the value of a rank."""
    lo = 0
    hi = _BUCKETS
    while hi - lo > 1:
        middle = (lo + hi) // 2
        if begins[middle] <= rank:
            lo = middle
        else:
            hi = middle
    return lo


@kernel
def select(keys: Int32, lo: int, hi: int, rank: int, spare: Int32, begins: Int32) -> np.int32:
    """The key of a rank (an index into `keys`, which lies in ``lo:hi``); orders `keys` on the way."""
    while hi - lo > _SMALL:
        if not spread(keys, lo, hi, spare, begins):
            return keys[rank]  # type: ignore[no-any-return]
        b = bucket_of(begins, rank - lo)
        hi = lo + begins[b + 1]
        lo = lo + begins[b]
    for i in range(lo + 1, hi):
        key = keys[i]
        j = i
        while j > lo and keys[j - 1] > key:
            keys[j] = keys[j - 1]
            j -= 1
        keys[j] = key
    return keys[rank]  # type: ignore[no-any-return]


@kernel
def measure_runs(
    plane: Float32,
    bits: Int32,
    y0: int,
    cells: Int64,
    ptr: Int64,
    row: Int32,
    start: Int32,
    stop: Int32,
    quantiles: Float64,
    mean_only: bool,
    out: Float32,
) -> None:
    """Statistics of the pixels of some cells in one channel.

    Parameters
    ----------
    plane : float32 (rows, X)
        Rows of the channel from `y0` on.
    bits : int32 (rows, X)
        The same memory as integers.
    cells : int64 (m,)
        Which cells to measure.
    ptr, row, start, stop
        The runs (`Runs`).
    quantiles : float64 (q,)
        Between 0 and 1, by linear interpolation as ``numpy.quantile`` does.
    mean_only : bool
        Write row 0 only.
    out : float32 (6 + q, n)
        Written at the columns of `cells`: `BLOCK`, then the quantiles; NaN for a cell without a
        pixel that has a finite value.  Pixels that are NaN or infinite are left out.
    """
    keys = np.empty(1024, np.int32)
    spare = np.empty(1024, np.int32)
    begins = np.zeros(_BUCKETS + 1, np.int32)
    inner = np.zeros(_BUCKETS + 1, np.int32)
    value = np.empty(1, np.int32)
    for k in range(cells.size):
        c = cells[k]
        n = 0
        for r in range(ptr[c], ptr[c + 1]):
            n += stop[r] - start[r]
        if n == 0:
            out[:, c] = np.nan
            continue
        origin = 0.0
        first = 0.0
        second = 0.0
        low = np.float32(np.inf)
        high = np.float32(-np.inf)
        if mean_only:
            for r in range(ptr[c], ptr[c + 1]):
                first += total(plane[row[r] - y0][start[r] : stop[r]])
        else:
            # deviations from one pixel of the cell: no cancellation, and exactly 0 for a flat cell
            origin = np.float64(plane[row[ptr[c]] - y0, start[ptr[c]]])
            for r in range(ptr[c], ptr[c + 1]):
                values = plane[row[r] - y0][start[r] : stop[r]]
                a, b = sums(values, origin)
                first += a
                second += b
                low, high = extent(values, low, high)
        every = np.isfinite(first) and np.isfinite(second)
        if not every:
            n = 0
            origin = 0.0
            first = 0.0
            second = 0.0
            low = np.float32(np.inf)
            high = np.float32(-np.inf)
            for r in range(ptr[c], ptr[c + 1]):
                for x in range(start[r], stop[r]):
                    v = plane[row[r] - y0, x]
                    if np.isfinite(v):
                        if n == 0:
                            origin = np.float64(v)
                        d = np.float64(v) - origin
                        first += d
                        second += d * d
                        low = min(low, v)
                        high = max(high, v)
                        n += 1
            if n == 0:
                out[:, c] = np.nan
                continue
        mean = first / n
        out[0, c] = np.float32(origin + mean)
        if mean_only:
            continue
        variance = max(second / n - mean * mean, 0.0)
        out[1, c] = np.float32(first + n * origin)
        out[2, c] = np.float32(np.sqrt(variance))
        out[3, c] = np.float32(variance)
        out[4, c] = low
        out[5, c] = high
        if quantiles.size == 0:
            continue

        if n > keys.size:
            keys = np.empty(2 * n, np.int32)
            spare = np.empty(2 * n, np.int32)
        m = 0
        for r in range(ptr[c], ptr[c + 1]):
            stretch = bits[row[r] - y0][start[r] : stop[r]]
            if every:
                target = keys[m : m + stretch.size]
                for i in range(stretch.size):
                    # order of the integers = order of the floats
                    target[i] = stretch[i] ^ ((stretch[i] >> 31) & 0x7FFFFFFF)
                m += stretch.size
            else:
                for i in range(stretch.size):
                    if np.isfinite(plane[row[r] - y0, start[r] + i]):
                        keys[m] = stretch[i] ^ ((stretch[i] >> 31) & 0x7FFFFFFF)
                        m += 1
        coarse = n > _SMALL and spread(keys, 0, n, spare, begins)
        for q in range(quantiles.size):
            position = quantiles[q] * (n - 1)
            rank = min(int(position), n - 1)
            share = position - rank
            answer = 0.0
            for step in range(2):
                if step == 1 and share == 0.0:
                    break
                at = min(rank + step, n - 1)
                lo = 0
                hi = n
                if coarse:
                    b = bucket_of(begins, at)
                    lo = begins[b]
                    hi = begins[b + 1]
                key = select(keys, lo, hi, at, spare, inner)
                value[0] = key ^ ((key >> 31) & 0x7FFFFFFF)
                v = np.float64(value.view(np.float32)[0])
                answer = v if step == 0 else answer + share * (v - answer)
            out[6 + q, c] = np.float32(answer)
