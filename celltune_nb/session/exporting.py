"""Taking data out: one table of everything, and label files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from itertools import count
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.categories import UNKNOWN
from ..data.features import FeatureSource
from ..data.populations import PopulationSet
from ..errors import InputError, NotReadyError
from .checks import a_path
from .evaluations import calibrate
from .files import placing, write_atomically

if TYPE_CHECKING:
    import pandas as pd

    from .job import Job
    from .session import Session

__all__ = [
    "carry_out",
    "estimated_size",
    "everything",
    "export",
    "export_labels",
    "label_table",
    "target_path",
    "write_record",
]

TABLES = (".csv", ".parquet", ".h5ad")
#: Columns that every item has, in their order; what a table brought under another's name is called ``…_table``.
BUILT_IN = ("image", "cellID", "y", "x", "group", "kind")
#: Rows of a table that are written at once.
ROWS = 100_000

Changed = Callable[["Job"], None]


def everything(session: Session, *, calibrated: bool = False, words: bool = True) -> pd.DataFrame:
    """Items with labels, predictions and probabilities, one row an item, indexed by item id.

    Columns of another level than the active one are named ``level/column``; *calibrated* adds
    ``<category>__Calibrated`` beside ``<category>__Probability``; without *words* categories stay categories.
    """
    import pandas as pd

    with session.lock:  # one state of all of it
        table, sets = session.table, _sets(session)
    frame = table.to_pandas()
    said: dict[str, Any] = {}
    for name, found in sets.items():
        column = found.to_pandas()
        if words:
            said[name] = column.astype(str).reindex(frame.index).fillna("Unknown").to_numpy()
        else:
            said[name] = column.reindex(frame.index).fillna(column.cat.categories[0]).array
        if found.probability is not None and found.name == "Pred_AVG":
            prefix = name.removesuffix("Pred_AVG")
            probabilities = found.probabilities().reindex(frame.index)
            for category in probabilities.columns:
                said[f"{prefix}{category}__Probability"] = probabilities[category].to_numpy()
            if calibrated:
                truer = calibrate(session.finished_run(found.level), probabilities.to_numpy(np.float32))
                for category, column in zip(probabilities.columns, truer.T, strict=True):
                    said[f"{prefix}{category}__Calibrated"] = column
    notes = session.notes["note"]
    if len(notes):
        said["note"] = notes.reindex(frame.index).fillna("").astype(str).to_numpy()
    said = {name if name not in ("item", *BUILT_IN) else f"{name}_population": v for name, v in said.items()}
    own = {"item", *said} & set(frame.columns[len(BUILT_IN) :])
    for name in sorted(own):
        frame = frame.rename(columns={name: _free(f"{name}_table", {*frame.columns, *said})})
    return pd.concat([frame, pd.DataFrame(said, index=frame.index)], axis=1)


def _free(name: str, taken: Collection[str]) -> str:
    """The name, with a number where it is taken."""
    return next(new for i in count(1) if (new := name if i == 1 else f"{name}_{i}") not in taken)


def _sets(session: Session) -> dict[str, PopulationSet]:
    """The labels of every level and every other population set, by the name of their column."""
    sets = {}
    for level in session.levels.names:
        sets["label" if level == session.level else f"{level}/label"] = session.label_population(level)
    for name in session.populations.names():
        if name.rpartition("/")[2] != "labels":
            sets[name if name not in sets else f"{name}_population"] = session.populations[name]
    return sets


def export(
    session: Session, path: str | Path, *, calibrated: bool, features: bool, wait: bool, changed: Changed | None = None
) -> Path | Job:  # fmt: skip
    """See :meth:`celltune_nb.Session.export`."""
    target = target_path(path, TABLES)

    def work(job: Job) -> Path:
        job.report(0.0, "collecting")
        if target.suffix.lower() == ".h5ad":
            _write_h5ad(session, target, job, calibrated)
            return target
        frame = everything(session, calibrated=calibrated)
        if features:
            frame = _with_features(session, frame)
        return _write(frame, target, job)

    return carry_out(session, work, f"writing {target.name}", wait, changed)


def carry_out(
    session: Session, work: Callable[[Job], Path], name: str, wait: bool, changed: Changed | None
) -> Path | Job:
    """Write something in the background; its path once it is there, or the job."""

    def guarded(job: Job) -> Path:
        try:
            return work(job)
        except OSError as error:
            raise InputError(
                f"{name.removeprefix('writing ')} cannot be written ({error.strerror or error}). Choose a folder you may write "
                "to, with enough room."
            ) from error

    job = session.jobs.aside(guarded, name, changed)
    if not wait:
        return job
    result: Path = job.wait_with_bar().result
    return result


def estimated_size(
    session: Session,
    path: str | Path,
    features: bool,
    population: str | None,
    image: str | None,
    labels: str | None,
) -> int:
    """See :meth:`celltune_nb.Session.export_size`."""
    if not isinstance(path, str | Path):
        raise InputError(f"{path!r} is no path. Give the name of a file.")
    ending, n = Path(path).suffix.lower(), len(session.table)
    if population is not None:
        masked = [i for i in session.images.values() if i.mask is not None and image in (None, i.name)]
        return sum(i.shape[0] * i.shape[1] for i in masked) // 40  # cells are large, and zlib packs them well
    if labels is not None:
        return int(30 * sum(n for name, n in session.labels.counts(labels).items() if name != UNKNOWN))
    sets = _sets(session)
    said = sum(len(found.classes) for found in sets.values() if found.name == "Pred_AVG")
    own = 0 if session.table.extra is None else len(session.table.extra.columns)
    width = 0
    if features or ending == ".h5ad":
        width = len(session.active_features().names) if session.features_by_name else 0
    if ending == ".h5ad":
        return n * (4 * width + 4 * said + 2 * len(sets) + 8 * own + 60)
    row = 60 + 9 * len(sets) + 10 * said + 10 * own
    return n * (row + 10 * width) if ending == ".csv" else n * (row // 2 + 4 * width)


def label_table(session: Session, level: str) -> pd.DataFrame:
    """The labels as a label file: columns image, cellID, class."""
    labels = session.labels.to_pandas(level)
    table = session.table
    places = session.positions(labels.index.to_numpy())
    names = np.array([*table.names, ""], object)
    frame = labels[["category"]].rename(columns={"category": "class"})
    frame.insert(0, "cellID", table.cells[places])
    frame.insert(0, "image", names[table.images[places]])
    return frame


def export_labels(session: Session, path: str | Path, level: str) -> Path:
    """See :meth:`celltune_nb.Session.export_labels`."""
    target = target_path(path, (".csv", ".parquet"))
    try:
        return _write(label_table(session, level), target)
    except OSError as error:
        raise InputError(
            f"{target} cannot be written ({error.strerror}). Choose a folder you may write to."
        ) from error


def target_path(path: Any, endings: tuple[str, ...]) -> Path:
    """The value as the path of a file that ends in one of some ways.

    Raises
    ------
    InputError
    """
    if not isinstance(path, str | Path):
        raise InputError(f"{path!r} is no path. Give the name of a {' or '.join(endings)} file.")
    target = a_path(path).expanduser()
    if target.suffix.lower() not in endings:
        raise InputError(
            f"{target.name!r} ends neither in {' nor in '.join(endings)}. Choose one of them."
            if len(endings) > 1
            else f"{target.name!r} does not end in {endings[0]}. Name a {endings[0]} file."
        )
    return target


def write_record(frame: pd.DataFrame, target: Path) -> Path:
    """Write a small table without its index as CSV, in a folder that is made where there is none.

    Raises
    ------
    InputError
        When it cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, lambda stream: stream.write(frame.to_csv(index=False).encode()))
    except OSError as error:
        raise InputError(
            f"{target} cannot be written ({error.strerror}). Choose a folder you may write to."
        ) from error
    return target


def _with_features(session: Session, frame: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    source = session.active_features()
    values = source.to_pandas().reindex(frame.index)
    taken = set(frame.columns)
    values.columns = pd.Index([name if name not in taken else f"{name}__feature" for name in source.names])
    return pd.concat([frame, values], axis=1)


def _write(frame: pd.DataFrame, target: Path, job: Job | None = None) -> Path:
    if target.suffix.lower() == ".csv":
        write_atomically(target, lambda stream: write_csv(frame, stream, job))
    else:
        write_atomically(target, frame.to_parquet)
    return target


def write_csv(frame: pd.DataFrame, stream: IO[bytes], job: Job | None = None) -> None:
    """Write a table with its index as CSV: numbers and words by Arrow, several times quicker, anything else by pandas."""
    import pandas as pd
    import pyarrow as pa
    from pyarrow import csv

    plain = all(
        dtype.kind in "iuf"
        or isinstance(dtype, pd.StringDtype)
        or (dtype.kind == "O" and frame.iloc[:, i].isna().all())
        for i, dtype in enumerate(frame.dtypes)
    )  # without groups their column is empty
    frame.iloc[:0].to_csv(stream)  # Arrow would put every name of a column in quotes
    for start in range(0, len(frame), ROWS):
        part = frame.iloc[start : start + ROWS]
        if plain:
            table = pa.Table.from_pandas(part.reset_index(), preserve_index=False)
            csv.write_csv(table, stream, csv.WriteOptions(include_header=False, quoting_style="needed"))
        else:
            part.to_csv(stream, header=False)
        if job is not None:
            job.check()
            job.report(min(1.0, (start + ROWS) / len(frame)), f"{min(start + ROWS, len(frame)):,} rows")


def _write_h5ad(session: Session, target: Path, job: Job, calibrated: bool) -> None:
    import pandas as pd

    from ..formats.h5ad_writer import write_h5ad

    with session.lock:
        table, sets, revision = session.table, _sets(session), session.book.revision
        images, level = dict(session.images), session.level
        try:
            source: FeatureSource | None = session.active_features()
        except NotReadyError:
            source = None
    frame = everything(session, calibrated=calibrated, words=False).loc[table.ids]
    job.check()
    obs = frame.drop(columns=["y", "x"])
    obs.insert(0, "item", table.ids)
    image_names = np.array([*table.names, ""], object)[table.images]
    # The images and cells as SpatialData has them: categories and whole numbers.
    obs["image"] = pd.Categorical(
        image_names, categories=list(dict.fromkeys([*table.names, *image_names[table.images < 0]]))
    )
    obs.index = pd.Index(
        [f"{name}_{cell}" for name, cell in zip(image_names, table.cells.tolist(), strict=True)]
    )
    names = [] if source is None else source.names
    used = set() if source is None else set(source.used or source.names)
    var = pd.DataFrame(
        {"unit": [] if source is None else source.units, "used": [name in used for name in names]},
        index=pd.Index(names, dtype=object),
    )
    uns: dict[str, Any] = {
        "celltune_nb": {
            "version": _version(), "level": level, "label_revision": revision,
            "schema_hash": "" if source is None else source.schema_hash,
            "features": "" if source is None else source.name,
            "images": list(images), "group": [image.group or "" for image in images.values()],
            "pixel_size_um": np.array([image.pixel_size or np.nan for image in images.values()], np.float64),
        },
    }  # fmt: skip
    if len(table.names) == 1:  # spatialdata refuses the list of several regions as h5ad has it
        uns["spatialdata_attrs"] = {"region": table.names[0], "region_key": "image", "instance_key": "cellID"}
    for name, found in sets.items():
        column = obs.get(name)
        if column is not None and isinstance(
            column.dtype, pd.CategoricalDtype
        ):  # scanpy's own way of colouring
            colors = {c.name: c.color for c in found.categories}
            uns[f"{name.replace('/', '_')}_colors"] = [
                colors.get(c, "#AAAAAA") for c in column.cat.categories
            ]

    def progress(done: float) -> None:
        job.check()
        job.report(0.2 + 0.8 * done, "writing")

    with placing(target) as place:
        write_h5ad(
            place, obs, var, None if source is None else _rows(source, table.ids),
            obsm={"spatial": np.column_stack([table.x, table.y])}, uns=uns, progress=progress,
        )  # fmt: skip


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("celltune-nb")
    except PackageNotFoundError:  # run from a folder
        return "unknown"


def _rows(source: FeatureSource, ids: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
    """All features of some items in order, block by block; NaN where one was not measured."""
    places = np.searchsorted(source.ids, ids)
    known = places < len(source.ids)
    known[known] = source.ids[places[known]] == ids[known]
    size = max(1, 8_000_000 // max(1, len(source.names)))
    for start in range(0, len(ids), size):
        part = slice(start, start + size)
        block = np.full((len(ids[part]), len(source.names)), np.nan, np.float32)
        block[known[part]] = source.matrix[places[part][known[part]]]
        yield block
