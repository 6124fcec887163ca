"""How far two sets of predictions agree: two models, or one model before and after a round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..data.amounts import percent
from ..errors import InputError
from .metrics import confusion_counts, kappa

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Agreement", "Churn", "agreement", "churn"]


@dataclass(frozen=True, eq=False)
class Agreement:
    """Where two models give the same answer.

    Attributes
    ----------
    table : DataFrame
        Rows: answers of the first model; columns: of the second; counts (or weights).
    rate : float
        Share of items with the same answer.
    by_category : DataFrame
        Index category; `row` (of the items the first model calls so, the share on which the second
        agrees) and `column` (the other way round); NaN where there is none.
    """

    table: pd.DataFrame
    rate: float
    by_category: pd.DataFrame


def agreement(
    first: NDArray[np.integer],
    second: NDArray[np.integer],
    categories: Sequence[str],
    weights: NDArray[np.floating] | None = None,
) -> Agreement:
    """Compare the answers of two models.

    Parameters
    ----------
    first, second : int arrays, shape (n,)
        Codes 0..k-1; an item with a negative code (not predicted) in either is left out.
    categories : sequence of str
    weights : float array, shape (n,), optional
    """
    import pandas as pd

    first, second = np.asarray(first), np.asarray(second)
    both = (first >= 0) & (second >= 0)
    w = None if weights is None else np.asarray(weights)[both]
    counts = confusion_counts(first[both], second[both], len(categories), w)
    same, total = np.diagonal(counts), counts.sum()
    index = pd.Index(list(categories), name="category")
    with np.errstate(invalid="ignore", divide="ignore"):
        rows, columns = same / counts.sum(1), same / counts.sum(0)
    return Agreement(
        pd.DataFrame(counts, index=pd.Index(index, name="first"), columns=pd.Index(index, name="second")),
        float(same.sum() / total) if total else float("nan"),
        pd.DataFrame({"row": rows, "column": columns}, index=index),
    )


@dataclass(frozen=True, eq=False)
class Churn:
    """What changed between two rounds.

    Attributes
    ----------
    n : int
        Items compared.
    rows : int64 array
        Rows whose answer changed.
    fraction : float
        Their share.
    kappa : float
        Agreement beyond chance; .975 and more in three rounds is one sign that enough is labelled.
    sentence : str
    """

    n: int
    rows: NDArray[np.int64]
    fraction: float
    kappa: float
    sentence: str


def churn(
    before: NDArray[np.integer],
    after: NDArray[np.integer],
    *,
    new_labels: int | None = None,
    missing: int = -1,
) -> Churn:
    """Compare the predictions of two rounds.

    Parameters
    ----------
    before, after : int arrays, shape (n,)
        One code an item, in the same order.
    new_labels : int, optional
        Labels given between the rounds, for the sentence.
    missing : int
        Code of an item without a prediction; it is left out (0 for population codes, "Unknown").

    Raises
    ------
    InputError
        The arrays differ in length.
    """
    before, after = np.asarray(before), np.asarray(after)
    if before.shape != after.shape:
        raise InputError(
            f"{len(before)} predictions cannot be compared with {len(after)}. Give the same items."
        )
    both = (before != missing) & (after != missing)
    rows = np.flatnonzero(both & (before != after))
    n = int(both.sum())
    fraction = len(rows) / n if n else float("nan")
    codes = np.concatenate([before[both], after[both]]).astype(np.int64)
    if n:
        # Numbered anew by counting: codes of pairs lie in the ten thousands, and sorting millions takes a second.
        codes -= codes.min()
        codes = (np.cumsum(np.bincount(codes) > 0) - 1)[codes]
    agreed = kappa(codes[:n], codes[n:])
    who = "The last round" if new_labels is None else f"The last {new_labels} labels"
    sentence = f"{who} changed {percent(fraction)} of {n:,} predictions." if n else "Nothing to compare yet."
    return Churn(n, rows, fraction, agreed, sentence)
