"""Intervals by bootstrap, over groups where there are enough of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Intervals", "bootstrap"]

ENOUGH_GROUPS = 5  # resampling fewer groups gives intervals that mean nothing
REPLICATES = 1_000
CHUNK = 4_000_000  # resampled weights in memory at a time
Pair = tuple[float, float]


@dataclass(frozen=True)
class Intervals:
    """95 % intervals of overall and per-category figures.

    Attributes
    ----------
    overall : dict
        "accuracy", "macro_f1", "log_loss" → (low, high).
    category : dict
        "precision", "recall", "f1", "prevalence" → float array (k, 2).
    sentence : str
        What was resampled.
    """

    overall: dict[str, Pair]
    category: dict[str, NDArray[np.float64]]
    sentence: str


def bootstrap(
    truth: NDArray[np.integer],
    predicted: NDArray[np.integer],
    loss: NDArray[np.floating],
    k: int,
    *,
    groups: NDArray[np.generic] | None = None,
    weights: NDArray[np.floating] | None = None,
    seed: int = 0,
    replicates: int = REPLICATES,
    unit: str = "group",
) -> Intervals:
    """Resample groups (items where there are fewer than five groups) and take the middle 95 %.

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
    seed, replicates : int
    unit : str
        What a group is called in the sentence.

    Notes
    -----
    Where every answer is right (or wrong) resampling finds no variation; accuracy then gets the
    Wilson bound for the effective number of items.
    """
    n = len(truth)
    rng = np.random.default_rng([seed, 31])
    w = np.ones(n) if weights is None else np.asarray(weights, np.float64)
    member = None
    if groups is not None and n:
        names, member = np.unique(np.asarray(groups), return_inverse=True)
        member = member.reshape(-1) if len(names) >= ENOUGH_GROUPS else None
    units = n if member is None else len(names)
    sentence = (
        f"95 % intervals by bootstrap over {units} items (fewer than {ENOUGH_GROUPS} {unit}s)"
        if member is None
        else f"95 % intervals by bootstrap over {units} {unit}s"
    )
    nothing = np.full((k, 2), np.nan)
    if n == 0:
        overall = dict.fromkeys(("accuracy", "macro_f1", "log_loss"), (float("nan"), float("nan")))
        return Intervals(
            overall, dict.fromkeys(("precision", "recall", "f1", "prevalence"), nothing), sentence
        )

    pair = np.asarray(truth, np.int64) * k + predicted
    order = np.argsort(pair, kind="stable")
    used, start = np.unique(pair[order], return_index=True)
    sorted_w, sorted_loss = w[order], np.asarray(loss, np.float64)[order]
    sorted_member = None if member is None else member[order]
    confusion = np.zeros((replicates, k * k))
    losses = np.empty(replicates)
    step = max(1, CHUNK // n)
    for first in range(0, replicates, step):
        size = min(step, replicates - first)
        times = rng.multinomial(units, np.full(units, 1 / units), size=size)
        mass = (times if sorted_member is None else times[:, sorted_member]) * sorted_w
        confusion[first : first + size, used] = np.add.reduceat(mass, start, axis=1)
        total = mass.sum(axis=1)
        losses[first : first + size] = (mass @ sorted_loss) / np.where(total > 0, total, np.nan)
    figures = _figures(confusion.reshape(replicates, k, k))
    overall = {name: _middle(figures[name]) for name in ("accuracy", "macro_f1")}
    overall["log_loss"] = _middle(losses)
    if overall["accuracy"][0] == overall["accuracy"][1]:
        effective = float(w.sum() ** 2 / (w**2).sum())
        overall["accuracy"] = _wilson(float(figures["accuracy"][0]), effective)
    category = {
        name: np.array([_middle(figures[name][:, c]) for c in range(k)]).reshape(k, 2)
        for name in ("precision", "recall", "f1", "prevalence")
    }
    return Intervals(overall, category, sentence)


def _figures(confusion: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    hit = np.diagonal(confusion, axis1=1, axis2=2)
    support, called = confusion.sum(2), confusion.sum(1)
    total = confusion.sum((1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        f1 = 2 * hit / (support + called)
        counted = np.where(support > 0, f1, 0.0).sum(1) / (support > 0).sum(1)
        return {
            "accuracy": hit.sum(1) / total,
            "macro_f1": counted,
            "precision": hit / called,
            "recall": hit / support,
            "f1": f1,
            "prevalence": support / total[:, None],
        }


def _middle(values: NDArray[np.float64]) -> Pair:
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def _wilson(share: float, n: float) -> Pair:
    """Wilson's 95 % interval of a share."""
    z = 1.96
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return float(max(0.0, middle - half)), float(min(1.0, middle + half))
