"""Which trainings say whether predictions have settled: those that had new labels to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, isnan

__all__ = ["Round", "Settling", "enough_labels", "settling"]

#: New labels from which on a training counts as a round: so many, and this share of the labels before it.
LEAST, SHARE = 10, 0.05
#: More are not asked for: so many are more than a sitting's work.
MOST = 100


@dataclass(frozen=True)
class Round:
    """One training beside the one before it.

    Attributes
    ----------
    labels : int
        Labels learned from.
    new_labels : int
        Of these, given or changed since the training before.
    kappa : float or None
        Agreement beyond chance of its predictions with those before; None where there was nothing to compare.
    agreement : float or None
        Of the two models.
    """

    labels: int
    new_labels: int = 0
    kappa: float | None = None
    agreement: float | None = None


@dataclass(frozen=True)
class Settling:
    """What the rounds of a level say.

    Attributes
    ----------
    kappas : tuple of float
        Of each round that counts, the newest last.
    agreements : tuple of float
        Of the two models, at the start of the first such round and at the end of each.
    since : int
        New labels since the last round that counted.
    needed : int
        Labels that the next one takes.
    idle : int
        Trainings since then, which had too few.
    """

    kappas: tuple[float, ...]
    agreements: tuple[float, ...]
    since: int
    needed: int
    idle: int


def enough_labels(before: int) -> int:
    """New labels that make a round, where there were *before* already.

    Predictions always stay the same where nothing, or next to nothing, was learned.  Ten labels are the fewest that
    can show a category anew, a twentieth of what is known is the least that could move models, and more than a
    hundred at once nobody should have to give.
    """
    return max(LEAST, min(MOST, ceil(SHARE * before)))


def settling(trainings: Sequence[Round]) -> Settling:
    """Join trainings into rounds that had enough new labels.

    Trainings with a few labels each are one round together, whose predictions changed at most as much as all of its
    trainings changed them: its disagreement is their sum.  A training without any new label tries other settings, or
    repeats the same; it says nothing of labels and counts for nothing.

    Parameters
    ----------
    trainings : sequence of Round
        Of one level, oldest first.
    """
    kappas: list[float] = []
    agreements = [a.agreement for a in trainings[:1] if a.agreement is not None]
    since = idle = 0
    doubt = 0.0
    before = trainings[0].labels if trainings else 0
    for former, now in pairwise(trainings):
        if now.kappa is None or isnan(now.kappa):  # other features or cells: all begins anew
            kappas, since, idle, doubt, before = [], 0, 0, 0.0, now.labels
            agreements = [] if now.agreement is None else [now.agreement]
            continue
        if not since:
            before = former.labels
        idle += 1
        since += now.new_labels
        doubt += 1 - now.kappa if now.new_labels else 0.0
        if since >= enough_labels(before):
            kappas.append(1 - doubt)
            agreements += [] if now.agreement is None else [now.agreement]
            since, idle, doubt, before = 0, 0, 0.0, now.labels
    return Settling(tuple(kappas), tuple(agreements), since, enough_labels(before), idle)
