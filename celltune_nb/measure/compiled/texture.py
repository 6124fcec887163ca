"""Texture of cells, compiled: counts of neighbouring gray levels and what is computed from them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from celltune_nb.measure.compiled import kernel, part
from celltune_nb.measure.planes import Float32, Window
from celltune_nb.measure.runs import Int32, Int64, Runs
from celltune_nb.measure.texture import DIRECTIONS, LEVELS, TEXTURES

__all__ = ["textures"]

Float64 = npt.NDArray[np.float64]

_SIDE = LEVELS + 1  # level 0 is outside
_KNOWN = 1 << 14  # counts whose logarithm is looked up


def textures(window: Window, runs: Runs) -> Float32:
    """See `engines.Engine.textures`."""
    n = runs.ptr.size - 1
    height, width = _boxes(runs)
    out = np.empty((len(TEXTURES), n), np.float32)
    counts = np.arange(_KNOWN, dtype=np.float64)
    texture_of_runs(
        window.flat,
        window.width,
        window.y0,
        runs.ptr,
        runs.row,
        runs.start,
        runs.stop,
        np.array(DIRECTIONS),
        np.empty((height + 2) * (width + 2), np.int32),
        np.empty(_SIDE * _SIDE, np.int64),
        np.empty((3, 2 * LEVELS), np.int64),
        counts * np.log2(np.maximum(counts, 1)),
        np.empty(len(TEXTURES)),
        out,
    )
    return out


def _boxes(runs: Runs) -> tuple[int, int]:
    """The most rows and the most columns of a cell."""
    some = runs.ptr[1:] > runs.ptr[:-1]
    if not some.any():
        return 0, 0
    first, last = runs.rows()
    begins = runs.ptr[:-1][some]
    wide = np.maximum.reduceat(runs.stop, begins) - np.minimum.reduceat(runs.start, begins)
    return int((last - first)[some].max()), int(wide.max())


@part
def range_of(
    flat: Float32, width: int, y0: int, row: Int32, start: Int32, stop: Int32, a: int, b: int
) -> tuple[int, float, float]:
    """Number, lowest and highest of the finite values of runs ``a:b``."""
    n = 0
    low = np.inf
    high = -np.inf
    for r in range(a, b):
        values = flat[(row[r] - y0) * width + start[r] :]
        for x in range(stop[r] - start[r]):
            v = np.float64(values[x])
            if abs(v) < np.inf:
                n += 1
                low = min(low, v)
                high = max(high, v)
    return n, low, high


@part
def paint(
    flat: Float32,
    width: int,
    y0: int,
    row: Int32,
    start: Int32,
    stop: Int32,
    a: int,
    b: int,
    low: float,
    high: float,
    patch: Int32,
) -> tuple[int, int]:
    """Draw the gray levels of a cell with a margin of a pixel; row length and first column of the drawing."""
    left = start[a]
    right = stop[a]
    for r in range(a, b):
        left = min(left, start[r])
        right = max(right, stop[r])
    stride = right - left + 2
    for i in range((row[b - 1] - row[a] + 3) * stride):
        patch[i] = 0
    scale = LEVELS / (high - low) if high > low else 0.0
    for r in range(a, b):
        values = flat[(row[r] - y0) * width + start[r] :]
        target = patch[(row[r] - row[a] + 1) * stride + start[r] - left + 1 :]
        for x in range(stop[r] - start[r]):
            v = np.float64(values[x])
            if abs(v) < np.inf:
                target[x] = min(np.int64((v - low) * scale) + 1, np.int64(LEVELS))
    return stride, left


@part
def log_of(count: int, logs: Float64) -> float:
    """Of a count its product with its logarithm to base 2."""
    return logs[count] if count < logs.size else count * np.log2(count)


@part
def add_measures(counts: Int64, tallies: Int64, logs: Float64, sums: Float64) -> bool:
    """Add f1 to f13 of one direction; False if it has no pair.

    `tallies` holds how often each level, each sum of two levels and each difference occurs.
    """
    alone = tallies[0]
    added = tallies[1]
    apart = tallies[2]
    for i in range(2 * LEVELS):
        alone[i] = 0
        added[i] = 0
        apart[i] = 0
    total = 0
    squares = 0
    products = 0
    joint = 0.0
    for i in range(LEVELS):
        for j in range(i, LEVELS):
            # both ways: one off the diagonal stands for two entries of the matrix
            n = counts[(i + 1) * _SIDE + j + 1] + counts[(j + 1) * _SIDE + i + 1]
            # nothing is asked of n: most are 0, add nothing, and which ones cannot be foreseen
            twice = 1 if i == j else 2
            total += twice * n
            squares += twice * n * n
            products += twice * n * (i + 1) * (j + 1)
            joint += twice * log_of(n, logs)
            alone[i] += n
            alone[j] += n if i != j else 0
            added[i + j] += twice * n
            apart[j - i] += twice * n
    if total == 0:
        return False
    first = 0
    second = 0
    single = 0.0
    for i in range(LEVELS):
        first += alone[i] * (i + 1)
        second += alone[i] * (i + 1) * (i + 1)
        single += log_of(alone[i], logs)
    sum_second = 0
    sum_logs = 0.0
    difference = 0
    contrast = 0
    alike = 0.0
    apart_logs = 0.0
    for k in range(2 * LEVELS):
        sum_second += added[k] * (k + 2) * (k + 2)
        sum_logs += log_of(added[k], logs)
        difference += apart[k] * k
        contrast += apart[k] * k * k
        alike += apart[k] / (1.0 + k * k)
        apart_logs += log_of(apart[k], logs)
    scale = 1.0 / total
    whole = np.log2(total)
    mean = first * scale
    # in whole numbers: exactly 0 where there is one level
    variance = (total * second - first * first) * scale * scale
    varied = variance > 0
    entropy = whole - joint * scale
    own = whole - single * scale
    sums[0] += squares * scale * scale
    sums[1] += contrast * scale
    sums[2] += (products * scale - mean * mean) / variance if varied else 1.0
    sums[3] += variance
    sums[4] += alike * scale
    sums[5] += 2 * mean
    sums[6] += sum_second * scale - 4 * mean * mean
    sums[7] += whole - sum_logs * scale
    sums[8] += entropy
    sums[9] += contrast * scale - difference * scale * difference * scale
    sums[10] += whole - apart_logs * scale
    # a symmetric matrix has one margin: both of the paper's HXY1 and HXY2 are twice its entropy
    sums[11] += (entropy - 2 * own) / own if varied else 0.0
    sums[12] += np.sqrt(max(0.0, 1 - np.exp(-2 * (2 * own - entropy)))) if varied else 0.0
    return True


@kernel
def texture_of_runs(
    flat: Float32,
    width: int,
    y0: int,
    ptr: Int64,
    row: Int32,
    start: Int32,
    stop: Int32,
    directions: Int64,
    patch: Int32,
    counts: Int64,
    tallies: Int64,
    logs: Float64,
    sums: Float64,
    out: Float32,
) -> None:
    """Write the 13 measures of every cell; `patch` to `sums` are scratch memory but for `logs`."""
    for c in range(ptr.size - 1):
        n, low, high = range_of(flat, width, y0, row, start, stop, ptr[c], ptr[c + 1])
        if n == 0:
            for k in range(out.shape[0]):
                out[k, c] = np.nan
            continue
        stride, left = paint(flat, width, y0, row, start, stop, ptr[c], ptr[c + 1], low, high, patch)
        for k in range(sums.size):
            sums[k] = 0.0
        measured = 0
        for d in range(directions.shape[0]):
            for k in range(counts.size):
                counts[k] = 0
            step = directions[d, 0] * stride + directions[d, 1]
            for r in range(ptr[c], ptr[c + 1]):
                at = (row[r] - row[ptr[c]] + 1) * stride + start[r] - left + 1
                here = patch[at:]
                there = patch[at + step :]
                for x in range(stop[r] - start[r]):
                    counts[here[x] * _SIDE + there[x]] += 1
            measured += add_measures(counts, tallies, logs, sums)
        if measured == 0:  # as if all pairs were of level 1
            counts[_SIDE + 1] = 1
            measured += add_measures(counts, tallies, logs, sums)
        for k in range(out.shape[0]):
            out[k, c] = np.float32(sums[k] / measured)
