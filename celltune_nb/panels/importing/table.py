"""The fields for a table of cells, labels or cell types: its path, and what its columns are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...errors import CellTuneError, InputError
from ...formats.folders import PlannedTable
from ...formats.folders.tables import TableHead
from ...session import Session
from ...session.jobs import Job
from ..theme import Live, tag
from ..working import Working
from . import markup

__all__ = ["TablePanel"]


class TablePanel(Working):
    """Import a table by its path.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    head : TableHead or None
        What the first line of the table says.
    columns : dict
        What the fields say: kind, image, cell, category, x, y.
    job : Job or None
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.head: TableHead | None = None
        self.columns: dict[str, str | None] = {}
        self._edits = 0
        self._live = Live()
        for verb, act in (("path", self.look), ("column", self.set_column), ("import", self.import_)):
            self._live.on(verb, self.guard(act))
        self.widget = self._live
        self.listen(session.items_changed, self._show)
        self.listen(session.access_changed, self._show)
        self._show()

    def look(self, _what: str, path: str) -> None:
        """Read the names of a table's columns, and show what they are taken for."""
        text = str(path).strip()
        self.head = self.session.look_at_table(text) if text else None
        if self.head is not None:
            head = self.head
            kind = head.kind if head.kind in markup.KINDS else "cells"
            self.columns = {
                "kind": kind, "image": head.image, "cell": head.cell, "category": head.category, "x": head.x, "y": head.y,
            }  # fmt: skip
        self._edits += 1
        self._show()

    def set_column(self, what: str, value: Any = None) -> None:
        """Say which column holds something; ``"kind=labels"`` says what the table is of."""
        if what.startswith("kind="):
            what, value = what.split("=")
        self.columns[what] = str(value) if value else None
        self._show()

    def import_(self) -> None:
        """Import the table as the fields say; returns at once."""
        if self.busy:
            raise CellTuneError("A table is being imported already. Wait until it is done.")
        if self.head is None:
            raise InputError("No table was named. Give its path first.")
        head = replace(self.head, **self.columns)  # type: ignore[arg-type]
        images = list(dict.fromkeys([*self.session.images, *self.session.table.names]))
        table = PlannedTable(head, images[0] if head.image is None and len(images) == 1 else None)
        found = self.session.import_table(table, wait=False, progress=self._told)
        assert isinstance(found, Job)
        self.job = found
        self._told()

    def _finished(self, job: Job) -> None:
        words = ""
        if job.error is None and self.columns.get("kind") == "celltypes":
            self.head = None  # the categories are seen at once; nothing is left to do with its columns
            words = " Next: find cells that clearly are of a type (Gate, Landmarks)."
        super()._finished(job)
        if job.error is None:
            self.say(f"{job.result}{words}", "good")

    def _show(self) -> None:
        head, locked = self.head, self.session.read_only
        with self.showing:
            self._live.html = tag(
                "section",
                tag("h3", "Tables of cell types, cells or labels"),
                tag(
                    "div",
                    tag(
                        "input", type="text", do="path", on="enter", placeholder="/path/to/celltypes.csv, then Enter", aria_label="Path of a table",
                        spellcheck="false", title="CSV (also .csv.gz), Parquet or .h5ad; Enter reads its columns",
                    ),
                    cls="ct-import-head",
                ),
                markup.table_preview(head, self.columns, list(self.session.images), self._edits) if head else None,
                tag("button", "Import table", do="import", cls="ct-button ct-primary", disabled=self.busy or locked) if head else None,
                cls="ct-import",
            )  # fmt: skip
