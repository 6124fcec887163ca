"""What the panel shows, as markup."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from celltune_nb.panels.theme import Markup, note, tag
from celltune_nb.session.domains import NONE

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MOST", "applying", "head", "label_of", "regions", "table"]

MOST = 300
"""Rows that are shown; all of them are in the file."""
WORDS = {"image": "Slice", "group": "Animal", "all": "Everything"}


def label_of(by: str) -> str:
    """``"image×region"`` in words."""
    return " × ".join(WORDS.get(key, key) for key in by.split("×"))


def head(
    by: str, choices: Sequence[str], what: str, positive: str, signs: Mapping[str, bool | None], *, kept: bool, reset: int
) -> Markup:  # fmt: skip
    """What is counted, and by what; *signs* says of each trained marker how it is asked for, None: not at all."""
    chosen = tag(
        "select", [tag("option", label_of(one), value=one, selected=one == by) for one in choices], do="by", reset=reset,
        aria_label="Count by",
    )  # fmt: skip
    typed = tag(
        "input", type="text", do="what", on="enter", value=what, placeholder=f"{positive}, or cFos+ PV-", reset=reset,
        title="Markers with their signs, a gate, or an expression; empty: the positive cells of this marker. Enter counts.",
        aria_label="What is counted",
    )  # fmt: skip
    keep = tag(
        "button", "Keep", cls="ct-button", do="keep", disabled=not what or kept,
        title="Make a population of it, to be shown on the image and exported.",
    )  # fmt: skip
    return tag(
        "div",
        tag("p", "How many cells are positive: as called, and as the blind audit corrects the number.", cls="ct-muted ct-counts-line"),
        tag("div", tag("span", "Cells"), tag("div", typed, keep, cls="ct-counts-row"),
            *((tag("span"), tag("div", [_sign(level, on) for level, on in signs.items()], cls="ct-counts-row")) if len(signs) > 1 else ()),
            tag("span", "Per"), chosen, cls="ct-counts-form"),
        cls="ct-counts",
    )  # fmt: skip


def _sign(level: str, now: bool | None) -> Markup:
    """Whether a marker is to be positive, negative, or either."""
    choices = (("+", True, "positive"), ("−", False, "negative"), ("any", None, "positive or not"))
    buttons = [
        tag(
            "button", sign, do="sign", what=f"{level}{'' if on is None else '+' if on else '-'}", title=f"{level} {words}",
            aria_pressed=str(now is on).lower(),
        )
        for sign, on, words in choices
    ]  # fmt: skip
    return tag("span", tag("span", level), tag("div", buttons, cls="ct-segments"), cls="ct-counts-sign")


def applying(text: str, fraction: float | None, *, stale: int, ready: bool) -> Markup:
    """The button that applies all models, or how far it is."""
    if fraction is not None:
        bar = tag("div", tag("i", style=f"width:{100 * fraction:.1f}%"), cls="ct-bar", role="progressbar")
        return tag(
            "div",
            tag("span", text, cls="ct-muted"),
            bar,
            tag("button", "Stop", cls="ct-button", do="stop"),
            cls="ct-counts-row",
        )
    words = f"{stale:,} cells came after the last training." if stale else ""
    return tag(
        "div", tag("button", "Apply all markers to all slices", cls="ct-button", do="apply", disabled=not ready),
        tag("button", "CSV", cls="ct-button", do="csv", title="Write this table as a file"), tag("span", words, cls="ct-muted"),
        cls="ct-counts-row",
    )  # fmt: skip


def table(found: pd.DataFrame | None, why: str, looked_at: str | None) -> Markup:
    """The counts, row by row."""
    if found is None:
        return note(why or "Counting…", "info")
    dense = bool(found["density"].notna().any())
    corrected = bool(found["corrected"].notna().any())
    titles = [
        # The first of two stands in lines of its own.
        (label_of(str(found.attrs["by"]).split("×")[-1]), ""), *([] if dense else [("Cells", "All cells there")]), ("Called", "Cells that are called positive"),
        ("Corrected", "Positive cells as the audit corrects their number"), ("95 %", "Between these with 95 % confidence"),
    ]  # fmt: skip
    if dense:
        titles.append(("per mm²", "Corrected cells per mm², called ones where nothing is corrected"))
    top = tag("tr", [tag("th", title, scope="col", title=hint or None) for title, hint in titles])
    body, before = list[Markup](), ""
    shown = found.iloc[:MOST]
    for key, row in zip(shown.index, shown.to_dict("records"), strict=True):
        names = named(key)
        if len(names) > 1 and names[0] != before:
            before = names[0]
            body.append(
                tag("tr", tag("th", before, colspan=len(titles), scope="colgroup"), cls="ct-counts-group")
            )
        body.append(_row(names, row, str(found.attrs["by"]), dense, looked_at))
    words = [note(text, "warning") for text in found.attrs["warnings"]]
    if len(found) > MOST:
        words.append(note(f"The first {MOST} of {len(found):,} rows; all are in the file."))
    return tag(
        "div", tag("table", tag("thead", top), tag("tbody", body, _total(found, dense)), cls="ct-counts-table"), *words,
        tag("p", found.attrs["source"], cls="ct-counts-line" if corrected else "ct-counts-line ct-counts-none"), cls="ct-counts",
    )  # fmt: skip


def named(key: Any) -> list[str]:
    """The parts of a row's name; where cells are in no region, elsewhere."""
    parts = [str(part) for part in (key if isinstance(key, tuple) else (key,))]
    return [*parts[:-1], "elsewhere" if parts[-1] == NONE else parts[-1]]


def _row(names: list[str], row: Any, by: str, dense: bool, looked_at: str | None) -> Markup:
    keys = by.split("×")
    image = names[keys.index("image")] if "image" in keys else None
    few = math.isfinite(row["corrected"]) and row["audited"] < 5
    off = math.isfinite(row["low"]) and not row["low"] <= row["raw"] <= row["high"]
    hints = [f"{row['cells']:,.0f} cells, {row['audited']:,.0f} of the audit."]
    if off:
        hints.append("The number called lies outside what the audit allows.")
    if image is not None:
        hints.append("Click to look at the slice.")
    name = " × ".join(names[1:] or names)
    parts = [
        tag("th", name, scope="row", title=" × ".join(names)),
        None if dense else tag("td", f"{row['cells']:,.0f}", cls="ct-muted"),
        tag("td", f"{row['raw']:,.0f}", cls="ct-counts-off" if off else None), tag("td", _number(row["corrected"])),
        tag("td", _range(row["low"], row["high"]), cls="ct-counts-few" if few else None),
    ]  # fmt: skip
    if dense:
        parts.append(tag("td", _number(row["density"])))
    return tag(
        "tr", parts, title=" ".join(hints), do="look" if image is not None else None, what=image,
        cls="ct-counts-here" if image is not None and image == looked_at else None,
    )  # fmt: skip


def _total(found: pd.DataFrame, dense: bool) -> Markup | None:
    if len(found) < 2:
        return None
    parts = [
        tag("th", "All", scope="row"), None if dense else tag("td", f"{found['cells'].sum():,.0f}", cls="ct-muted"),
        tag("td", f"{found['raw'].sum():,.0f}"),
        tag("td", _number(found["corrected"].sum(skipna=False))), tag("td", ""),
    ]  # fmt: skip
    return tag("tr", parts, tag("td", "") if dense else None, cls="ct-counts-total")


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "–"
    return f"{value:,.1f}".removesuffix(".0") if value < 9.95 else f"{value:,.0f}"


def _range(low: float, high: float) -> str:
    return "–" if not math.isfinite(low) else f"{low:,.0f}–{high:,.0f}"


def regions(
    image: str | None,
    column: str,
    rows: Sequence[tuple[str, float, int]],
    drawn: bool,
    outlines: bool,
    name: str,
    path: str,
    reset: int,
    step: str = "",
) -> Markup:
    """Regions of interest on the slice looked at; *step* is what can be taken back."""
    listed = [
        tag(
            "li",
            tag("b", region),
            tag(
                "span",
                f" {cells:,} cells" + (f", {size:.3g} mm²" if math.isfinite(size) else ""),
                cls="ct-muted",
            ),
        )
        for region, size, cells in rows
    ]
    hint = (
        "Drag a rectangle on the image or draw an outline, name it, and add it; or give the path of a label image "
        "(0 outside)."
    )
    return tag(
        "div", tag("p", hint, cls="ct-muted ct-counts-line"),
        tag("div", tag("input", type="text", do="region", value=name, placeholder="Name, such as CA1", reset=reset, aria_label="Name of the region"),
            tag("button", "Outline", cls="ct-button ct-on" if outlines else "ct-button", do="outline", aria_pressed=str(outlines).lower(),
                title="Dragging on the image draws an outline instead of a rectangle", disabled=image is None),
            tag("button", "Add", cls="ct-button", do="drawn", disabled=not drawn or image is None,
                title="Make what is drawn a region"), cls="ct-counts-row"),
        tag("div", tag("input", type="text", do="path", value=path, placeholder="Label image, such as atlas.tif", reset=reset,
                       aria_label="Path of a label image"),
            tag("button", "Add", cls="ct-button", do="labels", disabled=image is None), cls="ct-counts-row"),
        tag("ul", listed, cls="ct-counts-regions") if listed else tag("p", f"No {column} on this slice yet.", cls="ct-muted ct-counts-line"),
        tag("div",
            tag("button", "Remove those of this slice", cls="ct-button ct-quiet", do="unregion") if listed else None,
            tag("button", "Take back", cls="ct-button ct-quiet", do="reregion", title=f"Take back: {step}") if step else None,
            cls="ct-counts-row") if listed or step else None,
        cls="ct-counts",
    )  # fmt: skip
