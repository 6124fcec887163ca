"""What the labelling panel shows, as markup made from plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...data.categories import UNKNOWN, Category
from ..theme import Markup, swatch, tag

if TYPE_CHECKING:
    from ...session.describing import LabelTable
    from .walk import Steps

__all__ = ["State", "image_table", "page"]

#: Rows of the table of images; the rest is counted in one line.
ROWS = 24
#: Of more cells on offer the number is told, not each.
SQUARES = 120


@dataclass(frozen=True)
class State:
    """All that the page speaks of.

    Attributes
    ----------
    categories : tuple of Category
        Without *Unknown*.
    counts : mapping of str to int
        Labels of each category.
    active : str or None
    editing : int or None
        Code of the category whose editor is open.
    fields : int
        Changes when the text fields are to take their values from here again.
    count : int
        Cells in a sample.
    trained : bool
        Whether there are predictions to choose by.
    rectangle : bool
    reason : str
        Why the cells on offer were chosen.
    locked : str
        Why nothing can be changed; empty when it can.
    selected : int
    selection : str
    undo, redo : str or None
    brush : bool or None
        None: not on offer.
    merge_into : int or None
        Code of the category into which the one being edited would be merged.
    parts : mapping of int to tuple of str
        Code of a category → the names of those that were merged into it.
    steps : Steps or None
        How far the cells on offer are gone through.
    """

    categories: tuple[Category, ...]
    counts: Mapping[str, int]
    active: str | None
    editing: int | None
    fields: int
    count: int
    trained: bool
    rectangle: bool
    reason: str
    locked: str
    selected: int
    selection: str
    undo: str | None
    redo: str | None
    brush: bool | None
    merge_into: int | None
    parts: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    steps: Steps | None = None


def page(state: State) -> Markup:
    """Choosing cells, the selection, the categories."""
    return tag("div", _choosing(state), _selection(state), _categories(state), cls="ct-labelling")


def _choosing(state: State) -> Markup:
    reason = state.reason or (
        "Sample random unlabelled cells inside the rectangle."
        if state.rectangle
        else "Drag a rectangle over cells of one kind, sample in it, and label the sample with one key."
    )
    return tag(
        "section",
        tag("p", "Select cells on the image, and say what they are; each label is a step that undo takes back.", cls="ct-muted ct-small"),
        tag("h3", "Choose cells"),
        tag(
            "div",
            tag("input", type="number", min=1, max=1000, value=state.count, do="count", reset=state.fields,
                aria_label="Cells in a sample", title="How many cells a sample has"),
            tag("button", "Sample in rectangle", do="sample",
                cls=f"ct-button ct-grow{' ct-primary' if state.rectangle else ''}",
                title="Select random unlabelled cells inside the rectangle (key s)"),
            cls="ct-line",
        ),
        tag(
            "div",
            tag("button", "Most useful cells" if state.trained else "Suggested first cells", do="useful",
                cls="ct-button ct-grow",
                title="One by one, the cells about which the models are least sure (key m)" if state.trained
                else "One by one, cells spread over the different kinds there are (key m)"),
            tag("button", "Next rectangle", cls="ct-button ct-grow", do="next",
                title="Go to the place where labels would help most; with models, select the most useful cells of it (key n)"),
            cls="ct-line",
        ),
        tag("p", reason, cls="ct-muted ct-small ct-two-lines", aria_live="polite"),
        None if state.steps is None else _walker(state, state.steps),
    )  # fmt: skip


def _walker(state: State, steps: Steps) -> Markup:
    """Where among the cells on offer one is, with buttons to move."""
    n, at = len(steps.codes), steps.at
    colors = {c.code: c.color for c in state.categories}
    names = {0: "not labelled"} | {c.code: c.name for c in state.categories}
    squares = [
        tag("button", cls="ct-here" if i == at else "ct-skipped" if i in steps.skipped else None, do="walk", what=i,
            style=f"background:{colors[code]}" if code in colors else None, tabindex="-1", aria_label=f"Cell {i + 1}",
            title=f"{i + 1:,}: {'skipped' if i in steps.skipped else names.get(code, '')}")
        for i, code in enumerate(steps.codes)
    ]  # fmt: skip
    return tag(
        "div",
        tag(
            "div",
            tag("b", steps.words, cls="ct-nowrap ct-num", role="status"),
            tag("span", f"{steps.labelled:,} labelled", cls="ct-muted ct-grow ct-cut ct-num"),
            tag("button", "End", cls="ct-button ct-quiet ct-small-button", do="walk", what="end",
                title="Leave the other cells; labels stay"),
            cls="ct-line",
        ),
        tag("div", squares, cls="ct-squares") if n <= SQUARES else None,
        tag(
            "div",
            tag("button", "Back", cls="ct-button ct-small-button", do="walk", what="back", disabled=at == 0,
                title="The cell before (Ctrl+←)"),
            tag("button", "Next", cls="ct-button ct-small-button", do="walk", what="forward", disabled=at == n - 1,
                title="The cell after (Ctrl+→)"),
            tag("button", "Skip", tag("span", "S", cls="ct-key"), cls="ct-button ct-small-button", do="walk", what="skip",
                title="Leave it without a label and go on (key s)"),
            tag("button", "To this cell", tag("span", "M", cls="ct-key"), do="walk", what="here",
                cls="ct-button ct-small-button ct-primary ct-push", title="Something else is selected: return (key m)")
            if steps.strayed else None,
            cls="ct-line ct-tight",
        ),
        cls="ct-walk", asked=steps.item,
    )  # fmt: skip


def _selection(state: State) -> Markup:
    locked = bool(state.locked)
    brush = None
    if state.brush is not None:
        brush = tag(
            "label",
            tag("input", type="checkbox", do="brush", checked=state.brush),
            tag("span", f"Click an exception to make it {state.active}", cls="ct-cut"),
            cls="ct-small ct-muted",
            title="Among the cells labelled last, each click labels that cell, without a key",
        )
    return tag(
        "section",
        tag("h3", "Selection"),
        tag("p", state.locked or state.selection, cls="ct-two-lines", aria_live="polite"),
        tag(
            "div",
            tag("button", "Undo", cls="ct-button ct-small-button", do="undo", disabled=locked or not state.undo,
                title=f"Take back: {state.undo} (key u)" if state.undo else "Nothing to take back"),
            tag("button", "Redo", cls="ct-button ct-small-button", do="redo", disabled=locked or not state.redo,
                title=f"Do again: {state.redo} (key r)" if state.redo else "Nothing to do again"),
            tag("button", "Remove label", cls="ct-button ct-small-button ct-push", do="clear",
                disabled=locked or not state.selected, title="Back to Unknown (key 0)"),
            cls="ct-line ct-tight",
        ),
        tag("div", brush, cls="ct-one-line"),
    )  # fmt: skip


def _categories(state: State) -> Markup:
    rows: list[Markup] = []
    for category in state.categories:
        rows.append(_row(state, category))
        if category.code == state.editing:
            rows.append(_editor(state, category))
    total = sum(n for name, n in state.counts.items() if name != UNKNOWN)
    return tag(
        "section",
        tag("h3", "Categories", tag("span", f"{total:,} labelled", cls="ct-aside ct-num")),
        tag("div", rows, cls="ct-cats"),
        tag(
            "div",
            tag("input", type="text", do="add", on="enter", reset=state.fields, maxlength=80, cls="ct-grow",
                placeholder="Add a category: name, then Enter", aria_label="Name of a new category"),
            cls="ct-line",
        ),
    )  # fmt: skip


def _row(state: State, category: Category) -> Markup:
    active, open_ = category.name == state.active, category.code == state.editing
    key = f" (key {category.key})" if category.key else ""
    return tag(
        "div",
        tag(
            "button",
            swatch(category.color),
            tag("span", category.key or "", cls="ct-key"),
            tag("span", category.name, cls="ct-cut ct-grow"),
            tag("span", "not trained", cls="ct-muted ct-small") if category.exclude_from_training else None,
            tag("span", f"{state.counts.get(category.name, 0):,}", cls="ct-num"),
            cls="ct-cat-main", do="assign", what=category.code, aria_pressed="true" if active else "false",
            title=f"Label the selected cells {category.name}{key}",
        ),
        tag("button", "Close" if open_ else "Edit", cls="ct-button ct-quiet ct-small-button ct-cat-edit", do="edit",
            what=category.code, aria_label=f"Edit {category.name}", aria_expanded="true" if open_ else "false"),
        cls=f"ct-cat{' ct-here' if active else ''}", row=category.code,
    )  # fmt: skip


def _editor(state: State, category: Category) -> Markup:
    code, others = category.code, [c for c in state.categories if c is not category]
    taken = {c.key for c in others}
    keys = [tag("option", "none", value="", selected=category.key is None)] + [
        tag("option", f"{k} (moves here)" if k in taken else k, value=k, selected=category.key == k)
        for k in "123456789"
    ]
    targets = [tag("option", "choose…", value="", selected=state.merge_into is None)] + [
        tag("option", c.name, value=c.code, selected=c.code == state.merge_into) for c in others
    ]
    return tag(
        "div",
        tag("span", "Name"),
        tag("input", type="text", value=category.name, do="rename", what=code, reset=state.fields, maxlength=80,
            aria_label="Name", focus=True),
        tag("span", "Colour"),
        tag("input", type="color", value=category.color.lower(), do="recolor", what=code, aria_label="Colour"),
        tag("span", "Key"),
        tag("select", keys, do="set_key", what=code, aria_label="Key"),
        tag("span", "Training"),
        tag("label", tag("input", type="checkbox", do="exclude", what=code, checked=category.exclude_from_training),
            "Keep out of training"),
        tag("span", "Merge into"),
        tag("div",
            tag("select", targets, do="merge_into", what=code, disabled=not others, aria_label="Merge into", cls="ct-grow"),
            tag("button", "Merge", cls="ct-button ct-small-button", do="merge", what=code,
                disabled=state.merge_into is None, title="Its labels move; Take out, or undo, brings it back"),
            cls="ct-line"),
        [
            (tag("span", "Merged in"),
             tag("div", tag("span", name, cls="ct-cut ct-grow"),
                 tag("button", "Take out", cls="ct-button ct-small-button", do="unmerge", what=name,
                     title=f"{name} is a category again, with what was labelled so and not otherwise since"),
                 cls="ct-line"))
            for name in state.parts.get(code, ())
        ],
        tag("span", "Delete"),
        tag("div", tag("button", "Delete category", cls="ct-button ct-small-button ct-danger", do="delete", what=code,
                       title="Its labels go back to Unknown; undo brings them back"), cls="ct-line"),
        cls="ct-fields ct-editor", row=f"edit-{code}",
    )  # fmt: skip


def image_table(labels: LabelTable, colors: Mapping[str, str], here: str | None) -> Markup:
    """Labels per image and category.

    Parameters
    ----------
    labels : LabelTable
        Counted by image.
    colors : mapping of str to str
        Category name → ``"#RRGGBB"``.
    here : str or None
        The image looked at.
    """
    title = tag("h3", "Labels per image")
    if not labels.rows:
        return tag(
            "section",
            title,
            tag("p", "No image yet. Bring one in Data, or with session.add_image().", cls="ct-muted"),
        )
    totals = labels.counts.sum(axis=1).tolist()
    # Images with labels and the one looked at come before those where nothing is to be read.
    rows = sorted(range(len(totals)), key=lambda i: (labels.rows[i] != here, not totals[i], i))
    shown = [(labels.rows[i], labels.counts[i].tolist(), totals[i]) for i in sorted(rows[:ROWS])]
    rest = len(totals) - len(shown)
    head = [
        tag("th", swatch(colors.get(name, "#AAAAAA")), cls="ct-num", title=name, aria_label=name)
        for name in labels.columns
    ]
    body = [
        tag(
            "tr",
            tag("td", tag("button", name, cls="ct-link ct-cut", do="go", what=name)),
            tag("td", f"{total:,}", cls="ct-num"),  # before the categories, which may go on out of sight
            [tag("td", f"{n:,}" if n else "·", cls="ct-num" if n else "ct-num ct-muted") for n in counts],
            do="go", what=name, cls="ct-here" if name == here else None, title=f"Look at {name}",
        )
        for name, counts, total in shown
    ]  # fmt: skip
    table = tag(
        "table",
        tag("thead", tag("tr", tag("th", "Image"), tag("th", "All", cls="ct-num"), head)),
        tag("tbody", body),
        cls="ct-table",
    )
    more = tag("p", f"and {rest:,} more image{'s' if rest != 1 else ''}", cls="ct-muted ct-small")
    return tag("section", title, tag("div", table, cls="ct-scroll-x"), more if rest else None)
