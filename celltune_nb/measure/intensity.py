"""Statistics of one channel over the runs of cells: moments, range, exact quantiles."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from celltune_nb.measure.compiled import NO_NAN, REORDER, kernel
from celltune_nb.measure.runs import Int32, Int64

__all__ = ["BLOCK", "measure_runs"]

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Buckets = Int32  # (3, 257): where buckets begin, the same one level down, and scratch

BLOCK = ("Mean", "Sum", "Std", "Var", "Min", "Max")
"""The rows that `measure_runs` writes, before the quantiles."""

# measured on cells of 180 and 500 pixels: more cost more to clear, fewer leave more to sort
_BUCKETS = 256
_SMALL = 24


def _sums(values: Float32, origin: float) -> tuple[float, float]:
    first = 0.0
    second = 0.0
    for i in range(values.size):
        d = np.float64(values[i]) - origin
        first += d
        second += d * d
    return first, second


def _extent(values: Float32, low: np.float32, high: np.float32) -> tuple[np.float32, np.float32]:
    for i in range(values.size):
        low = min(low, values[i])
        high = max(high, values[i])
    return low, high


sums = kernel(_sums, REORDER)
extent = kernel(_extent, NO_NAN)


@kernel
def spread(keys: Int32, lo: int, hi: int, spare: Int32, begins: Int32, place: Int32) -> bool:
    """Order ``keys[lo:hi]`` coarsely, by the top bits of their range; False if all are equal.

    Bucket b ends up at ``lo + begins[b] : lo + begins[b + 1]``.
    """
    part = keys[lo:hi]
    low = np.int64(part[0])
    high = np.int64(part[0])
    for i in range(part.size):
        low = min(low, part[i])
        high = max(high, part[i])
    if low == high:
        return False
    base = low
    span = high - low
    shift = np.int64(0)
    while (span >> shift) >= _BUCKETS:
        shift += 1
    begins[:] = 0
    for i in range(part.size):
        begins[((np.int64(part[i]) - base) >> shift) + 1] += 1
    for b in range(_BUCKETS):
        begins[b + 1] += begins[b]
    # `begins` is the answer; the scatter advances a copy
    place[:] = begins
    for i in range(part.size):
        bucket = (np.int64(part[i]) - base) >> shift
        spare[place[bucket]] = part[i]
        place[bucket] += 1
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
def select(keys: Int32, lo: int, hi: int, rank: int, spare: Int32, begins: Int32, place: Int32) -> np.int32:
    """The key of a rank (an index into `keys`, which lies in ``lo:hi``); orders `keys` on the way."""
    while hi - lo > _SMALL:
        if not spread(keys, lo, hi, spare, begins, place):
            return keys[rank]
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
    return keys[rank]


@kernel
def key_at(keys: Int32, rank: int, n: int, coarse: bool, spare: Int32, buckets: Buckets) -> np.int32:
    """The key of a rank among `n`, which `spread` has ordered coarsely if `coarse`."""
    lo = 0
    hi = n
    if coarse:
        b = bucket_of(buckets[0], rank)
        lo = buckets[0, b]
        hi = buckets[0, b + 1]
    return select(keys, lo, hi, rank, spare, buckets[1], buckets[2])


@kernel
def write_quantiles(
    keys: Int32, n: int, quantiles: Float64, spare: Int32, buckets: Buckets, pair: Int32, out: Float32
) -> None:
    """Quantiles of the first `n` keys, by linear interpolation between the two nearest ranks."""
    values = pair.view(np.float32)
    coarse = n > _SMALL and spread(keys, 0, n, spare, buckets[0], buckets[2])
    for q in range(quantiles.size):
        position = quantiles[q] * (n - 1)
        rank = min(int(position), n - 1)
        share = position - rank
        above = min(rank + 1, n - 1) if share > 0 else rank
        for i in range(2):
            key = key_at(keys, above if i else rank, n, coarse, spare, buckets)
            pair[i] = key ^ ((key >> 31) & 0x7FFFFFFF)
        low = np.float64(values[0])
        out[q] = np.float32(low + share * (np.float64(values[1]) - low))


@kernel
def gather_keys(
    plane: Float32,
    bits: Int32,
    y0: int,
    row: Int32,
    start: Int32,
    stop: Int32,
    a: int,
    b: int,
    n: int,
    keys: Int32,
) -> None:
    """The `n` finite values of runs ``a:b`` as integers in the same order."""
    m = 0
    for r in range(a, b):
        m += stop[r] - start[r]
    every = m == n
    m = 0
    for r in range(a, b):
        stretch = bits[row[r] - y0][start[r] : stop[r]]
        if every:
            target = keys[m : m + stretch.size]
            for i in range(stretch.size):
                target[i] = stretch[i] ^ ((stretch[i] >> 31) & 0x7FFFFFFF)
            m += stretch.size
        else:
            for i in range(stretch.size):
                if np.isfinite(plane[row[r] - y0, start[r] + i]):
                    keys[m] = stretch[i] ^ ((stretch[i] >> 31) & 0x7FFFFFFF)
                    m += 1


@kernel
def finite_moments(
    plane: Float32, y0: int, row: Int32, start: Int32, stop: Int32, a: int, b: int
) -> tuple[int, float, float, float, np.float32, np.float32]:
    """Number, origin, sums and range of the finite values of runs ``a:b``, one by one."""
    n = 0
    origin = 0.0
    first = 0.0
    second = 0.0
    low = np.float32(np.inf)
    high = np.float32(-np.inf)
    for r in range(a, b):
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
    return n, origin, first, second, low, high


@kernel
def moments(
    plane: Float32, y0: int, row: Int32, start: Int32, stop: Int32, a: int, b: int
) -> tuple[int, float, float, float, np.float32, np.float32]:
    """Number of finite values in runs ``a:b``, their origin, and sum, sum of squares and range from there."""
    n = 0
    origin = 0.0
    first = 0.0
    second = 0.0
    low = np.float32(np.inf)
    high = np.float32(-np.inf)
    if a < b:
        # deviations from one pixel of the cell: no cancellation, and exactly 0 for a flat cell
        origin = np.float64(plane[row[a] - y0, start[a]])
    for r in range(a, b):
        values = plane[row[r] - y0][start[r] : stop[r]]
        n += values.size
        one, two = sums(values, origin)
        first += one
        second += two
        low, high = extent(values, low, high)
    if np.isfinite(first) and np.isfinite(second):
        return n, origin, first, second, low, high
    return finite_moments(plane, y0, row, start, stop, a, b)


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
    out : float32 (6 + q, n)
        Written at the columns of `cells`: `BLOCK`, then the quantiles; NaN for a cell without a
        pixel that has a finite value.  Pixels that are NaN or infinite are left out.
    """
    keys = np.empty(1024, np.int32)
    spare = np.empty(1024, np.int32)
    buckets = np.zeros((3, _BUCKETS + 1), np.int32)
    pair = np.zeros(2, np.int32)
    answers = np.empty(quantiles.size, np.float32)
    for k in range(cells.size):
        c = cells[k]
        a = ptr[c]
        b = ptr[c + 1]
        n, origin, first, second, low, high = moments(plane, y0, row, start, stop, a, b)
        if n == 0:
            out[:, c] = np.nan
            continue
        mean = first / n
        out[0, c] = np.float32(origin + mean)
        variance = max(second / n - mean * mean, 0.0)
        out[1, c] = np.float32(first + n * origin)
        out[2, c] = np.float32(np.sqrt(variance))
        out[3, c] = np.float32(variance)
        out[4, c] = low
        out[5, c] = high
        if quantiles.size > 0:
            if n > keys.size:
                keys = np.empty(2 * n, np.int32)
                spare = np.empty(2 * n, np.int32)
            gather_keys(plane, bits, y0, row, start, stop, a, b, n, keys)
            write_quantiles(keys, n, quantiles, spare, buckets, pair, answers)
            out[6:, c] = answers


@kernel
def mean_of_runs(
    plane: Float32, y0: int, cells: Int64, ptr: Int64, row: Int32, start: Int32, stop: Int32, out: Float32
) -> None:
    """Mean alone, for compartments that overlap so much that their pixels are better summed once.

    Parameters are those of `measure_runs`; `out` is float32 (n,).  Running sums along the rows give
    the sum of a run from its two ends; cells on a row with a value that is not finite are summed
    pixel by pixel.
    """
    rows, width = plane.shape
    upto = np.empty((rows, width + 1), np.float64)
    doubt = np.empty(rows, np.float64)
    for y in range(rows):
        values = plane[y]
        along = upto[y]
        total = 0.0
        along[0] = 0.0
        for x in range(width):
            total += np.float64(values[x])
            along[x + 1] = total
        # what is not finite stays in the running sum to the end of the row
        doubt[y] = 0.0 * total
    for k in range(cells.size):
        c = cells[k]
        n = 0
        total = 0.0
        for r in range(ptr[c], ptr[c + 1]):
            along = upto[row[r] - y0]
            n += stop[r] - start[r]
            total += along[stop[r]] - along[start[r]] + doubt[row[r] - y0]
        if not np.isfinite(total):
            n, origin, total, _, _, _ = finite_moments(plane, y0, row, start, stop, ptr[c], ptr[c + 1])
            total += n * origin
        out[c] = np.float32(total / n) if n > 0 else np.float32(np.nan)
