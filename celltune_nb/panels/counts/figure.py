"""The counts as bars with their limits, and as called beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bqplot
import ipywidgets as w
import numpy as np

from .. import theme
from .markup import named

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BARS", "CountsFigure"]

BARS = 60
"""Bars at most: more cannot be told apart on 340 pixels."""


class CountsFigure:
    """A bar for what is corrected (or called, where nothing is), limits over it, and a dot for what is called.

    Attributes
    ----------
    figure : bqplot.Figure
    parts : tuple of Widget
        What the lines and colours mean, the figure, and marks that are not always in it.
    widget : VBox
        Holds the first two while there is a table: bqplot complains of a figure without a size.
    """

    def __init__(self, height: int = 190) -> None:
        self._x = bqplot.LinearScale(min=-0.5, max=0.5)
        self._y = bqplot.LinearScale(min=0.0)
        scales = {"x": self._x, "y": self._y}
        self._axis = bqplot.Axis(
            scale=self._x,
            grid_lines="none",
            tick_rotate=-40,
            tick_style={"text-anchor": "end", "font-size": "11px"},
        )
        upright = self._upright = bqplot.Axis(
            scale=self._y, orientation="vertical", grid_lines="solid", num_ticks=5, tick_format=",d"
        )
        # Bars are drawn as thick lines: bars of the library take no limits and centre otherwise.
        self._bars = bqplot.Lines(
            x=[], y=[], scales=scales, colors=[theme.SERIES[0]], stroke_width=10, opacities=[0.55]
        )
        self._limits = bqplot.Lines(x=[], y=[], scales=scales, colors=["#3A3F47"], stroke_width=1.5)
        self._called = bqplot.Scatter(
            x=[], y=[], scales=scales, colors=[theme.SERIES[1]], default_size=28, stroke="white"
        )
        self.figure = bqplot.Figure(
            marks=[self._bars], axes=[self._axis, upright], animation_duration=0,
            fig_margin={"top": 8, "bottom": 64, "left": 48, "right": 8}, background_style={"fill": "transparent"},
            padding_x=0.0, padding_y=0.0,
        )  # fmt: skip
        self.figure.layout.width = "100%"
        self.figure.layout.height = f"{height}px"
        self.figure.layout.min_width = "0"
        self._key = theme.Live()
        self.parts = (self._key, self.figure, self._limits, self._called)
        self.widget = w.VBox()

    def show(self, table: pd.DataFrame | None) -> None:
        """Draw a table of counts, its first rows."""
        rows = None if table is None or not len(table) else table.iloc[:BARS]
        self.widget.children = () if rows is None else self.parts[:2]
        if rows is None:
            return
        n = len(rows)
        known = rows["low"].notna().to_numpy()
        self._key.html = _key(bool(known.any()), len(table) if table is not None else 0)
        place = np.arange(n, dtype=np.float64)
        corrected = rows["corrected"].notna().to_numpy()
        top = np.where(corrected, rows["corrected"], rows["raw"]).astype(np.float64)
        names = [" × ".join(named(key)) for key in rows.index]
        self._x.min, self._x.max = -0.6, n - 0.4
        highest = float(np.nanmax([top.max(), rows["raw"].max(), *rows["high"].dropna()]))
        ticks = _ticks(highest)
        self._y.max, self._upright.tick_values = float(ticks[-1]), ticks
        every = np.unique(np.linspace(0, n - 1, min(n, 16)).round().astype(int))
        self._axis.tick_values = every.astype(np.float64)
        self._axis.tick_labels = {
            str(i): names[i] if len(names[i]) < 16 else f"{names[i][:5]}…{names[i][-9:]}"
            for i in every.tolist()
        }
        self._bars.stroke_width = float(np.clip(200 / n, 3, 22))
        with self._bars.hold_sync():
            self._bars.x, self._bars.y = _pairs(place, place), _pairs(np.zeros(n), top)
        # Where nothing is corrected the bars are the called ones already; marks without a point make the page complain.
        if known.any():
            with self._limits.hold_sync():
                self._limits.x = _pairs(place[known], place[known])
                self._limits.y = _pairs(rows["low"].to_numpy()[known], rows["high"].to_numpy()[known])
            with self._called.hold_sync():
                self._called.x, self._called.y = place, rows["raw"].to_numpy(np.float64)
        self.figure.marks = [self._bars, self._limits, self._called] if known.any() else [self._bars]


def _key(corrected: bool, rows: int) -> theme.Markup:
    """What bars, lines and dots are."""
    swatch = [
        theme.tag("span", theme.tag("i", style=f"background:{color}", cls=f"ct-counts-{shape}"), name)
        for color, shape, name in (
            (theme.SERIES[0], "bar", "corrected" if corrected else "called"), *([("#3A3F47", "limit", "95 % limits")] if corrected else []),
            *([(theme.SERIES[1], "dot", "called")] if corrected else []),
        )
    ]  # fmt: skip
    more = f"the first {BARS} of {rows:,} rows" if rows > BARS else ""
    return theme.tag("div", theme.tag("span", "Positive cells:"), swatch, more, cls="ct-counts-key ct-muted")


def _pairs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """One line a row, of two points."""
    return np.column_stack([a, b])


def _ticks(highest: float) -> np.ndarray:
    """Round numbers from 0 to above the highest, at most six."""
    step = next(s for e in range(10) for s in (10**e, 2 * 10**e, 5 * 10**e) if s * 5 >= highest or e == 9)
    return np.arange(0, np.ceil(max(highest, 1) / step) + 1) * float(step)
