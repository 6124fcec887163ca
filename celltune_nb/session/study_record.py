"""The record of a study, to be kept with a paper: what was decided, what was labelled, what was found good enough."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .exporting import target_path, write_record
from .study import rule, study_table, verdicts

if TYPE_CHECKING:
    import pandas as pd

    from .session import Session

__all__ = ["export_study"]


def export_study(session: Session, path: str | Path, level: str | None) -> Path:
    """See :meth:`celltune_nb.Session.export_study`."""
    import pandas as pd

    target = target_path(path, (".csv",))
    markers = session.levels.names if level is None else [level]
    tables = {name: _record(session, name) for name in markers}
    # Markers may have other categories; what a marker does not have stays empty.
    labels = list(dict.fromkeys(c for name in markers for c in session.labels.table("image", name).columns))
    whole = [c for table in tables.values() for c in table.columns if c not in labels and c != "marker"]
    columns = list(dict.fromkeys(whole))
    columns[columns.index("labelled") + 1 : columns.index("labelled") + 1] = labels
    rows = [row for table in tables.values() for row in table.reset_index().to_dict("records")]
    found = pd.DataFrame(
        {c: pd.Series([row.get(c) for row in rows], dtype=object) for c in ("marker", "image", *columns)}
    )
    return write_record(found, target)


def _record(session: Session, level: str) -> pd.DataFrame:
    """A row an image: what was labelled, predicted and said of one marker."""
    table, said = study_table(session, level), verdicts(session, level)
    table = table.rename(columns={"in_set": "in_working_set"})
    for column in ("note", "user", "time", "run"):
        table[f"verdict_{column}"] = said[column]
    table["rule"] = rule(session, level)
    table["marker"] = level
    return table
