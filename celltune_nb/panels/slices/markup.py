"""What the list of slices shows, as markup made from plain values."""

from __future__ import annotations

from dataclasses import dataclass

from ...session.study import NOT_INSPECTED
from ..theme import Markup, swatch, tag

__all__ = ["Row", "State", "page"]

#: Rows on the page; a list of hundreds is looked through by searching.
ROWS = 60
_SHORT = {NOT_INSPECTED: "not seen", "acceptable": "✓ good", "needs work": "✗ work"}


@dataclass(frozen=True)
class Row:
    """A slice.

    Attributes
    ----------
    number : int
        Place of its picture.
    name, group : str
        Empty group: none.
    cells : int
    counts : tuple of (str, str, int)
        Category, colour, labels.
    audited : int
    predicted : int or None
        Cells that count as positive.
    verdict : str
    chosen : bool
        Whether it is of the working set.
    """

    number: int
    name: str
    group: str
    cells: int
    counts: tuple[tuple[str, str, int], ...]
    audited: int
    predicted: int | None
    verdict: str
    chosen: bool


@dataclass(frozen=True)
class State:
    """All that the list speaks of.

    Attributes
    ----------
    rows : tuple of Row
    here : str or None
        The slice looked at.
    positive : str
        Name of the category that is counted.
    search : str
    only : bool
        Whether only the working set is listed.
    whole : bool
        Whether no working set was chosen: all slices are in it.
    locked : str
        Why nothing can be changed; empty when it can.
    waiting : frozenset of str
        Slices whose picture is being prepared.
    level : str
        The marker that counts and verdicts are of.
    reset : int
        Changes when boxes are to be ticked as they are here.
    """

    rows: tuple[Row, ...]
    here: str | None
    positive: str
    search: str = ""
    only: bool = False
    whole: bool = True
    locked: str = ""
    waiting: frozenset[str] = frozenset()
    level: str = ""
    reset: int = 0


def page(state: State) -> Markup:
    """The head, the rows, the labels by animal."""
    inside = [row for row in state.rows if row.chosen]
    count = (
        f"all {len(state.rows):,}" if state.whole else f"{len(inside):,} of {len(state.rows):,} to work on"
    )
    wanted = state.search.casefold()
    listed = [
        row for row in state.rows
        if (row.chosen or not state.only) and (wanted in row.name.casefold() or wanted in row.group.casefold())
    ]  # fmt: skip
    # The slice looked at is always in sight.
    shown = listed[:ROWS] + [row for row in listed[ROWS:] if row.name == state.here]
    return tag(
        "div",
        tag("section", tag("h3", "Slices", tag("span", count, cls="ct-aside ct-num")), _filter(state),
            tag("div", [_row(row, state) for row in shown] or _nothing(state), cls="ct-slices"),
            tag("p", f"and {len(listed) - len(shown):,} more: search for them", cls="ct-muted ct-small")
            if len(listed) > len(shown) else None),
        _groups(state),
        cls="ct-slices-page",
    )  # fmt: skip


def _filter(state: State) -> Markup | None:
    if len(state.rows) < 8 and state.whole:
        return None
    return tag(
        "div",
        tag("input", type="text", do="search", on="input", value=state.search, placeholder="Search slice or animal",
            aria_label="Search slice or animal", cls="ct-grow"),
        None if state.whole else tag(
            "label", tag("input", type="checkbox", do="only", checked=state.only), "set only", cls="ct-small",
            title="List only the slices to work on"),
        cls="ct-line ct-tight",
    )  # fmt: skip


def _nothing(state: State) -> Markup:
    text = "No slice has this name." if state.rows else "No slices yet. Bring them in the Data tab."
    return tag("p", text, cls="ct-muted ct-small")


def _row(row: Row, state: State) -> Markup:
    labels = [
        tag("span", swatch(color), f"{n:,}", cls="ct-slice-count", title=f"{n:,} labelled {name}")
        for name, color, n in row.counts
    ]
    cells = about = f"{row.cells:,} cells"
    if row.predicted is not None:
        cells = f"{row.predicted:,} of {row.cells:,} {state.positive}"
        about += f", {row.predicted:,} of them ({row.predicted / max(row.cells, 1):.1%}) predicted {state.positive}"
    if row.audited:
        about += f"; {row.audited:,} of the labels are the audit's"
    short = f"{row.group} · {cells}" if row.group else cells
    return tag(
        "div",
        _picture(row, row.name in state.waiting),
        tag("div",
            tag("div", tag("button", row.name, cls="ct-link ct-cut ct-grow", do="go", what=row.name),
                tag("input", type="checkbox", do="choose", what=row.name, reset=state.reset, checked=row.chosen, disabled=bool(state.locked),
                    title="Work on this slice: samples and proposed rectangles come from the chosen slices",
                    aria_label=f"Work on {row.name}"), cls="ct-slice-line"),
            tag("div", tag("span", short, cls="ct-cut ct-grow", title=about), cls="ct-slice-line ct-muted"),
            tag("div", labels, tag("span", cls="ct-grow"), _verdict(row, state), cls="ct-slice-line"),
            cls="ct-slice-text"),
        cls=f"ct-slice{' ct-here' if row.name == state.here else ''}", do="go", what=row.name, row=f"slice-{row.number}",
        here=row.name == state.here,
        title=None,
    )  # fmt: skip


def _picture(row: Row, waiting: bool) -> Markup:
    if not waiting:
        return tag("span", cls=f"ct-slice-picture ct-thumb-{row.number}", aria_hidden="true")
    return tag(
        "span", cls=f"ct-slice-picture ct-slice-waiting ct-thumb-{row.number}", role="img", aria_label="Its picture is being prepared",
        title="This file can only be read as a whole: a reduced copy is being made, once",
    )  # fmt: skip


def _verdict(row: Row, state: State) -> Markup:
    kind = {"acceptable": " ct-slice-good", "needs work": " ct-slice-work"}.get(row.verdict, "")
    return tag(
        "select",
        [tag("option", short, value=verdict, selected=verdict == row.verdict) for verdict, short in _SHORT.items()],
        do="verdict", what=f"{state.level}\n{row.name}", cls=f"ct-slice-verdict{kind}", disabled=bool(state.locked),
        title="Your verdict on this slice's predictions", aria_label=f"Verdict on {row.name}",
    )  # fmt: skip


def _groups(state: State) -> Markup | None:
    """Labels of each animal: what a slice list does not add up."""
    groups: dict[str, list[Row]] = {}
    for row in state.rows:
        if row.group:
            groups.setdefault(row.group, []).append(row)
    if len(groups) < 2:
        return None
    names = [(name, color) for name, color, _ in state.rows[0].counts]
    head = [tag("th", swatch(color), cls="ct-num", title=name, aria_label=name) for name, color in names]
    body = []
    for group, rows in groups.items():
        sums = [sum(row.counts[k][2] for row in rows) for k in range(len(names))]
        body.append(
            tag("tr", tag("td", group, cls="ct-cut", title=group),
                [tag("td", f"{n:,}" if n else "·", cls="ct-num" if n else "ct-num ct-muted") for n in sums],
                tag("td", f"{sum(sums):,}", cls="ct-num"))
        )  # fmt: skip
    table = tag(
        "table", tag("thead", tag("tr", tag("th", "Animal"), head, tag("th", "All", cls="ct-num"))), tag("tbody", body),
        cls="ct-table",
    )  # fmt: skip
    return tag("section", tag("h3", "Labels per animal"), tag("div", table, cls="ct-scroll-x"))
