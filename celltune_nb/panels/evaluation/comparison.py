"""The first two models of the newest training against each other, as a matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celltune_nb.errors import NotReadyError
from celltune_nb.panels.theme import Markup, tag
from celltune_nb.session import Session
from celltune_nb.session.agreeing import Comparison

from .matrix import content

__all__ = ["ONE_MODEL", "compare", "shown", "words"]

ONE_MODEL = "There is one model only. Train two, and this shows where they agree."


def compare(session: Session) -> Comparison | None:
    """The first two models of the active level's newest training; None when there are not two."""
    try:
        return session.agreement()
    except NotReadyError:
        return None


def shown(found: Comparison, colors: Mapping[str, str]) -> dict[str, Any]:
    """What a matrix shows of it."""
    one, two = found.names
    return content(
        found.table, colors, row_title=one, column_title=two, notes=("agree %", "agree %"), total=f"{found.rate:.0%}",
        label=f"Agreement of the two models: rows are {one}, columns {two}",
        sentence=lambda a, b, figures:
            f"Both say {a}: {figures}" if a == b else f"{one} says {a}, {two} {b}: {figures}",
    )  # fmt: skip


def words(found: Comparison | None) -> Markup:
    """How often they agree, how far CellTune's rule is met, and the images where they agree least."""
    if found is None:
        return tag("p", ONE_MODEL, cls="ct-ev-words")
    images = found.by_image.sort_values("agreement")
    rows = [
        tag("tr", tag("td", str(name), cls="ct-cut"), tag("td", f"{row['agreement']:.1%}", cls="ct-num"),
            tag("td", f"{row['cells']:,.0f}", cls="ct-num"))
        for name, row in images.iloc[:20].iterrows()
    ]  # fmt: skip
    head = tag("tr", tag("th", "Image"), tag("th", "Agree", cls="ct-num"), tag("th", "Cells", cls="ct-num"))
    return Markup(
        tag("p", found.sentence, cls="ct-ev-words")
        + tag("p", found.hint, cls="ct-small ct-muted")
        + (
            tag("details", tag("summary", f"By image, from {images['agreement'].iloc[0]:.0%} to {images['agreement'].iloc[-1]:.0%}"),
                tag("table", tag("thead", head), tag("tbody", rows), cls="ct-table"))
            if len(images) > 1 else ""
        )
    )  # fmt: skip
