"""What more labels would bring."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import TrainingError
from .metrics import scores
from .models import Cancelled, ModelSpec
from .splits import Split, holdout
from .training import fit_models

if TYPE_CHECKING:
    import pandas as pd

    from .training import TrainingData

__all__ = ["learning_curve"]


def learning_curve(
    data: TrainingData,
    specs: Sequence[ModelSpec | str],
    *,
    sizes: Sequence[int] | None = None,
    repeats: int = 2,
    rounds: Mapping[str, int] | None = None,
    seed: int = 0,
    n_jobs: int | None = None,
    progress: Callable[[float, str], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> pd.DataFrame:
    """Train on growing parts of the labels and judge on others: held-out groups, or labels at random where there are none.

    Parameters
    ----------
    data : TrainingData
    specs : sequence of ModelSpec or kind names
    sizes : sequence of int, optional
        Labels learned from; by default an eighth, a quarter, half and all of those not held out.
    repeats : int
        Held-out splits; the figures are their means.
    rounds : mapping, optional
        Model → rounds; without it each fit chooses its own.
    seed : int
    n_jobs : int, optional
    progress : callable, optional
    stop : callable, optional
        True raises Cancelled.

    Returns
    -------
    DataFrame
        labels, accuracy, macro_f1, log_loss (of the models' mean), repeats; ``judged_on`` says in a few words what was
        held out ("held-out donors", "labels held out at random"), ``split`` in a sentence.

    Raises
    ------
    TrainingError
        Too few labels to hold any out.
    Cancelled
    """
    import pandas as pd

    y = np.asarray(data.y)
    found: dict[int, list[dict[str, float]]] = {}
    splits: list[Split] = []
    for repeat in range(repeats):
        split = holdout(y, data.groups, 0.25, seed + repeat, unit=data.unit)
        if not len(split.valid):
            raise TrainingError(f"{len(y)} labels are too few for a learning curve. Label more first.")
        splits.append(split)
        order = _nested(y[split.train], np.random.default_rng([seed, repeat, 41]))
        asked = sizes or [max(2, len(split.train) // part) for part in (8, 4, 2)] + [len(split.train)]
        steps = sorted({min(int(size), len(split.train)) for size in asked})
        for i, size in enumerate(steps):
            if stop is not None and stop():
                raise Cancelled
            if progress is not None:
                progress((repeat + i / len(steps)) / repeats, f"learning from {size} labels")
            rows = split.train[order[:size]]
            if len(np.unique(y[rows])) < 2:
                continue
            mean = _mean_prediction(data, rows, split.valid, specs, rounds, seed, n_jobs, stop)
            found.setdefault(size, []).append(scores(mean, y[split.valid]))
    rows_out = [
        {
            "labels": size,
            **{key: float(np.mean([v[key] for v in values])) for key in values[0]},
            "repeats": len(values),
        }
        for size, values in sorted(found.items())
    ]
    table = pd.DataFrame(rows_out, columns=["labels", "accuracy", "macro_f1", "log_loss", "repeats"])
    return table.assign(judged_on=_judged_on(splits, data.unit), split=splits[0].sentence)


def _judged_on(splits: Sequence[Split], unit: str) -> str:
    ways = {split.by for split in splits}
    groups, random = f"held-out {unit}s", "labels held out at random"
    return f"{groups} and {random}" if len(ways) > 1 else groups if ways == {"group"} else random


def _nested(y: NDArray[np.integer], rng: np.random.Generator) -> NDArray[np.int64]:
    """An order of which every beginning has the mix of categories of the whole."""
    place = np.empty(len(y))
    for code in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == code))
        place[rows] = (np.arange(len(rows)) + rng.random()) / len(rows)
    return np.argsort(place, kind="stable")


def _mean_prediction(
    data: TrainingData,
    train: NDArray[np.int64],
    test: NDArray[np.int64],
    specs: Sequence[ModelSpec | str],
    rounds: Mapping[str, int] | None,
    seed: int,
    n_jobs: int | None,
    stop: Callable[[], bool] | None,
) -> NDArray[np.float32]:
    part = replace(data, X=data.X[train], y=np.asarray(data.y)[train], groups=np.asarray(data.groups)[train])

    def ask() -> str | None:
        return "cancel" if stop is not None and stop() else None

    total = np.zeros((len(test), len(data.categories)), np.float32)
    for spec in specs:
        model = ModelSpec(spec) if isinstance(spec, str) else spec
        fixed = None if rounds is None else rounds.get(model.name or model.kind)
        result = fit_models(
            part, [model], seed=seed, rounds=fixed, n_jobs=n_jobs, stop=ask, choose=fixed is None
        )
        total += result.handles[0].predict_proba(data.X[test], n_jobs=n_jobs)
    return total / np.float32(len(specs))
