"""Feature sources on disk: a matrix, the ids of its rows, and a schema that names both."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from ..data.features import FeatureSource
from ..errors import FormatError, InputError
from .files import read_json, write_json
from .scales import scaled

if TYPE_CHECKING:
    from .project import Project

__all__ = [
    "ARRIVING",
    "PreparedFeatures",
    "announce",
    "drop",
    "finish",
    "living",
    "load",
    "prepare",
    "save_schema",
    "use",
]

#: What ``project.json`` calls features that count from the moment on in which it is written, with the items it names.
ARRIVING = "arriving"


@dataclass(frozen=True)
class PreparedFeatures:
    """Features that are written and not in use yet."""

    folder: str
    schema: dict[str, Any]


def prepare(project: Project, source: FeatureSource) -> PreparedFeatures:
    """Write the arrays of a source under names of their own.

    Replacing the schema, which names them, is then the one step in which they take the place of the former.
    """
    folder, mark = _plain(source.name), uuid4().hex[:8]
    arrays = {"matrix": f"matrix-{mark}.npy", "ids": f"ids-{mark}.npy"}
    schema = {
        "name": source.name, "names": source.names, "units": source.units, "groups": source.groups,
        "used": source.used, "parameters": source.parameters, "hash": source.schema_hash, **arrays,
    }  # fmt: skip
    ready = PreparedFeatures(folder, schema)
    try:
        for name, values, dtype in (
            (arrays["matrix"], source.matrix, np.float32),
            (arrays["ids"], source.ids, np.int64),
        ):
            project.write_array(
                f"features/{folder}/{name}",
                values.shape,
                dtype,
                lambda out, values=values: np.copyto(out, values),  # type: ignore[misc]
            )
    except BaseException:
        drop(project, ready)
        raise
    return ready


def use(project: Project, ready: PreparedFeatures) -> FeatureSource:
    """Let prepared features take the place of those of their name, and map them."""
    path = project.path("features", ready.folder, "schema.json")
    former: Any = None
    if path.exists():
        with suppress(FormatError):  # damaged: it is replaced now
            former = read_json(path)
    write_json(path, ready.schema)
    if isinstance(former, dict):
        drop(project, PreparedFeatures(ready.folder, former))
    return load(project, ready.folder)


def announce(project: Project, ready: PreparedFeatures) -> None:
    """Let ``project.json`` name prepared features, so that they count together with the rest of it, or not at all.

    To be followed by :meth:`Project.save`, and by :func:`finish`.
    """
    project.settings[ARRIVING] = {ready.folder: ready.schema}


def finish(project: Project) -> None:
    """Put features that ``project.json`` names in their place, also those of a program that was killed just then."""
    arriving = project.settings.get(ARRIVING)
    if not isinstance(arriving, dict):
        return
    before = project.settings
    project.settings = {k: v for k, v in before.items() if k != ARRIVING}
    try:
        for folder, schema in arriving.items():
            if isinstance(schema, dict):
                use(project, PreparedFeatures(_plain(str(folder)), schema))
        project.save()
    except BaseException:
        project.settings = before
        raise


def drop(project: Project, features: PreparedFeatures) -> None:
    """Remove arrays, unless they are in use: the schema names them."""
    used: Any = None
    arriving = project.settings.get(ARRIVING)
    if isinstance(arriving, dict) and features.folder in arriving:
        return  # whether they count is not settled yet
    with suppress(FormatError):
        used = read_json(project.path("features", features.folder, "schema.json"))
    for kind in ("matrix", "ids"):
        name = Path(str(features.schema.get(kind, ""))).name
        if name.startswith(f"{kind}-") and not (isinstance(used, dict) and used.get(kind) == name):
            with suppress(OSError):  # still mapped by somebody, on a system that minds
                project.path("features", features.folder, name).unlink(missing_ok=True)


def load(project: Project, folder: str) -> FeatureSource:
    """Map a feature source.

    Raises
    ------
    FormatError
    """
    arriving = project.settings.get(ARRIVING)
    schema = arriving.get(folder) if isinstance(arriving, dict) else None
    schema = schema or read_json(project.path("features", folder, "schema.json"))
    try:
        source = FeatureSource(
            str(schema["name"]), [str(n) for n in schema["names"]], [str(u) for u in schema["units"]],
            project.read_array(f"features/{folder}/{schema.get('ids', 'ids.npy')}"),
            project.read_array(f"features/{folder}/{schema['matrix']}"),
            dict(schema["groups"]), [str(n) for n in schema["used"]], dict(schema["parameters"]),
        )  # fmt: skip
        source = scaled(source, project.settings.get("transforms"))
    except (KeyError, TypeError, AttributeError) as error:
        raise FormatError(
            f"features/{folder}/schema.json is damaged ({error!r}). Measure again: session.measure()."
        ) from error
    if source.matrix.shape != (len(source.ids), len(source.names)):
        raise FormatError(f"features/{folder} does not fit its schema. Measure again: session.measure().")
    return source


def living(source: FeatureSource, ids: NDArray[np.int64]) -> FeatureSource:
    """A source without cells that are gone since; the very same where none is.

    Parameters
    ----------
    ids : ndarray of int64
        The items of the project.
    """
    if np.array_equal(source.ids, ids[: len(source)]):
        return source
    rows = np.flatnonzero(np.isin(source.ids, ids))
    return replace(source, ids=np.asarray(source.ids)[rows], matrix=np.asarray(source.matrix[rows]))


def save_schema(project: Project, source: FeatureSource) -> None:
    """Write the groups of a source, and which of its features are used, without touching its arrays."""
    path = project.path("features", _plain(source.name), "schema.json")
    write_json(
        path, {**read_json(path), "used": source.used, "groups": source.groups, "hash": source.schema_hash}
    )


def _plain(name: str) -> str:
    """A name as a file name that every system takes."""
    plain = "".join(c if c.isalnum() or c in "-_." else "_" for c in name).strip(".")
    if not plain:
        raise InputError(f"{name!r} cannot name a folder. Use letters and digits.")
    return plain
