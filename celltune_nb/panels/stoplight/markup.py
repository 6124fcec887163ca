"""What the panel shows, as markup."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..theme import Markup, note, tag

if TYPE_CHECKING:
    import pandas as pd

    from ...session.jobs import Progress
    from ...session.stoplight import StopLight

__all__ = ["COLUMNS", "State", "page"]

#: Column of the table → its heading, what it is, whether the best is the largest.
COLUMNS = {
    "name": ("Slice", "Press a name to look at it", True),
    "labels": ("Labels", "Labels that models learn from, the audit's beside", True),
    "f1": ("F1", "F1 of its labels by models without its animal; labels of cells in doubt make it look too low", True),
    "expected_f1": ("Expect", "F1 that the models' probabilities promise over all its cells; a little too kind", True),
    "shift": ("Shift", "How unlike the other labelled slices its cells look, in spreads; from 0.7 on take care", False),
}  # fmt: skip
_SIGNS = {"red": "✕", "yellow": "…", "green": "✓"}
_MARKS = {True: ("✓", "holds", "ct-yes"), False: ("✕", "does not hold", "ct-no"), None: ("?", "not known yet", "ct-open")}  # fmt: skip
_LOW, _FAR = 0.1, 0.7
_ROWS = 200
_HIDDEN = {"none"}


@dataclass(frozen=True, eq=False)
class State:
    """What is known.

    Attributes
    ----------
    light : StopLight or None
        None while it is worked out for the first time.
    table : DataFrame or None
        Of :meth:`celltune_nb.Session.judge`.
    by : {"image", "group"}
    grouped : bool
        Whether images have groups.
    sort : str
    down : bool
    progress : Progress or None
        Of the judging, while it is done.
    stopping, locked, trained : bool
    target : float
    whose : str
        Who set it, and when; empty for the usual one.
    here : str
        The image looked at.
    split : str
    """

    light: StopLight | None
    table: pd.DataFrame | None
    by: str
    grouped: bool
    sort: str
    down: bool
    progress: Progress | None
    stopping: bool
    locked: bool
    trained: bool
    target: float
    whose: str
    here: str | None
    level: str = ""
    reset: int = 0


def page(state: State) -> Markup:
    """The whole panel."""
    help_ = tag(
        "p", "Label until this light is green: it says what is missing, and where.", cls="ct-muted ct-small"
    )
    if state.light is None:
        return Markup(help_ + tag("p", "Looking…", cls="ct-muted"))
    parts = [help_, _light(state, state.light), _judging(state), _conditions(state, state.light)]
    parts += [note(text, "warning") for text in state.light.warnings]
    parts.append(_table(state))
    return tag("div", parts, cls="ct-stop")


def _light(state: State, light: StopLight) -> Markup:
    action = light.action
    button = tag(
        "button", action.text, cls="ct-button ct-primary", do="follow", disabled=state.locked or state.progress is not None,
        what=action.text,
    ) if action.verb not in _HIDDEN else tag("p", action.text, cls="ct-small")  # fmt: skip
    return tag(
        "section",
        tag(
            "div",
            tag("span", _SIGNS[light.color], cls=f"ct-stop-lamp ct-stop-{light.color}", aria_hidden="true"),
            tag("div", tag("b", light.word), tag("span", light.why), cls="ct-stop-words", role="status"),
            cls="ct-stop-head",
        ),
        tag("div", button, cls="ct-line"),
        cls=f"ct-stop-light ct-stop-of-{light.color}",
    )


def _judging(state: State) -> Markup | None:
    if state.progress is not None:
        left = state.progress.remaining
        text = state.progress.text + (f", {left:.0f} s left" if left is not None else "")
        return tag(
            "div",
            tag("div", tag("button", "Stop", cls="ct-button", do="stop", disabled=state.stopping),
                tag("span", text or "waits for its turn", cls="ct-cut ct-muted", role="status"), cls="ct-line"),
            tag("span", tag("i", style=f"width:{100 * state.progress.fraction:.0f}%"), cls="ct-bar"),
        )  # fmt: skip
    return None


def _conditions(state: State, light: StopLight) -> Markup:
    target = tag(
        "label", "Target ", tag("input", type="number", min="50", max="99", step="1", value=f"{100 * state.target:.0f}",
                                do="target", what=state.level, reset=f"{state.level} {state.reset}", disabled=state.locked, aria_label="Target of the audit, per cent"), " %", cls="ct-small",
        title="What the audit's lower bound has to reach; " + (state.whose or "the usual one"),
    )  # fmt: skip
    rows = []
    for text, holds, said in zip(*(light.conditions[c] for c in ("text", "holds", "state")), strict=True):
        mark, words, cls = _MARKS[None if holds is None else bool(holds)]
        rows.append(
            tag("li", tag("span", mark, cls=f"ct-stop-mark {cls}", role="img", aria_label=words),
                tag("div", tag("span", text[0].upper() + text[1:]), tag("span", said, cls="ct-muted ct-small")))
        )  # fmt: skip
    return tag(
        "section", tag("h3", "Green asks for", tag("span", target, cls="ct-aside")),
        tag("ul", rows, cls="ct-stop-list"),
    )  # fmt: skip


def _table(state: State) -> Markup:
    again = tag("button", "Judge again" if state.table is not None else "Judge by animal", cls="ct-button", do="judge",
                disabled=not state.trained or state.progress is not None,
                title="Leave each animal out in turn and ask models that know nothing of it")  # fmt: skip
    switch = (
        tag("button", "By animal" if state.by == "image" else "By slice", cls="ct-button", do="by",
            what="group" if state.by == "image" else "image")
        if state.grouped and state.table is not None else None
    )  # fmt: skip
    head = tag("h3", "Slice by slice" if state.by == "image" else "Animal by animal")
    line = tag("div", again, switch, cls="ct-line")
    if state.table is None:
        words = "Nothing is judged since the last training." if state.trained else "Train first."
        return tag("section", head, tag("p", words, cls="ct-muted"), line)
    rows = sorted_rows(state.table, state.sort, state.down)
    mean = state.table["expected_f1"].mean()
    by_name = dict(zip(map(str, state.table.index), state.table.to_dict("records"), strict=True))
    body = [_row(state, name, by_name[name], mean) for name in rows[:_ROWS]]
    more = tag("p", f"and {len(rows) - _ROWS} more: sort to see others", cls="ct-muted ct-small") if len(rows) > _ROWS else None  # fmt: skip
    split = str(state.table.attrs.get("split", ""))
    return tag(
        "section", head, line,
        tag("table", tag("thead", tag("tr", [_head(state, key) for key in COLUMNS])), tag("tbody", body), cls="ct-table ct-stop-table"),
        more, tag("p", split, cls="ct-muted ct-small"),
    )  # fmt: skip


def sorted_rows(table: pd.DataFrame, by: str, down: bool) -> list[str]:
    """Names in the order of a column; what is not known comes last."""
    if by == "name":
        return [str(n) for n in (reversed(list(table.index)) if down else table.index)]
    values = dict(zip(map(str, table.index), table[by].astype(float), strict=True))
    known = sorted((n for n in values if math.isfinite(values[n])), key=lambda n: values[n], reverse=down)
    return [*known, *(n for n in values if n not in known)]


def _head(state: State, key: str) -> Markup:
    title, hint, _ = COLUMNS[key]
    title = "Animal" if key == "name" and state.by == "group" else title
    arrow = (" ↓" if state.down else " ↑") if state.sort == key else ""
    order = ("descending" if state.down else "ascending") if state.sort == key else None
    return tag("th", tag("button", title + arrow, cls="ct-link", do="sort", what=key, title=hint), scope="col",
               cls=None if key == "name" else "ct-num", aria_sort=order)  # fmt: skip


def _row(state: State, name: str, row: dict[Any, Any], mean: float) -> Markup:
    own = f"{int(row['labels'])}" + (f" + {int(row['audited'])}" if row["audited"] else "")
    f1, expected, shift = float(row["f1"]), float(row["expected_f1"]), float(row["shift"])
    limits = f"{float(row['low']):.2f}–{float(row['high']):.2f}; {int(row['judged'])} labels, {int(row['mistakes'])} wrong"
    if row["audited"] and math.isfinite(float(row["audit_f1"])):
        limits += f"; audit {float(row['audit_f1']):.2f} ({float(row['audit_low']):.2f}–{float(row['audit_high']):.2f})"
    trouble = f"most doubt: {row['trouble']}" if row["trouble"] else None
    label = (
        tag("button", name, cls="ct-link ct-cut", do="go", what=name, title=f"Look at {name}")
        if state.by == "image" else tag("span", name, cls="ct-cut")
    )  # fmt: skip
    held = (
        None
        if row["held_out"] or not row["judged"]
        else tag("span", "*", title="Its animal took part: too kind")
    )
    return tag(
        "tr", tag("th", label, scope="row", cls="ct-stop-name"), tag("td", own, cls="ct-num"),
        tag("td", _share(f1), held, cls="ct-num", title=limits if math.isfinite(f1) else "no labels were judged"),
        tag("td", _warned(_share(expected), expected < mean - _LOW, "▼"), cls="ct-num", title=trouble),
        tag("td", _warned("–" if not math.isfinite(shift) else f"{shift:.1f}", shift > _FAR, "▲"), cls="ct-num"),
        cls="ct-here" if name == state.here and state.by == "image" else None,
    )  # fmt: skip


def _share(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "–"


def _warned(text: str, bad: bool, mark: str) -> Markup | str:
    return tag("span", f"{mark} {text}", cls="ct-stop-bad") if bad else text
