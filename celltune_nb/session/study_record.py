"""The record of a study, to be kept with a paper: what was decided, what was labelled, what was found good enough."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .exporting import target_path
from .files import write_atomically
from .study import rule, study_table, verdicts

if TYPE_CHECKING:
    from .session import Session

__all__ = ["export_study"]


def export_study(session: Session, path: str | Path, level: str) -> Path:
    """See :meth:`celltune_nb.Session.export_study`."""
    target = target_path(path, (".csv",))
    table, said = study_table(session, level), verdicts(session, level)
    table = table.rename(columns={"in_set": "in_working_set"})
    table.insert(0, "level", level)
    for column in ("note", "user", "time", "run"):
        table[f"verdict_{column}"] = said[column]
    table["rule"] = rule(session, level)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, lambda stream: stream.write(table.to_csv().encode()))
    except OSError as error:
        raise InputError(
            f"{target} cannot be written ({error.strerror}). Choose a folder you may write to."
        ) from error
    return target
