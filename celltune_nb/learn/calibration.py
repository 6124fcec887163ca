"""Whether "0.8 sure" means right in 80 of 100: reliability, calibration error, temperature.

One temperature fitted on about 200 audit items brings the expected calibration error of boosters
trained on few labels below .03 (``docs/decisions/0009-intervals-and-calibration.md``).
Source: Guo et al., ICML 2017.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .metrics import TINY
from .splits import folds

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["apply_temperature", "chance", "cross_fitted", "ece", "reliability", "temperature"]

Floats = NDArray[np.floating]
RANGE = (np.log(0.05), np.log(20.0))  # of the log temperature
SPREAD = 0.4  # of the log temperature of boosters that were never calibrated: what is expected before looking


def temperature(probabilities: Floats, y: NDArray[np.integer], weights: Floats | None = None) -> float:
    """The temperature that makes probabilities fit the truth best (lowest log loss).

    Few items say little about it, and what chance says would make fair probabilities worse; so it is
    drawn towards 1 as by a normal prior on its logarithm, which 200 items all but overrule.

    Parameters
    ----------
    probabilities : float array, shape (n, k)
        Rows sum to 1.
    y : int array, shape (n,)
        True codes 0..k-1.
    weights : float array, shape (n,), optional

    Returns
    -------
    float
        Above 1 the models are too sure, below 1 not sure enough; within 0.05..20; 1 without items.
    """
    if not len(y):
        return 1.0
    logs = np.log(np.maximum(np.asarray(probabilities, np.float64), TINY))
    # an item whose category the model does not know says nothing about how sure it should be
    known = np.asarray(probabilities)[np.arange(len(y)), y] > 0
    if not known.any():
        return 1.0
    logs, truth = logs[known], np.asarray(y)[known]
    w = np.ones(len(truth)) if weights is None else np.asarray(weights, np.float64)[known]
    w = w * (w.sum() / (w**2).sum())  # their sum: as many equal items as they are worth

    def loss(log_t: float) -> float:
        scaled = logs / np.exp(log_t)
        top = scaled.max(axis=1)
        total = top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))
        return float(w @ (total - scaled[np.arange(len(truth)), truth])) + log_t**2 / (2 * SPREAD**2)

    low, high = RANGE  # the loss has one valley: golden section finds it
    ratio = (np.sqrt(5) - 1) / 2
    a, b = high - ratio * (high - low), low + ratio * (high - low)
    at_a, at_b = loss(a), loss(b)
    while high - low > 1e-4:
        if at_a <= at_b:
            high, b, at_b = b, a, at_a
            a = high - ratio * (high - low)
            at_a = loss(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + ratio * (high - low)
            at_b = loss(b)
    return float(np.exp((low + high) / 2))


def apply_temperature(probabilities: Floats, t: float | NDArray[np.floating]) -> NDArray[np.float64]:
    """Probabilities at another temperature: ``p ** (1 / t)``, normalised.  The answers stay the same.

    Parameters
    ----------
    probabilities : float array, shape (n, k)
    t : float, or float array of shape (n,)
    """
    p = np.asarray(probabilities, np.float64)
    exponent = 1 / np.broadcast_to(np.asarray(t, np.float64), (len(p),))[:, None]
    top = np.maximum(p.max(axis=1, keepdims=True), TINY)
    scaled = (p / top) ** exponent
    return scaled / scaled.sum(axis=1, keepdims=True)


def cross_fitted(
    probabilities: Floats,
    y: NDArray[np.integer],
    groups: NDArray[np.generic] | None = None,
    weights: Floats | None = None,
    *,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Calibrated probabilities, each with a temperature fitted on the other folds (by group where it can).

    What is fitted on a sample must not be judged on the same items.
    """
    p = np.asarray(probabilities, np.float64)
    if len(y) < 2:
        return p
    t = np.ones(len(y))
    for train, test in folds(y, groups, 5, seed).pairs:
        t[test] = temperature(p[train], y[train], None if weights is None else weights[train])
    return apply_temperature(p, t)


def reliability(
    probabilities: Floats, y: NDArray[np.integer], weights: Floats | None = None, bins: int = 10
) -> pd.DataFrame:
    """How often answers are right, by how sure they are.

    Returns
    -------
    DataFrame
        One row for each bin that holds items: bin (its upper edge), confidence, accuracy (weighted
        means), n (items), weight (share of the total weight).
    """
    import pandas as pd

    confidence = np.asarray(probabilities, np.float64).max(axis=1) if len(y) else np.empty(0)
    right = probabilities.argmax(axis=1) == y if len(y) else np.empty(0, bool)
    w = np.ones(len(y)) if weights is None else np.asarray(weights, np.float64)
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    mass = np.bincount(place, w, minlength=bins)
    used = np.flatnonzero((count > 0) & (mass > 0))
    return pd.DataFrame(
        {
            "bin": (used + 1) / bins,
            "confidence": np.bincount(place, w * confidence, minlength=bins)[used] / mass[used],
            "accuracy": np.bincount(place, w * right, minlength=bins)[used] / mass[used],
            "n": count[used],
            "weight": mass[used] / max(mass.sum(), 1e-300),
        }
    )


def ece(table: pd.DataFrame) -> float:
    """Expected calibration error: mean gap between confidence and accuracy of :func:`reliability`."""
    if not len(table):
        return float("nan")
    gap = (table["confidence"] - table["accuracy"]).abs()
    return float((gap * table["weight"]).sum())


def chance(probabilities: Floats, weights: Floats | None = None, bins: int = 10) -> float:
    """The expected calibration error that perfectly calibrated models would show on these items.

    Few items in a bin are never right exactly as often as stated: with 200 items that alone is some
    .03, so a measured error of .04 does not mean that the probabilities are off.
    """
    if not len(probabilities):
        return float("nan")
    confidence = np.asarray(probabilities, np.float64).max(axis=1)
    w = np.ones(len(confidence)) if weights is None else np.asarray(weights, np.float64)
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    variance = np.bincount(place, w**2 * confidence * (1 - confidence), minlength=bins)
    # the mean of |gap| when the gap of a bin is normal around 0
    return float(np.sqrt(2 / np.pi) * np.sqrt(variance).sum() / w.sum())
