"""The form of the Export tab as markup."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...session.figures import FIGURES
from ..theme import Markup, tag

if TYPE_CHECKING:
    from .panel import ExportingPanel

__all__ = ["KINDS", "form", "progress"]

#: What can be taken out, and what it is called.
KINDS = {
    "cells": "Cells table", "labels": "Label file", "population": "Population image", "figure": "Figure",
    "bundle": "Whole project",
}  # fmt: skip
HELP = {
    "cells": "One row a cell: labels, predictions, probabilities and your own columns.",
    "labels": "image, cellID, class: what Import labels reads.",
    "population": "Each pixel has the number of its cell's category; a legend lies beside.",
    "figure": "Drawn for print, or its numbers as CSV.",
    "bundle": "One zip that opens elsewhere: celltune-nb open x.zip",
}  # fmt: skip
FORMATS = {
    "cells": {".csv": "CSV", ".parquet": "Parquet", ".h5ad": "AnnData (.h5ad), with features"},
    "labels": {".csv": "CSV", ".parquet": "Parquet"},
    "figure": {".png": "PNG", ".pdf": "PDF", ".svg": "SVG", ".csv": "CSV, the numbers"},
}


def form(panel: ExportingPanel) -> Markup:
    """What is taken out, how, and where to."""
    busy = panel.busy
    return tag(
        "section",
        tag("p", "Take out what you made; every export is also the line of Python below.", cls="ct-small ct-muted"),
        _choice("What", "kind", "", list(KINDS.items()), panel.kind, busy),
        tag("p", HELP[panel.kind], cls="ct-small ct-muted"),
        _options(panel, busy),
        _field(
            "File",
            tag(
                "input", type="text", do="path", cls="ct-grow", value=panel.path, reset=panel.resets, disabled=busy,
                title="From the project's folder on, or a whole path", aria_label="File", spellcheck="false",
            ),
        ),
        tag("p", panel.estimate, cls="ct-small ct-muted", role="status"),
        tag(
            "div",
            tag("button", "Export", cls="ct-button ct-primary ct-grow", do="export", disabled=busy),
            tag("button", "Cancel", cls="ct-button", do="cancel", disabled=not busy),
            cls="ct-line",
        ),
        progress(panel),
        tag(
            "code", panel.line, cls="ct-code", title="The same in Python: click, then copy",
            style="background:var(--ct-fill);border-radius:4px;display:block;font-size:12px;line-height:1.45;margin-top:4px;"
            "overflow-wrap:anywhere;padding:6px 8px;user-select:all;white-space:pre-wrap",
        ),
    )  # fmt: skip


def _options(panel: ExportingPanel, busy: bool) -> list[Markup]:
    session, shown = panel.session, panel.options
    found: list[Markup] = []
    if panel.kind == "figure":
        found.append(_choice("Figure", "option", "figure", list(FIGURES.items()), shown["figure"], busy))
    if panel.kind in FORMATS:
        endings = list(FORMATS[panel.kind].items())
        found.append(_choice("Format", "option", f"{panel.kind} format", endings, panel.ending, busy))
    if panel.kind == "cells":
        if panel.ending != ".h5ad":
            found.append(_tick("features", "All features", shown["features"], busy))
        if panel.can_calibrate:
            found.append(_tick("calibrated", "Calibrated probabilities too", shown["calibrated"], busy))
    if panel.kind == "labels" and len(session.levels.names) > 1:
        levels = [(name, name) for name in session.levels.names]
        found.append(_choice("Level", "option", "level", levels, panel.level, busy))
    if panel.kind == "population":
        names = [(name, name) for name in session.populations.names()]
        every = [("", f"All {len(panel.masked)} images")] if len(panel.masked) > 1 else []
        images = [*every, *((name, name) for name in panel.masked)]
        found.append(_choice("Population", "option", "population", names, panel.population, busy))
        found.append(_choice("Image", "option", "image", images, shown["image"], busy))
    if panel.kind == "bundle":
        choices = [("all", "All, also from outside"), ("own", "Those in the project")]
        found.append(_choice("Images", "option", "images", choices, shown["images"], busy))
    return found


def progress(panel: ExportingPanel) -> Markup | None:
    """How far it is."""
    if not panel.busy or panel.job is None:
        return None
    done = panel.job.progress
    left = panel.remaining
    after = "" if left is None else f" · {left:,.0f} s left"
    return tag(
        "div",
        tag("span", tag("i", style=f"width:{100 * done.fraction:.0f}%"), cls="ct-bar"),
        tag("span", f"{done.fraction:.0%} {done.text}{after}", cls="ct-small ct-muted"),
        role="progressbar", aria_valuenow=round(100 * done.fraction),
    )  # fmt: skip


def _field(name: str, control: Markup) -> Markup:
    return tag("label", tag("span", name, cls="ct-muted", style="flex:0 0 76px"), control, cls="ct-line")


def _choice(
    label: str, verb: str, what: str, options: Sequence[tuple[Any, str]], value: Any, busy: bool
) -> Markup:
    select = tag(
        "select",
        [tag("option", text, value=key, selected=key == value) for key, text in options],
        do=verb, what=what, cls="ct-grow", disabled=busy, aria_label=label,
    )  # fmt: skip
    return _field(label, select)


def _tick(name: str, text: str, on: bool, busy: bool) -> Markup:
    box = tag("input", type="checkbox", do="option", what=name, checked=on, disabled=busy)
    return tag("label", box, text, cls="ct-line")
