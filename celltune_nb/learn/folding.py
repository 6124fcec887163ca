"""Probabilities of every labelled item from models that have not learned from its group."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import TrainingError
from . import boosting
from .machine import side_by_side
from .models import Cancelled, ModelSpec
from .problems import problems
from .splits import Folds, folds
from .together import together
from .training import fit_models, named
from .weights import DEFAULT_WEIGHTS

if TYPE_CHECKING:
    from .training import TrainingData

__all__ = ["OutOfFold", "out_of_fold"]


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """What cross-validation leaves behind.

    Attributes
    ----------
    probabilities : dict
        Model → float32 array (n, k).
    folds : Folds
    unseen : int64 array
        Codes that some fold had to predict without having learned them.
    """

    probabilities: dict[str, NDArray[np.float32]]
    folds: Folds
    unseen: NDArray[np.int64]


def out_of_fold(
    data: TrainingData,
    specs: Sequence[ModelSpec | str],
    *,
    rounds: Mapping[str, int] | None = None,
    k: int = 5,
    seed: int = 0,
    n_jobs: int | None = None,
    weights: str = DEFAULT_WEIGHTS,
    progress: Callable[[float, str], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> OutOfFold:
    """Cross-validate models by group; see :func:`celltune_nb.learn.evaluation.evaluate_out_of_fold`.

    Raises
    ------
    TrainingError
        The labels cannot be learned from.
    Cancelled
    """
    errors = [
        p for p in problems(data.y, data.categories, data.groups, unit=data.unit) if p.severity == "error"
    ]
    if errors:
        raise TrainingError(errors[0].text)
    models = named([ModelSpec(spec) if isinstance(spec, str) else spec for spec in specs])
    y = np.asarray(data.y)
    cut = folds(y, data.groups, k, seed, unit=data.unit)
    out = {model.name: np.zeros((len(y), len(data.categories)), np.float32) for model in models}
    given_up: list[bool] = []
    finished: list[int] = []

    def ask() -> str | None:
        if len(threads) == 1 and stop is not None and stop():
            given_up.append(True)
        return "cancel" if given_up else None

    def fit(i: int, model: ModelSpec) -> None:
        train, test = cut.pairs[i]
        part = replace(data, X=data.X[train], y=y[train], groups=np.asarray(data.groups)[train])
        if ask():
            raise Cancelled
        if len(np.unique(part.y)) < 2:
            out[model.name][test, part.y[0]] = 1.0
        else:
            fixed = None if rounds is None else rounds.get(model.name)
            result = fit_models(
                part,
                [model],
                seed=seed,
                rounds=fixed,
                n_jobs=threads[0],
                weights=weights,
                stop=ask,
                choose=fixed is None,
            )
            out[model.name][test] = result.handles[0].predict_proba(data.X[test], n_jobs=threads[0])
        finished.append(i)

    def listen() -> None:
        if stop is not None and stop():
            raise Cancelled
        if progress is not None:
            done = len(finished)
            i, j = divmod(min(done, len(calls) - 1), len(models))
            progress(done / len(calls), f"fold {i + 1} of {len(cut.pairs)}: {models[j].name}")

    calls = [partial(fit, i, model) for i in range(len(cut.pairs)) for model in models]
    for model in models:
        boosting.load(model.kind)  # not in the threads: two at once can see each other's half-loaded modules
    threads = side_by_side(len(calls), len(y), n_jobs)
    together(calls, len(threads), listen=listen, give_up=lambda: given_up.append(True))
    unseen = [np.setdiff1d(y[test], y[train]) for train, test in cut.pairs]
    if progress is not None:
        progress(1.0, "judging")
    return OutOfFold(out, cut, np.unique(np.concatenate(unseen)).astype(np.int64))
