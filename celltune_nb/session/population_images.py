"""Population sets as images: the category of the cell under every pixel, as TIFF with a legend beside."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.images import Image
from ..data.populations import PopulationSet
from ..errors import InputError, NotReadyError
from .exporting import carry_out, target_path
from .files import file_stem, placing, write_atomically

if TYPE_CHECKING:
    from .job import Job
    from .session import Session

__all__ = ["export_population", "legend"]

TIFF = (".tif", ".tiff")
#: Colour of the pixels of no cell, and of cells without a category.
BACKGROUND = "#000000"
#: Columns of a legend, and its first line.
COLUMNS = ("value", "category", "color", "cells")
LEGEND_HEADING = ",".join(COLUMNS).encode()


def legend(found: PopulationSet) -> list[dict[str, Any]]:
    """What the numbers in an image mean: value, category, color; 0 is no cell, 1 the first category, *Unknown*."""
    known = sorted(found.categories, key=lambda c: c.code != 0)
    rows = [{"value": 0, "category": "", "color": BACKGROUND}]
    return rows + [
        {"value": i, "category": c.name, "color": c.color.upper()} for i, c in enumerate(known, start=1)
    ]


def export_population(
    session: Session, name: str, path: str | Path, image: str | None, wait: bool,
    changed: Callable[[Job], None] | None = None,
) -> Path | Job:  # fmt: skip
    """See :meth:`celltune_nb.Session.export_population`."""
    with session.lock:
        found, table = session.populations[name], session.table
        masked = [i for i in session.images.values() if i.mask is not None and i.name in table.names]
    if image is not None:
        session.image_number(image)
        masked = [i for i in masked if i.name == image]
    if not masked:
        raise NotReadyError(
            f"{'No image' if image is None else f'Image {image!r}'} has a mask, so no pixel belongs to a cell. Add one with "
            "session.add_image(…, mask=…)."
        )
    given = Path(path).expanduser() if isinstance(path, str | Path) else None
    alone = given is not None and given.suffix.lower() in TIFF
    if given is None or (alone and len(masked) > 1):
        raise InputError(
            f"There are {len(masked)} images with masks. Give the name of a folder for one file an image, or choose one with "
            "image=."
            if alone
            else f"{path!r} is no path. Give the name of a .tif file or of a folder."
        )
    if alone:
        target_path(given, TIFF)
    files = [(one, given if alone else given / f"{file_stem(one.name)}.tif") for one in masked]
    for _, target in files:
        _check_legend(_legend_path(target))
    rows = legend(found)
    of_code = np.zeros(max(c.code for c in found.categories) + 1, np.uint16)
    by_name = {row["category"]: row["value"] for row in rows[1:]}
    for category in found.categories:
        of_code[category.code] = by_name[category.name]

    def work(job: Job) -> Path:
        for i, (one, target) in enumerate(files):
            number = table.names.index(one.name)
            part = table.of_image(number)
            values = np.ones(
                part.stop - part.start + 1, np.uint16
            )  # an item that the set does not know is Unknown
            values[0] = 0
            ids = table.ids[part]
            places = np.searchsorted(found.ids, ids)
            known = places < len(found.ids)
            known[known] = found.ids[places[known]] == ids[known]
            values[1:][known] = of_code[found.codes[places[known]]]
            _write(one, target, values, rows, found, job, i / len(files), 1 / len(files))
        return given

    return carry_out(session, work, f"writing {given.name}", wait, changed)


def _write(
    image: Image, target: Path, values: NDArray[np.uint16], rows: list[dict[str, Any]], found: PopulationSet, job: Job,
    base: float, share: float,
) -> None:  # fmt: skip
    from ..formats.code_tiff import write_codes

    def codes(part: slice) -> NDArray[Any]:
        job.check()
        mask = np.asarray(image.mask[part])
        # A number that is no cell of this image is nobody's.
        return values[np.where(mask < len(values), mask, 0)]

    def progress(done: float) -> None:
        job.report(base + share * done, image.name)

    about = {"population": found.name, "level": found.level, "image": image.name, "legend": rows}
    with placing(target) as place:
        write_codes(
            place, image.shape, codes, [row["color"] for row in rows], legend=about, pixel_size=image.pixel_size,
            progress=progress,
        )  # fmt: skip
    counts = np.bincount(values[1:], minlength=len(rows))
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "cells": int(counts[row["value"]])} for row in rows)
    write_atomically(_legend_path(target), lambda stream: stream.write(text.getvalue().encode()))


def _legend_path(target: Path) -> Path:
    return target.with_name(f"{target.stem}_legend.csv")


def _check_legend(path: Path) -> None:
    """Refuse to write over a file that nobody named, unless it is a legend too.

    Raises
    ------
    InputError
    """
    if not path.exists():
        return
    heading = b""
    with suppress(OSError), path.open("rb") as stream:
        heading = stream.readline(len(LEGEND_HEADING) + 2)
    if heading.strip() != LEGEND_HEADING:
        raise InputError(
            f"The legend would be written over {path.name}, which is something else. Choose another name, or move that file."
        )
