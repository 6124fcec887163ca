"""The audit sample: items whose chance of being drawn is known, so that they can speak for all.

Labels chosen by a strategy are the hard items, or the easy ones; accuracy on them says little about
the rest.  An item drawn with probability π stands for 1/π items (Horvitz and Thompson, JASA 47,
1952), so a sample may favour what is informative and still give unbiased figures.

The design
----------
*Before a model* every item has the same probability.  *With a model* the probability is proportional
to a size: larger where the models are unsure (four score bins) and where the predicted category is
rare, with at most a factor of about ten between the extremes.  Items are ordered by score bin, then
image, then at random, and taken at equal steps along the cumulated sizes from a random start
(systematic π-ps sampling, Madow 1949): the inclusion probabilities are exact, and every bin and every
image gets its share, however many images there are.

*Top-ups* draw from the items not drawn yet.  The probability of having been drawn so far, of item i
after draws with π₁, π₂, …, is 1 − (1 − π₁ᵢ)(1 − π₂ᵢ)…, also for the items that an earlier draw has
taken: they have to be in the pool of a top-up, marked as drawn.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .pool import Pool, Proposal, check_size

__all__ = ["audit"]

BINS = (0.05, 0.2, 0.4)  # edges of 1 − the mean probability of the answer
FLOOR = 0.2  # of the size of an item that is an even guess: models are often too sure


def audit(
    pool: Pool,
    n: int,
    rng: np.random.Generator,
    *,
    inclusion: NDArray[np.float64] | None = None,
    drawn: NDArray[np.bool_] | None = None,
) -> tuple[Proposal, NDArray[np.float64]]:
    """Draw `n` more items into the audit sample.

    Parameters
    ----------
    pool : Pool
        Every item that may be drawn, and those drawn earlier.
    n : int
    rng : Generator
    inclusion : float64 array, shape (len(pool),), optional
        Cumulative inclusion probability of each item of the pool after the earlier draws.
    drawn : bool array, shape (len(pool),), optional
        Items that earlier draws have taken.

    Returns
    -------
    proposal : Proposal
        In random order; `probability` is the cumulative inclusion probability.
    inclusion : float64 array, shape (len(pool),)
        Updated, in [0, 1], for every item of the pool; the argument is not changed.

    Raises
    ------
    InputError
        An array does not fit the pool.
    """
    check_size(n)
    before = np.zeros(len(pool)) if inclusion is None else np.asarray(inclusion, np.float64)
    taken = np.zeros(len(pool), bool) if drawn is None else np.asarray(drawn, bool)
    if before.shape != (len(pool),) or taken.shape != (len(pool),):
        raise InputError(
            f"The pool has {len(pool)} items, inclusion has shape {before.shape} and drawn {taken.shape}. "
            "Give one value for each item of the pool."
        )
    size, score_bin, unsure = _sizes(pool)
    free = np.flatnonzero(~taken)
    n = min(n, len(free))
    now = _inclusion(size, free, n)
    image = np.asarray(pool.images)[free]
    cell = score_bin[free]
    cell *= int(image.max(initial=0)) + 1
    cell += image
    order = _shuffled(cell, rng)
    rows = rng.permutation(free[_systematic(order, now[free][order], n, rng)])
    after = 1 - before
    after *= 1 - now
    np.subtract(1, after, out=after)
    text = "audit: speaks for items like it" if pool.probabilities else "audit: drawn at random"
    return pool.propose(rows, unsure[rows], [text] * len(rows), "audit", after[rows]), after


def _sizes(pool: Pool) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Size, score bin and 1 − probability of the answer, of every item."""
    n = len(pool)
    size, score_bin, unsure = np.ones(n), np.zeros(n, np.int64), np.zeros(n)
    if not pool.probabilities or not n:
        return size, score_bin, unsure
    k = pool.probabilities[0].shape[1]
    answer = np.zeros(n, np.int64)
    for start in range(0, n, 65_536):  # the mean of all models at once would double the memory
        rows = np.arange(start, min(n, start + 65_536))
        p = np.nan_to_num(pool.mean(rows))
        answer[rows] = p.argmax(axis=1)
        unsure[rows] = 1 - p[np.arange(len(rows)), answer[rows]]
    for edge in BINS:
        score_bin += unsure >= edge
    counts = np.bincount(score_bin, minlength=len(BINS) + 1)
    typical = np.bincount(score_bin, unsure, minlength=len(BINS) + 1) / np.maximum(counts, 1)
    # Neyman's rule for a share: the spread of right and wrong within the bin
    spread = np.maximum(np.sqrt(typical * (1 - typical)) / 0.5, FLOOR)
    share = np.bincount(answer, minlength=k) / n
    rarity = np.clip(1 / np.sqrt(np.maximum(share, 1 / n) * k), 0.7, 1.6)
    size = spread[score_bin] * rarity[answer]
    return size, score_bin, unsure


def _shuffled(cell: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Places ordered by cell, at random within each."""
    key = rng.random(len(cell))
    key += cell
    key -= cell.min(initial=0)  # an image may be -1: none
    # The key as a whole number with the place in its lowest bits: such numbers are sorted several times quicker
    # than places by their keys.
    bits = max(1, len(cell) - 1).bit_length()
    room = 2.0 ** (63 - bits) / (key.max(initial=0) + 1)
    key *= room
    packed = key.astype(np.int64)
    packed <<= bits
    packed |= np.arange(len(cell))
    packed.sort()
    packed &= 2**bits - 1
    return packed


def _inclusion(size: NDArray[np.float64], free: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """Probabilities ∝ size that sum to `n` over the free items, none above 1."""
    if not len(free):
        return np.zeros(len(size))
    certain = np.empty(0, np.int64)
    open_, rate = free, 0.0
    for _ in range(len(BINS) * 8):
        left = size[open_]
        total = left.sum()
        rate = (n - len(certain)) / total if total > 0 else 0.0
        if left.max(initial=0) * rate <= 1:
            break
        above = left * rate > 1
        certain, open_ = np.concatenate([certain, open_[above]]), open_[~above]
    probability = np.minimum(size * rate, 1.0)
    probability[certain] = 1.0
    return probability


def _systematic(
    order: NDArray[np.int64], probability: NDArray[np.float64], n: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """One item at every whole step of the cumulated probabilities, from a random start."""
    reach = np.cumsum(probability)
    if not n or not len(reach):
        return np.empty(0, np.int64)
    reach *= n / reach[-1]  # undo rounding, so that exactly n are taken
    points = rng.random() + np.arange(n)
    places = np.minimum(np.searchsorted(reach, points, side="right"), len(order) - 1)
    return order[np.unique(places)]
