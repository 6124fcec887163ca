"""The top of the dashboard: the button, the three figures, what they speak from and what to keep in mind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from celltune_nb.panels import theme
from celltune_nb.panels.theme import Markup, tag

if TYPE_CHECKING:
    from celltune_nb.learn.evaluation import Evaluation
    from celltune_nb.session.jobs import Job

__all__ = ["FIGURES", "head", "stats", "warnings"]

#: Attribute, title and meaning of the three figures on top.
FIGURES = (
    ("accuracy", "Accuracy", "Share of cells given the right category."),
    ("macro_f1", "Macro F1", "Mean of the categories' F1: a rare category counts as much as a common one."),
    ("log_loss", "Log loss", "How wrong the stated probabilities are; 0 is perfect, lower is better."),
)

_NOTHING = "There is nothing to evaluate yet. Label some cells and train first."
_INVITATION = (
    "How good are the models on cells they have not learned from? Evaluate trains them again on part of the "
    "labels and checks the rest, or asks the audit sample once it has enough labels."
)

_HELP = "How often the models are right on new cells."


def head(evaluation: Evaluation | None, outdated: str, job: Job | None, *, ready: bool) -> Markup:
    """The top of the dashboard.

    Parameters
    ----------
    outdated : str
        Why *evaluation* speaks of a former state, empty when it does not.
    job : Job, optional
        The newest evaluation, running or not.
    ready : bool
        Whether there is a model to evaluate.
    """
    busy = job is not None and not job.finished
    found = evaluation
    line = _running(job) if busy and job is not None else _idle(found is not None, outdated, ready)
    top = tag("p", _HELP, cls="ct-muted ct-small")
    if found is None:
        return tag(
            "div", top, line, tag("p", _INVITATION if ready else _NOTHING, cls="ct-muted"), cls="ct-ev-head"
        )
    kind = "Audit sample" if found.kind == "audit" else "Out of fold"
    # The sentence says what the chip before it says.
    rest = found.split.removeprefix("Out-of-fold predictions, ").removeprefix("Audit sample of ")
    judged, _, spread = rest.partition("; 95 % intervals ")
    about = f"95 % intervals {spread}" if spread else ""
    split = tag("p", tag("span", kind, cls="ct-ev-kind"), f" {judged.rstrip('.')}.", cls="ct-ev-split")
    return tag("div", top, line, stats(found), split, warnings(found.warnings, about), cls="ct-ev-head")


def _running(job: Job) -> list[Markup]:
    text = "stopping" if job.wish else "waits for its turn" if job.state == "queued" else job.progress.text
    return [
        tag("div", tag("button", "Stop", cls="ct-button", do="stop", disabled=job.wish is not None),
            tag("span", text, cls="ct-cut ct-muted", role="status"), cls="ct-line"),
        tag("span", tag("i", style=f"width:{100 * job.progress.fraction:.0f}%"), cls="ct-bar"),
    ]  # fmt: skip


def _idle(done: bool, outdated: str, ready: bool) -> list[Markup]:
    kind = "" if done and not outdated else " ct-primary"
    name = "Evaluate again" if done else "Evaluate"
    text = outdated or ("Up to date." if done else "")
    return [
        tag("div", tag("button", name, cls=f"ct-button{kind}", do="evaluate", disabled=not ready),
            tag("span", text, cls=f"ct-cut {'ct-ev-outdated' if outdated else 'ct-muted'}", role="status"), cls="ct-line"),
        tag("span", cls="ct-bar ct-ev-idle"),
    ]  # fmt: skip


def stats(evaluation: Evaluation) -> Markup:
    """The three figures with their intervals."""
    return tag("div", [
        tag("div", tag("span", title), tag("b", _figure(name, getattr(evaluation, name))),
            tag("small", _between(name, evaluation.interval.get(name))), cls="ct-ev-stat", title=meaning)
        for name, title, meaning in FIGURES
    ], cls="ct-ev-stats")  # fmt: skip


def _figure(name: str, value: float) -> str:
    if not np.isfinite(value):
        return "–"
    return f"{value:.1%}" if name == "accuracy" else f"{value:.2f}"


def _between(name: str, bounds: tuple[float, float] | None) -> str:
    if bounds is None or not np.isfinite(bounds).all():
        return "no interval"
    low, high = (f"{100 * v:.1f}" if name == "accuracy" else f"{v:.2f}" for v in bounds)
    return f"{low} – {high}"


def warnings(texts: Sequence[str], about: str = "") -> Markup:
    """What to keep in mind: the beginning of the first sentence in two lines at most; all of it, the others and what the intervals are of behind a click."""
    if not texts:
        return tag("div", tag("details", tag("summary", "About the intervals"), tag("p", about)) if about else None,
                   cls="ct-ev-notes")  # fmt: skip
    more = f"{len(texts) - 1} more" if len(texts) > 1 else ""
    first = tag(
        "summary",
        tag("span", texts[0], cls="ct-ev-first"),
        tag("span", more, cls="ct-muted") if more else None,
    )
    rest = [theme.note(text, "warning") for text in texts] + ([tag("p", about)] if about else [])
    return tag("div", tag("details", first, rest, cls="ct-ev-warned"), cls="ct-ev-notes")
