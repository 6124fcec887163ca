"""How good the models are, from items they have not learned from.

Two sources, and every figure says which it comes from.  *Audit*: items drawn with known
probabilities and labelled blind; weighted by 1/probability they speak for all items.
*Out of fold*: the training labels, each predicted by models that have not seen its group; honest
about new groups, but the labels were chosen, so the figures are of the labels and not of all items
(on actively chosen labels .66 was measured where the truth was .93).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, NotReadyError
from .calibration import chance, cross_fitted, ece, reliability, temperature
from .comparing import Agreement, Churn, agreement, churn
from .curves import learning_curve
from .folding import out_of_fold
from .intervals import intervals
from .leaks import leak_alarm
from .metrics import TINY, confusion_counts, per_category, scores
from .models import ModelSpec
from .prevalence import Census, prevalence, raw_prevalence
from .verdict import Evaluation
from .weights import DEFAULT_WEIGHTS

if TYPE_CHECKING:
    from .training import TrainingData

__all__ = [
    "Agreement",
    "Churn",
    "Evaluation",
    "agreement",
    "churn",
    "evaluate_audit",
    "evaluate_out_of_fold",
    "leak_alarm",
    "learning_curve",
    "with_further_truth",
]

FEW = 10  # items of a category below which its figures are little more than chance


def evaluate_out_of_fold(
    data: TrainingData,
    specs: Sequence[ModelSpec | str],
    *,
    ids: NDArray[np.int64] | None = None,
    rounds: Mapping[str, int] | None = None,
    k: int = 5,
    seed: int = 0,
    n_jobs: int | None = None,
    weights: str = DEFAULT_WEIGHTS,
    census: Census | None = None,
    progress: Callable[[float, str], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Evaluation:
    """Judge models on the training labels, each predicted by models that have not seen its group.

    Parameters
    ----------
    data : TrainingData
    specs : sequence of ModelSpec or kind names
    ids : int64 array, shape (n,), optional
        Item of each row, for click-through; row numbers by default.
    rounds : mapping, optional
        Model name → rounds, as a training chose them (``TrainingResult.rounds``); without it every
        fold chooses its own, which takes twice as long.
    k : int
        Folds at most; by group, random where there is only one group (``.split`` says so).
    seed : int
    n_jobs : int, optional
    weights : {"auto", "sqrt", "none", "balanced"}
        As in the training.
    census : Census, optional
        For the raw counts; chosen labels cannot correct them.
    progress : callable, optional
        Called with the fraction done and a text.
    stop : callable, optional
        True raises Cancelled.

    Raises
    ------
    TrainingError
        The labels cannot be learned from.
    """
    found = out_of_fold(
        data,
        specs,
        rounds=rounds,
        k=k,
        seed=seed,
        n_jobs=n_jobs,
        weights=weights,
        progress=progress,
        stop=stop,
    )
    warnings = [
        "These figures are of labels that somebody chose, not of all cells. Label an audit sample for those."
    ]
    if found.folds.by == "random":
        warnings.append(
            f"All labels come from one {data.unit}: on new {data.unit}s the models will do worse. Label in another one."
        )
    unseen = sorted({data.categories[int(c)] for c in found.unseen})
    if unseen:
        warnings.append(
            f"{', '.join(unseen)}: labelled in one {data.unit} only, so no fold could learn it. "
            f"Label some in another {data.unit}."
        )
    return _evaluation(
        found.probabilities,
        np.asarray(data.y, np.int64),
        np.arange(len(data.y), dtype=np.int64) if ids is None else np.asarray(ids, np.int64),
        data.categories,
        data.groups,
        None,
        kind="out-of-fold",
        lead=found.folds.sentence,
        unit=data.unit,
        seed=seed,
        census=census,
        warnings=warnings + leak_alarm(data.feature_names),
    )


def evaluate_audit(
    probabilities: Mapping[str, NDArray[np.floating]],
    truth: NDArray[np.integer],
    inclusion: NDArray[np.floating],
    *,
    categories: Sequence[str],
    model_categories: Sequence[str] | None = None,
    ids: NDArray[np.int64] | None = None,
    groups: NDArray[Any] | None = None,
    unit: str = "group",
    seed: int = 0,
    census: Census | None = None,
    feature_names: Sequence[str] = (),
) -> Evaluation:
    """Judge models on the audit sample, weighted so that it speaks for all items.

    Parameters
    ----------
    probabilities : mapping of str to float array, shape (n, m)
        Model → probabilities of the labelled audit items.
    truth : int array, shape (n,)
        Codes into `categories`.
    inclusion : float array, shape (n,)
        Cumulative inclusion probability of each item, in (0, 1] (:mod:`celltune_nb.learn.audit`).
    categories : sequence of str
        Of the truth; may hold some that no model knows (such items count as wrong).
    model_categories : sequence of str, optional
        What the m columns are; by default `categories`.
    ids : int64 array, shape (n,), optional
    groups : array, shape (n,), optional
        Where there are five or more, the intervals look at the spread between them.
    unit : str
        What a group is called.
    seed : int
    census : Census, optional
        What is predicted for all items, in the order of `categories`: for counts that the audit corrects.
    feature_names : sequence of str
        For the leak alarm.

    Raises
    ------
    InputError
        The arrays do not fit, or an inclusion probability is not in (0, 1].
    NotReadyError
        No item is labelled.
    """
    codes: NDArray[np.int64] = np.asarray(truth, np.int64)
    inclusion = np.asarray(inclusion, np.float64)
    if not len(codes):
        raise NotReadyError("No audit item is labelled yet. Label some, or evaluate out of fold.")
    if not probabilities:
        raise NotReadyError("No model has predicted yet. Train first.")
    if inclusion.shape != codes.shape or not ((inclusion > 0) & (inclusion <= 1 + 1e-9)).all():
        raise InputError(
            "Every audit item needs the probability with which it was drawn, above 0 and at most 1."
        )
    names = tuple(categories)
    known = tuple(names if model_categories is None else model_categories)
    wide = {name: _columns(p, known, names) for name, p in probabilities.items()}
    names = next(iter(wide.values()))[1]
    weights = 1 / inclusion
    lead = f"Audit sample of {len(codes)} cells, weighted by how they were drawn to speak for all"
    exists = np.array([name in known and name in categories for name in names])
    return _evaluation(
        {name: p for name, (p, _) in wide.items()},
        codes,
        np.arange(len(codes), dtype=np.int64) if ids is None else np.asarray(ids, np.int64),
        names,
        groups,
        weights,
        kind="audit",
        lead=lead,
        unit=unit,
        seed=seed,
        exists=exists,
        census=None if census is None else census.padded(len(names)),
        warnings=leak_alarm(feature_names),
    )


def with_further_truth(
    found: Evaluation,
    truth: Sequence[int],
    predicted: Sequence[int],
    inclusion: NDArray[np.floating],
    categories: Sequence[str],
    census: Census | None,
) -> Evaluation:
    """The counts of an audit with items in view that no model can be judged by.

    An item called "Ambiguous", a category kept out of training, has no right answer among the models'.  Left
    out of the counts as well, the share of such items would be dealt out among the other categories.

    Parameters
    ----------
    found : Evaluation
        Of the other items of the audit.
    truth, predicted : sequence of int, length m
        Of the further items; numbers in `categories`.
    inclusion : float array, shape (m,)
    categories : sequence of str
        Those of `found` first, in its order.
    census : Census, optional
        In the order of `categories`.
    """
    counts = prevalence(
        np.concatenate([found.truth, np.asarray(truth, np.int64)]),
        np.concatenate([found.predicted, np.asarray(predicted, np.int64)]),
        np.concatenate([found.weights, 1 / np.asarray(inclusion, np.float64)]),
        categories,
        census,
    )
    table = found.per_category.copy()
    own = counts.loc[list(found.categories)]
    table["prevalence"], table["prevalence_low"] = own["corrected"], own["low"]
    table["prevalence_high"] = own["high"]
    names = ", ".join(sorted({categories[code] for code in truth}))
    text = f"{len(truth)} audit cells are {names}, which no model learns: they count among all cells, but judge nothing."
    return replace(found, prevalence=counts, per_category=table, warnings=[*found.warnings, text])


def _columns(
    p: NDArray[np.floating], known: tuple[str, ...], names: tuple[str, ...]
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Probabilities with the columns of `names`, followed by those of the model that are not in it."""
    p = np.asarray(p, np.float32)
    if p.ndim != 2 or p.shape[1] != len(known):
        raise InputError(f"Probabilities of shape {p.shape} do not fit {len(known)} categories.")
    every = names + tuple(name for name in known if name not in names)
    out = np.zeros((len(p), len(every)), np.float32)
    out[:, [every.index(name) for name in known]] = p
    return out, every


def _evaluation(
    probabilities: Mapping[str, NDArray[np.floating]],
    truth: NDArray[np.int64],
    ids: NDArray[np.int64],
    categories: Sequence[str],
    groups: NDArray[Any] | None,
    weights: NDArray[np.float64] | None,
    *,
    kind: str,
    lead: str,
    unit: str,
    seed: int,
    warnings: list[str],
    exists: NDArray[np.bool_] | None = None,
    census: Census | None = None,
) -> Evaluation:
    import pandas as pd

    n, k = len(truth), len(categories)
    every = [np.asarray(p, np.float32) for p in probabilities.values()]
    if any(p.shape != (n, k) for p in every):
        raise InputError(
            f"{n} labels need probabilities of shape ({n}, {k}); got {[p.shape for p in every]}."
        )
    mean: NDArray[np.float32] = np.asarray(np.mean(every, axis=0, dtype=np.float32))
    judged = np.isfinite(mean).all(axis=1)
    if not judged.all():
        warnings = [*warnings, f"{np.count_nonzero(~judged)} cells have no prediction and are left out."]
        truth, ids, mean = truth[judged], ids[judged], mean[judged]
        every = [p[judged] for p in every]
        groups = None if groups is None else np.asarray(groups)[judged]
        weights = None if weights is None else weights[judged]
        n = len(truth)
    if n == 0:
        raise NotReadyError("None of these cells has a prediction. Train again, or measure the cells first.")
    predicted = mean.argmax(axis=1)
    scale = None if weights is None else weights * (n / weights.sum())
    confusion = confusion_counts(truth, predicted, k, scale)
    loss = -np.log(np.maximum(mean[np.arange(n), truth], TINY).astype(np.float64))
    limits = intervals(truth, predicted, loss, k, groups=groups, weights=scale, known=exists, unit=unit)
    figures = scores(mean, truth, scale)
    index = pd.Index(list(categories), name="category")
    table = pd.DataFrame(per_category(confusion), index=index)
    table["support"] = np.bincount(truth, minlength=k)
    table["low"], table["high"] = limits.category["f1"].T
    for name in ("precision", "recall", "prevalence"):
        table[f"{name}_low"], table[f"{name}_high"] = limits.category[name].T
    if weights is None:
        counts = raw_prevalence(categories, census)
    else:
        counts = prevalence(truth, predicted, weights, categories, census)
        table["prevalence"] = counts["corrected"]
        table["prevalence_low"], table["prevalence_high"] = counts["low"], counts["high"]
    after = cross_fitted(mean, truth, groups, scale, seed=seed)
    before_table, after_table = reliability(mean, truth, scale), reliability(after, truth, scale)
    pair = [p.argmax(axis=1) for p in every[:2]]
    compared = agreement(pair[0], pair[-1], categories, scale)
    few = [name for name, count in zip(categories, table["support"], strict=True) if 0 < count < FEW]
    if few:
        warnings = [
            *warnings,
            f"Fewer than {FEW} judged cells: {', '.join(few)}. Their figures are little more than chance.",
        ]
    if exists is not None and (unseen := np.flatnonzero(exists & (table["support"] == 0).to_numpy())).size:
        absent = ", ".join(categories[int(c)] for c in unseen)
        text = f"No judged item is of {absent}: macro-F1 leaves out what it cannot know, and its interval allows for "
        warnings = [*warnings, text + "any F1 there. A larger audit narrows it."]
    return Evaluation(
        figures["accuracy"],
        figures["macro_f1"],
        figures["log_loss"],
        interval=limits.overall,
        split=f"{lead}; {limits.sentence}.",
        kind=kind,
        n=n,
        categories=tuple(categories),
        per_category=table,
        prevalence=counts,
        confusion=pd.DataFrame(
            confusion, index=pd.Index(index, name="truth"), columns=pd.Index(index, name="predicted")
        ),
        calibration=before_table,
        ece=ece(before_table),
        calibration_after=after_table,
        ece_after=ece(after_table),
        ece_chance=chance(after, scale),
        temperature=temperature(mean, truth, scale),
        models={name: scores(p, truth, scale) for name, p in zip(probabilities, every, strict=True)},
        agreement=compared.table if len(every) > 1 else compared.table.iloc[:0, :0],
        agreement_rate=compared.rate if len(every) > 1 else float("nan"),
        agreement_by_category=compared.by_category if len(every) > 1 else compared.by_category.iloc[:0],
        ids=ids,
        truth=truth,
        predicted=predicted,
        probabilities=mean,
        weights=np.ones(n) if weights is None else weights,
        warnings=warnings,
    )
