"""Samplers that ask where the models are unsure: functions ``(pool, n, rng) → Proposal``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import NotReadyError
from .pool import Pool, Proposal, check_size

__all__ = [
    "answers",
    "asked_for",
    "best_rows",
    "close_calls",
    "disagreement",
    "entropy",
    "margin",
    "mistakes",
    "scored",
    "two_best",
]

Rows = NDArray[np.int64]

ALTERNATIVE = 0.25  # of the best probability: a second category that may well be the right one


def scored(
    pool: Pool, n: int, rng: np.random.Generator
) -> tuple[Rows, NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    """Candidate rows that were predicted, their mean probabilities, two best columns and these values."""
    check_size(n)
    rows = pool.candidates(n, rng)
    p = pool.mean(rows)
    good = np.isfinite(p).all(axis=1)
    if not good.all():
        rows, p = rows[good], p[good]
    if p.shape[1] < 2:
        raise NotReadyError("The models know one category only. Label a second one and train again.")
    two, values = two_best(p)
    return rows, p, two, values


def two_best(p: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The two most probable columns of each row, the best first, and their values; both of shape (n, 2)."""
    two = np.argpartition(-p, 1, axis=1)[:, :2]
    values = np.take_along_axis(p, two, axis=1)
    swap = values[:, 0] < values[:, 1]
    two[swap], values[swap] = two[swap][:, ::-1], values[swap][:, ::-1]
    return two, values


def asked_for(pool: Pool, k: int, two: NDArray[np.int64], values: NDArray[np.float32]) -> NDArray[np.int64]:
    """The category that a label of each item would serve: of its two best the one with fewer labels.

    The second counts only where it is a real alternative, at least a quarter as probable as the first.
    A rare category is often nobody's first answer; a quota by first answers would never ask for it.

    Parameters
    ----------
    pool : Pool
    k : int
        Number of categories.
    two, values : arrays, shape (n, 2)
        The two best columns of each item, and their probabilities.

    Returns
    -------
    int64 array, shape (n,)
    """
    weight = pool.class_weights(k)
    first, second = two[:, 0], two[:, 1]
    second_needs_it = (weight[second] > weight[first]) & (values[:, 1] >= ALTERNATIVE * values[:, 0])
    return np.where(second_needs_it, second, first)


def best_rows(score: NDArray[np.floating], n: int) -> Rows:
    """Rows of the `n` highest scores, highest first; ties in row order."""
    n = min(n, len(score))
    if n == 0:
        return np.empty(0, np.int64)
    if n < len(score):
        limit = np.partition(score, len(score) - n)[len(score) - n]
        above, tied = np.flatnonzero(score > limit), np.flatnonzero(score == limit)
        rows = np.concatenate([above, tied[: n - len(above)]])
    else:
        rows = np.arange(len(score))
    return rows[np.argsort(-score[rows], kind="stable")]


def close_calls(pool: Pool, two: NDArray[np.int64], values: NDArray[np.float32]) -> list[str]:
    """Why an item is a close call: its two best categories with their probabilities."""
    return [
        f"a close call: {pool.name(a)} {p:.2f} / {pool.name(b)} {q:.2f}"
        for (a, b), (p, q) in zip(two.tolist(), values.tolist(), strict=True)
    ]


def margin(pool: Pool, n: int, rng: np.random.Generator) -> Proposal:
    """Items whose two most likely categories are closest.  Score: 1 − their difference, 0..1."""
    rows, _, two, values = scored(pool, n, rng)
    score = 1 - (values[:, 0] - values[:, 1])
    best = best_rows(score, n)
    reason = close_calls(pool, two[best], values[best])
    return pool.propose(rows[best], score[best], reason, "margin", len(rows) / max(1, len(pool)))


def entropy(pool: Pool, n: int, rng: np.random.Generator) -> Proposal:
    """Items whose probabilities are most spread out.  Score: entropy / log k, 0..1."""
    rows, p, two, values = scored(pool, n, rng)
    score = -(p * np.log(np.maximum(p, 1e-12))).sum(axis=1) / np.log(p.shape[1])
    best = best_rows(score, n)
    reason = [
        f"the models hesitate between several: {pool.name(a)} {q:.2f}, {pool.name(b)} {r:.2f}"
        for (a, b), (q, r) in zip(two[best].tolist(), values[best].tolist(), strict=True)
    ]
    return pool.propose(rows[best], score[best], reason, "entropy", len(rows) / max(1, len(pool)))


def answers(
    pool: Pool, rows: Rows
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Probabilities of the first two models for some rows, and the category each of them says.

    Raises
    ------
    NotReadyError
        Fewer than two models have predicted.
    """
    if len(pool.probabilities) < 2:
        raise NotReadyError("Disagreement needs two models. Train two, or sample by 'quota_margin'.")
    first, second = (np.asarray(p[rows], np.float32) for p in pool.probabilities[:2])
    return first, second, first.argmax(axis=1), second.argmax(axis=1)


def disagreement(pool: Pool, n: int, rng: np.random.Generator) -> Proposal:
    """Items on which the first two models differ most.

    Score: total variation distance of their probabilities (0..1), plus 1 where their answers differ.

    Raises
    ------
    NotReadyError
        Fewer than two models have predicted.
    """
    rows, _, _, _ = scored(pool, n, rng)
    first, second, a, b = answers(pool, rows)
    score = np.abs(first - second).sum(axis=1) / 2 + (a != b)
    best = best_rows(score, n)
    reason = []
    for row in best.tolist():
        u, v = int(a[row]), int(b[row])
        if u != v:
            text = f"the models disagree: {pool.name(u)} {first[row, u]:.2f} / {pool.name(v)} {second[row, v]:.2f}"
        else:
            text = (
                f"the models are not equally sure: {pool.name(u)} {first[row, u]:.2f} / {second[row, u]:.2f}"
            )
        reason.append(text)
    return pool.propose(rows[best], score[best], reason, "disagreement", len(rows) / max(1, len(pool)))


def mistakes(pool: Pool, n: int, rng: np.random.Generator) -> Proposal:
    """Items whose prediction is most likely wrong, for error mining: those to look at and correct first.

    Score: 1 − the probability of the predicted category, 0..1.  It is the chance of a mistake as far as
    the models know; where both are sure and wrong, only a look at random items finds it.
    """
    rows, _, two, values = scored(pool, n, rng)
    score = 1 - values[:, 0]
    best = best_rows(score, n)
    reason = [
        f"probably a mistake: called {pool.name(a)} with {p:.2f} only"
        if p < 0.5
        else f"perhaps a mistake: called {pool.name(a)} with {p:.2f}"
        for a, p in zip(two[best, 0].tolist(), values[best, 0].tolist(), strict=True)
    ]
    return pool.propose(rows[best], score[best], reason, "mistakes", len(rows) / max(1, len(pool)))
