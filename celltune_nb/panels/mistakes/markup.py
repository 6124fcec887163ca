"""What the page of likely mistakes shows, as markup made from plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...data.categories import Category
from ...learn.mistakes import KINDS
from ..theme import Markup, choice, tag

__all__ = ["KEYS", "Cell", "State", "page"]

#: Keys → verbs of the panel; digits give the category of their key.
KEYS = {
    **dict.fromkeys("123456789", "assign"), "y": "right", "Enter": "right", "ArrowRight": "forward", "ArrowLeft": "back",
    "n": "forward", "ctrl+ArrowRight": "forward", "ctrl+ArrowLeft": "back", "u": "undo", "ctrl+z": "undo", "ctrl+y": "redo", "r": "redo",
}  # fmt: skip
_SHORT = {
    "weak signal": "weak",
    "strong signal": "strong",
    "background": "background",
    "borderline": "borderline",
}
_WHAT = {
    "weak signal": "The signal is too weak to be sure", "strong signal": "As strong as in most {on} cells, not called {on}",
    "background": "Called {on}, stands out from its surroundings no more than other cells", "borderline": "The models can hardly decide",
}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """A suspicious cell.

    Attributes
    ----------
    item : int
    image, predicted, reason, kind : str
    answer : str
        What it was called since; ``"right"``: left as it is; empty: no answer yet.
    color : str
        Of the prediction.
    answered : str
        Colour of the answer.
    """

    item: int
    image: str
    predicted: str
    reason: str
    kind: str
    answer: str
    color: str
    answered: str


@dataclass(frozen=True)
class State:
    """All that the page speaks of.

    Attributes
    ----------
    cells : sequence of Cell
    at : int
        Place of the cell that is asked for; -1: none.
    kind : str
        The only kind that is listed; empty: all.
    here : bool
        Whether only the slice looked at is listed.
    categories : sequence of Category
    counts : mapping of str to int
        Cells of each kind on the sheet.
    trouble : str
        Why there is nothing to show.
    locked : str
        Why nothing can be changed; empty when it can.
    channel : str or None
    channels : sequence of str
    positive : str
        Name of the category that is counted.
    sheet : int
        Number of the sheet.
    level : str
        The marker.
    """

    cells: Sequence[Cell]
    at: int
    kind: str
    here: bool
    categories: Sequence[Category]
    counts: Mapping[str, int]
    trouble: str
    locked: str
    channel: str | None
    channels: Sequence[str]
    positive: str
    sheet: int = 0
    level: str = ""


def page(state: State) -> tuple[Markup, Markup]:
    """What stands above the pictures of the cell that is asked for, and what below."""
    help_ = tag(
        "p", "The predictions most likely to be wrong; a key says what the cell is, y that the prediction is right.",
        cls="ct-muted ct-small",
    )  # fmt: skip
    above = tag("div", help_, _choosing(state), _asked(state), cls="ct-mistakes")
    return above, tag("div", _answers(state), _sheet(state), _more(state), cls="ct-mistakes")


def _choosing(state: State) -> Markup:
    kinds = [tag("option", f"All kinds ({sum(state.counts.values())})", value="", selected=not state.kind)]
    kinds += [
        tag("option", f"{kind[:1].upper()}{kind[1:]}" + (f" ({state.counts[kind]})" if state.counts.get(kind) else ""), value=kind,
            selected=kind == state.kind, title=_WHAT[kind].format(on=state.positive))
        for kind in KINDS
    ]  # fmt: skip
    marker = None
    if state.channel is None and state.channels:
        marker = tag(
            "div", tag("span", "Marker in", cls="ct-muted"),
            tag("select", tag("option", "choose the channel…", value="", selected=True),
                [tag("option", name, value=name) for name in state.channels], do="channel", what=state.level, cls="ct-grow",
                aria_label="Channel of the marker", disabled=bool(state.locked),
                title="Brightness in the marker tells where the models are sure and wrong"),
            cls="ct-line ct-tight",
        )  # fmt: skip
    return tag(
        "section",
        tag("div",
            tag("select", kinds, do="kind", aria_label="Kind of mistake", cls="ct-grow"),
            tag("label", tag("input", type="checkbox", do="here", checked=state.here), "this slice", cls="ct-small",
                title="Only cells of the slice looked at"),
            tag("button", "Look again", cls="ct-button ct-small-button", do="again", title="The 50 most suspicious cells as of now"),
            cls="ct-line ct-tight"),
        marker,
    )  # fmt: skip


def _asked(state: State) -> Markup:
    if state.trouble or not 0 <= state.at < len(state.cells):
        return tag(
            "p",
            state.trouble
            or "No suspicious cell is left here. Look at another kind or slice, or train again.",
        )
    cell = state.cells[state.at]
    return tag(
        "div", tag("div", tag("b", f"{state.at + 1} of {len(state.cells)}"), tag("span", cell.image, cls="ct-muted ct-cut ct-grow"),
                   tag("span", cell.kind, cls="ct-muted", title=_WHAT[cell.kind].format(on=state.positive)), cls="ct-line ct-tight"),
        tag("p", cell.reason, cls="ct-two-lines", aria_live="polite"), asked=cell.item,
    )  # fmt: skip


def _answers(state: State) -> Markup | None:
    if not 0 <= state.at < len(state.cells):
        return None
    cell, locked = state.cells[state.at], bool(state.locked)
    buttons = [choice(c, chosen=c.name == cell.answer, locked=locked) for c in state.categories]
    right = tag("button", "Right as it is", tag("span", "y", cls="ct-key"), cls="ct-button", do="right", disabled=locked,
                aria_pressed="true" if cell.answer == "right" else None,
                title="Note that you looked; the cell gets no label and does not come again until the next training")  # fmt: skip
    return tag("div", buttons, right, cls="ct-mistakes-answers")


def _sheet(state: State) -> Markup | None:
    if not state.cells:
        return None
    tiles = []
    for i, cell in enumerate(state.cells):
        mark = "✓" if cell.answer == "right" else "●" if cell.answer else None
        said = f"; answered: {cell.answer}" if cell.answer else ""
        tiles.append(
            tag("button", tag("span", mark, cls="ct-mistake-mark", style=f"color:{cell.answered}" if cell.answered else None)
                if mark else None,
                cls=f"ct-mistake ct-sheet{state.sheet}-{i}{' ct-answered' if mark else ''}", do="go", what=cell.item, row=f"m{cell.item}",
                style=f"border-color:{cell.color}", aria_pressed="true" if i == state.at else None,
                aria_label=f"Cell {i + 1}: {cell.reason}{said}", title=f"{cell.image}\n{cell.reason}{said}")
        )  # fmt: skip
    left = sum(not cell.answer for cell in state.cells)
    answered = len(state.cells) - left
    return tag(
        "section",
        tag("h3", "Contact sheet", tag("span", f"{answered} of {len(state.cells)} answered", cls="ct-aside ct-num")),
        tag("div", tiles, cls="ct-mistakes-sheet"),
        tag("div",
            tag("button", f"The other {left} are right" if answered else f"All {left} are right", cls="ct-button", do="rest", what=state.sheet,
                disabled=bool(state.locked) or not left, title="Note that you looked at them; then the next 50 come"),
            tag("button", "Next 50", cls="ct-button", do="again", disabled=bool(left), title="The most suspicious cells as of now"),
            cls="ct-line ct-tight"),
    )  # fmt: skip


def _more(state: State) -> Markup:
    return tag(
        "section", tag("h3", "Labels that look wrong"),
        tag("div",
            tag("button", "Review them", cls="ct-button", do="errors", disabled=bool(state.locked),
                title="Labels that models contradict which have not learned from them; nothing is changed by itself"),
            tag("span", "your own labels, judged by models that never saw them", cls="ct-muted ct-small"), cls="ct-line ct-tight"),
    )  # fmt: skip
