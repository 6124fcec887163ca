"""Every error a user can meet.

::

    CellTuneError
    ├── InputError            a value, array, table or file that cannot be used
    │   └── FormatError       a file that is not what its name promises
    ├── ProjectError          a project folder that cannot be used as asked
    │   ├── ReadOnlyError     someone else writes to the project
    │   └── ProjectVersionError   the project was written by a newer program
    ├── LabelError            a label, category or level that does not exist or may not change
    ├── NotReadyError         something that has to be made first: features, a model, an audit sample
    ├── TrainingError         a training that cannot start or failed
    └── Cancelled             long work that a person cancelled; nothing of it is kept

Each message states the fact and the next step.  A panel shows it in place; code catches
``CellTuneError``.
"""

from __future__ import annotations

__all__ = [
    "Cancelled",
    "CellTuneError",
    "FormatError",
    "InputError",
    "LabelError",
    "NotReadyError",
    "ProjectError",
    "ProjectVersionError",
    "ReadOnlyError",
    "TrainingError",
]


class CellTuneError(Exception):
    """Base class of every error that celltune_nb raises on purpose."""


class InputError(CellTuneError, ValueError):
    """A value, array, table or file cannot be used."""


class FormatError(InputError):
    """A file is not what its name promises: truncated, empty or of another kind."""


class ProjectError(CellTuneError):
    """A project folder cannot be used as asked."""


class ReadOnlyError(ProjectError):
    """The project is open for writing elsewhere, or was opened read-only."""


class ProjectVersionError(ProjectError):
    """The project was written by a newer version of the program."""


class LabelError(CellTuneError, ValueError):
    """A label, category or level does not exist, or may not be changed."""


class NotReadyError(CellTuneError):
    """Something that has to be made first is missing: features, a model, an audit sample."""


class TrainingError(CellTuneError):
    """A training cannot start, or it failed."""


class Cancelled(CellTuneError):
    """Long work was cancelled; nothing of it is kept."""

    def __init__(
        self, message: str = "The work was cancelled; nothing was changed. Start it again when you like."
    ):
        super().__init__(message)
