"""The gates that are kept: shown, counted, renamed, removed; their cells labelled, selected, reviewed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from celltune_nb.data.categories import UNKNOWN
from celltune_nb.errors import CellTuneError
from celltune_nb.panels.instead import unfinished
from celltune_nb.panels.panel import Panel
from celltune_nb.panels.theme import Live
from celltune_nb.session import Session, gating
from celltune_nb.session.events import ViewChanged

from . import markup

__all__ = ["KeptGates"]

#: Cells that are selected on the image at most, so that the page stays quick.
SELECTED = 20_000


class KeptGates(Panel):
    """The list of gates.

    Parameters
    ----------
    session : Session
    redraw : callable
        Takes a gate, by name, back to where it is drawn.
    """

    def __init__(self, session: Session, redraw: Callable[[str], object]) -> None:
        super().__init__(session)
        self._chosen: str | None = None
        self._removing = False
        self._asking = ""
        self._fields = 0
        self._live = Live()
        verbs: dict[str, Callable[..., Any]] = {
            "show": self.show_gate, "choose": self._choose, "recolor": self._recolor, "rename": self._rename,
            "remove": self._remove, "redraw": redraw, "label": self._label, "select": self.select_gate,
            "review": self.review_gate, "instead": lambda: self._review(self._chosen or "", replace=True), "keep": self._keep,
        }  # fmt: skip
        self.hear(self._live, verbs)
        self.widget = self._live
        self._listing = self.latest(
            self._show_list, session.populations_changed, session.labels_changed, session.items_changed,
            session.categories_changed, session.access_changed,
        )  # fmt: skip
        self.listen(session.view_changed, self._view_changed)
        self._listing.request()

    # ------------------------------------------------------------------ verbs

    def show_gate(self, name: str) -> None:
        """Colour the cells by a gate."""
        gating.preview(self.session, None)
        self.session.set_view(color_by=name, hidden=frozenset())

    def select_gate(self, name: str) -> None:
        """Select the cells of a gate: those of the image on the screen."""
        ids = self.session.gated(name)
        image = self.session.view.image
        if image in self.session.table.names:
            number = self.session.image_number(image)
            ids = ids[self.session.table.images[self.session.positions(ids)] == number]
        self.session.select(ids[:SELECTED])
        self.say(f"{len(ids[:SELECTED]):,} cells of this image selected.")

    def review_gate(self, name: str) -> None:
        """Make the cells of a gate the review queue; asks first where a review is unfinished."""
        self._asking = unfinished(self.session)
        if not self._asking:
            self._review(name)
        self._show_list()

    def _review(self, name: str, *, replace: bool = False) -> None:
        self._asking = ""
        queue = self.session.review(name, replace=replace)
        self._show_list()
        self.say(f"{len(queue):,} cells of gate {name} wait in the Review tab.", "good")

    def label_gate(self, name: str, category: str) -> None:
        """Label the cells of a gate that have no label yet; one step that undo takes back."""
        report = self.session.label_gate(name, category)
        self._fields += 1
        self._show_list()
        self.say(f"{category}: {report}", "good" if report.labelled else "info")

    # ------------------------------------------------------------------ from the browser

    def _keep(self) -> None:
        self._asking = ""
        self._show_list()

    def _choose(self, name: str) -> None:
        self._chosen = None if self._chosen == name else name
        self._removing, self._asking = False, ""
        self._show_list()

    def _recolor(self, name: str, color: Any) -> None:
        self.session.recolor_gate(name, str(color))

    def _rename(self, old: str, new: Any) -> None:
        self._fields += 1
        try:
            if str(new).strip() != old:
                self._chosen = str(new).strip()
                self.session.rename_gate(old, str(new))
        except CellTuneError:
            self._chosen = old
            raise
        finally:
            self._show_list()

    def _remove(self, name: str) -> None:
        if not self._removing:
            self._removing = True
            self._show_list()
            self.say("There is no undo for gates: press again to remove it.", "warning")
            return
        self._removing = False
        self._show_list()
        self.session.remove_gate(name)
        self._chosen = None
        self.say(f"Gate {name} removed.")

    def _label(self, name: str, category: Any) -> None:
        if category:
            self.label_gate(name, str(category))

    # ------------------------------------------------------------------ what is shown

    def _view_changed(self, event: ViewChanged) -> None:
        if "color_by" in event.fields:
            self._listing.request()

    def _show_list(self) -> None:
        session = self.session
        rows = []
        for name in session.gates:
            gate, problem = session.gates[name], session.gates.problem(name)
            n = 0 if problem else int(np.count_nonzero(session.gates.mask(gate)))
            rows.append(
                markup.GateRow(name, gate.color, n, n / max(len(session.table), 1), gate.sentence, problem)
            )
        if self._chosen not in session.gates:
            self._chosen = None
        categories = [c.name for c in session.categories if c.name != UNKNOWN]
        locked = session.access.reason if session.read_only else ""
        with self.showing:
            self._live.html = markup.listing(
                rows,
                session.view.color_by,
                self._chosen,
                categories,
                locked,
                self._fields,
                self._removing,
                self._asking,
            )
