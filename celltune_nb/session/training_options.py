"""What a training is asked for besides models, level and seed; checked before anything begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import InputError, NotReadyError
from .checks import number, whole_number
from .onoff import positive_of

if TYPE_CHECKING:
    from ..learn.training import TrainingData
    from .session import Session
    from .training import Snapshot

__all__ = ["OPTIONS", "balanced", "checked"]

OPTIONS = (
    "balance", "device", "exclude_images", "holdout_fraction", "n_jobs", "params", "patience", "rounds", "weights",
)  # fmt: skip


def checked(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options with numbers as numbers.

    Raises
    ------
    InputError
        One is not known, or out of its range.
    """
    options = dict(options)
    unknown = options.keys() - set(OPTIONS)
    if unknown:
        raise InputError(f"train() has no option {min(unknown)!r}. Options: {', '.join(OPTIONS)}.")
    for name, least in (("rounds", 1), ("patience", 0)):
        if options.get(name) is not None:
            options[name] = whole_number(options[name], name.capitalize(), least)
    for name, what, usual in (
        ("holdout_fraction", "The held-out fraction", 0.25),
        ("balance", "The share of the positive category in training", 0.5),
    ):
        if options.get(name) is not None:
            share = options[name] = number(options[name], what)
            if not 0 < share < 1:
                raise InputError(f"{what} is {share}. Give one between 0 and 1, for example {usual}.")
    if options.get("n_jobs") is not None:
        options["n_jobs"] = whole_number(options["n_jobs"], "The number of threads", -1)
    return options


def balanced(session: Session, now: Snapshot, level: str, share: float | None) -> TrainingData:
    """What is learned from, with the share of the training weight that the positive category is to have."""
    data = now.data()
    if share is None:
        return data
    try:
        code = positive_of(session, level).code
    except NotReadyError:
        return data
    place = [i for i, category in enumerate(now.classes) if category.code == code]
    return replace(data, balance=(place[0], float(share))) if place else data
