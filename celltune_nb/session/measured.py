"""Features of single images on their way into the features of a project, on disk as soon as they are measured."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.features import FeatureSource
from ..data.images import Image
from ..data.items import ItemTable
from ..errors import ProjectError
from .files import write_atomically
from .project import Project

__all__ = [
    "PARTS_FOLDER",
    "SOURCE",
    "UNNOTED",
    "Clock",
    "MeasuredPart",
    "Parts",
    "assembled",
    "plain_options",
    "signature",
]

SOURCE = "cells"
#: Options that change nothing but the time it takes, and what is kept beside the options.
UNNOTED = ("n_jobs", "engine", "notes", "measured")
#: Options that say nothing new with these values.
USUAL = {
    "rings": True,
    "morphology": True,
    "neighbours": True,
    "texture": False,
    "stains": True,
    "per_image": False,
}
#: Where measured images lie that are not part of the features yet, from the project's folder on.
PARTS_FOLDER = "features/.cells-parts"
#: Seconds from which on a remaining time is told.
SOON = 1.0


@dataclass(frozen=True, eq=False)
class MeasuredPart:
    """The features of one image.

    Attributes
    ----------
    matrix : ndarray of float32, shape (n, f)
    names, units, notes : list of str
    groups : dict of str to list of str
    """

    matrix: NDArray[np.float32]
    names: list[str]
    units: list[str]
    groups: dict[str, list[str]]
    notes: list[str]


def plain_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a measuring as JSON keeps them, to be compared; those with their usual value are left out."""
    kept = {
        name: value
        for name, value in options.items()
        if name not in UNNOTED and not (isinstance(value, bool) and USUAL.get(name) is value)
    }
    plain: dict[str, Any] = json.loads(
        json.dumps(kept, default=lambda value: value.tolist() if hasattr(value, "tolist") else list(value))
    )
    return plain


def signature(image: Image, nuclear: bool, options: Mapping[str, Any]) -> list[Any]:
    """What the features of an image rest on besides its pixels: another signature, other features."""
    nuclei = (image.nucleus_key or True) if nuclear else False
    return [image.mask_key or image.key, image.pixel_size, nuclei, str(options.get("engine", "auto"))]


class Clock:
    """How long the rest takes, judged by what was measured since it was made."""

    def __init__(self) -> None:
        self._begun, self._skipped = time.monotonic(), 0.0

    def skip(self, cells: int) -> None:
        """Some cells took no time."""
        self._skipped += cells

    def remaining(self, done: float, total: float) -> float | None:
        """Seconds for the rest, None while that cannot be told."""
        spent, worked = time.monotonic() - self._begun, done - self._skipped
        return spent / worked * (total - done) if spent > SOON and worked > 0 else None


class Parts:
    """Measured images of a project that are not part of its features yet.

    Parameters
    ----------
    project : Project
    options : mapping
        Of the measuring: parts of one with others are left aside.
    """

    def __init__(self, project: Project, options: Mapping[str, Any]) -> None:
        self._folder = project.path(*PARTS_FOLDER.split("/"))
        self._options = plain_options(options)

    def _path(self, of: Sequence[Any]) -> Path:
        text = json.dumps([self._options, list(of)], sort_keys=True)
        return self._folder / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.npz"

    def load(self, of: Sequence[Any], cells: int) -> MeasuredPart | None:
        """The part of an image, None where there is none or it is damaged."""
        try:
            # From memory: NumPy leaves a file that is damaged open.
            with np.load(io.BytesIO(self._path(of).read_bytes()), allow_pickle=False) as stored:
                matrix, about = stored["matrix"], json.loads(str(stored["about"]))
            names, units, notes = ([str(v) for v in about[key]] for key in ("names", "units", "notes"))
            groups = {str(group): [str(n) for n in members] for group, members in about["groups"].items()}
            if matrix.dtype != np.float32 or matrix.shape != (cells, len(names)) or len(units) != len(names):
                return None
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            EOFError,
            MemoryError,
            zipfile.BadZipFile,
        ):
            return None
        return MeasuredPart(matrix, names, units, groups, notes)

    def measure(
        self, image: Image, of: Sequence[Any], options: Mapping[str, Any], nuclear: bool,
        progress: Callable[[float, str], None],
    ) -> MeasuredPart:  # fmt: skip
        """Measure an image, and keep what was measured."""
        from ..measure import measure_cells

        found = measure_cells(
            image.array, image.mask, image.channels, nucleus=image.nucleus if nuclear else None,
            pixel_size=image.pixel_size, progress=progress, **options,
        )  # fmt: skip
        part = MeasuredPart(
            np.asarray(found.matrix, np.float32),
            list(found.names),
            list(found.units),
            dict(found.groups),
            list(found.notes),
        )
        about = json.dumps({name: getattr(part, name) for name in ("names", "units", "groups", "notes")})
        try:
            write_atomically(
                self._path(of), lambda stream: np.savez(stream, matrix=part.matrix, about=np.array(about))
            )
        except OSError as error:
            raise ProjectError(
                f"What was measured of {image.name} could not be written ({error.strerror}). Make room, then measure again: it "
                "goes on where it ended."
            ) from error
        return part

    def remove(self) -> None:
        """Forget the parts: they are part of the features now."""
        shutil.rmtree(self._folder, ignore_errors=True)


def assembled(
    table: ItemTable, images: Sequence[tuple[slice, Image]], found: Mapping[int, MeasuredPart],
    before: FeatureSource | None, options: Mapping[str, Any], signatures: Sequence[list[Any]], notes: Sequence[str],
) -> FeatureSource:  # fmt: skip
    """The features of a project: parts that were measured now, all others as they were.

    Groups that a person made stay, and so do features that a person switched off.

    Parameters
    ----------
    images : sequence of (rows, image)
    found : mapping of int to MeasuredPart
        By number in *images*.
    """
    first = next(iter(found.values()), None)
    if before is not None and (first is None or set(first.names) == set(before.names)):
        # As they stood: models that learned from them go on.
        first = MeasuredPart(np.empty((0, 0), np.float32), before.names, before.units, before.groups, [])
    assert first is not None
    names, said = list(first.names), list(notes)
    matrix = np.full((len(table), len(names)), np.nan, np.float32)
    for i, (rows, _) in enumerate(images):
        part = found.get(i)
        there, values = (part.names, part.matrix) if part is not None else ([], None)
        if values is None:
            assert before is not None
            there, values = before.names, before.matrix[rows]
        else:
            assert part is not None
            said += [note for note in part.notes if note not in said]
        if there != names:  # channels of one set in another order: same features, other columns
            place = {name: k for k, name in enumerate(there)}
            values = values[:, [place[name] for name in names]]
        matrix[rows] = values
    groups, used = dict(first.groups), list(first.groups.get("Default", names))
    if before is not None:
        known, off = set(names), set(before.names) - set(before.used or before.names)
        own = {
            g: [n for n in members if n in known] for g, members in before.groups.items() if g not in groups
        }
        groups |= {group: members for group, members in own.items() if members}
        if set(before.used) != set(before.groups.get("Default", ())):  # a choice was made: it stays
            new = [name for name in used if name not in set(before.names)]
            chosen = {*before.used, *new} - off
            used = [name for name in names if name in chosen] or used
    parameters = {
        **plain_options(options), "notes": said,
        "measured": {str(sign[0]): sign for sign in signatures},
    }  # fmt: skip
    return FeatureSource(SOURCE, names, list(first.units), table.ids.copy(), matrix, groups, used, parameters)
