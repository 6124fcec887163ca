"""One line above the image: which marker is asked for, and when a cell counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...session import Session
from ..panel import Panel
from ..theme import Live, Markup, tag

__all__ = ["RuleBar"]


class _Line(Live):
    _css = (Path(__file__).parents[1] / "static" / "slices.css").read_text("utf-8")


class RuleBar(Panel):
    """The marker, to be switched, and its rule.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    edit : callable or None
        Called when the rule is clicked.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.edit: Callable[[], None] | None = None
        self._live = _Line()
        self._live.on("level", self.guard(self._set_level))
        self._live.on("edit", self.guard(self._edit))
        self.widget = self._live
        # A line for messages would stand between the rule and the image.
        self._message.layout.display = "none"
        for signal in (session.categories_changed, session.study_changed, session.labels_changed):
            self.listen(signal, self._show)
        self._show()

    def set_level(self, name: str) -> None:
        """Ask for another marker."""
        self.session.level = name

    def _set_level(self, _what: str, name: Any) -> None:
        self.set_level(str(name))

    def _edit(self) -> None:
        if self.edit is not None:
            self.edit()

    def _show(self) -> None:
        with self.showing:
            self._live.html = self._line()

    def _line(self) -> Markup:
        session = self.session
        names, rule = session.levels.names, session.rule
        chooser = None
        if len(names) > 1:
            chooser = tag(
                "select",
                [tag("option", name, value=name, selected=name == session.level) for name in names],
                do="level", aria_label="Marker", title="The marker that is asked for",
            )  # fmt: skip
        text = " ".join(rule.split()) or "When does a cell count? Write the rule down."
        return tag(
            "div", chooser,
            tag("button", text, cls=f"ct-link ct-cut{'' if rule else ' ct-empty'}", do="edit",
                title=rule or "Two people, or you in a month, then call the same cell the same"),
            cls="ct-rule",
        )  # fmt: skip
