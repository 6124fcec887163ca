"""Bringing images and their masks into a project.

What takes long, reading a mask and copying pixels, is done before the session's lock is taken; the image
takes effect in one short step, alone or with others.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from ..data.images import Image, check_image, check_mask
from ..data.items import NewCells
from ..errors import InputError
from ..formats.images import ImageFile, is_image_path, open_image
from ..formats.stack import is_stack, open_stack
from . import area_cells, sources
from .committing import committing

if TYPE_CHECKING:
    from ..measure.runs import CellIndex
    from .session import Session

__all__ = ["Adding", "cells_of"]

#: Images added in one go that take effect together, at least.
TOGETHER = 32


@dataclass(frozen=True, eq=False)
class _Ready:
    """An image whose files are written and which has not taken effect yet."""

    row: dict[str, Any]
    cells: CellIndex | None
    files: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.row["name"])

    @property
    def new(self) -> NewCells:
        """Its cells, for the items."""
        found = self.cells
        assert found is not None
        return NewCells(
            self.name, found.labels, found.y, found.x, found.bbox, found.border_distance, self.row["group"]
        )


class Adding:
    """Adds images to a session.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._waiting: list[_Ready] = []
        self._blocks = 0
        self._lock = threading.RLock()

    @contextmanager
    def together(self) -> Iterator[None]:
        """See :meth:`celltune_nb.Session.adding_images`."""
        with self._lock:
            self._blocks += 1
        try:
            yield
        finally:
            with self._lock:
                self._blocks -= 1
                ready = self._take()
            self._commit(ready)

    def add(
        self, name: str, image: Any, mask: Any, channels: Sequence[str] | None, pixel_size: float | None,
        group: str | None, copy: bool | None, nucleus: Any = None, progress: Callable[[float], object] | None = None,
    ) -> Image:  # fmt: skip
        """See :meth:`celltune_nb.Session.add_image`.

        Parameters
        ----------
        progress : callable, optional
            Is told how much of the work is done (0 to 1), instead of a bar; what it raises ends the work, and nothing
            is left of the image.
        """
        session = self._session
        name = self.checked_name(name)
        with session.writing():
            self._check_name(name, mask is not None)  # refuse before the work, not after it
        ready = self._prepare(name, image, mask, channels, pixel_size, group, copy, nucleus, progress)
        with self._lock:
            self._waiting.append(ready)
            due = self._take()
        self._commit(due)
        known = session.images.get(name)
        return session.project.image(ready.row, session.chunks) if known is None else known

    def add_all(self, images: Iterable[Mapping[str, Any]]) -> None:
        """Add images that belong together: they take effect in one step, all or none.

        Parameters
        ----------
        images : iterable of mapping
            name, image, mask, channels, pixel_size, group and progress of each, as of :meth:`add`; asked for when it is its
            turn.
        """
        ready: list[_Ready] = []
        try:
            for one in images:
                name = self.checked_name(one["name"])
                with self._session.writing():
                    self._check_name(name, True)
                ready.append(
                    self._prepare(
                        name, one["image"], one["mask"], one["channels"], one["pixel_size"], one["group"], None, None,
                        one["progress"], ahead=len(ready),
                    )
                )  # fmt: skip
        except BaseException:
            for done in ready:
                self.remove(done.files)
            raise
        self._commit(ready)

    @staticmethod
    def checked_name(name: Any) -> str:
        """The name of an image, if it can be one.

        Raises
        ------
        InputError
        """
        name = str(name).strip()
        if not name or len(name) > 200 or not name.isprintable():
            raise InputError("An image needs a name of 1 to 200 printable characters. Choose another.")
        return name

    def check_new(self, name: str, channels: Sequence[str]) -> None:
        """Refuse an image with cells that the project could not take, before the work.

        Raises
        ------
        InputError
            There is one of the name, or its channels are others than the project's.
        """
        self._check_name(name, True)
        self._check_channels(name, channels)

    def _check_name(self, name: str, has_mask: bool) -> None:
        session = self._session
        if name in session.images or any(ready.name == name for ready in self._waiting):
            raise InputError(f"There is an image {name!r} already. Give this one another name.")
        if has_mask and name in session.table.names:
            raise InputError(
                f"A table brought the cells of image {name!r} already. Add the image without mask=, or begin with the images "
                "and then join the table."
            )

    # ------------------------------------------------------------------ before it takes effect

    def _prepare(
        self, name: str, image: Any, mask: Any, channels: Sequence[str] | None, pixel_size: float | None,
        group: str | None, copy: bool | None, nucleus: Any, told: Callable[[float], object] | None, ahead: int = 0,
    ) -> _Ready:  # fmt: skip
        """Write the files of an image; *ahead* more are ready, which do not wait here."""
        from ..render.histogram import auto_contrast

        session = self._session
        stack = is_stack(image)
        file = (
            open_stack(image, session.chunks) if stack
            else open_image(image, session.chunks) if is_image_path(image) else None
        )  # fmt: skip
        outline = open_image(mask, session.chunks) if is_image_path(mask) else None
        inner = open_image(nucleus, session.chunks) if is_image_path(nucleus) else None
        given = ((image, file), (mask, outline), (nucleus, inner))
        if copy is False and any(one is not None and opened is None for one, opened in given):
            raise sources.must_be_a_file(name)
        if nucleus is not None and mask is None:
            raise InputError(
                f"Image {name!r} has a mask of nuclei and none of cells. Give the cells too, or the nuclei as mask=."
            )
        if file is not None:
            image, channels = file.array, channels if channels is not None else file.channels
            pixel_size = pixel_size if pixel_size is not None else file.pixel_size
        if pixel_size is not None and not (np.isfinite(pixel_size) and 0 < pixel_size < 1e6):
            raise InputError(
                f"The pixel size of image {name!r} is {pixel_size}. Give µm a pixel, such as 0.5, or None."
            )
        array, names = check_image(name, image, channels)
        self._check_channels(name, names)
        rgb = names == ["Red", "Green", "Blue"] and array.shape[2:] == (3,)
        rows, columns = array.shape[:2] if rgb else array.shape[1:]
        shape = (int(rows), int(columns))
        labels = None if mask is None else check_mask(name, mask if outline is None else outline.array, shape)
        nuclei = (
            None if nucleus is None else check_mask(name, nucleus if inner is None else inner.array, shape)
        )
        masks = 2 * (labels is not None) + (nuclei is not None)
        total = math.prod(array.shape) * array.dtype.itemsize + masks * math.prod(shape) * 4
        with _bar(name, total) if told is None else _share(total, told) as progress:
            cells = None if labels is None else cells_of(labels, progress)
            looked = Image(name, array, None, names)
            contrast = {
                channel: (0.0, 255.0) if rgb else auto_contrast(looked.plane(channel)) for channel in names
            }
            key = f"{len(session.images) + len(self._waiting) + ahead + 1:04d}-{uuid4().hex[:6]}"
            row: dict[str, Any] = {
                "name": name, "key": key, "array": None, "mask": None, "channels": names, "pixel_size": pixel_size,
                "group": None if group is None else str(group),
                "contrast": {channel: list(limits) for channel, limits in contrast.items()},
                # Known again when its folder is imported again, whatever it is called then.
                "origin": None if file is None else str((file.files or (file.path,))[0]),
            }  # fmt: skip
            files: list[str] = []
            try:
                self._keep(row, files, array, file, copy, progress)
                if labels is not None and cells is not None:
                    self.keep_mask(row, files, labels, outline, cells, copy, progress)
                if nuclei is not None:
                    self.keep_nuclei(row, files, nuclei, inner, copy, progress)
            except BaseException:
                self.remove(files)
                raise
        return _Ready(row, cells, files)

    def _check_channels(self, name: str, names: Sequence[str]) -> None:
        rows = [*self._session.project.settings["images"], *(ready.row for ready in self._waiting)]
        if not rows or set(rows[0]["channels"]) == set(names):
            return
        known = rows[0]["channels"]
        missing, extra = sorted(set(known) - set(names)), sorted(set(names) - set(known))
        differences = [("lacks", missing), ("also has", extra)]
        difference = "; ".join(f"{verb} {', '.join(found)}" for verb, found in differences if found)
        raise InputError(
            f"Image {name!r} does not have the channels of image {rows[0]['name']!r}: it {difference}. A project has one set "
            "of channels; name them alike with channels=, or make a project of its own."
        )

    def _keep(
        self, row: dict[str, Any], files: list[str], array: Any, file: ImageFile | None, copy: bool | None,
        progress: Callable[[int], object],
    ) -> None:  # fmt: skip
        project = self._session.project
        if file is not None and _stays(file, copy):
            row["file"] = sources.describe(file, project.folder, array.shape)
            return
        row["array"] = f"images/{row['key']}.npy"
        files.append(row["array"])
        sources.copy_pixels(project, row["array"], array, progress)

    def keep_mask(
        self, row: dict[str, Any], files: list[str], labels: Any, file: ImageFile | None, cells: CellIndex,
        copy: bool | None, progress: Callable[[int], object],
    ) -> None:  # fmt: skip
        """Keep a mask under the key of a row, and say in the row where it lies."""
        project = self._session.project
        numbers = cells.labels
        consecutive = len(numbers) > 0 and numbers[0] == 1 and numbers[-1] == len(numbers)
        if file is None or not _stays(file, copy):
            row["mask"] = f"masks/{row['key']}.npy"
            files.append(row["mask"])
            sources.copy_mask(project, row["mask"], labels, None if consecutive else numbers, progress)
            return
        row["mask_file"] = sources.describe(file, project.folder, labels.shape)
        if not consecutive:
            row["mask_file"]["cells"] = f"masks/{row['key']}-cells.npy"
            files.append(row["mask_file"]["cells"])
            project.write_array(files[-1], numbers.shape, np.int64, lambda out: np.copyto(out, numbers))

    def keep_nuclei(
        self, row: dict[str, Any], files: list[str], nuclei: Any, file: ImageFile | None, copy: bool | None,
        progress: Callable[[int], object],
    ) -> None:  # fmt: skip
        """As :meth:`keep_mask`, of nuclei."""
        project = self._session.project
        if file is not None and _stays(file, copy):
            row["nucleus_file"] = sources.describe(file, project.folder, nuclei.shape)
            return
        row["nucleus"] = f"masks/{row['key']}-nucleus.npy"
        files.append(row["nucleus"])
        sources.copy_mask(project, row["nucleus"], nuclei, None, progress)

    def remove(self, files: Sequence[str]) -> None:
        """Remove files that have not taken effect."""
        for name in files:
            with suppress(OSError):
                self._session.project.path(name).unlink(missing_ok=True)

    # ------------------------------------------------------------------ taking effect

    def _take(self) -> list[_Ready]:
        """What is to take effect now: inside of a block rarely, so that adding many takes no longer for each."""
        if self._blocks and len(self._waiting) < max(TOGETHER, len(self._session.images) // 2):
            return []
        ready, self._waiting = self._waiting, []
        return ready

    def _commit(self, ready: Sequence[_Ready]) -> None:
        """Make images part of the project, all or none."""
        session = self._session
        if not ready:
            return
        added: list[Image] = []
        try:
            with session.writing():
                for one in ready:
                    self._check_name(one.name, one.cells is not None)
                project = session.project
                # An image without a mask has no place among the items until a table brings its cells.
                base = session.table
                table = base.extended_by([one.new for one in ready if one.cells is not None])
                table = area_cells.filled(session, base, table)
                added = [project.image(one.row, session.chunks) for one in ready]
                rows = [*project.settings["images"], *(one.row for one in ready)]
                with (
                    project.prepared_items(table, unchanged=len(session.table)) as items,
                    committing(session),
                ):
                    project.settings["images"] = rows
                    project.use_items(items)
                    project.save()  # the step that makes the images part of the project
                    session.table = table
                    session.images.update((image.name, image) for image in added)
                view = session.view.with_image_channels(added)
                session.view = view if view.image else view.changed(image=added[0].name)
        except BaseException:
            named = {row.get("key") for row in session.project.settings["images"]}
            for one in ready:
                if one.row["key"] not in named:  # else interrupted when it had taken effect
                    self.remove(one.files)
            raise
        session.changed_items("image")


def _stays(file: ImageFile, copy: bool | None) -> bool:
    """Whether a file is read where it lies."""
    if not file.streams:
        if copy is False:
            raise InputError(
                f"{file.path.name} is stored in pieces too large to be read one by one. Leave copy= out, or save it with tiles of "
                "512 pixels."
            )
        return False
    return file.nbytes > sources.COPY_UP_TO if copy is None else not copy


def cells_of(mask: Any, progress: Callable[[int], object]) -> CellIndex:
    """Where the cells of a mask are."""
    from ..measure.runs import locate, mask_runs

    def run(read: Callable[[int], Any], starts: Any) -> Iterator[Any]:
        for start in starts:
            yield read(start)
            progress(min(starts.step, mask.shape[0] - start) * mask.shape[1] * 4)

    return locate(mask_runs(mask, run))


@contextmanager
def _bar(name: str, total: int) -> Iterator[Callable[[int], object]]:
    """A bar that shows when it takes longer than a moment."""
    from tqdm.auto import tqdm

    with tqdm(total=total, desc=f"Adding {name}", unit="B", unit_scale=True, delay=1.0, leave=False) as bar:
        yield bar.update


@contextmanager
def _share(total: int, told: Callable[[float], object]) -> Iterator[Callable[[int], object]]:
    """Tell how much of the work is done."""
    done = 0

    def update(more: int) -> None:
        nonlocal done
        done += more
        told(min(1.0, done / max(1, total)))

    yield update
