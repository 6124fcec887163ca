"""The panel: its verbs, what it hears from the browser and from the session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...data.categories import UNKNOWN
from ...errors import CellTuneError
from ...render.encode import jpeg
from ...session import Session
from ...session.events import ViewChanged
from ...session.onoff import positive_name
from ...session.study import study_table
from ...session.thumbnails import look, ready
from ..panel import Panel
from ..pictures import Pictures
from ..theme import Live
from . import markup

__all__ = ["SlicesPanel"]

#: Pixels of a picture's longer side: two to one of the page.
SIZE = 112


class _List(Live):
    _css = (Path(__file__).parents[1] / "static" / "slices.css").read_text("utf-8")


class SlicesPanel(Panel):
    """Which slices there are, how far each is, which are worked on, and what the person thinks of each.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    search : str
        What names or animals must have in them to be listed.
    only : bool
        Whether only slices of the working set are listed.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.search, self.only = "", False
        self._rows: tuple[markup.Row, ...] = ()
        self._level = session.level
        self._reset = 0
        #: By slice: what its picture was made from, and the picture.
        self._made: dict[str, tuple[Any, bytes | None]] = {}
        #: Slices whose pixels came after their picture was made or had to wait.
        self._stale: set[str] = set()
        #: Slices without a picture while their file is decoded for it.
        self._waiting: frozenset[str] = frozenset()
        self._live = _List()
        verbs: dict[str, Callable[..., Any]] = {
            "go": self.go, "choose": self._choose, "verdict": self._set_verdict, "search": self.find, "only": self.show_only,
        }  # fmt: skip
        self.hear(self._live, verbs)
        self._pictures = Pictures("thumb")
        self.widget = (self._pictures.widget, self._live)
        self._counting = self.latest(
            self._count, session.labels_changed, session.populations_changed, session.categories_changed,
            session.study_changed, session.access_changed,
        )  # fmt: skip
        self._drawing = self.latest(self._draw)
        self.listen(session.items_changed, self._everything)
        self.listen(session.view_changed, self._view_changed)
        self.listen(session.pyramids.arrived, self._arrived)
        self._everything()

    # ------------------------------------------------------------------ verbs

    def go(self, name: str) -> None:
        """Look at a slice."""
        self.session.set_view(image=name)

    def choose(self, name: str, chosen: bool) -> None:
        """Take a slice into the working set, or out of it."""
        names = list(self.session.working_set or [row.name for row in self._rows])
        if chosen and name not in names:
            names.append(name)
        elif not chosen and name in names:
            names.remove(name)
            if not names:
                self.say("One slice at least has to be worked on. Choose another one first.", "warning")
                self._reset += 1  # the box is ticked again
                self._show()
                return
        whole = set(names) == {row.name for row in self._rows}
        self.session.set_working_set(None if whole else names)

    def _choose(self, name: str, chosen: Any) -> None:
        self.choose(name, bool(chosen))

    def set_verdict(self, name: str, verdict: str) -> None:
        """Say what the predictions on a slice look like."""
        self.session.set_verdict(name, verdict)

    def _set_verdict(self, what: str, verdict: Any) -> None:
        # Of the marker whose predictions were listed then: another may have been chosen since.
        level, _, name = what.rpartition("\n")
        self.session.set_verdict(name, str(verdict), level=level or None)

    def find(self, _what: str, text: Any) -> None:
        """List only slices whose name or animal has this text in it."""
        self.search = str(text or "")
        self._show()

    def show_only(self, _what: str, only: Any) -> None:
        """List only the working set, or all slices."""
        self.only = bool(only)
        self._show()

    # ------------------------------------------------------------------ what is heard

    def _everything(self) -> None:
        self._counting.request()
        self._drawing.request()

    def _view_changed(self, event: ViewChanged) -> None:
        if "image" in event.fields:
            self._show()
        if "blind" in event.fields:
            self._counting.request()
        if "channels" in event.fields:
            self._drawing.request()

    def _count(self) -> None:
        import pandas as pd

        session = self.session
        level = session.level
        table = study_table(session, level)
        colors = {c.name: c.color for c in session.levels[level].categories if c.name != UNKNOWN}
        blind = session.view.blind
        rows = []
        for number, (name, row) in enumerate(zip(table.index, table.to_dict("records"), strict=True)):
            predicted = row["predicted"]
            rows.append(
                markup.Row(
                    number, str(name), str(row["group"] or ""), int(row["cells"]),
                    tuple((c, colors[c], int(row[c])) for c in colors), int(row["audited"]),
                    None if blind or pd.isna(predicted) else int(predicted),
                    str(row["verdict"]), bool(row["in_set"]),
                )
            )  # fmt: skip
        self._rows, self._level = tuple(rows), level
        self._show()

    def _show(self) -> None:
        session = self.session
        with self.showing:
            self._live.html = markup.page(
                markup.State(
                    self._rows, session.view.image, positive_name(session), self.search, self.only, not session.working_set,
                    session.access.reason if session.read_only else "", self._waiting, self._level, self._reset,
                )
            )  # fmt: skip

    def _arrived(self, name: str) -> None:
        """There are pixels for a picture that had to wait for them."""
        self._stale.add(name)
        self._drawing.request()

    def _draw(self) -> None:
        """Make the pictures that differ from those shown; some at a time, so that the first are soon there.

        A slice whose file has to be decoded whole for it keeps the picture it has until that is done.
        """
        session = self.session
        names = list(dict.fromkeys([*session.table.names, *session.images]))
        seen = look(session)
        self._made = {name: self._made[name] for name in names if name in self._made}
        waiting: set[str] = set()
        self._pictures.fill((self._picture(name, seen, waiting) for name in names), lambda: not self.closed)
        if self._waiting != waiting:
            self._waiting = frozenset(waiting)
            self._show()

    def _picture(self, name: str, seen: tuple[Any, ...], waiting: set[str]) -> bytes | None:
        session = self.session
        image = session.images.get(name)
        before, picture = self._made.get(name, (None, None))
        if image is None or (before == (image, seen) and name not in self._stale):
            return picture
        self._stale.discard(name)
        try:
            if not ready(session, name):
                if picture is None:
                    waiting.add(name)
                return picture
            picture = jpeg(session.thumbnail(name, SIZE), 80, halved_color=True)
        except CellTuneError:
            picture = None  # its file is gone; the image panel says so when it is looked at
        self._made[name] = ((image, seen), picture)
        return picture
