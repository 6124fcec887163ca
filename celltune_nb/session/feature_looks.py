"""A look at single features: how they are distributed, and whether they give an answer away."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .checks import number, whole_number
from .transforms import suggested

if TYPE_CHECKING:
    from .session import Session

__all__ = ["FeatureLook", "look", "warnings"]

#: Cells of which the order and the images are looked at for leaks.
LOOKED_AT = 5_000
#: Part of the cells that may lie beyond each end of a histogram.
TAIL = 0.001


@dataclass(frozen=True, eq=False)
class FeatureLook:
    """The distribution of a feature.

    Attributes
    ----------
    name, unit : str
    image : str or None
        None: all cells.
    counts : ndarray of int64, shape (bins,)
    edges : ndarray of float64, shape (bins + 1,)
        On the scale, arcsinh(value / cofactor) where there is one; the first and last bin hold what lies beyond.
    cofactor : float or None
    n, missing : int
        Cells with a value, and without.
    low, median, high : float
        Smallest, middle and largest value as measured.
    suggested : float
        A cofactor that suits these values.
    """

    name: str
    unit: str
    image: str | None
    counts: NDArray[np.int64]
    edges: NDArray[np.float64]
    cofactor: float | None
    n: int
    missing: int
    low: float
    median: float
    high: float
    suggested: float


def look(session: Session, name: str, image: str | None, cofactor: float | None, bins: int) -> FeatureLook:
    """See :meth:`celltune_nb.Session.look_at_feature`."""
    bins = whole_number(bins, "The number of bins", 2)
    source = session.active_features()
    values = np.asarray(source.column(name))
    if image is not None:
        rows = session.table.of_image(session.image_number(image))
        values = values[rows.start : rows.stop]
    if cofactor is None:
        scale = source.cofactors.get(name)
    else:
        given = number(cofactor, "The cofactor")
        if not (math.isfinite(given) and given >= 0):
            raise InputError(f"{given} is no cofactor. Give a number above 0, such as 5, or 0 for none.")
        scale = given or None
    known = values[np.isfinite(values)].astype(np.float64)
    unit = source.units[source.names.index(name)]
    if not len(known):
        nothing = float("nan")
        return FeatureLook(
            name, unit, image, np.zeros(bins, np.int64), np.linspace(0, 1, bins + 1), scale, 0, len(values),
            nothing, nothing, nothing, 1.0,
        )  # fmt: skip
    shown = np.arcsinh(known / scale) if scale else known
    low, high = np.quantile(shown, [TAIL, 1 - TAIL]) if len(shown) > 2 / TAIL else (shown.min(), shown.max())
    if not high > low:
        low, high = low - 0.5, high + 0.5
    counts, edges = np.histogram(np.clip(shown, low, high), bins, (low, high))
    return FeatureLook(
        name, unit, image, counts.astype(np.int64), edges, scale, len(known), len(values) - len(known),
        float(known.min()), float(np.median(known)), float(known.max()), suggested(known.astype(np.float32)),
    )  # fmt: skip


def warnings(session: Session) -> list[str]:
    """See :meth:`celltune_nb.Session.feature_warnings`."""
    from ..learn.leaks import leak_alarm

    source = session.active_features()
    if not len(source):
        return leak_alarm([source.names[i] for i in source.columns])
    rows = np.arange(0, len(source), -(-len(source) // LOOKED_AT))
    return leak_alarm(
        [source.names[i] for i in source.columns], source.rows(rows), images=session.table.images[rows]
    )
