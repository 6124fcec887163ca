"""What changed category since the training before, as a list whose rows open the cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celltune_nb.data.categories import UNKNOWN_COLOR
from celltune_nb.errors import NotReadyError
from celltune_nb.panels import theme
from celltune_nb.panels.theme import Markup, tag
from celltune_nb.session import Session

from .part import BLIND, OpenItems, Part

if TYPE_CHECKING:
    from celltune_nb.session.rounds import RoundDiff

__all__ = ["RoundsPart"]

#: Changes listed.
LISTED = 12


class RoundsPart(Part):
    """The newest training beside the one before.

    Attributes
    ----------
    diff : RoundDiff or None
    """

    def __init__(self, session: Session, on_open: OpenItems) -> None:
        self._live = theme.Live()
        super().__init__(session, "What changed since the training before", self._live)
        self.diff: RoundDiff | None = None
        self._on_open = on_open
        self._live.on("pick", self.guard(self.pick))
        self._live.on("image", self.guard(self.show_on_image))
        self._live.on("all", self.guard(self.pick_all))
        self._working = self.latest(self._work)
        for signal in (session.populations_changed, session.categories_changed, session.view_changed):
            self.listen(signal, self._again)

    def pick(self, place: str) -> None:
        """Select the cells of one row of the list and go to the first."""
        if self.diff is not None:
            row = self.diff.table.iloc[int(place)]
            self._on_open(self.diff.items(row["from"], row["to"]), f"{row['from']} → {row['to']}")

    def pick_all(self) -> None:
        """Select all cells that changed and go to the first."""
        if self.diff is not None:
            self._on_open(self.diff.ids, "Changed since the training before")

    def show_on_image(self) -> None:
        """Colour the image by what changed."""
        self.session.set_view(color_by="Round_diff")

    def show(self) -> None:
        """See :class:`Part`."""
        self._working.request()

    def _again(self) -> None:
        if self.unfolded:
            self.show()

    def _work(self) -> None:
        session = self.session
        if session.view.blind:
            self.diff, self._live.html = None, tag("p", BLIND, cls="ct-muted")
            return
        try:
            self.diff = session.round_diff()
        except NotReadyError as error:
            self.diff, self._live.html = None, tag("p", str(error), cls="ct-muted")
            return
        self._live.html = self._markup(self.diff)

    def _markup(self, diff: RoundDiff) -> Markup:
        colors = {c.name: c.color for c in self.session.categories}

        def named(name: str) -> Markup:
            return tag("td", tag("i", cls="ct-dot", style=f"background:{colors.get(name, UNKNOWN_COLOR)}"), name, cls="ct-cut")  # fmt: skip

        rows = [
            tag("tr", named(str(row[0])), named(str(row[1])), tag("td", f"{row[2]:,}", cls="ct-num"),
                do="pick", what=i, tabindex=0, title="Show these cells")
            for i, row in enumerate(diff.table.iloc[:LISTED].itertuples(index=False))
        ]  # fmt: skip
        rest = len(diff.table) - LISTED
        here = "Round_diff" in self.session.populations and self.session.view.color_by == "Round_diff"
        head = tag(
            "tr", [tag("th", t, scope="col") for t in ("From", "To")], tag("th", "Cells", cls="ct-num")
        )
        return tag(
            "div",
            tag("p", diff.sentence, f" Kappa {diff.kappa:.3f}." if diff.n else "", cls="ct-ev-words"),
            tag("table", tag("thead", head), tag("tbody", rows), cls="ct-table ct-ev-changes") if rows else None,
            tag("p", f"{rest} rarer changes are not listed.", cls="ct-small ct-muted") if rest > 0 else None,
            tag(
                "div",
                tag("button", "All changed", cls="ct-button", do="all", disabled=not rows, title="Go through all cells that changed"),
                tag("button", "Colour the image by it", cls="ct-button", do="image", disabled=here or not rows),
                cls="ct-line",
            ),
        )  # fmt: skip
