"""Verbs that group cells by what is known of their types: the table of cell types, landmarks, clusters."""

from __future__ import annotations

from typing import Any

from ..celltypes import CellTypeReport, CellTypes, import_celltypes
from ..levels import level_name
from .base import Verbs

__all__ = ["Grouping"]


class Grouping(Verbs):
    """Cell types, landmarks, clusters, embeddings."""

    @property
    def celltypes(self) -> CellTypes:
        """What the table of cell types says of the active level's categories, by name.

        ``session.celltypes["CD8T"]`` has ``.expression``, ``.markers``, ``.channels`` and ``.color``; empty before
        :meth:`import_celltypes`.
        """
        return CellTypes(self._session)

    def import_celltypes(self, table: Any, *, level: str | None = None) -> CellTypeReport:
        """Take categories, their colours, marker expressions and channels from a table of cell types.

        The categories are one step that can be undone.  A category that is there already keeps its labels and takes the
        colour of the table; categories that the table does not name stay.  Importing again replaces the table.

        Parameters
        ----------
        table : path or DataFrame
            CellTune's columns ``CellType, PrimaryMarker, SecondaryMarker, TertiaryMarker, Channel_1..3, hex``.

        Raises
        ------
        FormatError
            When the table cannot be used; nothing is changed then.
        """
        return import_celltypes(self._session, table, level_name(self._session, level))
