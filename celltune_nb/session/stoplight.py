"""The stop light: whether more labels are needed, why, and what to do next.

Green only if all of these hold (they are measured, see ``docs/slices.md``): predictions of the unlabelled cells settled over
three rounds with new labels; the audit's lower bound at the target; the models' agreement flat; ten labels of each
category; no image far below the mean, among them no image unlike those that were labelled.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CellTuneError, InputError, NotReadyError
from ..learn.advice import FEW
from .checks import number
from .judging import judged_table, kept, warnings_of
from .rounds import labels_since, so_far
from .stop_conditions import (
    MORE,
    TARGET,
    Condition,
    agreement_condition,
    audit_condition,
    audit_figures,
    image_condition,
    label_condition,
    settled_condition,
)  # fmt: skip
from .study import change_study, signed, stored
from .training import learned_labels, snapshot
from .trouble import NextAction, sample_kind, troubled

if TYPE_CHECKING:
    import pandas as pd

    from ..learn.settling import Settling
    from .runs import Run
    from .session import Session

__all__ = ["NextAction", "StopLight", "follow", "set_target", "stop_light", "target", "target_by"]

_WORDS = {"red": "Go on", "yellow": "Nearly", "green": "Good enough"}


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
    why : str
        The reason alone.
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
    table : DataFrame or None
        Of :meth:`celltune_nb.Session.judge` by image, as far as the newest models were judged.
    """

    color: str
    word: str
    sentence: str
    why: str
    reasons: tuple[str, ...]
    action: NextAction
    figures: dict[str, Any]
    conditions: pd.DataFrame
    warnings: tuple[str, ...] = field(default=())
    level: str = ""
    table: pd.DataFrame | None = None

    @property
    def next_action(self) -> str:
        """What to do next, in words."""
        return self.action.text

    def __str__(self) -> str:
        return f"{self.word}: {self.sentence}"

    def __repr__(self) -> str:
        return f"StopLight({self.color}; {self.sentence})"


# ---------------------------------------------------------------------- what is aimed at

_PART = "targets"


def target(session: Session, level: str) -> float:
    """What the audit's lower bound has to reach at a level: as set, else :data:`~.stop_conditions.TARGET`."""
    share = target_by(session, level).get("share")
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1:
        return TARGET
    return float(share)


def target_by(session: Session, level: str) -> dict[str, Any]:
    """The target as kept: share, user, time; empty where nobody set one."""
    entry = stored(session, _PART).get(level)
    return dict(entry) if isinstance(entry, dict) else {}


def set_target(session: Session, share: Any, level: str) -> None:
    """See :meth:`celltune_nb.Session.set_target`."""
    entry = None if share is None else signed(session, share=_checked(share))
    change_study(session, _PART, {level: entry})


def _checked(share: Any) -> float:
    share = number(share, "The target")
    if not 0 < share < 1:
        raise InputError(f"The target is {share!r}. Give a share between 0 and 1, such as {TARGET}.")
    return float(share)


# ---------------------------------------------------------------------- the light


def stop_light(session: Session, level: str, aim: Any = None) -> StopLight:
    """See :meth:`celltune_nb.Session.stop_light`."""
    aim = target(session, level) if aim is None else _checked(aim)
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
    steady = settled_condition(settled, looked)
    found = [
        label_condition(session, level),
        steady,
        agreement_condition(settled),
        audit_condition(session, level, run, aim, looked, steady.holds is True),
        image_condition(table, looked),
    ]
    new = _new_labels(session, level, run)
    action = _next(found, new, settled, session, unlike=bool(looked.unlike))
    figures = {
        "kappas": settled.kappas, "agreements": settled.agreements, "new_labels": new, "target": aim,
        "audit": audit_figures(session, level, run), "mean_f1": looked.mean, "worst": looked.below,
        "unlike": looked.unlike,
    }  # fmt: skip
    warnings = warnings_of(session, run) if table is None else table.attrs["warnings"]
    return replace(_light(found, action, figures, tuple(warnings)), level=level, table=table)


# ---------------------------------------------------------------------- together


def _before(session: Session, level: str) -> StopLight:
    """Before the first training."""
    first = label_condition(session, level)
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


def _next(
    found: list[Condition], new: int, settled: Settling, session: Session, *, unlike: bool
) -> NextAction:
    """What helps most: labels nobody has, then learning those given, then the weakest image, then figures.

    Once predictions have settled, the audit comes before an image of which little is to be expected: it says whether
    the probabilities behind that are too modest, and labels of an image that has none too few hardly raise them.
    """
    by_key = {c.key: c for c in found}
    if not by_key["labels"].holds and by_key["labels"].action is not None:
        return by_key["labels"].action
    # What one step has asked for is learned from, also where a round counts from more labels on: they add up.
    if new >= min(MORE, max(1, settled.needed - settled.since)) and session.busy() is None:
        return NextAction("train", {}, f"Train again, with {new:,} new labels")
    order = ["images", "settled", "audit", "agreement"]
    if (
        by_key["settled"].holds
        and by_key["images"].holds is False
        and not unlike
        and by_key["audit"].holds is None
    ):
        order = ["audit", *order]
    for key in order:
        condition = by_key[key]
        if not condition.holds and condition.action is not None:
            return condition.action
    if not by_key["agreement"].holds:
        again = by_key["settled"].action
        return again or NextAction("train", {}, "Label some more, then train again")
    return NextAction("none", {}, "Look at each slice, and give your verdict in the list of slices")


def _light(
    found: list[Condition], action: NextAction, figures: dict[str, Any], warnings: tuple[str, ...], sentence: str = ""
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
    why = ""
    if open_ and not sentence:
        lead = next((c for c in open_ if c.action is action), open_[0])
        why = lead.reason or f"{lead.text}: {lead.state}"
        if action.verb == "train" and lead.action is not action:
            why = "the models have not learned from your newest labels"
        sentence = f"{why}. {action.text}."
    sentence = sentence or "every condition holds."
    sentence = sentence[0].upper() + sentence[1:]
    why = f"{why[0].upper()}{why[1:]}." if why else sentence
    reasons = tuple(c.reason or f"{c.text}: {c.state}" for c in open_)
    return StopLight(color, _WORDS[color], sentence, why, reasons, action, figures, conditions, warnings)


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
        if session.working_set:  # empty by now: every image is worked on
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
