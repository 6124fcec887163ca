"""Whether more labels are worth giving: one sentence, the figures it rests on, and CellTune's own rule beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["STOP_RULE", "Advice", "Findings", "advise", "below_bounds"]

#: CellTune's documentation: when its users stop.
STOP_RULE = (
    "CellTune's rule: stop when the two models agree on more than 85 % of the cells of well-defined types, 90 % of "
    "nuclear and 65 % of fuzzy ones, with 100–200 labels a type."
)
WELL_DEFINED, FUZZY = 0.85, 0.65
LABELS_A_TYPE = 100
#: Categories that a sentence names.
NAMED = 3

#: Agreement of predictions between two rounds from which on they count as settled, and for how many rounds.
SETTLED, ROUNDS = 0.975, 3
#: Labels below which a category cannot be called known.
FEW = 10
#: Change of the models' agreement between rounds that counts as none, and gain of macro-F1 by twice the labels.
FLAT, GAIN = 0.01, 0.01
NO_AUDIT = "no audit has judged these models"


@dataclass(frozen=True)
class Findings:
    """What advice is given from; whatever is not known is left at its default.

    Attributes
    ----------
    labels : int
        Labels learned from.
    new_labels : int or None
        Of these, given or changed since the training before.
    changed : float or None
        Share of the predictions that the last round changed.
    compared : int
        Predictions that were compared.
    trainings : int
        Finished ones, this one among them.
    kappas : sequence of float
        Agreement beyond chance of each round with the one before, the newest last; see
        :func:`celltune_nb.learn.settling.settling` for what makes a round.
    agreements : sequence of float
        Agreement of the two models after each round, the newest last.
    since, needed, idle : int
        New labels since the last round, labels that make the next one, trainings since then.
    agreement : float or None
        Of the two models, now.
    by_category : DataFrame or None
        The same of each category, as :func:`below_bounds` takes it.
    per_category : mapping of str to int
        Labels of each category.
    accuracy : (value, low, high) or None
        And what it was measured on:
    judged_by : {"audit", "out-of-fold", ""}
    gain : float or None
        Macro-F1 that the last doubling of the labels brought on labels that were held out.
    target : float
        Accuracy that is good enough.
    """

    labels: int
    new_labels: int | None = None
    changed: float | None = None
    compared: int = 0
    trainings: int = 1
    kappas: Sequence[float] = ()
    agreements: Sequence[float] = ()
    since: int = 0
    needed: int = 10
    idle: int = 0
    agreement: float | None = None
    by_category: pd.DataFrame | None = None
    per_category: Mapping[str, int] = field(default_factory=dict)
    accuracy: tuple[float, float, float] | None = None
    judged_by: str = ""
    gain: float | None = None
    target: float = 0.9


@dataclass(frozen=True)
class Advice:
    """Whether to go on labelling.

    Attributes
    ----------
    sentence : str
        What the last labels did, what more of them would, how sure the figures are.
    verdict : {"go on", "nearly", "enough"}
    next_step : str
        What to do now.
    figures : dict
        The numbers behind it.
    open : tuple of str
        Conditions for "enough" that do not hold yet, in words.
    stop_rule : str
        CellTune's rule.
    hint : str
        How far that rule is met here: labels a type, agreement of the two models.
    """

    sentence: str
    verdict: str
    next_step: str
    figures: dict[str, Any]
    open: tuple[str, ...]
    stop_rule: str = STOP_RULE
    hint: str = ""

    def __repr__(self) -> str:
        return f"Advice({self.verdict}: {self.next_step})"

    def __str__(self) -> str:
        return f"{self.sentence} {self.next_step}"


def advise(found: Findings) -> Advice:
    """Say whether more labels are worth giving.

    "Enough" is said only where all of these hold: predictions settled over three rounds with new labels (kappa ≥ .975), the lower
    bound of an audit's accuracy at the target, the models' agreement flat, ten labels of every category.
    """
    missing = _missing(found)
    verdict = "enough" if not missing else "nearly" if len(missing) == 1 else "go on"
    figures = {
        "labels": found.labels, "new_labels": found.new_labels, "changed": found.changed, "compared": found.compared,
        "kappa": found.kappas[-1] if len(found.kappas) else None,
        "agreement": found.agreement, "rounds": len(found.kappas), "since": found.since, "needed": found.needed,
        "accuracy": found.accuracy, "judged_by": found.judged_by, "gain": found.gain, "target": found.target,
    }  # fmt: skip
    return Advice(
        " ".join(_said(found)), verdict, _next(verdict, missing), figures, tuple(missing), hint=_hint(found)
    )


def _said(found: Findings) -> list[str]:
    said = []
    if found.changed is not None and np.isfinite(found.changed):
        who = f"The last {found.new_labels:,} labels" if found.new_labels else "The last training"
        if found.new_labels == 0:
            who += ", without new labels,"
        said.append(f"{who} changed {_percent(found.changed)} of {found.compared:,} predictions.")
    elif found.trainings > 1:
        said.append(
            f"Training {found.trainings}, on {found.labels:,} labels: its predictions cannot be compared with those "
            "before, which are of other cells or gone."
        )
    else:
        said.append(f"First training, on {found.labels:,} labels: there is nothing to compare it with yet.")
    if found.gain is not None and np.isfinite(found.gain):
        said.append(f"The last doubling of the labels brought {100 * found.gain:+.1f} points of macro-F1.")
    if found.accuracy is not None:
        value, low, high = found.accuracy
        source = "the audit" if found.judged_by == "audit" else "held-out labels, which somebody chose"
        said.append(f"Accuracy {value:.1%} ({100 * low:.1f}–{100 * high:.1f}) by {source}.")
    return said


def _missing(found: Findings) -> list[str]:
    missing = []
    few = [f"{name} ({n})" for name, n in found.per_category.items() if n < FEW]
    if few:
        missing.append(f"fewer than {FEW} labels of {', '.join(few)}")
    if found.gain is not None and found.gain > GAIN:
        missing.append(f"more labels still help ({100 * found.gain:+.1f} points at the last doubling)")
    if len(found.kappas) < ROUNDS or not all(kappa >= SETTLED for kappa in found.kappas[-ROUNDS:]):
        missing.append(_unsettled(found))
    recent = found.agreements[-2:]
    if len(recent) == 2 and abs(recent[1] - recent[0]) > FLAT:
        missing.append(f"the models' agreement still moves ({recent[0]:.0%} → {recent[1]:.0%})")
    if found.judged_by != "audit":
        missing.append(NO_AUDIT)
    elif found.accuracy is not None and not found.accuracy[1] >= found.target:
        missing.append(f"the audit's lower bound is {found.accuracy[1]:.1%}, the target {found.target:.0%}")
    return missing


def _unsettled(found: Findings) -> str:
    settled = 0
    for value in reversed(found.kappas):
        if not value >= SETTLED:
            break
        settled += 1
    if settled:
        text = f"predictions have been settled for {settled} of {ROUNDS} rounds"
    elif len(found.kappas):
        text = f"predictions still change from round to round (kappa {found.kappas[-1]:.2f}; {SETTLED} three times is settled)"
    elif not found.idle:
        text = "there is no second training to compare predictions with"
    else:
        text = "no training since the first to compare had enough new labels to tell whether predictions have settled"
    if not found.idle:
        return text
    who = "the last training" if found.idle == 1 else f"the last {found.idle} trainings"
    had = f"{found.since:,} new labels" if found.since else "no new labels"
    return f"{text} ({who} had {had}; a round counts from {found.needed:,} on)"


def _hint(found: Findings) -> str:
    """CellTune's rule beside what is here."""
    said = []
    counts = dict(sorted(found.per_category.items(), key=lambda item: item[1]))
    if counts:
        there = sum(n >= LABELS_A_TYPE for n in counts.values())
        text = f"{there} of {len(counts)} types have {LABELS_A_TYPE} labels"
        few = [f"{name} {n}" for name, n in counts.items() if n < LABELS_A_TYPE]
        said.append(f"{text}{_listed(', fewest: ', few)}.")
    if found.agreement is not None and found.by_category is not None:
        said.append(f"The models agree on {found.agreement:.0%} of all cells.")
        said.append(below_bounds(found.by_category))
    return " ".join(filter(None, said))


def _listed(lead: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{lead}{', '.join(islice(names, NAMED))}{more}"


def _next(verdict: str, missing: Sequence[str]) -> str:
    if verdict == "enough":
        return "More labels would change little: enough."
    if missing == [NO_AUDIT]:
        return "It looks like enough; label an audit sample to be sure."
    return f"{'Nearly there' if verdict == 'nearly' else 'Go on labelling'}: {missing[0]}."


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share < 0.0995 else f"{100 * share:.0f} %"


def below_bounds(by_category: pd.DataFrame) -> str:
    """Which categories two models agree on too rarely by CellTune's rule.

    Parameters
    ----------
    by_category : DataFrame
        Index category; row, column: agreement as in :class:`celltune_nb.learn.comparing.Agreement`.
    """
    lower = by_category[["row", "column"]].min(axis=1).dropna().sort_values()
    low = lower[lower < WELL_DEFINED]
    if not len(low):
        return "Every category lies above 85 % both ways." if len(lower) else ""
    # Rounded down: what lies below 85 % is not shown as 85 %.
    named = _listed("", [f"{name} {int(100 * value + 1e-9)}%" for name, value in low.items()])
    fuzzy = int((low < FUZZY).sum())
    tail = f"; {fuzzy} of them below 65 %, too low even for a fuzzy type" if fuzzy else ""
    return f"Below 85 %: {named}{tail}."
