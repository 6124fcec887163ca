"""95 % intervals of shares that stay honest with few items, rare categories and few groups.

Every figure here is a share: accuracy of all items, precision of those given a category, recall of
those that are of it, and F1 too, since F1 = 2J / (1 + J) with J the share that is right among the items
that are of a category *or* given it.  One rule serves them all:

* The variance of a weighted share is the sum of its squared influence values, over items, and over
  groups where five or more carry it; the wider of the two counts, each with Student's t for its size.
* The limits are Wilson's for that variance, so that a share of 0 or 1 from three items is not certain.
* Macro-F1 takes its limits from those of the categories (method of variance estimates recovery) with
  the correlations of their influence values.  A category that no judged item belongs to may have any F1.

Resampling, the usual way, covers the truth of a rare category in every second audit only; see
``docs/decisions/0009-intervals-and-calibration.md``.

Sources: Wilson, JASA 22 (1927); Korn and Graubard, Survey Methodology 24 (1998); Zou and Donner,
Statistics in Medicine 27 (2008).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Intervals", "Share", "intervals", "share"]

ENOUGH_GROUPS = 5  # the spread between fewer says next to nothing
LEVEL = 0.975
Z = 1.959964
Pair = tuple[float, float]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Intervals:
    """95 % intervals of overall and per-category figures.

    Attributes
    ----------
    overall : dict
        "accuracy", "macro_f1", "log_loss" → (low, high).
    category : dict
        "precision", "recall", "f1", "prevalence" → float array (k, 2); NaN where the figure is.
    sentence : str
        What they are made from.
    """

    overall: dict[str, Pair]
    category: dict[str, Floats]
    sentence: str


@dataclass(frozen=True, eq=False)
class Share:
    """A weighted share with its limits.

    Attributes
    ----------
    value, low, high : float
        NaN, 0 and 1 when there is no item.
    influence : float array, shape (n,)
        By how much each item moves it; sums to 0.
    """

    value: float
    low: float
    high: float
    influence: Floats


def share(hit: NDArray[np.bool_], weights: Floats, groups: Ints | None = None) -> Share:
    """The weighted share of hits.

    Parameters
    ----------
    hit : bool array, shape (n,)
    weights : float array, shape (n,)
    groups : int array, shape (n,), optional
        Numbers 0…; used where five or more occur.
    """
    total = float(weights.sum())
    if not len(hit) or total <= 0:
        return Share(float("nan"), 0.0, 1.0, np.zeros(len(hit)))
    value = float(weights[hit].sum() / total)
    influence = weights * (hit - value) / total
    if hit.all() or not hit.any():
        # No spread to go by: as many equal items as the weights are worth.
        ratio = Z**2 * float((weights**2).sum()) / total**2
        value = float(hit[0])
    else:
        ratio = _reach(influence, groups) ** 2 / (value * (1 - value))
    middle = (value + ratio / 2) / (1 + ratio)
    half = np.sqrt(ratio * value * (1 - value) + ratio**2 / 4) / (1 + ratio)
    # Rounding must not put the limits on the wrong side of the value.
    low, high = min(max(0.0, middle - half), value), max(min(1.0, middle + half), value)
    return Share(value, low, high, influence)


def _reach(influence: Floats, groups: Ints | None) -> float:
    """Half the width of the plain interval: t × standard error, over items or groups."""
    reach = _t(len(influence)) * np.sqrt((influence**2).sum() * len(influence) / max(len(influence) - 1, 1))
    if groups is not None:
        used = np.unique(groups)
        if len(used) >= ENOUGH_GROUPS:
            moved = np.bincount(np.searchsorted(used, groups), influence)
            between = _t(len(used)) * np.sqrt((moved**2).sum() * len(used) / (len(used) - 1))
            reach = max(reach, between)
    return float(reach)


def _t(n: int) -> float:
    """Student's 97.5 % point for n units."""
    from scipy.special import stdtrit

    return float(stdtrit(max(n - 1, 1), LEVEL))


def intervals(
    truth: NDArray[np.integer],
    predicted: NDArray[np.integer],
    loss: NDArray[np.floating],
    k: int,
    *,
    groups: NDArray[np.generic] | None = None,
    weights: NDArray[np.floating] | None = None,
    known: NDArray[np.bool_] | None = None,
    unit: str = "group",
) -> Intervals:
    """Limits of all figures.

    Parameters
    ----------
    truth, predicted : int arrays, shape (n,)
        Codes 0..k-1.
    loss : float array, shape (n,)
        Negative log probability of the true category.
    k : int
    groups : array, shape (n,), optional
    weights : float array, shape (n,), optional
        How many items each one stands for.
    known : bool array, shape (k,), optional
        Categories that exist, also where no judged item belongs to them: macro-F1 leaves room for
        whatever their F1 is.  By default those that occur in the truth.
    unit : str
        What a group is called in the sentence.
    """
    true: Ints = np.asarray(truth, np.int64)
    answer: Ints = np.asarray(predicted, np.int64)
    n = len(true)
    w = np.ones(n) if weights is None else np.asarray(weights, np.float64)
    member, sentence = _units(groups, n, unit)
    if n == 0:
        overall = dict.fromkeys(("accuracy", "macro_f1", "log_loss"), (float("nan"), float("nan")))
        nothing = np.full((k, 2), np.nan)
        return Intervals(
            overall, dict.fromkeys(("precision", "recall", "f1", "prevalence"), nothing), sentence
        )
    right = true == answer
    accuracy = share(right, w, member)
    category = {name: np.full((k, 2), np.nan) for name in ("precision", "recall", "f1", "prevalence")}
    f1 = np.full(k, np.nan)
    pull = np.zeros((2, n))  # of each item on the F1 of its category, and of the one it is wrongly given
    for c in range(k):
        is_c, called = true == c, answer == c
        for name, domain in (("precision", called), ("recall", is_c)):
            if domain.any():
                category[name][c] = _limits(right, w, member, domain)
        category["prevalence"][c] = _limits(is_c, w, None, np.ones(n, bool))
        either = is_c | called
        if either.any():
            found = share(right[either], w[either], None if member is None else member[either])
            f1[c] = _as_f1(found.value)
            category["f1"][c] = _as_f1(found.low), _as_f1(found.high)
            slope = 2 / (1 + found.value) ** 2
            pull[0, is_c] = slope * found.influence[is_c[either]]
            wrongly = called & ~is_c
            pull[1, wrongly] = slope * found.influence[wrongly[either]]
    occurs = np.bincount(true, minlength=k) > 0
    unseen = np.zeros(k, bool) if known is None else np.asarray(known, bool) & ~occurs
    overall = {
        "accuracy": (accuracy.low, accuracy.high),
        "macro_f1": _macro(f1, category["f1"], occurs, unseen, _correlation(pull, true, answer, k, member)),
        "log_loss": _mean_loss(np.asarray(loss, np.float64), w, member),
    }
    return Intervals(overall, category, sentence)


def _units(groups: NDArray[np.generic] | None, n: int, unit: str) -> tuple[Ints | None, str]:
    start = f"95 % intervals from the spread between {n} cells"
    if groups is None or not n:
        return None, start
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < ENOUGH_GROUPS:
        if len(names) == 1:
            return None, f"{start}: they speak for this {unit} only"
        return None, f"{start}: they speak for these {len(names)} {unit}s, too few to speak for new ones"
    return member.reshape(-1).astype(np.int64), f"95 % intervals from the spread between {len(names)} {unit}s"


def _limits(hit: NDArray[np.bool_], w: Floats, member: Ints | None, domain: NDArray[np.bool_]) -> Pair:
    found = share(hit[domain], w[domain], None if member is None else member[domain])
    return found.low, found.high


def _as_f1(jaccard: float) -> float:
    return 2 * jaccard / (1 + jaccard)


def _correlation(pull: Floats, truth: Ints, predicted: Ints, k: int, member: Ints | None) -> Floats:
    """How the F1 of the categories move together, (k, k), from item or group influences."""
    if member is None:
        both = np.bincount(truth * k + predicted, pull[0] * pull[1], k * k).reshape(k, k)
        joint = both + both.T
        own = np.bincount(truth, pull[0] ** 2, k) + np.bincount(predicted, pull[1] ** 2, k)
        np.fill_diagonal(joint, own)
    else:
        g = int(member.max()) + 1
        moved = np.bincount(member * k + truth, pull[0], g * k) + np.bincount(
            member * k + predicted, pull[1], g * k
        )
        table = moved.reshape(g, k)
        joint = table.T @ table
    spread = np.sqrt(np.diag(joint))
    scale = np.outer(spread, spread)
    out = np.where(scale > 0, joint / np.where(scale > 0, scale, 1), 0.0)
    np.fill_diagonal(out, 1.0)
    return out


def _macro(
    f1: Floats, limits: Floats, occurs: NDArray[np.bool_], unseen: NDArray[np.bool_], correlation: Floats
) -> Pair:
    if not occurs.any():
        return float("nan"), float("nan")
    mean = float(f1[occurs].mean())
    count = int(occurs.sum() + unseen.sum())
    below, above = f1[occurs] - limits[occurs, 0], limits[occurs, 1] - f1[occurs]
    together = correlation[np.ix_(occurs, occurs)]
    # Unseen categories are unknown in the same direction at worst, so their room adds up.
    free = int(unseen.sum())
    low = np.sqrt(max(0.0, below @ together @ below) + (free * mean) ** 2) / count
    high = np.sqrt(max(0.0, above @ together @ above) + (free * (1 - mean)) ** 2) / count
    return max(0.0, mean - float(low)), min(1.0, mean + float(high))


def _mean_loss(loss: Floats, w: Floats, member: Ints | None) -> Pair:
    mean = float(w @ loss / w.sum())
    if mean <= 0:
        return 0.0, 0.0
    # On the log scale, so that the lower limit stays above 0.
    factor = float(np.exp(_reach(w * (loss - mean) / w.sum(), member) / mean))
    return mean / factor, mean * factor
