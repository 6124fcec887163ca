"""The markup of the Gate tab."""

from __future__ import annotations

from dataclasses import dataclass

from celltune_nb.panels.instead import question
from celltune_nb.panels.theme import Markup, swatch, tag

__all__ = ["GateRow", "State", "choices", "drawing", "finishing", "listing"]

MODES = {"range": "1 feature", "area": "2 features", "expression": "Expression"}
FEATURES, NAMES = "ct-gate-features", "ct-gate-names"


@dataclass(frozen=True)
class GateRow:
    """A gate in the list."""

    name: str
    color: str
    count: int
    share: float
    sentence: str
    problem: str


@dataclass(frozen=True)
class State:
    """What the panel shows.

    Attributes
    ----------
    mode : str
        ``range``, ``area`` or ``expression``.
    features, cofactors : tuple
        Of x and y.
    within : str
    here : bool
        Whether only the image on the screen is plotted.
    colored : bool
    tool : str
    low, high : str
    text : str
        The expression being edited.
    found : str
        How many cells are inside, in words.
    name, usual_name : str
        What the person calls the gate, and what it is called otherwise.
    drawn : bool
        Whether there is something to keep.
    """

    mode: str
    features: tuple[str, str]
    cofactors: tuple[str, str]
    within: str
    gates: tuple[str, ...]
    here: bool
    colored: bool
    tool: str
    low: str
    high: str
    text: str
    found: str
    name: str
    usual_name: str
    drawn: bool
    locked: str
    fields: int


def choices(features: list[str], names: list[str], key: str) -> Markup:
    """Lists that fields complete from."""
    return tag(
        "div",
        tag("datalist", [tag("option", value=f) for f in features], id=f"{FEATURES}-{key}"),
        tag("datalist", [tag("option", value=f) for f in names], id=f"{NAMES}-{key}"),
    )


def drawing(state: State, key: str) -> Markup:
    """What is gated: the controls above the plot."""
    modes = tag(
        "div",
        [
            tag("button", words, do="mode", what=mode, aria_pressed="true" if state.mode == mode else "false")
            for mode, words in MODES.items()
        ],
        cls="ct-segments", role="group", aria_label="Gate by",
    )  # fmt: skip
    help_ = (
        "Type an expression over gates and categories; the cells are marked on the image."
        if state.mode == "expression"
        else "Choose a feature and drag the limits; the cells inside are marked on the image."
        if state.mode == "range"
        else "Choose two features and draw round the cells; they are marked on the image."
    )
    return tag(
        "section",
        tag("p", help_, cls="ct-muted ct-small"),
        modes,
        None if state.mode == "expression" else _features(state, key),
    )


def _features(state: State, key: str) -> Markup:
    parts = []
    for axis, label in ((0, "Feature" if state.mode == "range" else "Across"), (1, "Up")):
        if axis and state.mode == "range":
            continue
        parts += [
            tag("span", label),
            tag(
                "div",
                tag("input", type="text", value=state.features[axis], do="feature", what=str(axis), reset=str(state.fields),
                    list=f"{FEATURES}-{key}", aria_label=f"{label}: feature", cls="ct-gate-wide", spellcheck="false",
                    title="Type a part of a feature's name: a marker, or Probability"),
                tag("span", "÷", cls="ct-muted", aria_hidden="true"),
                tag("input", type="text", value=state.cofactors[axis], do="cofactor", what=str(axis), reset=str(state.fields),
                    placeholder="plain", cls="ct-gate-cofactor", aria_label=f"{label}: arcsinh cofactor",
                    title="Cofactor of the scale arcsinh(value / cofactor); empty: a plain scale"),
                cls="ct-line",
            ),
        ]  # fmt: skip
    parts += [tag("span", "Within"), tag("div", _within(state), cls="ct-line")]
    return tag("div", parts, cls="ct-fields ct-narrow-names")


def _within(state: State) -> list[Markup]:
    options = [tag("option", "all cells", value="", selected=not state.within)]
    options += [tag("option", name, value=name, selected=name == state.within) for name in state.gates]
    return [
        tag("select", options, do="within", aria_label="Within which gate", cls="ct-grow"),
        tag("label", tag("input", type="checkbox", do="here", checked=state.here), "this image",
            title="Plot the cells of the image on the screen only; the gate is for all"),
    ]  # fmt: skip


def finishing(state: State, key: str) -> Markup:
    """What becomes of what was drawn: the controls below the plot."""
    lines: list[Markup] = []
    if state.mode == "range":
        lines.append(
            tag("div", [
                tag("input", type="text", value=value, do="limit", what=side, reset=str(state.fields), placeholder=words,
                    aria_label=f"{'Lower' if side == 'low' else 'Upper'} limit, number", cls="ct-gate-limit", inputmode="decimal")
                for side, value, words in (("low", state.low, "from: any"), ("high", state.high, "to: any"))
            ], tag("span", state.found, cls="ct-num ct-push", role="status"), cls="ct-line")
        )  # fmt: skip
    elif state.mode == "area":
        tools = [
            tag("button", words, do="tool", what=tool, aria_pressed="true" if state.tool == tool else "false")
            for tool, words in (("rectangle", "Rectangle"), ("lasso", "Lasso"))
        ]
        lines.append(
            tag("div", tag("div", tools, cls="ct-segments", role="group", aria_label="Draw"),
                tag("label", tag("input", type="checkbox", do="colored", checked=state.colored), "colours",
                    title="Colour the cells as on the image"),
                tag("span", state.found, cls="ct-num ct-push", role="status"), cls="ct-line")
        )  # fmt: skip
    else:
        lines.append(
            tag("div",
                tag("input", type="text", value=state.text, do="expression", on="input", reset=str(state.fields), cls="ct-gate-wide",
                    list=f"{NAMES}-{key}", placeholder="CD8 & !(CD4 | FoxP3)", aria_label="Expression", spellcheck="false"),
                cls="ct-line")
        )  # fmt: skip
        lines.append(tag("p", "& and · | or · ! not · ( ) · set:category", tag("span", state.found, cls="ct-num ct-push", role="status"),
                         cls="ct-line ct-muted ct-small"))  # fmt: skip
    lines.append(
        tag("div",
            # with its own reset: an answer to a limit must not take away a name that is being typed
            tag("input", type="text", value=state.name, do="name", then="keep", reset=state.name,
                placeholder=state.usual_name or "Name of the gate", aria_label="Name of the gate", cls="ct-gate-wide"),
            tag("button", "Keep gate", cls="ct-button ct-primary", do="keep", disabled=not state.drawn or bool(state.locked),
                title=state.locked or None),
            tag("button", "Clear", cls="ct-button", do="clear", disabled=not state.drawn),
            cls="ct-line")
    )  # fmt: skip
    return tag("section", lines)


def listing(
    rows: list[GateRow], shown: str | None, chosen: str | None, categories: list[str], locked: str, fields: int,
    removing: bool, asking: str,
) -> Markup:  # fmt: skip
    """The gates, and what can be done with the chosen one."""
    if not rows:
        return tag("section", tag("h3", "Gates"), tag("p", "No gate is kept yet.", cls="ct-muted ct-small"))
    parts: list[Markup] = []
    for row in rows:
        count = "?" if row.problem else f"{row.count:,}"
        parts.append(
            tag("div",
                tag("input", type="color", value=row.color.lower(), do="recolor", what=row.name, aria_label=f"Colour of {row.name}",
                    disabled=bool(locked)),
                tag("button", row.name, cls="ct-link ct-cut", do="show", what=row.name, title=f"{row.sentence}: show on the image"),
                tag("span", count, cls="ct-num", title=row.problem or f"{row.share:.1%} of all cells"),
                tag("button", "▾" if row.name == chosen else "▸", cls="ct-button ct-quiet ct-small-button", do="choose",
                    what=row.name, aria_label=f"More about {row.name}", aria_expanded="true" if row.name == chosen else "false"),
                cls="ct-gate-row ct-gate-shown" if row.name == shown else "ct-gate-row", row=row.name)
        )  # fmt: skip
        if row.name == chosen:
            parts.append(_more(row, categories, locked, fields, removing))
            parts.extend(filter(None, [question(asking)]))
    return tag(
        "section",
        tag("h3", "Gates", tag("span", f"{len(rows)}", cls="ct-aside")),
        tag("div", parts, cls="ct-gates"),
    )


def _more(row: GateRow, categories: list[str], locked: str, fields: int, removing: bool) -> Markup:
    off = bool(locked)
    lines = [
        tag("p", row.problem or row.sentence, cls="ct-small ct-muted"),
        tag("div",
            tag("input", type="text", value=row.name, do="rename", what=row.name, reset=str(fields), aria_label="Rename", disabled=off),
            tag("button", "Draw again", cls="ct-button ct-small-button", do="redraw", what=row.name, disabled=off,
                title="Take it back into the plot"),
            tag("button", "Really remove" if removing else "Remove", cls="ct-button ct-small-button ct-danger", do="remove",
                what=row.name, disabled=off), cls="ct-line"),
    ]  # fmt: skip
    if not row.problem:
        options = [tag("option", "Label as …", value=""), *(tag("option", c, value=c) for c in categories)]
        lines.append(
            tag("div",
                tag("select", options, do="label", what=row.name, reset=str(fields), aria_label="Label the cells as", disabled=off),
                tag("button", "Select cells", cls="ct-button ct-small-button", do="select", what=row.name),
                tag("button", "Review", cls="ct-button ct-small-button", do="review", what=row.name, disabled=off,
                    title="Look at these cells one after the other in the Review tab"), cls="ct-line")
        )  # fmt: skip
    return tag("div", lines, cls="ct-gate-more", row=f"more {row.name}")


def color_name(color: str, name: str) -> Markup:
    """A swatch and a name."""
    return tag("span", swatch(color), " ", name)
