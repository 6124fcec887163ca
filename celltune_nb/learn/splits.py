"""Held-out splits that keep what belongs together together.

Cells of one donor, slide or field look alike: a random split of them promises more than new donors
will give (.953 instead of .928 accuracy on the same data).  So whole groups are held out whenever
there is more than one, and the sentence that comes with every split says what was done.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Folds", "Split", "folds", "holdout"]

Ints = NDArray[np.int64]

TRIES = 64  # random sets of groups among which the most representative is held out
LARGEST = 0.55  # of the labels held out at most; above, the groups are too unequal to hold one out
SMALLEST = 0.05


@dataclass(frozen=True)
class Split:
    """Row numbers to learn from and to check on.

    Attributes
    ----------
    train, valid : int64 arrays
        Ascending; every category is in `train`; `valid` may be empty.
    by : {"group", "random", "none"}
    sentence : str
        What was held out, for a person.
    """

    train: Ints
    valid: Ints
    by: str
    sentence: str


@dataclass(frozen=True)
class Folds:
    """Cross-validation folds.

    Attributes
    ----------
    pairs : list of (train, test) int64 arrays
        Every row is in exactly one `test`.
    by : {"group", "random"}
    sentence : str
    """

    pairs: list[tuple[Ints, Ints]]
    by: str
    sentence: str

    def __iter__(self):  # type: ignore[no-untyped-def]
        """Unpack as ``pairs, by, sentence``."""
        return iter((self.pairs, self.by, self.sentence))


def holdout(
    y: NDArray[np.integer],
    groups: NDArray[np.generic] | None,
    fraction: float = 0.25,
    seed: int = 0,
    *,
    unit: str = "group",
) -> Split:
    """Hold out whole groups, about `fraction` of the labels, with a similar mix of categories.

    Parameters
    ----------
    y : int array, shape (n,)
        Category codes.
    groups : array, shape (n,), optional
        The independent unit of each label.  With one group (or None) the split is random within
        each category.
    fraction : float
        Of the labels to hold out, in (0, 1).
    seed : int
    unit : str
        What a group is called in the sentence ("image", "donor").

    Returns
    -------
    Split
        Categories that occur only in the held-out groups are learned from and not checked; so are
        categories with a single label.
    """
    y = np.asarray(y)
    rng = np.random.default_rng([seed, 17])
    if groups is not None and len(y):
        names, group = np.unique(np.asarray(groups), return_inverse=True)
        if len(names) > 1:
            chosen = _choose_groups(y, group.reshape(-1), fraction, rng)
            if chosen is not None:
                return _split_by_groups(y, group.reshape(-1), names, chosen, unit)
            reason = f"the {unit}s hold too unequal numbers of labels to hold one out"
        else:
            reason = f"all labels come from one {unit}"
    else:
        reason = f"no {unit} is known"
    return _split_at_random(y, fraction, rng, reason, unit)


def _choose_groups(
    y: NDArray[np.integer], group: Ints, fraction: float, rng: np.random.Generator
) -> Ints | None:
    _, codes = np.unique(y, return_inverse=True)
    n_groups, k = int(group.max()) + 1, int(codes.max()) + 1
    table = (
        np.bincount(group * k + codes.reshape(-1), minlength=n_groups * k).reshape(n_groups, k).astype(float)
    )
    sizes, total = table.sum(1), table.sum(0)
    target = fraction * len(y)
    best, best_cost = None, np.inf
    for _ in range(TRIES):
        order = rng.permutation(n_groups)
        reach = np.cumsum(sizes[order])
        # the number of groups in this order whose labels come nearest to the target, leaving one
        count = int(np.argmin(np.abs(reach[:-1] - target))) + 1
        held = table[order[:count]].sum(0)
        size = held.sum() / len(y)
        if not SMALLEST <= size <= LARGEST:
            continue
        lost = np.count_nonzero(held == total)  # categories that would have nothing to learn from
        mix = np.abs(held / total - size).mean()
        cost = abs(size - fraction) + mix + 2 * lost / k
        if cost < best_cost - 1e-12:
            best, best_cost = np.sort(order[:count]), cost
    return best


def _split_by_groups(
    y: NDArray[np.integer], group: Ints, names: NDArray[np.generic], chosen: Ints, unit: str
) -> Split:
    held = np.isin(group, chosen)
    only_held = held & ~np.isin(y, np.unique(y[~held]))
    held &= ~only_held
    if not held.any():
        return Split(np.arange(len(y)), np.empty(0, np.int64), "none", f"No {unit} could be held out.")
    listed = ", ".join(str(name) for name in names[chosen][:3]) + ("…" if len(chosen) > 3 else "")
    plural = "" if len(chosen) == 1 else "s"
    sentence = f"{len(chosen)} of {len(names)} {unit}s held out ({listed}): {np.count_nonzero(held)} of {len(y)} labels."
    if only_held.any():
        n = len(np.unique(y[only_held]))
        sentence += (
            f" {n} categor{'y occurs' if n == 1 else 'ies occur'} only in the held-out {unit}{plural}"
            " and could not be checked."
        )
    return Split(np.flatnonzero(~held), np.flatnonzero(held), "group", sentence)


def _split_at_random(
    y: NDArray[np.integer], fraction: float, rng: np.random.Generator, reason: str, unit: str
) -> Split:
    held = np.zeros(len(y), bool)
    for code in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == code))
        # random rounding keeps the overall fraction where many categories have two or three labels
        count = int(fraction * len(rows) + rng.random()) if len(rows) > 1 else 0
        held[rows[: min(count, len(rows) - 1)]] = True
    if not held.any():
        return Split(
            np.arange(len(y)),
            np.empty(0, np.int64),
            "none",
            f"{len(y)} labels are too few to hold any out: nothing was checked.",
        )
    sentence = (
        f"{np.count_nonzero(held)} of {len(y)} labels held out at random, because {reason}: "
        f"the figure is too kind to new {unit}s."
    )
    return Split(np.flatnonzero(~held), np.flatnonzero(held), "random", sentence)


def folds(
    y: NDArray[np.integer],
    groups: NDArray[np.generic] | None,
    k: int = 5,
    seed: int = 0,
    *,
    unit: str = "group",
) -> Folds:
    """Cut the labels into at most `k` folds; no group is in two of them.

    Parameters
    ----------
    y : int array, shape (n,)
        Category codes.
    groups : array, shape (n,), optional
        With one group (or None) the folds are random within each category.
    k : int
        Folds at most; never more than groups.
    seed : int
    unit : str
        What a group is called in the sentence.

    Returns
    -------
    Folds
        Unpacks as ``pairs, by, sentence``.

    Notes
    -----
    Groups are dealt out from the one with the most uneven mix of categories, each to the fold where
    it keeps the mixes most alike (the greedy rule of scikit-learn's StratifiedGroupKFold).
    """
    y = np.asarray(y)
    rng = np.random.default_rng([seed, 23])
    _, codes = np.unique(y, return_inverse=True)
    codes = codes.reshape(-1)
    names = np.empty(0)
    if groups is not None:
        names, group = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) > 1:
        count = min(k, len(names))
        fold = _deal_groups(codes, group.reshape(-1), count, rng)[group.reshape(-1)]
        by = "group"
        sentence = f"Out-of-fold predictions, {count} folds by {unit} ({len(names)} {unit}s)"
    else:
        count = max(2, min(k, len(y)))
        fold = np.empty(len(y), np.int64)
        offset = 0
        for code in range(int(codes.max(initial=-1)) + 1):
            rows = rng.permutation(np.flatnonzero(codes == code))
            fold[rows] = (np.arange(len(rows)) + offset) % count
            offset += len(rows)
        by = "random"
        why = f"all labels come from one {unit}" if groups is not None else f"no {unit} is known"
        sentence = f"Out-of-fold predictions, {count} random folds, because {why}: too kind to new {unit}s"
    pairs = [(np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(count)]
    return Folds([pair for pair in pairs if len(pair[0]) and len(pair[1])], by, sentence)


def _deal_groups(codes: Ints, group: Ints, count: int, rng: np.random.Generator) -> Ints:
    n_groups, k = int(group.max()) + 1, int(codes.max()) + 1
    table = np.bincount(group * k + codes, minlength=n_groups * k).reshape(n_groups, k).astype(float)
    total = table.sum(0)
    order = rng.permutation(n_groups)
    order = order[np.argsort(-table[order].std(axis=1), kind="stable")]
    held = np.zeros((count, k))
    fold = np.empty(n_groups, np.int64)
    for g in order:
        costs = np.empty(count)
        for i in range(count):
            held[i] += table[g]
            costs[i] = (held / total).std(axis=0).mean()
            held[i] -= table[g]
        lowest = np.flatnonzero(costs <= costs.min() + 1e-12)
        best = lowest[np.argmin(held[lowest].sum(1))]
        held[best] += table[g]
        fold[g] = best
    return fold
