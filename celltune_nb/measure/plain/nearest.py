"""The nearest cell of background pixels, with NumPy alone."""

from __future__ import annotations

import numpy as np

from celltune_nb.measure.runs import Int32, MaskRuns, painted

__all__ = ["nearest"]


def nearest(found: MaskRuns, y0: int, y1: int, radius: int, limit: int) -> Int32:
    """See `engines.Engine.nearest`.

    First along columns, then along rows; squared distance and cell travel in one integer.
    """
    top, bottom = max(y0 - radius, 0), min(y1 + radius, found.shape[0])
    label = painted(found, top, bottom)
    best = np.full(label.shape, (radius + 1) ** 2 << 32, np.int64)
    for rows in (range(label.shape[0]), range(label.shape[0] - 1, -1, -1)):
        near = np.zeros(label.shape[1], np.int64)
        away = np.full(label.shape[1], radius + 1, np.int64)
        for i in rows:
            inside = label[i] > 0
            near = np.where(inside, label[i], near)
            away = np.where(inside, 0, np.minimum(away + 1, radius + 1))
            np.minimum(best[i], (away * away << 32) | near, out=best[i])
    label, best = label[y0 - top : y1 - top], best[y0 - top : y1 - top]
    nearest_ = best.copy()
    for dx in range(1, min(radius, label.shape[1] - 1) + 1):
        far = np.int64(dx * dx) << 32
        np.minimum(nearest_[:, :-dx], best[:, dx:] + far, out=nearest_[:, :-dx])
        np.minimum(nearest_[:, dx:], best[:, :-dx] + far, out=nearest_[:, dx:])
    free = (label == 0) & (nearest_ >> 32 <= limit)
    return np.where(free, nearest_ & 0xFFFFFFFF, 0).astype(np.int32)
