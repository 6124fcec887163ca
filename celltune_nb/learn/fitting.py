"""One training as it runs: the rounds of each model chosen, the refit, progress, Stop and Cancel."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import TrainingError
from . import boosting
from .machine import cuda_available
from .models import Cancelled, ModelHandle, ModelSpec, without_infinities
from .splits import Split, holdout
from .together import together
from .watching import Choosing, Refitting, Step
from .weights import label_weights

if TYPE_CHECKING:
    from .training import TrainingData

__all__ = ["Fitting", "Step"]

ROUNDS_UNCHECKED = 30  # where there are too few labels to hold any out
CHOOSE_FROM = (
    5_000  # labels that the number of rounds is chosen from: more of them hardly move it and cost time
)
GPU_ABOVE = 20_000  # labels; below, the transfer costs more than the device brings


@dataclass
class _Fitted:
    """What one model leaves behind."""

    handle: ModelHandle
    rows: list[dict[str, Any]]
    metrics: dict[str, float]
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Fitting:
    """State of one training: what was chosen, what was said, how long it will take.

    Models are fitted side by side where `threads` has more than one entry; what they report is passed on
    by the thread that called :meth:`run`, so that no caller has to know of the others.
    """

    def __init__(
        self,
        data: TrainingData,
        models: list[ModelSpec],
        *,
        seed: int,
        rounds: int,
        patience: int,
        threads: list[int],
        weights: str,
        fraction: float,
        device: str,
        choose: bool,
        on_step: Callable[[Step], None] | None,
        ask: Callable[[], str | None] | None,
    ) -> None:
        self.data, self.models = data, models
        self.seed, self.rounds, self.patience, self.threads = seed, rounds, patience, threads
        self.device, self.on_step, self.ask = device, on_step, ask
        self.history: list[dict[str, Any]] = []
        self.metrics: dict[str, dict[str, float]] = {}
        self.notes: list[str] = []
        self.seconds: dict[str, float] = {}
        self.wish: str | None = None  # "stop" or "cancel", once it was said
        self.fraction = 0.0
        self._refused: set[int] = set()  # models that the GPU would not take
        # of each model: what part of it is done, seconds left; None before it has begun
        self._part = [0.0] * len(models)
        self._left: list[float | None] = [None] * len(models)
        self._typical = 0.0  # seconds a model takes, by the latest report
        self._said: deque[Step] = deque()

        if choose:
            self.split = holdout(data.y, data.groups, fraction, seed, unit=data.unit)
        else:
            everything, none = np.arange(len(data.y)), np.empty(0, np.int64)
            self.split = Split(everything, none, "none", "No labels were held out.")
        self.unchecked = min(rounds, ROUNDS_UNCHECKED) if choose else rounds
        X = without_infinities(data.X)
        self.present, codes = np.unique(data.y, return_inverse=True)
        codes = codes.reshape(-1).astype(np.int32)
        weight = label_weights(codes, weights)
        if data.balance is not None:
            category, share = data.balance
            weight = _balanced(weight, np.asarray(data.y) == category, share)
        self.all = (X, codes, weight)
        train, valid = self.split.train, self.split.valid
        if len(train) > CHOOSE_FROM:
            train = _sample(train, codes, CHOOSE_FROM, seed)
        self.train = (X[train], codes[train], None if weight is None else weight[train])
        # never weighted: one label of a rare category would decide the number of rounds
        self.valid = (X[valid], codes[valid], None) if len(valid) else None

    @property
    def stopped(self) -> bool:
        """Whether Stop was asked for."""
        return self.wish == "stop"

    def run(self) -> list[ModelHandle]:
        """Fit the models.

        Returns
        -------
        list of ModelHandle
            In the order of the models, whichever was done first; after Stop only those that had begun.
        """
        for model in self.models:
            # here, not in the threads: two that import at once can see each other's half-loaded modules
            boosting.load(model.kind)
        calls = [partial(self._fit_one, index) for index in range(len(self.models))]
        made = together(calls, len(self.threads), listen=self._pass_on, give_up=self._give_up)
        done = [fitted for fitted in made if fitted is not None]
        for fitted in done:
            self.history += fitted.rows
            self.metrics[fitted.handle.name] = fitted.metrics
            self.seconds[fitted.handle.name] = fitted.seconds
            self.notes = list(dict.fromkeys(self.notes + fitted.notes))
        return [fitted.handle for fitted in done]

    def _give_up(self) -> None:
        self.wish = "cancel"

    def _fit_one(self, index: int) -> _Fitted | None:
        """Choose the rounds of one model, then refit it on all labels; None when Stop came first."""
        if self.wish == "cancel":
            raise Cancelled
        if self.stopped and index:
            return (
                None  # but a Stop before anything leaves one round of the first: there is something to keep
            )
        model, begun, notes = self.models[index], perf_counter(), list[str]()
        params = dict(model.params)
        if self.valid is None:
            best, chosen = None, self.unchecked
            figures = dict.fromkeys(("accuracy", "macro_f1", "log_loss"), float("nan"))
        else:
            best = Choosing(self, index, begun)
            fitted = self._fit(index, params, self.train, self.valid, self.rounds, best, notes)
            if model.kind == "lightgbm" and not self.stopped and self._collapsed(best):
                notes.append(
                    f"{model.name} learned nothing with its usual settings and was fitted again more cautiously."
                )
                params = {
                    **params,
                    "learning_rate": 0.03,
                    "min_child_samples": 1,
                    "min_sum_hessian_in_leaf": 1e-3,
                }
                best = Choosing(self, index, begun)
                fitted = self._fit(index, params, self.train, self.valid, self.rounds, best, notes)
            chosen, figures = best.round, best.figures
            if self.stopped:
                return self._made(model, params, fitted.first(chosen), best, figures, notes, begun)
        refit = Refitting(self, index, begun, chosen)
        final = self._fit(index, params, self.all, None, chosen, refit, notes)
        if self.stopped and best is not None and final.rounds < chosen:
            # half a refit is worse than the finished model of the first phase
            final = fitted.first(chosen)
        return self._made(model, params, final, best, figures, notes, begun)

    def _fit(
        self, index: int, params: dict[str, Any], train: Any, valid: Any, rounds: int, watch: Any, notes: list[str]
    ) -> Any:  # fmt: skip
        model, device = self.models[index], self.device
        if device == "auto":
            use = model.kind == "xgboost" and len(self.data.y) > GPU_ABOVE and cuda_available()
            device = "cuda" if use else "cpu"
        if device == "cuda" and model.kind == "lightgbm":
            device = "cpu"  # the published wheels are built without CUDA
            notes.append("LightGBM runs on the CPU: its published builds have no CUDA.")
        elif device == "cuda" and not cuda_available():
            device = "cpu"
            notes.append("No CUDA device answers: the models were trained on the CPU.")
        settings = {
            "rounds": rounds,
            "params": params,
            "seed": self.seed,
            "n_jobs": self.threads[index % len(self.threads)],
            "on_round": watch,
        }
        k = len(self.present)
        if device == "cuda" and index not in self._refused:
            try:
                fitted = boosting.fit(model.kind, train, valid, k, device="cuda", **settings)
            except TrainingError as error:  # none, busy, or too little of its memory free
                why = boosting.gpu_trouble(error)
                notes.append(f"{model.name} could not use the GPU and was trained on the CPU. {why}.")
                watch.restart()
                self._refused.add(index)
            else:
                if fitted.device != "cuda":
                    notes.append(f"{model.name} could not use the GPU and was trained on the CPU.")
                    self._refused.add(index)
                return fitted
        return boosting.fit(model.kind, train, valid, k, device="cpu", **settings)

    def _collapsed(self, best: Choosing) -> bool:
        """Whether the model is no better than always guessing the categories' shares."""
        assert self.valid is not None
        counts = np.bincount(self.train[1], minlength=len(self.present)).astype(float)
        share = counts / counts.sum()
        guess = float(-np.log(share[self.valid[1]]).mean())
        return best.figures["log_loss"] > 0.98 * guess and len(self.data.y) >= 10 * len(self.present)

    def _made(
        self, model: ModelSpec, params: dict[str, Any], fitted: boosting.Fitted, best: Choosing | None,
        figures: dict[str, float], notes: list[str], begun: float,
    ) -> _Fitted:  # fmt: skip
        handle = ModelHandle(
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
        return _Fitted(handle, best.rows if best is not None else [], figures, notes, perf_counter() - begun)

    def report(self, step: Step, begun: float, left: float) -> bool:
        """Take note of a round of one model; returns whether to end its fit.

        Parameters
        ----------
        step : Step
        begun : float
            When the model was begun (`perf_counter`).
        left : float
            Seconds left for this model alone.
        """
        here = perf_counter() - begun
        self._part[step.model_index] = here / max(here + left, 1e-9)
        self._left[step.model_index] = left
        self._typical = here + left
        self._said.append(step)
        if len(self.threads) == 1:
            self._pass_on()
        if self.wish == "cancel":
            raise Cancelled
        return self.stopped

    def _pass_on(self) -> None:
        """Tell the caller what was reported since, and ask what he wants."""
        while self._said:
            step = self._said.popleft()
            begun = [left for left in self._left if left is not None]
            waiting = (len(self._left) - len(begun)) * self._typical
            remaining = max(*begun, (sum(begun) + waiting) / len(self.threads))
            self.fraction = max(self.fraction, min(1.0, sum(self._part) / len(self._part)))
            if self.on_step is not None:
                self.on_step(replace(step, remaining_s=remaining, fraction=self.fraction))
        if self.wish != "cancel" and self.ask is not None:
            self.wish = self.ask() or self.wish


def _sample(rows: NDArray[np.int64], codes: NDArray[np.integer], n: int, seed: int) -> NDArray[np.int64]:
    """Some rows at random, ascending; at least five of each category, or all it has."""
    order = np.random.default_rng([seed, 29]).permutation(rows)
    place = np.empty(len(order), np.int64)  # of each row among those of its category
    by_category = np.argsort(codes[order], kind="stable")
    counts = np.bincount(codes[order])
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    place[by_category] = np.arange(len(order)) - starts
    first = np.argsort(place >= 5, kind="stable")
    return np.sort(order[first[:n]])


def _balanced(
    weight: NDArray[np.float32] | None, of: NDArray[np.bool_], share: float
) -> NDArray[np.float32] | None:
    """Weights, with mean 1, of which a category has a given share; as they were where only it, or none of it, is there."""
    if of.all() or not of.any():
        return weight
    scaled = np.ones(len(of)) if weight is None else weight.astype(np.float64)
    scaled = np.where(of, scaled * share / scaled[of].sum(), scaled * (1 - share) / scaled[~of].sum())
    return np.asarray(scaled * len(of), np.float32)
