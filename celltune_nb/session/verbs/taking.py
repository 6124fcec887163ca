"""Verbs that take data out of a project."""

from __future__ import annotations

from pathlib import Path

from .. import exporting
from ..levels import level_name
from .base import Verbs

__all__ = ["Taking"]


class Taking(Verbs):
    """Tables and label files."""

    def export(self, path: str | Path, *, calibrated: bool = False) -> Path:
        """Write items, labels, predictions and probabilities as one table, ``.csv`` or ``.parquet``.

        *calibrated* adds the probabilities at the temperature that the audit asks for.
        """
        return exporting.export(self._session, path, calibrated=calibrated)

    def export_labels(self, path: str | Path, *, level: str | None = None) -> Path:
        """Write a label file ``image,cellID,class`` that :meth:`import_labels` reads."""
        return exporting.export_labels(self._session, path, level_name(self._session, level))
