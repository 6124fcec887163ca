"""What a person does to labels, whichever panel or key it came from.

Keys and buttons of the image and of the labelling panel call these functions, so a click in one panel and a
key in the other are the same step of the journal.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data.categories import UNKNOWN
from ..errors import LabelError, NotReadyError
from ..session import Session
from ..session.checks import check_cells

__all__ = [
    "KEYS", "Action", "assign", "assign_key", "category_of", "has_model", "in_cells", "key_to_action", "label_source", "look_at", "next_rectangle",
    "press", "redo", "sample_in_rectangle", "suggest_first", "suggest_useful", "toggle", "undo",
]  # fmt: skip

#: How many cells a sample has when nobody says otherwise.
SAMPLE = 30


@dataclass(frozen=True)
class Action:
    """What a key means.

    Attributes
    ----------
    verb : str
        ``assign``, ``clear``, ``undo``, ``redo``, ``escape``, ``sample``, ``next``, ``fit``, ``one_to_one``,
        ``zoom_in``, ``zoom_out``, ``overlay`` or ``help``.
    key : str
        The category's key, for ``assign``.
    """

    verb: str
    key: str = ""


_VERBS = {
    "0": "clear", "Delete": "clear", "Backspace": "clear", "u": "undo", "r": "redo", "Escape": "escape",
    "s": "sample", "n": "next", "f": "fit", "g": "one_to_one", "+": "zoom_in", "=": "zoom_in", "-": "zoom_out",
    "o": "overlay", "h": "help", "?": "help",
}  # fmt: skip

#: Keys that :func:`key_to_action` knows, as a browser names them; with Ctrl as ``"ctrl+z"``.
KEYS = (*"123456789", *_VERBS, "ctrl+z", "ctrl+y")


def key_to_action(key: str, held: Sequence[str] = ()) -> Action | None:
    """What a key means; None for a key that means nothing.

    Parameters
    ----------
    key : str
        As a browser names it: ``"1"``, ``"u"``, ``"Escape"``; digits whatever the layout makes of Shift.
    held : sequence of str
        ``"ctrl"``, ``"shift"``, ``"alt"``.

    Examples
    --------
    >>> key_to_action("3")
    Action(verb='assign', key='3')
    >>> key_to_action("z", ["ctrl", "shift"])
    Action(verb='redo', key='')
    """
    key = key.lower() if len(key) == 1 else key
    if "ctrl" in held:
        if key == "z":
            return Action("redo" if "shift" in held else "undo")
        return Action("redo") if key == "y" else None
    if "alt" in held:
        return None
    if len(key) == 1 and key in "123456789":
        return Action("assign", key)
    return Action(_VERBS[key]) if key in _VERBS else None


# ---------------------------------------------------------------------- labelling


def press(session: Session, key: str, held: Sequence[str] = ()) -> str | None:
    """Do what a labelling key means to the selected cells.

    Returns
    -------
    str or None
        What to say about it; None: what became of the selection.
    """
    action = key_to_action(key, held)
    verb = "" if action is None else action.verb
    if verb == "assign":
        assign_key(session, key)
    elif verb == "clear":
        assign(session, None)
    elif verb == "sample":
        sample_in_rectangle(session)
    elif verb == "next":
        return next_rectangle(session)
    else:
        return (undo if verb == "undo" else redo)(session)
    return None


def assign(session: Session, category: str | None) -> int:
    """Give the selected cells a category; the journal's source follows from how they were selected.

    Parameters
    ----------
    category : str or None
        None or ``"Unknown"`` takes the label away.

    Returns
    -------
    int
        How many cells.

    Raises
    ------
    NotReadyError
        When nothing is selected, or nothing of it lies on the image that is looked at.
    """
    ids = session.selection
    if not len(ids):
        raise NotReadyError(
            "No cell is selected. Click a cell, or drag a rectangle and sample in it, then choose the category."
        )
    if where := _elsewhere(session, ids):
        what = "The selected cell is" if len(ids) == 1 else f"The {len(ids):,} selected cells are"
        raise NotReadyError(f"{what} on {where}, out of sight. Go back there, or select cells here.")
    name = category or UNKNOWN
    session.label(ids, name, source=label_source(session, ids, name))
    return len(ids)


def _elsewhere(session: Session, ids: NDArray[np.int64]) -> str:
    """Where cells lie that are all on other images than the one looked at; empty where some are on it, or have no image."""
    table, here = session.table, session.view.image
    numbers = table.images[session.positions(ids)]
    names = [table.names[i] for i in np.unique(numbers[numbers >= 0]).tolist()]
    if here is None or here in names or (numbers < 0).any() or not set(names) & set(session.images):
        return ""
    return names[0] if len(names) == 1 else "other images"


def assign_key(session: Session, key: str) -> int:
    """As :func:`assign`, with the category that has a key (``"1"`` to ``"9"``).

    Raises
    ------
    LabelError
        When no category has it.
    """
    return assign(session, category_of(session, key))


def category_of(session: Session, key: str) -> str:
    """The name of the category that has a key.

    Raises
    ------
    LabelError
        When none has it.
    """
    category = next((c for c in session.categories if c.key == key), None)
    if category is None:
        given = ", ".join(f"{c.key} {c.name}" for c in session.categories if c.key)
        raise LabelError(
            f"No category has the key {key}. "
            + (f"Keys: {given}." if given else "Add a category first; it gets the next free key.")
        )
    return category.name


def toggle(session: Session, item: int, category: str) -> str:
    """Turn one cell to a category, or, when it has it already, back to unlabelled; the cell becomes the selection.

    Returns
    -------
    str
        The category it has now.
    """
    codes = _codes(session, np.array([item], np.int64))
    now = session.categories[category]
    session.select([item])
    name = UNKNOWN if int(codes[0]) == now.code else category
    ids = session.selection
    session.label(ids, name, source=label_source(session, ids, name))
    return name


def label_source(session: Session, ids: NDArray[np.int64], category: str) -> str:
    """The source a label of these cells is journaled with.

    * ``audit`` – all belong to the audit sample;
    * ``rectangle`` – several that were sampled in the view's rectangle;
    * ``correction`` – a training has predicted another category for most of them: somebody looked and disagreed;
    * ``rectangle`` – several others in the view's rectangle;
    * ``batch`` – several others;
    * ``click`` – one cell.
    """
    # Only what was labelled without seeing a prediction counts as audited.
    if session.view.blind and np.isin(ids, session.audit.ids).all():
        return "audit"
    inside = len(ids) > 1 and _in_rectangle(session, ids)
    # A sample was drawn by chance: that most of it is predicted otherwise is the models' affair.
    if inside and np.isin(ids, session.offer[0]).all():
        return "rectangle"
    if category != UNKNOWN and _corrects(session, ids, category):
        return "correction"
    return "rectangle" if inside else "batch" if len(ids) > 1 else "click"


def _in_rectangle(session: Session, ids: NDArray[np.int64]) -> bool:
    view = session.view
    if view.rectangle is None or view.image is None:
        return False
    return bool(np.isin(ids, session.items_in(view.image, view.rectangle)).all())


def _corrects(session: Session, ids: NDArray[np.int64], category: str) -> bool:
    """Whether the newest predictions call more than half of these cells something else."""
    if not has_model(session):
        return False
    predicted = session.populations["Pred_AVG"]
    place = np.searchsorted(predicted.ids, ids)
    known = place < len(predicted)
    codes = predicted.codes[place[known]]
    codes = codes[codes != 0]
    return bool(len(codes)) and float(np.mean(codes != session.categories[category].code)) > 0.5


def _codes(session: Session, ids: NDArray[np.int64]) -> NDArray[np.int16]:
    return session.labels.codes()[session.positions(ids)]


def in_cells(step: str | None) -> str | None:
    """A step's description with the word of these pages: the journal speaks of items, whatever they are."""
    return None if step is None else re.sub(r"\b([\d,]+) item(s?)\b", r"\1 cell\2", step, count=1)


def undo(session: Session) -> str:
    """Take back the newest step; says what it was."""
    what = in_cells(session.undo())
    return f"Taken back: {what}." if what else "There is nothing to take back."


def redo(session: Session) -> str:
    """Do again what was taken back; says what it was."""
    what = in_cells(session.redo())
    return f"Done again: {what}." if what else "There is nothing to do again."


# ---------------------------------------------------------------------- choosing what to label


def has_model(session: Session) -> bool:
    """Whether a training of the active level has left predictions."""
    return "Pred_AVG" in session.populations


def sample_in_rectangle(session: Session, n: int = SAMPLE) -> NDArray[np.int64]:
    """Select *n* random unlabelled cells inside the rectangle of the view.

    Raises
    ------
    NotReadyError
        When there is no rectangle, or no unlabelled cell in it.
    """
    view = session.view
    if view.rectangle is None or view.image is None:
        raise NotReadyError("There is no rectangle yet. Drag one over the image, then sample in it.")
    ids = session.sample(n, image=view.image, rectangle=view.rectangle)
    if not len(ids):
        raise NotReadyError(
            "Every cell in this rectangle is labelled already. Drag another one, or take the next rectangle."
        )
    session.select(ids)
    return ids


def suggest_first(session: Session, n: int = SAMPLE) -> NDArray[np.int64]:
    """Select first cells to label: typical ones, spread over the kinds of cells there are.

    They lie on the image that is looked at, so that they can be seen.
    """
    return _offer(session, n, "clusters" if session.features_by_name else "random")


def suggest_useful(session: Session, n: int = SAMPLE) -> NDArray[np.int64]:
    """Select the cells of the image looked at whose label would help the models most."""
    if session.view.blind:
        raise NotReadyError(
            "Predictions are out of sight while the audit is labelled. Finish or leave the audit first."
        )
    return _offer(session, n, "quota_margin")


def _offer(session: Session, n: int, by: str) -> NDArray[np.int64]:
    ids = session.sample(n, image=session.view.image, by=by)
    check_cells(session)
    if not len(ids):
        raise NotReadyError(
            "Every cell of this image is labelled or kept for the audit. Look at another image."
        )
    session.select(ids)
    return ids


def next_rectangle(session: Session, n: int = SAMPLE) -> str:
    """Go to the rectangle where labels would help most; returns why it is that one.

    The view moves so that the rectangle fills about half of the picture's width.  Once there is a model (and
    predictions may be seen), the *n* most useful cells in it are selected: label all with one key, then the exceptions.
    """
    found = session.suggest_rectangle()
    y0, x0, y1, x1 = found.rectangle
    session.set_view(
        image=found.image,
        rectangle=found.rectangle,
        center=((y0 + y1) / 2 - 0.5, (x0 + x1) / 2 - 0.5),
        zoom=_zoom_to(session, found.image, max(y1 - y0, x1 - x0)),
    )
    if not has_model(session) or session.view.blind:
        session.select([])
        return found.reason
    ids = session.sample(n, image=found.image, rectangle=found.rectangle, by="quota_margin")
    session.select(ids)
    return f"{found.reason}; {len(ids)} selected"


#: Width in CSS pixels that a viewport has at least; the rectangle is shown within it.
_SCREEN = 600.0


def _zoom_to(session: Session, image: str, extent: float) -> float:
    """Zoom at which *extent* pixels fill 60 % of a viewport, but never smaller than the whole image."""
    whole = _SCREEN / max(session.images[image].shape[-2:])
    return float(np.clip(0.6 * _SCREEN / max(extent, 1.0), whole, 16.0))


# ---------------------------------------------------------------------- going there

#: How large an item is shown, screen pixels: its inside can be judged and its neighbours are in sight.
SHOWN = 44.0
#: Screen pixels an image pixel, at most and at least.
CLOSEST, FARTHEST = 12.0, 0.5


def look_at(session: Session, item: int) -> None:
    """Bring an item to the middle of the image, close enough to be judged.

    A zoom that the person chose stays, as long as the item is neither lost in it nor cut by it.

    Parameters
    ----------
    item : int
        Item id.
    """
    table = session.table
    position = int(session.positions([item])[0])
    number = int(table.images[position])
    if number < 0 or table.names[number] not in session.images:
        return  # cells of a table that came without their image
    center = (float(table.y[position]), float(table.x[position]))
    wanted = _zoom(session, position)
    zoom = session.view.zoom
    if zoom is None or not wanted / 2.5 <= zoom <= wanted * 2.5:
        zoom = wanted
    session.set_view(image=table.names[number], center=center, zoom=zoom)


def _zoom(session: Session, position: int) -> float:
    box = session.table.bbox[position]
    side = float(max(box[2] - box[0], box[3] - box[1]))
    return float(np.clip(SHOWN / side, FARTHEST, CLOSEST)) if side > 0 else 2.0
