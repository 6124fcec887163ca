"""What kind of cell a cell is for an ON/OFF model: weak or strong ON, bright or dim OFF.

Models of a marker err on ON cells that are hardly brighter than the others, and on OFF cells that are bright; which of
them says what to label next.  Brightness is relative to the image, whose staining differs from the next one's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["BRIGHT", "DIM", "KINDS", "STRONG", "WEAK", "Brightness", "Limits", "kinds", "limits", "named"]

WEAK, STRONG, BRIGHT, DIM = range(4)
KINDS = ("weak ON", "strong ON", "bright OFF", "dim OFF")

_FEWEST = 4  # ON cells from which on their quantiles say something


@dataclass(frozen=True)
class Brightness:
    """The scale of an image: the median of the marker over its cells, and their spread above it.

    Attributes
    ----------
    middle, spread : float
    """

    middle: float
    spread: float

    @classmethod
    def of(cls, signal: NDArray[np.floating]) -> Brightness:
        """Of the cells of one image, float array (n,); what is not finite is left out."""
        values = np.asarray(signal, np.float64)
        values = values[np.isfinite(values)]
        if not len(values):
            return cls(0.0, 1.0)
        low, middle = np.percentile(values, (16, 50))
        # The lower half: ON cells lie in the upper one and would stretch it.
        spread = float(middle - low) or float(values.std())
        return cls(float(middle), spread if spread > 0 else 1.0)

    def __call__(self, signal: NDArray[np.floating]) -> NDArray[np.float64]:
        """Signals in spreads above the median."""
        return np.asarray((np.asarray(signal, np.float64) - self.middle) / self.spread)


@dataclass(frozen=True)
class Limits:
    """Where weak ends and bright begins, in spreads of the image.

    Attributes
    ----------
    weak : float
        ON cells below it are weak.
    bright : float
        OFF cells from it on are bright.
    """

    weak: float
    bright: float


def limits(on: NDArray[np.floating]) -> Limits | None:
    """The limits from the brightness of labelled ON cells: their median, and the value that nine in ten exceed.

    Parameters
    ----------
    on : float array, shape (n,)
        In spreads of each cell's image.

    Returns
    -------
    Limits or None
        None with fewer than four cells.
    """
    values = np.asarray(on, np.float64)
    values = values[np.isfinite(values)]
    if len(values) < _FEWEST:
        return None
    bright, weak = np.percentile(values, (10, 50))
    return Limits(float(weak), float(bright))


def kinds(on: NDArray[np.bool_], brightness: NDArray[np.floating], at: Limits) -> NDArray[np.int64]:
    """Number in `KINDS` of each cell.

    Parameters
    ----------
    on : bool array, shape (n,)
    brightness : float array, shape (n,)
        In spreads of each cell's image.
    at : Limits
    """
    b = np.asarray(brightness, np.float64)
    return np.where(on, np.where(b < at.weak, WEAK, STRONG), np.where(b >= at.bright, BRIGHT, DIM)).astype(
        np.int64
    )


def named(kind: int, positive: str, negative: str) -> str:
    """A kind with the names that the categories have here."""
    name = positive if kind in (WEAK, STRONG) else negative
    word, other = (("weak", "faint"), ("strong", "clear"), ("bright", "intense"), ("dim", "dark"))[kind]
    # Of a category that is called "dim" itself, "dim dim cells" would say nothing.
    return f"{other if name.casefold().split()[:1] == [word] else word} {name}"
