"""The panel: its verbs, what it hears from the browser and from the session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from celltune_nb.data.categories import UNKNOWN
from celltune_nb.data.gates import Gate
from celltune_nb.errors import CellTuneError, InputError
from celltune_nb.panels.panel import Panel
from celltune_nb.panels.theme import Live
from celltune_nb.session import Session, gating
from celltune_nb.session.conditions import condition
from celltune_nb.session.events import PopulationsChanged, ViewChanged
from celltune_nb.session.markers import marker_features

from . import markup
from .drawn import Drawn, full_name
from .groups import GroupsPanel
from .kept import KeptGates
from .mapping import MapPart
from .plot import MARKED, Axis, GatePlot, picture_of, usual_cofactor

__all__ = ["GatingPanel"]


class GatingPanel(Panel):
    """Draw gates on features, combine them, label their cells; landmarks and clusters below.

    Each verb of the panel is a method, so that a notebook line or a test does what a click does.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    drawn : Drawn
        What is drawn: mode, features, limits.
    draft : Gate or None
        The gate that this would be.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.drawn = Drawn()
        self.draft: Gate | None = None
        self._found = ""
        self._tool, self._here, self._colored = "rectangle", False, False
        self._fields = 0
        self._axes: list[Axis] = []
        self._lists, self._top, self._bottom = Live(), Live(), Live()
        self.plot = GatePlot()
        self.plot.on_msg(self.guard(self._receive))
        top: dict[str, Callable[..., Any]] = {
            "mode": self.set_mode, "feature": self._set_feature, "cofactor": self._set_cofactor,
            "within": lambda _, name: self.set_within(str(name)), "here": self._set_here,
        }  # fmt: skip
        bottom: dict[str, Callable[..., Any]] = {
            "limit": self._set_limit, "tool": self.set_tool, "colored": self._set_colored,
            "expression": lambda _, text: self.set_expression(str(text)),
            "name": self._set_name, "keep": self.keep, "clear": self.clear,
        }  # fmt: skip
        for live, verbs in ((self._top, top), (self._bottom, bottom)):
            self.hear(live, verbs)
        self.kept = KeptGates(session, self.guard(self.redraw))
        self.groups = GroupsPanel(session)
        self.mapping = MapPart(session, self._plot_map)
        for part in (self.kept, self.groups, self.mapping):
            self.part(part)
            self.own(part.widget)
        parts = (self.mapping.widget, self._bottom, self.kept.widget, self.groups.widget)
        self.widget = [self._lists, self._top, self.plot, *parts]
        self._plotting = self.latest(self._draw)
        self._trying = self.latest(self._try_draft)
        self.listen(session.items_changed, self._renew)
        self.listen(session.populations_changed, self._populations_changed)
        self.listen(session.categories_changed, self._renew)
        self.listen(session.view_changed, self._view_changed)
        self.listen(session.selection_changed, self._mark)
        self.listen(session.access_changed, self._show)
        self._renew()

    # ------------------------------------------------------------------ what is gated

    def set_mode(self, mode: str) -> None:
        """Gate by one feature (``range``), two (``area``) or an ``expression``."""
        if mode not in markup.MODES:
            raise InputError(f"A gate is drawn as {', '.join(markup.MODES)}, not {mode!r}.")
        self.clear()
        self.drawn.turn(self.session, mode)
        self._fields += 1
        self._show()
        self._plotting.request()

    def set_feature(self, feature: str, axis: int = 0) -> None:
        """Choose what is plotted across (0) or up (1)."""
        found = full_name(self.session, feature)
        self.session.gates.columns.values(found, self.session.level)
        self.drawn.features[axis] = found
        self.drawn.cofactors[axis] = usual_cofactor(self.session, found)
        self.drawn.take_scales(self.session)
        self._fields += 1
        self.clear()
        self._plotting.request()

    def lay_out(self, method: str = "pca") -> None:
        """Plot a map of the cells by all their markers, ``pca`` or ``umap``, made in the background."""
        self.mapping.lay_out(method)

    def _plot_map(self, features: list[str]) -> None:
        for axis, name in enumerate(features):
            self.set_feature(name, axis)

    def set_cofactor(self, cofactor: float | None, axis: int = 0) -> None:
        """Show a feature on the scale arcsinh(value / cofactor), or plain (None); what is drawn keeps its values."""
        if cofactor is not None and not (np.isfinite(cofactor) and cofactor > 0):
            raise InputError(f"The cofactor is {cofactor}. Give a number above 0, or leave the field empty.")
        self.drawn.cofactors[axis] = cofactor
        self._fields += 1
        self._show()
        self._plotting.request()

    def set_within(self, name: str) -> None:
        """Plot and gate the cells of a gate only; ``""``: all."""
        if name:
            self.session.gates[name]
        self.drawn.within = name
        self._show()
        self._plotting.request()
        self._trying.request()

    def set_limits(self, low: float | None, high: float | None) -> None:
        """Draw a range, in the feature's unit; None: no limit."""
        self.drawn.limits = [low, high]
        self._show_limits()
        self._fields += 1
        self._trying.request()

    def set_area(self, kind: str, points: list[tuple[float, float]]) -> None:
        """Draw a ``rectangle`` or ``lasso``, in the features' units."""
        self.drawn.area = (kind, [list(p) for p in points])
        self._trying.request()

    def set_tool(self, tool: str) -> None:
        """Draw with a ``rectangle`` or a ``lasso``."""
        self._tool = self.plot.tool = "lasso" if tool == "lasso" else "rectangle"
        self._show()

    def set_expression(self, text: str) -> None:
        """Gate by an expression."""
        self.drawn.text = text
        self._trying.request()

    def clear(self) -> None:
        """Forget what is drawn."""
        self.drawn.clear()
        self._found = ""
        self.draft = None
        self._fields += 1
        with self.plot.hold_sync():
            self.plot.limits, self.plot.shape = [None, None], []
        self.leave()
        self._show()

    def leave(self) -> None:
        """End the preview on the image, as when another tab is looked at."""
        if self.session.populations.preview is not None:
            gating.preview(self.session, None)

    def keep(self) -> None:
        """Keep what is drawn as a gate, and show it on the image."""
        if self.draft is None:
            raise InputError("Nothing is drawn yet. Drag a limit, draw an area, or type an expression.")
        found = self.drawn.keep(self.session)
        n, name = int(np.count_nonzero(found.codes)), found.name
        self.clear()
        self.kept.show_gate(name)
        self.say(f"Gate {name}: {n:,} cells inside.", "good")

    def redraw(self, name: str) -> None:
        """Take a gate back into the plot; keeping it again replaces it."""
        gate = self.session.gates[name]
        self.clear()
        self.drawn.take(self.session, gate)
        self._fields += 1
        self._draw()
        self._trying.request()

    # ------------------------------------------------------------------ from the browser

    def _receive(self, _widget: Any, content: dict[str, Any], _buffers: Any) -> None:
        axes = self._axes
        if content.get("type") == "limits" and len(axes) == 1:
            self.drawn.limits = [axes[0].value(content.get(side)) for side in ("low", "high")]
        elif content.get("type") == "area" and len(axes) == 2:
            points = [
                [axis.value(v) for axis, v in zip(axes, p, strict=True)] for p in content.get("points", [])
            ]
            kind = "rectangle" if content.get("kind") == "rectangle" else "lasso"
            if kind == "rectangle" and len(points) == 4:
                points = [points[0], points[2]]
            if len(points) < (2 if kind == "rectangle" else 3):
                if content.get("final"):
                    self.clear()
                return
            self.drawn.area = (kind, points)  # type: ignore[assignment]
        else:
            return
        self._fields += bool(content.get("final"))
        self._trying.request()

    def _set_feature(self, axis: str, feature: Any) -> None:
        try:
            self.set_feature(str(feature).strip(), int(axis))
        finally:
            self._fields += 1
            self._show()

    def _set_cofactor(self, axis: str, value: Any) -> None:
        text = str(value).strip()
        try:
            cofactor = float(text) if text else None
        except ValueError as error:
            self._fields += 1
            self._show()
            raise InputError(
                f"{text!r} is no cofactor. Type a number above 0, or leave the field empty."
            ) from error
        self.set_cofactor(cofactor, int(axis))

    def _set_here(self, _what: str, on: Any) -> None:
        self._here = bool(on)
        self._plotting.request()

    def _set_colored(self, _what: str, on: Any) -> None:
        self._colored = bool(on)
        self._plotting.request()

    def _set_limit(self, side: str, value: Any) -> None:
        text = str(value).strip()
        limits = list(self.drawn.limits)
        try:
            limits[side == "high"] = float(text) if text else None
        except ValueError as error:
            self._fields += 1
            self._show()
            raise InputError(f"{text!r} is no number. Type one, or leave the field empty.") from error
        self.set_limits(*limits)

    def _set_name(self, _what: str, name: Any) -> None:
        self.drawn.name = str(name).strip()

    # ------------------------------------------------------------------ from the session

    def _populations_changed(self, event: PopulationsChanged) -> None:
        self._renew_lists()
        if self.drawn.within in event.names or any(n.startswith("Pred_") for n in event.names):
            self._plotting.request()

    def _view_changed(self, event: ViewChanged) -> None:
        if event.fields & {"color_by", "blind"}:
            self.leave()
        if ("image" in event.fields and self._here) or (self._colored and event.fields & {"color_by"}):
            self._plotting.request()

    def _renew(self) -> None:
        self._renew_lists()
        if not self.drawn.features[0] and self.session.features_by_name:
            first = list(marker_features(self.session.active_features()).values())
            for axis, feature in enumerate((first * 2)[:2] if len(first) == 1 else first[:2]):
                self.drawn.features[axis] = feature
                self.drawn.cofactors[axis] = usual_cofactor(self.session, feature)
        self.drawn.take_scales(self.session)
        self._fields += 1
        self._show()
        self._plotting.request()

    def _renew_lists(self) -> None:
        session, level = self.session, self.session.level
        names = [*session.gates, *(c.name for c in session.categories if c.name != UNKNOWN)]
        self._lists.html = markup.choices(session.gates.columns.names(level), names, self.plot.model_id)

    # ------------------------------------------------------------------ in the workers

    def _try_draft(self) -> None:
        """Show on the image what is drawn, and count it."""
        try:
            self.draft = self.drawn.gate(self.session)
            n = gating.preview(self.session, self.draft)
        except CellTuneError as error:
            self.draft, self._found = None, ""
            self.leave()
            self._show_bottom()
            self.say(str(error), "error")
            return
        total = max(len(self.session.table), 1)
        self._found = "" if self.draft is None else f"{n:,} cells ({n / total:.1%})"
        if self.draft is not None:
            self.plot.color = self.draft.color
        if self.message:
            self.say("")
        self._show_bottom()

    def _draw(self) -> None:
        session = self.session
        features = self.drawn.features[: {"range": 1, "area": 2}.get(self.drawn.mode, 0)]
        self.plot.layout.display = "" if features and features[0] else "none"
        self._axes = []
        if not features or not features[0]:
            return
        axes = [Axis(session, f, c) for f, c in zip(features, self.drawn.cofactors, strict=False)]
        rows = None
        if self.drawn.within:
            rows = np.flatnonzero(gating.inside(session, self.drawn.within, condition))
        if self._here and session.view.image in session.table.names:
            span = session.table.of_image(session.image_number(session.view.image))
            rows = (
                np.arange(span.start, span.stop)
                if rows is None
                else rows[(rows >= span.start) & (rows < span.stop)]
            )
        colors = self._colors() if len(axes) == 2 and self._colored else None
        made = picture_of(axes, rows, colors)
        self._axes = axes
        with self.showing, self.plot.hold_sync():
            self.plot.plot = made
            self._show_limits()
        self._mark()
        self._show()

    def _colors(self) -> Any:
        name = self.session.view.color_by
        if name is None or name not in self.session.populations:
            return None
        found = self.session.populations[name]
        table = np.full((max(c.code for c in found.categories) + 1, 3), 170, np.uint8)
        for category in found.categories:
            table[category.code] = category.rgb
        codes = np.zeros(len(self.session.table), np.int16)
        codes[: len(found)] = found.codes
        return table[codes]

    # ------------------------------------------------------------------ what is shown

    def _show_limits(self) -> None:
        axes = self._axes
        if len(axes) == 1:
            self.plot.limits = [axes[0].part(v) for v in self.drawn.limits]
        elif len(axes) == 2 and self.drawn.area is not None:
            kind, points = self.drawn.area
            if kind == "rectangle":
                (x0, y0), (x1, y1) = points
                points = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]
            corners: list[list[Any]] = points
            self.plot.shape = [[axis.part(v) for axis, v in zip(axes, p, strict=True)] for p in corners]

    def _mark(self) -> None:
        """Mark the selected cells in the plot."""
        # The axes of one moment: another thread may have others drawn, of other cells, once a mask was replaced.
        axes, ids = tuple(self._axes), self.session.selection[:MARKED]
        if not axes or not len(ids):
            self.plot.marks = []
            return
        rows = self.session.positions(ids)
        rows = rows[rows < min(len(axis.values) for axis in axes)]
        places = [axis.scale.place(axis.values[rows]) for axis in axes]
        if len(places) == 1:
            places.append(np.zeros(len(rows)))
        points = np.stack(places, axis=1)
        points = np.clip(points[np.isfinite(points).all(axis=1)], 0, 1)
        self.plot.marks = points.round(4).tolist()

    def _show(self) -> None:
        with self.showing:
            self._top.html = markup.drawing(self._state(), self.plot.model_id)
        self._show_bottom()

    def _show_bottom(self) -> None:
        self.mapping.show(self.drawn.mode == "area")
        with self.showing:
            self._bottom.html = markup.finishing(self._state(), self.plot.model_id)

    def _state(self) -> markup.State:
        session = self.session
        low, high = ("" if v is None else f"{v:.5g}" for v in self.drawn.limits)
        cofactors = tuple("" if c is None else f"{c:g}" for c in self.drawn.cofactors)
        gates = list(session.gates)
        if self.drawn.within and self.drawn.within not in gates:
            gates.append(self.drawn.within)
        usual = self.draft.name if self.draft is not None and not self.drawn.name else ""
        return markup.State(
            self.drawn.mode, (self.drawn.features[0], self.drawn.features[1]), (cofactors[0], cofactors[1]), self.drawn.within, tuple(gates),
            self._here, self._colored, self._tool, low, high, self.drawn.text, self._found, self.drawn.name, usual, self.draft is not None,
            session.access.reason if session.read_only else "", self._fields,
        )  # fmt: skip
