"""What a training is told and how far it is, as markup."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...data.categories import UNKNOWN
from ...learn.weights import DEFAULT_WEIGHTS
from ...session import Session
from ...session.runs import Run
from ..theme import Markup, tag
from .listing import MODELS, clock, duration, in_words

__all__ = ["options", "progress"]

_DEVICES = {"auto": "as fits the labels", "cpu": "CPU", "cuda": "GPU"}


def options(session: Session, chosen: Mapping[str, Any], *, busy: bool, reset: int) -> Markup:
    """What a training may be told, folded away.

    Parameters
    ----------
    chosen : mapping
        Options that differ from the default.
    reset : int
        Changes when fields have to show their values again.
    """

    def whole(name: str, placeholder: str, title: str) -> Markup:
        return tag(
            "input", type="number", min=0, do="option", what=name, value=chosen.get(name, ""), disabled=busy,
            placeholder=placeholder, aria_label=title, title=title, reset=reset,
        )  # fmt: skip

    weights = chosen.get("weights", DEFAULT_WEIGHTS)
    excluded = set(chosen.get("exclude_images", ()))
    device = chosen.get("device", "auto")
    counts = session.labels.counts()
    kept = [c for c in session.categories if c.name != UNKNOWN]
    names = ("rounds", "patience", "weights", "device", "exclude_images")
    changed = sum(name in chosen for name in names) + bool(chosen.get("seed"))
    changed += any(c.exclude_from_training for c in kept)
    return tag(
        "details",
        tag("summary", f"Options ({changed} changed)" if changed else "Options"),
        tag(
            "div",
            tag("span", "Rounds"), whole("rounds", "300", "Rounds at most"),
            tag("span", "Patience"), whole("patience", "25", "Rounds without progress before a model is done"),
            tag("span", "Class weights"),
            tag(
                "select",
                tag("option", "eased", value="auto", selected=weights == "auto"),
                tag("option", "square root", value="sqrt", selected=weights == "sqrt"),
                tag("option", "as labelled", value="none", selected=weights == "none"),
                tag("option", "balanced", value="balanced", selected=weights == "balanced"),
                do="option", what="weights", disabled=busy, aria_label="Class weights",
                title="How much a category counts: the square root of its labels (eased: of two categories, less so the more labels "
                "they have), its labels, or all the same",
            ),
            tag("span", "Seed"), whole("seed", "0", "The same labels and seed give the same models"),
            tag("span", "Device"),
            tag(
                "select",
                [tag("option", words, value=name, selected=name == device) for name, words in _DEVICES.items()],
                do="option", what="device", disabled=busy, aria_label="Device",
                title="A GPU is used where there is one and the labels are many; without one the CPU trains, and a note says so",
            ),
            tag("span", "Categories", cls="ct-top", title="Ticked ones are learned; others, such as Ambiguous, are left out"),
            tag(
                "div",
                [
                    tag("label", tag("input", type="checkbox", do="category", what=c.name, checked=not c.exclude_from_training,
                                     disabled=busy or session.read_only),
                        tag("span", c.name, cls="ct-cut"), tag("small", f"{counts.get(c.name, 0):,}", cls="ct-muted"))
                    for c in kept
                ] or tag("span", "none yet", cls="ct-muted"),
                cls="ct-choices",
            ),
            tag("span", "Images left out", cls="ct-top"),
            tag(
                "div",
                [
                    tag("label", tag("input", type="checkbox", do="image", what=name, checked=name in excluded, disabled=busy),
                        tag("span", name, cls="ct-cut"))
                    for name in session.images
                ],
                cls="ct-choices",
            ),
            cls="ct-fields ct-editor",
        ),
    )  # fmt: skip


def progress(session: Session) -> Markup:
    """How far the running training is, or what became of the last."""
    run, busy = session.run, session.busy()
    fraction, words, kind = 0.0, "Not trained yet.", ""
    if busy is not None:
        step = busy.progress
        fraction = step.fraction
        left = f", {duration(step.remaining)} left" if step.remaining is not None else ""
        words = f"{fraction:.0%} · {in_words(step.text)}{left}"
    elif run is not None:
        fraction = 1.0 if run.state in {"done", "stopped"} else 0.0
        took = f" in {duration(run.seconds)}" if run.seconds else ""
        words = {
            "done": f"Trained at {clock(run.started)}{took}{_where(run)}.",
            "stopped": f"Stopped at {clock(run.started)}{took}{_where(run)}; the best models so far are in use.",
            "cancelled": "Cancelled; predictions are as they were.",
        }.get(run.state, "")
        if run.error:
            words, kind = run.error, "ct-note ct-error"
    return tag(
        "div",
        tag(
            "span",
            tag("i", style=f"width:{fraction:.1%}"),
            cls="ct-bar", role="progressbar", aria_label="Training", aria_valuenow=round(100 * fraction),
            aria_valuemin=0, aria_valuemax=100,
        ),
        tag("p", words, cls=f"ct-small ct-muted ct-one-line {kind}".strip()),
    )  # fmt: skip


def _where(run: Run) -> str:
    """Which models a GPU trained; empty where none did, and the notes say why when one was asked for."""
    on = [MODELS.get(name, name) for name, device in run.about.get("devices", {}).items() if device == "cuda"]
    if not on:
        return ""
    return " on the GPU" if len(on) == len(run.model_names) else f", {' and '.join(on)} on the GPU"
