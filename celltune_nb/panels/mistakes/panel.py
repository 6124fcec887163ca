"""The panel: its verbs, what it hears from the browser and from the session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...data.categories import UNKNOWN
from ...errors import CellTuneError, InputError
from ...learn.mistakes import KINDS
from ...render.encode import jpeg
from ...session import Session
from ...session.events import LabelsChanged, PopulationsChanged, StudyChanged, ViewChanged
from ...session.onoff import positive_name
from .. import actions, asked, theme
from ..panel import Panel
from ..pictures import Pictures
from ..theme import Live
from ..tiles import CellTiles
from . import markup

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MistakesPanel"]

#: Cells on the sheet, and pixels of their pictures: two to one of the page.
SHEET, SIZE = 50, 104


class _Page(Live):
    _css = (Path(__file__).parents[1] / "static" / "mistakes.css").read_text("utf-8")


class MistakesPanel(Panel):
    """Walk the predictions that are most likely wrong, and say by one key what each cell is.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    kind : str
        The only kind that is shown; empty: all.
    here : bool
        Whether only the slice looked at is searched.
    at : int
        Place on the sheet of the cell that is asked for.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.kind, self.here, self.at = "", False, -1
        self._found: pd.DataFrame | None = None
        self._right: set[int] = set()
        self._trouble = ""
        self._level = session.level
        #: Whether somebody sees the sheet; the image then goes where the sheet is.
        self._open = False
        #: Number of the sheet: what was meant for the one before does not touch the one that has come since.
        self.sheet = 0
        self._before: frozenset[int] = frozenset()
        self._going = asked.Going()
        self._answering = False
        self._above, self._below = _Page(keys=list(markup.KEYS)), _Page(keys=list(markup.KEYS))
        verbs: dict[str, Callable[..., Any]] = {
            "kind": self._set_kind, "here": self._set_here, "again": self.look_again, "assign": self.assign, "right": self.right,
            "go": self._go, "rest": self._rest, "errors": self.review_labels, "channel": self._set_channel, "key": self.press,
        }  # fmt: skip
        self.hear(self._above, verbs)
        self.hear(self._below, verbs)
        self._tiles = CellTiles(self, tuple(markup.KEYS), self.press)
        self._pictures = Pictures("sheet")
        self.widget = theme.column(self._pictures.widget, self._above, self._tiles.live, self._below)
        self._searching = self.latest(self._search)
        self.listen(session.populations_changed, self._predicted)
        self.listen(session.categories_changed, self._categories_changed)
        self.listen(session.labels_changed, self._labelled)
        self.listen(session.study_changed, self._study_changed)
        self.listen(session.access_changed, self._show)
        self.listen(session.view_changed, self._view_changed)
        self._show()
        self._searching.request()

    # ------------------------------------------------------------------ verbs

    @property
    def item(self) -> int | None:
        """The cell that is asked for."""
        ids = self._ids()
        return ids[self.at] if 0 <= self.at < len(ids) else None

    def enter(self) -> None:
        """Look at the cell that is asked for, now that somebody sees the sheet."""
        self._open = True
        if self.item is not None:
            self._going.by_itself()
            self._to(self.at)

    def leave(self) -> None:
        """Another tab is looked at: a new sheet leaves the image where it is."""
        self._open = False

    def look_again(self) -> None:
        """Search for the most suspicious cells as of now."""
        self._searching.request()

    def assign(self, category: str) -> None:
        """Say what the cell is: a label of source *correction*; then the next one is asked for."""
        item = self._asked()
        if item == self.item or self._answers().get(item) != category:  # else the same key, pressed twice
            self._answering = True  # what the label changes is drawn once, with the cell that follows
            try:
                self.session.correct([item], category)
            finally:
                self._answering = False
        self._right.discard(item)
        self._answered(item, category)

    def correct_selected(self, category: str) -> None:
        """Say what the cells selected on the image are, by click or rectangle: labels of source *correction*."""
        ids = self.session.selection
        if not len(ids):
            raise InputError(
                "No cell is selected. Click a cell on the image, or drag a rectangle and press s."
            )
        self.session.correct(ids, category, how="slice")
        self.say(f"{len(ids):,} cell{'' if len(ids) == 1 else 's'} corrected to {category}.", "good")

    def right(self) -> None:
        """Say that the prediction is right: the cell gets no label and does not come again until the next training."""
        item = self._asked()
        if item != self.item and (answer := self._answers().get(item)):
            # A second key on a cell that has its answer: the next one is not meant yet.
            self.say(f"That cell is {'noted as right' if answer == 'right' else answer} already.")
            return
        self.session.looked_at([item])
        self._right.add(item)
        self._answered(item, "right")

    def rest_is_right(self) -> None:
        """Say so of all cells on the sheet that have no answer, and get the next ones."""
        answers = self._answers()
        left = [item for item in self._ids() if not answers.get(item)]
        if not left:
            raise InputError("Every cell on the sheet has an answer. Press Next 50.")
        self.session.looked_at(left, how="sheet")
        self._right.update(left)
        self.sheet += 1  # pressed twice, it is not said of cells that nobody has seen
        self.say(f"{len(left):,} cells noted as right.", "good")
        self._searching.request()

    def forward(self) -> None:
        """Go on without an answer."""
        self.go(min(self.at + 1, len(self._ids()) - 1))

    def back(self) -> None:
        """Go back to the cell before."""
        self.go(max(self.at - 1, 0))

    def go(self, place: int) -> None:
        """Ask for a cell of the sheet, and look at it on its slice."""
        ids = self._ids()
        if not 0 <= place < len(ids):
            raise InputError("There is no such cell on the sheet. Press Look again.")
        self._going.wanted()
        self._to(place)

    def _to(self, place: int) -> None:
        item = self._ids()[place]
        self.at = place
        self._show()
        self.session.select([item])
        actions.look_at(self.session, item)

    def undo(self) -> None:
        """Take the newest label back."""
        self.say(actions.undo(self.session))

    def redo(self) -> None:
        """Give again what was taken back."""
        self.say(actions.redo(self.session))

    def review_labels(self) -> None:
        """Begin a review of the labels that look wrong."""
        self.session.review("label_errors", 100)

    def means(self, key: str, held: list[str] | None = None) -> bool:
        """Whether a key means something here."""
        return (f"ctrl+{key}" if "ctrl" in (held or ()) else key) in markup.KEYS

    def press(self, key: str, held: list[str] | None = None) -> None:
        """Do what a key means; keys that mean nothing here do nothing."""
        ctrl = "ctrl" in (held or ())
        verb = markup.KEYS.get(f"ctrl+{key}" if ctrl else key)
        if verb == "undo" and "shift" in (held or ()):
            verb = "redo"
        if verb == "assign":
            name = next((c.name for c in self.session.categories if c.key == key), None)
            if name is None:
                raise InputError(f"No category has the key {key}. Click one, or give it a key in Label.")
            chosen = self.session.selection.tolist()
            if chosen and chosen != [self.item]:  # the person has pointed at others on the image
                self.correct_selected(name)
            else:
                self.assign(name)
        elif verb is not None:
            getattr(self, verb)()

    # ------------------------------------------------------------------ from the browser

    def _set_kind(self, _what: str, kind: Any) -> None:
        self.kind = str(kind) if str(kind) in KINDS else ""
        self._searching.request()

    def _set_here(self, _what: str, here: Any) -> None:
        self.here = bool(here)
        self._searching.request()

    def _go(self, item: str) -> None:
        ids = self._ids()
        if int(item) in ids:  # else it was on the sheet before
            self.go(ids.index(int(item)))

    def _rest(self, sheet: str) -> None:
        if sheet == str(self.sheet):
            self.rest_is_right()

    def _set_channel(self, level: str, channel: Any) -> None:
        self.session.set_marker_channel(str(channel) or None, level=level or None)

    # ------------------------------------------------------------------ what is heard

    def _predicted(self, event: PopulationsChanged) -> None:
        if any(name.rpartition("/")[2] == "Pred_AVG" for name in event.names):
            self._right.clear()
            self._searching.request()

    def _categories_changed(self) -> None:
        # Undo tells of categories too, and must not take away the sheet that somebody works on.
        if self._level != self.session.level:
            # A key pressed now would answer for the other marker, also by the cell that this sheet has selected.
            if self.item is not None and self.session.selection.tolist() == [self.item]:
                self.session.select([])
            self._found, self.at, self._before = None, -1, frozenset()
            self._right.clear()
            self._searching.request()
        else:
            self._show()

    def _labelled(self, event: LabelsChanged) -> None:
        if self._answering:
            return
        # Undo goes back to the cell whose answer it took: the next key is about that one.
        if self._open and event.level == self.session.level and event.ids is not None and len(event.ids) == 1:
            item, ids = int(event.ids[0]), self._ids()
            if item in ids and item != self.item and not self._answers()[item]:
                self.go(ids.index(item))
                return
        self._show()

    def _study_changed(self, event: StudyChanged) -> None:
        if event.what in ("working_set", "channels", "thresholds"):
            self._searching.request()

    def _view_changed(self, event: ViewChanged) -> None:
        if "blind" in event.fields or ("image" in event.fields and self.here and not self._walking()):
            self._searching.request()
        if "channels" in event.fields:
            self._tiles.again()
            self._draw()

    def _walking(self) -> bool:
        """Whether the slice looked at is that of the cell asked for: it was opened from here."""
        found = self._found
        return (
            found is not None
            and self.item is not None
            and found.loc[self.item, "image"] == self.session.view.image
        )

    def _search(self) -> None:
        session = self.session
        if self._level == session.level:
            self._before = frozenset(self._ids()) or self._before
        self._level = session.level
        followed = self.item is not None and session.selection.tolist() == [self.item]
        self._found, self._trouble = None, "Looking for suspicious cells …"
        self._show()
        self._trouble = ""
        if session.view.blind:
            self._trouble = "Predictions are out of sight while cells are judged blind."
        else:
            try:
                image = session.view.image if self.here else None
                self._found = session.likely_mistakes(SHEET, kind=self.kind or None, image=image)
            except CellTuneError as error:
                self._trouble = str(error)
        self.at = 0 if self._ids() else -1
        self.sheet += 1
        self._right &= set(self._ids())
        self._going.by_itself()
        if self._open and self.item is not None:
            self._to(0)
        elif followed:
            session.select([])  # the sheet asks for another cell than the image shows
        self._show()
        self._draw()

    # ------------------------------------------------------------------ what is shown

    def _ids(self) -> list[int]:
        return [] if self._found is None else [int(item) for item in self._found.index]

    def _asked(self) -> int:
        item = self.item
        if item is None:
            raise InputError("No suspicious cell is asked for. Press Look again.")
        late = self._going.late(item)
        if late is None:
            return item
        if late not in self._before and late not in self._ids():
            raise InputError("The cell was not on the screen yet. Look at it, then press again.")
        return late

    def _answered(self, item: int, answer: str) -> None:
        """Go on, unless the answer was for a cell that the page had left already."""
        if item == self.item:
            self._onward()
            return
        said = "noted as right" if answer == "right" else f"{answer} now"
        self.say(f"The cell before is {said}: the next was not on the screen yet.", "warning")
        self._show()

    def _answers(self, of: list[int] | None = None) -> dict[int, str]:
        """What each cell of the sheet is called by now."""
        session, ids = self.session, self._ids() if of is None else of
        codes = session.labels.codes()[session.positions(ids)].tolist() if ids else []
        names = {c.code: c.name for c in session.categories}
        found = {item: names.get(code, "") if code else "" for item, code in zip(ids, codes, strict=True)}
        return {item: answer or ("right" if item in self._right else "") for item, answer in found.items()}

    def _onward(self) -> None:
        """Ask for the next cell that has no answer."""
        ids = self._ids()
        answers = self._answers(ids)
        order = [*range(self.at + 1, len(ids)), *range(self.at + 1)]
        following = next((i for i in order if not answers[ids[i]]), None)
        if following is None:
            self.say(
                "Every cell on the sheet has an answer. Next 50 brings more; training uses what you said.",
                "good",
            )
            self._show()
        else:
            self._going.by_itself()
            self._to(following)

    def _show(self) -> None:
        session, found = self.session, self._found
        cells: list[markup.Cell] = []
        counts: dict[str, int] = {}
        if found is not None:  # of this sheet: a search may bring another meanwhile
            ids, colors = list(map(int, found.index)), {c.name: c.color for c in session.categories}
            for (item, answer), row in zip(self._answers(ids).items(), found.to_dict("records"), strict=True):
                kind, predicted = str(row["kind"]), str(row["predicted"])
                counts[kind] = counts.get(kind, 0) + 1
                cells.append(
                    markup.Cell(
                        item, str(row["image"]), predicted, str(row["reason"]), kind, answer, colors.get(predicted, "#AAAAAA"),
                        colors.get(answer, ""),
                    )
                )  # fmt: skip
        with self.showing:
            state = markup.State(
                cells, self.at, self.kind, self.here, [c for c in session.categories if c.name != UNKNOWN], counts, self._trouble,
                session.access.reason if session.read_only else "", session.marker_channel(), self._channels(),
                positive_name(session), self.sheet, session.level,
            )  # fmt: skip
            self._above.html, self._below.html = markup.page(state)
            self._tiles.show(self.item)

    def _channels(self) -> list[str]:
        return list(dict.fromkeys(c for image in self.session.images.values() for c in image.channels))

    def _draw(self) -> None:
        ids = self._ids()
        self._pictures.fill(
            self._pictures_of(ids), lambda: not self.closed and ids == self._ids(), f"sheet{self.sheet}"
        )

    def _pictures_of(self, ids: list[int]) -> Iterator[bytes | None]:
        for item in ids:
            tiles = self.session.tiles(item, channels=[], size=SIZE // 2, dpr=2)
            yield jpeg(tiles.pictures[0], 85) if tiles.pictures else None
