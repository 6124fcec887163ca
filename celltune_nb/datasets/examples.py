"""The built-in example projects: what there is, and opening one as a session."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ..errors import InputError, ProjectError
from . import brain, ihc, tissue

if TYPE_CHECKING:
    import pandas as pd

    from ..session import Session

__all__ = ["available", "load"]

_MARK = "example.json"
_SHOWN = {"DAPI": "#4D7CFF", "PanCK": "#FFD60A", "CD3": "#34C759", "CD20": "#FF40FF", "CD31": "#FF3B30"}
"""Channels of the tissue that are shown at first: one for each of its large parts."""
_BRAIN_SHOWN = {"DAPI": "#3B5BFF", "cFos": "#FF453A", "PV": "#30D158"}
_ABANDONED_AFTER = 3600.0
"""Seconds without a write after which a half-built example is taken for the leftover of a killed program."""


@dataclass(frozen=True)
class _Example:
    """An example.

    Attributes
    ----------
    size : mapping of str to int
        Its size arguments with their defaults.
    fill : callable
        Puts it into an empty session.
    level : str
        Name of the first level.
    check : callable, optional
        Raises for sizes that cannot be made, before any folder is touched.
    """

    workflow: str
    items: int
    kind: str
    origin: str
    licence: str
    size: Mapping[str, int | None]
    fill: Callable[[Session, Mapping[str, Any]], None]
    level: str = "main"
    check: Callable[..., Any] | None = None


def _fill_ihc(
    session: Session,
    size: Mapping[str, Any],
    categories: tuple[tuple[str, str, str], ...] = ihc.CATEGORIES,
    *,
    per_image: bool = False,
) -> None:
    del size  # one field, as it is
    rgb = ihc.image()
    # The origin does not state the size of a pixel.
    session.add_image("colon", rgb, ihc.segment_nuclei(rgb))
    _add_categories(session, session.level, categories)
    session.measure(per_image=per_image)


def _fill_brain(session: Session, size: Mapping[str, Any]) -> None:
    slices = (
        (one, one.animal, one.truth.drop(columns=["y", "x", "animal"])) for one in brain.generate(**size)
    )
    _add_images(session, slices, brain.CHANNELS, brain.PIXEL_SIZE, _BRAIN_SHOWN)
    for marker in brain.LEVELS:
        if marker not in session.levels:
            session.levels.add(marker)
        _add_categories(session, marker, brain.CATEGORIES)
    # slices are stained more and less strongly: docs/decisions/0019-per-image-features.md
    session.measure(per_image=True)


def _add_images(
    session: Session,
    images: Iterable[tuple[brain.Slice | tissue.Field, str, pd.DataFrame]],
    channels: Sequence[str],
    pixel_size: float,
    shown: Mapping[str, str],
) -> None:
    """Add images with their masks, each with its group and a table of its cells; *shown* are the colours in sight."""
    import pandas as pd

    cells = []
    with session.adding_images():
        for one, group, table in images:
            session.add_image(
                one.name, one.image, one.mask, channels=list(channels), pixel_size=pixel_size, group=group
            )
            cells.append(table)
    session.import_cells(pd.concat(cells, ignore_index=True), image="image", id="cellID")
    for channel in channels:
        color = {"color": shown[channel]} if channel in shown else {}
        session.set_channel(channel, visible=bool(color), **color)


def _add_categories(session: Session, level: str, categories: tuple[tuple[str, str, str], ...]) -> None:
    for name, color, key in categories:
        session.categories.add(name, color=color, key=key, level=level)


def _fill_tissue(session: Session, size: Mapping[str, Any]) -> None:
    known = {"image": "image", "cellID": "cellID", "cell_type": "truth"}
    fields = ((one, one.donor, one.truth[[*known]].rename(columns=known)) for one in tissue.generate(**size))
    _add_images(session, fields, tissue.CHANNELS, tissue.PIXEL_SIZE, _SHOWN)
    for key, (name, color) in enumerate(tissue.CATEGORIES, 1):
        session.categories.add(name, color=color, key=str(key))
    session.measure()


_EXAMPLES: dict[str, _Example] = {
    "ihc": _Example("cells", 364, "real", ihc.ORIGIN, ihc.LICENCE, {}, _fill_ihc),
    "tissue": _Example(
        "cells",
        4000,
        "synthetic",
        "celltune_nb.datasets.tissue: 14 markers, 9 cell types, 6 fields of view, 3 donors; truth in the column 'truth'",
        "BSD-3-Clause, as celltune_nb",
        {"cells": 4000, "fields": None, "donors": 3, "seed": 0},
        _fill_tissue,
        check=tissue.generate,
    ),
    "brain": _Example(
        "slices",
        18000,
        "synthetic",
        "celltune_nb.datasets.brain: 12 slices of 6 animals; cFos ON in 3-30 % of the cells of a slice, PV in about 1 %; truth in "
        "the columns 'truth_cFos' and 'truth_PV'",
        "BSD-3-Clause, as celltune_nb",
        {"cells": 1500, "slices": 12, "animals": 6, "seed": 0},
        _fill_brain,
        level=brain.LEVELS[0],
        check=brain.generate,
    ),
    "ihc-slices": _Example(
        "slices",
        364,
        "real",
        f"{ihc.ORIGIN}. One field, so one group: what is measured on it says nothing of other tissue",
        ihc.LICENCE,
        {},
        partial(_fill_ihc, categories=ihc.ON_OFF, per_image=True),
        level="DAB",
    ),
}


def available() -> pd.DataFrame:
    """List the example projects.

    Returns
    -------
    DataFrame
        ``name, workflow, items`` (at default size), ``kind`` (real or synthetic), ``origin, licence, size``
        (the size arguments that `load` takes).
    """
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "name": name,
                "workflow": example.workflow,
                "items": example.items,
                "kind": example.kind,
                "origin": example.origin,
                "licence": example.licence,
                "size": ", ".join(example.size),
            }
            for name, example in _EXAMPLES.items()
        ]
    )


def load(name: str, project: str | Path | None = None, **size: int | None) -> Session:
    """Open an example project; make it when it is not there yet.

    Parameters
    ----------
    name : str
        As listed by `available`.
    project : path, optional
        Folder of the project.  By default one of its own in the user's data folder for every size, so
        that a second call finds the labels of the first.
    **size
        For ``tissue``: ``cells`` (default 4000), ``fields`` (6, more above 24,000 cells), ``donors`` (3),
        ``seed`` (0).  For ``brain``: ``cells`` of each slice (1500), ``slices`` (12), ``animals`` (6), ``seed`` (0).

    Returns
    -------
    Session
        With images, masks, features and categories; for synthetic tissue the truth as the column
        ``truth`` of `Session.items`, never a feature; for the synthetic brain ``truth_cFos`` and ``truth_PV``.

    Raises
    ------
    InputError
        Unknown example or size.
    ProjectError
        The folder holds something else.
    """
    from ..session import Session

    example = _EXAMPLES.get(name)
    if example is None:
        raise InputError(f"There is no example {name!r}. Available: {', '.join(_EXAMPLES)}.")
    chosen = _checked_size(name, example, size)
    folder = _default_folder(name, example, chosen) if project is None else Path(project)
    folder = folder.expanduser().absolute()
    if not _is_built(folder, name, chosen):
        _build(folder, name, example, chosen)
    return Session.open(folder)


def _checked_size(name: str, example: _Example, size: Mapping[str, int | None]) -> dict[str, int | None]:
    unknown = size.keys() - example.size.keys()
    if unknown:
        takes = f"takes {', '.join(example.size)}" if example.size else "has one size only"
        raise InputError(
            f"Example {name!r} has no size {min(unknown)!r}: it {takes}. Leave {min(unknown)!r} out."
        )
    for key, value in size.items():
        whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        if not whole and not (value is None and example.size[key] is None):
            raise InputError(f"Example {name!r} got {key}={value!r}. Give a whole number, such as {key}=3.")
    chosen = {**example.size, **size}
    if example.check is not None:
        example.check(**chosen)
    return chosen


def _default_folder(name: str, example: _Example, size: Mapping[str, int | None]) -> Path:
    from platformdirs import user_data_path

    changed = [f"{key}{value}" for key, value in size.items() if value != example.size[key]]
    return user_data_path("celltune_nb", appauthor=False) / "projects" / "-".join([name, *changed])


def _is_built(folder: Path, name: str, size: Mapping[str, int | None]) -> bool:
    """Whether the folder holds this example, whole; raises when it holds something else."""
    from ..session.files import read_json

    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    mark = read_json(folder / _MARK) if (folder / _MARK).is_file() else None
    if mark == {"name": name, "size": dict(size)}:
        return True
    if isinstance(mark, dict) and "name" in mark:
        held = ", ".join([str(mark["name"]), *(f"{k}={v}" for k, v in mark.get("size", {}).items())])
        raise ProjectError(f"{folder} holds another example ({held}). Choose another folder with project=.")
    raise ProjectError(
        f"{folder} holds something that is not this example. Choose another folder with project=."
    )


def _build(folder: Path, name: str, example: _Example, size: Mapping[str, int | None]) -> None:
    """Make the example beside its place and move it there when it is whole.

    A program killed meanwhile leaves a hidden folder that is never opened; a later call clears it away.
    """
    from ..session import Session
    from ..session.files import write_json

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _clear_leftovers(folder)
    except OSError as error:
        raise ProjectError(
            f"No project can be made in {folder.parent} ({error.strerror}). Choose a writable folder with project=."
        ) from error
    beside = folder.with_name(f".{folder.name}.building-{uuid4().hex[:12]}")
    try:
        with Session.create(beside, level=example.level) as session:
            example.fill(session, size)
            session.seal()  # undo is for what the person did
        write_json(beside / _MARK, {"name": name, "size": dict(size)})
        if folder.is_dir():
            # Empty: checked above. rmdir refuses if another program has finished in between.
            folder.rmdir()
        beside.rename(folder)
    except OSError as error:
        shutil.rmtree(beside, ignore_errors=True)
        if _is_built(folder, name, size):
            return  # another program was faster
        raise ProjectError(
            f"The example could not be written to {folder} ({error.strerror}). Choose a writable folder with project=."
        ) from error
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def _clear_leftovers(folder: Path) -> None:
    for leftover in folder.parent.glob(f".{folder.name}.building-*"):
        files = [leftover, *leftover.rglob("*")]
        if time.time() - max(path.stat().st_mtime for path in files) > _ABANDONED_AFTER:
            shutil.rmtree(leftover, ignore_errors=True)
