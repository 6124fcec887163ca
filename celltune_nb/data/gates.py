"""Gates: what makes a cell belong, as plain data, and the arrays it is worked out on.

A gate is a range of one feature, an area of two, or an expression over the categories of population sets.  Its limits
belong to it, an item without a value never does, and it may lie within another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .categories import UNKNOWN_COLOR, Category
from .expressions import parse

__all__ = ["Condition", "Gate", "Reference", "categories_of", "in_polygon", "in_range", "in_rectangle"]

Kind = Literal["range", "rectangle", "polygon", "expression"]
#: Corners that a polygon may have: a lasso drawn by hand has some hundreds.
CORNERS = 2_000


@dataclass(frozen=True)
class Reference:
    """A category of a population set, as an expression means it.

    Attributes
    ----------
    level, population : str
    code : int or None
        None where the codes of a set change with each training: the name counts then.
    category : str
        The name it had.
    """

    level: str
    population: str
    code: int | None
    category: str


@dataclass(frozen=True)
class Condition:
    """An expression, and what each of its names means, in the order of :attr:`Expression.names`."""

    text: str
    references: tuple[Reference, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data for ``project.json``."""
        return {
            "text": self.text,
            "names": [[r.level, r.population, r.code, r.category] for r in self.references],
        }

    @classmethod
    def from_json(cls, stored: Any) -> Condition | None:
        """From what :meth:`to_json` gave; None stays None."""
        if stored is None:
            return None
        references = tuple(
            Reference(str(level), str(population), None if code is None else int(code), str(category))
            for level, population, code, category in stored["names"]
        )
        if len(parse(stored["text"]).names) != len(references):
            raise ValueError("names of an expression are missing")
        return cls(stored["text"], references)


@dataclass(frozen=True)
class Gate:
    """What makes a cell belong.

    Attributes
    ----------
    name, level : str
    kind : {"range", "rectangle", "polygon", "expression"}
    color : str
        ``"#RRGGBB"`` of the cells inside.
    features : tuple of str
        One for a range, two (x, y) for an area, none for an expression.
    low, high : float or None
        Of a range, both inside; None: no limit.
    points : tuple of (float, float)
        Corners x, y in the features' own units: two opposite ones of a rectangle, all of a polygon.
    cofactors : tuple of float or None
        For each feature: a polygon's edges are straight on the scale arcsinh(value / cofactor); None: on the plain one.
    expression : Condition or None
    within : Condition or None
        What else a cell has to be.
    """

    name: str
    level: str
    kind: Kind
    color: str
    features: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    points: tuple[tuple[float, float], ...] = ()
    cofactors: tuple[float | None, ...] = ()
    expression: Condition | None = None
    within: Condition | None = None

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The expressions it stands on."""
        return tuple(c for c in (self.expression, self.within) if c is not None)

    @property
    def sentence(self) -> str:
        """What it is, in words."""
        if self.kind == "expression" and self.expression is not None:
            text = self.expression.text
        elif self.kind == "range":
            low, high = self.low, self.high
            span = (
                f"≥ {low:.4g}"
                if high is None
                else f"≤ {high:.4g}"
                if low is None
                else f"{low:.4g} to {high:.4g}"
            )
            text = f"{self.features[0]} {span}"
        else:
            text = f"{self.kind} in {self.features[0]} × {self.features[1]}"
        return f"{text}, within {self.within.text}" if self.within is not None else text

    def to_json(self) -> dict[str, Any]:
        """Plain data for ``project.json``; fields that say nothing are left out."""
        row: dict[str, Any] = {"name": self.name, "level": self.level, "kind": self.kind, "color": self.color}
        for key in ("features", "points", "cofactors"):
            if getattr(self, key):
                row[key] = [list(v) if isinstance(v, tuple) else v for v in getattr(self, key)]
        for key in ("low", "high"):
            if getattr(self, key) is not None:
                row[key] = getattr(self, key)
        for key in ("expression", "within"):
            if getattr(self, key) is not None:
                row[key] = getattr(self, key).to_json()
        return row

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Gate:
        """From what :meth:`to_json` gave.

        Raises
        ------
        ValueError, TypeError, KeyError
            When it is not that.
        """
        limits = [None if row.get(key) is None else float(row[key]) for key in ("low", "high")]
        points = tuple((float(x), float(y)) for x, y in row.get("points", ()))
        cofactors = tuple(None if c is None else float(c) for c in row.get("cofactors", ()))
        features = tuple(str(f) for f in row.get("features", ()))
        gate = cls(
            str(row["name"]), str(row["level"]), row["kind"], str(row["color"]), features, limits[0], limits[1],
            points, cofactors, Condition.from_json(row.get("expression")), Condition.from_json(row.get("within")),
        )  # fmt: skip
        numbers = [v for v in (*limits, *(c for p in points for c in p), *cofactors) if v is not None]
        wanted = {"range": (1, 0), "rectangle": (2, 2), "polygon": (2, 3), "expression": (0, 0)}[gate.kind]
        if (
            len(features) != wanted[0]
            or not wanted[1] <= len(points) <= CORNERS
            or not all(map(math.isfinite, numbers))
        ):
            raise ValueError("no gate")
        if (gate.expression is None) is (gate.kind == "expression") or not set(gate.color) <= set(
            "#0123456789ABCDEFabcdef"
        ):
            raise ValueError("no gate")
        return gate

    def renamed(self, name: str) -> Gate:
        """The same gate with another name."""
        return replace(self, name=name)


def categories_of(gate: Gate) -> tuple[Category, Category]:
    """The two categories of a gate's population set: outside (code 0) and inside (code 1)."""
    return Category(0, f"not {gate.name}", UNKNOWN_COLOR), Category(1, gate.name, gate.color)


def in_range(values: NDArray[np.floating], low: float | None, high: float | None) -> NDArray[np.bool_]:
    """Which values lie between two limits, both of which belong; NaN never does.

    Parameters
    ----------
    values : ndarray of float, shape (n,)
    low, high : float or None
    """
    if low is None and high is None:
        return ~np.isnan(values)
    # Limits of the values' own type: a limit read off a float32 value would else miss that very value.
    inside = np.ones(len(values), bool) if low is None else values >= values.dtype.type(low)
    if high is not None:
        inside &= values <= values.dtype.type(high)
    return np.asarray(inside)


def in_rectangle(
    x: NDArray[np.floating], y: NDArray[np.floating], corners: Sequence[tuple[float, float]]
) -> NDArray[np.bool_]:
    """Which points lie in a rectangle, its edges included; a point with a NaN never does."""
    (x0, y0), (x1, y1) = corners
    return in_range(x, min(x0, x1), max(x0, x1)) & in_range(y, min(y0, y1), max(y0, y1))


def in_polygon(
    x: NDArray[np.floating], y: NDArray[np.floating], corners: Sequence[tuple[float, float]],
    cofactors: Sequence[float | None] = (None, None),
) -> NDArray[np.bool_]:  # fmt: skip
    """Which points lie in a polygon by the even-odd rule; a point exactly on an edge may fall on either side.

    Parameters
    ----------
    x, y : ndarray of float, shape (n,)
    corners : sequence of (float, float)
    cofactors : (float or None, float or None)
        Of the scale on which the edges are straight, for x and y: arcsinh(value / cofactor).
    """
    from skimage.measure import points_in_poly

    polygon = np.array(corners, np.float64)
    inside = in_range(x, float(polygon[:, 0].min()), float(polygon[:, 0].max()))
    inside &= in_range(y, float(polygon[:, 1].min()), float(polygon[:, 1].max()))
    near = np.flatnonzero(inside)
    points = np.stack([x[near], y[near]], axis=1).astype(np.float64)
    for axis, cofactor in enumerate(cofactors):
        if cofactor is not None:
            points[:, axis] = np.arcsinh(points[:, axis] / cofactor)
            polygon[:, axis] = np.arcsinh(polygon[:, axis] / cofactor)
    inside[near] = points_in_poly(points, polygon)
    return inside
