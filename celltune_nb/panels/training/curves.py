"""The learning curves, moving while a training runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import bqplot
import numpy as np
from numpy.typing import NDArray

from .. import theme

__all__ = ["MAX_MODELS", "METRICS", "Curves", "series"]

#: What the curves can show: name in the history, and in words.
METRICS = {"log_loss": "Log loss", "accuracy": "Accuracy", "macro_f1": "Macro-F1"}
MAX_MODELS = len(theme.SERIES)
#: Points of a curve at most; more cannot be told apart on 300 pixels.
POINTS = 200

Series = tuple[NDArray[np.float64], NDArray[np.float64]]


def series(rows: Iterable[Mapping[str, Any]], metric: str) -> dict[tuple[str, str], Series]:
    """The curves of a metric.

    Parameters
    ----------
    rows : iterable of dict
        Rows of ``run.history``: model, step, split, metric, value.
    metric : str
        A key of :data:`METRICS`.

    Returns
    -------
    dict
        (model, split) → rounds and values, thinned to 200 points with the last one kept.
    """
    found: dict[tuple[str, str], tuple[list[float], list[float]]] = {}
    for row in rows:
        if row["metric"] == metric:
            x, y = found.setdefault((str(row["model"]), str(row["split"])), ([], []))
            x.append(float(row["step"]))
            y.append(float(row["value"]))
    thinned: dict[tuple[str, str], Series] = {}
    for key, (x, y) in found.items():
        keep = np.unique(np.linspace(0, len(x) - 1, min(len(x), POINTS)).round().astype(int))
        thinned[key] = (np.asarray(x)[keep], np.asarray(y)[keep])
    return thinned


class Curves:
    """A figure with two lines a model: solid on held-out labels, faint on those learned from.

    All marks are made at once and only their data change, so a training makes no widgets.

    Attributes
    ----------
    figure : bqplot.Figure
    """

    def __init__(self, height: int = 168) -> None:
        self._x = bqplot.LinearScale(min=0.0, max=10.0)
        self._y = bqplot.LinearScale(min=0.0, max=1.0)
        axes = [
            bqplot.Axis(
                scale=self._x, grid_lines="none", label="Round", label_offset="28px", tick_format="d"
            ),
            bqplot.Axis(scale=self._y, orientation="vertical", grid_lines="solid", tick_format=".1f"),
        ]
        self._axes = axes
        scales = {"x": self._x, "y": self._y}
        self._lines: list[tuple[bqplot.Lines, bqplot.Lines]] = [
            (
                bqplot.Lines(x=[], y=[], scales=scales, colors=[color], stroke_width=2),
                bqplot.Lines(x=[], y=[], scales=scales, colors=[color], stroke_width=1.5, opacities=[0.45], line_style="dashed"),
            )
            for color in theme.SERIES
        ]  # fmt: skip
        self.figure = bqplot.Figure(
            marks=[line for pair in self._lines for line in pair],
            axes=axes,
            animation_duration=0,
            fig_margin={"top": 8, "bottom": 40, "left": 40, "right": 12},
            background_style={"fill": "transparent"},
            padding_x=0.0,
            padding_y=0.02,
        )
        self.figure.layout.width = "100%"
        self.figure.layout.height = f"{height}px"
        # bqplot's own minimum of 125 px of width would not let the column be narrow
        self.figure.layout.min_width = "0"

    def show(self, rows: Iterable[Mapping[str, Any]], models: Iterable[str], metric: str) -> None:
        """Draw the curves of some rows; models without any are left empty."""
        curves = series(rows, metric)
        ends = [x[-1] for x, _ in curves.values() if len(x)]
        values = [y for _, y in curves.values() if len(y)]
        # The axes grow in steps, so that a running training does not squeeze its curves with every round.
        self._scale(0, _ticks(0.0, max([*ends, 10.0]), whole=True))
        if metric == "log_loss":
            self._scale(1, _ticks(0.0, max([*(float(y.max()) for y in values), 0.5])))
        else:
            self._scale(1, _ticks(min([*(float(y.min()) for y in values), 0.8]), 1.0))
        names = list(models)[:MAX_MODELS]
        for i, pair in enumerate(self._lines):
            for split, line in zip(("valid", "train"), pair, strict=True):
                x, y = curves.get((names[i], split), (np.empty(0), np.empty(0))) if i < len(names) else (np.empty(0),) * 2  # fmt: skip
                if not (np.array_equal(line.x, x) and np.array_equal(line.y, y)):
                    with line.hold_sync():
                        line.x, line.y = x, y

    def _scale(self, which: int, ticks: NDArray[np.float64]) -> None:
        axis, scale = self._axes[which], (self._x, self._y)[which]
        if axis.tick_values is None or not np.array_equal(axis.tick_values, ticks):
            scale.min, scale.max = float(ticks[0]), float(ticks[-1])
            axis.tick_values = ticks


def _ticks(low: float, high: float, *, whole: bool = False) -> NDArray[np.float64]:
    """Round numbers, at most seven, that span *low* to *high*."""
    sizes = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000]
    step = next((s for s in sizes[3 if whole else 0 :] if (high - low) / s <= 5 + 1e-9), high - low)
    first, last = np.floor(low / step + 1e-9), np.ceil(high / step - 1e-9)
    return np.round(np.arange(first, last + 1) * step, 10)
