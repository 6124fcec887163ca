"""Where the decision threshold of a level lies: chosen by value or by a target, kept, and applied at each training."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.categories import Category
from ..data.populations import PopulationSet
from ..errors import CellTuneError, InputError, NotReadyError
from .checks import number, whole_number
from .evaluating import ENOUGH_AUDITED, audited
from .events import StudyChanged
from .onoff import positive_of
from .populations import keep_sets
from .study import stored

if TYPE_CHECKING:
    import pandas as pd

    from ..learn.thresholds import Judged
    from .runs import Run
    from .session import Session

__all__ = [
    "DECIDED", "Threshold", "average_of", "category_of_level", "decided_now", "judged", "prefixed", "remade", "scores_of", "set_threshold", "threshold",
    "threshold_curve",
]  # fmt: skip

#: The population set of the cells as the threshold decides them.
DECIDED = "Pred_THR"
_PART = "thresholds"


@dataclass(frozen=True)
class Threshold:
    """From which probability on a cell counts as positive.

    Attributes
    ----------
    value : float or None
        None: the most probable category, which with two of them is 0.5.
    rule : {"", "value", "precision", "recall", "count"}
    target : float or None
        What was asked for.
    category : str
    sentence : str
    figures : dict
        count, prevalence; precision, recall and their ``_low`` and ``_high``.
    source : str
        What precision and recall speak from.
    run : str
        The training at which it was worked out.
    """

    value: float | None
    rule: str
    target: float | None
    category: str
    sentence: str
    figures: dict[str, float] = field(default_factory=dict)
    source: str = ""
    run: str = ""

    def __repr__(self) -> str:
        return f"Threshold({self.sentence})"


# ---------------------------------------------------------------------- what it is decided by


def prefixed(session: Session, level: str, name: str) -> str:
    """The name of a level's population set as the session has it."""
    return name if level == session.level else f"{level}/{name}"


def average_of(session: Session, level: str) -> PopulationSet:
    """What the models of a level say together.

    Raises
    ------
    NotReadyError
        Before a training.
    """
    found = session.populations.stored(level, "Pred_AVG")
    if found is None:
        raise NotReadyError(
            f"No model of {level} has predicted yet. Train first: in Train, or with session.train()."
        )
    return session.populations.of(level, "Pred_AVG")


def category_of_level(session: Session, level: str, category: str | None) -> Category:
    """The category that is decided about: the one named, else the positive one."""
    if category is None:
        return positive_of(session, level)
    return session.book.level(level).categories.named(category)


def scores_of(found: PopulationSet, category: Category) -> NDArray[np.float32]:
    """Probability of a category for each item of a set, (n,); NaN where it was not predicted.

    Raises
    ------
    NotReadyError
        The models do not know the category.
    """
    probability = found.probability
    if category.name not in found.classes or probability is None:
        raise NotReadyError(
            f"The models of {found.level} have not learned {category.name}. Label some, then train again."
        )
    return probability[:, found.classes.index(category.name)]


def judged(session: Session, level: str, category: Category, average: PopulationSet, run: Run) -> Judged:
    """The cells that a threshold is chosen by: the audit where it has 50 labels, else the labels out of fold."""
    from ..learn.thresholds import Judged

    by_audit = _by_audit(session, category, scores_of(average, category), run)
    if by_audit is not None:
        return by_audit
    found = run.evaluation
    if found is None or found.kind != "out-of-fold":
        found = session.evaluate(run, level=level)
    if category.name not in found.categories:
        raise NotReadyError(
            f"{category.name} was not among what was judged. Judge the models again: session.evaluate()."
        )
    place = found.categories.index(category.name)
    there = np.isin(found.ids, session.table.ids)
    units, _ = session.table.units()
    return Judged(
        found.probabilities[there, place].astype(np.float64), found.truth[there] == place, np.ones(int(there.sum())),
        units[session.table.positions(found.ids[there])].astype(np.int64), "out-of-fold",
        f"{int(there.sum())} labels, each judged by models that have not seen its {session.table.units()[1]}: they were chosen, so "
        f"these figures are of the labels, not of all cells. From {ENOUGH_AUDITED} audited cells on the audit speaks.",
    )  # fmt: skip


def _by_audit(session: Session, category: Category, scores: NDArray[np.floating], run: Run) -> Judged | None:
    """The audit as far as the run predicted its cells, None where it has too few."""
    from ..learn.thresholds import Judged

    audit = audited(session, run)
    known = audit.positions < len(scores)
    known[known] = ~np.isnan(scores[audit.positions[known]])
    rows = audit.positions[known]
    if len(rows) < ENOUGH_AUDITED:
        return None
    units, _ = session.table.units()
    return Judged(
        scores[rows].astype(np.float64), audit.codes[known] == category.code, 1 / audit.chance[known],
        units[rows].astype(np.int64), "audit",
        f"Audit sample of {len(rows)} cells, weighted to speak for all.",
    )  # fmt: skip


def threshold_curve(session: Session, level: str, category: str | None, judge: bool) -> pd.DataFrame:
    """See :meth:`celltune_nb.Session.threshold_curve`."""
    from ..learn.thresholds import curve

    meant = category_of_level(session, level, category)
    average = average_of(session, level)
    run = session.finished_run(level)
    if judge or (run.evaluation is not None and run.evaluation.kind == "out-of-fold"):
        by = judged(session, level, meant, average, run)
    else:
        by = _by_audit(session, meant, scores_of(average, meant), run) or _nobody()
    table = curve(scores_of(average, meant), by)
    table.attrs.update(source=by.sentence, kind=by.kind, category=meant.name, n=len(by.truth))
    return table


# ---------------------------------------------------------------------- deciding


def threshold(session: Session, level: str) -> Threshold:
    """See :meth:`celltune_nb.Session.threshold`."""
    entry = _entry(session, level)
    if entry is None:
        try:
            name = positive_of(session, level).name
        except NotReadyError:
            name = ""
        return Threshold(None, "", None, name, "The most probable category counts.")
    category = session.book.level(level).categories.meaning(int(entry["code"]))
    assert category is not None
    figures = {str(k): float("nan") if v is None else float(v) for k, v in entry["figures"].items()}
    target = entry.get("target")
    found = Threshold(
        float(entry["value"]), str(entry["rule"]), None if target is None else float(target), category.name, "", figures,
        str(entry.get("source", "")), str(entry.get("run", "")),
    )  # fmt: skip
    return replace(found, sentence=_sentence(found, str(entry.get("note", ""))))


def _entry(session: Session, level: str) -> dict[str, Any] | None:
    """What is kept of a level's threshold, as the newest training worked it out; None where nothing usable is."""
    entry = stored(session, _PART).get(level)
    if not isinstance(entry, dict):
        return None
    try:
        newest = session.finished_run(level).about.get("threshold")
    except NotReadyError:
        newest = None
    if isinstance(newest, dict) and newest.get("time") == entry.get("time"):
        entry = {**entry, **newest}
    try:
        usable = 0 <= float(entry["value"]) <= 1 and math.isfinite(float(entry["time"]))
        usable &= isinstance(entry["figures"], dict) and isinstance(entry["rule"], str)
        usable &= session.book.level(level).categories.meaning(int(entry["code"])) is not None
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return entry if usable else None


def set_threshold(
    session: Session, value: Any, precision: Any, recall: Any, count: Any, level: str
) -> Threshold:
    """See :meth:`celltune_nb.Session.set_threshold`."""
    given = {"value": value, "precision": precision, "recall": recall, "count": count}
    asked = {rule: what for rule, what in given.items() if what is not None}
    if len(asked) > 1:
        raise InputError(
            f"A threshold follows one rule; {' and '.join(asked)} were given. Choose one of them."
        )
    for rule, what in asked.items():
        if rule == "count":
            whole_number(what, "The number of cells", 1)
        elif not 0 < number(what, f"The {'threshold' if rule == 'value' else rule}") < 1:
            raise InputError(
                f"The {'threshold' if rule == 'value' else rule} is {what}. Give a number between 0 and 1."
            )
    if not asked:
        if _stored(session, level):
            _keep(session, level, None, [])
        return threshold(session, level)
    with session.writing():
        pass  # refuse before the work, not after it
    category, average = positive_of(session, level), average_of(session, level)
    run = session.finished_run(level)
    rule, target = next(iter(asked.items()))
    by = judged(session, level, category, average, run)
    found = _worked_out(by, scores_of(average, category), rule, float(target), run.seed)
    entry = {
        "rule": rule, "target": None if rule == "value" else float(target), "code": category.code, **found,
        "run": run.id, "user": session.user, "time": time.time(),
    }  # fmt: skip
    _keep(session, level, entry, [decided(average, category, found["value"])])
    return threshold(session, level)


def _stored(session: Session, level: str) -> bool:
    return level in stored(session, _PART) or session.populations.stored(level, DECIDED) is not None


def _keep(session: Session, level: str, entry: dict[str, Any] | None, sets: list[PopulationSet]) -> None:
    every = {
        key: value for key, value in {**stored(session, _PART), level: entry}.items() if value is not None
    }
    drop = [(level, DECIDED)] if entry is None else []
    from .phenotypes import follow  # what is combined stands on this

    keep_sets(session, sets, drop=drop, settings=("study", _PART, every))
    follow(session, level)
    session.emit(session.study_changed, StudyChanged(_PART))


def _worked_out(
    by: Judged, scores: NDArray[np.floating], rule: str, target: float, seed: int
) -> dict[str, Any]:
    """Value, figures and what they speak from."""
    from ..learn.thresholds import above, at, choose, cross_fitted

    value = target if rule == "value" else choose(by, rule, target, scores)
    chosen = rule in ("precision", "recall")
    precision, recall = cross_fitted(by, rule, target, seed) if chosen else at(by, value)
    n = int(np.count_nonzero(above(scores, value)))
    known = max(int(np.count_nonzero(~np.isnan(scores))), 1)
    figures = {
        "count": n, "prevalence": n / known, "precision": precision.value, "precision_low": precision.low,
        "precision_high": precision.high, "recall": recall.value, "recall_low": recall.low, "recall_high": recall.high,
    }  # fmt: skip
    plain = {name: None if math.isnan(v) else float(v) for name, v in figures.items()}
    source = by.sentence + (" Cross-fitted: each fold at the threshold of the others." if chosen else "")
    return {"value": float(value), "figures": plain, "source": source}


def decided(average: PopulationSet, category: Category, value: float) -> PopulationSet:
    """The cells as a threshold decides them: of the category where its probability reaches it, else the likeliest other."""
    from ..learn.thresholds import above

    scores = scores_of(average, category)
    probability = average.probability
    assert probability is not None
    codes = {c.name: c.code for c in average.categories}
    others = np.array([codes[name] for name in average.classes if name != category.name] or [0], np.int16)
    rest = np.delete(probability, average.classes.index(category.name), axis=1)
    best = others[rest.argmax(axis=1)] if rest.shape[1] else np.zeros(len(scores), np.int16)
    found = np.where(above(scores, value), np.int16(category.code), best)
    missing = np.isnan(scores)
    return replace(
        average, name=DECIDED, codes=np.where(missing, 0, found).astype(np.int16), given=None, classes=(), pairs=(),
    )  # fmt: skip


def remade(session: Session, run: Run, sets: list[PopulationSet]) -> list[PopulationSet]:
    """``Pred_THR`` of a training that is about to take effect; nothing where no threshold was set.

    A target is worked out again on the audit; without one the threshold stays where it is.  What was found stands in
    ``run.about["threshold"]``, so that it takes effect with the training or not at all.
    """
    entry = _entry(session, run.level)
    if entry is None:
        return []
    average = next(item for item in sets if item.name == "Pred_AVG")
    category = session.book.level(run.level).categories.meaning(int(entry["code"]))
    if category is None or category.name not in average.classes:
        run.notes.append(
            "The threshold was left out: these models do not know the category that it decides about."
        )
        return []
    scores = scores_of(average, category)
    held = session.regions.mask(run.level)
    inside = scores if held is None else np.where(held[: len(scores)], scores, np.nan)
    found: dict[str, Any] = {"value": entry["value"], "figures": {}, "source": ""}
    note = ""
    try:
        by = _by_audit(session, category, inside, run)
        if by is not None:
            target = entry["value"] if entry["rule"] == "value" else entry["target"]
            found = _worked_out(by, inside, entry["rule"], float(target), run.seed)
        elif entry["rule"] == "count":
            from ..learn.thresholds import choose

            found["value"] = choose(_nobody(), "count", float(entry["target"]), inside)
        elif entry["rule"] != "value":
            note = "It stays where it was before this training: set it again, or label an audit sample."
    except CellTuneError as error:
        note = f"It stays where it was before this training. {error}"
    if not found["figures"]:
        from ..learn.thresholds import above

        n = int(np.count_nonzero(above(inside, found["value"])))
        known = max(int(np.count_nonzero(~np.isnan(inside))), 1)
        found["figures"] = {"count": n, "prevalence": n / known}
    run.about["threshold"] = {**found, "run": run.id, "note": note, "time": entry["time"]}
    return [replace(decided(average, category, float(found["value"])), run=run.id)]


def decided_now(session: Session, level: str, average: PopulationSet) -> list[PopulationSet]:
    """``Pred_THR`` at the threshold as it is; nothing where none was set, or these models do not know its category."""
    entry = _entry(session, level)
    category = None if entry is None else session.book.level(level).categories.meaning(int(entry["code"]))
    if entry is None or category is None or category.name not in average.classes:
        return []
    return [decided(average, category, float(entry["value"]))]


def _nobody() -> Judged:
    from ..learn.thresholds import Judged

    none = np.empty(0)
    return Judged(
        none,
        none.astype(bool),
        none,
        None,
        "",
        "Precision and recall were not worked out for this training yet.",
    )


def _sentence(found: Threshold, note: str) -> str:
    asked = {
        "value": "", "precision": f", for a precision of {found.target or 0:.0%}",
        "recall": f", for a recall of {found.target or 0:.0%}", "count": f", for {found.target or 0:,.0f} cells",
    }.get(found.rule, "")  # fmt: skip
    value = f"{found.value:.3g}"
    figures = found.figures
    text = f"{found.category} from a probability of {value} on{asked}: {figures.get('count', 0):,.0f} cells"
    for name in ("precision", "recall"):
        middle, low, high = (figures.get(f"{name}{end}", math.nan) for end in ("", "_low", "_high"))
        if math.isfinite(middle):
            text += f"; {name} {middle:.0%} [{low:.0%}, {high:.0%}]"
    return f"{text}. {note}".strip()
