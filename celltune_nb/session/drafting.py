"""Gates as a person asks for them: every argument checked, nothing kept yet."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from ..data.categories import PALETTE
from ..data.gates import CORNERS, Condition, Gate, Kind
from ..errors import InputError
from .checks import number
from .conditions import condition

if TYPE_CHECKING:
    from .session import Session

__all__ = ["area_gate", "check_color", "check_name", "expression_gate", "range_gate"]

#: Names of what trainings and labels leave.
_RESERVED = re.compile(r"labels|Pred_.*|Round_diff", re.IGNORECASE)


def range_gate(
    session: Session, level: str, feature: str, low: Any, high: Any, *, name: str | None = None, within: Any = None,
    color: str | None = None,
) -> Gate:  # fmt: skip
    """A gate by one feature; see :meth:`celltune_nb.Session.gate`."""
    _check_feature(session, level, feature)
    limits = [_limit(low, "The lower limit"), _limit(high, "The upper limit")]
    if limits == [None, None]:
        raise InputError("A gate needs a limit. Give low=, high=, or both.")
    if None not in limits and limits[0] > limits[1]:  # type: ignore[operator]
        raise InputError(f"The lower limit {low} lies above the upper limit {high}. Exchange them.")
    named = _named(session, level, name, feature.rpartition("/")[2].split("__")[0] or feature)
    return Gate(
        named, level, "range", _color(session, level, named, color), (feature,), limits[0], limits[1],
        within=_within(session, level, within),
    )  # fmt: skip


def area_gate(
    session: Session, level: str, features: tuple[str, str], polygon: Any, rectangle: Any, *, name: str | None = None,
    within: Any = None, color: str | None = None, cofactors: tuple[Any, Any] = (None, None),
) -> Gate:  # fmt: skip
    """A gate by two features; see :meth:`celltune_nb.Session.gate_polygon`."""
    for feature in features:
        _check_feature(session, level, feature)
    if (polygon is None) is (rectangle is None):
        raise InputError(
            "An area is a polygon or a rectangle. Give polygon=[(x, y), …] or rectangle=(x0, y0, x1, y1)."
        )
    kind: Kind = "polygon" if rectangle is None else "rectangle"
    points = _points(polygon) if rectangle is None else _corners(rectangle)
    scales: tuple[float | None, ...] = ()
    if kind == "polygon" and tuple(cofactors) != (None, None):
        scales = tuple(_cofactor(c) for c in cofactors)
    named = _named(session, level, name, " ".join(f.rpartition("/")[2].split("__")[0] for f in features))
    return Gate(
        named, level, kind, _color(session, level, named, color), features, points=points, cofactors=scales,
        within=_within(session, level, within),
    )  # fmt: skip


def expression_gate(
    session: Session,
    level: str,
    text: Any,
    *,
    name: str | None = None,
    within: Any = None,
    color: str | None = None,
) -> Gate:
    """A gate by an expression; see :meth:`celltune_nb.Session.gate_from`."""
    meant = condition(session, level, text)
    named = _named(session, level, name, re.sub(r"[/\s]+", " ", text).strip()[:80])
    return Gate(
        named, level, "expression", _color(session, level, named, color), expression=meant,
        within=_within(session, level, within),
    )  # fmt: skip


def check_name(session: Session, level: str, name: Any, old: Gate | None = None) -> str:
    """A name that a gate may have.

    Raises
    ------
    InputError
        When it is malformed, or belongs to something else than a gate (or to another gate than *old*).
    """
    if (
        not isinstance(name, str)
        or not 0 < len(name := name.strip()) <= 80
        or not name.isprintable()
        or "/" in name
    ):
        raise InputError("A gate needs a name of 1 to 80 printable characters without '/'. Choose another.")
    if _RESERVED.fullmatch(name):
        raise InputError(f"{name!r} is what a training or the labels are called. Choose another name.")
    gates = session.populations.gates
    if session.populations.stored(level, name) is not None:
        raise InputError(f"There is a population set {name!r} already that is no gate. Choose another name.")
    if old is not None and name != old.name and gates.find(level, name) is not None:
        raise InputError(f"There is a gate {name!r} already. Choose another name.")
    return name


def check_color(color: Any) -> str:
    """``"#RRGGBB"``, in capitals.

    Raises
    ------
    InputError
    """
    if not re.fullmatch("#[0-9A-Fa-f]{6}", str(color)):
        raise InputError(f'{color!r} is not a colour. Write it as "#RRGGBB", for example "#E69F00".')
    return str(color).upper()


def _named(session: Session, level: str, name: str | None, own: str) -> str:
    if name is not None:
        return check_name(session, level, name)
    own = "".join(c for c in own if c.isprintable() and c != "/")[:70].strip() or "Gate"
    if _RESERVED.fullmatch(own):
        own = f"gate {own}"
    gates, n, found = session.populations.gates, 1, own
    while gates.find(level, found) is not None or session.populations.stored(level, found) is not None:
        n += 1
        found = f"{own} {n}"
    return found


def _check_feature(session: Session, level: str, feature: Any) -> None:
    if not isinstance(feature, str):
        raise InputError(f"{feature!r} is no feature's name. Write it in quotes; see session.features.names.")
    session.populations.gates.columns.values(feature, level)


def _within(session: Session, level: str, within: Any) -> Condition | None:
    return None if within is None else condition(session, level, within)


def _limit(value: Any, what: str) -> float | None:
    if value is None:
        return None
    found = number(value, what)
    if math.isnan(found):
        raise InputError(f"{what} is NaN. Give a number, or leave it out.")
    return None if math.isinf(found) else found


def _cofactor(value: Any) -> float | None:
    if value is None:
        return None
    found = number(value, "The cofactor")
    if not (math.isfinite(found) and found > 0):
        raise InputError(f"The cofactor is {value!r}. Give a number above 0.")
    return found


def _points(polygon: Any) -> tuple[tuple[float, float], ...]:
    try:
        points = tuple((float(x), float(y)) for x, y in polygon)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{str(polygon)[:60]} is no polygon. Give its corners: [(x, y), (x, y), (x, y), …]."
        ) from error
    if len(points) > 1 and points[0] == points[-1]:
        points = points[:-1]
    if not 3 <= len(points) <= CORNERS or not all(math.isfinite(v) for p in points for v in p):
        raise InputError(
            f"A polygon has 3 to {CORNERS:,} corners with finite coordinates; this one has {len(points):,}."
        )
    return points


def _corners(rectangle: Any) -> tuple[tuple[float, float], ...]:
    try:
        x0, y0, x1, y1 = (float(v) for v in rectangle)
        if not all(map(math.isfinite, (x0, y0, x1, y1))):
            raise ValueError("not finite")
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{str(rectangle)[:60]} is no rectangle. Give (x0, y0, x1, y1), in the features' units."
        ) from error
    return (min(x0, x1), min(y0, y1)), (max(x0, x1), max(y0, y1))


def _color(session: Session, level: str, name: str, color: str | None) -> str:
    gates = session.populations.gates
    if color is not None:
        return check_color(color)
    before = gates.find(level, name)
    if before is not None:
        return before.color
    taken = [gate.color for gate in gates.known().values()]
    return min(PALETTE, key=taken.count)
