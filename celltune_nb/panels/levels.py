"""Levels: which category set is being labelled, new ones, and to which cells of its parent a level is held."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..data.categories import UNKNOWN
from ..session import Session
from .panel import Panel
from .theme import Live, Markup, tag

__all__ = ["LevelsPanel"]

_BY = {
    "either": "label, else prediction",
    "labels": "label only",
    "predictions": "prediction only",
}


class LevelsPanel(Panel):
    """Choose the level, add one, and hold it to categories of a parent.

    One line while it is folded; the rest unfolds.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    parent : str
        The parent chosen in the form; ``""``: none.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.parent = ""
        self._by = "either"
        self._ticked: set[str] = set()
        self._editing: str | None = None
        self._open = False
        self._name = ""
        self._fields = 0
        self._live = Live()
        verbs: dict[str, Callable[..., Any]] = {
            "level": lambda _, name: self.choose(str(name)), "new": self.begin, "edit": self.edit, "close": self.fold,
            "name": self._set_name, "parent": self._set_parent, "only": self._tick, "by": self._set_by, "save": self.save,
            "free": self.free,
        }  # fmt: skip
        self.hear(self._live, verbs)
        self.widget = self._live
        self._message.layout.display = "none"
        self._showing = self.latest(
            self._show, session.categories_changed, session.labels_changed, session.populations_changed,
            session.items_changed, session.access_changed,
        )  # fmt: skip
        self._show()

    def say(self, text: str, kind: Any = "info") -> None:
        """Put a sentence below; an empty one takes the line away."""
        super().say(text, kind)
        self._message.layout.display = None if text else "none"

    # ------------------------------------------------------------------ verbs

    def choose(self, name: str) -> None:
        """Make another level the active one."""
        self.session.level = name
        self.fold()

    def begin(self) -> None:
        """Open the form of a new level."""
        self._editing, self._name, self.parent = None, "", self.session.level
        self._ticked, self._by, self._open = set(), "either", True
        self._fields += 1
        self._show()

    def edit(self) -> None:
        """Open the form of the active level: to which cells it is held."""
        session = self.session
        region, level = session.levels.region(), session.levels[session.level]
        others = [name for name in session.levels.names if name != level.name]
        self._editing, self._name = level.name, level.name
        self.parent = (region.parent if region else level.parent) or (others[0] if others else "")
        self._ticked = set(region.within) if region else set()
        self._by, self._open = region.by if region else "either", True
        self._fields += 1
        self._show()

    def fold(self) -> None:
        """Close the form."""
        self._open, self._editing = False, None
        self._show()

    def save(self) -> None:
        """Add the level of the form, or hold the active one to what is ticked."""
        session = self.session
        order = [c.name for c in self._categories()]
        within = [name for name in order if name in self._ticked] or None
        if self._editing is None:
            made = session.levels.add(self._name, self.parent or None, within=within, by=self._by)
            session.level = made.name
            self.fold()
            self.say(f"Level {made.name} added, and chosen. Add its categories below.", "good")
        else:
            session.levels.constrain(self._editing, within, parent=self.parent or None, by=self._by)
            self.fold()

    def free(self) -> None:
        """Let the active level hold for all cells."""
        self.session.levels.constrain(self.session.level)
        self.fold()

    # ------------------------------------------------------------------ from the browser

    def _set_name(self, _what: str, name: Any) -> None:
        self._name = str(name).strip()

    def _set_parent(self, _what: str, name: Any) -> None:
        self.parent, self._ticked = str(name), set()
        self._show()

    def _tick(self, name: str, on: Any) -> None:
        (self._ticked.add if on else self._ticked.discard)(name)
        self._show()

    def _set_by(self, _what: str, by: Any) -> None:
        self._by = str(by)
        self._show()

    # ------------------------------------------------------------------ what is shown

    def _categories(self) -> list[Any]:
        levels = self.session.levels
        return (
            [c for c in levels[self.parent].categories if c.name != UNKNOWN] if self.parent in levels else []
        )

    def _show(self) -> None:
        with self.showing:
            self._live.html = tag("section", self._line(), self._said(), self._form() if self._open else None)

    def _line(self) -> Markup:
        session = self.session
        locked = session.access.reason if session.read_only else ""
        options = [tag("option", n, value=n, selected=n == session.level) for n in session.levels.names]
        several = len(options) > 1
        return tag(
            "div",
            tag("span", "Level", cls="ct-muted"),
            tag("select", options, do="level", reset=session.level, disabled=not several, aria_label="Level", cls="ct-grow",
                title="A level is a set of categories with labels and models of its own"),
            tag("button", "Only inside …", cls="ct-button ct-small-button", do="edit", disabled=bool(locked) or not several,
                title=locked or ("Hold this level to cells of some categories of another" if several else "There is no other level yet")),
            tag("button", "New", cls="ct-button ct-small-button", do="new", disabled=bool(locked), title=locked or "Add a level"),
            cls="ct-line ct-tight",
        )  # fmt: skip

    def _said(self) -> list[Markup]:
        session = self.session
        region = session.levels.region()
        if region is None:
            return []
        inside = session.regions.inside(session.level)
        lines = [
            tag(
                "p",
                f"{int(inside.sum()):,} of {len(inside):,} cells, {region.sentence}.",
                cls="ct-muted ct-small",
            )
        ]
        outside = len(session.levels.outside_labels())
        if outside:
            text = f"{outside:,} label{'' if outside == 1 else 's'} outside: kept, not learned from."
            lines.append(tag("p", text, cls="ct-note ct-warning ct-small"))
        return lines

    def _form(self) -> Markup:
        session = self.session
        names = [n for n in session.levels.names if n != self._editing]
        new = self._editing is None
        parents = [tag("option", "none", value="", selected=not self.parent)] if new else []
        parents += [tag("option", n, value=n, selected=n == self.parent) for n in names]
        kinds = [
            tag(
                "label",
                tag("input", type="checkbox", do="only", what=c.name, checked=c.name in self._ticked),
                c.name,
            )
            for c in self._categories()
        ]
        none = "It has no category yet." if self.parent else "Without a parent it holds for all cells."
        rows = [
            tag("span", "Parent"),
            tag("select", parents, do="parent", reset=f"{self._fields} {self.parent}", aria_label="Parent"),
            tag("span", "Only inside"),
            tag("div", kinds or none, cls="ct-level-kinds" if kinds else "ct-muted ct-small"),
        ]  # fmt: skip
        if kinds:
            by = [
                tag("option", words, value=value, selected=value == self._by) for value, words in _BY.items()
            ]
            rows += [
                tag("span", "Told by"),
                tag("select", by, do="by", reset=self._by, aria_label="What tells who is inside"),
            ]
        if new:
            rows = [
                tag("span", "Name"),
                tag("input", type="text", do="name", then="save", value=self._name, reset=self._fields, maxlength=80, focus=True,
                    placeholder="Subtypes, CD8 on/off …", aria_label="Name of the new level"),
                *rows,
            ]  # fmt: skip
        held = not new and session.levels.region() is not None
        return tag(
            "div",
            tag("div", rows, cls="ct-fields ct-narrow-names"),
            tag("p", "Cells outside are not offered, learned from or predicted; tick none for all cells."
                if new else "Cells outside are not offered, learned from or predicted; their labels stay.", cls="ct-muted ct-small"),
            tag("div",
                tag("button", "Add level" if new else "Hold to these", cls="ct-button ct-small-button ct-primary", do="save",
                    disabled=not new and not self._ticked),
                tag("button", "All cells", cls="ct-button ct-small-button", do="free") if held else None,
                tag("button", "Cancel", cls="ct-button ct-small-button ct-quiet", do="close"), cls="ct-line"),
            cls="ct-level-form",
        )  # fmt: skip
