"""Bringing a folder of images into a project: looked at first, then imported as planned."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Cancelled, CellTuneError, InputError, ProjectError
from ..formats.delimited import ending
from ..formats.folders import FolderPlan, PlannedImage, PlannedTable, recognise
from ..formats.folders.listing import printable
from ..formats.folders.tables import TableHead, read_head
from .celltypes import CellTypeReport
from .checks import folder as as_folder
from .jobs import Job
from .recording import apart
from .tables import ImportReport, read_table

if TYPE_CHECKING:
    from .session import Session

__all__ = ["FolderReport", "import_folder", "import_table", "look_at", "look_at_table"]

Progress = Callable[[float, str], object]

#: Share of the work before which the time that remains is not told, and seconds before it.
FIRST, EARLY = 0.01, 1.0


@dataclass
class FolderReport:
    """What an import of a folder did.

    Attributes
    ----------
    folder : Path
    added : list of str
        The images that are in the project now.
    cells : int
        How many cells came with them.
    skipped, failed, tables : list of (str, str)
        Images that were there already or were not chosen; images and tables that could not be imported; tables that were:
        name and sentence.
    stopped : bool
        Whether somebody stopped it; what was added by then is complete.
    seconds : float
    """

    folder: Path
    added: list[str] = field(default_factory=list)
    cells: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    tables: list[tuple[str, str]] = field(default_factory=list)
    stopped: bool = False
    seconds: float = 0.0

    def summary(self) -> str:
        """The outcome in a sentence or two."""
        n = len(self.added)
        text = f"{n:,} image{'' if n == 1 else 's'} added" if n else "No image added"
        if self.cells:
            text += f" with {self.cells:,} cells"
        if self.skipped:
            text += f", {len(self.skipped):,} skipped"
        if self.failed:
            text += f", {len(self.failed):,} could not be imported"
        text += "."
        if self.stopped:
            text += " It was stopped; what is in is complete. Import the folder again for the rest."
        return text

    def __str__(self) -> str:
        lines = [self.summary()]
        for what, found in (("Skipped", self.skipped), ("Not imported", self.failed), ("Table", self.tables)):
            lines += [f"{what}: {name}: {why}" for name, why in found[:20]]
            if len(found) > 20:
                lines.append(f"… and {len(found) - 20:,} more")
        return "\n".join(lines)


def look_at(session: Session, folder: str | Path, wait: bool, progress: Progress | None) -> FolderPlan | Job:
    """See :meth:`celltune_nb.Session.look_at`."""
    path = as_folder(folder)

    def work(job: Job) -> FolderPlan:
        def told(fraction: float, text: str) -> None:
            job.check()
            if job.wish == "stop":
                raise Cancelled
            job.report(fraction, text)

        with session.lock:
            rows = session.project.settings["images"]
            channels = list(rows[0]["channels"]) if rows else []
            present = {str(row["name"]): row.get("origin") for row in rows}
        return recognise(path, told, channels=channels, present=present)

    return _do(session, work, f"looking at {printable(path.name)}", wait, progress)


def import_folder(
    session: Session, folder: Any, plan: FolderPlan | None, tables: bool, copy: bool | None, wait: bool,
    progress: Progress | None,
) -> FolderReport | Job:  # fmt: skip
    """See :meth:`celltune_nb.Session.import_folder`."""
    with session.writing():
        pass  # refuse before the work, not after it
    if plan is None:
        found = look_at(session, folder, True, None)
        assert isinstance(found, FolderPlan)
        plan = found
        for table in plan.tables:
            table.use = tables
    _check(plan)
    chosen = plan
    return _do(
        session,
        lambda job: _import(session, job, chosen, copy),
        f"importing {printable(plan.folder.name)}",
        wait,
        progress,
    )


def look_at_table(path: str | Path) -> TableHead:
    """See :meth:`celltune_nb.Session.look_at_table`."""
    table = as_folder(path).expanduser()
    if not table.is_file():
        raise InputError(f"There is no file {printable(str(table))}. Check the path.")
    if ending(table) not in (".csv", ".parquet", ".pq", ".h5ad"):
        raise InputError(
            f"{printable(table.name)} is no .csv (or .csv.gz), .parquet or .h5ad file. Save the table as one of them."
        )
    return read_head(table)


def import_table(
    session: Session, table: PlannedTable, wait: bool, progress: Progress | None
) -> ImportReport | CellTypeReport | Job:
    """See :meth:`celltune_nb.Session.import_table`."""
    if not isinstance(table, PlannedTable):
        raise InputError(
            f"{table!r} is no table of a plan. Take one: PlannedTable(session.look_at_table(path))."
        )
    with session.writing():
        pass
    if table.kind != "celltypes" and table.path.suffix.lower() != ".h5ad":
        placed = table.kind == "cells" and None not in (table.head.x, table.head.y)
        needed = {} if placed else {"cell": table.head.cell}
        if table.kind == "labels":
            needed["category"] = table.head.category
        if table.image is None:
            needed["image"] = table.head.image
        missing = next((what for what, column in needed.items() if column is None), None)
        if missing is not None:
            raise InputError(
                f"No column of {printable(table.path.name)} was recognised as the {missing}. Say which one it is."
            )
    result: ImportReport | CellTypeReport | Job = _do(
        session,
        lambda job: _import_table(session, table),
        f"importing {printable(table.path.name)}",
        wait,
        progress,
    )
    return result


def _do(
    session: Session, work: Callable[[Job], Any], name: str, wait: bool, progress: Progress | None
) -> Any:
    """Do it in the background; when it is to be waited for, with a bar or telling *progress*."""

    def changed(job: Job) -> None:
        if progress is not None:
            progress(job.progress.fraction, job.progress.text)

    job = session.jobs.submit(work, name, changed)
    if not wait:
        return job
    from tqdm.auto import tqdm

    with tqdm(total=100, desc=name, unit="%", delay=1.0, leave=False, disable=progress is not None) as bar:
        try:
            while not job.finished:
                with suppress(TimeoutError):
                    job.wait(0.2)
                bar.set_postfix_str(job.progress.text[:60], refresh=False)
                bar.update(int(100 * job.progress.fraction) - bar.n)
        except KeyboardInterrupt:
            job.stop()  # what is in is complete
            raise
    job.wait()
    if job.state == "cancelled" and job.error is not None:
        raise job.error
    return job.result


def _check(plan: FolderPlan) -> None:
    """Refuse a plan that cannot be followed, before anything is written.

    Raises
    ------
    InputError
    """
    if not plan.images and not any(table.use for table in plan.tables):
        why = f" ({plan.shown(plan.left_out[0].path)}: {plan.left_out[0].why})" if plan.left_out else ""
        raise InputError(
            f"No image was found in {printable(str(plan.folder))}{why}. Images are TIFF, OME-TIFF, OME-Zarr or .npy; see "
            "print(session.look_at(folder)) for what was found."
        )
    names = [image.name for image in plan.chosen]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"Two images of the plan are called {twice!r}. Give one of them another name.")


def _import(session: Session, job: Job, plan: FolderPlan, copy: bool | None) -> FolderReport:
    report, began = FolderReport(plan.folder), time.monotonic()
    before = len(session.table)
    todo = []
    for image in plan.images:
        if image.name in session.images:
            report.skipped.append((image.name, "It is in the project already."))
        elif not image.use:
            report.skipped.append((image.name, " ".join(["Not chosen.", *plan.problems(image)])))
        else:
            todo.append(image)
    total = max(1, sum(map(_work, todo)))
    done = 0
    with session.adding_images():
        for number, image in enumerate(todo, 1):

            def told(
                share: float, image: PlannedImage = image, number: int = number, done: int = done
            ) -> None:
                if job.wish is not None:
                    raise Cancelled
                fraction, spent = (done + share * _work(image)) / total, time.monotonic() - began
                left = spent * (1 - fraction) / fraction if fraction > FIRST and spent > EARLY else None
                job.report(0.98 * fraction, f"{image.name} ({number} of {len(todo)})", left)

            try:
                told(0.0)
                files: Any = image.files[0] if len(image.files) == 1 else list(image.files)
                session._adding.add(
                    image.name,
                    files,
                    image.mask,
                    image.channels,
                    image.pixel_size,
                    image.group,
                    copy,
                    image.nucleus,
                    told,
                )
                report.added.append(image.name)
            except Cancelled:
                report.stopped = True
                break
            except ProjectError:
                raise  # somebody else writes here now, or the disk is full: so it would go on
            except CellTuneError as error:
                report.failed.append((image.name, str(error)))
            done += _work(image)
    report.cells = len(session.table) - before
    for table in plan.tables:
        if table.use and not report.stopped and job.wish is None:
            job.report(0.99, plan.shown(table.path))
            try:
                report.tables.append((plan.shown(table.path), str(_import_table(session, table))))
            except ProjectError:
                raise
            except CellTuneError as error:
                report.failed.append((plan.shown(table.path), str(error)))
    report.seconds = time.monotonic() - began
    return report


def _work(image: PlannedImage) -> int:
    """Bytes that are read for an image."""
    masks = 2 * (image.mask is not None) + (image.nucleus is not None)
    return image.nbytes + masks * 4 * image.shape[0] * image.shape[1]


def _import_table(session: Session, table: PlannedTable) -> ImportReport | CellTypeReport:
    """Import a table of cells, labels or cell types by the columns that were recognised."""
    with apart():
        return _import_by_kind(session, table)


def _import_by_kind(session: Session, table: PlannedTable) -> ImportReport | CellTypeReport:
    head = table.head
    if table.kind == "celltypes":
        return session.import_celltypes(head.path)
    if head.path.suffix.lower() == ".h5ad":
        return session.import_cells(head.path)
    frame = read_table(head.path, texts=[name for name in (head.image, head.category) if name is not None])
    image = head.image
    if image is None:
        image = "image"
        frame = frame.assign(image=table.image)
    if table.kind == "labels":
        names = {image: "image", str(head.cell): "cellID", str(head.category): "class"}
        # Columns that are called so and mean something else stand aside.
        frame = frame[list(names)].rename(columns=names)
        return session.import_labels(frame)
    # Places are needed for images whose cells the project does not have.
    known = bool(frame[image].astype(str).isin(session.table.names).all())
    known = known and head.cell is not None  # without numbers of cells their places say which they are
    x, y = (None, None) if known or head.x is None or head.y is None else (head.x, head.y)
    return session.import_cells(
        frame,
        image=image,
        id=head.cell,
        x=x,
        y=y,
        features=table.features or None,
        group=None if known else head.group,
    )
