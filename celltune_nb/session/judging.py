"""How good the models are on each image and each animal: what held-out labels say, what the audit says, and how unlike it looks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CellTuneError, FormatError, NotReadyError
from .checks import one_of
from .deciding import threshold
from .evaluating import ENOUGH_AUDITED, audited
from .image_looks import Look, expected_at, load_looks, look_at, write_looks
from .left_out import FOLDER, MOST, Plan, left_out, plan
from .onoff import negative_of, positive_of
from .runs import Run
from .study import groups_of_images, working_set

if TYPE_CHECKING:
    import pandas as pd

    from ..data.categories import Category
    from ..learn.verdict import Evaluation
    from .session import Session

__all__ = ["BY", "COLUMNS", "FEW", "Judging", "audit_answers", "judge", "judged_table", "kept"]

BY = ("image", "group")
#: Groups below which figures say little of another one.
GROUPS = 3
#: Labels of an image or group below which its figures are not compared with others'.
FEW = 10
COLUMNS = (
    "group", "cells", "labels", "judged", "mistakes", "precision", "recall", "f1", "low", "high", "held_out",
    "expected_f1", "shift", "trouble", "in_set", "audited", "audit_precision", "audit_recall", "audit_f1", "audit_low",
    "audit_high",
)  # fmt: skip

Progress = Callable[[float, str], None]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Judging:
    """What was worked out for a run.

    Attributes
    ----------
    found : Evaluation
        Its labels, each judged without its group.
    looks : dict
        Image → Look.
    """

    found: Evaluation
    looks: dict[str, Look]
    #: Threshold and temperature → what is expected of each image as it decides.
    decided: dict[tuple[float, float | None], dict[str, float]] = field(default_factory=dict)


# ---------------------------------------------------------------------- working it out


def judge(
    session: Session, by: Any, level: str, progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> pd.DataFrame:  # fmt: skip
    """See :meth:`celltune_nb.Session.judge`."""
    one_of(by, BY, "What is judged")
    run = session.finished_run(level)

    def part(start: float, end: float) -> Progress | None:
        if progress is None:
            return None
        return lambda fraction, text: progress(start + (end - start) * fraction, text)

    found = left_out(session, run, part(0.0, 0.75), stop)
    # Before the images are looked at: the audit says at which temperature the probabilities are to be read.
    if len(audited(session, run).positions) >= ENOUGH_AUDITED:
        evaluation = _evaluation(run)
        if evaluation is None or evaluation.kind != "audit" or session.outdated(evaluation):
            session.evaluate(run, level=level, progress=part(0.75, 0.8), stop=stop)
    looks = look_at(session, run, found, part(0.8, 1.0), stop)
    run.judging = Judging(found, looks)
    _write(session, run)
    if progress is not None:
        progress(1.0, "done")
    return judged_table(session, level, run, by)


def _evaluation(run: Run) -> Evaluation | None:
    try:
        return run.evaluation
    except FormatError:
        return None  # said where evaluations are shown


def _write(session: Session, run: Run) -> None:
    assert run.judging is not None
    if run.folder is None or session.read_only:
        return
    from .evaluations import save_evaluation

    folder = run.folder / FOLDER
    try:
        folder.mkdir(exist_ok=True)
        save_evaluation(run.judging.found, folder)
        write_looks(run.judging.looks, folder)  # the last file: with it the record is whole
    except OSError as error:
        session.problems.append(
            f"What was judged by animal could not be kept ({error.strerror}). Make room on the disk."
        )


def kept(run: Run) -> Judging | None:
    """What was judged of a run, in this sitting or before; None where nothing was, or it is damaged."""
    if run.judging is None and run.folder is not None:
        from .evaluations import load_evaluation

        try:
            looks = load_looks(run.folder / FOLDER)
            found = None if looks is None else load_evaluation(run.folder / FOLDER)
        except FormatError:
            return None  # as if it had never been judged: it is worked out again
        if looks is not None and found is not None:
            run.judging = Judging(found, looks)
    return run.judging


# ---------------------------------------------------------------------- the table


@dataclass(frozen=True, eq=False)
class _Answers:
    """Judged items: where they lie, what they are, what is said of them."""

    rows: NDArray[np.int64]
    truth: NDArray[np.int64]
    called: NDArray[np.int64]
    weights: Floats


def judged_table(session: Session, level: str, run: Run, by: str) -> pd.DataFrame:
    """The table of :meth:`celltune_nb.Session.judge` from what is kept of a run.

    Raises
    ------
    NotReadyError
        Nothing is.
    """
    import pandas as pd

    judging = kept(run)
    if judging is None:
        raise NotReadyError("That training has not been judged by animal yet: session.judge().")
    table = session.table
    positive, two = positive_of(session, level), negative_of(session, level) is not None
    held, audit = _held_out(session, judging.found, level), audit_answers(session, run, level)
    wanted = plan(session, run)
    groups = groups_of_images(session)
    unit, names = _units(session, by)
    of_labels = unit[wanted.now.positions]
    labelled = np.bincount(of_labels[of_labels >= 0], minlength=len(names))  # some images may have no group
    cells = np.bincount(unit[unit >= 0], minlength=len(names))
    taught = {groups.get(table.names[i]) for i in np.unique(table.images[wanted.now.positions])}
    chosen = set(working_set(session))
    expected = _expected(session, level, run, judging, two)
    rows: list[dict[str, Any]] = []
    for i, name in enumerate(names):
        images = [name] if by == "image" else [image for image, group in groups.items() if group == name]
        own, blind = unit[held.rows] == i, unit[audit.rows] == i
        looks = [judging.looks[image] for image in images if image in judging.looks]
        group = groups.get(name) if by == "image" else name
        figures = _figures(held, own, positive, two)
        by_audit = _figures(audit, blind, positive, two)
        rows.append(
            {
                "group": group, "cells": int(cells[i]), "labels": int(labelled[i]), "judged": int(own.sum()),
                "mistakes": int((held.truth != held.called)[own].sum()), **figures,
                "held_out": bool(wanted.own if own.any() else (group or name) not in taught and labelled[i] == 0),
                "expected_f1": _mean([expected[image] for image in images if image in expected]), "shift": _mean([look.shift for look in looks]),
                "trouble": _trouble(looks), "in_set": not chosen or any(image in chosen for image in images),
                "audited": int(blind.sum()), **{f"audit_{key}": value for key, value in by_audit.items()},
            }
        )  # fmt: skip
    found = pd.DataFrame(rows, index=pd.Index(names, name=by), columns=list(COLUMNS))
    if by == "group":
        found = found.drop(columns="group")
    of = positive.name if two else "all categories, the mean"
    found.attrs.update(
        of=of, run=run.id, split=_split(wanted, judging.found), warnings=_warnings(session, wanted),
        overall=_figures(held, np.ones(len(held.rows), bool), positive, two), unit=wanted.unit or "label",
    )  # fmt: skip
    return found


def _expected(session: Session, level: str, run: Run, judging: Judging, two: bool) -> dict[str, float]:
    """What is to be expected of each image: of what a threshold decides, where one is set."""
    usual = {image: look.expected_f1 for image, look in judging.looks.items()}
    value = threshold(session, level).value
    if value is None or not two:
        return usual
    key = (value, run.temperature)
    if key not in judging.decided:
        found = expected_at(session, run, value)
        judging.decided.clear()  # one threshold at a time
        judging.decided[key] = {image: found[image] for image in usual} if found else usual
    return judging.decided[key]


def _units(session: Session, by: str) -> tuple[NDArray[np.integer], list[str]]:
    table = session.table
    if by == "image":
        return table.images, list(table.names)
    if not table.group_names:
        raise NotReadyError(
            "No image has a group yet. Say which animal each is of, as group= when images are added, or judge by image."
        )
    return table.groups, list(table.group_names)


def _held_out(session: Session, found: Evaluation, level: str) -> _Answers:
    """The judged labels as they are today: those that were changed since are left out."""
    table = session.table
    there = np.isin(found.ids, table.ids)
    with session.lock:
        state = session.book.level(level)
        names = {c.code: c.name for c in state.categories}
        today = np.array([names.get(int(c), "") for c in state.codes_of(found.ids[there])], object)
    same = np.array(found.categories, object)[found.truth[there]] == today
    rows = table.positions(found.ids[there][same])
    called = found.predicted[there][same]
    value = threshold(session, level).value
    two = negative_of(session, level)
    if value is not None and two is not None:
        names_ = found.categories
        positive = positive_of(session, level).name
        if positive in names_ and two.name in names_:
            p = found.probabilities[there][same][:, names_.index(positive)]
            called = np.where(p >= value, names_.index(positive), names_.index(two.name))
    return _Answers(
        rows, _code(session, level, found.categories, found.truth[there][same]),
        _code(session, level, found.categories, called), np.ones(len(rows)),
    )  # fmt: skip


def _code(
    session: Session, level: str, names: tuple[str, ...], numbers: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Codes of the level's categories for numbers in a list of names; -1 where a name is gone."""
    known = {c.name: c.code for c in session.book.level(level).categories}
    return np.array([known.get(name, -1) for name in names], np.int64)[numbers]


def audit_answers(session: Session, run: Run, level: str) -> _Answers:
    """The audit's labels beside what the run says of those cells; none where its answers are not kept."""
    nothing = np.empty(0, np.int64)
    answers = session.populations.answer_of(run)
    if answers is None:
        return _Answers(nothing, nothing, nothing, np.empty(0))
    said = answers.codes
    if threshold(session, level).value is not None:
        decided = session.populations.stored(level, "Pred_THR")
        said = said if decided is None else decided.codes
    audit = audited(session, run)
    known = audit.positions < len(said)
    known[known] = said[audit.positions[known]] != 0
    rows = audit.positions[known]
    return _Answers(
        rows, audit.codes[known].astype(np.int64), said[rows].astype(np.int64), 1 / audit.chance[known]
    )


def _figures(answers: _Answers, which: NDArray[np.bool_], positive: Category, two: bool) -> dict[str, float]:
    """Precision, recall and F1 of some of the items: of the positive category, else the mean over the categories."""
    from ..learn.intervals import intervals, share

    nan = float("nan")
    out = dict.fromkeys(("precision", "recall", "f1", "low", "high"), nan)
    truth, called, w = answers.truth[which], answers.called[which], answers.weights[which]
    if not len(truth):
        return out
    if two:
        is_on, said_on = truth == positive.code, called == positive.code
        hit = is_on & said_on
        either = is_on | said_on
        if said_on.any():
            out["precision"] = float(w[hit].sum() / w[said_on].sum())
        if is_on.any():
            out["recall"] = float(w[hit].sum() / w[is_on].sum())
        if is_on.any():  # without one there is nothing to find
            found = share(hit[either], w[either])
            for key, value in (("f1", found.value), ("low", found.low), ("high", found.high)):
                out[key] = 2 * value / (1 + value)
        return out
    codes = np.unique(np.concatenate([truth, called]))
    t, c = np.searchsorted(codes, truth), np.searchsorted(codes, called)
    k = len(codes)
    hits = np.bincount(t[t == c], w[t == c], k)
    of, said = np.bincount(t, w, k), np.bincount(c, w, k)
    occurs = of > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        out["precision"] = float(np.nanmean(np.where(occurs & (said > 0), hits / said, np.nan))) if (occurs & (said > 0)).any() else nan  # fmt: skip
        out["recall"] = float((hits[occurs] / of[occurs]).mean())
    out["f1"] = float((2 * hits[occurs] / (of + said)[occurs]).mean())
    limits = intervals(t, c, np.zeros(len(t)), k, weights=w)
    out["low"], out["high"] = limits.overall["macro_f1"]
    return out


def _mean(values: list[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def _trouble(looks: list[Look]) -> str:
    if not looks:
        return ""
    doubt: dict[str, float] = {}
    missed: dict[str, int] = {}
    for look in looks:
        for kind, value in look.doubt.items():
            doubt[kind] = doubt.get(kind, 0.0) + value
        for kind, count in look.missed.items():
            missed[kind] = missed.get(kind, 0) + count
    return Look(0.0, 0.0, doubt, missed).trouble


def _split(wanted: Plan, found: Evaluation) -> str:
    if not wanted.unit:
        return f"{found.n} labels, held out at random: they all come from one image."
    alone = "each" if wanted.units <= MOST else "some"
    whose = wanted.unit if alone == "each" else f"{wanted.unit}s"
    return f"{found.n} labels, judged by models without their {wanted.unit}: {alone} of {wanted.units} {wanted.unit}s left out {'in turn' if whose == wanted.unit else 'together, in turn'}."


def _warnings(session: Session, wanted: Plan) -> list[str]:
    groups = {name for name in groups_of_images(session).values() if name}
    texts = []
    if wanted.unit == "group" and wanted.units < GROUPS:
        more = "Label cells of another one" if len(groups) > wanted.units else "Add another one"
        texts.append(
            f"Labels come from {wanted.units} groups (animals): below {GROUPS} the figures say little of a new one. {more}."
        )
    elif not wanted.own and wanted.unit == "image":
        texts.append(
            "All labels come from one group (animal): images were left out in its stead, and on another animal the "
            "models will do worse. Label cells of another one."
        )
    elif not wanted.unit:
        texts.append(
            "All labels come from one image: on others the models will do worse. Label in another one."
        )
    elif wanted.unit == "image":
        which = "Not every image says" if groups else "No image says"
        texts.append(
            f"{which} which group (animal) it is of: images were left out, and another image of the same animal may "
            "have taken part. Give groups when images are added."
        )
    return texts


def warnings_of(session: Session, run: Run) -> list[str]:
    """What limits the figures of a run, in sentences; nothing where its labels cannot be split."""
    try:
        return _warnings(session, plan(session, run))
    except CellTuneError:
        return []
