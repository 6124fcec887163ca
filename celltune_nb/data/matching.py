"""Which points of two sets belong together: one to one, the nearest first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

__all__ = ["RADIUS", "match_points"]

#: How far apart two positions of one cell may lie, pixels: CellTune's bound for ground truth.
RADIUS = 20.0
#: Pixels by which points are moved, so that no two distances are the same and the nearest pair is always mutual.
_APART = 1e-6


def match_points(
    points: NDArray[np.float64], others: NDArray[np.float64], radius: float = RADIUS
) -> NDArray[np.int64]:
    """Pair points of two sets, the closest pair first, each point at most once.

    The pairs are those that a person gets who takes the closest two points of all, puts them aside, and repeats
    until what is left lies further apart than *radius*.

    Parameters
    ----------
    points : ndarray of float, shape (n, 2)
        y, x in pixels; a row that is not finite has no partner.
    others : ndarray of float, shape (m, 2)
    radius : float
        The largest distance of two partners, pixels, inclusive.

    Returns
    -------
    ndarray of int64, shape (n,)
        The row of *others* that each point belongs to, -1 for none.

    Raises
    ------
    InputError
        When the radius is no positive number.
    """
    from scipy.spatial import cKDTree

    if not (np.isfinite(radius) and radius > 0):
        raise InputError(f"The radius is {radius!r}. Give the largest distance of two partners, in pixels.")
    points, others = (np.asarray(given, np.float64).reshape(-1, 2) for given in (points, others))
    noise = np.random.default_rng(0)
    found = np.full(len(points), -1, np.int64)
    moved = [given + noise.uniform(-_APART, _APART, given.shape) for given in (points, others)]
    free = [np.flatnonzero(np.isfinite(given).all(axis=1)) for given in moved]
    # Two points that are each other's nearest are a pair whatever comes later; then the rest is looked at again.
    while len(free[0]) and len(free[1]):
        here, there = (given[rows] for given, rows in zip(moved, free, strict=True))
        reach = radius + 4 * _APART
        _, nearest = cKDTree(there).query(here, distance_upper_bound=reach)
        _, back = cKDTree(here).query(there, distance_upper_bound=reach)
        near = np.flatnonzero(nearest < len(there))
        mutual = near[back[nearest[near]] == near]
        if not len(mutual):
            break
        a, b = free[0][mutual], free[1][nearest[mutual]]
        close = np.hypot(*(points[a] - others[b]).T) <= radius
        found[a[close]] = b[close]
        # A point without a neighbour now has none later: the others only become fewer.
        alone = np.bincount(mutual, minlength=len(here)).astype(bool) | (nearest == len(there))
        gone = np.bincount(nearest[mutual], minlength=len(there)).astype(bool) | (back == len(here))
        free = [free[0][~alone], free[1][~gone]]
    return found
