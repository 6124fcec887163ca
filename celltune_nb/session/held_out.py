"""What models say of labels that they did not learn from: kept with an evaluation, or asked for anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ..errors import FormatError
from .evaluating import evaluate_out_of_fold
from .runs import Run
from .training import snapshot

if TYPE_CHECKING:
    import pandas as pd

    from ..learn.verdict import Evaluation
    from .session import Session

__all__ = ["held_out", "label_errors", "still"]

#: Part of today's labels that an earlier cross-validation must have judged, unchanged, to be asked again.
STILL = 0.9

Progress = Callable[[float, str], None]


def held_out(
    session: Session, level: str, progress: Progress | None = None, stop: Callable[[], bool] | None = None
) -> Evaluation:
    """The labels of a level as models see them that have not learned from their group.

    What the last evaluation found is used as long as nine in ten of today's labels are in it; otherwise the models
    of the newest training are cross-validated again, in seconds, which is kept in memory only.

    Raises
    ------
    NotReadyError
        Nothing is trained yet.
    Cancelled
    """
    run = session.finished_run(level)
    try:
        stored = run.evaluation
    except FormatError:
        stored = None  # damaged: it is made again here, and said where evaluations are shown
    for found in (run.out_of_fold, stored):
        if found is not None and found.kind == "out-of-fold" and still(session, run, found):
            return found
    run.out_of_fold = evaluate_out_of_fold(session, run, progress, stop)
    return run.out_of_fold


def still(session: Session, run: Run, found: Evaluation) -> bool:
    """Whether nine in ten of today's labels are among those judged, unchanged, and no category is new."""
    now = snapshot(session, run.level, run.about.get("exclude_images", ()))
    known = dict(zip(found.ids.tolist(), (found.categories[int(c)] for c in found.truth), strict=True))
    ids = session.table.ids[now.positions].tolist()
    same = sum(known.get(item) == now.classes[int(y)].name for item, y in zip(ids, now.y, strict=True))
    return same >= STILL * len(ids) and {c.name for c in now.classes} == set(found.categories)


def label_errors(
    session: Session, level: str, progress: Progress | None, stop: Callable[[], bool] | None
) -> pd.DataFrame:
    """See :meth:`celltune_nb.Session.label_errors`."""
    import pandas as pd

    from ..learn.quality import label_issues

    found = held_out(session, level, progress, stop)
    with session.lock:
        state = session.book.level(level)
        names = {c.code: c.name for c in state.categories}
        today = [names[int(code)] for code in state.codes_of(found.ids)]
    # What was corrected since is no longer in doubt.
    same = np.flatnonzero([a == found.categories[int(b)] for a, b in zip(today, found.truth, strict=True)])
    issues = label_issues(found.truth[same], found.probabilities[same])
    rows, called = same[issues.rows], np.array(found.categories, object)
    table = pd.DataFrame(
        {
            "label": called[found.truth[rows]],
            "suggested": called[issues.suggested],
            "confidence": issues.confidence,
            "quality": issues.quality,
        },
        index=pd.Index(found.ids[rows], name="item"),
    )
    table.attrs["judged"] = issues.judged
    table.attrs["split"] = found.split
    return table
