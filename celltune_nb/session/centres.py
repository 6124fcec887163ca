"""Cells from centres, where nobody has segmented: discs around them, plane by plane where centres have a depth."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import Cancelled, ProjectError
from ..measure.discs import Discs
from .centre_plans import CentresReport, Plan, planned, report_of
from .centre_tables import UNITS
from .checks import one_of
from .jobs import Job
from .recording import apart
from .resegmenting import replace_mask

if TYPE_CHECKING:
    from .session import Session

__all__ = ["CentresReport", "add_centres", "check_room", "done", "new_images", "waited"]

Told = Callable[[float, str], object]


def add_centres(
    session: Session, name: Any, image: Any, centres: Any, radius: Any, *, unit: str, places: str | None, pixel_size: Any,
    spacing: Any, channels: Any, group: Any, preview: bool, wait: bool, progress: Told | None,
) -> CentresReport | Job:  # fmt: skip
    """See :meth:`celltune_nb.Session.add_centres`."""
    if not preview:
        with session.writing():
            pass  # refuse before the work
    one_of(unit, UNITS, "The unit of the radius")
    if places is not None:
        one_of(places, UNITS, "The unit of the places")

    def work(job: Job) -> CentresReport:
        def told(fraction: float, text: str) -> None:
            if job.wish is not None:
                raise Cancelled  # nothing has taken effect
            job.report(fraction, text)

        told(0.0, "reading centres")
        plan = planned(session, name, image, centres, radius, unit, places, pixel_size, spacing, channels, group)  # fmt: skip
        told(0.02, "reading centres")
        if preview:
            return report_of(plan)
        return _masked(session, plan, told) if image is None else _added(session, plan, told)

    def changed(job: Job) -> None:
        if progress is not None:
            progress(job.progress.fraction, job.progress.text)

    # What only reads does not wait for a training, nor does a mask, which is refused during one.
    start = session.jobs.aside if preview or image is None else session.jobs.submit
    job = start(work, "reading centres" if preview else f"adding {str(name)[:60]}", changed)
    report: CentresReport | Job = waited(job, wait, progress)
    return report


def waited(job: Job, wait: bool, progress: Told | None) -> Any:
    """What came of a job, or the job itself where nobody waits."""
    if not wait:
        return job
    if progress is None:
        job.wait_with_bar()
    else:
        try:
            job.wait()
        except KeyboardInterrupt:
            job.cancel()
            raise
    if job.state == "cancelled":
        raise Cancelled
    return job.result


def check_room(session: Session, plans: Sequence[Plan]) -> None:
    """Refuse stacks whose planes the disk has no room for."""
    count = needed = 0
    for plan in plans:
        if plan.depth is not None:
            count += len(plan.by_plane)
            bytes_a_pixel = plan.shape[0] * plan.depth.dtype.itemsize + 4
            needed += len(plan.by_plane) * plan.shape[1] * plan.shape[2] * bytes_a_pixel
    free = shutil.disk_usage(session.folder).free
    if needed > free:
        raise ProjectError(
            f"{count:,} planes with their cells take {needed / 1e9:.1f} GB; {free / 1e9:.1f} GB are free in {session.folder}. Make "
            "room, or add fewer planes."
        )


# ---------------------------------------------------------------------- the work


def _added(session: Session, plan: Plan, told: Told) -> CentresReport:
    check_room(session, [plan])
    session._adding.add_all(new_images(plan, told))
    return done(session, plan)


def done(session: Session, plan: Plan) -> CentresReport:
    """What became of the centres of images that were added."""
    rows, cells = session.table, 0
    for name in plan.names:
        part = rows.of_image(session.image_number(name))
        cells += int(part.stop - part.start)
    return replace(report_of(plan), cells=cells, hidden=len(plan.found) - cells, done=True)


def _masked(session: Session, plan: Plan, told: Told) -> CentresReport:
    """An image of the project gets its cells, and labels of former ones go over."""

    def share(part: float) -> None:
        told(0.02 + 0.96 * part, plan.name)

    found = plan.found
    mask = Discs(plan.shape[1:], found.y, found.x, found.radius, found.row)
    with apart():  # a script takes the mask from the project's own copy
        report = replace_mask(session, plan.name, mask, None, 0.5, "covered", None, False, share)
    told_of = report_of(plan)
    notes = (*told_of.notes, str(report), *report.notes) if report.cells["before"] else told_of.notes
    cells = report.cells["after"]
    return replace(told_of, cells=cells, hidden=len(found) - cells, notes=notes, done=True)


def new_images(plan: Plan, told: Told) -> Iterator[Mapping[str, Any]]:
    """What to add, one image after the other; a plane is read when it is its turn."""
    total, found = len(plan.by_plane), plan.found
    about = {"channels": plan.channels, "pixel_size": plan.pixel_size, "group": plan.group}
    for place, (plane, on) in enumerate(plan.by_plane.items()):
        name = plan.name_of(plane)

        def share(part: float, place: int = place, name: str = name) -> None:
            told(0.02 + 0.96 * (place + part) / total, f"{name} ({place + 1:,} of {total:,})")

        share(0.0)
        image = plan.image if plan.depth is None else plan.depth.read(plane)
        here = found.chosen(on)
        mask = Discs(plan.shape[1:], here.y, here.x, here.radius, here.row)
        yield {"name": name, "image": image, "mask": mask, "progress": share, **about}
