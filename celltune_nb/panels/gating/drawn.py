"""What is drawn and not kept yet: a range, an area or an expression."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from celltune_nb.data.gates import Gate
from celltune_nb.data.populations import PopulationSet
from celltune_nb.session import Session, drafting
from celltune_nb.session.conditions import text_now
from celltune_nb.session.markers import marker_features

from .plot import usual_cofactor

__all__ = ["Drawn", "full_name"]


@dataclass
class Drawn:
    """What a person has drawn so far.

    Attributes
    ----------
    mode : str
        ``range``, ``area`` or ``expression``.
    features, cofactors : list
        Of the axes across and up.
    limits : list of float or None
        Of a range, in the feature's unit.
    area : (str, list of [x, y]) or None
        ``rectangle`` with two corners or ``lasso`` with all, in the features' units.
    text : str
        An expression.
    name, within : str
    """

    mode: str = "range"
    features: list[str] = field(default_factory=lambda: ["", ""])
    cofactors: list[float | None] = field(default_factory=lambda: [None, None])
    limits: list[float | None] = field(default_factory=lambda: [None, None])
    area: tuple[str, list[list[float]]] | None = None
    text: str = ""
    name: str = ""
    within: str = ""
    _scales: dict[str, float | None] = field(default_factory=dict, repr=False)

    def clear(self) -> None:
        """Forget what is drawn; the features and the gate it lies within stay."""
        self.limits, self.area, self.text, self.name = [None, None], None, "", ""

    def turn(self, session: Session, mode: str) -> None:
        """Draw in another way; of two features the second is another than the first, where there are two."""
        self.mode = mode
        if mode == "area" and self.features[0] == self.features[1]:
            others = marker_features(session.active_features()).values()
            other = next((name for name in others if name != self.features[0]), self.features[1])
            self.features[1], self.cofactors[1] = other, usual_cofactor(session, other)
            self.take_scales(session)

    def take_scales(self, session: Session) -> None:
        """Show an axis on its channel's scale when that is another one than before."""
        columns = session.gates.columns
        before, now = self._scales, {f: columns.cofactor(f, session.level) for f in self.features if f}
        self._scales = now
        if self.area is not None:  # its edges are straight on the scale that it was drawn on
            return
        for axis, feature in enumerate(self.features):
            if feature in before and before[feature] != now[feature]:
                self.cofactors[axis] = usual_cofactor(session, feature)

    def gate(self, session: Session) -> Gate | None:
        """The gate that this would be; None when nothing is drawn.

        Raises
        ------
        CellTuneError
            When it cannot be one.
        """
        level = session.level
        options: dict[str, Any] = {"name": self.name or None, "within": self.within or None}
        if self.mode == "range" and self.limits != [None, None]:
            return drafting.range_gate(session, level, self.features[0], *self.limits, **options)
        if self.mode == "area" and self.area is not None:
            kind, points = self.area
            features = (self.features[0], self.features[1])
            if kind == "rectangle":
                return drafting.area_gate(session, level, features, None, [*points[0], *points[1]], **options)
            scales = (self.cofactors[0], self.cofactors[1])
            return drafting.area_gate(session, level, features, points, None, cofactors=scales, **options)
        if self.mode == "expression" and self.text.strip():
            return drafting.expression_gate(session, level, self.text, **options)
        return None

    def keep(self, session: Session) -> PopulationSet:
        """Keep it, by the verb that a notebook line would call."""
        options: dict[str, Any] = {"name": self.name or None, "within": self.within or None}
        if self.mode == "range":
            return session.gate(self.features[0], *self.limits, **options)
        if self.mode == "expression":
            return session.gate_from(self.text, **options)
        kind, points = self.area or ("rectangle", [])
        if kind == "rectangle":
            rectangle = [v for point in points for v in point]
            return session.gate_polygon(self.features[0], self.features[1], rectangle=rectangle, **options)
        scales = (self.cofactors[0], self.cofactors[1])
        return session.gate_polygon(self.features[0], self.features[1], points, cofactors=scales, **options)

    def take(self, session: Session, gate: Gate) -> None:
        """Become a gate that is kept, to be drawn anew under its name."""
        self.mode = gate.kind if gate.kind in ("range", "expression") else "area"
        self.within = text_now(session, gate.within) if gate.within is not None else ""
        for axis, feature in enumerate(gate.features):
            self.features[axis] = feature
            self.cofactors[axis] = (
                gate.cofactors[axis] if gate.cofactors else usual_cofactor(session, feature)
            )
        self.name = gate.name
        self.text = "" if gate.expression is None else text_now(session, gate.expression)
        self.limits = [gate.low, gate.high]
        self.area = None
        if gate.points:
            self.area = ("rectangle" if gate.kind == "rectangle" else "lasso", [list(p) for p in gate.points])


def full_name(session: Session, text: str) -> str:
    """The feature that a person means by a part of its name: a marker's name is enough."""
    columns, level = session.gates.columns, session.level
    if not text or columns.has(text, level) or not session.features_by_name:
        return text
    markers = {m.casefold(): f for m, f in marker_features(session.active_features()).items()}
    if text.casefold() in markers:
        return markers[text.casefold()]
    inside = [name for name in columns.names(level) if text.casefold() in name.casefold()]
    return inside[0] if len(inside) == 1 else text
