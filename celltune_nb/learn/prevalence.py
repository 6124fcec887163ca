"""How many cells of each category there are: counted predictions, corrected by the audit.

A classifier that is right in nine of ten cells can still count a rare category three times over.
The audit knows how often a prediction is right; the number of predictions is known for every cell.
So the share of a category is estimated as (share predicted so) × (of those, the share that is right)
+ (share predicted otherwise) × (of those, the share that is of it after all), which needs about a
third of the audit labels that a count by the audit's truth alone would need.

Source: post-stratified estimation of areas from a map and a reference sample; Olofsson et al.,
Remote Sensing of Environment 148 (2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .intervals import share

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Census", "prevalence", "raw_prevalence"]

Floats = NDArray[np.float64]
COLUMNS = ("raw", "corrected", "low", "high", "raw_count", "count")


@dataclass(frozen=True, eq=False)
class Census:
    """What is known of all cells, beside the audit.

    Attributes
    ----------
    predicted : float array, shape (k,)
        Predictions of each category among all cells.
    drawable : float array, shape (k,)
        The same among the cells that could have come into the audit.
    labelled : float array, shape (k,)
        Labels of each category among the others; their category needs no estimate.
    """

    predicted: Floats
    drawable: Floats
    labelled: Floats

    def first(self, k: int) -> Census:
        """Of the first k categories."""
        return Census(self.predicted[:k], self.drawable[:k], self.labelled[:k])

    def padded(self, k: int) -> Census:
        """With zeros for further categories, k in all."""
        return Census(
            *(np.pad(part, (0, k - len(part))) for part in (self.predicted, self.drawable, self.labelled))
        )


def prevalence(
    truth: NDArray[np.integer],
    predicted: NDArray[np.integer],
    weights: NDArray[np.floating],
    categories: Sequence[str],
    census: Census | None = None,
) -> pd.DataFrame:
    """Shares and counts of the categories, with 95 % intervals for the cells of this project.

    Parameters
    ----------
    truth, predicted : int arrays, shape (n,)
        Codes of the audited items.
    weights : float array, shape (n,)
        Items each one stands for.
    categories : sequence of str
    census : Census, optional
        Without it the audit's own weights have to do, and the intervals are about twice as wide.

    Returns
    -------
    DataFrame
        Index category.  raw: share of the predictions; corrected, low, high: share of the truth, its
        estimate and limits; raw_count: predictions; count: corrected × items.  The corrected shares
        sum to 1; counts are NaN without a census.
    """
    import pandas as pd

    k = len(categories)
    w = np.asarray(weights, np.float64)
    if census is None:
        raw = np.bincount(predicted, w, k) / w.sum()
        found = [share(truth == c, w) for c in range(k)]
        shares = np.array([[s.value, s.low, s.high] for s in found]).reshape(k, 3)
        counts, items = np.full(k, np.nan), float("nan")
    else:
        items = float(census.predicted.sum())
        raw, counts = census.predicted / max(items, 1), census.predicted
        drawable = float(census.drawable.sum())
        part = _of_drawable(truth, predicted, w, census.drawable / max(drawable, 1), k)
        known = float(census.labelled.sum())
        shares = (part * drawable + census.labelled[:, None]) / max(drawable + known, 1)
    values = (raw, *shares.T, counts, shares[:, 0] * items)
    return pd.DataFrame(
        dict(zip(COLUMNS, values, strict=True)), index=pd.Index(list(categories), name="category")
    )


def raw_prevalence(categories: Sequence[str], census: Census | None = None) -> pd.DataFrame:
    """The same table where nothing can correct the counts."""
    import pandas as pd

    nothing = np.full(len(categories), np.nan)
    counts = nothing if census is None else census.predicted
    raw = counts / max(float(counts.sum()), 1) if census is not None else nothing
    return pd.DataFrame(
        dict(zip(COLUMNS, (raw, nothing, nothing, nothing, counts, nothing), strict=True)),
        index=pd.Index(list(categories), name="category"),
    )


def _of_drawable(
    truth: NDArray[np.integer], predicted: NDArray[np.integer], w: Floats, drawable: Floats, k: int
) -> Floats:
    """Value, low and high of each share, (k, 3), among the cells that could have been drawn."""
    weighed = np.bincount(predicted, w, k)
    sampled = weighed > 0
    # Weights that reproduce the known numbers of predictions, as far as the audit has any of them.
    fitted = w * np.where(sampled, drawable / np.where(sampled, weighed, 1), 0.0)[predicted]
    missed = np.where(sampled, 0.0, drawable)  # predictions the audit has none of: taken as they are
    value = np.bincount(truth, fitted, k) + missed
    out = np.empty((k, 3))
    for c in range(k):
        called = predicted == c
        inside, outside = share(truth[called] == c, w[called]), share(truth[~called] == c, fitted[~called])
        r = float(drawable[c])
        hits = inside.value if sampled[c] else 1.0
        others = outside.value if np.isfinite(outside.value) else 0.0
        below = np.hypot(r * (hits - inside.low), (1 - r) * (others - outside.low))
        above = np.hypot(r * (inside.high - hits), (1 - r) * (outside.high - others))
        out[c] = value[c], max(0.0, value[c] - below), min(1.0, value[c] + above)
    return out
