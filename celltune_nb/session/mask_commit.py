"""A mask takes the place of another: all of it, or nothing.

What takes long is written where nobody looks for it yet, without the lock.  Then one transaction of the journal holds the
row that says which cells are gone and which took their places, and the labels that go over; ``project.json``, written
inside it, counts from that row on (:mod:`celltune_nb.session.settling`).  Features, population sets, audits and reviews stay on disk as
they are: whoever reads them asks :class:`~celltune_nb.data.lineage.Lineage`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from ..data.images import Image
from ..data.items import ItemTable
from ..errors import CellTuneError, InputError, NotReadyError, ProjectError
from . import features_file, sources
from .checks import whole_number
from .committing import committing
from .mask_plan import Given, Labels, Plan, image_of, labels_of
from .recording import note
from .settling import REPLACING

if TYPE_CHECKING:
    from .session import Session

__all__ = ["commit", "former_mask", "refuse_if_busy", "tidy"]


def refuse_if_busy(session: Session) -> None:
    """Refuse while something is worked out from cells that are to go."""
    session.refuse_if_busy()
    job = session.jobs.current
    if (job is not None and not job.finished) or session.jobs.waiting:
        doing = f"The program is {job.name} now" if job is not None else "Other work waits for its turn"
        raise NotReadyError(f"{doing}, and some of these cells are to go. Wait until it is done, or stop it.")


def commit(
    session: Session, plan: Plan, given: Given, copy: bool | None, labels: Mapping[str, Labels],
    arguments: Mapping[str, Any],
) -> int | None:  # fmt: skip
    """Write everything, then let it take effect in one step; the last journal row, None when something came between."""
    project, adding, image, files = session.project, session._adding, plan.image, list[str]()
    mark = uuid4().hex[:12]
    former = next(row for row in project.settings["images"] if row["name"] == image.name)
    key = f"{image.key.split('-')[0]}-{uuid4().hex[:6]}"
    part: dict[str, Any] = {"key": key, "mask": None}
    try:
        adding.keep_mask(part, files, given.labels, given.outline, given.cells, copy, lambda more: None)
        if given.nuclei is not None:
            part["nucleus"] = None
            adding.keep_nuclei(part, files, given.nuclei, given.inner, copy, lambda more: None)
        was = _former(session, former, plan, files)
        dropped = {"mask", "mask_file", *({"nucleus", "nucleus_file"} if given.nuclei is not None else ())}
        row = {k: v for k, v in former.items() if k not in dropped}
        row |= {**{k: v for k, v in part.items() if k != "key"}, "mask_key": key}
        with project.prepared_items(plan.table, unchanged=plan.start) as items, session.writing():
            if (
                session.table is not plan.base
                or session.images.get(image.name) is not image
                or not _same(labels, labels_of(session, plan))
            ):
                adding.remove(files)  # what was found out is of before
                return None
            refuse_if_busy(session)
            replacing = {"mark": mark, "row": former, "items": project.settings.get("items")}
            record = {"mark": mark, "image": image.name, "time": time.time(), "former": was}
            revision = session.book.revision
            before = project.settings
            try:
                with session.journal.writing():
                    note(session, "replace_mask", arguments, revision=revision)
                    batch = _journal(session, plan, labels, mark, image.name)
                    project.settings = {
                        **before,
                        "images": [row if r["name"] == image.name else r for r in before["images"]],
                        "replaced": [*before.get("replaced", ()), record],
                        REPLACING: replacing,
                    }
                    project.use_items(items)
                    project.save()
            except BaseException:
                session.book.forget()
                session.book.mend()
                project.settings = type(project).open(project.folder).settings
                _take_in(session, None, None)
                raise
            project.settings = {k: v for k, v in project.settings.items() if k != REPLACING}
            _take_in(session, plan.table, project.image(row, session.chunks))
            with suppress(ProjectError):  # it counts already; who opens the project next finds that out
                project.save()  # tells those who look on, and lets go of the items of before
    except BaseException:
        if mark not in session.book.lineage.marks:
            adding.remove(files)
        raise
    return batch


def _same(one: Mapping[str, Labels], other: Mapping[str, Labels]) -> bool:
    return one.keys() == other.keys() and all(
        np.array_equal(a.old, b.old)
        and np.array_equal(a.codes, b.codes)
        and a.report.table.equals(b.report.table)
        for a, b in ((one[level], other[level]) for level in one)
    )


def tidy(session: Session) -> None:
    """Write features without the cells that are gone; until then they are left out whenever they are read."""
    for name, source in list(session.features_by_name.items()):
        if isinstance(source.matrix, np.memmap):
            continue
        with suppress(CellTuneError):
            ready = session.project.prepare_features(source)
            try:
                with committing(session) as project:
                    if session.features_by_name.get(name) is source:
                        session.features_by_name[name] = project.use_features(ready)
            finally:
                features_file.drop(session.project, ready)


def _former(session: Session, row: Mapping[str, Any], plan: Plan, files: list[str]) -> dict[str, Any]:
    """Where the former mask lies, with the numbers that its cells had."""
    was = {k: row[k] for k in ("mask", "mask_file", "nucleus", "nucleus_file") if row.get(k)}
    numbers = plan.base.cells[plan.start : plan.start + len(plan.old)]
    if was.get("mask") and len(numbers) and not (numbers[0] == 1 and numbers[-1] == len(numbers)):
        was["cells"] = f"masks/{row.get('mask_key') or row['key']}-cells.npy"
        files.append(was["cells"])
        session.project.write_array(
            was["cells"], numbers.shape, np.int64, lambda out: np.copyto(out, numbers)
        )
    return was


def _journal(session: Session, plan: Plan, labels: Mapping[str, Labels], mark: str, name: str) -> int:
    """Who goes and who takes the places, then the labels that go over, which are one step."""
    book = session.book
    book.retire(plan.old, plan.into, mark=mark, user=session.user)
    count = sum(len(one.new) for one in labels.values())
    joined = False
    for level, one in labels.items():
        if len(one.new):
            what = f"{count:,} labels carried to the new mask of {name}"
            book.carry(one.new, one.old, one.codes, level=level, what=what, user=session.user, joined=joined)
            joined = True
    return book.revision


def _take_in(session: Session, table: ItemTable | None, image: Image | None) -> None:
    """Let the session stand on what is on disk; None: read that too."""
    if table is None or image is None:
        session.load_data()
    else:
        session.table, session.images[image.name] = table, image
        session.replaced = len(session.book.lineage.marks)
        session.features_by_name = {
            k: features_file.living(v, table.ids) for k, v in session.features_by_name.items()
        }
    session.load_populations()
    session.audits.forget()
    session.reviews.follow()
    now = session.book.lineage.now(session.selection)
    session.selection = np.unique(now[now > 0])


def former_mask(session: Session, name: str, which: int, nucleus: bool) -> Any:
    """See :meth:`celltune_nb.Session.former_mask`."""
    image_of(session, name)
    which = whole_number(which, "Which mask", -10_000)
    rows = [row for row in session.project.settings.get("replaced", ()) if row.get("image") == name]
    if not rows or not -len(rows) <= which < len(rows):
        raise InputError(
            f"Image {name!r} has {len(rows) or 'no'} former mask{'' if len(rows) == 1 else 's'}. "
            "The one that counts is session.images[name].mask."
        )
    was, project = rows[which]["former"], session.project
    kind = "nucleus" if nucleus else "mask"
    if was.get(f"{kind}_file"):
        about = {k: v for k, v in was[f"{kind}_file"].items() if k != "cells"}
        return sources.Reference(about, project, f"the former mask of image {name!r}", session.chunks).array()
    if not was.get(kind):
        raise InputError(f"Image {name!r} had no {'mask of nuclei' if nucleus else 'mask'} then.")
    mask = project.read_array(was[kind])
    if nucleus or not was.get("cells"):
        return mask
    numbers = np.concatenate([np.zeros(1, np.int64), project.read_array(was["cells"])])
    return numbers[mask]
