"""Ways of choosing what to label, as one round each: functions ``(annotator, n) → None``.

Each uses what the page offers: *Suggested first cells*, a drag, *Next rectangle*, *Most useful cells*,
or a look over the predictions.  Where a strategy needs a model and there is none yet, the cells of the
first round are drawn at random, except where its line in the table says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .annotator import Annotator

__all__ = ["PLACED", "STRATEGIES"]

DRAG = 30  # cells sampled in a rectangle, as the slider of the page is set
RECTANGLE = 25  # cells labelled in a proposed rectangle: as many as its score counts
WINDOW = 100  # cells on screen while predictions are inspected
LOOKS = 30  # times the labels wanted that a round of error mining looks at, at most


def random(annotator: Annotator, n: int) -> None:
    """Cells drawn at random from everywhere."""
    annotator.label(annotator.sample(n, by="random"))


def rectangle(annotator: Annotator, n: int) -> None:
    """Drags at random places: 30 random unlabelled cells of each, labelled at once, exceptions flipped."""
    while n > 0:
        place = annotator.drag(2 * DRAG)
        if place is None:
            return
        image, box = place
        ids = annotator.sample(min(n, DRAG), image=image, rectangle=box, by="random")
        n -= max(1, annotator.label_rectangle(ids)) if len(ids) else 1


def default(annotator: Annotator, n: int) -> None:
    """What the page offers when nothing is chosen."""
    annotator.label(annotator.sample(n))


def proposed(annotator: Annotator, n: int) -> None:
    """Suggested first cells, then the rectangles the models propose, the most useful cells of each."""
    if not annotator.trained:
        annotator.label(annotator.sample(n))
        return
    while n > 0:
        if not np.count_nonzero(annotator.session.labels.codes(annotator.level) == 0):
            return
        found = annotator.session.suggest_rectangle(level=annotator.level, seed=annotator.draw())
        ids = annotator.sample(
            min(n, RECTANGLE), image=found.image, rectangle=found.rectangle, by="quota_margin"
        )
        n -= max(1, annotator.label(ids, source="rectangle")) if len(ids) else 1


def error_mining(annotator: Annotator, n: int) -> None:
    """Look over the predictions in random windows and correct what is wrong."""
    if not annotator.trained:
        annotator.label(annotator.sample(n, by="random"))
        return
    looks, wanted = annotator.looks + LOOKS * n, annotator.labels + n
    while annotator.labels < wanted and annotator.looks < looks:
        place = annotator.drag(WINDOW)
        if place is None:
            return
        ids = annotator.session.items_in(*place)
        free = annotator.session.labels.codes(annotator.level)[annotator.session.positions(ids)] == 0
        annotator.correct(ids[free])


def sampled(by: str, first: str | None = "random") -> Callable[[Annotator, int], None]:
    """A strategy that asks one sampler for its cells.

    Parameters
    ----------
    by : str
        As of :meth:`Session.sample`.
    first : str, optional
        Sampler of the first round; None: what the page offers.
    """

    def strategy(annotator: Annotator, n: int) -> None:
        annotator.label(annotator.sample(n, by=by if annotator.trained else first))

    strategy.__doc__ = f"Cells by {by!r}; the first by {first or 'what the page offers'!r}."
    return strategy


#: Name → one round of it.
STRATEGIES: dict[str, Callable[[Annotator, int], None]] = {
    "default": default,
    "random": random,
    "rectangle": rectangle,
    "proposed": proposed,
    "margin": sampled("margin"),
    "disagreement": sampled("disagreement"),
    "celltune": sampled("celltune"),
    "mistakes": sampled("mistakes"),
    "error_mining": error_mining,
}

#: Strategies that need cells with a place on an image.
PLACED = frozenset(["rectangle", "proposed", "error_mining"])
