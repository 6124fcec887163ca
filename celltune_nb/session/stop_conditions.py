"""The conditions of the stop light, one by one: whether each holds, in words, and what to do where it does not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import FormatError
from ..learn.advice import FEW, FLAT, ROUNDS, SETTLED
from .deciding import threshold
from .evaluating import ENOUGH_AUDITED, audited
from .judging import audit_answers
from .onoff import negative_of, positive_of
from .training import learned_labels
from .trouble import NextAction, Troubled

if TYPE_CHECKING:
    import pandas as pd

    from ..learn.settling import Settling
    from .runs import Run
    from .session import Session

__all__ = [
    "MORE", "TARGET", "Condition", "agreement_condition", "audit_condition", "audit_figures", "image_condition", "label_condition",
    "settled_condition",
]  # fmt: skip

#: Labels that are asked for at a time, cells of a first audit, of a top-up at least, and from which on labels come first.
MORE, AUDIT, TOP_UP, TOO_MANY = 25, 250, 50, 1_000
#: What the audit's lower bound has to reach where nobody said otherwise (docs/decisions/0023-target-of-the-stop-light.md).
TARGET = 0.85


@dataclass(frozen=True)
class Condition:
    """What green asks for.

    Attributes
    ----------
    key, text : str
    holds : bool or None
        None while it is not known.
    state : str
        What is known of it.
    reason : str
        Why it does not hold, as part of a sentence.
    action : NextAction or None
    """

    key: str
    text: str
    holds: bool | None
    state: str
    reason: str = ""
    action: NextAction | None = None


def label_condition(session: Session, level: str) -> Condition:
    """Ten labels of each category."""
    text = f"{FEW} labels of each category"
    counts = learned_labels(session, level, ())
    with session.lock:
        every = [
            c.name
            for c in session.book.level(level).categories
            if c.name != "Unknown" and not c.exclude_from_training
        ]
    few = {name: counts.get(name, 0) for name in every if counts.get(name, 0) < FEW}
    if len(every) < 2:
        reason = "there are not two categories yet"
        return Condition("labels", text, False, reason, reason, NextAction("none", {}, "Add the categories"))
    if not few:
        least = min(every, key=lambda name: counts.get(name, 0))
        return Condition("labels", text, True, f"fewest: {least}, {counts.get(least, 0):,}")
    name, there = min(few.items(), key=lambda item: item[1])
    said = ", ".join(f"{n} ({c})" for n, c in few.items())
    more = FEW - there
    return Condition(
        "labels", text, False, said, f"fewer than {FEW} labels of {said}",
        NextAction("sample", {"image": None, "kind": name, "n": MORE}, f"Label {name} cells: {more} more"),
    )  # fmt: skip


def settled_condition(settled: Settling, looked: Troubled) -> Condition:
    """Predictions of the unlabelled cells have settled."""
    text = f"predictions settled: kappa ≥ {SETTLED:g} in {ROUNDS} rounds"
    steady = 0
    for kappa in reversed(settled.kappas):
        if not kappa >= SETTLED:
            break
        steady += 1
    latest = ", ".join(f"{kappa:.3f}" for kappa in settled.kappas[-ROUNDS:])
    if steady >= ROUNDS:
        return Condition("settled", text, True, latest)
    missing = max(settled.needed - settled.since, 1)
    if settled.kappas and not steady:
        state, holds = f"{latest}: they still change", False
        reason = f"predictions still change from round to round (kappa {settled.kappas[-1]:.2f})"
    else:
        state, holds = f"{steady} of {ROUNDS} rounds" + (f" ({latest})" if latest else ""), None
        reason = f"predictions have been settled for {steady} of {ROUNDS} rounds with new labels"
    n = max(missing, MORE)
    return Condition("settled", text, holds, state, reason, looked.sample(n))


def agreement_condition(settled: Settling) -> Condition:
    """The two models agree as far as before."""
    text = "the two models' agreement is flat"
    recent = settled.agreements[-2:]
    if len(recent) < 2:
        return Condition("agreement", text, None, "not known before a second round")
    state = f"{recent[0]:.1%} → {recent[1]:.1%}"
    holds = abs(recent[1] - recent[0]) <= FLAT
    return Condition(
        "agreement", text, holds, state, "" if holds else f"the models' agreement still moves ({state})"
    )


def audit_figures(session: Session, level: str, run: Run) -> dict[str, Any] | None:
    """What the audit says of a run: of the positive category's F1, of accuracy where there are more than two.

    Where a threshold is set, it is of the cells as that decides them, today.
    """
    if (decided := _decided(session, level, run)) is not None:
        return decided
    try:
        found = run.evaluation
    except FormatError:
        return None
    if found is None or found.kind != "audit":
        return None
    if negative_of(session, level) is None:
        low, high = found.interval["accuracy"]
        return {"of": "accuracy", "value": found.accuracy, "low": low, "high": high, "n": found.n}
    name = positive_of(session, level).name
    if name not in found.per_category.index:
        return None
    value, low, high = (
        found.per_category[["f1", "low", "high"]].to_numpy(float)[found.categories.index(name)].tolist()
    )
    return {"of": f"F1 of {name}", "value": value, "low": low, "high": high, "n": found.n}


def _decided(session: Session, level: str, run: Run) -> dict[str, Any] | None:
    """F1 of the positive cells as a threshold decides them, by the audit; None where none is set or nothing is audited."""
    from ..learn.intervals import intervals

    if threshold(session, level).value is None or negative_of(session, level) is None:
        return None
    positive, answers = positive_of(session, level), audit_answers(session, run, level)
    if len(answers.rows) < ENOUGH_AUDITED:
        return None
    truth, called, w = answers.truth == positive.code, answers.called == positive.code, answers.weights
    if not truth.any():
        return None
    units, _ = session.table.units()
    limits = intervals(
        truth.astype(np.int64),
        called.astype(np.int64),
        np.zeros(len(truth)),
        2,
        groups=units[answers.rows],
        weights=w,
    )
    low, high = limits.category["f1"][1].tolist()
    value = float(2 * w[truth & called].sum() / (w[truth].sum() + w[called].sum()))
    return {
        "of": f"F1 of {positive.name}",
        "value": value,
        "low": low,
        "high": high,
        "n": len(truth),
        "decided": True,
    }


def audit_condition(
    session: Session, level: str, run: Run, target: float, looked: Troubled, settled: bool
) -> Condition:
    """The audit's lower bound is at the target.

    Where predictions have *settled*, more labels hardly change them: as long as the interval reaches the target, a larger
    audit is what can tell.
    """
    sample = session.audits.of(level)
    text = f"the blind audit's lower bound ≥ {target:.0%}"
    drawn, blind = len(sample.ids), sample.labelled
    if blind < ENOUGH_AUDITED:
        state = f"{blind:,} of {drawn:,} labelled" if drawn else "not drawn yet"
        todo = len(sample.todo)
        action = (
            NextAction("audit", {"n": AUDIT}, f"Draw an audit sample: {AUDIT} cells to label blind")
            if blind + todo < ENOUGH_AUDITED
            else NextAction("audit", {"n": 0}, f"Label the audit blind: {todo} cells")
        )
        reason = "no audit has judged these models" if not drawn else f"the audit has {blind} labels"
        return Condition("audit", text, None, state, reason, action)
    found = audit_figures(session, level, run)
    if found is None or ("decided" not in found and found["n"] < len(audited(session, run).positions)):
        return Condition(
            "audit", text, None, f"{blind:,} labelled, not judged since the training",
            "the audit has not judged this training", NextAction("judge", {}, "Judge the models"),
        )  # fmt: skip
    value, low = found["value"], found["low"]
    state = f"{found['of']} {value:.2f} ({low:.2f}–{found['high']:.2f}), {found['n']:,} cells"
    if low >= target:
        return Condition("audit", text, True, state)
    reason = f"the audit's lower bound is {low:.2f} ({found['of']} {value:.2f}), the target {target:.2f}"
    more, todo = _top_up(found, target), len(sample.todo)
    if settled and found["high"] >= target:
        more = AUDIT if more is None else min(more, AUDIT)
    elif settled:
        reason = f"even the audit's upper bound, {found['high']:.2f} ({found['of']}), is below the target {target:.2f}"
    if more is None or more > TOO_MANY:
        return Condition("audit", text, False, state, reason, looked.sample(MORE))
    action = (
        NextAction("audit", {"n": 0}, f"Label the audit blind: {todo} cells")
        if todo
        else NextAction("audit", {"n": more}, f"Draw {more} more cells for the audit")
    )
    return Condition("audit", text, False, state, reason, action)


def _top_up(found: dict[str, Any], target: float) -> int | None:
    """Audit cells that would narrow the interval enough, if the figure stays; None where it is not above the target."""
    above, width = found["value"] - target, found["value"] - found["low"]
    if not above > 0.005 or not math.isfinite(width):
        return None
    wanted = found["n"] * ((width / above) ** 2 - 1)  # the width goes with one by the root of n
    return max(TOP_UP, math.ceil(round(wanted) / 10) * 10)


def image_condition(table: pd.DataFrame | None, looked: Troubled) -> Condition:
    """No image stands out, as far as the models were judged."""
    text = "no slice far below the mean, none unlike those labelled"
    if table is None:
        return Condition(
            "images", text, None, "not judged since the training", "these models have not been judged by animal",
            NextAction("judge", {}, "Judge the models by animal"),
        )  # fmt: skip
    if looked.unlike:
        name = looked.unlike[0]
        state = f"{name} lies {float(table['shift'][name]):.1f} spreads from those labelled"
        action = (
            looked.sample(MORE, name)
            if table.loc[name, "in_set"]
            else NextAction("working_set", {"image": name}, f"Add {name} to the working set")
        )
        return Condition("images", text, False, state, f"{name} looks unlike the slices that were labelled", action)  # fmt: skip
    if looked.below:
        name = looked.below[0]
        return Condition(
            "images", text, False, f"{name}: {looked.why[name]}", f"{name} is far below the mean ({looked.why[name]})",
            looked.sample(MORE, name),
        )  # fmt: skip
    if not math.isfinite(looked.mean):
        return Condition("images", text, None, "too little is known of each slice to compare them")
    return Condition("images", text, True, f"F1 of the slices: {looked.mean:.2f} on the mean")
