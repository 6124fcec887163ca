"""Trials: what a strategy brings on cells whose truth is known, judged on groups it never saw.

A trial copies the labelled cells of all but a third of the groups into a temporary project, lets an
:class:`~celltune_nb.session.annotator.Annotator` work on it round by round, and after every round
scores the session's own models on the third that was kept out.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError, LabelError
from .annotator import Annotator
from .checks import whole_number
from .labelled import Cells
from .strategies import PLACED, STRATEGIES

if TYPE_CHECKING:
    import pandas as pd

    from .session import Session

__all__ = ["Point", "compare_strategies", "cost", "curve", "supervised"]

SUPPORT = 5  # cells of a category, in either part, below which its F1 is chance

Strategy = Callable[[Annotator, int], None]


@dataclass(frozen=True)
class Point:
    """How good the models were after a round.

    Attributes
    ----------
    labels, looks : int
        As counted by the annotator.
    macro_f1, accuracy : float
        On the cells that were kept out.
    """

    labels: int
    looks: int
    macro_f1: float
    accuracy: float


@dataclass(frozen=True, eq=False)
class Judge:
    """Scores models on the cells that were kept out."""

    cells: Cells
    seen: NDArray[np.int64]
    kept_out: NDArray[np.int64]
    categories: list[str] = field(init=False)

    def __post_init__(self) -> None:
        names, before = np.unique(self.cells.truth[self.seen].astype(str), return_counts=True)
        after = [np.count_nonzero(self.cells.truth[self.kept_out] == name) for name in names]
        counted = [str(n) for n, a, b in zip(names, before, after, strict=True) if min(a, b) >= SUPPORT]
        object.__setattr__(self, "categories", counted)

    def answers(self, models: Sequence[Any]) -> NDArray[np.str_]:
        """What the mean of the models says of each cell that was kept out."""
        mean = np.mean([m.predict_proba(self.cells.X[self.kept_out], n_jobs=1) for m in models], axis=0)
        return np.array(models[0].categories, object)[mean.argmax(axis=1)].astype(str)

    def __call__(self, models: Sequence[Any]) -> tuple[float, float]:
        """Macro-F1 over the categories with enough cells, and accuracy over all."""
        truth, said = self.cells.truth[self.kept_out].astype(str), self.answers(models)
        f1 = [
            2 * np.count_nonzero((said == name) & (truth == name))
            / (np.count_nonzero(said == name) + np.count_nonzero(truth == name))
            for name in self.categories
        ]  # fmt: skip
        return float(np.mean(f1)) if f1 else float("nan"), float(np.mean(said == truth))


def supervised(
    cells: Cells, seed: int = 0, *, models: Sequence[str] = ("xgboost", "catboost"), keep: list[Any] | None = None,
    **training: Any,
) -> Point:  # fmt: skip
    """The same models, taught with every label of the cells that a trial may see; *keep* takes them in."""
    from ..learn.training import TrainingData, fit_models

    seen, kept_out, _ = cells.split(seed)
    categories, y = np.unique(cells.truth[seen].astype(str), return_inverse=True)
    groups = cells.image if cells.group is None else cells.group
    data = TrainingData(
        cells.X[seen], y.reshape(-1), groups[seen].astype(str), tuple(map(str, categories)), cells.names
    )
    handles = fit_models(data, list(models), seed=seed, **training).handles
    if keep is not None:
        keep += handles
    return Point(len(seen), len(seen), *Judge(cells, seen, kept_out)(handles))


def curve(
    cells: Cells, strategy: str | Strategy, sizes: Sequence[int], *, seed: int = 0, error_rate: float = 0.0,
    models: Sequence[str] = ("xgboost", "catboost"), enough: Callable[[Point], bool] | None = None,
    each: Callable[[Annotator], None] | None = None, **training: Any,
) -> Iterator[Point]:  # fmt: skip
    """Let an annotator work by a strategy; yields a point after every round.

    Parameters
    ----------
    cells : Cells
    strategy : str or callable
        One of :data:`STRATEGIES`, or a function ``(annotator, n) → None``.
    sizes : sequence of int
        Labels after each round, ascending.
    seed : int
        Of the cells kept out, and of everything the annotator draws.
    error_rate : float
        As of :class:`Annotator`.
    enough : callable, optional
        True for a point ends the trial.
    each : callable, optional
        Called with the annotator after each training, to look at what else became of the session; it changes nothing there.
    **training
        Options of :meth:`Session.train`.
    """
    work = _strategy(strategy, cells)
    seen, kept_out, _ = cells.split(seed)
    judge = Judge(cells, seen, kept_out)
    with tempfile.TemporaryDirectory(prefix="celltune-nb-trial-") as folder:
        session, truth = cells.project(Path(folder) / "project", seen)
        with session:
            annotator = Annotator(session, truth, error_rate=error_rate, seed=seed, models=models, **training)
            asked = 0
            for size in sizes:
                if size > len(seen):
                    return
                before = annotator.labels
                work(annotator, size - asked)
                asked = size
                if annotator.labels == before:
                    return  # nothing left to label, or no mistake found
                if annotator.train() is None:
                    continue
                if each is not None:
                    each(annotator)
                point = Point(annotator.labels, annotator.looks, *judge(session.models))
                yield point
                if enough is not None and enough(point):
                    return


def _strategy(strategy: str | Strategy, cells: Cells) -> Strategy:
    if callable(strategy):
        return strategy
    if strategy not in STRATEGIES:
        raise InputError(
            f"There is no strategy {strategy!r}. Choose from: {', '.join(STRATEGIES)}; or give a function."
        )
    if strategy in PLACED and cells.y is None:
        raise InputError(f"Strategy {strategy!r} needs cells with a place on an image. Choose another.")
    return STRATEGIES[strategy]


def cost(counts: ArrayLike, reached: ArrayLike, target: float) -> float | None:
    """Labels (or looks) at which a curve first reaches a target, interpolated between rounds.

    Parameters
    ----------
    counts : array of shape (rounds,)
        Labels or looks after each round, ascending.
    reached : array of shape (rounds,)
        Macro-F1 after each round: of one trial, or the mean of several.
    target : float
        Macro-F1, 0..1.

    Returns
    -------
    float or None
        None when the target is not reached.
    """
    x, y = np.asarray(counts, np.float64), np.asarray(reached, np.float64)
    above = np.flatnonzero(y >= target)
    if not len(above):
        return None
    i = int(above[0])
    if i == 0:
        return float(x[0])
    return float(x[i - 1] + (target - y[i - 1]) / (y[i] - y[i - 1]) * (x[i] - x[i - 1]))


def compare_strategies(
    session: Session, truth: pd.Series | None = None, strategies: Sequence[str | Strategy] = ("default", "random"), *,
    sizes: Sequence[int] = (50, 100, 150, 200, 300), seeds: int = 2, error_rate: float = 0.0, level: str | None = None,
    models: Sequence[str] = ("xgboost", "catboost"), progress: Callable[[float, str], None] | None = None, **training: Any,
) -> pd.DataFrame:  # fmt: skip
    """How many labels each strategy would have needed, offline, on cells that are labelled already.

    The session itself is only read: the annotator works on copies, and a third of the groups (images,
    blocks of 300 px) is kept out of them to judge by.

    Parameters
    ----------
    session : Session
        With features.
    truth : Series, optional
        Item id → category; by default the labels given so far.
    strategies : sequence of str or callable
        Names of :data:`~celltune_nb.session.strategies.STRATEGIES`, or functions ``(annotator, n) → None``.
    sizes : sequence of int
        Labels after each round; those beyond the number of cells are left out.
    seeds : int
        How often each is tried, with other cells kept out.
    error_rate : float
        Share of wrong answers.
    progress : callable, optional
        Called with the fraction done and a text.

    Returns
    -------
    DataFrame
        strategy, seed, labels, looks, macro_f1, accuracy: one row a round.  The strategy ``"all labels"`` is
        what the models reach when they learn from everything the annotator could have labelled.
    """
    import pandas as pd

    seeds = whole_number(seeds, "The number of seeds", 1)
    cells = Cells.of(session, truth, level=level)
    if len(cells) < 3 * min(sizes):
        raise InputError(
            f"{len(cells)} cells have a truth: too few to keep a third out and label {min(sizes)} of the rest. "
            "Give smaller sizes=, or the truth of more cells."
        )
    if len(set(cells.truth)) < 2:
        raise LabelError("The truth knows one category only. Give cells of a second one.")
    rows = []
    done, total = 0, seeds * (1 + len(strategies))
    for seed in range(seeds):
        for strategy in ("all labels", *strategies):
            name = strategy if isinstance(strategy, str) else getattr(strategy, "__name__", "own")
            if progress is not None:
                progress(done / total, f"{name}, seed {seed}")
            if strategy == "all labels":
                points: Iterator[Point] = iter([supervised(cells, seed, models=models, **training)])
            else:
                points = curve(
                    cells, strategy, sizes, seed=seed, error_rate=error_rate, models=models, **training
                )
            rows += [
                {"strategy": name, "seed": seed, "labels": p.labels, "looks": p.looks, "macro_f1": p.macro_f1,
                 "accuracy": p.accuracy} for p in points
            ]  # fmt: skip
            done += 1
    if progress is not None:
        progress(1.0, "done")
    return pd.DataFrame(rows, columns=["strategy", "seed", "labels", "looks", "macro_f1", "accuracy"])
