"""How long a training will take on this machine, from a few rounds of each model on part of the labels.

The time of a round grows with labels, features and categories, differently for each library and machine, so it is
measured: some rounds on two numbers of labels tell what a round costs and how it grows, and how long the preparation is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from . import boosting
from .fitting import CHOOSE_FROM
from .models import ModelSpec, without_infinities
from .training import MANY, PATIENCE, PATIENCE_MANY, ROUNDS

if TYPE_CHECKING:
    from .training import TrainingData

__all__ = ["Cost", "measured", "seconds_for", "typical_rounds"]

#: Labels that are timed at most.
TIMED = 4_000
#: Rounds that are timed, and seconds after which no more are begun.
ROUNDS_AT_LEAST, ROUNDS_AT_MOST, LONG_ENOUGH = 4, 40, 0.25
#: Rounds that models take until patience begins, where no training has told yet: 40–110, 100–300, 90–130 were seen.
TYPICAL = {"xgboost": 70, "catboost": 190, "lightgbm": 100}
#: What a round costs on average of what the first ones cost: trees that have less left to learn are smaller.
LATER = {"xgboost": 0.55, "catboost": 1.1, "lightgbm": 0.85}
#: Part of the labels that is held out to choose the number of rounds.
HELD_OUT = 0.25
#: What a round of the refit, which judges nothing, costs of one that does.
REFIT = 0.85


@dataclass(frozen=True)
class Cost:
    """What a model's fit costs.

    Attributes
    ----------
    start : float
        Seconds before the first round, a label.
    fixed : float
        Seconds a round, whatever the number of labels.
    each : float
        Seconds a round and label.
    """

    start: float
    fixed: float
    each: float

    def seconds(self, labels: int, rounds: float) -> float:
        """Of one fit."""
        return self.start * labels + rounds * (self.fixed + self.each * labels)


def measured(
    data: TrainingData, kind: str, *, params: Mapping[str, object] | None = None, n_jobs: int = 1, seed: int = 0,
    clock: Callable[[], float] = perf_counter, stop: Callable[[], bool] | None = None,
) -> Cost:  # fmt: skip
    """Time a few rounds of one model.

    Parameters
    ----------
    data : TrainingData
        At most 4,000 of its rows are used, each category among them.
    kind : {"xgboost", "catboost", "lightgbm"}
    clock : callable
        Seconds; the processor's own time where a busy machine must not count.
    stop : callable, optional
        Polled between fits; True ends with what is known.
    """
    spec = ModelSpec(kind, dict(params or {}))
    _, codes = np.unique(data.y, return_inverse=True)
    codes = codes.reshape(-1).astype(np.int32)
    k = int(codes.max()) + 1
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(codes))
    first = np.unique(codes[order], return_index=True)[1]  # one of each category
    order = np.concatenate([order[first], np.delete(order, first)])
    many = min(len(order), TIMED)
    few = max(k, many // 4)
    X = without_infinities(data.X[np.sort(order[:many])])
    y = codes[np.sort(order[:many])]
    some = np.sort(np.concatenate([np.unique(y, return_index=True)[1], rng.permutation(many)[:few]]))
    some = np.unique(some)

    def fit(rows: NDArray[np.int64] | slice) -> tuple[float, float]:
        """Seconds before the first round is over, and of a round after it."""
        part = (X[rows], y[rows], None)
        held_out = (part[0][::3], part[1][::3], None)  # a quarter of all, as in a training
        begun = clock()
        marks: list[float] = []

        def on_round(number: int, _: object) -> bool:
            marks.append(clock())
            return number >= ROUNDS_AT_LEAST and (marks[-1] - begun > LONG_ENOUGH or number >= ROUNDS_AT_MOST)

        boosting.fit(
            kind, part, held_out, k, rounds=ROUNDS_AT_MOST, params=spec.params, seed=seed, n_jobs=n_jobs, on_round=on_round
        )  # fmt: skip
        return marks[0] - begun, (marks[-1] - marks[0]) / max(len(marks) - 1, 1)

    fit(some)  # what is only paid once: libraries and their threads
    first_round, a_round = fit(slice(None))
    start = max(first_round - a_round, 0.0) / many
    if (stop is not None and stop()) or len(some) >= 0.8 * many:
        return Cost(start, 0.0, a_round / many)
    _, small = fit(some)
    each = float(np.clip((a_round - small) / (many - len(some)), 0, a_round / many))
    return Cost(start, max(a_round - each * many, 0.0), each)


def typical_rounds(kind: str, labels: int, chosen: Sequence[int] = ()) -> int:
    """Rounds that a model will take: the median of what former trainings chose, else what is usual."""
    return int(np.median(chosen)) if len(chosen) else min(TYPICAL[kind], max(30, labels))


def seconds_for(
    kind: str,
    cost: Cost,
    labels: int,
    chosen: float,
    *,
    rounds: int | None = None,
    patience: int | None = None,
) -> float:
    """Seconds that choosing the rounds and the refit take together.

    Parameters
    ----------
    kind : {"xgboost", "catboost", "lightgbm"}
    cost : Cost
    labels : int
    chosen : float
        Rounds that are expected to be best.
    rounds, patience : int, optional
        As in :func:`celltune_nb.learn.training.fit_models`.
    """
    most = rounds or ROUNDS
    wait = patience if patience is not None else PATIENCE if labels < MANY else PATIENCE_MANY
    best = min(chosen, most)
    tried = most if wait <= 0 else min(most, best + wait)
    later = LATER[kind]
    learned = min(round(labels * (1 - HELD_OUT)), CHOOSE_FROM)
    return cost.seconds(learned, later * tried) + REFIT * cost.seconds(labels, later * best)
