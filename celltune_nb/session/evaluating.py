"""How good the models are: from the audit sample when it can speak, else out of fold by group."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..data.categories import UNKNOWN
from ..errors import NotReadyError
from .runs import Run, load_models, trained_on
from .training import snapshot

if TYPE_CHECKING:
    from ..learn.evaluation import Evaluation
    from .session import Session

__all__ = ["ENOUGH_AUDITED", "evaluate"]

#: Audit labels from which on the audit sample speaks.
ENOUGH_AUDITED = 50

Progress = Callable[[float, str], None]


def evaluate(
    session: Session, run: Run | None, level: str, progress: Progress | None, stop: Callable[[], bool] | None
) -> Evaluation:
    """See :meth:`celltune_nb.Session.evaluate`."""
    run = run or session.finished_run(level)
    if run.state not in ("done", "stopped"):
        raise NotReadyError(f"That training is {run.state}. Wait until it is done, or evaluate another.")
    judged = _audited(session, run.level)
    # A cell that was labelled, learned from, unlabelled and then drawn cannot judge what it taught.
    fresh = ~np.isin(session.table.ids[judged[0]], trained_on(run))
    judged = (judged[0][fresh], judged[1][fresh], judged[2][fresh])
    if len(judged[0]) >= ENOUGH_AUDITED:
        found = _from_audit(session, run, *judged)
        if not fresh.all():
            found.warnings.append(
                f"{int((~fresh).sum())} audit cells taught this training before and are left out."
            )
        return found
    found = _out_of_fold(session, run, progress, stop)
    if n := len(judged[0]):
        found.warnings.append(
            f"The audit sample has {n} label{'s' if n > 1 else ''}; from {ENOUGH_AUDITED} on the figures speak from it."
        )
    return found


def _audited(
    session: Session, level: str
) -> tuple[NDArray[np.int64], NDArray[np.int16], NDArray[np.float64]]:
    """Positions, category codes and inclusion probabilities of the labelled audit items.

    Items of a category that is kept out of training have no right answer among the models' and are left out,
    and so are items that were labelled with the predictions in sight.
    """
    audit = session.audits.of(level)
    with session.lock:
        state = session.book.level(level)
        codes = state.codes_of(audit.ids)
        usable = [c.code for c in state.categories if c.name != UNKNOWN and not c.exclude_from_training]
        blind = session.book.sources(level, audit.ids) == "audit"
    use = np.isin(codes, usable) & blind & (audit.inclusion > 0)
    return session.positions(audit.ids[use]), codes[use], audit.inclusion[use]


def _from_audit(
    session: Session,
    run: Run,
    positions: NDArray[np.int64],
    codes: NDArray[np.int16],
    inclusion: NDArray[np.float64],
) -> Evaluation:
    from ..learn.evaluation import evaluate_audit

    source = session.features_by_name.get(run.about.get("source", ""))
    handles = load_models(run)
    if source is None or not handles or source.schema_hash != handles[0].schema_hash:
        raise NotReadyError("The features have changed since that training. Train again: session.train().")
    measured = positions < len(source)
    positions, codes, inclusion = positions[measured], codes[measured], inclusion[measured]
    rows = source.rows(positions)
    with session.lock:
        categories = session.book.level(run.level).categories
    # The models know their categories by the names of that day; codes tell which ones they are now.
    now = {code: c.name for code, c in categories.by_code.items()}
    known = [now.get(int(code), name) for name, code in run.about["codes"].items()]
    names = [*known, *(c.name for c in categories if c.code in set(codes.tolist()) and c.name not in known)]
    truth = np.array([names.index(now[int(code)]) for code in codes], np.int64)
    units, unit = session.table.units()
    return evaluate_audit(
        {handle.name: handle.predict_proba(rows) for handle in handles},
        truth,
        inclusion,
        categories=names,
        model_categories=known,
        ids=session.table.ids[positions],
        groups=np.array(session.table.unit_names, object)[units[positions]],
        unit=unit,
        seed=run.seed,
        feature_names=run.about.get("features", ()),
    )


def _out_of_fold(
    session: Session, run: Run, progress: Progress | None, stop: Callable[[], bool] | None
) -> Evaluation:
    from ..learn.evaluation import evaluate_out_of_fold
    from ..learn.models import ModelSpec

    now = snapshot(session, run.level, run.about.get("exclude_images", ()))
    params = run.about.get("params", {})
    specs = [ModelSpec(kind, dict(params.get(kind, {}))) for kind in run.model_names]
    return evaluate_out_of_fold(
        now.data(),
        specs,
        ids=session.table.ids[now.positions],
        rounds=run.about.get("rounds"),
        seed=run.seed,
        weights=run.about.get("options", {}).get("weights", "none"),
        progress=progress,
        stop=stop,
    )
