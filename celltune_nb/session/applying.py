"""Applying the models of every marker to all images, in the background."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.categories import UNKNOWN, UNKNOWN_COLOR, Category
from ..data.predictions import predicted
from ..errors import Cancelled, NotReadyError
from . import runs as run_files
from .checks import texts
from .deciding import decided_now
from .job import Job
from .populations import keep_sets
from .predicting import probabilities

if TYPE_CHECKING:
    from ..data.features import FeatureSource
    from .runs import Run
    from .session import Session

__all__ = ["apply_models"]

ROWS = 50_000
"""Cells that are predicted between two looks at whether to stop."""


def apply_models(
    session: Session, levels: Any, wait: bool, changed: Callable[[Job], None] | None = None
) -> Job:
    """See :meth:`celltune_nb.Session.predict_all`."""
    with session.writing():
        pass  # refuse before the work, not after it
    if levels is None:
        names = [name for name in session.levels.names if session.rounds(name)]
    else:
        names = list(dict.fromkeys(texts(levels, "The markers")))
    if not names:
        raise NotReadyError(
            "No marker has a trained model yet. Train first: in Train, or with session.train()."
        )
    source = session.active_features()
    todo = [(session.book.level(name).name, session.finished_run(name)) for name in names]
    for name, run in todo:
        handles = run_files.load_models(run)
        if handles and handles[0].schema_hash != source.schema_hash:
            raise NotReadyError(
                f"The features have changed since {name} was trained. Train it again: session.train(level={name!r})."
            )
    job = session.jobs.submit(lambda job: _work(session, todo, source, job), "applying the models", changed)
    return job.wait_with_bar() if wait else job


def _work(session: Session, todo: list[tuple[str, Run]], source: FeatureSource, job: Job) -> dict[str, int]:
    """Predict level by level, each taking effect as a whole; how many cells of each were predicted."""
    begun, done, total = time.monotonic(), 0, len(todo) * max(len(source), 1)
    counted = {}
    for level, run in todo:
        handles = run_files.load_models(run)
        out = [np.empty((len(source), len(handle.categories)), np.float32) for handle in handles]
        table = session.table
        for number, name in enumerate(table.names):
            rows = table.of_image(number)
            for start in range(rows.start, min(rows.stop, len(source)), ROWS):
                part = slice(start, min(start + ROWS, rows.stop, len(source)))
                if job.wish is not None:  # also Stop: half of a marker's cells is no answer
                    raise Cancelled
                spent = time.monotonic() - begun
                left = spent / done * (total - done) if done else None
                job.report(done / total, f"{level}: {name} ({number + 1} of {len(table.names)})", left)
                probabilities(handles, source.rows(part), [filled[part] for filled in out])
                done += part.stop - part.start
        job.check()
        with session.lock:
            categories = session.book.level(level).categories
        classes = [
            categories.by_code.get(code, Category(code, name, UNKNOWN_COLOR))
            for name, code in run.about["codes"].items()
        ]
        sets = predicted(out, classes, source.ids, level, categories[UNKNOWN])
        sets += decided_now(session, level, next(item for item in sets if item.name == "Pred_AVG"))
        keep_sets(session, [replace(item, run=run.id) for item in sets])
        counted[level] = int((sets[0].codes != 0).sum())
    job.report(1.0, f"{', '.join(counted)}: {len(source):,} cells")
    return counted
