"""Measuring the features of all cells of a project, image by image.

What was measured is on disk image by image: a program that is stopped or killed goes on there, and images that were added
later are measured alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.features import FeatureSource
from ..errors import Cancelled, InputError, NotReadyError
from . import features_file
from .committing import committing
from .measured import SOURCE, Clock, MeasuredPart, Parts, assembled, plain_options, signature
from .recording import note

if TYPE_CHECKING:
    from ..data.items import ItemTable
    from .jobs import Job
    from .session import Session

__all__ = ["measure"]

OPTIONS = (
    "percentiles",
    "rings",
    "morphology",
    "neighbours",
    "texture",
    "stains",
    "per_image",
    "engine",
    "n_jobs",
)


def measure(session: Session, wait: bool, options: dict[str, Any]) -> FeatureSource | Job:
    """See :meth:`celltune_nb.Session.measure`."""
    again, told = bool(options.pop("again", False)), options.pop("progress", None)
    images = [image for image in session.images.values() if image.mask is not None]
    if not images:
        raise NotReadyError(
            "No image has a mask, so there are no cells to measure. Add one with session.add_image(…, mask=…)."
        )
    unknown = options.keys() - set(OPTIONS)
    if unknown:
        raise InputError(f"measure() has no option {min(unknown)!r}. Options: {', '.join(OPTIONS)}.")
    if options.get("per_image") is None:
        # Who adds an image and measures it does not mean to take features away from the models.
        before = session.features_by_name.get(SOURCE)
        options["per_image"] = before is not None and bool(before.parameters.get("per_image", False))
    with session.writing():
        pass  # refuse before the work, not after it
    changed = None if told is None else lambda job: told(job.progress.fraction, job.progress.text)
    job = session.jobs.submit(lambda job: _measure(session, job, options, again), "measuring cells", changed)
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


def _measure(session: Session, job: Job, options: dict[str, Any], again: bool) -> FeatureSource:
    with session.lock:
        table, images = session.table, dict(session.images)
        before = session.features_by_name.get(SOURCE)
    masked = [
        (table.of_image(number), images[name])
        for number, name in enumerate(table.names)
        if name in images and images[name].mask is not None
    ]
    without = [image.name for _, image in masked if image.nucleus is None]
    signs = [signature(image, not without, options) for _, image in masked]
    parts, known = Parts(session.project, options), {} if again else _known(before, table, options)
    todo = [i for i, sign in enumerate(signs) if known.get(sign[0]) != sign]
    if not todo and before is not None and len(before) == len(table) and len(known) == len(masked):
        return before  # nothing is new
    counts = [rows.stop - rows.start for rows, _ in masked]
    found: dict[int, MeasuredPart] = {}
    done, total, clock = 0, sum(counts[i] for i in todo), Clock()
    for i in todo:
        _, image = masked[i]
        where = f"image {len(found) + 1} of {len(todo)}, {image.name}" if len(todo) > 1 else image.name

        def progress(
            fraction: float, text: str, base: int = done, n: int = counts[i], where: str = where
        ) -> None:
            if job.wish is not None:
                raise Cancelled(
                    f"Measuring was stopped; {len(found)} of {len(todo)} images are measured. Measure again with the same "
                    "options: it goes on where it ended."
                )
            now = base + fraction * n
            job.report(0.98 * now / max(total, 1), f"{where}: {text}", clock.remaining(now, total))

        progress(0.0, "reading")
        part = None if again else parts.load(signs[i], counts[i])
        if part is None:
            part = parts.measure(image, signs[i], options, not without, progress)
        else:
            clock.skip(counts[i])
        found[i] = part
        done += counts[i]
    notes = []
    if 0 < len(without) < len(masked):
        # A feature is one of all cells.
        notes.append(
            f"Nuclei were not measured: {without[0]}{f' and {len(without) - 1} more' if without[1:] else ''} has no mask "
            "of nuclei."
        )
    job.report(0.99, "saving")
    former = before if before is not None and np.array_equal(before.ids, table.ids[: len(before)]) else None
    source = assembled(table, masked, found, former, options, signs, notes)
    job.check()
    ready = session.project.prepare_features(source)  # hundreds of megabytes: not while the lock is held
    try:
        with committing(session) as project:
            saved = project.use_features(ready)
            project.settings.setdefault("features", SOURCE)
            project.save()
            session.features_by_name[SOURCE] = saved
            note(session, "measure", plain_options(options))
    finally:
        features_file.drop(session.project, ready)  # unless they have taken effect
    parts.remove()
    session.changed_items("features")
    return saved


def _known(before: FeatureSource | None, table: ItemTable, options: dict[str, Any]) -> dict[str, list[Any]]:
    """The images that are measured with these options already: key → signature."""
    if before is None or plain_options(before.parameters) != plain_options(options):
        return {}
    if not np.array_equal(before.ids, table.ids[: len(before)]):
        return {}
    measured = before.parameters.get("measured")
    return dict(measured) if isinstance(measured, dict) else {}
