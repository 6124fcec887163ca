"""Measuring the features of all cells of a project, image by image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.features import FeatureSource
from ..errors import InputError, NotReadyError
from . import features_file
from .committing import committing
from .recording import note

if TYPE_CHECKING:
    from .jobs import Job
    from .session import Session

__all__ = ["measure"]

SOURCE = "cells"
OPTIONS = ("percentiles", "rings", "morphology", "neighbours", "texture", "stains", "engine", "n_jobs")


def measure(session: Session, wait: bool, options: dict[str, Any]) -> FeatureSource | Job:
    """See :meth:`celltune_nb.Session.measure`."""
    images = [image for image in session.images.values() if image.mask is not None]
    if not images:
        raise NotReadyError(
            "No image has a mask, so there are no cells to measure. Add one with session.add_image(…, mask=…)."
        )
    unknown = options.keys() - set(OPTIONS)
    if unknown:
        raise InputError(f"measure() has no option {min(unknown)!r}. Options: {', '.join(OPTIONS)}.")
    with session.writing():
        pass  # refuse before the work, not after it
    job = session.jobs.submit(lambda job: _measure(session, job, options), "measuring cells")
    if not wait:
        return job
    _wait_with_bar(job)
    result: FeatureSource = job.result
    return result


def _wait_with_bar(job: Job) -> None:
    """Wait; a bar shows when it takes longer than a moment."""
    from tqdm.auto import tqdm

    with tqdm(total=100, desc="Measuring cells", unit="%", delay=1.0, leave=False) as bar:
        while not job.finished:
            try:
                job.wait(0.2)
            except TimeoutError:
                bar.set_postfix_str(job.progress.text[:60], refresh=False)
                bar.update(int(100 * job.progress.fraction) - bar.n)
    job.wait()


def _measure(session: Session, job: Job, options: dict[str, Any]) -> FeatureSource:
    from ..measure import measure_cells

    with session.lock:
        table, images = session.table, dict(session.images)
    masked = [
        (number, images[name])
        for number, name in enumerate(table.names)
        if name in images and images[name].mask is not None
    ]
    total = sum(table.of_image(number).stop - table.of_image(number).start for number, _ in masked)
    matrix = names = units = groups = None
    notes: list[str] = []
    without = [image.name for _, image in masked if image.nucleus is None]
    if 0 < len(without) < len(masked):
        # A feature is one of all cells.
        notes.append(
            f"Nuclei were not measured: {without[0]}{f' and {len(without) - 1} more' if without[1:] else ''} has no mask "
            "of nuclei."
        )
    done = 0
    for number, image in masked:
        rows = table.of_image(number)
        share = (rows.stop - rows.start) / max(total, 1)

        def progress(
            fraction: float,
            text: str,
            name: str = image.name,
            share: float = share,
            base: float = done / max(total, 1),
        ) -> None:
            job.check()
            job.report(base + share * fraction, f"{name}: {text}")

        found = measure_cells(
            image.array,
            image.mask,
            image.channels,
            nucleus=None if without else image.nucleus,
            pixel_size=image.pixel_size,
            progress=progress,
            **options,
        )
        if matrix is None:
            names, units, groups = found.names, found.units, found.groups
            matrix = np.full((len(table), len(names)), np.nan, np.float32)
        elif names != found.names:
            # Channels of one set in another order: same features, other columns.
            place = {name: i for i, name in enumerate(found.names)}
            assert names is not None
            found_matrix = found.matrix[:, [place[name] for name in names]]
            matrix[rows] = found_matrix
            done += rows.stop - rows.start
            continue
        matrix[rows] = found.matrix
        done += rows.stop - rows.start
        notes += [note for note in found.notes if note not in notes]
    assert matrix is not None
    assert names is not None
    assert units is not None
    assert groups is not None
    job.report(0.99, "saving")
    source = FeatureSource(
        SOURCE, list(names), list(units), table.ids.copy(), matrix, dict(groups), list(groups.get("Default", names)),
        {**{k: v for k, v in options.items() if k not in ("n_jobs", "engine")}, "notes": notes},
    )  # fmt: skip
    job.check()
    ready = session.project.prepare_features(source)  # hundreds of megabytes: not while the lock is held
    try:
        with committing(session) as project:
            saved = project.use_features(ready)
            project.settings.setdefault("features", SOURCE)
            project.save()
            session.features_by_name[SOURCE] = saved
            note(session, "measure", {k: v for k, v in options.items() if k not in ("n_jobs", "engine")})
    finally:
        features_file.drop(session.project, ready)  # unless they have taken effect
    session.changed_items("features")
    return saved
