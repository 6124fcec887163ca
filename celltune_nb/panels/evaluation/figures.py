"""An evaluation in tables and curves: categories, models, calibration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from celltune_nb.data.amounts import percent
from celltune_nb.data.categories import UNKNOWN_COLOR
from celltune_nb.panels.theme import Markup, tag
from celltune_nb.session.agreeing import TITLES

from .headline import FIGURES

if TYPE_CHECKING:
    import pandas as pd

    from celltune_nb.learn.evaluation import Evaluation

__all__ = ["Calibration", "calibration_words", "categories_table", "models_table", "weakest"]


def weakest(evaluation: Evaluation) -> str | None:
    """The category with the lowest F1 and what it is mistaken for, in a sentence; None when all do well."""
    table = evaluation.per_category
    known = table[(table["support"] > 0) & table["f1"].notna()]
    if len(known) < 2 or float(known["f1"].min()) >= 0.95:
        return None
    name = str(known["f1"].idxmin())
    row = known.loc[name]
    sentence = f"Weakest: {name}, F1 {row['f1']:.2f} on {row['support']:,.0f} cells."
    missed = evaluation.confusion.loc[name].drop(name, errors="ignore")
    wrong = (
        evaluation.confusion[name].drop(name, errors="ignore") if name in evaluation.confusion else missed * 0
    )
    if max(missed.max(), wrong.max()) <= 0:
        return sentence
    if missed.max() >= wrong.max():
        return f"{sentence} It is most often taken for {missed.idxmax()}."
    return f"{sentence} {wrong.idxmax()} is often taken for it."


def categories_table(evaluation: Evaluation, colors: Mapping[str, str]) -> Markup:
    """Precision, recall, F1, support and prevalence of every category, as HTML."""
    table = evaluation.per_category
    f1 = table["f1"].where(table["support"] > 0)
    lowest = f1.idxmin() if f1.notna().any() and float(f1.min()) < 0.95 else None
    titles = (
        ("Category", ""), ("F1", "Harmonic mean of precision and recall"),
        ("Precision", "Of the cells given this category, the share that is right"),
        ("Recall", "Of the cells of this category, the share that is found"),
        ("Cells", "Labelled cells that were checked"),
        ("Share", "Share of all cells" if evaluation.kind == "audit" else "Share of the labels, not of all cells"),
    )  # fmt: skip
    head = tag("tr", [tag("th", title, scope="col", title=meaning or None) for title, meaning in titles])
    body = [_row(str(name), row, colors, name == lowest) for name, row in table.iterrows()]
    return tag("table", tag("thead", head), tag("tbody", body), cls="ct-ev-table")


def _row(name: str, row: pd.Series[Any], colors: Mapping[str, str], lowest: bool) -> Markup:
    share = float(row["prevalence"])
    dot = tag("i", cls="ct-dot", style=f"background:{colors.get(name, UNKNOWN_COLOR)}")
    return tag(
        "tr", tag("th", dot, name, scope="row", title=name), [_bar(row, key) for key in ("f1", "precision", "recall")],
        tag("td", f"{row['support']:,.0f}"),
        tag("td", "–" if not np.isfinite(share) else percent(share)),
        cls="ct-ev-lowest" if lowest else None,
    )  # fmt: skip


def _bar(row: pd.Series[Any], key: str) -> Markup:
    value = float(row[key])
    if not np.isfinite(value):
        return tag("td", "–", cls="ct-ev-bar")
    low, high = ("low", "high") if key == "f1" else (f"{key}_low", f"{key}_high")
    title = None
    if low in row and np.isfinite(row[low]):
        title = f"{row[low]:.2f} to {row[high]:.2f} with 95 % confidence"
    bar = tag("i", tag("b", style=f"width:{100 * min(max(value, 0), 1):.0f}%"))
    return tag(
        "td",
        tag("span", f"{value:.2f}"),
        bar,
        cls=f"ct-ev-bar{' ct-ev-poor' if value < 0.6 else ''}",
        title=title,
    )


def models_table(evaluation: Evaluation) -> Markup:
    """Each model alone, beside the mean of all."""
    rows = [*evaluation.models.items()]
    if len(rows) < 2:
        return Markup("")
    rows.append(
        (
            "mean of both" if len(rows) == 2 else "mean of all",
            {n: getattr(evaluation, n) for n, *_ in FIGURES},
        )
    )
    head = tag("tr", tag("th", "Model alone"), [tag("th", title, cls="ct-num") for _, title, _ in FIGURES])
    body = [
        tag("tr", tag("td", TITLES.get(name, name)), tag("td", f"{figures['accuracy']:.1%}", cls="ct-num"),
            [tag("td", f"{figures[key]:.3f}", cls="ct-num") for key in ("macro_f1", "log_loss")])
        for name, figures in rows
    ]  # fmt: skip
    return tag("table", tag("thead", head), tag("tbody", body), cls="ct-table")


def calibration_words(evaluation: Evaluation) -> str:
    """How far the stated probabilities can be believed, in words."""
    table = evaluation.calibration.dropna(subset=["confidence", "accuracy"])
    if not len(table) or not np.isfinite(evaluation.ece):
        return "There are too few cells to tell how far the probabilities can be believed."
    gap = float(np.average(table["confidence"] - table["accuracy"], weights=table["weight"]))
    points = 100 * evaluation.ece
    sentence = (
        f"Stated probability and truth lie {points:.1f} points apart on average (ECE {evaluation.ece:.3f}; "
        f"{evaluation.ece_chance:.3f} would be chance on {evaluation.n:,} cells)"
    )
    if points < 2 or evaluation.ece <= 1.2 * evaluation.ece_chance:
        return f"{sentence}: nothing speaks against taking them at their word."
    if abs(gap) < 0.5 * evaluation.ece:
        sentence += ", now too high, now too low."
    elif gap > 0:
        sentence += ": the models are surer than they should be."
    else:
        sentence += ": the models are right more often than they say."
    if evaluation.ece_after < 0.8 * evaluation.ece:
        sentence += (
            f" A temperature of {evaluation.temperature:.2f} brings it to {100 * evaluation.ece_after:.1f}."
        )
        if evaluation.kind == "audit":
            sentence += (
                " session.predict(calibrated=True) and session.export(path, calibrated=True) apply it."
            )
    return sentence


#: Cells of a bin below which the curve leaves it out; its point is still there.
FEW = 5


class Calibration:
    """The reliability curve: what the models state, and how often they are right."""

    def __init__(self) -> None:
        import bqplot

        self._x = bqplot.LinearScale(min=-0.02, max=1.03)
        self._y = bqplot.LinearScale(min=-0.02, max=1.03)
        size = bqplot.LinearScale(min=0.0, max=1.0)
        scales = {"x": self._x, "y": self._y}
        self.diagonal = bqplot.Lines(
            x=[0, 1], y=[0, 1], scales=scales, colors=["#8a8f98"], line_style="dashed", stroke_width=1
        )
        self.line = bqplot.Lines(x=[], y=[], scales=scales, colors=["#2f7fd6"], stroke_width=1.5)
        self.points = bqplot.Scatter(
            x=[], y=[], size=[], scales={**scales, "size": size}, colors=["#2f7fd6"], default_size=110,
            stroke_width=0, default_opacities=[0.9],
        )  # fmt: skip
        ticks = [0, 0.2, 0.4, 0.6, 0.8, 1]
        style = {"num_ticks": 6, "tick_values": ticks, "tick_format": ".0%", "grid_lines": "solid"}
        self.widget = bqplot.Figure(
            marks=[self.diagonal, self.line, self.points],
            axes=[
                bqplot.Axis(scale=self._x, label="stated probability", **style),
                bqplot.Axis(scale=self._y, label="right", orientation="vertical", label_offset="42px", **style),
            ],
            animation_duration=0, display_toolbar=False, padding_x=0.0, padding_y=0.0,
            fig_margin={"top": 12, "bottom": 42, "left": 56, "right": 16},
        )  # fmt: skip
        self.widget.layout.width, self.widget.layout.height = "100%", "300px"
        self.widget.add_class("ct-ev-calibration")

    def show(self, evaluation: Evaluation | None) -> None:
        """Draw an evaluation's curve, or none."""
        if evaluation is None:
            x = y = n = np.empty(0)
        else:
            table = evaluation.calibration.dropna(subset=["confidence", "accuracy"])
            x, y, n = (table[c].to_numpy(np.float64) for c in ("confidence", "accuracy", "n"))
        enough = n >= FEW
        with self.line.hold_sync(), self.points.hold_sync():
            self.line.x, self.line.y = x[enough], y[enough]
            # The area of a point stands for its cells; the smallest stays visible.
            self.points.x, self.points.y = x, y
            self.points.size = np.clip(n / n.max(), 0.15, 1) if len(n) else n
