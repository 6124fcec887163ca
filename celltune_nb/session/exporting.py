"""Taking data out: one table of everything, and label files."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .evaluations import calibrate
from .files import write_atomically

if TYPE_CHECKING:
    import pandas as pd

    from .session import Session

__all__ = ["everything", "export", "export_labels", "label_table"]


def everything(session: Session, *, calibrated: bool = False) -> pd.DataFrame:
    """Items with labels, predictions and probabilities, one row an item, indexed by item id.

    Columns of another level than the active one are named ``level/column``; *calibrated* adds
    ``<category>__Calibrated`` beside ``<category>__Probability``.
    """
    frame = session.items
    for level in session.levels.names:
        prefix = "" if level == session.level else f"{level}/"
        frame[f"{prefix}label"] = session.label_population(level).to_pandas().astype(str).to_numpy()
    for name in session.populations.names():
        if name.rpartition("/")[2] == "labels":
            continue
        found = session.populations[name]
        frame[name] = found.to_pandas().astype(str).reindex(frame.index).fillna("Unknown").to_numpy()
        if found.probability is not None and found.name == "Pred_AVG":
            prefix = name.removesuffix("Pred_AVG")
            probabilities = found.probabilities().reindex(frame.index)
            for category in probabilities.columns:
                frame[f"{prefix}{category}__Probability"] = probabilities[category].to_numpy()
            if calibrated:
                truer = calibrate(session.finished_run(found.level), probabilities.to_numpy(np.float32))
                for category, column in zip(probabilities.columns, truer.T, strict=True):
                    frame[f"{prefix}{category}__Calibrated"] = column
    notes = session.notes["note"]
    if len(notes):
        frame["note"] = notes.reindex(frame.index).fillna("").astype(str).to_numpy()
    return frame


def export(session: Session, path: str | Path, *, calibrated: bool = False) -> Path:
    """See :meth:`celltune_nb.Session.export`."""
    target = _target(path)
    return _write(everything(session, calibrated=calibrated), target)


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
    return _write(label_table(session, level), _target(path))


def _target(path: str | Path) -> Path:
    if not isinstance(path, str | Path):
        raise InputError(f"{path!r} is no path. Give the name of a .csv or .parquet file.")
    target = Path(path).expanduser()
    if target.suffix.lower() not in (".csv", ".parquet"):
        raise InputError(f"{target.name!r} ends neither in .csv nor in .parquet. Choose one of them.")
    return target


def _write(frame: pd.DataFrame, target: Path) -> Path:
    try:
        if target.suffix.lower() == ".csv":
            write_atomically(target, lambda stream: write_csv(frame, stream))
        else:
            write_atomically(target, frame.to_parquet)
    except OSError as error:
        raise InputError(
            f"{target} cannot be written ({error.strerror}). Choose a folder you may write to."
        ) from error
    return target


def write_csv(frame: pd.DataFrame, stream: IO[bytes]) -> None:
    """Write a table with its index as CSV: numbers and words by Arrow, several times quicker, anything else by pandas."""
    import pandas as pd
    import pyarrow as pa
    from pyarrow import csv

    if all(dtype.kind in "iuf" or isinstance(dtype, pd.StringDtype) for dtype in frame.dtypes):
        table = pa.Table.from_pandas(frame.reset_index(), preserve_index=False)
        frame.iloc[:0].to_csv(stream)  # Arrow would put every name of a column in quotes
        csv.write_csv(table, stream, csv.WriteOptions(include_header=False, quoting_style="needed"))
    else:
        frame.to_csv(stream)
