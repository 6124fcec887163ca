"""What to label next: functions ``(pool, n, rng) → Proposal``.

The defaults are *clusters* before there is a model and *quota margin* afterwards: over the labelled sets of
``docs/strategies.md`` they need fewest labels.

All draw from at most 10,000 candidates of the pool, give each proposed item a sentence that says
why, and return the same items for the same generator state.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .audit import audit
from .clustering import kmeans, spread
from .exploring import scattered
from .pool import Pool, Proposal, check_size
from .quotas import allocate, celltune, quota_margin, rare
from .rectangles import RectangleProposal, propose_rectangle
from .uncertainty import best_rows, close_calls, disagreement, entropy, margin, mistakes, scored

__all__ = [
    "SAMPLERS",
    "Pool",
    "Proposal",
    "RectangleProposal",
    "allocate",
    "audit",
    "celltune",
    "clusters",
    "disagreement",
    "diverse",
    "entropy",
    "margin",
    "mistakes",
    "propose_rectangle",
    "quota_margin",
    "random",
    "rare",
]

Rows = NDArray[np.int64]

ORDINARY = 0.5  # of the first cells: see `clusters`
TYPICAL = 25  # with fewer labels every kind has to be met before its boundaries matter


def random(pool: Pool, n: int, rng: np.random.Generator) -> Proposal:
    """Every item with the same probability."""
    check_size(n)
    n = min(n, len(pool))
    rows = rng.choice(len(pool), n, replace=False) if n else np.empty(0, np.int64)
    return pool.propose(rows, np.ones(n), ["drawn at random"] * n, "random", n / max(1, len(pool)))


def clusters(pool: Pool, n: int, rng: np.random.Generator, *, ordinary: float = ORDINARY) -> Proposal:
    """The first cells to label: one typical item of each group of similar items, and as many ordinary ones.

    k-means on scaled features of the candidates, with half as many groups as places, but at least 25.  The
    item nearest to each centre is taken, groups with many items first.  Typical items alone would be too
    easy: where the boundaries lie is learned from ordinary ones.  Half of the others are therefore drawn at
    random, each group in proportion to its size, and half nearest to random places on the images, so that
    sparse tissue counts as well (where there are no places: all at random).  The kinds alternate.

    Parameters
    ----------
    ordinary : float
        Share of the places for items that are not the typical ones, as far as 25 are left for these.

    Raises
    ------
    NotReadyError
        There are neither features nor predictions.
    """
    check_size(n)
    rows = pool.candidates(n, rng)
    n = min(n, len(rows))
    typical, group = kmeans(pool.scaled(rows), max(n - int(ordinary * n), min(n, TYPICAL)), rng)
    share = np.bincount(group) / max(1, len(rows))
    typical = typical[np.argsort(-share[group[typical]], kind="stable")]
    rest = np.setdiff1d(np.arange(len(rows)), typical)
    placed, where = scattered(pool, rows[rest], (n - len(typical)) // 2, rng)
    placed = rest[placed]
    rest = np.setdiff1d(rest, placed)
    rest = rest[np.lexsort((rng.random(len(rest)), group[rest]))]
    # equal steps along the groups: each gets its share, rounded at random
    places = n - len(typical) - len(placed)
    step = len(rest) / max(1, places)
    drawn = rng.permutation(rest[((rng.random() + np.arange(places)) * step).astype(np.int64)])

    chosen = np.concatenate([typical, drawn, placed])
    reason = [
        f"{'typical of' if i < len(typical) else 'drawn from'} a group of similar items ({100 * part:.2g} % of all)"
        for i, part in enumerate(share[group[chosen[: n - len(placed)]]].tolist())
    ] + where
    order = np.argsort(
        np.concatenate([(np.arange(k) + 0.5) / max(1, k) for k in (len(typical), places, len(placed))]),
        kind="stable",
    )
    return pool.propose(
        rows[chosen[order]], share[group[chosen[order]]], [reason[i] for i in order.tolist()], "clusters",
        np.nan,
    )  # fmt: skip


def diverse(pool: Pool, n: int, rng: np.random.Generator) -> Proposal:
    """Uncertain items that are unlike one another.

    k-means++ seeding over the ten times `n` closest calls, in feature space weighted by uncertainty:
    the idea of BADGE (Ash et al. 2020) for models without a gradient embedding.  Score: margin, as in
    :func:`margin`.
    """
    rows, _, two, values = scored(pool, n, rng)
    score = 1 - (values[:, 0] - values[:, 1])
    uncertain = best_rows(score, max(10 * n, 200))
    X = pool.scaled(rows[uncertain])
    square = np.einsum("ij,ij->i", X, X)
    best = uncertain[spread(X, square, min(n, len(uncertain)), rng, score[uncertain] + 1e-6)]
    reason = [f"{text}, unlike the others proposed" for text in close_calls(pool, two[best], values[best])]
    return pool.propose(rows[best], score[best], reason, "diverse", np.nan)


def _audit(pool: Pool, n: int, rng: np.random.Generator) -> Proposal:
    return audit(pool, n, rng)[0]


SAMPLERS: dict[str, Callable[[Pool, int, np.random.Generator], Proposal]] = {
    "random": random,
    "clusters": clusters,
    "quota_margin": quota_margin,
    "margin": margin,
    "entropy": entropy,
    "disagreement": disagreement,
    "rare": rare,
    "diverse": diverse,
    "celltune": celltune,
    "mistakes": mistakes,
    "audit": _audit,
}
