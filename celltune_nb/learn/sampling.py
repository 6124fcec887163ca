"""What to label next: functions ``(pool, n, rng) → Proposal``.

Measured on 69,672 cells of 23 kinds (labels until 95 % of the macro-F1 of full labelling): random
5,983, disagreement 1,327, margin 954, quota margin 751; starting from clusters 719.  Hence the
defaults: *clusters* before there is a model, *quota margin* afterwards.

All draw from at most 10,000 candidates of the pool, give each proposed item a sentence that says
why, and return the same items for the same generator state.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .audit import audit
from .clustering import kmeans, spread
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


def random(pool: Pool, n: int, rng: np.random.Generator) -> Proposal:
    """Every item with the same probability."""
    check_size(n)
    n = min(n, len(pool))
    rows = rng.choice(len(pool), n, replace=False) if n else np.empty(0, np.int64)
    return pool.propose(rows, np.ones(n), ["drawn at random"] * n, "random", n / max(1, len(pool)))


def clusters(pool: Pool, n: int, rng: np.random.Generator) -> Proposal:
    """One typical item of each of `n` groups of similar items: the first cells to label.

    k-means on scaled features of the candidates; the item nearest to each centre, groups with many
    items first.  Source: k-means++ (Arthur and Vassilvitskii 2007) and Lloyd's iterations; as a first
    batch it reaches a macro-F1 of .61 where random cells reach .49 and rectangles .38.

    Raises
    ------
    NotReadyError
        There are neither features nor predictions.
    """
    check_size(n)
    rows = pool.candidates(n, rng)
    n = min(n, len(rows))
    X = pool.scaled(rows)
    nearest, sizes = kmeans(X, n, rng)
    order = np.argsort(-sizes, kind="stable")
    chosen, sizes = nearest[order], sizes[order]
    share = sizes / max(1, len(rows))
    reason = [f"typical of a group of similar items ({100 * s:.2g} % of all)" for s in share]
    missing = n - len(chosen)
    if missing > 0:  # fewer distinct items than groups
        rest = np.setdiff1d(np.arange(len(rows)), chosen)
        chosen = np.concatenate([chosen, rng.choice(rest, missing, replace=False)])
        share = np.concatenate([share, np.zeros(missing)])
        reason += ["drawn at random among items that look alike"] * missing
    return pool.propose(rows[chosen], share, reason, "clusters", len(rows) / max(1, len(pool)))


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
    return pool.propose(rows[best], score[best], reason, "diverse", len(rows) / max(1, len(pool)))


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
