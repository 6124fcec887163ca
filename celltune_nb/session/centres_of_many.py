"""The centres of a whole study in one step: images that come with them, or images of the project that have no cells."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import Cancelled, InputError
from ..formats.depth import open_depth
from ..measure.discs import Discs
from .centre_plans import Plan
from .centre_studies import StudyCentresReport, studied
from .centre_tables import UNITS
from .centres import check_room, done, new_images, waited
from .checks import one_of
from .first_masks import give_masks
from .jobs import Job

if TYPE_CHECKING:
    from .session import Session

__all__ = ["StudyCentresReport", "add_all_centres"]

Told = Callable[[float, str], object]
#: Of the work, what reading the tables and the headers of images takes.
READING = 0.1


def add_all_centres(
    session: Session, images: Any, centres: Any, radius: Any, *, unit: str, places: str | None, pixel_size: Any,
    spacing: Any, channels: Any, group: Any, column: Any, partial: bool | Collection[str], preview: bool, wait: bool,
    progress: Told | None,
) -> StudyCentresReport | Job:  # fmt: skip
    """See :meth:`celltune_nb.Session.add_all_centres`."""
    if not preview:
        with session.writing():
            pass  # refuse before the work
    one_of(unit, UNITS, "The unit of the radius")
    if places is not None:
        one_of(places, UNITS, "The unit of the places")

    def work(job: Job) -> StudyCentresReport:
        def told(fraction: float, text: str) -> None:
            if job.wish is not None:
                raise Cancelled  # nothing has taken effect
            job.report(fraction, text)

        def reading(part: float) -> None:
            told(READING * part, "reading centres")

        reading(0.0)
        study = studied(
            session,
            images,
            centres,
            radius,
            unit,
            places,
            pixel_size,
            spacing,
            channels,
            group,
            column,
            reading,
        )
        if preview:
            return study.report
        _refuse_what_is_left_out(study.report, partial)
        if images is None:
            give_masks(session, {one.name: _discs(one) for one in study.plans}, _part(told))
        else:
            check_room(session, study.plans)
            session._adding.add_all(_all_images(study.plans, told))
        reports = tuple(done(session, plan) for plan in study.plans)
        return StudyCentresReport(reports, study.report.left_out, study.report.without)

    def changed(job: Job) -> None:
        if progress is not None:
            progress(job.progress.fraction, job.progress.text)

    start = session.jobs.aside if preview else session.jobs.submit
    job = start(work, "reading centres" if preview else "adding cells from centres", changed)
    report: StudyCentresReport | Job = waited(job, wait, progress)
    return report


def _refuse_what_is_left_out(report: StudyCentresReport, partial: bool | Collection[str]) -> None:
    if partial is True:
        return
    agreed = set(partial) if isinstance(partial, Collection) and not isinstance(partial, str) else set()
    wrong = {name: why for name, why in report.left_out.items() if name not in agreed}
    if wrong:
        said = "\n".join(f"{name}: {why}" for name, why in list(wrong.items())[:10])
        more = f"\n… and {len(wrong) - 10:,} more" if len(wrong) > 10 else ""
        raise InputError(
            f"{len(wrong):,} of {len(wrong) + len(report.images):,} do not fit, so nothing was added. Correct them, or leave them "
            f"out with partial=True.\n{said}{more}"
        )


def _discs(plan: Plan) -> Discs:
    found = plan.found
    return Discs(plan.shape[1:], found.y, found.x, found.radius, found.row)


def _part(told: Told) -> Callable[[float, str], object]:
    return lambda part, text: told(READING + (1 - READING) * part, text)


def _all_images(plans: list[Plan], told: Told) -> Iterator[Mapping[str, Any]]:
    """Images of all plans, one after the other; of a stack no plane is kept once the next one is read."""
    waiting, total = deque(plans), len(plans)
    while waiting:
        plan = waiting.popleft()
        place = total - len(waiting) - 1
        if plan.depth is not None:  # what is decoded goes with it
            plan = replace(plan, depth=open_depth(plan.image))

        def share(part: float, text: str, place: int = place, plan: Plan = plan) -> None:
            which = f"{plan.name} ({place + 1:,} of {total:,})"
            told(
                READING + (1 - READING) * (place + part) / total,
                which if plan.depth is None else f"{text}, {which}",
            )

        yield from new_images(plan, share)
