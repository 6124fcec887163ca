"""Why the selected cell got its category: what spoke for it, what against, and the labelled cells most like it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from celltune_nb.data.categories import UNKNOWN_COLOR
from celltune_nb.errors import CellTuneError
from celltune_nb.panels import theme
from celltune_nb.panels.theme import Markup, tag
from celltune_nb.session import Session

from .part import BLIND, OpenItems, Part

if TYPE_CHECKING:
    from celltune_nb.session.explaining import Explanation

__all__ = ["WhyPart"]

#: Markers and features shown.
MARKERS, FEATURES = 6, 8


class WhyPart(Part):
    """The explanation of the one cell that is selected.

    Attributes
    ----------
    found : Explanation or None
    """

    def __init__(self, session: Session, on_open: OpenItems) -> None:
        self._live = theme.Live()
        super().__init__(session, "Why this cell", self._live)
        self.found: Explanation | None = None
        self._on_open = on_open
        self._live.on("go", self.guard(self.go))
        self._working = self.latest(self._work)
        for signal in (
            session.selection_changed, session.populations_changed, session.view_changed, session.labels_changed,
        ):  # fmt: skip
            self.listen(signal, self._again)

    def go(self, item: str) -> None:
        """Go to a labelled cell that is like the selected one."""
        self._on_open(np.array([int(item)], np.int64), "Alike")

    def show(self) -> None:
        """See :class:`Part`."""
        self._working.request()

    def _again(self) -> None:
        if self.unfolded:
            self.show()

    def _work(self) -> None:
        session = self.session
        chosen = session.selection
        self.found = None
        if session.view.blind:
            self._live.html = tag("p", BLIND, cls="ct-muted")
        elif len(chosen) != 1:
            self._live.html = tag(
                "p", "Select one cell, on the image or by opening one, to see why it got its category.", cls="ct-muted"
            )  # fmt: skip
        else:
            try:
                self.found = session.explain(int(chosen[0]))
            except CellTuneError as error:
                self._live.html = tag("p", str(error), cls="ct-muted")
                return
            self._live.html = self._markup(self.found)

    def _markup(self, found: Explanation) -> Markup:
        colors = {c.name: c.color for c in self.session.categories}

        def dot(name: str) -> Markup:
            return tag("i", cls="ct-dot", style=f"background:{colors.get(name, UNKNOWN_COLOR)}")

        other, chance = found.runner_up
        answers = [f"{title}: {name} {p:.0%}" for title, (name, p) in found.answers.items()]
        markers = found.markers.iloc[:MARKERS]
        most = float(markers["contribution"].abs().max() or 1.0)
        bars = [_bar(str(name), float(value), most) for name, value in markers["contribution"].items()]
        features = [
            tag("tr", tag("td", row.words, cls="ct-cut", title=str(name)), tag("td", f"{row.z:+.1f}", cls="ct-num"),
                tag("td", f"{row.contribution:+.2f}", cls="ct-num"))
            for name, row in found.features.iloc[:FEATURES].iterrows()
        ]  # fmt: skip
        near = [
            tag("button", dot(row.category), f"{row.category} ", tag("small", f"{row.distance:.2f}"), cls="ct-button ct-quiet",
                do="go", what=item, title=f"Go to this labelled cell ({row.image}); distance in standard deviations a feature")
            for item, row in found.neighbours.iterrows()
        ]  # fmt: skip
        return tag(
            "div",
            tag("p", dot(found.category), tag("b", f"{found.category} {found.probability:.0%}"), f", then {other} {chance:.0%}",
                cls="ct-ev-words", title="Mean of the models"),
            tag("p", " · ".join(answers), cls="ct-small ct-muted"),
            tag("p", tag("span", "For: ", cls="ct-muted"), found.speaks_for or "nothing in particular", cls="ct-ev-words"),
            tag("p", tag("span", "Against: ", cls="ct-muted"), found.speaks_against, cls="ct-ev-words") if found.speaks_against else None,
            tag("div", bars, cls="ct-ev-markers", title="Contributions by marker, log-odds against the other categories"),
            tag("p", "Labelled cells most like it:", cls="ct-small ct-muted"),
            tag("div", near or "none", cls="ct-ev-near"),
            tag("details", tag("summary", "Features"),
                tag("table", tag("thead", tag("tr", tag("th", "Feature"), tag("th", "z", cls="ct-num", title="Standard deviations from the mean of the labelled cells"),
                    tag("th", "Adds", cls="ct-num"))), tag("tbody", features), cls="ct-table")),
        )  # fmt: skip


def _bar(name: str, value: float, most: float) -> Markup:
    width = 50 * abs(value) / most
    side = f"left:50%;width:{width:.0f}%" if value > 0 else f"left:{50 - width:.0f}%;width:{width:.0f}%"
    return tag(
        "div",
        tag("span", name, cls="ct-cut"),
        tag("span", tag("i", style=side, cls="ct-for" if value > 0 else "ct-against"), cls="ct-ev-track"),
        tag("span", f"{value:+.1f}".replace("-", "−"), cls="ct-num"),
    )
