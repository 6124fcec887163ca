"""Masks that have caught measuring code out before."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def disks(shape=(90, 110), n=25, seed=0):
    """Cells of many sizes that touch, some cut by the border."""
    rng = np.random.default_rng(seed)
    seeds = np.zeros(shape, bool)
    seeds[rng.integers(0, shape[0], n), rng.integers(0, shape[1], n)] = True
    labels, _ = ndimage.label(seeds)
    distance, (iy, ix) = ndimage.distance_transform_edt(~seeds, return_indices=True)
    return np.where(
        distance <= rng.uniform(2, 12, labels.max() + 1)[labels[iy, ix]], labels[iy, ix], 0
    ).astype(np.int32)


def odd(shape=(40, 50)):
    """One pixel, a line each way, a diagonal, a ring with a cell in its hole, two pieces, corners."""
    mask = np.zeros(shape, np.int64)
    mask[0, 0] = 1
    mask[39, 49] = 2
    mask[5, 5] = 3
    mask[8, 3:20] = 4
    mask[12:25, 3] = 5
    mask[np.arange(12, 22), np.arange(10, 20)] = 6
    mask[22:37, 22:40] = 7
    mask[26:33, 26:36] = 0
    mask[28:30, 28:31] = 8
    mask[2:4, 40:45] = 9
    mask[16:19, 43:50] = 9
    mask[22:24, 5:7] = 10
    mask[24:26, 7:9] = 10
    return mask
