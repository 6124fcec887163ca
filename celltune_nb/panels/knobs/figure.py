"""Precision and recall against the threshold, with the place that is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bqplot
import ipywidgets as w
import numpy as np

from .. import theme

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CurveFigure"]


class CurveFigure:
    """Two lines and a marker; all marks are made at once and only their data change.

    Attributes
    ----------
    figure : bqplot.Figure
    widget : VBox
        Holds the figure while there is a curve: bqplot complains of a figure without a size.
    """

    def __init__(self, height: int = 132) -> None:
        x, y = bqplot.LinearScale(min=0.0, max=1.0), bqplot.LinearScale(min=0.0, max=1.0)
        scales = {"x": x, "y": y}
        ticks = np.array([0, 0.25, 0.5, 0.75, 1.0])
        axes = [
            bqplot.Axis(scale=x, grid_lines="none", label="Threshold", label_offset="26px", tick_values=ticks, tick_format=".2f"),
            bqplot.Axis(scale=y, orientation="vertical", grid_lines="solid", tick_values=np.array([0, 0.5, 1.0]), tick_format=".0%"),
        ]  # fmt: skip
        self._lines = {
            name: bqplot.Lines(x=[], y=[], scales=scales, colors=[color], stroke_width=2, labels=[name.capitalize()],
                               display_legend=True)
            for name, color in zip(("precision", "recall"), theme.SERIES, strict=False)
        }  # fmt: skip
        self._here = bqplot.Lines(
            x=[0.5, 0.5],
            y=[0.0, 1.0],
            scales=scales,
            colors=["#8A8F98"],
            line_style="dashed",
            stroke_width=1.5,
        )
        self.figure = bqplot.Figure(
            marks=[*self._lines.values(), self._here], axes=axes, animation_duration=0, legend_location="bottom-left",
            fig_margin={"top": 8, "bottom": 38, "left": 44, "right": 12}, background_style={"fill": "transparent"},
            legend_style={"stroke-width": 0, "fill": "none"}, padding_x=0.0, padding_y=0.02,
        )  # fmt: skip
        self.figure.layout.width = "100%"
        self.figure.layout.height = f"{height}px"
        self.figure.layout.min_width = "0"
        self.widget = w.VBox()

    def show(self, curve: pd.DataFrame | None) -> None:
        """Draw a curve; nothing where precision and recall are not known."""
        known = None if curve is None else curve.dropna(subset=["precision", "recall"])
        for name, line in self._lines.items():
            with line.hold_sync():
                line.x = np.empty(0) if known is None else known["threshold"].to_numpy()
                line.y = np.empty(0) if known is None else known[name].to_numpy()
        self.widget.children = () if known is None or not len(known) else (self.figure,)

    def mark(self, value: float) -> None:
        """Say which threshold is looked at."""
        self._here.x = np.array([value, value])
