"""The panel: its verbs, what it hears from the browser and from the session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ...data.categories import UNKNOWN
from ...errors import LabelError
from ...session import Session
from ...session.checks import whole_number
from ...session.guide import Task
from ...session.onoff import positive_name
from ...session.study import ImageSuggestion
from ..panel import Panel
from ..theme import Live
from . import markup

__all__ = ["GuidePanel"]


class _Page(Live):
    _css = (Path(__file__).parents[1] / "static" / "slices.css").read_text("utf-8")


class GuidePanel(Panel):
    """Write the rule down, choose slices, follow the steps.

    Parameters
    ----------
    session : Session
    tabs : sequence of str
        Titles that :attr:`open_tab` opens.

    Attributes
    ----------
    open_tab : callable or None
        Called with the title of the tab where a step is done.
    count : int
        How many slices are suggested.
    suggestion : ImageSuggestion or None
        What was suggested last and is not decided upon.
    """

    def __init__(self, session: Session, tabs: Sequence[str] = ()) -> None:
        super().__init__(session)
        self.open_tab: Callable[[str], None] | None = None
        self.count = 4
        self.suggestion: ImageSuggestion | None = None
        self._tabs = tuple(tabs)
        self._fields = 0
        self._facts: tuple[list[Task], list[str]] = ([], [])
        self._live = _Page()
        verbs: dict[str, Callable[..., Any]] = {
            "rule": self._set_rule, "open": self._open, "suggest": self.suggest, "count": self._set_count, "use": self.use,
            "dismiss": self.dismiss, "all": self.use_all, "marker": self._add_marker, "rename": self._rename_marker,
            "marker_shown": self.show_marker, "marker_removed": self.remove_marker,
        }  # fmt: skip
        self.hear(self._live, verbs)
        self.widget = self._live
        self._working_out = self.latest(
            self._work_out, session.labels_changed, session.categories_changed, session.study_changed,
            session.items_changed, session.populations_changed, session.access_changed,
        )  # fmt: skip
        self._working_out.request()

    # ------------------------------------------------------------------ verbs

    def set_rule(self, text: str) -> None:
        """Write down when a cell counts."""
        self.session.set_rule(text)
        self.say("The rule is kept with the project." if text.strip() else "The rule is removed.", "good")

    def suggest(self) -> None:
        """Propose slices that span animals and looks; :meth:`use` takes them."""
        self.suggestion = self.session.suggest_images(self.count)
        self._show()

    def use(self) -> None:
        """Work on the slices that were suggested, the first of them at once."""
        if self.suggestion is not None:
            self.session.set_working_set(self.suggestion.images)
            if self.session.view.image not in self.suggestion.images:
                self.session.set_view(image=self.suggestion.images[0])
            self.say(f"Samples come from {len(self.suggestion.images)} slices now.", "good")
        self.dismiss()

    def use_all(self) -> None:
        """Sample from every slice again."""
        self.session.set_working_set(None)

    def dismiss(self) -> None:
        """Put the suggestion away."""
        self.suggestion = None
        self._show()

    def add_marker(self, name: str) -> None:
        """Begin a further marker, with ON and OFF of its own."""
        self.session.add_marker(name)
        self._fields += 1
        self.say(f"{self.session.level}: label its cells ON or OFF.", "good")
        self._show()

    def rename_marker(self, name: str, new: str) -> None:
        """Call a marker by another name; its labels, its rule and its target stay."""
        self._fields += 1  # a name that is refused gives way to the one that stays
        try:
            self.session.levels.rename(name, new)
            self.say(f"{name} is called {new.strip()} now.", "good")
        finally:
            self._show()

    def remove_marker(self, name: str) -> None:
        """Remove a marker in which nothing is labelled."""
        self.session.levels.remove(name)
        self.say(f"{name} is removed; undo (u) brings it back.", "good")
        self._show()

    def show_marker(self, name: str) -> None:
        """Work on a marker."""
        self.session.level = name
        self._show()

    # ------------------------------------------------------------------ from the browser

    def _set_rule(self, level: str, text: Any) -> None:
        if level in ("", self.session.level):
            self.set_rule(str(text or ""))
            return
        # Typed beside another marker than is shown by now: it is that one's.
        self.session.set_rule(str(text or ""), level=level)
        self._fields += 1
        self.say(f"The rule is kept for {level}.", "good")
        self._show()

    def _set_count(self, _what: str, value: Any) -> None:
        self.count = min(max(whole_number(_number(value), "The number of slices", 1), 1), 50)
        self._show()

    def _add_marker(self, _what: str, name: Any) -> None:
        if str(name or "").strip():  # Enter once more, after the field was emptied
            self.add_marker(str(name))

    def _rename_marker(self, name: str, new: Any) -> None:
        if str(new or "").strip() != name:
            self.rename_marker(name, str(new or ""))

    def _open(self, title: str) -> None:
        if self.open_tab is not None and title in self._tabs:
            self.open_tab(title)

    # ------------------------------------------------------------------ what is shown

    def _work_out(self) -> None:
        self._facts = (self.session.checklist(), self.session.nudges())
        self._show()

    def _show(self) -> None:
        session = self.session
        tasks, nudges = self._facts
        with self.showing:
            self._live.html = markup.page(
                markup.State(
                    session.level, {name: _labels(session, name) for name in session.levels.names}, positive_name(session), session.rule, tasks, nudges, self.suggestion, self.count,
                    session.working_set, session.access.reason if session.read_only else "", self._fields, self._tabs,
                )
            )  # fmt: skip


def _labels(session: Session, level: str) -> int:
    """How many cells have a label at a level; 0 of one that has gone meanwhile."""
    try:
        return sum(n for name, n in session.labels.counts(level).items() if name != UNKNOWN)
    except LabelError:
        return 0


def _number(value: Any) -> Any:
    try:
        return int(str(value))
    except ValueError:
        return value
