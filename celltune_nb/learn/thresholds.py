"""Where the decision threshold lies, and what each choice gives: count, precision and recall.

A threshold by a target is chosen on judged items.  Precision and recall at the chosen place would flatter on the very
items that chose it, so they are cross-fitted: the threshold of each fold is chosen on the other folds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .intervals import Share, share
from .splits import folds

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GRID", "RULES", "Judged", "above", "at", "choose", "cross_fitted", "curve"]

Floats = NDArray[np.float64]

#: The thresholds of a curve: hundredths, and finer at both ends, where rare categories are decided.
GRID: Floats = np.unique(
    np.round(np.concatenate([[0.001, 0.002, 0.005], np.arange(1, 100) / 100, [0.995, 0.998, 0.999]]), 4)
)
RULES = ("value", "precision", "recall", "count")


@dataclass(frozen=True, eq=False)
class Judged:
    """Items whose category is known and that the models have not learned from.

    Attributes
    ----------
    scores : float array, shape (n,)
        Probability of the category in question.
    truth : bool array, shape (n,)
        Whether an item is of it.
    weights : float array, shape (n,)
        Items each one stands for.
    groups : int array, shape (n,), or None
        The independent unit.
    kind : {"audit", "out-of-fold"}
    sentence : str
        What they are, for a person.
    """

    scores: Floats
    truth: NDArray[np.bool_]
    weights: Floats
    groups: NDArray[np.int64] | None
    kind: str
    sentence: str

    def part(self, rows: NDArray[np.int64]) -> Judged:
        """Some of them."""
        groups = None if self.groups is None else self.groups[rows]
        return Judged(
            self.scores[rows], self.truth[rows], self.weights[rows], groups, self.kind, self.sentence
        )


def above(scores: NDArray[np.floating], threshold: float | Floats) -> NDArray[np.bool_]:
    """Which scores reach a threshold; compared as float32, as they are kept.  NaN never does."""
    with np.errstate(invalid="ignore"):
        return np.asarray(scores, np.float32) >= np.asarray(threshold, np.float32)


def counts_above(scores: NDArray[np.floating], grid: Floats = GRID) -> NDArray[np.int64]:
    """How many scores reach each threshold of an ascending grid."""
    known = np.asarray(scores, np.float32)
    known = known[~np.isnan(known)]
    place = np.searchsorted(grid.astype(np.float32), known, side="right")
    return np.asarray(np.bincount(place, minlength=len(grid) + 1)[::-1].cumsum()[::-1][1:], np.int64)


def at(judged: Judged, threshold: float | Floats) -> tuple[Share, Share]:
    """Precision and recall at a threshold (or at one of its own for each item), with 95 % limits."""
    called = above(judged.scores, threshold)
    return _figures(judged, called)


def _figures(judged: Judged, called: NDArray[np.bool_]) -> tuple[Share, Share]:
    truth, w, g = judged.truth, judged.weights, judged.groups

    def of(hit: NDArray[np.bool_], rows: NDArray[np.bool_]) -> Share:
        return share(hit[rows], w[rows], None if g is None else g[rows])

    return of(truth, called), of(called, truth)


def curve(scores: NDArray[np.floating], judged: Judged, grid: Floats = GRID) -> pd.DataFrame:
    """What every threshold gives.

    Parameters
    ----------
    scores : float array, shape (N,)
        Probability of the category for all items; NaN where an item was not predicted.
    judged : Judged
    grid : float array, ascending

    Returns
    -------
    DataFrame
        threshold, count (items that reach it), prevalence (their share), precision, precision_low, precision_high,
        recall, recall_low, recall_high.  Precision is NaN, between 0 and 1, where no judged item reaches a threshold.
    """
    import pandas as pd

    count = counts_above(scores, grid)
    known = int(np.count_nonzero(~np.isnan(scores)))
    rows = []
    for t in grid:
        precision, recall = at(judged, float(t))
        rows.append((precision.value, precision.low, precision.high, recall.value, recall.low, recall.high))
    names = [f"{what}{end}" for what in ("precision", "recall") for end in ("", "_low", "_high")]
    table = pd.DataFrame(rows, columns=names)
    table.insert(0, "prevalence", count / max(known, 1))
    table.insert(0, "count", count)
    table.insert(0, "threshold", grid)
    return table


def choose(judged: Judged, rule: str, target: float, scores: NDArray[np.floating] | None = None) -> float:
    """The threshold that a target asks for.

    Parameters
    ----------
    judged : Judged
    rule : {"precision", "recall", "count"}
        Of the thresholds of the grid that reach the precision, the one with the largest recall; that reach the recall,
        the one with the largest precision.  For a count the place in *scores* above which so many lie.
    target : float
    scores : float array, optional
        Of all items, for a count.

    Raises
    ------
    InputError
        No threshold reaches it; says what can be reached.
    """
    if rule == "count":
        known = np.asarray(scores, np.float32)
        known = np.sort(known[~np.isnan(known)])[::-1]
        n = int(target)
        if not 0 < n < len(known):
            raise InputError(
                f"{n:,} of {len(known):,} cells cannot be told by a threshold. Give a number in between."
            )
        here = known[n - 1]
        first, last = int(np.searchsorted(-known, -here)), int(np.searchsorted(-known, -here, side="right"))
        # Cells with one and the same score are told apart by none: whichever side is nearer to what was asked for.
        if first > 0 and n - first < last - n:
            last = first
        if last == len(known):
            return float(here)
        # between two scores, so that rounding does not move it
        middle = float(np.float32((float(known[last - 1]) + float(known[last])) / 2))
        return middle if middle > known[last] else float(known[last - 1])
    precision, recall = _points(judged)
    aim, other = (precision, recall) if rule == "precision" else (recall, precision)
    good = np.flatnonzero(np.nan_to_num(aim, nan=-1.0) >= target - 1e-12)
    if not len(good):
        best = np.nanmax(aim) if np.isfinite(aim).any() else 0.0
        raise InputError(
            f"No threshold reaches a {rule} of {target:.0%}; the best is {best:.1%}. Ask for less, or label more cells "
            "near the boundary and train again."
        )
    value = np.nan_to_num(other[good], nan=-1.0)
    best_rows = good[value >= value.max() - 1e-12]
    # of equals the one in the middle: neither side is nearer to the next item
    return float(GRID[best_rows[len(best_rows) // 2]])


def _points(judged: Judged) -> tuple[Floats, Floats]:
    """Precision and recall at every threshold of the grid, without limits."""
    place = np.searchsorted(GRID.astype(np.float32), np.asarray(judged.scores, np.float32), side="right")

    def reach(w: Floats) -> Floats:
        return np.asarray(np.bincount(place, w, len(GRID) + 1)[::-1].cumsum()[::-1][1:], np.float64)

    right, called = reach(judged.weights * judged.truth), reach(judged.weights)
    total = float(judged.weights[judged.truth].sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        return right / np.where(called > 0, called, np.nan), right / (total if total > 0 else np.nan)


def cross_fitted(judged: Judged, rule: str, target: float, seed: int = 0) -> tuple[Share, Share]:
    """Precision and recall that a target really gives: every fold is judged at the threshold of the others.

    A fold whose others cannot reach the target is judged at the threshold nearest to it.
    """
    own = np.empty(len(judged.scores))
    pairs = folds(judged.truth.astype(np.int64), judged.groups, 5, seed).pairs
    for train, test in pairs:
        part = judged.part(train)
        try:
            own[test] = choose(part, rule, target)
        except InputError:
            precision, recall = _points(part)
            aim = np.nan_to_num(precision if rule == "precision" else recall, nan=-1.0)
            own[test] = GRID[int(aim.argmax())]
    return at(judged, own)
