"""How many cells are positive, in each slice, animal and region: counts corrected by a pooled audit, with intervals.

A classifier errs otherwise in every slice, and an audit has a handful of cells in each.  Neither a correction that is
the same for all slices nor one from each slice's own few cells will do; what lies between is small-area estimation.
Whether a cell is positive is modelled by its probability, by what it was called, and by an effect of its slice, of its
animal and where counts are asked for by region of that too::

    logit P(positive) = a + b · logit(p) + c · called + u(slice) + v(animal) + w(region)

It is fitted to the audit, each cell with its Horvitz-Thompson weight, so that over all cells the weighted residuals are
zero (as in a difference or GREG estimator) whatever the classifier does.  The effects are drawn towards zero as far as the
slices turn out to be alike; how far is not known, so the spreads are averaged over a grid by their marginal likelihood.
The interval is of the number that is really there: uncertainty of the model, of the effects of slices with few or no
audited cells, and of which cells chance made positive.  Cells with a label are counted by it.

Sources: Särndal, Swensson and Wretman, Model Assisted Survey Sampling (1992), chapter 6; Rao and Molina, Small Area
Estimation (2015), chapters 4 and 9; Pfeffermann et al., JRSS B 60 (1998) for the scaled weights.  Coverage is measured by
``python -m benchmarks.coverage``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

__all__ = ["FEWEST", "Model", "Sums", "Units", "binned", "fit", "limits", "sums"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FEWEST = 20
"""Audited cells below which nothing is corrected."""
FURTHEST = 0.002  # a probability nearer to 0 or 1 says no more than this: boosters are too sure
SPREADS = (0.1, 0.35, 0.8, 1.6, 3.0)  # of the effects, on the logit scale
COARSE = (0.1, 0.6, 2.0)
"""The same where there are three kinds of effects, and 125 fits would be too many."""
#: Scale of the half-t prior (3 degrees of freedom) of a spread, and the power of the spread that it is multiplied with, which
#: keeps it away from 0 (Chung et al., Psychometrika 78, 2013): where slices have enough audited cells, and where they have one
#: or two.  From so few the spread cannot be told from a smaller slope b, and would be taken for none.
PRIORS = ((1.0, 0.5), (2.0, 1.5))
ENOUGH = (8.0, 2.0)
"""Audited cells a slice at which the first and the second of these hold; in between, something in between."""
#: Prior mean and deviation of a, b and c: probabilities are taken to mean what they say until the audit speaks.
PRIOR = ((0.0, 2.0), (1.0, 0.7), (0.0, 1.0))
DRAWS = 600
STEP = 0.25  # width of the bins of logit(p) in which cells are counted together


@dataclass(frozen=True, eq=False)
class Units:
    """What cells have in common: numbers 0… of their slice, animal, region.

    Attributes
    ----------
    codes : list of int64 arrays, each of shape (n,)
        −1 where a cell has none.
    sizes : tuple of int
        How many there are of each.
    """

    codes: Sequence[Ints]
    sizes: tuple[int, ...]

    def part(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> Units:
        """Of some cells."""
        return Units([codes[rows] for codes in self.codes], self.sizes)


@dataclass(frozen=True, eq=False)
class Model:
    """Draws from what the audit leaves possible.

    Attributes
    ----------
    fixed : float array, shape (3, draws)
        a, b, c.
    effects : list of float arrays, each of shape (units, draws)
    n : int
        Audited cells.
    worth : float
        As many equally weighted cells.
    spreads : tuple of float
        Mean spread of each kind of effect.
    """

    fixed: Floats
    effects: list[Floats]
    n: int
    worth: float
    spreads: tuple[float, ...] = field(default=())

    def probability(self, x: Floats, called: Floats, units: Units) -> Floats:
        """Probability of being positive, (n, draws)."""
        a, b, c = self.fixed
        eta = a + np.multiply.outer(x, b) + np.multiply.outer(called, c)
        for codes, effect in zip(units.codes, self.effects, strict=True):
            there = codes >= 0
            eta[there] += effect[codes[there]]
        return np.asarray(expit(eta))


def _x(scores: NDArray[np.floating]) -> Floats:
    return np.asarray(logit(np.clip(np.asarray(scores, np.float64), FURTHEST, 1 - FURTHEST)))


def fit(
    scores: NDArray[np.floating], called: NDArray[np.bool_], truth: NDArray[np.bool_], weights: Floats, units: Units,
    *, draws: int = DRAWS, seed: int = 0,
) -> Model:  # fmt: skip
    """Learn from an audit how calls and truth hang together.

    Parameters
    ----------
    scores : float array, shape (n,)
        Probability that the classifier gave each audited cell.
    called : bool array, shape (n,)
        Whether it was called positive.
    truth : bool array, shape (n,)
    weights : float array, shape (n,)
        Cells each one stands for, 1 / inclusion probability.
    units : Units
        Of the audited cells.
    draws : int
    seed : int
    """
    x, z, y = _x(scores), called.astype(np.float64), truth.astype(np.float64)
    n = len(y)
    w = np.asarray(weights, np.float64)
    w = _scaled(x, z, y, w)
    starts = np.cumsum([len(PRIOR), *units.sizes])
    design = np.zeros((n, int(starts[-1])))
    design[:, 0], design[:, 1], design[:, 2] = 1, x, z
    for start, codes in zip(starts, units.codes, strict=False):
        there = np.flatnonzero(codes >= 0)
        design[there, start + codes[there]] = 1
    mean = np.zeros(design.shape[1])
    mean[: len(PRIOR)] = [m for m, _ in PRIOR]
    theta, found = mean.copy(), []
    grid = SPREADS if len(units.sizes) < 3 else COARSE
    each = n / max([1, *units.sizes])
    sparse = float(np.clip((ENOUGH[0] - each) / (ENOUGH[0] - ENOUGH[1]), 0, 1))
    scale, power = ((1 - sparse) * a + sparse * b for a, b in zip(*PRIORS, strict=True))
    for spreads in product(grid, repeat=len(units.sizes)):
        precision = np.concatenate(
            [
                [1 / sd**2 for _, sd in PRIOR],
                *(np.full(k, 1 / s**2) for k, s in zip(units.sizes, spreads, strict=True)),
            ]
        )
        theta, cholesky, evidence = _mode(design, y, w, mean, precision, theta)
        # the grid's steps grow as the spreads do, which is one power of them
        prior = sum(-2.0 * np.log1p((s / scale) ** 2 / 3) + power * np.log(s) for s in spreads)
        found.append((evidence + prior, theta, cholesky, spreads))
    log = np.array([one[0] for one in found])
    share = np.exp(log - log.max())
    share /= share.sum()
    rng = np.random.default_rng([seed, 41])
    chosen = np.searchsorted(np.cumsum(share), (np.arange(draws) + rng.random()) / draws)
    columns = np.empty((design.shape[1], draws))
    for place in np.unique(chosen):
        _, middle, cholesky, _ = found[min(int(place), len(found) - 1)]
        here = np.flatnonzero(chosen == place)
        noise = rng.standard_normal((len(middle), len(here)))
        columns[:, here] = middle[:, None] + np.linalg.solve(cholesky.T, noise)
    spread = tuple(float(v) for v in share @ np.array([one[3] for one in found]).reshape(len(found), -1))
    effects = [columns[a:b] for a, b in pairwise(starts)]
    return Model(columns[: len(PRIOR)], effects, n, float(w.sum()), spread)


def _scaled(x: Floats, z: Floats, y: Floats, w: Floats) -> Floats:
    """Weights of such a size that the model is as sure of the number in all as the design allows.

    The variance of that number is Σ w² v, with v = p (1 − p) what is open of a cell; a likelihood weighted by λ w takes it
    for Σ w v / λ.  An audit that favours doubtful cells is worth more than one drawn at random, and this says how much.
    """
    design = np.column_stack([np.ones(len(y)), x, z])
    mean, deviation = np.array(PRIOR).T
    plain = w * (w.sum() / (w**2).sum())
    theta, _, _ = _mode(design, y, plain, mean, deviation**-2, mean.copy())
    p = expit(design @ theta)
    v = p * (1 - p)
    return np.asarray(w * (w @ v) / (w**2 @ v))


def _mode(
    design: Floats, y: Floats, w: Floats, mean: Floats, precision: Floats, theta: Floats
) -> tuple[Floats, Floats, float]:
    """Where the posterior is highest, the Cholesky factor of its curvature there, and Laplace's log evidence."""

    def height(at: Floats) -> float:
        eta = design @ at
        return float(w @ (y * eta - np.logaddexp(0, eta)) - 0.5 * precision @ (at - mean) ** 2)

    now = height(theta)
    for _ in range(50):
        p = expit(design @ theta)
        slope = design.T @ (w * (y - p)) - precision * (theta - mean)
        curvature = (design.T * (w * p * (1 - p))) @ design
        curvature[np.diag_indices_from(curvature)] += precision
        step = np.linalg.solve(curvature, slope)
        size = 1.0
        while (after := height(theta + size * step)) < now - 1e-12 and size > 1e-6:
            size /= 2
        theta, gained, now = theta + size * step, after - now, after
        if gained < 1e-8:
            break
    p = expit(design @ theta)
    curvature = (design.T * (w * p * (1 - p))) @ design
    curvature[np.diag_indices_from(curvature)] += precision
    cholesky = np.linalg.cholesky(curvature)
    evidence = now + 0.5 * float(np.log(precision).sum()) - float(np.log(np.diag(cholesky)).sum())
    return theta, cholesky, evidence


@dataclass(frozen=True, eq=False)
class Sums:
    """Positive cells of every domain.

    Attributes
    ----------
    value, low, high : float arrays, shape (domains,)
        The number in the middle of what is possible, and limits that hold the true one with 95 %.  Those of parts need
        not add up to that of the whole.
    """

    value: Floats
    low: Floats
    high: Floats


def sums(parts: Iterable[tuple[Floats, Floats, Ints]], known: Floats, draws: int, *, seed: int = 0) -> Sums:
    """Add cells up by domain.

    Parameters
    ----------
    parts : iterable of (probability, cells, domains)
        Kinds of cells, some at a time: probability of being positive in every draw, float (m, draws); how many cells are of
        the kind, float (m,); and the domain that they are counted in, int64 (m,).
    known : float array, shape (domains,)
        Positive cells that are known to be, by their label.
    draws : int
    seed : int
    """
    from scipy.sparse import csr_matrix

    total = len(known)
    expected, variance, every = np.zeros((total, draws)), np.zeros((total, draws)), np.zeros(total)
    for probability, cells, domains in parts:
        adding = csr_matrix((cells, (domains, np.arange(len(cells)))), shape=(total, len(cells)))
        expected += adding @ probability
        variance += adding @ (probability * (1 - probability))
        every += np.bincount(domains, cells, total)
    return limits(expected, variance, every, known, seed=seed)


def limits(expected: Floats, variance: Floats, every: Floats, known: Floats, *, seed: int = 0) -> Sums:
    """What :func:`sums` makes of the moments of its cells.

    Parameters
    ----------
    expected, variance : float arrays, shape (domains, draws)
        Sum of the probabilities p of all cells of a domain, and of p (1 − p).
    every : float array, shape (domains,)
        Cells that may be positive.
    known : float array, shape (domains,)
        Positive cells that are known to be, by their label.
    seed : int
    """
    # A sum of unequal coins: the binomial of the same mean and variance.
    with np.errstate(divide="ignore", invalid="ignore"):
        trials = np.where(expected > variance, expected**2 / (expected - variance), 0.0)
    trials = np.clip(np.rint(np.nan_to_num(trials)), np.ceil(expected), 2**40).astype(np.int64)
    chance = np.where(trials > 0, expected / np.maximum(trials, 1), 0.0)
    number = np.random.default_rng([seed, 43]).binomial(trials, np.clip(chance, 0, 1))
    low, high = np.quantile(number, [0.025, 0.975], axis=1)
    # The median: of rare cells a few draws have very many, and the mean would follow those.
    value = np.median(expected, axis=1)
    return Sums(
        known + value, known + np.minimum(np.floor(low), value), known + np.minimum(np.maximum(np.ceil(high), value), every)
    )  # fmt: skip


def binned(scores: NDArray[np.floating]) -> tuple[Ints, Floats]:
    """A bin for every score, and the middle of each bin on the logit scale."""
    top = float(logit(1 - FURTHEST))
    bins = int(np.ceil(2 * top / STEP))
    place: Ints = np.minimum(((_x(scores) + top) / STEP).astype(np.int64), bins - 1)
    return place, np.asarray(-top + STEP * (np.arange(bins) + 0.5), np.float64)
