"""What a prediction rests on: the features that drove it, gathered by marker, and the labelled items most like it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Likeness", "by_marker", "for_category", "in_words"]

#: Standard deviations up to which a difference in one feature counts: one outlier decides nothing.
REACH = 5.0


def for_category(contributions: NDArray[np.floating], code: int) -> NDArray[np.float64]:
    """What speaks for one category rather than for the others.

    Parameters
    ----------
    contributions : float array, shape (k, f)
        Of one item: SHAP values of every category's raw score, as
        :meth:`celltune_nb.learn.models.ModelHandle.contributions` gives them.
    code : int

    Returns
    -------
    float64 array, shape (f,)
        Log-odds.  With three categories or more a raw score means nothing by itself, since the same may be added to
        all: the mean of the other categories is taken off.
    """
    values = np.asarray(contributions, np.float64)
    if len(values) < 3:
        return values[code]
    return values[code] - np.delete(values, code, axis=0).mean(axis=0)


def by_marker(values: NDArray[np.floating], markers: Sequence[str]) -> dict[str, float]:
    """Contributions added up by marker, the largest in size first.

    Parameters
    ----------
    values : float array, shape (f,)
    markers : sequence of str
        The marker of each feature.
    """
    total: dict[str, float] = {}
    for marker, value in zip(markers, values, strict=True):
        total[marker] = total.get(marker, 0.0) + float(value)
    return dict(sorted(total.items(), key=lambda pair: -abs(pair[1])))


def in_words(features: Mapping[str, float], count: int = 4) -> tuple[str, str]:
    """What speaks for and what speaks against, such as ``"CD8 mean +1.9, CD3 mean +0.7"``.

    Parameters
    ----------
    features : mapping of str to float
        Feature in words → contribution.
    count : int
        Named at most, of each kind; those below a twentieth of the largest are left out.
    """
    ordered = sorted(features.items(), key=lambda pair: -abs(pair[1]))
    least = 0.05 * abs(ordered[0][1]) if ordered else 0.0
    worth = [(name, value) for name, value in ordered if abs(value) > max(least, 1e-6)]
    speaks = [f"{name} {value:+.1f}" for name, value in worth if value > 0][:count]
    against = [f"{name} {value:+.1f}".replace("-", "−") for name, value in worth if value < 0][:count]
    return ", ".join(speaks), ", ".join(against)


@dataclass(frozen=True, eq=False)
class Likeness:
    """Labelled items in a space where every feature counts the same.

    Attributes
    ----------
    rows : float32 array, shape (n, f)
        Scaled; what is missing is 0, the middle.
    middle, spread : float32 arrays, shape (f,)
    """

    rows: NDArray[np.float32]
    middle: NDArray[np.float32]
    spread: NDArray[np.float32]

    @classmethod
    def of(cls, X: NDArray[np.float32]) -> Likeness:
        """Scale labelled rows by their mean and standard deviation, shape (n, f)."""
        clean = np.where(np.isfinite(X), X, np.nan).astype(np.float32)
        there = np.isfinite(clean)
        count = np.maximum(there.sum(axis=0), 1)
        filled = np.where(there, clean, 0)
        middle = filled.sum(axis=0, dtype=np.float64) / count
        spread = np.sqrt((np.where(there, clean - middle, 0) ** 2).sum(axis=0) / count)
        # A feature that is the same everywhere tells nothing apart.
        spread = np.where(spread > 1e-9, spread, np.inf)
        made = cls(
            np.empty((0, X.shape[1]), np.float32), middle.astype(np.float32), spread.astype(np.float32)
        )
        return cls(made.scaled(clean), made.middle, made.spread)

    def scaled(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rows in this space."""
        values = (np.where(np.isfinite(X), X, np.nan) - self.middle) / self.spread
        return np.clip(np.nan_to_num(values), -REACH, REACH).astype(np.float32)

    def nearest(self, row: NDArray[np.float32], n: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Places of the *n* nearest labelled items, nearest first, and their distance.

        The distance is the root mean square difference a feature, in standard deviations.
        """
        away = np.sqrt(np.mean((self.rows - self.scaled(row[None])) ** 2, axis=1, dtype=np.float64))
        n = min(n, len(away))
        first = np.argpartition(away, n - 1)[:n] if n else np.empty(0, np.int64)
        first = first[np.argsort(away[first], kind="stable")]
        return first.astype(np.int64), away[first]
