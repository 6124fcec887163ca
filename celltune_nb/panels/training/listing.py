"""The trainings so far and the legend of their curves, as markup made from plain values."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ...session.runs import Run
from .. import theme
from ..theme import Markup, tag
from .curves import METRICS

__all__ = ["MODELS", "clock", "duration", "in_words", "legend", "listing"]

#: Models on offer, as ``session.train`` calls them, and in words.
MODELS = {"xgboost": "XGBoost", "catboost": "CatBoost", "lightgbm": "LightGBM"}
#: Trainings listed.
LISTED = 6

_STATES = {
    "queued": "waiting", "running": "running", "done": "done", "stopped": "stopped", "cancelled": "cancelled",
    "failed": "failed",
}  # fmt: skip


def listing(runs: Sequence[Run], shown: Run | None) -> Markup:
    """The trainings, newest first, and what the one shown has to say."""
    notes = [theme.note(text, "info") for text in (shown.notes if shown is not None else [])]
    split = tag("p", shown.split, cls="ct-muted ct-small") if shown is not None and shown.split else None
    recent = list(runs)[-LISTED:][::-1]
    rows = [
        tag(
            "tr",
            tag("td", tag("button", clock(run.started), cls="ct-link ct-num", do="run", what=run.id)),
            tag("td", f"{run.about.get('labels', 0):,}" if run.about.get("labels") else "–", cls="ct-num"),
            tag("td", " · ".join(MODELS.get(m, m) for m in run.model_names), cls="ct-cut"),
            tag("td", _outcome(run), cls="ct-num"),
            do="run", what=run.id, cls="ct-here" if run is shown else None, title=run.error or "Show its curves",
        )
        for run in recent
    ]  # fmt: skip
    head = tag(
        "tr",
        tag("th", "Time"), tag("th", "Labels", cls="ct-num"), tag("th", "Models"),
        tag("th", "Held-out F1*", cls="ct-num", title="Macro-F1 on the labels held out while training"),
    )  # fmt: skip
    return tag(
        "section",
        split,
        notes or None,
        tag("h3", "Trainings"),
        tag(
            "div",
            tag("table", tag("thead", head), tag("tbody", rows), cls="ct-table"),
            cls="ct-scroll-x",
        )
        if rows
        else tag("p", "None yet.", cls="ct-muted"),
        tag(
            "p",
            "* macro-F1 on labels held out while training. They chose the number of rounds, so it flatters; "
            "Evaluate says how good the models are.",
            cls="ct-muted ct-small",
        )
        if rows
        else None,
    )


def legend(models: Sequence[str], metric: str) -> Markup:
    """The heading of the curves: what they show, and which is which."""
    switch = tag(
        "div",
        [
            tag("button", words, do="metric", what=name, aria_pressed="true" if name == metric else "false")
            for name, words in METRICS.items()
        ],
        cls="ct-segments", role="group", aria_label="Curve",
    )  # fmt: skip
    keys = [
        tag("span", tag("i", style=f"background:{color}"), MODELS.get(model, model), cls="ct-legend-key")
        for model, color in zip(models, theme.SERIES, strict=False)
    ]
    return tag(
        "div",
        tag("div", tag("h3", "Curves"), tag("span", switch, cls="ct-push"), cls="ct-line"),
        tag(
            "div",
            keys,
            tag("span", tag("i", cls="ct-solid"), "held out", cls="ct-legend-key ct-muted ct-push"),
            tag("span", tag("i", cls="ct-dashed"), "learned", cls="ct-legend-key ct-muted"),
            cls="ct-line ct-small ct-legend",
        ),
    )


def _outcome(run: Run) -> str:
    """Macro-F1 of each model while training, or why there is none."""
    scores = " · ".join(f"{m['macro_f1']:.2f}" for m in run.metrics.values() if "macro_f1" in m)
    if run.state == "done":
        return scores or "–"
    return f"{scores} {_STATES.get(run.state, run.state)}".strip()


def in_words(text: str) -> str:
    """With the models called as people call them."""
    for kind, name in MODELS.items():
        text = text.replace(kind, name)
    return text


def duration(seconds: float) -> str:
    """Seconds or minutes, as precise as is of use."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min"


def clock(started: float) -> str:
    """Local time of day; the date too when it was another day."""
    then, now = time.localtime(started), time.localtime()
    return time.strftime("%H:%M:%S" if then[:3] == now[:3] else "%d %b %H:%M", then)
