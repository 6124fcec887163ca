"""Statistics of one channel over the runs of cells, with NumPy alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from celltune_nb.measure.planes import Float32, Window
from celltune_nb.measure.runs import Int64, Runs

__all__ = ["gathered", "means", "statistics"]

Float64 = npt.NDArray[np.float64]

_MOMENTS = 6
_UNSIGNED = np.int32(0x7FFFFFFF)


def statistics(window: Window, runs: Runs, quantiles: Float64) -> Float32:
    """See `engines.Engine.statistics`."""
    out = np.full((_MOMENTS + quantiles.size, runs.ptr.size - 1), np.nan, np.float32)
    values, ptr = gathered(window, runs)
    some = ptr[1:] > ptr[:-1]
    if not some.any():
        return out
    begins = ptr[:-1][some]
    n = np.diff(ptr)[some]
    origin = values[begins].astype(np.float64)
    deviations = values - np.repeat(origin, n)
    first = np.add.reduceat(deviations, begins)
    np.square(deviations, out=deviations)
    second = np.add.reduceat(deviations, begins)
    mean = first / n
    variance = np.maximum(second / n - mean * mean, 0)
    ordered = _sorted(values, n)
    ends = begins + n - 1
    moments = (origin + mean, first + n * origin, np.sqrt(variance), variance, ordered[begins], ordered[ends])
    out[:_MOMENTS, some] = moments
    for q, quantile in enumerate(quantiles):
        position = quantile * (n - 1)
        rank = np.minimum(position.astype(np.int64), n - 1)
        lower = ordered[begins + rank].astype(np.float64)
        upper = ordered[np.minimum(begins + rank + 1, ends)]
        out[_MOMENTS + q, some] = lower + (position - rank) * (upper - lower)
    return out


def means(window: Window, runs: Runs) -> Float32:
    """See `engines.Engine.means`."""
    values = window.rows
    finite = np.isfinite(values)
    doubtful = not finite.all()
    upto = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(np.where(finite, values, 0) if doubtful else values, axis=1, dtype=np.float64, out=upto[:, 1:])
    row = runs.row - window.y0
    total = runs.total(upto[row, runs.stop] - upto[row, runs.start])
    if doubtful:
        count = np.zeros(upto.shape, np.int64)
        np.cumsum(finite, axis=1, out=count[:, 1:])
        n = runs.total(count[row, runs.stop] - count[row, runs.start])
    else:
        n = runs.areas()
    out = np.full(n.size, np.nan, np.float32)
    np.divide(total, n, out=out, where=n > 0, casting="unsafe")
    return out


def gathered(window: Window, runs: Runs) -> tuple[Float32, Int64]:
    """The finite values of all cells, one after the other; those of cell `i` at ``ptr[i]:ptr[i + 1]``."""
    row, column, ptr = runs.pixels
    values = window.flat[(row.astype(np.int64) - window.y0) * window.width + column]
    finite = np.isfinite(values)
    if finite.all():
        return values, ptr
    upto = np.zeros(values.size + 1, np.int64)
    np.cumsum(finite, out=upto[1:])
    return values[finite], upto[ptr]


def _sorted(values: Float32, n: Int64) -> Float32:
    """The values, those of each cell ascending: cell and value are sorted as one integer."""
    bits = values.view(np.int32)
    keys = (bits ^ ((bits >> 31) & _UNSIGNED)).astype(np.int64)
    keys += np.repeat(np.arange(n.size, dtype=np.int64) << 32, n)
    keys.sort()
    low = keys.astype(np.int32)  # the cell is cut off
    return (low ^ ((low >> 31) & _UNSIGNED)).view(np.float32)
