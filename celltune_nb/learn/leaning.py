"""More of one category among what is offered: a quota of candidates that are likely to be of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .pool import Pool, Proposal

__all__ = ["QUOTA", "leaning"]

QUOTA = 0.7
"""Share of the places for candidates that are likely to be of the category; the others keep the boundary in view."""
BLOCK = 65_536

Sampler = Callable[[Pool, int, np.random.Generator], Proposal]


def leaning(
    pool: Pool, n: int, rng: np.random.Generator, *, code: int, sampler: Sampler, quota: float = QUOTA
) -> Proposal:
    """Let a strategy choose, most of it among the items that are likely to be of a category.

    Parameters
    ----------
    pool : Pool
        With probabilities.
    n : int
    rng : Generator
    code : int
        The category's column.
    sampler : callable
        Any of ``SAMPLERS``; it chooses among the likely ones and among all others, each for itself.
    quota : float
        Share of the places for the likely ones, as far as there are any.

    Returns
    -------
    Proposal
        Both kinds alternate in proportion.  Selection probabilities are those within each part: exact where the
        strategy's are.
    """
    n = min(n, len(pool))
    p, likely = _likely(pool, code)
    places = max(1, round(quota * n))
    if np.count_nonzero(likely) < places:  # then the likeliest, whatever they are taken for
        likely[np.argsort(-p, kind="stable")[:places]] = True
    inside, outside = np.flatnonzero(likely), np.flatnonzero(~likely)
    places = min(len(inside), max(places, n - len(outside)))
    first = sampler(pool.part(inside), places, rng)
    if n == places or not len(outside):
        second = None
    else:
        second = sampler(pool.part(outside), n - places, rng)
    of = dict(zip(pool.ids.tolist(), p.tolist(), strict=True))
    name = pool.name(code)
    reasons = [
        f"likely {name} ({of[i]:.0%}); {text}"
        for i, text in zip(first.ids.tolist(), first.reason, strict=True)
    ]
    if second is None:
        return Proposal(first.ids, first.score, tuple(reasons), first.probability, first.strategy)
    reasons += second.reason
    order = np.argsort(
        np.concatenate([(np.arange(k) + 0.5) / max(1, k) for k in (len(first), len(second))]), kind="stable"
    )
    return Proposal(
        np.concatenate([first.ids, second.ids])[order], np.concatenate([first.score, second.score])[order],
        tuple(reasons[i] for i in order.tolist()), np.concatenate([first.probability, second.probability])[order], first.strategy,
    )  # fmt: skip


def _likely(pool: Pool, code: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Probability of a category, 0 where nobody predicted, and whether it is the likeliest; block by block."""
    p, likely = np.zeros(len(pool)), np.zeros(len(pool), bool)
    for start in range(0, len(pool), BLOCK):
        rows = np.arange(start, min(len(pool), start + BLOCK))
        mean = np.nan_to_num(pool.mean(rows))
        p[rows] = mean[:, code]
        likely[rows] = (mean.argmax(axis=1) == code) & (mean[:, code] > 0)
    return p, likely
