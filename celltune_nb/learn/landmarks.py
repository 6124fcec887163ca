"""Landmark cells: those that clearly are of a type, judged by its marker expression alone.

Each marker's values are split in two, positive and negative; the distance to the border, in units of the distance between
the two, is the cell's margin.  An expression's margin is the smallest of what ``&`` joins, the largest of what ``|`` joins,
and the negative of what ``!`` stands before (fuzzy logic, Zadeh 1965), so a cell is as clear as its least clear marker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data.expressions import Name, parse

__all__ = ["CLEAR", "Split", "choose", "cofactor_of", "margin", "split_marker"]

#: Margin from which on a cell is clear: halfway from the border to the middle of its side.
CLEAR = 0.5
#: Values that the two parts are learned from; more do not move the border.
SAMPLE = 6_000
#: Items of an image or group below which its own border is not learned.
FEW = 200
#: Distance of the two parts in units of their spread (Ashman, Bird and Zepf 1994) below which they are one.
APART = 2.0


@dataclass(frozen=True, eq=False)
class Split:
    """A marker's values in two parts.

    Attributes
    ----------
    margin : ndarray of float32, shape (n,)
        0 at the border, 1 in the middle of the positive part, -1 in that of the negative; NaN without a value.
    positive : float
        Share of items above the border.
    apart : float
        How far the two parts lie apart; below 2 they are hardly two.
    threshold : float
        The border in the feature's unit, for all items together.
    """

    margin: NDArray[np.float32]
    positive: float
    apart: float
    threshold: float


def cofactor_of(values: NDArray[np.floating]) -> float:
    """A cofactor for arcsinh(value / cofactor) that keeps the background linear and compresses the positives.

    The median of the values other than 0; 1 where there is none.
    """
    known = np.abs(values[np.isfinite(values) & (values != 0)])
    return float(np.median(known)) if len(known) else 1.0


def split_marker(
    values: NDArray[np.floating],
    units: NDArray[np.integer],
    rng: np.random.Generator,
    cofactor: float | None = None,
) -> Split:
    """Split a marker's values in two, image by image where these differ.

    Two normal distributions are fitted to arcsinh(value / cofactor) of all items; the border lies where both are equally
    likely.  An image (or group) with enough items takes a border of its own when its two parts lie well apart.

    Parameters
    ----------
    values : ndarray of float, shape (n,)
    units : ndarray of int, shape (n,)
        The image or group of each item.
    cofactor : float, optional
        By default :func:`cofactor_of` the values.
    """
    cofactor = cofactor or cofactor_of(values)
    z = np.arcsinh(np.asarray(values, np.float64) / cofactor)
    known = np.flatnonzero(np.isfinite(z))
    if len(known) < 10 or np.ptp(z[known]) == 0:
        return Split(np.full(len(z), np.nan, np.float32), 0.0, 0.0, float("nan"))
    border, low, high, apart = _two_parts(z[known], rng)
    result = np.full(len(z), np.nan)
    scale = max((high - low) / 2, 1e-6)
    result[known] = (z[known] - border) / scale
    for unit in np.unique(units[known]).tolist():
        rows = known[units[known] == unit]
        if FEW <= len(rows) < len(known):
            own, own_low, own_high, own_apart = _two_parts(z[rows], rng)
            # An image without positives would have its background split: its border has to be a plausible one.
            if own_apart >= APART and low < own < high:
                result[rows] = (z[rows] - own) / max((own_high - own_low) / 2, 1e-6)
    positive = float(np.mean(result[known] > 0))
    return Split(result.astype(np.float32), positive, apart, float(np.sinh(border) * cofactor))


def _two_parts(z: NDArray[np.float64], rng: np.random.Generator) -> tuple[float, float, float, float]:
    """Border, the middles of the two parts, and how far they lie apart."""
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    part = z if len(z) <= SAMPLE else rng.choice(z, SAMPLE, replace=False)
    # Begun at the ends: a rare positive part would be overlooked by a start from the bulk.
    ends = np.percentile(part, [25, 99])[:, None]
    variance = max(float(part.var()), 1e-9)
    model = GaussianMixture(
        2, means_init=ends, weights_init=[0.5, 0.5], precisions_init=np.full((2, 1, 1), 4 / variance),
        init_params="random_from_data", reg_covar=1e-4 * variance, random_state=0, max_iter=200,
    )  # fmt: skip
    with threadpool_limits(1):  # threads cost more than they bring on so few numbers
        model.fit(part[:, None])
    order = np.argsort(model.means_[:, 0])
    low, high = model.means_[order, 0].tolist()
    spread = np.sqrt(model.covariances_[order, 0, 0])
    line = np.linspace(low, high, 512)
    likely = model.predict_proba(line[:, None])[:, order[1]]
    border = float(line[min(int(np.argmax(likely >= 0.5)) if (likely >= 0.5).any() else 511, 511)])
    apart = float(np.sqrt(2) * (high - low) / max(float(np.hypot(*spread)), 1e-9))
    return border, low, high, apart


def margin(expression: str, margins: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """How clearly each item satisfies an expression.

    Parameters
    ----------
    expression : str
        Over the keys of *margins*.
    margins : mapping of str to ndarray of float32, shape (n,)
        See :attr:`Split.margin`.

    Returns
    -------
    ndarray of float32, shape (n,)
        Above 0: satisfied.  NaN where a marker has no value.
    """

    def value(name: Name) -> NDArray[np.float32]:
        return margins[name.text]

    return parse(expression).evaluate(value, np.minimum, np.maximum, lambda m: np.asarray(-m))


def choose(
    margins: NDArray[np.float32], images: NDArray[np.integer], free: NDArray[np.bool_], per_type: int,
    said: Callable[[int, str], object], *, specific: NDArray[np.integer], clear: float = CLEAR,
) -> list[NDArray[np.int64]]:  # fmt: skip
    """The clearest items of each type, spread over the images.

    Parameters
    ----------
    margins : ndarray of float32, shape (types, n)
    images : ndarray of int, shape (n,)
    free : ndarray of bool, shape (n,)
        Items that may be chosen.
    per_type : int
    said : callable
        Told the number of a type and why it has fewer.
    specific : ndarray of int, shape (types,)
        How many markers a type names: an item that satisfies several types is of the one that names most, and of none
        where two name as many.

    Returns
    -------
    list of ndarray of int64
        Row positions, the clearest first, one array a type.
    """
    satisfied = margins > 0
    level = np.where(satisfied, specific[:, None], -1)
    most = level.max(axis=0)
    alone = (level == most).sum(axis=0) == 1
    chosen = []
    for number, own in enumerate(margins):
        here = satisfied[number]
        ours = here & (level[number] == most) & alone
        clear_rows = np.flatnonzero(ours & free & (own >= clear))
        rows = _spread(clear_rows, own[clear_rows], images[clear_rows], per_type)
        if len(rows) < per_type:
            said(number, _why(here, ours, free, own >= clear, len(rows)))
        chosen.append(rows)
    return chosen


def _why(
    here: NDArray[np.bool_],
    ours: NDArray[np.bool_],
    free: NDArray[np.bool_],
    clear: NDArray[np.bool_],
    found: int,
) -> str:
    if not here.any():
        return "no cell satisfies its marker expression"
    if not ours.any():
        n = int(here.sum())
        return (
            f"all {n:,} cells that satisfy it satisfy another type as well"
            if n > 1
            else "the one cell that satisfies it satisfies another type as well"
        )
    if not (ours & clear).any():
        n = int(ours.sum())
        return (
            f"{n:,} cells satisfy it, none of them clearly" if n > 1 else "one cell satisfies it, not clearly"
        )
    if not found:
        return f"all {int((ours & clear).sum()):,} clear cells are labelled already or belong to the audit sample"
    return f"{int((ours & clear & free).sum()):,} clear cells are all there are"


def _spread(
    rows: NDArray[np.int64], margins: NDArray[np.float32], images: NDArray[np.integer], n: int
) -> NDArray[np.int64]:
    """At most *n* rows: the clearest of every image, then the second clearest of every image, and so on."""
    order = np.lexsort((-margins, images))
    grouped = images[order]
    starts = np.flatnonzero(np.r_[True, grouped[1:] != grouped[:-1]]) if len(order) else np.empty(0, np.int64)
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    turns = np.lexsort((-margins[order], rank))
    return rows[order[turns[:n]]]
