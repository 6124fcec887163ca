"""Training as a job: a snapshot of labels and features in, models and population sets out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.categories import UNKNOWN, Category
from ..data.features import FeatureSource
from ..data.predictions import predicted, round_diff
from ..errors import InputError, NotReadyError, TrainingError
from . import runs as run_files
from .checks import whole_number
from .exporting import label_table
from .files import file_stem, write_atomically
from .jobs import Job
from .population_files import prepare_population, remove_population
from .predicting import predict_all, shown_first
from .regions import covered, outside_sentence
from .rounds import labels_since, observed
from .runs import Run
from .training_options import balanced, checked

if TYPE_CHECKING:
    from ..learn.models import ModelSpec
    from ..learn.training import Problem, Step, TrainingData
    from .session import Session

__all__ = ["Snapshot", "learned_labels", "models", "problems", "snapshot", "start"]

#: What part of a run each stage is, for the progress bar.
_FIT, _PREDICT = 0.85, 0.13


@dataclass(frozen=True)
class Snapshot:
    """The labels a model may learn from, at one moment.

    Attributes
    ----------
    positions : ndarray of int64, shape (n,)
        Rows of the labelled items: not in the audit sample, not of an excluded category or image.
    y : ndarray of int64, shape (n,)
        Number of the category in *classes*.
    groups : ndarray of object, shape (n,)
        The independent unit.
    unit : str
        What a group is: "group" or "image".
    classes : tuple of Category
    revision : int
        Of the label journal.
    features : FeatureSource
    """

    positions: NDArray[np.int64]
    y: NDArray[np.int64]
    groups: NDArray[np.object_]
    unit: str
    classes: tuple[Category, ...]
    revision: int
    features: FeatureSource

    def data(self) -> TrainingData:
        """With the features read."""
        from ..learn.training import TrainingData

        source = self.features
        columns = source.columns
        return TrainingData(
            source.rows(self.positions), self.y, self.groups, tuple(c.name for c in self.classes),
            tuple(source.names[i] for i in columns), source.schema_hash, self.revision, self.unit,
        )  # fmt: skip


def snapshot(session: Session, level: str, exclude_images: Sequence[str] = ()) -> Snapshot:
    """What a training of *level* would learn from now."""
    source = session.active_features()
    for name in exclude_images:
        session.image_number(name)
    with session.lock:
        table = session.table
        state = session.book.level(level)
        codes = state.codes_in_order(table.ids)
        offered = [c for c in state.categories if c.name != UNKNOWN and not c.exclude_from_training]
        # By look-up: this runs after each label, whatever the number of items.
        learned = np.zeros(max(len(state.tally), *(c.code + 1 for c in state.categories)), bool)
        learned[[c.code for c in offered]] = True
        usable = learned[codes]
        audit = session.audits.of(level).ids
        usable[table.positions(audit)] = False
        usable[len(source) :] = False  # items added after the last measuring
        held = session.regions.mask(level)
        if held is not None:
            usable &= held
        for name in exclude_images:
            usable[table.of_image(session.image_number(name))] = False
        revision = session.book.revision
    positions = np.flatnonzero(usable)
    # Items that could not be measured at all have nothing to learn from.
    positions = positions[_measured(source, positions)]
    found = codes[positions]
    present = np.bincount(found, minlength=len(learned))
    classes = tuple(c for c in offered if present[c.code])
    number = np.zeros(len(learned), np.int64)
    number[[c.code for c in classes]] = np.arange(len(classes))
    y = number[found]
    units, unit = table.units()
    groups = np.array(table.unit_names, object)[units[positions]]
    return Snapshot(positions, y, groups, unit, classes, revision, source)


def learned_labels(session: Session, level: str, exclude_images: Sequence[str]) -> dict[str, int]:
    """See :meth:`celltune_nb.Session.learned_labels`."""
    now = snapshot(session, level, exclude_images)
    counts = np.bincount(now.y, minlength=len(now.classes))
    return {c.name: int(n) for c, n in zip(now.classes, counts, strict=True)}


def _measured(source: FeatureSource, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which rows have a number anywhere: all are read only of those that lack the first."""
    there = np.ones(len(positions), bool)
    if source.matrix.shape[1]:
        lacking = np.flatnonzero(np.isnan(source.matrix[positions, 0]))
        there[lacking] = ~np.isnan(source.matrix[positions[lacking]]).all(axis=1)
    return there


def problems(session: Session, level: str) -> list[Problem]:
    """See :meth:`celltune_nb.Session.training_problems`."""
    from ..learn.training import Problem, problems

    try:
        now = snapshot(session, level)
    except NotReadyError as error:
        return [Problem("error", str(error))]
    with session.lock:
        categories = [
            c
            for c in session.book.level(level).categories
            if c.name != UNKNOWN and not c.exclude_from_training
        ]
    number = {c.code: i for i, c in enumerate(categories)}
    y = np.array([number.get(c.code, 0) for c in now.classes], np.int64)[now.y]
    groups: NDArray[Any] | None = None
    if session.table.several_units:
        # By number, unless there is one whose name is to be said.
        units = session.table.units()[0][now.positions]
        groups = units if len(units) and units.min() != units.max() else now.groups
    with session.lock:
        codes = session.book.level(level).codes_in_order(session.table.ids[len(now.features) :])
    waiting = int(np.isin(codes, list(number)).sum())
    many = f"{waiting:,} label{'s lie on cells' if waiting > 1 else ' lies on a cell'} not measured yet"
    said = f"{many}. Measure again (session.measure()), or nothing is learned from them."
    if waiting and not len(y):
        return [Problem("error", said)]
    found = problems(y, [c.name for c in categories], groups, unit=now.unit)
    if waiting:
        found.append(Problem("warning", said))
    outside = outside_sentence(session, level)
    return [*found, Problem("warning", outside)] if outside else found


def start(session: Session, kinds: Sequence[str], level: str, seed: int, options: dict[str, Any]) -> Run:
    """See :meth:`celltune_nb.Session.train`."""
    from ..learn.models import ModelSpec

    if isinstance(kinds, str):
        kinds = (kinds,)
    if not kinds:
        raise InputError("No model was asked for. Name at least one, for example 'xgboost'.")
    seed = whole_number(seed, "The seed")
    options = checked(options)
    params = options.pop("params", None) or {}
    if not isinstance(params, dict) or not all(isinstance(p, dict) for p in params.values()):
        raise InputError("params= holds a dict for each model: params={'xgboost': {'max_depth': 6}}.")
    specs = [ModelSpec(kind, dict(params.get(kind, {}))) for kind in kinds]
    excluded = options.pop("exclude_images", None) or ()
    excluded = (excluded,) if isinstance(excluded, str) else tuple(map(str, excluded))
    errors = [p for p in problems(session, level) if p.severity == "error"]
    if errors:
        raise TrainingError(errors[0].text)
    with session.writing():
        session.refuse_if_busy()
        now = snapshot(session, level, excluded)
        run = Run(run_files.new_run_id(), level, int(seed), tuple(spec.kind for spec in specs))
        session.runs.append(run)

    last: list[str] = []

    def changed(job: Job) -> None:
        if last and last[0] == job.state:
            session.emit(session.run_progressed, run)
        else:
            last[:] = [job.state]
            session.emit(session.run_changed, run)

    run.job = Job(lambda job: _train(session, run, now, specs, excluded, options, job), "training", changed)
    session.jobs.start(run.job)
    return run


def _train(
    session: Session, run: Run, now: Snapshot, specs: Sequence[Any], excluded: Sequence[str],
    options: dict[str, Any], job: Job,
) -> None:  # fmt: skip
    from ..learn.training import fit_models

    _back_up_labels(session, run.level)
    job.report(0.0, "loading the learning libraries")

    doing: dict[int, str] = {}

    def on_step(step: Step) -> None:
        for metric, values in (
            ("log_loss", step.values),
            ("accuracy", step.accuracy),
            ("macro_f1", step.macro_f1),
        ):
            for split, value in values.items():
                run.rows.append(
                    {
                        "model": step.model,
                        "step": step.step,
                        "split": split,
                        "metric": metric,
                        "value": float(value),
                    }
                )
        if step.phase == "refit" and step.step == step.total_steps:
            words = "done"
        else:
            words = f"{'round' if step.phase == 'choose' else 'refit on all labels, round'} {step.step}"
        doing[step.model_index] = f"{step.model}: {words}"
        # Models side by side stand side by side: the line does not change its subject ten times a second.
        text = " · ".join(doing[i] for i in sorted(doing))
        job.report(_FIT * step.fraction, text, step.remaining_s)

    data = balanced(session, now, run.level, options.get("balance"))
    rest = {name: value for name, value in options.items() if name != "balance"}
    result = fit_models(data, specs, seed=run.seed, on_step=on_step, stop=lambda: job.wish, **rest)

    def progress(done: float, text: str) -> None:
        job.check()
        job.report(_FIT + _PREDICT * done, text)

    progress(0.0, "predicting")
    with shown_first(session, run.level, result.handles, now.features, _today(session, now, run.level)):
        probabilities = predict_all(result.handles, now.features, progress)
        progress(1.0, "saving")
        run.models = result.handles
        run.metrics = result.metrics
        run.rows = list(result.history)
        run.notes = list(result.notes)
        run.about = _about(session, now, result, specs, excluded, options)
        _commit(session, run, now, probabilities, job)


def _today(session: Session, now: Snapshot, level: str) -> list[Category]:
    """The categories that were learned, with the names and colours they have now; a deleted one as it was."""
    with session.lock:
        current = session.book.level(level).categories.by_code
    return [current.get(c.code, c) for c in now.classes]


def _commit(
    session: Session, run: Run, now: Snapshot, probabilities: list[NDArray[np.float32]], job: Job
) -> None:
    """Write everything, then let it take effect in one step."""
    from .deciding import remade  # it judges, and what judges takes its labels from here

    with session.lock:
        state, table = session.book.level(run.level), session.table
        unknown, free = state.categories[UNKNOWN], state.codes_in_order(table.ids[: len(now.features)]) == 0
    classes = _today(session, now, run.level)
    sets = predicted(probabilities, classes, table.ids[: len(now.features)], run.level, unknown)
    there = session.populations.stored(run.level, "Pred_AVG") is not None
    former = session.populations.of(run.level, "Pred_AVG") if there else None
    ids = session.table.ids[now.positions]
    codes = np.array([c.code for c in now.classes], np.int16)[now.y]
    earlier = [r for r in session.runs if r.level == run.level and r.state in ("done", "stopped")]
    held = session.regions.mask(run.level)
    # What is kept answers for all cells, so that the level may be held to others later; figures speak of its own.
    seen = sets if held is None else [covered(item, held) for item in sets]
    run.about["round"] = observed(seen, former, free)
    if earlier and (new := labels_since(earlier[-1], ids, codes, session.book.lineage)) is not None:
        run.about["round"]["new_labels"] = new
    if former is not None:
        sets.append(round_diff(former, next(s for s in seen if s.name == "Pred_AVG")))
    run.round = 1 + len(earlier)
    job.check()
    with session.writing():
        pass  # refuse before anything is written
    sets = [replace(item, run=run.id) for item in sets]
    ready: list[tuple[Path, Path]] = []
    try:
        run_files.save_run(run, session.project.path("runs", run.id), ids, codes)
        sets += remade(session, run, sets)
        # A training with fewer models leaves no answer of an older one behind.
        prefix = "" if run.level == session.level else f"{run.level}/"
        old = [
            s
            for name, s in session.populations.items()
            if name.startswith((f"{prefix}Pred_", f"{prefix}Round_"))
        ]
        stale = [s for s in old if s.level == run.level and s.name not in {item.name for item in sets}]
        ready.extend(prepare_population(session.project, item) for item in sets)
        # Nobody else can write before this ends: the sets of one training and its record belong together.
        with session.writing(), session.journal.writing():
            for prepared, path in ready:
                prepared.replace(path)
            for item in stale:
                remove_population(session.project, item)
            run_files.finish_run(run, session.book.names.key(run.level))
            session.populations.put(sets, instead={s.name for s in stale})
    finally:
        for prepared, _ in ready:
            prepared.unlink(missing_ok=True)  # what did not take effect
    for older in session.runs:
        if older.level == run.level and older is not run and older.folder is not None:
            older.models = []  # read again from disk where somebody asks for them
    if session.view.color_by not in (None, *session.populations):
        session.set_view(color_by="Pred_AVG")
    session.changed_populations([item.name for item in sets])


def _about(
    session: Session, now: Snapshot, result: Any, specs: Sequence[ModelSpec], excluded: Sequence[str],
    options: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    import importlib.metadata
    import platform

    from ..learn.machine import machine
    from ..learn.training import DEFAULT_WEIGHTS

    versions = {"python": platform.python_version()}
    for package in ("celltune-nb", "numpy", "xgboost", "catboost", "lightgbm"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    split = result.split
    return {
        "label_revision": now.revision, "labels": len(now.y), "unit": now.unit,
        "counts": {c.name: int(n) for c, n in zip(now.classes, np.bincount(now.y, minlength=len(now.classes)), strict=True)},
        "codes": {c.name: c.code for c in now.classes},
        "params": {spec.kind: dict(spec.params) for spec in specs if spec.params},
        "source": now.features.name, "schema_hash": now.features.schema_hash,
        "features": [now.features.names[i] for i in now.features.columns],
        "split": {"by": split.by, "sentence": split.sentence, "train": len(split.train), "valid": len(split.valid)},
        "rounds": result.rounds, "model_seconds": result.model_seconds, "machine": machine(),
        "devices": {handle.name: handle.device for handle in result.handles}, "stopped": result.stopped,
        "user": session.user, "versions": versions,
        "weights": options.get("weights") or DEFAULT_WEIGHTS,
        "exclude_images": list(excluded), "options": {k: v for k, v in options.items() if v is not None},
    }  # fmt: skip


def _back_up_labels(session: Session, level: str) -> None:
    """A copy of the labels at each training, as a label file that any program reads."""
    with session.lock:
        frame = label_table(session, level)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    suffix = "" if level == "main" else f"-{file_stem(level)}"
    target = session.project.path("backups", f"labels-{stamp}{suffix}.csv")
    write_atomically(target, frame.to_csv)


def models(session: Session, level: str) -> list[Any]:
    """See :attr:`celltune_nb.Session.models`."""
    try:
        return run_files.load_models(session.finished_run(level))
    except NotReadyError:
        return []
