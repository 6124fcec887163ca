"""Intensities of a cell against the cells of its own image.

Slices that were stained or exposed differently differ in brightness by a factor and an offset, and a cell that is
ON in one is as bright as an OFF cell of another.  Most of the difference goes away when the intensity of a cell is
said as its distance from the median cell of the image, in units of the spread of its cells:
``(value − median) / scale``.

The scale is 1.4826 times the median absolute deviation (MAD), the standard deviation where values are normal.
Median and MAD follow the larger part of the cells, so that the few cells that are ON do not move them; where they
are more than about half of an image, they do, and the value as measured, which stays beside this one, has to tell.

* Where the MAD is 0 (more than half of the cells have the same value, as in sparse channels), the scale is 1.2533
  times the mean absolute deviation; where that is 0 too, all values are 0.
* Median and MAD of few cells are uncertain.  The scale is widened by ``n / (n − 0.8)``, which takes the bias of the
  MAD away (Croux and Rousseeuw, 1992), and by ``√(1 + 1.57 / n)`` for the uncertainty of the median.  In an image of
  fewer than 50 cells it is, beyond that, at least half of their standard deviation: a handful of cells alike by
  chance do not make every other cell extreme.  A single cell has the value 0: nothing can be said of it.

Only the cells of one image are looked at: an image that is added or replaced changes no other's values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["CONTRAST", "FEW", "PREFIX", "RELATIVE", "relative", "relative_columns"]

PREFIX = "Relative_"
CONTRAST = f"{PREFIX}Contrast"
"""Mean of the cell less the mean of the ring around it, then as the others."""

RELATIVE = (
    ("Mean", "Cell"),
    ("Median", "Cell"),
    ("P95", "Cell"),
    ("Mean", "Nucleus"),
    ("Mean", "Eroded"),
    ("Mean", "Environment"),
)
"""Statistic and compartment of the intensities that are also said relative to the image; P95 where it is measured."""

FEW = 50
"""Cells of an image below which their median and MAD are told to be rough."""

_TO_SD = 1.4826  # of normal values: standard deviation / MAD
_MEAN_TO_SD = 1.2533  # the same for the mean absolute deviation

Float32 = npt.NDArray[np.float32]


def relative_columns(
    channel: str, measured: Sequence[str] | Mapping[str, object]
) -> dict[str, tuple[str, ...]]:
    """The relative features of a channel, each with the features it is made of.

    Parameters
    ----------
    channel : str
    measured : collection of str
        Names of the features that are measured.

    Returns
    -------
    dict
        Name to the feature it restates, or to the two whose difference it restates.
    """
    made: dict[str, tuple[str, ...]] = {}
    for statistic, compartment in RELATIVE:
        name = f"{channel}__{statistic}__{compartment}"
        if name in measured:
            made[f"{channel}__{PREFIX}{statistic}__{compartment}"] = (name,)
    cell, ring = f"{channel}__Mean__Cell", f"{channel}__Mean__Dilated"
    if cell in measured and ring in measured:
        made[f"{channel}__{CONTRAST}__Cell"] = (cell, ring)
    return made


def relative(values: npt.NDArray[np.floating]) -> Float32:
    """Values of the cells of one image as distances from their median, in units of their spread.

    Parameters
    ----------
    values : float array (n,)
        NaN and infinite values stay out of median and spread, and come back as NaN.

    Returns
    -------
    float32 (n,)
    """
    exact = np.asarray(values, np.float64)
    known = np.isfinite(exact)
    out = np.full(exact.shape, np.nan, np.float32)
    some = exact[known]
    if some.size == 0:
        return out
    # the offset first: a 16-bit image of dim cells loses nothing by it
    away = some - np.median(some)
    scale = _scale(away)
    out[known] = away / scale if scale > 0 else 0.0
    return out


def _scale(away: npt.NDArray[np.float64]) -> float:
    """Spread of distances from the median; 0 where all are the same."""
    n = away.size
    if n < 2:
        return 0.0
    distance = np.abs(away)
    scale = _TO_SD * float(np.median(distance))
    if scale <= 1e-9 * float(distance.max()):
        scale = _MEAN_TO_SD * float(distance.mean())
    scale *= n / (n - 0.8) * np.sqrt(1 + 1.57 / n)
    return float(max(scale, away.std() / 2) if n < FEW else scale)
