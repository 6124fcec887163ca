"""What the guide shows, as markup made from plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...session.guide import Task
from ...session.study import ImageSuggestion
from ..theme import Markup, note, tag

__all__ = ["OPENS", "State", "page"]

#: Where each step is done: the tab that its button opens; None: in the guide itself.
OPENS = {
    "first": "Label", "spread": "Label", "train": "Train", "mistakes": "Mistakes", "again": "Train", "audit": "Evaluate",
}  # fmt: skip


@dataclass(frozen=True)
class State:
    """All that the guide speaks of.

    Attributes
    ----------
    level : str
    levels : dict
        Name of each marker → how many labels it has.
    positive : str
        Name of the category that is counted.
    rule : str
    tasks : sequence of Task
    nudges : sequence of str
    suggestion : ImageSuggestion or None
    count : int
        Slices to suggest.
    working : sequence of str
    locked : str
        Why nothing can be changed; empty when it can.
    fields : int
        Changes when text fields are to take their values from here again.
    tabs : sequence of str
        Tabs that can be opened.
    """

    level: str
    levels: dict[str, int]
    positive: str
    rule: str
    tasks: Sequence[Task]
    nudges: Sequence[str]
    suggestion: ImageSuggestion | None
    count: int
    working: Sequence[str]
    locked: str
    fields: int
    tabs: Sequence[str]


def page(state: State) -> Markup:
    """Rule, slices to work on, nudges, steps, markers: what a step asks for stays in its place."""
    return tag(
        "div",
        tag("p", "Step by step to a classifier you can trust; each step ticks itself.", cls="ct-muted ct-small"),
        _rule(state), _slices(state), [note(text, "warning") for text in state.nudges[:3]], _steps(state), _markers(state),
        cls="ct-guide",
    )  # fmt: skip


def _rule(state: State) -> Markup:
    marker = f"{state.level} " if len(state.levels) > 1 else ""
    return tag(
        "section",
        tag("h3", f"When is a cell {marker}{state.positive}?"),
        tag("textarea", state.rule, do="rule", what=state.level, reset=f"{state.level} {state.fields}", rows=2, maxlength=20000,
            disabled=bool(state.locked), aria_label="The rule",
            placeholder=f"Write the rule down: for example, {state.positive} when the nucleus is clearly brighter than the tissue around it, at the contrast shown."),
    )  # fmt: skip


def _steps(state: State) -> Markup:
    first = next((task.key for task in state.tasks if not task.done), None)
    done = sum(task.done for task in state.tasks)
    return tag(
        "section",
        tag("h3", "Steps", tag("span", f"{done} of {len(state.tasks)} done", cls="ct-aside ct-num")),
        tag("ol", [_step(task, state, task.key == first) for task in state.tasks]),
    )


def _step(task: Task, state: State, here: bool) -> Markup:
    place = OPENS.get(task.key)
    button = None
    if task.key == "set" and not task.done:
        button = tag(
            "button",
            "Suggest",
            cls="ct-button ct-small-button",
            do="suggest",
            title="Slices that span animals and looks",
        )
    elif place in state.tabs and not task.done:
        button = tag(
            "button", place, cls="ct-button ct-small-button", do="open", what=place, title=f"Open {place}"
        )
    return tag(
        "li",
        tag("span", "✓" if task.done else "○", cls="ct-tick", aria_label="done" if task.done else "to do", role="img"),
        tag("div", tag("b", task.text), tag("p", task.state, cls="ct-muted ct-small ct-num-free"),
            tag("p", task.why, cls="ct-small") if here else None),
        button,
        cls=f"ct-guide-step{' ct-done' if task.done else ''}{' ct-next' if here else ''}", row=task.key, title=task.why,
    )  # fmt: skip


def _slices(state: State) -> Markup:
    found = state.suggestion
    shown = None
    if found is not None:
        shown = tag(
            "div",
            tag("p", found.sentence, cls="ct-small"),
            tag("dl", [(tag("dt", name, cls="ct-cut", title=name), tag("dd", found.reasons[name], cls="ct-muted", title=found.reasons[name])) for name in found.images],
                cls="ct-guide-reasons"),
            tag("div", tag("button", "Work on these", cls="ct-button ct-primary", do="use", disabled=bool(state.locked)),
                tag("button", "No", cls="ct-button ct-quiet", do="dismiss"), cls="ct-line ct-tight"),
        )  # fmt: skip
    working = (
        "Samples come from all slices."
        if not state.working
        else f"Samples come from {len(state.working)} slices; tick others in the list."
    )
    return tag(
        "section", tag("h3", "Slices to work on"), tag("p", working, cls="ct-small"),
        tag("div",
            tag("button", "Suggest", cls="ct-button", do="suggest", title="Slices that span animals and the ways in which slices look"),
            tag("input", type="number", min=2, max=12, value=state.count, do="count", aria_label="How many", reset=state.fields),
            tag("span", "slices that span animals and looks", cls="ct-muted ct-small ct-cut ct-grow"),
            tag("button", "All", cls="ct-button ct-small-button", do="all", disabled=bool(state.locked),
                title="Sample from every slice again") if state.working else None,
            cls="ct-line ct-tight"),
        shown, row="slices",
    )  # fmt: skip


def _markers(state: State) -> Markup:
    return tag(
        "section", tag("h3", "Markers"),
        tag("ul", [_marker(state, name, labels) for name, labels in state.levels.items()], cls="ct-guide-markers"),
        tag("div",
            tag("input", type="text", do="marker", on="enter", reset=state.fields, maxlength=80, cls="ct-grow", disabled=bool(state.locked),
                placeholder="Add a marker: name, then Enter", aria_label="Name of a new marker",
                title="A further question about the same cells, with ON and OFF of its own"),
            cls="ct-line"),
    )  # fmt: skip


def _marker(state: State, name: str, labels: int) -> Markup:
    here = name == state.level
    return tag(
        "li",
        tag("input", type="text", value=name, do="rename", what=name, reset=state.fields, maxlength=80, cls="ct-grow", disabled=bool(state.locked),
            aria_label=f"Name of marker {name}", title="Write another name here; all that belongs to the marker goes along"),
        tag("span", f"{labels:,} label{'s' if labels != 1 else ''}", cls="ct-muted ct-small ct-num-free"),
        tag("span", "shown", cls="ct-small") if here
        else tag("button", "Show", cls="ct-button ct-small-button", do="marker_shown", what=name, title=f"Work on {name}"),
        tag("button", "Remove", cls="ct-button ct-small-button ct-quiet", do="marker_removed", what=name,
            aria_label=f"Remove marker {name}", title="Only while nothing is labelled in it; u brings it back",
            disabled=bool(state.locked)) if len(state.levels) > 1 else None,
        row=f"marker-{name}", cls="ct-here" if here else None,
    )  # fmt: skip
