"""One training as it runs: the rounds of each model chosen, the refit, progress, Stop and Cancel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import TrainingError
from . import boosting
from .machine import cuda_available
from .models import Cancelled, ModelHandle, ModelSpec, without_infinities
from .splits import Split, holdout

if TYPE_CHECKING:
    from .training import TrainingData

__all__ = ["Fitting", "Step"]

GAIN, GAIN_PART = 5e-4, 0.005  # nats, and part of the log loss, that count as progress
ROUNDS_AT_LEAST = 10  # a handful of held-out labels must not end a fit at its first round
ROUNDS_UNCHECKED = 30  # where there are too few labels to hold any out
GPU_ABOVE = 20_000  # labels; below, the transfer costs more than the device brings


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


class _Watch(Protocol):
    """Follows the rounds of one fit."""

    def restart(self) -> None:
        """Forget the rounds so far: the fit begins again."""

    def __call__(self, number: int, figures: dict[str, dict[str, float]]) -> bool:
        """Take note of a round; True ends the fit."""


class Fitting:
    """State of one training: what was chosen, what was said, how long it will take."""

    def __init__(
        self,
        data: TrainingData,
        models: list[ModelSpec],
        *,
        seed: int,
        rounds: int,
        patience: int,
        n_jobs: int,
        balanced: bool,
        fraction: float,
        device: str,
        choose: bool,
        on_step: Callable[[Step], None] | None,
        ask: Callable[[], str | None] | None,
    ) -> None:
        self.data, self.models = data, models
        self.seed, self.rounds, self.patience, self.n_jobs = seed, rounds, patience, n_jobs
        self.device, self.on_step, self.ask = device, on_step, ask
        self.history: list[dict[str, Any]] = []
        self.metrics: dict[str, dict[str, float]] = {}
        self.notes: list[str] = []
        self.stopped = False
        self.fraction = 0.0
        self.spent: list[float] = []  # seconds each finished model took

        if choose:
            self.split = holdout(data.y, data.groups, fraction, seed, unit=data.unit)
        else:
            everything, none = np.arange(len(data.y)), np.empty(0, np.int64)
            self.split = Split(everything, none, "none", "No labels were held out.")
        self.unchecked = min(rounds, ROUNDS_UNCHECKED) if choose else rounds
        X = without_infinities(data.X)
        self.present, codes = np.unique(data.y, return_inverse=True)
        codes = codes.reshape(-1).astype(np.int32)
        weight = _balanced(codes) if balanced else None
        self.all = (X, codes, weight)
        train, valid = self.split.train, self.split.valid
        self.train = (X[train], codes[train], None if weight is None else weight[train])
        # never weighted: one label of a rare category would decide the number of rounds
        self.valid = (X[valid], codes[valid], None) if len(valid) else None

    def fit_one(self, index: int) -> ModelHandle:
        """Choose the rounds of one model, then refit it on all labels."""
        model = self.models[index]
        begun = perf_counter()
        params = dict(model.params)
        if self.valid is None:
            best, chosen = None, self.unchecked
            self.metrics[model.name] = dict.fromkeys(("accuracy", "macro_f1", "log_loss"), float("nan"))
        else:
            best = _Choosing(self, index, begun)
            fitted = self._fit(model, params, self.train, self.valid, self.rounds, best)
            if model.kind == "lightgbm" and not self.stopped and self._collapsed(best):
                self.notes.append(
                    f"{model.name} learned nothing with its usual settings and was fitted again more cautiously."
                )
                params = {
                    **params,
                    "learning_rate": 0.03,
                    "min_child_samples": 1,
                    "min_sum_hessian_in_leaf": 1e-3,
                }
                self.history = [row for row in self.history if row["model"] != model.name]
                best = _Choosing(self, index, begun)
                fitted = self._fit(model, params, self.train, self.valid, self.rounds, best)
            chosen = best.round
            self.history.extend(best.rows)
            self.metrics[model.name] = best.figures
            if self.stopped:
                return self._handle(model, params, fitted.first(chosen))
        refit = _Refitting(self, index, begun, chosen, best.seconds if best else 0.0)
        final = self._fit(model, params, self.all, None, chosen, refit)
        self.spent.append(perf_counter() - begun)
        if self.stopped and best is not None and final.rounds < chosen:
            # half a refit is worse than the finished model of the first phase
            final = fitted.first(chosen)
        return self._handle(model, params, final)

    def _fit(
        self, model: ModelSpec, params: dict[str, Any], train: Any, valid: Any, rounds: int, watch: Any
    ) -> Any:
        device = self.device
        if device == "auto":
            use = model.kind == "xgboost" and len(self.data.y) > GPU_ABOVE and cuda_available()
            device = "cuda" if use else "cpu"
        if device == "cuda" and model.kind == "lightgbm":
            device = "cpu"  # the published wheels are built without CUDA
            self._say("LightGBM runs on the CPU: its published builds have no CUDA.")
        elif device == "cuda" and not cuda_available():
            device = "cpu"
            self._say("No CUDA device answers: the models were trained on the CPU.")
        settings = {
            "rounds": rounds,
            "params": params,
            "seed": self.seed,
            "n_jobs": self.n_jobs,
            "on_round": watch,
        }
        k = len(self.present)
        if device == "cuda":
            try:
                return boosting.fit(model.kind, train, valid, k, device="cuda", **settings)
            except TrainingError as error:
                self._say(f"{model.name} could not use the GPU and was trained on the CPU. {error}")
                watch.restart()
        return boosting.fit(model.kind, train, valid, k, device="cpu", **settings)

    def _say(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)

    def _collapsed(self, best: _Choosing) -> bool:
        """Whether the model is no better than always guessing the categories' shares."""
        assert self.valid is not None
        counts = np.bincount(self.train[1], minlength=len(self.present)).astype(float)
        share = counts / counts.sum()
        guess = float(-np.log(share[self.valid[1]]).mean())
        return best.figures["log_loss"] > 0.98 * guess and len(self.data.y) >= 10 * len(self.present)

    def _handle(self, model: ModelSpec, params: dict[str, Any], fitted: boosting.Fitted) -> ModelHandle:
        return ModelHandle(
            fitted,
            name=model.name,
            kind=model.kind,
            categories=self.data.categories,
            present=self.present,
            feature_names=self.data.feature_names,
            schema_hash=self.data.schema_hash,
            label_revision=self.data.label_revision,
            params=params,
        )

    def report(self, step: Step, begun: float, left_here: float) -> bool:
        """Tell the caller about a round; returns whether to end the fit.

        `left_here` is the estimate for this model alone, in seconds.
        """
        typical = float(np.mean(self.spent)) if self.spent else (perf_counter() - begun) + left_here
        remaining = left_here + typical * (step.n_models - step.model_index - 1)
        here = perf_counter() - begun
        part = here / max(here + left_here, 1e-9)
        self.fraction = max(self.fraction, min(1.0, (step.model_index + part) / step.n_models))
        if self.on_step is not None:
            self.on_step(replace(step, remaining_s=remaining, fraction=self.fraction))
        answer = self.ask() if self.ask is not None else None
        if answer == "cancel":
            raise Cancelled
        if answer == "stop":
            self.stopped = True
        return self.stopped


class _Choosing:
    """Watches the first phase of one model: keeps its history and its best round."""

    def __init__(self, work: Fitting, index: int, begun: float) -> None:
        self.work, self.index, self.begun = work, index, begun
        self.restart()

    def restart(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.round, self.figures = 1, {}
        self.lowest = np.inf
        self.mark, self.mark_round = np.inf, 0  # the last log loss that counted as progress
        self.started = perf_counter()
        self.seconds = 0.0  # per round

    round: int
    figures: dict[str, float]

    def __call__(self, number: int, figures: dict[str, dict[str, float]]) -> bool:
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


class _Refitting:
    """Watches the second phase of one model."""

    def __init__(self, work: Fitting, index: int, begun: float, rounds: int, seconds: float) -> None:
        self.work, self.index, self.begun, self.rounds, self.seconds = work, index, begun, rounds, seconds
        self.restart()

    def restart(self) -> None:
        self.started = perf_counter()

    def __call__(self, number: int, figures: dict[str, dict[str, float]]) -> bool:  # noqa: ARG002
        work = self.work
        seconds = (perf_counter() - self.started) / number
        step = Step(
            work.models[self.index].name, self.index, len(work.models), number, self.rounds, {}, 0.0, "refit"
        )
        return work.report(step, self.begun, (self.rounds - number) * seconds)


def _balanced(codes: NDArray[np.integer]) -> NDArray[np.float32]:
    """Weights that give each class the same total, with mean 1."""
    counts = np.bincount(codes)
    weight: NDArray[np.float32] = (len(codes) / (len(counts) * counts[codes])).astype(np.float32)
    return weight
