"""Populations: what colours the cells, how strongly, and how many there are of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..data.categories import UNKNOWN
from ..data.populations import PopulationSet
from ..errors import InputError
from ..session import Session
from ..session.events import PopulationsChanged, ViewChanged
from .panel import Panel
from .theme import Live, Markup, swatch, tag

__all__ = ["PopulationsPanel"]

_STYLES = {"fill": "Fill", "border": "Border", "both": "Both"}
#: Categories listed before the rest is folded away: Pred_ALL may have hundreds of pairs.
LISTED = 24

_WORDS = {
    "labels": "Labels", "Pred_AVG": "Pred_AVG: mean", "Pred_ALL": "Pred_ALL: A or A/B",
    "Round_diff": "Round_diff: changes", "Pred_MDL1": "Pred_MDL1: first",
    "Pred_MDL2": "Pred_MDL2: second",
}  # fmt: skip


class PopulationsPanel(Panel):
    """Choose what colours the cells; show, hide and count the categories.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._counts: list[tuple[str, str, int]] = []
        self._total = 0
        self._outside = ""
        self._live = Live()
        verbs: dict[str, Callable[..., Any]] = {
            "color_by": self._color_by, "opacity": self._set_opacity, "style": self.set_style, "show": self._set_shown,
            "only": self.show_only, "all": self.show_all,
        }  # fmt: skip
        self.hear(self._live, verbs)
        self.widget = self._live
        self._counting = self.latest(
            self._count, session.labels_changed, session.categories_changed, session.items_changed,
        )  # fmt: skip
        self.listen(session.view_changed, self._view_changed)
        self.listen(session.populations_changed, self._populations_changed)
        self._counting.request()

    # ------------------------------------------------------------------ verbs

    def names(self) -> list[str]:
        """Population sets on offer: no predictions while the audit is labelled blind."""
        names = self.session.populations.names()
        if self.session.view.blind:
            return [n for n in names if n.rpartition("/")[2] == "labels"]
        # the active level's well-known sets first, in the order in which they are mostly wanted
        first = [n for n in _WORDS if n in names]
        return first + [n for n in names if n not in first]

    def color_by(self, name: str | None) -> None:
        """Colour the cells by a population set, or not at all (None)."""
        if name is not None and name not in self.names():
            raise InputError(
                "Predictions are out of sight while cells are judged blind."
                if self.session.view.blind
                else f"There is no population set {name!r}."
            )
        self.session.set_view(color_by=name, hidden=frozenset())

    def set_opacity(self, opacity: float) -> None:
        """How strongly the cells are filled, 0 to 1."""
        self.session.set_view(opacity=min(max(float(opacity), 0.0), 1.0))

    def set_style(self, style: str) -> None:
        """``fill``, ``border`` or ``both``."""
        if style not in _STYLES:
            raise InputError(f"Cells are drawn as {', '.join(_STYLES)}, not {style!r}.")
        self.session.set_view(style=style)

    def set_shown(self, category: str, shown: bool) -> None:
        """Show or hide the cells of a category."""
        hidden = set(self.session.view.hidden)
        (hidden.discard if shown else hidden.add)(category)
        self.session.set_view(hidden=frozenset(hidden))

    def show_only(self, category: str) -> None:
        """Hide all categories but one; when it is the only one already, show all again."""
        others = frozenset(name for name, _, _ in self._counts) - {category}
        self.session.set_view(hidden=frozenset() if others <= self.session.view.hidden else others)

    def show_all(self) -> None:
        """Show every category."""
        self.session.set_view(hidden=frozenset())

    # ------------------------------------------------------------------ from the browser

    def _color_by(self, _what: str, name: Any) -> None:
        self.color_by(str(name) or None)

    def _set_opacity(self, _what: str, percent: Any) -> None:
        self.set_opacity(float(percent) / 100)

    def _set_shown(self, category: str, shown: Any) -> None:
        self.set_shown(category, bool(shown))

    # ------------------------------------------------------------------ from the session

    def _view_changed(self, event: ViewChanged) -> None:
        if event.fields & {"color_by", "blind"}:
            self._counting.request()
        elif event.fields & {"opacity", "style", "hidden"}:
            self._show()

    def _populations_changed(self, _event: PopulationsChanged) -> None:
        self._counting.request()

    def _shown_set(self) -> PopulationSet | None:
        name = self.session.view.color_by
        return self.session.populations[name] if name is not None and name in self.names() else None

    def _count(self) -> None:
        found = self._shown_set()
        self._counts, self._total, self._outside = [], 0, ""
        if found is not None:
            colors = {c.name: c.color for c in found.categories}
            rows = [(name, colors[name], n) for name, n in found.tally().items()]
            self._total = sum(n for _, _, n in rows)
            region = self.session.regions.of(found.level)
            if region is not None and not found.kind:
                beyond = int((~self.session.regions.inside(found.level)).sum())
                self._outside = f"{beyond:,} cells are outside: the level is held {region.sentence}."
            named = [r for r in rows if r[0] != UNKNOWN]
            if found.name in {"Pred_ALL", "Round_diff"}:
                # pairs: those that occur, the commonest first
                named = sorted((r for r in named if r[2]), key=lambda r: -r[2])
            self._counts = [
                *named,
                *(r for r in rows if r[0] == UNKNOWN and (r[2] or found.name == "labels")),
            ]
        self._show()

    # ------------------------------------------------------------------ what is shown

    def _show(self) -> None:
        with self.showing:
            self._live.html = tag("section", tag("h3", "Populations"), self._controls(), self._list())

    def _controls(self) -> Markup:
        view = self.session.view
        names = self.names()
        chosen = view.color_by if view.color_by in names else None
        options = [tag("option", "Nothing", value="", selected=chosen is None)]
        options += [tag("option", _WORDS.get(n, n), value=n, selected=n == chosen) for n in names]
        percent = round(100 * view.opacity)
        return tag(
            "div",
            tag("span", "Colour by"),
            tag("select", options, do="color_by", aria_label="Colour cells by", title=_WORDS.get(chosen or "", chosen)),
            tag("span", "Draw"),
            tag(
                "div",
                tag("div", [
                    tag("button", words, do="style", what=name, aria_pressed="true" if view.style == name else "false")
                    for name, words in _STYLES.items()
                ], cls="ct-segments", role="group", aria_label="Draw cells as"),
                cls="ct-flex",
            ),
            tag("span", "Opacity"),
            tag(
                "div",
                tag("input", type="range", min=0, max=100, value=percent, do="opacity", unit=" %", aria_label="Opacity"),
                tag("output", f"{percent} %", cls="ct-num ct-output"),
                cls="ct-line",
            ),
            tag("p", "Predictions are out of sight while cells are judged blind.", cls="ct-muted ct-small ct-wide") if view.blind else None,
            cls="ct-fields ct-narrow-names",
        )  # fmt: skip

    def _list(self) -> Markup:
        hidden = self.session.view.hidden
        if not self._counts:
            return tag("p", "The cells are not coloured.", cls="ct-muted")
        # Unlabelled cells outnumber the rest by far; a bar of theirs would leave nothing of the others.
        most = max((n for name, _, n in self._counts if name != UNKNOWN), default=0)
        rows = [
            self._row(name, color, n, n / most if most and name != UNKNOWN else None, name not in hidden)
            for name, color, n in self._counts
        ]
        rest = rows[LISTED:]
        any_hidden = any(name in hidden for name, _, _ in self._counts)
        return tag(
            "div",
            tag("div", rows[:LISTED], cls="ct-pops"),
            tag("details", tag("summary", f"{len(rest)} more"), tag("div", rest, cls="ct-pops")) if rest else None,
            tag(
                "div",
                tag("button", "Show all", cls="ct-button ct-quiet ct-small-button", do="all", disabled=not any_hidden),
                tag("span", "Total", cls="ct-muted ct-push"),
                tag("b", f"{self._total:,}", cls="ct-num"),
                cls="ct-line",
            ),
            tag("p", self._outside, cls="ct-muted ct-small") if self._outside else None,
        )  # fmt: skip

    @staticmethod
    def _row(name: str, color: str, n: int, share: float | None, shown: bool) -> Markup:
        bar = None if share is None else tag("i", style=f"width:{share:.1%};background:{color}")
        return tag(
            "div",
            tag("input", type="checkbox", do="show", what=name, checked=shown, aria_label=f"Show {name}"),
            swatch(color),
            tag("button", name, cls="ct-link ct-cut", do="only", what=name, title=f"{name}: show only these, or all again"),
            tag("span", bar, cls="ct-bar" if bar else None),
            tag("span", f"{n:,}", cls="ct-num"),
            cls="ct-pop" if shown else "ct-pop ct-off", row=name,
        )  # fmt: skip
