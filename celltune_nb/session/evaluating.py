"""How good the models are: from the audit sample when it can speak, else out of fold by group."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.categories import UNKNOWN
from ..data.predictions import called_now
from ..errors import CellTuneError, NotReadyError
from .predicting import learned
from .runs import Run, trained_on
from .training import Snapshot, snapshot
from .training_options import balanced

if TYPE_CHECKING:
    from ..data.features import FeatureSource
    from ..learn.verdict import Evaluation
    from .session import Session

__all__ = ["ENOUGH_AUDITED", "audited", "evaluate", "evaluate_out_of_fold", "out_of_fold_of", "outdated"]

#: Audit labels from which on the audit sample speaks.
ENOUGH_AUDITED = 50

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class _Judged:
    """The audit as far as it can judge a run.

    Attributes
    ----------
    positions, codes, chance : arrays, shape (n,)
        Rows, category codes, and the probability of having been drawn and labelled.
    aside : tuple of arrays, shape (m,)
        The same of the cells whose category is kept out of training: they can judge no model, yet they count
        where it is asked how many cells of each category there are.
    taught : int
        Audit cells left out because the run learned from them.
    passed : int
        Audit cells that were skipped, or labelled with the predictions in sight.
    """

    positions: NDArray[np.int64]
    codes: NDArray[np.int16]
    chance: NDArray[np.float64]
    aside: tuple[NDArray[np.int64], NDArray[np.int16], NDArray[np.float64]]
    taught: int
    passed: int


def evaluate(
    session: Session, run: Run | None, level: str, progress: Progress | None, stop: Callable[[], bool] | None
) -> Evaluation:
    """See :meth:`celltune_nb.Session.evaluate`."""
    run = run or session.finished_run(level)
    if run.state not in ("done", "stopped"):
        raise NotReadyError(f"That training is {run.state}. Wait until it is done, or evaluate another.")
    with session.lock:
        revision = session.book.revision
    judged = audited(session, run)
    n = len(judged.positions)
    if n >= ENOUGH_AUDITED:
        found = _from_audit(session, run, judged)
    else:
        found = evaluate_out_of_fold(session, run, progress, stop)
        if n:
            found.warnings.append(
                f"The audit sample has {n} label{'s' if n > 1 else ''}; from {ENOUGH_AUDITED} on the figures speak from it."
            )
    found = replace(found, run=run.id, level=run.level, revision=revision, when=time.time())
    try:
        run.keep(found, write=not session.read_only)
    except OSError as error:
        session.problems.append(
            f"The evaluation could not be kept ({error.strerror}). Make room on the disk."
        )
    return found


def outdated(session: Session, found: Evaluation) -> str:
    """See :meth:`celltune_nb.Session.outdated`."""
    try:
        if session.finished_run(found.level).id != found.run:
            return "From before the last training."
        with session.lock:
            revision = session.book.revision
            names = {c.code: c.name for c in session.book.level(found.level).categories}
        if revision == found.revision:
            return ""
        judged = audited(session, session.finished_run(found.level))
        if len(judged.positions) >= ENOUGH_AUDITED:
            positions, truth = judged.positions, [names[int(code)] for code in judged.codes]
        else:
            run = session.finished_run(found.level)
            now = snapshot(session, found.level, run.about.get("exclude_images", ()))
            positions, truth = now.positions, [now.classes[int(y)].name for y in now.y]
    except CellTuneError:
        return "From before the last changes."
    before = dict(zip(found.ids.tolist(), (found.categories[int(t)] for t in found.truth), strict=True))
    same = before == dict(zip(session.table.ids[positions].tolist(), truth, strict=True))
    return "" if same else "From before the last labels."


def audited(session: Session, run: Run) -> _Judged:
    """What the audit has to say about a run.

    Items of a category that is kept out of training have no right answer among the models' and are set aside;
    a cell that was labelled, learned from, unlabelled and then drawn is left out: it cannot judge what it taught.
    """
    level = run.level
    audits = session.audits
    with session.lock:
        draws = audits.draws(level)
        ids = np.concatenate([np.empty(0, np.int64), *draws])
        state = session.book.level(level)
        codes = state.codes_of(ids)
        usable = [c.code for c in state.categories if c.name != UNKNOWN and not c.exclude_from_training]
        excluded = [c.code for c in state.categories if c.exclude_from_training]
        blind = session.book.sources(level, ids) == "audit"
    labelled = ids[blind]
    held = session.regions.inside(level)[session.table.positions(ids)]
    use = np.isin(codes, usable) & blind & held
    taught = session.book.lineage.now(trained_on(run)) if use.any() else ids[:0]
    fresh = use & ~np.isin(ids, taught)
    known = session.table.positions(ids) < _measured(session, run)
    others = blind & known & np.isin(codes, excluded) & held
    aside, measured = ids[others], fresh & known
    chance = audits.judging(level, labelled, ids[measured])
    return _Judged(
        session.table.positions(ids[measured]), codes[measured], chance,
        (
            session.table.positions(aside),
            codes[others],
            audits.judging(level, labelled, aside),
        ),
        int(use.sum() - fresh.sum()),
        sum(_passed(np.isin(drawn, labelled)) for drawn in audits.held_draws(level)),
    )  # fmt: skip


def _passed(labelled: NDArray[np.bool_]) -> int:
    """How many of a draw were not labelled although later ones were."""
    return int((~labelled[: np.flatnonzero(labelled)[-1]]).sum()) if labelled.any() else 0


def _measured(session: Session, run: Run) -> int:
    source = session.features_by_name.get(run.about.get("source", ""))
    return len(session.table) if source is None else len(source)


def _from_audit(session: Session, run: Run, judged: _Judged) -> Evaluation:
    from ..learn.evaluation import evaluate_audit, with_further_truth

    source = session.features_by_name.get(run.about.get("source", ""))
    handles, codes = learned(session, run)
    if source is None or not handles or source.schema_hash != handles[0].schema_hash:
        raise NotReadyError(
            "The features have changed since that training. Train again: in Train, or with session.train()."
        )
    rows = source.rows(judged.positions)
    with session.lock:
        categories = session.book.level(run.level).categories
    # The models know their categories by the names of that day; codes tell which ones they are now.
    now = {c.code: c.name for c in categories}
    known = called_now(codes, categories.by_code)
    gone = [name for name, code in zip(known, codes.values(), strict=True) if code not in now]
    names = [name for name in known if name not in gone]
    names += [c.name for c in categories if c.code in set(judged.codes.tolist()) and c.name not in names]
    truth = np.array([names.index(now[int(code)]) for code in judged.codes], np.int64)
    units, unit = session.table.units()
    places, aside, chance = judged.aside
    every = [*names, *gone]
    every += sorted({now[int(code)] for code in aside} - set(every))
    census, beyond = _census(session, run, handles, codes, source, every)
    found = evaluate_audit(
        {handle.name: handle.predict_proba(rows) for handle in handles},
        truth,
        judged.chance,
        categories=names,
        model_categories=known,
        ids=session.table.ids[judged.positions],
        groups=np.array(session.table.unit_names, object)[units[judged.positions]],
        unit=unit,
        seed=run.seed,
        census=census.first(len(names) + len(gone)),
        feature_names=run.about.get("features", ()),
    )
    if len(places):
        mean = np.mean([handle.predict_proba(source.rows(places)) for handle in handles], axis=0)
        found = with_further_truth(
            found, [every.index(now[int(code)]) for code in aside],
            [every.index(known[int(place)]) for place in mean.argmax(axis=1)], chance, every, census,
        )  # fmt: skip
    if judged.taught:
        found.warnings.append(f"{judged.taught} audit cells taught this training before and are left out.")
    if judged.passed:
        found.warnings.append(
            f"{judged.passed} audit cells were skipped, or labelled with predictions in sight. If they are the doubtful "
            "ones, these figures are too kind: label them blind."
        )
    if beyond:
        found.warnings.append(
            f"{beyond:,} cells could not come into the audit when it was drawn, and the figures do not speak for them. "
            "Draw more, from all."
        )
    return found


def _census(
    session: Session,
    run: Run,
    handles: list[Any],
    codes: dict[str, int],
    source: FeatureSource,
    names: list[str],
) -> tuple[Any, int]:
    """What is predicted for all cells, by number in *names*; and how many cells nobody could draw or has labelled."""
    from ..learn.prevalence import Census

    answers = _answers(session, run, handles, list(codes.values()), source)
    n = len(answers)
    with session.lock:
        state = session.book.level(run.level)
        now = {c.code: c.name for c in state.categories}
        labels = state.codes_of(session.table.ids[:n])
        called = called_now(codes, state.categories.by_code)
    number = np.array([names.index(name) for name in called], np.int64)[answers]
    drawable = session.audits.inclusion(run.level)[:n] > 0
    predicted = answers >= 0
    in_names = np.full(max([*now, int(labels.max(initial=0))]) + 1, -1, np.int64)
    for code, name in now.items():
        in_names[code] = names.index(name) if name in names else -1
    known = in_names[labels]
    known[drawable | ~session.regions.inside(run.level)[:n]] = -1
    k = len(names)

    def count(rows: NDArray[np.bool_], codes: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.bincount(codes[rows], minlength=k).astype(np.float64)

    census = Census(count(predicted, number), count(predicted & drawable, number), count(known >= 0, known))
    return census, int((predicted & ~drawable & (labels == 0)).sum())


def _answers(
    session: Session, run: Run, handles: list[Any], codes: list[int], source: FeatureSource
) -> NDArray[np.int64]:
    """The run's answer for every measured item, by place among its categories; -1 where there is none."""
    kept = session.populations.answer_of(run)
    if kept is not None:
        stored = kept.codes
        place = np.full(max(int(stored.max(initial=0)), *codes) + 1, -1, np.int64)
        place[codes] = np.arange(len(codes))
        return np.asarray(place[stored])
    out = np.empty(len(source), np.int64)
    for part, rows in source.blocks():
        mean = np.mean([handle.predict_proba(rows) for handle in handles], axis=0, dtype=np.float32)
        out[part] = np.where(np.isnan(rows).all(axis=1), -1, mean.argmax(axis=1))
    out[~session.regions.inside(run.level)[: len(out)]] = -1
    return out


def evaluate_out_of_fold(
    session: Session, run: Run, progress: Progress | None, stop: Callable[[], bool] | None
) -> Evaluation:
    """Cross-validate a run's models on today's labels, by group; nothing is kept."""
    now = snapshot(session, run.level, run.about.get("exclude_images", ()))
    return out_of_fold_of(session, run, now, 5, progress, stop)


def out_of_fold_of(
    session: Session, run: Run, now: Snapshot, folds: int, progress: Progress | None,
    stop: Callable[[], bool] | None,
) -> Evaluation:  # fmt: skip
    """The same of some labels, in at most so many folds: as many as there are groups leave each out by itself."""
    from ..learn import evaluation
    from ..learn.models import ModelSpec

    if not len(now.positions):
        raise NotReadyError(
            "No label lies on a cell that is measured. Measure first (session.measure()), then evaluate."
        )
    params = run.about.get("params", {})
    specs = [ModelSpec(kind, dict(params.get(kind, {}))) for kind in run.model_names]
    return evaluation.evaluate_out_of_fold(
        balanced(session, now, run.level, run.about.get("options", {}).get("balance")),
        specs,
        ids=session.table.ids[now.positions],
        rounds=run.about.get("rounds"),
        k=folds,
        seed=run.seed,
        weights=run.about.get("weights") or run.about.get("options", {}).get("weights", "none"),
        census=_counts(session, run, [c.code for c in now.classes]),
        progress=progress,
        stop=stop,
    )


def _counts(session: Session, run: Run, codes: list[int]) -> Any:
    """What the run predicts for all cells, by category code; None where that is no longer kept."""
    from ..learn.prevalence import Census

    kept = session.populations.answer_of(run)
    if kept is None:
        return None
    tally = np.bincount(kept.codes, minlength=max(codes) + 1)[codes].astype(np.float64)
    return Census(tally, np.zeros(len(codes)), np.zeros(len(codes)))
