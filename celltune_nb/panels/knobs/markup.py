"""What the panel shows, as markup."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from celltune_nb.data.categories import Category
from celltune_nb.panels.theme import Markup, note, stats, swatch, tag

__all__ = ["Preview", "choosing", "deciding", "weighing"]

RULES = {"value": "Value", "precision": "Precision", "recall": "Recall", "count": "Count"}


@dataclass(frozen=True)
class Preview:
    """What a threshold would give.

    Attributes
    ----------
    value : float
    figures : mapping of str to float
        count, prevalence, precision, recall and their limits; NaN where nobody knows.
    """

    value: float
    figures: Mapping[str, float] = field(default_factory=dict)


def _knob(number: int, title: str, hint: str, *content: Markup | None) -> Markup:
    head = tag("h3", f"{number} · {title}")
    return tag("section", head, tag("p", hint, cls="ct-muted ct-knob-hint"), *content, cls="ct-knob")


def choosing(
    categories: Sequence[Category], more: str, count: int, *, ready: bool, where: str, reset: int
) -> Markup:
    """Which cells are offered."""
    buttons = [
        tag("button", "As they come", cls="ct-button", do="more", what="", aria_pressed=_pressed(not more))
    ]
    buttons += [
        tag("button", swatch(c.color), f"More {c.name}", cls="ct-button", do="more", what=c.name, disabled=not ready,
            aria_pressed=_pressed(more == c.name), title=None if ready else "Known once there is a model.")
        for c in categories
    ]  # fmt: skip
    field_ = tag(
        "input",
        type="number",
        do="count",
        value=count,
        min=1,
        max=1000,
        step=1,
        reset=reset,
        aria_label="Cells to offer",
    )
    return _knob(
        1, "Which cells you label", "Offers cells to label; more of the rare class, so that its few cells are found.",
        tag("div", buttons, cls="ct-knob-row"),
        tag("div", field_, tag("button", "Offer these cells", cls="ct-button", do="offer"), tag("span", where, cls="ct-muted"),
            cls="ct-knob-row"),
    )  # fmt: skip


def weighing(
    name: str,
    share: float | None,
    labelled: float,
    trained: float | None,
    *,
    busy: bool,
    level: str,
    reset: int,
) -> Markup:
    """How training weighs the labels.

    Parameters
    ----------
    name : str
        The positive category.
    share : float or None
        What is chosen; None: as labelled.
    labelled : float
        Its share of the labels; NaN before there are any.
    trained : float or None
        What the newest training was asked for.
    level : str
        The marker that is spoken of.
    """
    buttons = [
        tag("button", "As labelled", cls="ct-button", do="balance", what="", aria_pressed=_pressed(share is None)),
        *(
            tag("button", f"{part:.0%} {name}", cls="ct-button", do="balance", what=str(part), aria_pressed=_pressed(share == part))
            for part in (0.25, 0.5)
        ),
    ]  # fmt: skip
    value = labelled if share is None and math.isfinite(labelled) else share if share is not None else 0.5
    slider = tag(
        "label", tag("input", type="range", do="balance", min=0.02, max=0.98, step=0.01, value=f"{value:.2f}", reset=reset,
                     aria_label=f"Share of {name} in training"),
        tag("span", f"{value:.0%}", cls="ct-num ct-knob-value"), cls="ct-knob-slider",
    )  # fmt: skip
    words = f"{labelled:.0%} of the labels are {name}." if math.isfinite(labelled) else "No labels yet."
    if trained is not None:
        words += f" The last training weighed {name} with {trained:.0%}."
    button = tag("button", "Train so", cls="ct-button", do="train", what=level, disabled=busy)
    return _knob(
        2, "How training weighs them", f"More weight on {name} finds more of them and calls more that are not; it takes effect at the next training.",
        tag("div", buttons, cls="ct-knob-row"), slider, tag("div", button, tag("span", words, cls="ct-muted"), cls="ct-knob-row"),
    )  # fmt: skip


def deciding(
    name: str,
    rule: str,
    target: str,
    shown: Preview | None,
    kept: str,
    source: str,
    *,
    judged: bool,
    busy: bool,
    level: str,
    reset: int,
) -> Markup:
    """Where the threshold lies, and what it gives."""
    hint = (
        f"From which probability on a cell counts as {name}; it moves the count at once, without a training."
    )
    title = "Where the threshold lies"
    if shown is None:
        return _knob(3, title, hint, note(source or "Train first: there is nothing to decide yet.", "info"))
    rules = [
        tag("button", words, cls="ct-button", do="rule", what=key, aria_pressed=_pressed(rule == key))
        for key, words in RULES.items()
    ]
    slider = tag(
        "label", tag("input", type="range", do="threshold", min=0.01, max=0.99, step=0.01, value=f"{shown.value:.2f}", reset=reset,
                     aria_label="Threshold"),
        tag("span", f"{shown.value:.3g}", cls="ct-num ct-knob-value"), cls="ct-knob-slider",
    )  # fmt: skip
    unit = {"precision": "%", "recall": "%", "count": "cells"}.get(rule, "")
    wanted = None
    if rule != "value":
        wanted = tag(
            "div", tag("span", f"At least this {rule}" if unit == "%" else f"{name} cells", cls="ct-muted"),
            tag("input", type="number", do="target", value=target, min=1, max=99 if unit == "%" else None, step=1, reset=reset,
                aria_label=f"Target {rule}"), tag("span", unit, cls="ct-muted"), cls="ct-knob-row",
        )  # fmt: skip
    figures = shown.figures
    shares = [
        (
            words,
            _percent(figures.get(key)),
            _limits(figures.get(f"{key}_low"), figures.get(f"{key}_high"), figures.get(key)),
        )
        for key, words in (("precision", "Precision"), ("recall", "Recall"))
    ]
    row = stats(
        [
            (f"{name} cells", f"{figures.get('count', 0):,.0f}", "Cells that reach the threshold"),
            ("of all cells", _percent(figures.get("prevalence"), 1), "Prevalence as called"), *shares,
        ]
    )  # fmt: skip
    limits = " · ".join(f"{words.lower()} {hint}" for words, _, hint in shares if hint)
    buttons = [
        tag("button", "Use this threshold", cls="ct-button ct-primary", do="use", what=level, disabled=busy),
        tag(
            "button",
            "Most probable",
            cls="ct-button",
            do="clear",
            what=level,
            title="No threshold: the most probable category counts.",
        ),
    ]
    if not judged:
        buttons.append(
            tag("button", "Work out precision and recall", cls="ct-button", do="judge", disabled=busy)
        )
    return _knob(
        3, title, hint, tag("div", rules, cls="ct-knob-row"), wanted, slider, row,
        tag("p", limits, cls="ct-muted ct-knob-hint") if limits else None, tag("div", buttons, cls="ct-knob-row"),
        tag("p", tag("b", "Now: "), kept, cls="ct-knob-hint"), tag("p", source, cls="ct-muted ct-knob-hint"),
    )  # fmt: skip


def _pressed(on: bool) -> str:
    return "true" if on else "false"


def _percent(value: float | None, digits: int = 0) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:.{digits}%}"


def _limits(low: float | None, high: float | None, value: float | None) -> str:
    known = [v for v in (low, high, value) if v is not None and math.isfinite(v)]
    return f"{known[0]:.0%} to {known[1]:.0%}" if len(known) == 3 else ""
