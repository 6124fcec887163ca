"""What the features panel shows, as markup made from plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..theme import Markup, note, tag

if TYPE_CHECKING:
    from ...session.feature_looks import FeatureLook

__all__ = ["MEASURED", "Row", "State", "page"]

#: Features in the list; a search finds the others.
LISTED = 60
#: What can be measured or left out: option → words.
MEASURED = {
    "morphology": "Shape: area, axes, eccentricity, solidity",
    "rings": "Rings: 2 µm inside, 4 µm around, 20 µm surroundings",
    "neighbours": "Neighbours within 4 µm",
    "texture": "Texture (Haralick; slower)",
    "per_image": "Per image: brightness against the cells of the same image",
}
#: Size of the histogram, px.
WIDTH, HEIGHT = 320, 72


@dataclass(frozen=True)
class Row:
    """A feature of the list."""

    name: str
    words: str
    used: bool
    suspicious: bool


@dataclass(frozen=True)
class State:
    """All that the page speaks of.

    Attributes
    ----------
    groups : sequence of (name, used, members)
    own : set of str
        Groups that a person made.
    rows : sequence of Row
        Features that are found.
    total, used : int
    group, search : str
        What the list shows: a group ("" for all), and names with this in them.
    look : FeatureLook or None
    channel : str or None
        Of the feature that is looked at, where it can have a scale.
    kept : float or None
        The scale that is stored for it.
    here : str or None
        The image looked at; *only_here*: the histogram is of it alone.
    options : dict of str to bool
    busy, words, fraction, remaining
        Of a measuring.
    fields : int
        Changes when text fields take their values from here again.
    """

    groups: Sequence[tuple[str, int, int]]
    own: frozenset[str]
    rows: Sequence[Row]
    total: int
    used: int
    group: str
    search: str
    look: FeatureLook | None
    channel: str | None
    kept: float | None
    here: str | None
    only_here: bool
    options: dict[str, bool] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    notes: Sequence[str] = ()
    busy: bool = False
    words: str = ""
    fraction: float = 0.0
    locked: str = ""
    images: int = 0
    fields: int = 0


def page(state: State) -> Markup:
    """Measuring, groups, the list, one feature."""
    return tag(
        "div",
        _measuring(state),
        _groups(state) if state.total else None,
        _listing(state) if state.total else None,
        _look(state) if state.look is not None else None,
        cls="ct-features",
    )


def _measuring(state: State) -> Markup:
    off = bool(state.locked) or state.busy or not state.images
    options = [
        tag("label", tag("input", type="checkbox", do="option", what=name, checked=state.options.get(name, False), disabled=off),
            words, cls="ct-small")
        for name, words in MEASURED.items()
    ]  # fmt: skip
    bar = tag(
        "span", tag("i", style=f"width:{state.fraction:.1%}"), cls="ct-bar", role="progressbar", aria_label="Measuring",
        aria_valuenow=round(100 * state.fraction), aria_valuemin=0, aria_valuemax=100,
    )  # fmt: skip
    return tag(
        "section",
        tag("h3", "Features", tag("span", f"{state.used:,} of {state.total:,} learned from", cls="ct-aside ct-num")
            if state.total else None),
        tag("p", state.locked or "Measure the cells, then choose which features models learn from.", cls="ct-muted ct-small"),
        tag("details", tag("summary", "What to measure"), tag("div", options, cls="ct-feature-options"), open=not state.total),
        tag(
            "div",
            tag("button", "Measure", do="measure", disabled=off, cls=f"ct-button ct-grow{'' if state.total else ' ct-primary'}",
                title="Images that are measured with these options already are passed over"),
            tag("button", "Stop", do="stop", disabled=not state.busy, cls="ct-button",
                title="What is measured stays; the next Measure goes on there"),
            cls="ct-line",
        ),
        bar if state.busy else None,
        tag("p", state.words, cls="ct-small ct-muted", aria_live="polite") if state.words else None,
        [note(text, "warning") for text in state.warnings],
        [note(text, "info") for text in state.notes],
    )  # fmt: skip


def _groups(state: State) -> Markup:
    off = bool(state.locked)
    rows = []
    for name, used, members in state.groups:
        part = "all" if used == members else f"{used} of {members}" if used else "none"
        rows.append(
            tag(
                "div",
                tag("input", type="checkbox", do="group", what=name, checked=used == members, disabled=off,
                    aria_label=f"Learn from {name}", title="Learn from all of the group, or from none"),
                tag("button", name, do="show", what=name, cls="ct-link ct-cut ct-grow",
                    aria_pressed="true" if name == state.group else "false", title=f"List the features of {name}"),
                tag("span", part, cls="ct-muted ct-small ct-num"),
                tag("button", "Only", do="only", what=name, cls="ct-button ct-quiet ct-small-button", disabled=off,
                    title=f"Learn from {name} and nothing else"),
                tag("button", "Remove", do="ungroup", what=name, cls="ct-button ct-quiet ct-small-button", disabled=off,
                    title="Remove the group; its features stay") if name in state.own else None,
                cls=f"ct-line ct-tight{' ct-here' if name == state.group else ''}", row=f"group-{name}",
            )
        )  # fmt: skip
    return tag(
        "section",
        tag("h3", "Groups"),
        rows,
        tag(
            "div",
            tag("input", type="text", do="save_group", on="enter", reset=state.fields, maxlength=80, cls="ct-grow", disabled=off,
                placeholder="Keep what is learned from as a group", aria_label="Name of a new group"),
            cls="ct-line",
        ),
    )  # fmt: skip


def _listing(state: State) -> Markup:
    shown = state.rows[:LISTED]
    rows = [
        tag(
            "div",
            tag("input", type="checkbox", do="feature", what=row.name, checked=row.used, disabled=bool(state.locked),
                aria_label=f"Learn from {row.name}"),
            tag("button", row.name, do="look", what=row.name, cls="ct-link ct-cut ct-grow", title=row.words),
            tag("span", "suspicious", cls="ct-warning ct-small",
                title="It looks like an identifier, a position or an answer") if row.suspicious else None,
            cls=f"ct-line ct-tight{' ct-here' if state.look is not None and row.name == state.look.name else ''}",
            row=f"feature-{row.name}",
        )
        for row in shown
    ]  # fmt: skip
    rest = len(state.rows) - len(shown)
    return tag(
        "section",
        tag("h3", state.group or "All features", tag("span", f"{len(state.rows):,}", cls="ct-aside ct-num")),
        tag(
            "div",
            tag("input", type="search", value=state.search, do="search", on="input", cls="ct-grow", placeholder="Search: CD8, mean…",
                aria_label="Search the features"),
            tag("button", "All", do="show", what="", cls="ct-button ct-small-button", disabled=not state.group,
                title="List the features of all groups"),
            cls="ct-line",
        ),
        tag("div", rows, cls="ct-feature-list"),
        tag("p", f"and {rest:,} more; search for them", cls="ct-muted ct-small") if rest > 0 else None,
        tag("p", "No feature has this in its name.", cls="ct-muted ct-small") if not shown else None,
    )  # fmt: skip


def _look(state: State) -> Markup:
    look = state.look
    assert look is not None
    scale = tag("p", "Only intensities of a channel have a scale.", cls="ct-muted ct-small")
    if state.channel is not None:
        now = look.cofactor
        scale = tag(
            "div",
            tag("span", f"arcsinh({state.channel} / cofactor)", cls="ct-cut", title="Of all intensities of the channel"),
            tag("input", type="number", min=0, step="any", value="" if now is None else f"{now:g}", do="cofactor",
                reset=f"{state.fields} {look.name}", placeholder="none", aria_label="Cofactor",
                title="What the intensity is divided by; empty or 0 for none"),
            tag("button", f"Try {look.suggested:g}", do="try", cls="ct-button ct-small-button",
                title="The median: half of the cells lie where the scale is nearly straight"),
            tag("button", "Keep", do="keep", cls="ct-button ct-small-button ct-primary",
                disabled=bool(state.locked) or now == state.kept, title="For learning, clusters and display"),
            cls="ct-line ct-wrap",
        )  # fmt: skip
    said = (
        "no scale is kept"
        if state.kept is None
        else f"kept: cofactor {state.kept:g} (CellTune's factor {1 / state.kept:g})"
    )
    return tag(
        "section",
        tag("h3", look.name, cls="ct-as-written"),
        tag(
            "label",
            tag("input", type="checkbox", do="here", checked=state.only_here, disabled=state.here is None),
            f"only {state.here}" if state.here else "only the image looked at",
            cls="ct-small",
        ),
        _histogram(look),
        tag("p", _words(look), cls="ct-small ct-muted"),
        scale,
        tag("p", said, cls="ct-small ct-muted") if state.channel is not None else None,
    )


def _histogram(look: FeatureLook) -> Markup:
    highest = max(int(look.counts.max()), 1)
    width = WIDTH / len(look.counts)
    bars = "".join(
        f"M{i * width:.1f} {HEIGHT}V{HEIGHT - HEIGHT * n / highest:.1f}h{width * 0.92:.1f}V{HEIGHT}Z"
        for i, n in enumerate(look.counts.tolist())
        if n
    )
    ticks = np.linspace(look.edges[0], look.edges[-1], 3)
    return tag(
        "div",
        tag("svg", tag("path", d=bars), viewBox=f"0 0 {WIDTH} {HEIGHT}", preserveAspectRatio="none", role="img",
            aria_label=f"Histogram of {look.name}", cls="ct-histogram"),
        tag("div", [tag("span", _tick(value, look.cofactor)) for value in ticks], cls="ct-axis ct-num ct-small ct-muted"),
    )  # fmt: skip


def _tick(value: float, cofactor: float | None) -> str:
    """A place on the axis, as the value that was measured there."""
    return _number(float(np.sinh(value) * cofactor if cofactor else value))


def _number(value: float) -> str:
    return f"{value:,.0f}" if 100 <= abs(value) < 1e7 else f"{value:.3g}"


def _words(look: FeatureLook) -> str:
    if not look.n:
        return "No cell has a value."
    gone = f", {look.missing:,} without a value" if look.missing else ""
    unit = f" {look.unit}" if look.unit else ""
    return f"{look.n:,} cells{gone}; {_number(look.low)} to {_number(look.high)}{unit}, median {_number(look.median)}"
