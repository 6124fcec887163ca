"""The panel: its verbs, what it hears from the browser and from the session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.categories import UNKNOWN, Category
from ...errors import InputError
from ...session import Session
from ...session.events import LabelsChanged, SelectionChanged, ViewChanged
from .. import actions, asked
from ..panel import Panel
from ..theme import Live
from . import markup
from .walk import KEYS, Walk

__all__ = ["LabellingPanel"]


class LabellingPanel(Panel):
    """Choose cells, label them with one key or click, correct the exceptions, undo.

    Each verb of the panel is a method, so that a notebook line or a test does what a click does.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    active : str or None
        The category given last; the one that :attr:`brush` gives.
    brush : bool
        Whether a click on one cell of the batch labelled last gives it :attr:`active` at once.
    count : int
        How many cells a sample has.
    walk : Walk
        The cells on offer, gone through one by one.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.active: str | None = None
        self.brush = False
        self.count = actions.SAMPLE
        self._batch = np.empty(0, np.int64)
        self._editing: int | None = None
        self._merge_into: int | None = None
        self._reason = ""
        self._fields = 0
        self.walk = Walk(self, self._walked)
        self._live = Live(keys=(*actions.KEYS, *KEYS))
        self._table = Live()
        verbs: dict[str, Callable[..., Any]] = {
            "sample": self.sample, "useful": self.useful, "next": self.next_rectangle, "count": self.set_count,
            "assign": self._assign_code, "clear": self.unlabel, "add": self._add, "edit": self._edit,
            "rename": self._rename, "recolor": self._recolor, "set_key": self._set_key, "exclude": self._exclude,
            "merge_into": self._choose_target, "merge": self._merge, "unmerge": self.unmerge, "delete": self._delete, "undo": self.undo, "redo": self.redo,
            "brush": self._set_brush, "key": self.press, "walk": self._walk_on,
        }  # fmt: skip
        self.hear(self._live, verbs)
        self._table.on("go", self.guard(self.go_to))
        self.widget = [self._live, self._table]
        self._counting = self.latest(self._show_table)
        self.listen(session.labels_changed, self._labels_changed)
        self.listen(session.categories_changed, self._categories_changed)
        self.listen(session.selection_changed, self._selection_changed)
        self.listen(session.items_changed, self._everything)
        self.listen(session.populations_changed, self._show)
        self.listen(session.view_changed, self._view_changed)
        self.listen(session.access_changed, self._everything)
        self._everything()

    # ------------------------------------------------------------------ choosing cells

    def sample(self) -> None:
        """Select :attr:`count` random unlabelled cells inside the rectangle."""
        ids = actions.sample_in_rectangle(self.session, self.count)
        self.walk.end()
        self._reason = f"{len(ids)} cells sampled. Label all with one key, then click the exceptions."
        self._show()

    def useful(self) -> None:
        """Go through cells worth a label: typical ones before the first training, then those that help the models most."""
        if actions.has_model(self.session) and not self.session.view.blind:
            ids = actions.suggest_useful(self.session, self.count)
            why = "about which the models are least sure"
        else:
            ids = actions.suggest_first(self.session, self.count)
            why = "spread over the different kinds"
        self._reason = f"{_cells(len(ids))} of this image, {why}. Name each by its key; the next one follows."
        self.brush = False
        self.walk.begin(ids)

    def next_rectangle(self) -> None:
        """Go to the rectangle where labels would help most, select the most useful cells in it, and say why."""
        self._reason = actions.next_rectangle(self.session, self.count)
        self.walk.end()
        self._show()

    def set_count(self, _what: str, value: Any) -> None:
        """How many cells a sample has from now on, 1 to 1,000."""
        self._fields += 1
        if not str(value).strip().isdigit() or not 1 <= int(value) <= 1000:
            self._show()
            raise InputError(f"{value!r} is no number of cells. Type a whole number from 1 to 1000.")
        self.count = int(value)

    # ------------------------------------------------------------------ labelling

    def assign(self, category: str) -> None:
        """Give the selected cells a category; with nothing selected, only make it the active one."""
        self.active = self.session.categories[category].name
        if self.walk.corrects(category):
            return
        if len(self.session.selection):
            ids = self.session.selection
            n = actions.assign(self.session, category)
            self._labelled(ids, n, category)
        else:
            self._show()
            self.say(f"{category} is active. Select cells: click one, or drag a rectangle and sample in it.")

    def assign_key(self, key: str) -> None:
        """Give the selected cells the category that has a key."""
        name = actions.category_of(self.session, key)
        if len(self.session.selection):
            self.assign(name)
        else:
            actions.assign(self.session, name)  # says what to select

    def unlabel(self) -> None:
        """Take the labels of the selected cells away."""
        if self.walk.corrects(UNKNOWN):
            return
        n = actions.assign(self.session, None)
        self.say(f"Label removed from {_cells(n)}.")

    def press(self, key: str, held: list[str] | None = None) -> None:
        """Do what a key means while the focus is in this panel; keys of the image alone do nothing here."""
        verb = self.walk.meaning(key, held or ())
        if verb:
            if verb != "useful":
                getattr(self.walk, verb)()
            elif not self.walk.takes_selection():
                self.useful()
            return
        action = actions.key_to_action(key, held or ())
        if action is None:
            return
        if action.verb == "assign":
            self.assign_key(action.key)
        elif action.verb == "escape":
            self.session.select([])
            self.session.set_view(rectangle=None)
        else:
            verbs = {"clear": self.unlabel, "undo": self.undo, "redo": self.redo, "sample": self.sample, "next": self.next_rectangle}  # fmt: skip
            if action.verb in verbs:
                verbs[action.verb]()

    def undo(self) -> None:
        """Take back the newest step."""
        self.say(actions.undo(self.session))

    def redo(self) -> None:
        """Do again what was taken back."""
        self.say(actions.redo(self.session))

    def go_to(self, image: str) -> None:
        """Look at an image."""
        self.session.set_view(image=image)

    # ------------------------------------------------------------------ categories

    def add(self, name: str) -> None:
        """Add a category; it gets the next free colour and key, and becomes the active one."""
        category = self.session.categories.add(name)
        self.active = category.name
        self._fields += 1
        key = f", key {category.key}" if category.key else ""
        self.say(f"{category.name} added{key}.")
        self._show()

    def rename(self, old: str, new: str) -> None:
        """Call a category by another name; its labels stay."""
        self.session.categories.rename(old, new)
        if self.active == old:
            self.active = new.strip()
        self._show()

    def merge(self, name: str, into: str) -> None:
        """Move all labels of *name* to *into* and remove *name*; :meth:`unmerge` takes it out again."""
        n = self.session.labels.counts()[name]
        self.session.categories.merge(name, into)
        self._left(name, into)
        self.say(f"{name} merged into {into}: {_cells(n)} moved. Edit {into} to take it out again.")

    def unmerge(self, name: str) -> None:
        """Take a merged category out again, with what was labelled so and not otherwise since."""
        self.session.categories.unmerge(name)
        n = self.session.labels.counts()[name]
        self.say(f"{name} is a category again, with {_cells(n)}.")
        self._show()

    def delete(self, name: str) -> None:
        """Delete a category; its labels go back to Unknown, and undo brings both back."""
        n = self.session.labels.counts()[name]
        self.session.categories.delete(name)
        self._left(name, None)
        self.say(f"{name} deleted; {_cells(n)} back to {UNKNOWN}. Undo brings them back.")

    def _left(self, name: str, into: str | None) -> None:
        self._editing = self._merge_into = None
        if self.active == name:
            self.active = into
        self._show()

    # ------------------------------------------------------------------ from the browser

    def _category(self, code: str) -> Category:
        for category in self.session.categories:
            if str(category.code) == code:
                return category
        raise InputError("That category is gone. Undo brings it back.")

    def _assign_code(self, code: str) -> None:
        name = self._category(code).name
        if name == UNKNOWN:
            self.unlabel()
        else:
            self.assign(name)

    def _add(self, _what: str, name: Any) -> None:
        if str(name or "").strip():
            self.add(str(name))

    def _edit(self, code: str) -> None:
        self._editing = None if str(self._editing) == code else self._category(code).code
        self._merge_into = None
        self._show()

    def _rename(self, code: str, name: Any) -> None:
        old = self._category(code).name
        try:
            if str(name).strip() != old:
                self.rename(old, str(name))
        finally:
            self._fields += 1  # the field shows the name that counts, also when the new one was refused
            self._show()

    def _recolor(self, code: str, color: Any) -> None:
        self.session.categories.recolor(self._category(code).name, str(color))

    def _set_key(self, code: str, key: Any) -> None:
        self.session.categories.set_key(self._category(code).name, str(key) or None)

    def _exclude(self, code: str, excluded: Any) -> None:
        self.session.categories.set_excluded(self._category(code).name, bool(excluded))

    def _choose_target(self, _code: str, into: Any) -> None:
        self._merge_into = self._category(str(into)).code if into else None
        self._show()

    def _merge(self, code: str) -> None:
        if self._merge_into is not None:
            self.merge(self._category(code).name, self._category(str(self._merge_into)).name)

    def _delete(self, code: str) -> None:
        self.delete(self._category(code).name)

    def _walk_on(self, verb: str) -> None:
        verbs = {"back": self.walk.back, "forward": self.walk.forward, "skip": self.walk.skip, "here": self.walk.here, "end": self.walk.end}  # fmt: skip
        if verb in verbs:
            verbs[verb]()
        else:
            self.walk.go(int(verb))

    def _walked(self, why: str = "") -> None:
        self._reason = why or self._reason
        self._show()

    def _set_brush(self, _what: str, on: Any) -> None:
        self.brush = bool(on)
        self._show()

    # ------------------------------------------------------------------ from the session

    def _labelled(self, ids: NDArray[np.int64], n: int, category: str) -> None:
        if ids.tolist() == [self.walk.item]:
            self.walk.onward(f"Labelled {category}.")
            return
        if n > 1:
            self._batch = ids
        self.say(f"{_cells(n)} labelled {category}.", "good")
        self._show()

    def _labels_changed(self, event: LabelsChanged) -> None:
        if event.level == self.session.level:
            if event.ids is not None and len(event.ids) > 1:
                self._batch = event.ids
            if event.ids is None or not self.walk.reopened(
                event.ids
            ):  # undo goes back to the cell, and shows it
                self._show()
            self._counting.request()

    def _categories_changed(self) -> None:
        if self.active is not None and self.active not in self.session.categories:
            self.active = None
        self._everything()

    def _selection_changed(self, event: SelectionChanged) -> None:
        if len(event.ids) > 1:
            self.brush = False
        elif (
            self.brush and self.active and asked.pointed() and len(event.ids) == 1 and event.ids[0] in self._batch
        ):  # fmt: skip
            actions.assign(self.session, self.active)
            self.say(f"1 cell labelled {self.active}.", "good")
        self._show()

    def _view_changed(self, event: ViewChanged) -> None:
        if event.fields & {"image", "rectangle", "blind"}:
            if "blind" in event.fields:
                self.walk.end()  # what was offered came from the models
            self._show()
        if "image" in event.fields:
            self._counting.request()

    def _everything(self) -> None:
        self.walk.check()
        self._show()
        self._counting.request()

    # ------------------------------------------------------------------ what is shown

    def _show(self) -> None:
        with self.showing:
            self._live.html = markup.page(self._state())

    def _state(self) -> markup.State:
        session = self.session
        return markup.State(
            categories=tuple(c for c in session.categories if c.name != UNKNOWN),
            counts=session.labels.counts(),
            active=self.active,
            editing=self._editing,
            fields=self._fields,
            count=self.count,
            trained=actions.has_model(session) and not session.view.blind,
            rectangle=session.view.rectangle is not None,
            reason=self._reason,
            locked=session.access.reason if session.read_only else "",
            selected=len(session.selection),
            selection=self.selection_sentence(),
            undo=actions.in_cells(session.can_undo),
            redo=actions.in_cells(session.can_redo),
            brush=self.brush if self.active and len(self._batch) else None,
            merge_into=self._merge_into,
            parts=self._parts_of(session.categories.merged),
            steps=self.walk.steps() if self.walk.on else None,
        )

    def _parts_of(self, merged: dict[str, str]) -> dict[int, tuple[str, ...]]:
        code = {c.name: c.code for c in self.session.categories}
        return {
            code[into]: tuple(n for n, to in merged.items() if to == into)
            for into in merged.values() if into in code
        }  # fmt: skip

    def selection_sentence(self) -> str:
        """What is selected: how many cells, and of which categories."""
        session = self.session
        ids = session.selection
        if not len(ids):
            return "No cell selected. Click a cell, or sample some."
        if len(ids) == 1:
            return f"1 cell selected: {session.describe(int(ids[0])).sentence}"
        codes = session.labels.codes()[session.positions(ids)]
        tally = np.bincount(codes)
        by_code = {c.code: c.name for c in session.categories}
        parts = [f"{tally[0]:,} unlabelled"] if tally[0] else []
        parts += [f"{tally[c]:,} {by_code.get(int(c), '?')}" for c in np.argsort(-tally) if c and tally[c]]
        return f"{len(ids):,} cells selected: {', '.join(parts)}"

    def _show_table(self) -> None:
        self._table.html = markup.image_table(
            self.session.labels.table(),
            {c.name: c.color for c in self.session.categories},
            self.session.view.image,
        )


def _cells(n: int) -> str:
    return f"{n:,} cell{'s' if n != 1 else ''}"
