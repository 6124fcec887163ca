"""The stop light: whether more labels are needed, why, and what to do next.

Green only if all of these hold (they are measured, see ``docs/slices.md``): predictions of the unlabelled cells settled over
three rounds with new labels; the audit's lower bound at the target; the models' agreement flat; ten labels of each
category; no image far below the mean, among them no image unlike those that were labelled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import CellTuneError, FormatError, InputError, NotReadyError
from ..learn.advice import FEW, FLAT, ROUNDS, SETTLED
from .checks import number
from .evaluating import ENOUGH_AUDITED, audited
from .judging import judged_table, kept, warnings_of
from .onoff import negative_of, positive_of
from .rounds import labels_since, so_far
from .training import learned_labels, snapshot
from .trouble import Troubled, sample_kind, troubled

if TYPE_CHECKING:
    import pandas as pd

    from ..learn.settling import Settling
    from .runs import Run
    from .session import Session

__all__ = ["NextAction", "StopLight", "follow", "stop_light"]

#: Labels that are asked for at a time, cells of a first audit, of a top-up at least and at most.
MORE, AUDIT, TOP_UP, TOO_MANY = 25, 250, 50, 1_000
_WORDS = {"red": "Go on", "yellow": "Nearly", "green": "Good enough"}


class NextAction(NamedTuple):
    """What to do next: :meth:`celltune_nb.Session.follow` does it.

    Attributes
    ----------
    verb : {"sample", "working_set", "train", "judge", "audit", "none"}
    arguments : dict
        sample: image, kind, n; working_set: image; audit: n (0: label those drawn).
    text : str
        In words, as on a button.
    """

    verb: str
    arguments: dict[str, Any]
    text: str


@dataclass(frozen=True, eq=False)
class StopLight:
    """Whether to stop labelling.

    Attributes
    ----------
    color : {"red", "yellow", "green"}
        Yellow: one condition is open, or two are that are not known yet.
    word : {"Go on", "Nearly", "Good enough"}
    sentence : str
        The reason that comes first, and what to do.
    reasons : tuple of str
        Every condition that does not hold, in words.
    action : NextAction
    figures : dict
    conditions : DataFrame
        Index key ("labels", "settled", "agreement", "audit", "images"); holds (True, False, or None while it is not
        known), text, state.
    warnings : tuple of str
        What limits the figures: fewer than three animals.
    level : str
    """

    color: str
    word: str
    sentence: str
    reasons: tuple[str, ...]
    action: NextAction
    figures: dict[str, Any]
    conditions: pd.DataFrame
    warnings: tuple[str, ...] = field(default=())
    level: str = ""

    @property
    def next_action(self) -> str:
        """What to do next, in words."""
        return self.action.text

    def __str__(self) -> str:
        return f"{self.word}: {self.sentence}"

    def __repr__(self) -> str:
        return f"StopLight({self.color}; {self.sentence})"


@dataclass(frozen=True)
class _Condition:
    key: str
    text: str
    holds: bool | None
    state: str
    reason: str = ""
    action: NextAction | None = None


def stop_light(session: Session, level: str, target: Any) -> StopLight:
    """See :meth:`celltune_nb.Session.stop_light`."""
    target = number(target, "The target")
    if not 0 < target < 1:
        raise InputError(f"The target is {target!r}. Give a share between 0 and 1, such as 0.9.")
    try:
        runs, _, settled = so_far(session, level)
    except NotReadyError:
        return _before(session, level)
    run = runs[-1]
    table, looked = None, troubled(None)
    if kept(run) is not None:
        try:
            table = judged_table(session, level, run, "image")
            looked = troubled(table)
        except CellTuneError:
            table = None  # images went, or the features are others: it has to be judged again
    found = [
        _labels(session, level),
        _settled(settled, looked),
        _agreement(settled),
        _audit(session, level, run, target, looked),
        _images(table, looked),
    ]
    new = _new_labels(session, level, run)
    action = _next(found, new, settled, session)
    figures = {
        "kappas": settled.kappas, "agreements": settled.agreements, "new_labels": new, "target": target,
        "audit": _audit_figures(session, level, run), "mean_f1": looked.mean, "worst": looked.below,
        "unlike": looked.unlike,
    }  # fmt: skip
    return replace(_light(found, action, figures, tuple(warnings_of(session, run))), level=level)


# ---------------------------------------------------------------------- the conditions


def _labels(session: Session, level: str) -> _Condition:
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
        return _Condition("labels", text, False, reason, reason, NextAction("none", {}, "Add the categories"))
    if not few:
        least = min(every, key=lambda name: counts.get(name, 0))
        return _Condition("labels", text, True, f"fewest: {least}, {counts.get(least, 0):,}")
    name, there = min(few.items(), key=lambda item: item[1])
    said = ", ".join(f"{n} ({c})" for n, c in few.items())
    more = FEW - there
    return _Condition(
        "labels", text, False, said, f"fewer than {FEW} labels of {said}",
        NextAction("sample", {"image": None, "kind": name, "n": MORE}, f"Label {name} cells: {more} more"),
    )  # fmt: skip


def _settled(settled: Settling, looked: Troubled) -> _Condition:
    text = f"predictions settled: kappa ≥ {SETTLED:g} in {ROUNDS} rounds"
    steady = 0
    for kappa in reversed(settled.kappas):
        if not kappa >= SETTLED:
            break
        steady += 1
    latest = ", ".join(f"{kappa:.3f}" for kappa in settled.kappas[-ROUNDS:])
    if steady >= ROUNDS:
        return _Condition("settled", text, True, latest)
    missing = max(settled.needed - settled.since, 1)
    if settled.kappas and not steady:
        state, holds = f"{latest}: they still change", False
        reason = f"predictions still change from round to round (kappa {settled.kappas[-1]:.2f})"
    else:
        state, holds = f"{steady} of {ROUNDS} rounds" + (f" ({latest})" if latest else ""), None
        reason = f"predictions have been settled for {steady} of {ROUNDS} rounds with new labels"
    n = max(missing, MORE)
    return _Condition("settled", text, holds, state, reason, looked.sample(n))


def _agreement(settled: Settling) -> _Condition:
    text = "the two models' agreement is flat"
    recent = settled.agreements[-2:]
    if len(recent) < 2:
        return _Condition("agreement", text, None, "not known before a second round")
    state = f"{recent[0]:.1%} → {recent[1]:.1%}"
    holds = abs(recent[1] - recent[0]) <= FLAT
    return _Condition(
        "agreement", text, holds, state, "" if holds else f"the models' agreement still moves ({state})"
    )


def _audit_figures(session: Session, level: str, run: Run) -> dict[str, Any] | None:
    """What the audit says of a run: of the positive category's F1, of accuracy where there are more than two."""
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
    row = found.per_category.loc[name]
    return {
        "of": f"F1 of {name}", "value": float(row["f1"]), "low": float(row["low"]), "high": float(row["high"]), "n": found.n,
    }  # fmt: skip


def _audit(session: Session, level: str, run: Run, target: float, looked: Troubled) -> _Condition:
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
        return _Condition("audit", text, None, state, reason, action)
    found = _audit_figures(session, level, run)
    if found is None or found["n"] < len(audited(session, run).positions):
        return _Condition(
            "audit", text, None, f"{blind:,} labelled, not judged since the training",
            "the audit has not judged this training", NextAction("judge", {}, "Judge the models"),
        )  # fmt: skip
    value, low = found["value"], found["low"]
    state = f"{found['of']} {value:.2f} ({low:.2f}–{found['high']:.2f}), {found['n']:,} cells"
    if low >= target:
        return _Condition("audit", text, True, state)
    reason = f"the audit's lower bound is {low:.2f} ({found['of']} {value:.2f}), the target {target:.2f}"
    more = _top_up(found, target)
    todo = len(sample.todo)
    if more is None:
        return _Condition("audit", text, False, state, reason, looked.sample(MORE))
    action = (
        NextAction("audit", {"n": 0}, f"Label the audit blind: {todo} cells")
        if todo
        else NextAction("audit", {"n": more}, f"Draw {more} more cells for the audit")
    )
    return _Condition("audit", text, False, state, reason, action)


def _top_up(found: dict[str, Any], target: float) -> int | None:
    """Audit cells that would narrow the interval enough, if the figure stays; None where only better models help."""
    above, width = found["value"] - target, found["value"] - found["low"]
    if not above > 0.005 or not math.isfinite(width):
        return None
    wanted = found["n"] * ((width / above) ** 2 - 1)  # the width goes with one by the root of n
    return None if wanted > TOO_MANY else max(TOP_UP, math.ceil(wanted / 10) * 10)


def _images(table: pd.DataFrame | None, looked: Troubled) -> _Condition:
    text = "no slice far below the mean, none unlike those labelled"
    if table is None:
        return _Condition(
            "images", text, None, "not judged since the training", "these models have not been judged by animal",
            NextAction("judge", {}, "Judge the models by animal"),
        )  # fmt: skip
    if looked.unlike:
        name = looked.unlike[0]
        state = f"{name} lies {table.loc[name, 'shift']:.1f} spreads from those labelled"
        action = (
            looked.sample(MORE, name)
            if table.loc[name, "in_set"]
            else NextAction("working_set", {"image": name}, f"Add {name} to the working set")
        )
        return _Condition("images", text, False, state, f"{name} looks unlike the slices that were labelled", action)  # fmt: skip
    if looked.below:
        name = looked.below[0]
        return _Condition(
            "images", text, False, f"{name}: {looked.why[name]}", f"{name} is far below the mean ({looked.why[name]})",
            looked.sample(MORE, name),
        )  # fmt: skip
    if not math.isfinite(looked.mean):
        return _Condition("images", text, None, "too little is known of each slice to compare them")
    return _Condition("images", text, True, f"F1 to be expected: {looked.mean:.2f} on the mean")


# ---------------------------------------------------------------------- together


def _before(session: Session, level: str) -> StopLight:
    """Before the first training."""
    first = _labels(session, level)
    text = "Nothing is trained yet"
    counts = learned_labels(session, level, ()) if session.features_by_name else {}
    ready = sum(n >= FEW for n in counts.values()) >= 2
    action = (
        NextAction("train", {}, "Train") if ready and session.busy() is None
        else first.action or NextAction("none", {}, "Label some cells of each category")
    )  # fmt: skip
    reason = f"{text}: {_lower(action.text)}."
    return replace(_light([first], action, {}, (), reason), level=level)


def _new_labels(session: Session, level: str, run: Run) -> int:
    """Labels given or changed since a training."""
    try:
        now = snapshot(session, level, run.about.get("exclude_images", ()))
    except CellTuneError:
        return 0
    codes = np.array([c.code for c in now.classes], np.int16)[now.y]
    return labels_since(run, session.table.ids[now.positions], codes) or 0


def _next(found: list[_Condition], new: int, settled: Settling, session: Session) -> NextAction:
    """What helps most: labels nobody has, then learning those given, then the weakest image, then figures."""
    by_key = {c.key: c for c in found}
    if not by_key["labels"].holds and by_key["labels"].action is not None:
        return by_key["labels"].action
    if new >= max(1, settled.needed - settled.since) and session.busy() is None:
        return NextAction("train", {}, f"Train again, with {new:,} new labels")
    for key in ("images", "settled", "audit", "agreement"):
        condition = by_key[key]
        if not condition.holds and condition.action is not None:
            return condition.action
    if not by_key["agreement"].holds:
        again = by_key["settled"].action
        return again or NextAction("train", {}, "Label some more, then train again")
    return NextAction("none", {}, "Look at each slice and say what you find")


def _light(
    found: list[_Condition], action: NextAction, figures: dict[str, Any], warnings: tuple[str, ...], sentence: str = ""
) -> StopLight:  # fmt: skip
    import pandas as pd

    open_ = [c for c in found if not c.holds]
    failing = [c for c in open_ if c.holds is False]
    if not open_ and len(found) > 1:
        color = "green"
    elif len(found) > 1 and (len(open_) == 1 or (len(open_) == 2 and not failing)):
        color = "yellow"
    else:
        color = "red"
    conditions = pd.DataFrame(
        {"holds": pd.Series([c.holds for c in found], dtype=object).tolist(), "text": [c.text for c in found], "state": [c.state for c in found]},
        index=pd.Index([c.key for c in found], name="condition"), dtype=object,
    )  # fmt: skip
    if not sentence:
        sentence = "every condition holds." if color == "green" else f"{_lower(action.text)}."
        if open_ and action.verb in ("audit", "judge", "train"):
            # The action says nothing of slices and cells by itself.
            lead = next((c for c in open_ if c.action is action), open_[0])
            sentence = f"{lead.reason or lead.state}. {action.text}."
        sentence = sentence[0].upper() + sentence[1:]
    reasons = tuple(c.reason or f"{c.text}: {c.state}" for c in open_)
    return StopLight(color, _WORDS[color], sentence, reasons, action, figures, conditions, warnings)


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]


def follow(session: Session, light: Any) -> Any:
    """See :meth:`celltune_nb.Session.follow`."""
    if not isinstance(light, StopLight):
        raise InputError(f"{light!r} is no stop light. Take the one of session.stop_light().")
    level, (verb, given, _) = light.level, light.action
    if verb == "train":
        return session.train(level=level)
    if verb == "judge":
        return session.judge(level=level)
    if verb == "working_set":
        session.set_working_set([*session.working_set, given["image"]])
        return _show(session, sample_kind(session, MORE, given["image"], None, level, None))
    if verb == "audit":
        return session.draw_audit(given["n"], level=level) if given["n"] else session.audits.of(level).todo
    if verb == "sample":
        return _show(session, sample_kind(session, given["n"], given["image"], given["kind"], level, None))
    return None


def _show(session: Session, ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Select cells that are to be labelled, and look at the image of the first."""
    session.select(ids)
    if len(ids):
        image = session.table.names[int(session.table.images[session.table.positions(ids[:1])[0]])]
        if image in session.images:
            session.set_view(image=image)
    return ids
