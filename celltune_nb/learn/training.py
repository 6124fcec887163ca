"""From labelled feature rows to fitted models: rounds chosen on held-out groups, then a refit on everything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, TrainingError
from .fitting import Fitting, Step
from .machine import side_by_side, threads_for
from .models import Cancelled, ModelHandle, ModelSpec
from .problems import Problem, problems
from .splits import Split
from .weights import DEFAULT_WEIGHTS, WEIGHTS

__all__ = [
    "DEFAULT_WEIGHTS",
    "WEIGHTS",
    "Cancelled",
    "Problem",
    "Step",
    "TrainingData",
    "TrainingResult",
    "fit_models",
    "problems",
]

ROUNDS = 300
PATIENCE, PATIENCE_MANY = 25, 10  # few held-out labels judge a round poorly
MANY = 5_000


@dataclass(frozen=True)
class TrainingData:
    """An immutable snapshot of what a training learns from.

    Attributes
    ----------
    X : float32 array, shape (n, f)
        Features of the labelled items; NaN is missing.
    y : int array, shape (n,)
        Codes 0..k-1 into `categories` ("Unknown" and excluded categories are left out).
    groups : array, shape (n,)
        The independent unit of each item (donor, slide, else image).
    categories, feature_names : tuple of str
    schema_hash : str
    label_revision : int
    unit : str
        What a group is called in sentences.
    balance : (int, float), optional
        A category and its share of the whole training weight, 0–1, on top of `weights`; None leaves the labels as they are.
    """

    X: NDArray[np.float32]
    y: NDArray[np.integer]
    groups: NDArray[Any]
    categories: tuple[str, ...]
    feature_names: tuple[str, ...]
    schema_hash: str = ""
    label_revision: int = 0
    unit: str = "group"
    balance: tuple[int, float] | None = None

    def __post_init__(self) -> None:
        n = len(self.X)
        if self.X.ndim != 2 or self.X.shape[1] != len(self.feature_names):
            raise InputError(
                f"The features have shape {self.X.shape}, with {len(self.feature_names)} names. Measure the items again."
            )
        if len(self.y) != n or len(self.groups) != n:
            raise InputError(
                f"{n} feature rows came with {len(self.y)} labels and {len(self.groups)} groups."
            )
        if n and not 0 <= self.y.min() <= self.y.max() < len(self.categories):
            raise InputError(
                f"Label codes must lie in 0..{len(self.categories) - 1}, the {len(self.categories)} categories."
            )


@dataclass(frozen=True)
class TrainingResult:
    """What a training leaves behind.

    Attributes
    ----------
    handles : list of ModelHandle
        In the order of the specifications.  After Stop only the models that had begun.
    history : list of dict
        model, step, split ("train" | "valid"), metric ("log_loss" | "accuracy" | "macro_f1"), value.
    metrics : dict
        Model → accuracy, macro_f1, log_loss on the held-out labels at the chosen round.  They chose
        the rounds, so they flatter; :mod:`celltune_nb.learn.evaluation` gives the honest figures.
    split : Split
    stopped : bool
    seconds : float
    notes : tuple of str
        Sentences a person should see: a fallback, a retry.
    rounds : dict
        Model → chosen rounds.
    model_seconds : dict
        Model → how long its fits took, other models beside it.
    """

    handles: list[ModelHandle]
    history: list[dict[str, Any]]
    metrics: dict[str, dict[str, float]]
    split: Split
    stopped: bool
    seconds: float
    notes: tuple[str, ...] = ()
    rounds: dict[str, int] = field(default_factory=dict)
    model_seconds: dict[str, float] = field(default_factory=dict)


def fit_models(
    data: TrainingData,
    specs: Sequence[ModelSpec | str],
    *,
    seed: int = 0,
    rounds: int | None = None,
    patience: int | None = None,
    n_jobs: int | None = None,
    weights: str = DEFAULT_WEIGHTS,
    holdout_fraction: float = 0.25,
    device: str = "auto",
    choose: bool = True,
    on_step: Callable[[Step], None] | None = None,
    stop: Callable[[], str | None] | None = None,
) -> TrainingResult:
    """Fit each model: choose its rounds on held-out groups, then refit on all labels with that number.

    The models are fitted side by side where more than one core is usable.  Each learns as it would alone, so
    that the order in which they finish changes nothing.

    Parameters
    ----------
    data : TrainingData
    specs : sequence of ModelSpec or kind names
    seed : int
        Decides the split and the models' random choices: the same seed gives the same models.
    rounds : int, optional
        Learning rounds at most, by default 300.
    patience : int, optional
        Rounds without progress before a model is done, by default 25, or 10 from 5,000 labels on; 0 always
        runs all `rounds`.
    n_jobs : int, optional
        Threads altogether; None: every usable core, less one where there are more than two.  They are first
        shared among the models, which are fitted side by side; what is left speeds up each of them on
        5,000 labels and more.  1: one model after the other.
    weights : {"auto", "sqrt", "none", "balanced"}
        Total weight of a category: the square root of its number of labels, that number, or the same for all.  "auto"
        is the square root, and with two categories passes over to the number as they get more labels.
    holdout_fraction : float
        Of the labels that choose the number of rounds.
    device : {"auto", "cpu", "cuda"}
        "auto": the CPU, except XGBoost on more than 20,000 labels with a usable CUDA device.
    choose : bool
        False: no labels are held out; every model learns from all of them for exactly `rounds` rounds.
    on_step : callable, optional
        Called for every round, always from the calling thread.
    stop : callable, optional
        Polled after every round, always from the calling thread.  "stop" keeps the best so far (a model that was
        still choosing its rounds has learned from labels that were not held out, at most 5,000); "cancel" raises.

    Returns
    -------
    TrainingResult

    Raises
    ------
    TrainingError
        The labels cannot be learned from (see :func:`problems`), or a library refused.
    Cancelled
    """
    started = perf_counter()
    errors = [
        p for p in problems(data.y, data.categories, data.groups, unit=data.unit) if p.severity == "error"
    ]
    if errors:
        raise TrainingError(errors[0].text)
    if not _varies(data.X):
        raise TrainingError(
            "No feature differs between the labelled items, so there is nothing to learn from. "
            "Measure the items again, or choose other features."
        )
    if weights not in WEIGHTS:
        raise InputError(f"weights={weights!r} is not known. Choose 'auto', 'sqrt', 'none' or 'balanced'.")
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"device={device!r} is not known. Choose 'auto', 'cpu' or 'cuda'.")
    if rounds is not None and rounds < 1:
        raise InputError(f"rounds={rounds} leaves nothing to learn. Ask for at least 1.")
    if not 0 < holdout_fraction < 1:
        raise InputError(f"holdout_fraction={holdout_fraction} must lie between 0 and 1, for example 0.25.")
    models = named([ModelSpec(spec) if isinstance(spec, str) else spec for spec in specs])
    if not models:
        raise InputError("No model was asked for. Name at least one, for example 'xgboost'.")
    # two models at a time may not both fit into the memory of one device
    alone = [threads_for(len(data.y), n_jobs)]
    threads = alone if device == "cuda" else side_by_side(len(models), len(data.y), n_jobs)
    work = Fitting(
        data,
        models,
        seed=seed,
        rounds=rounds or ROUNDS,
        patience=patience if patience is not None else PATIENCE if len(data.y) < MANY else PATIENCE_MANY,
        threads=threads,
        weights=weights,
        fraction=holdout_fraction,
        device=device,
        choose=choose,
        on_step=on_step,
        ask=stop,
    )
    handles = work.run()
    return TrainingResult(
        handles,
        work.history,
        work.metrics,
        work.split,
        work.stopped,
        perf_counter() - started,
        tuple(work.notes),
        {handle.name: handle.rounds for handle in handles},
        dict(work.seconds),
    )


def _varies(X: NDArray[np.float32]) -> bool:
    finite = np.isfinite(X)
    low = np.where(finite, X, np.inf).min(axis=0)
    high = np.where(finite, X, -np.inf).max(axis=0)
    return bool(((low < high) | (finite.any(axis=0) & ~finite.all(axis=0))).any())


def named(models: list[ModelSpec]) -> list[ModelSpec]:
    """Give every model a name of its own."""
    taken: dict[str, int] = {}
    named = []
    for model in models:
        name = model.name or model.kind
        taken[name] = taken.get(name, 0) + 1
        named.append(replace(model, name=name if taken[name] == 1 else f"{name} {taken[name]}"))
    return named
