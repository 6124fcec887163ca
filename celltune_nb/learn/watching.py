"""What follows the rounds of one fit: its history and best round, how far it is, when it is done."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .fitting import Fitting

__all__ = ["Choosing", "Refitting", "Step"]

GAIN, GAIN_PART = 5e-4, 0.005  # nats, and part of the log loss, that count as progress
ROUNDS_AT_LEAST = 10  # a handful of held-out labels must not end a fit at its first round


@dataclass(frozen=True)
class Step:
    """One learning round of one model.

    Attributes
    ----------
    model : str
    model_index, n_models : int
        `model_index` counts from 0.
    step, total_steps : int
        Round (from 1) and rounds at most in this phase.
    values : dict
        Log loss "train" and "valid"; empty while refitting.
    remaining_s : float
        Estimated seconds until the whole training ends.
    phase : {"choose", "refit"}
        Choosing the number of rounds on held-out labels, or refitting on all of them.
    accuracy, macro_f1 : dict
        As `values`.
    fraction : float
        Of the whole training, in [0, 1]; never falls.
    """

    model: str
    model_index: int
    n_models: int
    step: int
    total_steps: int
    values: dict[str, float]
    remaining_s: float
    phase: str = "choose"
    accuracy: dict[str, float] = field(default_factory=dict)
    macro_f1: dict[str, float] = field(default_factory=dict)
    fraction: float = 0.0


class Choosing:
    """Watches the first phase of one model: keeps its history and its best round."""

    def __init__(self, work: Fitting, index: int, begun: float) -> None:
        self.work, self.index, self.begun = work, index, begun
        self.restart()

    def restart(self) -> None:
        """Forget the rounds so far: the fit begins again."""
        self.rows: list[dict[str, Any]] = []
        self.round, self.figures = 1, {}
        self.lowest = np.inf
        self.mark, self.mark_round = np.inf, 0  # the last log loss that counted as progress
        self.started = perf_counter()
        self.seconds = 0.0  # per round

    round: int
    figures: dict[str, float]

    def __call__(self, number: int, figures: dict[str, dict[str, float]]) -> bool:
        """Take note of a round; True ends the fit."""
        work, name = self.work, self.work.models[self.index].name
        for split, values in figures.items():
            for metric, value in values.items():
                self.rows.append(
                    {"model": name, "step": number, "split": split, "metric": metric, "value": float(value)}
                )
        loss = figures["valid"]["log_loss"]
        if number <= ROUNDS_AT_LEAST or loss < self.lowest:
            self.lowest, self.round, self.figures = loss, number, dict(figures["valid"])
        if loss < self.mark * (1 - GAIN_PART) - GAIN:
            self.mark, self.mark_round = loss, number
        self.seconds = (perf_counter() - self.started) / number
        done = work.patience > 0 and number - self.mark_round >= work.patience
        last = work.rounds if work.patience <= 0 else min(work.rounds, self.mark_round + work.patience)
        growth = len(work.all[1]) / len(work.train[1])
        left = max(0, last - number) * self.seconds + self.round * self.seconds * growth
        step = Step(
            name,
            self.index,
            len(work.models),
            number,
            work.rounds,
            {split: values["log_loss"] for split, values in figures.items()},
            0.0,
            "choose",
            {split: values["accuracy"] for split, values in figures.items()},
            {split: values["macro_f1"] for split, values in figures.items()},
        )
        return work.report(step, self.begun, left) or done


class Refitting:
    """Watches the second phase of one model."""

    def __init__(self, work: Fitting, index: int, begun: float, rounds: int) -> None:
        self.work, self.index, self.begun, self.rounds = work, index, begun, rounds
        self.restart()

    def restart(self) -> None:
        """Forget the rounds so far: the fit begins again."""
        self.started = perf_counter()

    def __call__(self, number: int, figures: dict[str, dict[str, float]]) -> bool:  # noqa: ARG002
        """Take note of a round; True ends the fit."""
        work = self.work
        seconds = (perf_counter() - self.started) / number
        step = Step(
            work.models[self.index].name, self.index, len(work.models), number, self.rounds, {}, 0.0, "refit"
        )
        return work.report(step, self.begun, (self.rounds - number) * seconds)
