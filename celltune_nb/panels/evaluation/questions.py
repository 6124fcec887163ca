"""What the audit panel shows: how far the sample is, and the cell that is asked for."""

from __future__ import annotations

import numpy as np

from celltune_nb.data.categories import UNKNOWN
from celltune_nb.panels import theme
from celltune_nb.panels.theme import Markup, tag
from celltune_nb.session import Session
from celltune_nb.session.evaluating import ENOUGH_AUDITED
from celltune_nb.session.sampling import Audit

__all__ = ["KEYS", "needed", "question", "summary"]

#: Keys that the card answers to, and what each means; the image leaves them alone while the focus is in the card.
KEYS = {
    **dict.fromkeys("123456789", "assign"), "s": "skip", "ArrowRight": "skip", "ArrowLeft": "back",
    "Backspace": "back", "Escape": "pause",
}  # fmt: skip

_PURPOSE = (
    "Cells drawn by chance, labelled without seeing predictions and never trained on: "
    "the fairest judge of the models."
)


def summary(audit: Audit, wanted: int, *, locked: bool) -> Markup:
    """How far the sample is, with buttons ``start`` and ``draw`` and the field ``count``.

    Parameters
    ----------
    wanted : int
        How many cells the field says.
    locked : bool
        Whether one can only look.
    """
    drawn, labelled = len(audit.ids), audit.labelled
    begin = None
    if drawn > labelled:
        begin = tag(
            "button",
            "Continue" if labelled else "Start labelling",
            cls="ct-button",
            do="start",
            disabled=locked,
        )
    draw = tag(
        "button",
        "Draw more" if drawn else "Draw audit sample",
        cls=f"ct-button{' ct-quiet' if begin else ''}",
        do="draw",
        disabled=locked,
    )
    count = tag(
        "input",
        type="number",
        min=1,
        max=5000,
        step=50,
        value=wanted,
        do="count",
        aria_label="Number of cells to draw",
        reset=wanted,
        disabled=locked,
    )
    aside = tag("span", f"{labelled:,} of {drawn:,} labelled" if drawn else "none drawn", cls="ct-aside")
    return tag("div", [
        tag("h3", "Audit sample", aside),
        _progress(labelled, drawn) if drawn else None,
        tag("p", needed(labelled, drawn)),
        tag("p", _PURPOSE, cls="ct-muted ct-small"),
        tag("div", begin, draw, count, tag("span", "cells", cls="ct-muted"), cls="ct-line"),
    ], cls="ct-ev-audit")  # fmt: skip


def question(session: Session, audit: Audit, item: int, label: str, *, returns: bool, focus: bool) -> Markup:
    """The cell that is asked for, with buttons ``assign``, ``back``, ``skip``, ``pause`` and ``here``.

    Parameters
    ----------
    label : str
        What the cell is called so far.
    returns : bool
        Whether there is a cell to go back to.
    focus : bool
        Take the focus, so that keys are heard.
    """
    about = session.describe(item)
    marks = ", ".join(f"{name} {z:+.1f}" for name, z in about.top)
    if np.array_equal(session.selection, [item]):
        hint = tag(
            "span", "Keys: 1–9 name the cell, S skips, ← goes back, Esc pauses.", cls="ct-muted ct-small"
        )
    else:
        hint = tag(
            "span",
            "Another cell is selected.",
            tag("button", "Return", cls="ct-button ct-quiet", do="here"),
            cls="ct-ev-strayed",
        )
    return tag("div", [
        tag("h3", "Blind audit", tag("span", f"{audit.labelled:,} of {len(audit.ids):,} labelled", cls="ct-aside")),
        _progress(audit.labelled, len(audit.ids)),
        tag("div", tag("b", "What is this cell?"),
            tag("span", f"cell {about.cell}{f' in {about.image}' if about.image else ''}", cls="ct-muted ct-cut"),
            cls="ct-ev-ask"),
        tag("p", f"Stands out: {marks}" if marks else "No marker stands out.", cls="ct-muted ct-small"),
        tag("div", [theme.choice(c, chosen=c.name == label) for c in session.categories if c.name != UNKNOWN], cls="ct-ev-choices"),
        tag("div", [
            tag("button", "Back", cls="ct-button", do="back", disabled=not returns),
            tag("button", "Skip", cls="ct-button", do="skip"),
            tag("span", cls="ct-grow"),
            tag("button", "Pause", cls="ct-button", do="pause"),
        ], cls="ct-line"),
        tag("div", hint, cls="ct-line"),
        tag("p", needed(audit.labelled, len(audit.ids)), " Predictions are hidden meanwhile.", cls="ct-muted ct-small"),
    ], cls="ct-ev-audit ct-ev-asking", asked=item, tabindex="-1", focus="" if focus else None,
        data_keys=" ".join(KEYS))  # fmt: skip


def _progress(labelled: int, drawn: int) -> Markup:
    mark = tag(
        "i",
        cls="ct-ev-enough",
        style=f"left:{100 * ENOUGH_AUDITED / drawn:.1f}%",
        title="from here on it speaks",
    )
    return tag("div", tag("span", tag("i", style=f"width:{100 * labelled / drawn:.1f}%"), cls="ct-bar"),
        mark if drawn > ENOUGH_AUDITED else None, cls="ct-ev-progress", role="progressbar", aria_valuemin=0,
        aria_valuemax=drawn, aria_valuenow=labelled, aria_label="Labelled audit cells")  # fmt: skip


def needed(labelled: int, drawn: int) -> str:
    """How far the audit is from speaking, in a sentence."""
    missing = ENOUGH_AUDITED - labelled
    if missing <= 0:
        return f"Evaluate speaks from {labelled:,} audited cells; each further one makes the figures surer."
    if not drawn:
        return f"From {ENOUGH_AUDITED} labelled cells on, the figures speak from the audit sample."
    more = f"{missing} more label{'s' if missing > 1 else ''}, and the figures speak from the audit sample."
    if drawn >= ENOUGH_AUDITED:
        return more
    return f"{more} Draw at least {ENOUGH_AUDITED - drawn} more cells for that."
