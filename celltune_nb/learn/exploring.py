"""Looking where nothing is labelled: groups of similar items without labels, and random places.

A category that nobody has labelled yet is unknown to the models, so it is no close call for them: they
are sure that it is something else.  It is found in a group of similar items in which nothing is
labelled, or, where it looks like the others, in a part of the tissue in which nothing is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .clustering import Scaling, distances, kmeans
from .pool import Pool

__all__ = ["explore", "scattered", "uncharted"]

GROUPS = (10, 100)  # least and most groups that the candidates are cut into
LABELLED = 2_000  # labelled items that are looked up

Rows = NDArray[np.int64]


def explore(pool: Pool, rows: Rows, n: int, rng: np.random.Generator) -> tuple[Rows, list[str]]:
    """Half from groups of similar items that are hardly labelled, half from random places (as far as there are any).

    Parameters
    ----------
    pool : Pool
    rows : int64 array, shape (m,)
        Candidates, as rows of the pool.
    n : int
    rng : Generator

    Returns
    -------
    chosen : int64 array, shape (≤ n,)
        Indices into `rows`; fewer where the pool knows neither features nor places.
    reasons : list of str
    """
    first, why = uncharted(pool, rows, n - n // 2 if _have_places(pool, rows) else n, rng)
    free = np.ones(len(rows), bool)
    free[first] = False
    left = np.flatnonzero(free)
    second, where = scattered(pool, rows[left], n - len(first), rng)
    return np.concatenate([first, left[second]]), [*why, *where]


def uncharted(pool: Pool, rows: Rows, n: int, rng: np.random.Generator) -> tuple[Rows, list[str]]:
    """One typical item of each of the `n` largest groups of similar items with few labels for their size.

    There are half as many groups as labels, 10 to 100 of them: the more is labelled, the finer it looks.
    Parameters and returns as of :func:`explore`.
    """
    if n < 1 or not len(rows) or pool.features is None or pool.labelled is None:
        return np.empty(0, np.int64), []
    X = np.asarray(pool.features(rows), np.float32)
    known = np.asarray(pool.labelled(LABELLED), np.float32)
    scale = Scaling.of(X)
    X = scale(X)
    groups = int(np.clip(len(known) // 2, max(GROUPS[0], n), max(GROUPS[1], n)))
    typical, group = kmeans(X, groups, rng)
    labels = np.zeros(len(typical), np.int64)
    if len(known):
        Z = scale(known)
        nearest = distances(Z, np.einsum("ij,ij->i", Z, Z), X[typical]).argmin(axis=1)
        labels = np.bincount(nearest, minlength=len(typical))
    share = np.bincount(group, minlength=len(typical)) / len(rows)
    # squared: a first label tells much more about a group than a second
    best = np.argsort(-share / (1 + labels) ** 2, kind="stable")[:n]
    reasons = [
        f"typical of a group of similar items ({100 * part:.2g} % of all) in which "
        + (
            "nothing is labelled yet"
            if not count
            else f"only {count} {'is' if count == 1 else 'are'} labelled"
        )
        for part, count in zip(share[best].tolist(), labels[best].tolist(), strict=True)
    ]
    return typical[best], reasons


def scattered(pool: Pool, rows: Rows, n: int, rng: np.random.Generator) -> tuple[Rows, list[str]]:
    """The items nearest to random places on random images, so that sparse tissue counts by its area.

    Parameters and returns as of :func:`explore`; nothing where the items have no places of their own.
    """
    y, x = pool.y[rows], pool.x[rows]
    placed = np.flatnonzero(np.isfinite(y) & np.isfinite(x))
    n = min(n, len(placed))
    if n < 1 or not _have_places(pool, rows):
        return np.empty(0, np.int64), []
    images, image = np.unique(pool.images[rows[placed]], return_inverse=True)
    order = np.argsort(image.reshape(-1), kind="stable")
    ends = np.cumsum(np.bincount(image.reshape(-1)))
    chosen: list[int] = []
    taken = np.zeros(len(rows), bool)
    for _ in range(20 * n):  # an image may be used up
        number = int(rng.integers(len(images)))
        here = placed[order[ends[number - 1] if number else 0 : ends[number]]]
        at = rng.random(2)
        here = here[~taken[here]]
        if not len(here):
            continue
        dy = y[here] - (y[here].min() + at[0] * np.ptp(y[here]))
        dx = x[here] - (x[here].min() + at[1] * np.ptp(x[here]))
        nearest = int(here[np.argmin(dy**2 + dx**2)])
        taken[nearest] = True
        chosen.append(nearest)
        if len(chosen) == n:
            break
    return np.array(chosen, np.int64), ["nearest to a random place on its image"] * len(chosen)


def _have_places(pool: Pool, rows: Rows) -> bool:
    """Whether the items lie at different places: signals and crops may all be given the same."""
    y, x = pool.y[rows], pool.x[rows]
    return bool(np.isfinite(y + x).any() and (np.nanmax(y) > np.nanmin(y) or np.nanmax(x) > np.nanmin(x)))
