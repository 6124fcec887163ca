"""The nearest cell of background pixels, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from celltune_nb.measure.compiled import kernel
from celltune_nb.measure.runs import Int32, Int64, MaskRuns

__all__ = ["nearest"]


def nearest(found: MaskRuns, y0: int, y1: int, radius: int, limit: int) -> Int32:
    """See `engines.Engine.nearest`."""
    width = found.shape[1]
    top, bottom = max(y0 - radius, 0), min(y1 + radius, found.shape[0])
    owner = np.zeros((y1 - y0, width), np.int32)
    # squared distance and cell in one integer: 32 bits are enough for millions of cells, and twice as fast
    bits = int(found.labels.size).bit_length()
    kind: Any = np.int32 if 2 * (radius + 1) ** 2 << bits < 2**31 else np.int64
    nearest_of_rows(
        y0 - top,
        found.row_ptr[top : bottom + 1],
        found.cell,
        found.start,
        found.stop,
        radius,
        limit,
        bits,
        np.zeros((bottom - top, width), np.int32),
        np.empty((bottom - top, width), kind),
        np.empty((3, width), kind),
        owner,
    )
    return owner


@kernel
def nearest_of_rows(
    skipped: int,
    row_ptr: Int64,
    cell: Int32,
    start: Int32,
    stop: Int32,
    r: int,
    limit: int,
    bits: int,
    label: Int32,
    best: npt.NDArray[Any],
    scratch: npt.NDArray[Any],
    owner: Int32,
) -> None:
    """Nearest cell (number + 1) of every background pixel, 0 within cells and beyond √`limit`.

    First along columns, then along rows; squared distance and cell travel in one integer, so
    that one minimum decides both and SIMD does it.

    Parameters
    ----------
    skipped : int
        Rows before the first of `owner`.
    row_ptr : int64 (rows + 1,)
        Where the rows begin among the runs in reading order.
    label, best, scratch
        Memory: int32 (rows, X) of zeros, and two of the type that holds distance and cell.
    owner : int32 (rows, X)
    """
    rows, width = label.shape
    kind = best.dtype.type  # numba adds in 64 bits, unless each sum is cut back
    near = scratch[0]
    away = scratch[1]
    found = scratch[2]
    for i in range(rows):
        for k in range(row_ptr[i], row_ptr[i + 1]):
            target = label[i][start[k] : stop[k]]
            for x in range(target.size):
                target[x] = cell[k] + 1
    for down in range(2):
        for x in range(width):
            near[x] = 0
            away[x] = r + 1
        for step in range(rows):
            i = step if down == 0 else rows - 1 - step
            here = label[i]
            keep = best[i]
            for x in range(width):
                inside = here[x] > 0
                near[x] = kind(here[x]) if inside else near[x]
                away[x] = kind(0) if inside else min(kind(away[x] + 1), kind(r + 1))
                now = kind((kind(away[x] * away[x]) << bits) | near[x])
                keep[x] = now if down == 0 else min(keep[x], now)
    for i in range(owner.shape[0]):
        column = best[i + skipped]
        here = label[i + skipped]
        target = owner[i]
        for x in range(width):
            found[x] = column[x]
        for dx in range(1, min(r, width - 1) + 1):
            step = kind((dx * dx) << bits)
            left = found[: width - dx]
            right = column[dx:]
            for x in range(width - dx):
                left[x] = min(left[x], kind(right[x] + step))
            left = found[dx:]
            right = column[: width - dx]
            for x in range(width - dx):
                left[x] = min(left[x], kind(right[x] + step))
        for x in range(width):
            free = (here[x] == 0) & ((found[x] >> bits) <= limit)
            target[x] = np.int32(found[x] & ((1 << bits) - 1)) if free else 0
