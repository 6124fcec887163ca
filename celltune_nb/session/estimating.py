"""How long the next training will take, by model: from what the last one took here, else from timed rounds.

Timed rounds know neither how many rounds a model will want nor what the machine does besides.  What former trainings took
beside them corrects that; before the first, the interval is as wide as what was seen on other data.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, TrainingError
from .runs import Run
from .training import problems, snapshot

if TYPE_CHECKING:
    from ..learn.timing import Cost
    from .session import Session
    from .training import Snapshot

__all__ = ["SLOW", "Estimate", "estimate", "substitution"]

#: Seconds from which on CatBoost is called slow, where LightGBM takes half of it at most.
SLOW = 30.0
#: A former training speaks for one on at most so many times its labels, or so many times fewer.
ALIKE = 1.5
#: Former trainings that correct the timed rounds.
FORMER = 3
#: How many times less and more than was said a training took (benchmarks on real data and a busy machine of two cores
#: saw 0.9–3.7 times the timed rounds, which is 0.5–1.9 times what is said); after trainings here; after one much the same.
UNKNOWN, CORRECTED, SAME = (0.5, 2.0), (0.6, 1.7), (0.7, 1.5)
#: Timed rounds run alone and are the first ones: the whole takes longer, by this factor in the middle of what was seen.
LONGER = 1.9

_COSTS: weakref.WeakKeyDictionary[Any, dict[tuple[Any, ...], Any]] = weakref.WeakKeyDictionary()


class Estimate(float):
    """Seconds, and between which two a training will very likely take.

    Attributes
    ----------
    low, high : float
    """

    low: float
    high: float

    def __new__(cls, seconds: float, spread: tuple[float, float]) -> Estimate:
        """Make it from the middle and how many times less and more it may be."""
        self = super().__new__(cls, seconds)
        self.low, self.high = seconds * spread[0], seconds * spread[1]
        return self

    @property
    def words(self) -> str:
        """``"about 5–15 s"``."""
        size, unit = (1, "s") if self.high < 90 else (60, "min") if self.high < 5400 else (3600, "h")
        low, high = (_rounded(value / size) for value in (self.low, self.high))
        return f"about {high} {unit}" if low == high else f"about {low}–{high} {unit}"


def _rounded(value: float) -> str:
    if value < 1:
        return f"{max(value, 0.1):.1f}"
    return f"{round(value / 5) * 5 if value >= 15 else round(value)}"


def estimate(
    session: Session, kinds: Sequence[str], level: str, options: Mapping[str, Any],
    stop: Callable[[], bool] | None = None,
) -> dict[str, Estimate]:  # fmt: skip
    """See :meth:`celltune_nb.Session.training_estimate`."""
    from ..learn.boosting import KINDS
    from ..learn.machine import side_by_side
    from ..learn.timing import seconds_for, typical_rounds

    for kind in kinds:
        if kind not in KINDS:
            raise InputError(f"There is no model kind {kind!r}. Choose from: {', '.join(KINDS)}.")
    errors = [p for p in problems(session, level) if p.severity == "error"]
    if errors:
        raise TrainingError(errors[0].text)
    excluded = options.get("exclude_images") or ()
    now = snapshot(session, level, (excluded,) if isinstance(excluded, str) else tuple(excluded))
    labels = len(now.y)
    rounds, patience = options.get("rounds"), options.get("patience")
    params = options.get("params") or {}
    threads = side_by_side(len(kinds), labels, options.get("n_jobs"))
    found = {}
    for i, kind in enumerate(kinds):
        former = _former(session, now, level, kind, rounds, patience, params.get(kind, {}))
        if former is not None:
            seconds = former.about["model_seconds"][kind] * labels / former.about["labels"]
            found[kind] = Estimate(seconds, SAME)
            continue
        chosen = [
            int(run.about["rounds"][kind])
            for run in session.runs
            if run.level == level and kind in run.about.get("rounds", {})
        ]
        cost = _cost(session, now, kind, params.get(kind, {}), threads[i % len(threads)], stop)
        told = seconds_for(
            kind, cost, labels, typical_rounds(kind, labels, chosen[-3:]), rounds=rounds, patience=patience
        )
        longer = _took_longer(session, now, level, kind, cost, params.get(kind, {}))
        found[kind] = (
            Estimate(LONGER * told, UNKNOWN) if longer is None else Estimate(longer * told, CORRECTED)
        )
    return found


def _took_longer(
    session: Session, now: Snapshot, level: str, kind: str, cost: Cost, params: Mapping[str, Any]
) -> float | None:
    """By what the last trainings here took longer than the timed rounds would have said of them; None without any."""
    from ..learn.timing import seconds_for

    ratios: list[float] = []
    for run in reversed(session.runs):
        about, options = run.about, run.about.get("options", {})
        if len(ratios) < FORMER and _comparable(run, now, level, kind, params) and about["rounds"].get(kind):
            told = seconds_for(
                kind, cost, about["labels"], about["rounds"][kind], rounds=options.get("rounds"), patience=options.get("patience")
            )  # fmt: skip
            ratios.append(about["model_seconds"][kind] / max(told, 1e-6))
    return float(np.median(ratios)) if ratios else None


def _comparable(run: Run, now: Snapshot, level: str, kind: str, params: Mapping[str, Any]) -> bool:
    """Whether a training was of the same features, categories and machine."""
    from ..learn.machine import machine

    about = run.about
    return (
        run.level == level
        and run.state == "done"
        and about.get("machine") == machine()
        and about.get("schema_hash") == now.features.schema_hash
        and len(about.get("counts", {})) == len(now.classes)
        and about.get("model_seconds", {}).get(kind, 0) > 0
        and about.get("labels", 0) > 0
        and about.get("params", {}).get(kind, {}) == dict(params)
    )


def _former(
    session: Session, now: Snapshot, level: str, kind: str, rounds: int | None, patience: int | None,
    params: Mapping[str, Any],
) -> Run | None:  # fmt: skip
    """The newest training on this machine that tells how long this one will take."""
    for run in reversed(session.runs):
        options, labels = run.about.get("options", {}), run.about.get("labels", 0)
        if (
            _comparable(run, now, level, kind, params)
            and labels / ALIKE <= len(now.y) <= labels * ALIKE
            and (options.get("rounds"), options.get("patience")) == (rounds, patience)
        ):
            return run
    return None


def _cost(
    session: Session, now: Snapshot, kind: str, params: Mapping[str, Any], threads: int,
    stop: Callable[[], bool] | None,
) -> Any:  # fmt: skip
    """What a fit costs, measured once for about this many labels."""
    from ..learn.timing import TIMED, measured

    size = round(np.log2(min(len(now.y), TIMED)))
    key = (kind, size, len(now.classes), now.features.schema_hash, threads, repr(sorted(params.items())))
    known = _COSTS.setdefault(session, {})
    if key not in known:
        known[key] = measured(_some(now, 2 * TIMED).data(), kind, params=params, n_jobs=threads, stop=stop)
    return known[key]


def _some(now: Snapshot, n: int) -> Snapshot:
    """Part of a snapshot, one of each category at least: what is timed need not be read from disk whole."""
    from dataclasses import replace

    if len(now.y) <= n:
        return now
    order = np.random.default_rng(0).permutation(len(now.y))
    first = np.unique(now.y[order], return_index=True)[1]
    rows = np.sort(np.concatenate([order[first], np.delete(order, first)])[:n])
    return replace(now, positions=now.positions[rows], y=now.y[rows], groups=now.groups[rows])


def substitution(seconds: Mapping[str, float]) -> str:
    """Whether LightGBM should take CatBoost's place, in a sentence; empty when not."""
    slow, quick = seconds.get("catboost", 0.0), seconds.get("lightgbm", 0.0)
    if slow < SLOW or not 0 < quick <= slow / 2:
        return ""
    one, two = (s.words if isinstance(s, Estimate) else f"about {_long(s)}" for s in (slow, quick))
    return f"CatBoost would take {one} on these labels, LightGBM {two}."


def _long(seconds: float) -> str:
    if seconds < 90:
        return f"{max(round(seconds / 5) * 5, 5) if seconds > 10 else max(round(seconds), 1)} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
