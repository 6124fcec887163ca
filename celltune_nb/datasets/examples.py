"""The built-in example projects: what there is, and opening one as a session."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ..errors import InputError, ProjectError
from . import ihc, tissue

if TYPE_CHECKING:
    import pandas as pd

    from ..session import Session

__all__ = ["available", "load"]

_MARK = "example.json"
_SHOWN = {"DAPI": "#4D7CFF", "PanCK": "#FFD60A", "CD3": "#34C759", "CD20": "#FF40FF", "CD31": "#FF3B30"}
"""Channels of the tissue that are shown at first: one for each of its large parts."""
_ABANDONED_AFTER = 3600.0
"""Seconds without a write after which a half-built example is taken for the leftover of a killed program."""


@dataclass(frozen=True)
class _Example:
    """An example; ``size`` holds its size arguments with their defaults."""

    workflow: str
    items: int
    kind: str
    origin: str
    licence: str
    size: Mapping[str, int | None]
    fill: Callable[[Session, Mapping[str, Any]], None]


def _fill_ihc(session: Session, size: Mapping[str, Any]) -> None:
    del size  # one field, as it is
    rgb = ihc.image()
    # The origin does not state the size of a pixel.
    session.add_image("colon", rgb, ihc.segment_nuclei(rgb))
    for name, color, key in ihc.CATEGORIES:
        session.categories.add(name, color=color, key=key)
    session.measure()


def _fill_tissue(session: Session, size: Mapping[str, Any]) -> None:
    import pandas as pd

    truth = []
    with session.adding_images():
        for field in tissue.generate(**size):
            session.add_image(
                field.name,
                field.image,
                field.mask,
                channels=list(tissue.CHANNELS),
                pixel_size=tissue.PIXEL_SIZE,
                group=field.donor,
            )
            truth.append(field.truth[["image", "cellID", "cell_type"]].rename(columns={"cell_type": "truth"}))
    session.import_cells(pd.concat(truth, ignore_index=True), image="image", id="cellID")
    for key, (name, color) in enumerate(tissue.CATEGORIES, 1):
        session.categories.add(name, color=color, key=str(key))
    for channel in tissue.CHANNELS:
        shown = {"color": _SHOWN[channel]} if channel in _SHOWN else {}
        session.set_channel(channel, visible=bool(shown), **shown)
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
        ``seed`` (0).

    Returns
    -------
    Session
        With images, masks, features and categories; for synthetic tissue the truth as the column
        ``truth`` of `Session.items`, never a feature.

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
    if name == "tissue":
        # Says at once what cannot be made, before any folder is touched.
        tissue.generate(**chosen)  # type: ignore[arg-type]
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
        with Session.create(beside) as session:
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
