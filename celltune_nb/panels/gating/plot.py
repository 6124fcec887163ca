"""The plot of a gate: what it shows of the cells, and what is drawn on it."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
from numpy.typing import NDArray
from traitlets import Dict, List, Unicode

from celltune_nb.learn.landmarks import cofactor_of
from celltune_nb.measure.names import parse_name
from celltune_nb.render.density import Scale, bars, density, png

if TYPE_CHECKING:
    from celltune_nb.session import Session

__all__ = ["Axis", "GatePlot", "picture_of", "usual_cofactor"]

_STATIC = Path(__file__).resolve().parents[1] / "static"
#: Selected cells that are marked, at most.
MARKED = 300


class GatePlot(anywidget.AnyWidget):
    """The browser side is ``static/gating.js``; all coordinates are parts of the plot, 0 to 1, y upwards."""

    _esm = (_STATIC / "gating.js").read_text("utf-8")
    _css = (_STATIC / "gating.css").read_text("utf-8")

    plot = Dict({"mode": "range"}).tag(sync=True)
    limits: Any = List([None, None]).tag(sync=True)
    shape: Any = List([]).tag(sync=True)
    tool = Unicode("rectangle").tag(sync=True)
    marks: Any = List([]).tag(sync=True)
    color = Unicode("#E69F00").tag(sync=True)


class Axis:
    """A feature on an axis.

    Parameters
    ----------
    session : Session
    feature : str
    cofactor : float or None
        None: a plain scale.
    """

    def __init__(self, session: Session, feature: str, cofactor: float | None) -> None:
        self.feature, self.cofactor = feature, cofactor
        self.values, self.token = session.gates.columns.values(feature, session.level)
        self.scale = Scale.of(self.values, cofactor)

    def part(self, value: float | None) -> float | None:
        """Where a value lies, 0 to 1; None stays None."""
        if value is None:
            return None
        return float(np.clip(self.scale.place(np.array([value], np.float64))[0], 0, 1))

    def value(self, part: float | None) -> float | None:
        """The value at a place; None stays None."""
        return None if part is None else self.scale.value(float(part))

    def ticks(self) -> list[list[Any]]:
        """Places and labels."""
        return [[part, label] for part, label in self.scale.ticks()]


def usual_cofactor(session: Session, feature: str) -> float | None:
    """The cofactor that an axis begins with: the channel's own, else an intensity's typical value; of anything else none."""
    own = session.gates.columns.cofactor(feature, session.level)
    if own is not None:
        return own
    channel = parse_name(feature.rpartition("/")[2]).channel
    if channel is None or feature.endswith("__Probability"):
        return None
    values = session.gates.columns.values(feature, session.level)[0]
    found = cofactor_of(values[:: max(1, len(values) // 50_000)])
    return float(f"{found:.2g}") if found > 0 else None


def picture_of(
    axes: list[Axis], rows: NDArray[np.int64] | None, colors: NDArray[np.uint8] | None
) -> dict[str, Any]:
    """What the plot shows of some cells.

    Parameters
    ----------
    axes : list of Axis
        One: a histogram; two: a density.
    rows : ndarray of int64, or None
        The cells; None: all.
    colors : ndarray of uint8, shape (n, 3), or None
        Of all cells.
    """
    values = [axis.values if rows is None else axis.values[rows] for axis in axes]
    if len(axes) == 1:
        counts = bars(values[0], axes[0].scale)
        # On a plain scale the few cells of a rare kind would be a flat line beside the many of the background.
        heights = np.sqrt(counts / max(int(counts.max()), 1))
        return {
            "mode": "range", "bars": heights.round(4).tolist(), "picture": "", "xlabel": axes[0].feature,
            "ylabel": "", "xticks": axes[0].ticks(), "yticks": [],
        }  # fmt: skip
    if colors is not None and rows is not None:
        colors = colors[rows]
    drawn = png(density(values[0], values[1], (axes[0].scale, axes[1].scale), colors=colors))
    return {
        "mode": "area", "bars": [], "picture": f"data:image/png;base64,{base64.b64encode(drawn).decode()}",
        "xlabel": axes[0].feature, "ylabel": axes[1].feature, "xticks": axes[0].ticks(), "yticks": axes[1].ticks(),
    }  # fmt: skip
