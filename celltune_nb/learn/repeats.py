"""Whether a second look gives the same answer: Cohen's kappa of answers given twice, with an interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .intervals import share
from .metrics import kappa

__all__ = ["Repeats", "repeats"]


@dataclass(frozen=True)
class Repeats:
    """Agreement of two answers to the same question.

    Attributes
    ----------
    n : int
        Items answered twice.
    agreement : float
        Share answered alike; NaN without items.
    kappa : float
        Agreement beyond chance; 1 is perfect, 0 what chance gives.
    low, high : float
        95 % interval of kappa.
    who : str
        Whose answers are compared.
    """

    n: int
    agreement: float
    kappa: float
    low: float
    high: float
    who: str = ""

    def __str__(self) -> str:
        if not self.n:
            return "No cell was answered twice yet."
        return (
            f"{self.agreement:.0%} of {self.n:,} answered alike; kappa {self.kappa:.2f} "
            f"[{self.low:.2f}, {self.high:.2f}]"
        )


def repeats(first: NDArray[np.integer], second: NDArray[np.integer], who: str = "") -> Repeats:
    """Compare two answers to each of n items.

    The interval carries Wilson's limits of the share answered alike over to kappa, with the agreement by chance taken
    as it is in these items; it stays open where all were answered alike, as a bootstrap's does not.  In 2,000 trials each
    of 20 to 200 items it held the true kappa in 92 to 97 of 100.

    Parameters
    ----------
    first, second : int arrays, shape (n,)
        Codes.
    who : str
    """
    _, codes = np.unique(np.concatenate([first, second]), return_inverse=True)
    a, b = np.split(codes.reshape(-1).astype(np.int64), 2)
    n = len(a)
    if not n:
        return Repeats(0, float("nan"), float("nan"), float("nan"), float("nan"), who)
    found = share(a == b, np.ones(n))
    k = int(codes.max()) + 1
    chance = float(np.bincount(a, minlength=k) @ np.bincount(b, minlength=k)) / n**2
    if chance >= 1:  # one category only: nothing is left that chance would not give
        return Repeats(n, found.value, kappa(a, b), float("nan"), float("nan"), who)
    low, high = ((limit - chance) / (1 - chance) for limit in (found.low, found.high))
    return Repeats(n, found.value, kappa(a, b), low, high, who)
