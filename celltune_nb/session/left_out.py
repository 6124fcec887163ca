"""Every label judged by models that know nothing of its animal: each group left out in turn, and kept with the run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import CellTuneError, FormatError
from .evaluating import out_of_fold_of
from .evaluations import load_evaluation, save_evaluation
from .held_out import still
from .runs import Run
from .training import Snapshot, snapshot

if TYPE_CHECKING:
    from ..learn.verdict import Evaluation
    from .session import Session

__all__ = ["FOLDER", "MOST", "Plan", "left_out", "plan"]

#: Groups up to which each is left out by itself; of more, several together.
MOST = 12
_FOLDS = 5
#: In the run's folder: what each group looks like to models that have not learned from it.
FOLDER = "left_out"

Progress = Callable[[float, str], None]


@dataclass(frozen=True, eq=False)
class Plan:
    """What is left out.

    Attributes
    ----------
    now : Snapshot
        The labels, in groups as they are left out.
    unit : {"group", "image", ""}
        What is left out; empty where labels are, at random.
    units : int
        How many of them have labels.
    folds : int
    own : bool
        Whether the animal of a judged label took no part; False where images of one animal are left out.
    """

    now: Snapshot
    unit: str
    units: int
    folds: int
    own: bool

    @property
    def split(self) -> str:
        """The beginning of the sentence with which such an evaluation says what was left out."""
        if not self.unit:
            return "Out-of-fold predictions"
        folds = min(self.folds, self.units)
        return f"Out-of-fold predictions, {folds} folds by {self.unit} ({self.units} {self.unit}s)"


def plan(session: Session, run: Run) -> Plan:
    """What can be left out of the labels of today: groups, else images, else labels at random."""
    now = snapshot(session, run.level, run.about.get("exclude_images", ()))
    units, own = len(set(now.groups)), True
    if units < 2 and now.unit == "group":
        # All labels come from one animal: another of its images is the next best.
        names = np.array(session.table.names, object)[session.table.images[now.positions]]
        now, units, own = replace(now, groups=names, unit="image"), len(set(names)), False
    if units < 2:
        return Plan(now, "", units, _FOLDS, False)
    return Plan(now, now.unit, units, units if units <= MOST else _FOLDS, own)


def left_out(
    session: Session, run: Run, progress: Progress | None = None, stop: Callable[[], bool] | None = None
) -> Evaluation:
    """Today's labels, each judged without its group; what was asked before is used again while nine in ten are in it.

    Raises
    ------
    TrainingError
        The labels cannot be learned from.
    Cancelled
    """
    wanted = plan(session, run)
    for found in _known(run):
        same = found.split.startswith(wanted.split) and bool(wanted.unit) == (" folds by " in found.split)
        if found.kind == "out-of-fold" and same and still(session, run, found):
            return found
    found = out_of_fold_of(session, run, wanted.now, wanted.folds, progress, stop)
    with session.lock:
        found = replace(found, run=run.id, level=run.level, revision=wanted.now.revision)
    run.out_of_fold = found
    if run.folder is not None and not session.read_only:
        try:
            (run.folder / FOLDER).mkdir(exist_ok=True)
            save_evaluation(found, run.folder / FOLDER)
        except OSError as error:
            session.problems.append(
                f"What the models say of each group left out could not be kept ({error.strerror}). Make room on the disk."
            )
    return found


def _known(run: Run) -> list[Evaluation]:
    found = [] if run.out_of_fold is None else [run.out_of_fold]
    try:
        if run.evaluation is not None:
            found.append(run.evaluation)
    except CellTuneError:
        pass  # said where evaluations are shown
    if run.folder is not None:
        try:
            stored = load_evaluation(run.folder / FOLDER)
        except FormatError:
            stored = None  # it is made again
        if stored is not None:
            found.append(stored)
    return found
