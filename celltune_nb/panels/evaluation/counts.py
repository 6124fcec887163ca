"""How many cells of each category there are: what is predicted, and what the audit makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from celltune_nb.data.categories import UNKNOWN_COLOR
from celltune_nb.panels.theme import Markup, tag

if TYPE_CHECKING:
    import pandas as pd

    from celltune_nb.learn.verdict import Evaluation

__all__ = ["counts", "counts_sentence"]


def counts(evaluation: Evaluation, colors: Mapping[str, str]) -> Markup:
    """A sentence that opens to a table of counts; nothing when no audit can correct them."""
    table = evaluation.prevalence.dropna(subset=["raw_count", "low", "high"])
    if not len(table):
        return Markup("")
    titles = (
        ("Category", ""), ("Predicted", "Cells given this category"),
        ("Corrected", "Cells of this category, as the audit corrects the count"), ("95 %", "Between these, with 95 % confidence"),
    )  # fmt: skip
    head = tag("tr", [tag("th", title, scope="col", title=meaning or None) for title, meaning in titles])
    items = float(table["raw_count"].sum())
    body = [_row(str(name), row, items, colors) for name, row in table.iterrows()]
    return tag(
        "details", tag("summary", counts_sentence(table)),
        tag("table", tag("thead", head), tag("tbody", body), cls="ct-ev-table ct-ev-counts"), cls="ct-ev-words",
    )  # fmt: skip


def counts_sentence(table: pd.DataFrame) -> str:
    """The count that the audit contradicts most, in a sentence."""
    items = float(table["raw_count"].sum())
    outside = table[(table["raw"] < table["low"]) | (table["raw"] > table["high"])]
    if not len(outside):
        return "Counts: the audit does not contradict any of them."
    ratio = outside["raw"].to_numpy(np.float64) / np.maximum(outside["corrected"].to_numpy(np.float64), 1e-9)
    worst = int(np.argmax(np.abs(np.log(np.maximum(ratio, 1e-9)))))
    row = outside.iloc[worst]
    low, high = _rounded(float(row["low"]) * items, float(row["high"]) * items)
    name = outside.index[worst]
    return f"Counts: {row['raw_count']:,.0f} cells are called {name}; by the audit there are {low} to {high}."


def _row(name: str, row: pd.Series[float], items: float, colors: Mapping[str, str]) -> Markup:
    dot = tag("i", cls="ct-dot", style=f"background:{colors.get(name, UNKNOWN_COLOR)}")
    low, high = _rounded(row["low"] * items, row["high"] * items)
    off = not row["low"] <= row["raw"] <= row["high"]
    return tag(
        "tr", tag("th", dot, name, scope="row", title=name), tag("td", f"{row['raw_count']:,.0f}"),
        tag("td", _rounded(row["corrected"] * items)[0]), tag("td", f"{low} – {high}"), cls="ct-ev-lowest" if off else None,
        title="The count lies outside what the audit allows." if off else None,
    )  # fmt: skip


def _rounded(*values: float) -> tuple[str, ...]:
    """Counts with two or three figures: an estimate is no tally."""
    return tuple(f"{float(f'{value:.3g}' if value >= 1000 else f'{value:.0f}'):,.0f}" for value in values)
