"""Which images to begin with: a few that span the groups and the ways in which images look.

A classifier that has seen one animal, or only the bright slices, errs on the others; labels spread over a few unlike
images are worth more than the same number from one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

__all__ = ["Spanning", "appearance", "span"]

QUANTILES = (25, 50, 75, 95)
ROWS = 2_000
"""Cells of an image that are looked at: quantiles of a part are as good."""
_MARKED = 0.6
"""Robust deviations from the other images from which on a look is put in words."""


@dataclass(frozen=True, eq=False)
class Spanning:
    """A choice of images.

    Attributes
    ----------
    chosen : list of int
        Rows of the table of appearances, in the order of choice: any first part of them spans as well as so many can.
    remark : list of (int, int)
        Of each chosen one, the column in which it differs most from the images chosen before it (of the first:
        from all), and +1 or -1: whether it lies above or below; column -1 where it differs in none.
    coverage : float
        Largest distance of an image to the nearest chosen one, in units of the median distance between images; 0 with all
        chosen.
    """

    chosen: list[int]
    remark: list[tuple[int, int]]
    coverage: float


def appearance(X: NDArray[np.floating]) -> NDArray[np.float64]:
    """How one image looks: quantiles of each feature over its cells.

    Parameters
    ----------
    X : float array, shape (cells, f)
        Values of one image's cells, NaN where unknown.

    Returns
    -------
    float64 array, shape (f, 4)
        25th, 50th, 75th and 95th percentile; NaN for a feature without values.
    """
    part = np.asarray(X[:: max(1, len(X) // ROWS)], np.float64)
    part = np.where(np.isfinite(part), part, np.nan)
    found = np.full((part.shape[1], len(QUANTILES)), np.nan)
    known = np.isfinite(part).any(axis=0) if len(part) else np.zeros(part.shape[1], bool)
    if known.any():
        found[known] = np.nanpercentile(part[:, known], QUANTILES, axis=0).T
    return found


def span(looks: NDArray[np.floating], groups: NDArray[np.integer], n: int) -> Spanning:
    """Choose `n` images: one group after the other, each time the image most unlike those chosen.

    The first is the image that is most like all others.  Source: greedy k-centre (Gonzalez 1985), held to groups.

    Parameters
    ----------
    looks : float array, shape (images, k)
        Comparable columns need not be given: each is centred on its median and divided by its spread here.
    groups : int array, shape (images,)
        Group of each image; a group is used a second time only when every other one was used once.
    n : int
    """
    table = np.asarray(looks, np.float64)
    if table.ndim != 2 or groups.shape != table.shape[:1] or n < 1:
        raise InputError(f"{looks.shape} looks of {groups.shape} groups: give a row and a group an image.")
    Z = _comparable(table)
    distance = np.sqrt(np.maximum(((Z[:, None, :] - Z[None, :, :]) ** 2).mean(axis=2), 0))
    chosen = [int(np.argmin(np.median(distance, axis=1)))]
    remark = [_difference(Z[chosen[0]], np.delete(Z, chosen[0], axis=0))]
    while len(chosen) < min(n, len(Z)):
        free = np.setdiff1d(np.arange(len(Z)), chosen)
        used = np.array([np.count_nonzero(groups[chosen] == groups[i]) for i in free])
        free = free[used == used.min()]
        nearest = distance[np.ix_(free, chosen)].min(axis=1)
        best = int(free[np.argmax(nearest)])
        remark.append(_difference(Z[best], Z[chosen]))
        chosen.append(best)
    typical = float(np.median(distance[np.triu_indices(len(Z), 1)])) if len(Z) > 1 else 0.0
    reach = float(distance[:, chosen].min(axis=1).max())
    return Spanning(chosen, remark, reach / typical if typical > 0 else 0.0)


def _comparable(looks: NDArray[np.float64]) -> NDArray[np.float64]:
    if not looks.size:
        return np.zeros((len(looks), 1))
    known = np.isfinite(looks).any(axis=0)
    if not known.any():
        return np.zeros((len(looks), 1))
    part = np.where(np.isfinite(looks), looks, np.nan)
    middle = np.nanmedian(part[:, known], axis=0)
    width = np.nanmedian(np.abs(part[:, known] - middle), axis=0) * 1.4826
    deviation = np.nanstd(part[:, known], axis=0)
    width = np.where(width > 1e-9 * (np.abs(middle) + 1e-30), width, deviation)
    Z = np.zeros_like(looks)
    Z[:, known] = np.nan_to_num((part[:, known] - middle) / np.where(width > 0, width, 1))
    return np.clip(Z, -4, 4)


def _difference(one: NDArray[np.float64], others: NDArray[np.float64]) -> tuple[int, int]:
    if not len(others) or not one.size:
        return -1, 0
    off = one - np.median(others, axis=0)
    column = int(np.argmax(np.abs(off)))
    return (column, int(np.sign(off[column]))) if abs(off[column]) >= _MARKED else (-1, 0)
