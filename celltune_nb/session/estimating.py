"""How long the next training will take, by model: from what the last one took here, else from a few timed rounds."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, TrainingError
from .runs import Run
from .training import problems, snapshot

if TYPE_CHECKING:
    from .session import Session
    from .training import Snapshot

__all__ = ["SLOW", "estimate", "substitution"]

#: Seconds from which on CatBoost is called slow, where LightGBM takes half of it at most.
SLOW = 30.0
#: A former training speaks for one on at most so many times its labels, or so many times fewer.
ALIKE = 1.5

_COSTS: weakref.WeakKeyDictionary[Any, dict[tuple[Any, ...], Any]] = weakref.WeakKeyDictionary()


def estimate(
    session: Session, kinds: Sequence[str], level: str, options: Mapping[str, Any],
    stop: Callable[[], bool] | None = None,
) -> dict[str, float]:  # fmt: skip
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
            found[kind] = former.about["model_seconds"][kind] * labels / former.about["labels"]
            continue
        chosen = [
            int(run.about["rounds"][kind])
            for run in session.runs
            if run.level == level and kind in run.about.get("rounds", {})
        ]
        cost = _cost(session, now, kind, params.get(kind, {}), threads[i % len(threads)], stop)
        found[kind] = seconds_for(
            kind, cost, labels, typical_rounds(kind, labels, chosen[-3:]), rounds=rounds, patience=patience
        )
    return found


def _former(
    session: Session, now: Snapshot, level: str, kind: str, rounds: int | None, patience: int | None,
    params: Mapping[str, Any],
) -> Run | None:  # fmt: skip
    """The newest training on this machine that tells how long this one will take."""
    from ..learn.machine import machine

    for run in reversed(session.runs):
        about, options = run.about, run.about.get("options", {})
        labels = about.get("labels", 0)
        if (
            run.level == level
            and run.state == "done"
            and about.get("machine") == machine()
            and about.get("schema_hash") == now.features.schema_hash
            and len(about.get("counts", {})) == len(now.classes)
            and about.get("model_seconds", {}).get(kind, 0) > 0
            and labels / ALIKE <= len(now.y) <= labels * ALIKE
            and (options.get("rounds"), options.get("patience")) == (rounds, patience)
            and about.get("params", {}).get(kind, {}) == dict(params)
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
    return f"CatBoost would take about {_long(slow)} on these labels, LightGBM about {_long(quick)}."


def _long(seconds: float) -> str:
    if seconds < 90:
        return f"{max(round(seconds / 5) * 5, 5) if seconds > 10 else max(round(seconds), 1)} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
