"""Statistics of one channel over the runs of cells, compiled: moments, range, exact quantiles.

A cell is first copied into one stretch of memory: its runs are some 15 pixels long, too short for
SIMD, and what follows goes over the values of a cell several times.  A quantile is found by counting how
many values lie below a guess and narrowing the guess, a few dozen instructions a time; nothing is sorted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from celltune_nb.measure.compiled import REORDER, kernel, part
from celltune_nb.measure.planes import Float32, Window
from celltune_nb.measure.runs import Int32, Int64, Runs

__all__ = ["means", "statistics"]

Float64 = npt.NDArray[np.float64]
Key = Any  # an int32, which Python and numba would each call something else on the way

MOMENTS = 6  # mean, sum, std, var, min, max

_LOWEST = np.int32(-(2**31))
_HIGHEST = np.int32(2**31 - 1)
_INFINITY = np.int32(0x7F800000)  # the key of +∞; that of −∞ is −_INFINITY − 1
_UNSIGNED = np.int32(0x7FFFFFFF)
_BLOCK = 64  # values are filled up to whole blocks, so that no loop has a scalar rest


def statistics(window: Window, runs: Runs, quantiles: Float64) -> Float32:
    """See `engines.Engine.statistics`."""
    n = runs.ptr.size - 1
    room = runs.largest + 2 * _BLOCK
    values = np.empty(room, np.float32)
    out = np.empty((MOMENTS + quantiles.size, n), np.float32)
    measure_runs(
        window.flat,
        window.width,
        window.y0,
        runs.ptr,
        runs.row,
        runs.start,
        runs.stop,
        quantiles,
        values,
        values.view(np.int32),
        np.empty(room, np.int32),
        np.empty((quantiles.size, 3), np.int64),
        out,
    )
    return out


def means(window: Window, runs: Runs) -> Float32:
    """See `engines.Engine.means`."""
    rows = window.rows.shape[0]
    out = np.empty(runs.ptr.size - 1, np.float32)
    mean_of_runs(
        window.flat,
        window.width,
        window.y0,
        runs.ptr,
        runs.row,
        runs.start,
        runs.stop,
        np.empty((rows, window.width + 1), np.float64),
        np.empty(rows, np.bool_),
        out,
    )
    return out


def _sums(values: Float32, n: int, origin: float) -> tuple[float, float]:
    first = 0.0
    second = 0.0
    for i in range(n):
        d = np.float64(values[i]) - origin
        first += d
        second += d * d
    return first, second


sums = part(_sums, REORDER)


@part
def gather(
    flat: Float32, width: int, y0: int, row: Int32, start: Int32, stop: Int32, a: int, b: int, values: Float32
) -> int:
    """Copy the pixels of runs ``a:b``; their number."""
    n = 0
    for r in range(a, b):
        size = stop[r] - start[r]
        source = flat[(row[r] - y0) * width + start[r] :]
        target = values[n:]
        # whole blocks: what is too much is written over by the next run
        for i in range((size + 15) // 16 * 16):
            target[i] = source[i]
        n += size
    return n


@part
def key_of(bits: Key) -> Key:
    """The bits of a float as an integer in the same order; the way back is the same."""
    return bits ^ ((bits >> 31) & _UNSIGNED)


@part
def order(values: Float32, bits: Int32, n: int, padded: int, keys: Int32) -> tuple[Key, Key]:
    """Write the keys of `n` values; the lowest and the highest.  The blocks are filled up."""
    for i in range(n, padded):
        values[i] = values[0]
    low = _HIGHEST
    high = _LOWEST
    for i in range(padded):
        key = bits[i] ^ ((bits[i] >> 31) & _UNSIGNED)
        keys[i] = key
        low = min(low, key)
        high = max(high, key)
    for i in range(n, padded):
        keys[i] = _HIGHEST
    return low, high


@part
def cut(keys: Int32, padded: int, pivot: Key) -> tuple[Key, Key, Key]:
    """How many keys are at most `pivot`, the highest of these and the lowest of the others."""
    count = np.int32(0)
    below = _LOWEST
    above = _HIGHEST
    for i in range(padded):
        key = keys[i]
        inside = key <= pivot
        count = np.int32(count + np.int32(inside))
        below = max(below, key if inside else _LOWEST)
        above = min(above, _HIGHEST if inside else key)
    return count, below, above


@part
def pair_at(
    keys: Int32, padded: int, rank: Key, low: Key, high: Key, under: Key, upto: Key
) -> tuple[Key, Key]:
    """The keys of `rank` and of the rank after it.

    The first lies between the keys `low` and `high`; about `under` keys are below `low`, and at
    least `upto` at most `high`.  Every guess leaves at least one value fewer between the two.
    """
    step = 0
    while low < high:
        span = np.int64(high) - np.int64(low)
        step += 1
        if step & 3:
            guess = min(np.int64(span * ((rank + 0.5 - under) / (upto - under))), span - 1)
        else:  # where values are crowded at one end, proportion alone would take long
            guess = span >> 1
        count, below, above = cut(keys, padded, np.int32(low + guess))
        if count == rank + 1:
            return below, above
        if count > rank:
            high = below
            upto = np.int64(count)
        else:
            low = above
            under = np.int64(count)
    if upto > rank + 1:
        return low, low
    count, below, above = cut(keys, padded, low)
    return low, (low if count > rank + 1 else above)


@part
def write_quantiles(
    keys: Int32,
    n: int,
    padded: int,
    low: Key,
    high: Key,
    quantiles: Float64,
    values: Float32,
    bits: Int32,
    known: Int64,
    out: Float32,
    c: int,
) -> None:
    """Quantiles by linear interpolation between the two nearest ranks.

    `known` is int64 (q, 3): rank, its key and the next key of each quantile that is done; `values` and
    `bits` are scratch memory.
    """
    for q in range(quantiles.size):
        position = quantiles[q] * (n - 1)
        rank = min(int(position), n - 1)
        left: Key = low
        right: Key = high
        under: Key = 0
        upto: Key = n
        for p in range(q):
            if known[p, 0] < rank and known[p, 0] >= under:
                under = known[p, 0] + 1
                left = np.int32(known[p, 2])
            if known[p, 0] >= rank and known[p, 0] < upto:
                upto = known[p, 0] + 1
                right = np.int32(known[p, 1])
        one, two = pair_at(keys, padded, rank, left, right, under, upto)
        known[q, 0] = rank
        known[q, 1] = one
        known[q, 2] = two
        bits[padded] = key_of(one)
        bits[padded + 1] = key_of(two)
        lower = np.float64(values[padded])
        if position > rank:
            lower += (position - rank) * (np.float64(values[padded + 1]) - lower)
        out[MOMENTS + q, c] = np.float32(lower)


@kernel
def measure_runs(
    flat: Float32,
    width: int,
    y0: int,
    ptr: Int64,
    row: Int32,
    start: Int32,
    stop: Int32,
    quantiles: Float64,
    values: Float32,
    bits: Int32,
    keys: Int32,
    known: Int64,
    out: Float32,
) -> None:
    """Statistics of the pixels of cells in one channel.

    Parameters
    ----------
    flat : float32
        Rows of the channel from `y0` on, each `width` long, and 16 values more.
    ptr, row, start, stop
        The runs (`Runs`).
    quantiles : float64 (q,)
    values, bits, keys, known
        Scratch memory; `bits` is that of `values` as integers.
    out : float32 (6 + q, n)
    """
    for c in range(ptr.size - 1):
        n = gather(flat, width, y0, row, start, stop, ptr[c], ptr[c + 1], values)
        padded = (n + _BLOCK - 1) // _BLOCK * _BLOCK
        low, high = order(values, bits, n, padded, keys)
        if high >= _INFINITY or low <= -_INFINITY - 1:
            m = 0
            for i in range(n):
                if abs(values[i]) < np.inf:
                    values[m] = values[i]
                    m += 1
            n = m
            padded = (n + _BLOCK - 1) // _BLOCK * _BLOCK
            low, high = order(values, bits, n, padded, keys)
        if n == 0:
            for q in range(out.shape[0]):
                out[q, c] = np.nan
            continue
        # deviations from one pixel of the cell: no cancellation, and exactly 0 for a flat cell
        origin = np.float64(values[0])
        first, second = sums(values, padded, origin)
        mean = first / n
        variance = max(second / n - mean * mean, 0.0)
        out[0, c] = np.float32(origin + mean)
        out[1, c] = np.float32(first + n * origin)
        out[2, c] = np.float32(np.sqrt(variance))
        out[3, c] = np.float32(variance)
        bits[padded] = key_of(low)
        bits[padded + 1] = key_of(high)
        out[4, c] = values[padded]
        out[5, c] = values[padded + 1]
        if quantiles.size > 0:
            write_quantiles(keys, n, padded, low, high, quantiles, values, bits, known, out, c)


@kernel
def mean_of_runs(
    flat: Float32,
    width: int,
    y0: int,
    ptr: Int64,
    row: Int32,
    start: Int32,
    stop: Int32,
    upto: Float64,
    doubtful: npt.NDArray[np.bool_],
    out: Float32,
) -> None:
    """Mean alone, for compartments that overlap so much that their pixels are better summed once.

    Running sums along the rows (`upto`, scratch memory) give the sum of a run from its two ends.
    What is not finite counts as 0 in them, and is looked for in the runs of such `doubtful` rows only.
    """
    rows = upto.shape[0]
    for y in range(0, rows, 4):
        # four rows at once: an addition waits for the one before it, those of other rows do not
        y1 = min(y + 1, rows - 1)
        y2 = min(y + 2, rows - 1)
        y3 = min(y + 3, rows - 1)
        t0 = t1 = t2 = t3 = 0.0
        a0 = flat[y * width :]
        a1 = flat[y1 * width :]
        a2 = flat[y2 * width :]
        a3 = flat[y3 * width :]
        u0 = upto[y]
        u1 = upto[y1]
        u2 = upto[y2]
        u3 = upto[y3]
        for x in range(width):
            u0[x] = t0
            u1[x] = t1
            u2[x] = t2
            u3[x] = t3
            t0 += np.float64(a0[x])
            t1 += np.float64(a1[x])
            t2 += np.float64(a2[x])
            t3 += np.float64(a3[x])
        u0[width] = t0
        u1[width] = t1
        u2[width] = t2
        u3[width] = t3
    some_doubt = False
    for y in range(rows):
        doubtful[y] = not abs(upto[y, width]) < np.inf
        if doubtful[y]:
            some_doubt = True
            total = 0.0
            for x in range(width):
                upto[y, x] = total
                v = np.float64(flat[y * width + x])
                total += v if abs(v) < np.inf else 0.0
            upto[y, width] = total
    for c in range(ptr.size - 1):
        n = 0
        total = 0.0
        for r in range(ptr[c], ptr[c + 1]):
            y = row[r] - y0
            n += stop[r] - start[r]
            # of an unsigned index numba does not ask whether it counts from the end
            total += upto[np.uint64(y), np.uint64(stop[r])] - upto[np.uint64(y), np.uint64(start[r])]
            if some_doubt and doubtful[y]:
                for x in range(start[r], stop[r]):
                    n -= not abs(flat[y * width + x]) < np.inf
        out[c] = np.float32(total / n) if n > 0 else np.float32(np.nan)
