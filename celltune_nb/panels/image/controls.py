"""What stands round the image: switcher and tools above, zoom and help over it, a line of facts beneath."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from celltune_nb.panels.theme import Markup, tag

if TYPE_CHECKING:
    from celltune_nb.panels.actions import Action
    from celltune_nb.render import Camera
    from celltune_nb.session import Session

__all__ = [
    "FIRST",
    "HINT",
    "MISTAKES_HINT",
    "REVIEW_HINT",
    "after",
    "bar",
    "cells",
    "help_card",
    "line",
    "outside",
    "veil",
    "zoom",
]

FIRST = "The cells here show the new answers already; those of all others are being computed."
"""Said while a training has answered for the cells on the screen only."""

_ZOOM = (
    ("−", "ct-sign", "zoom_out", "Zoom out (−)"),
    ("+", "ct-sign", "zoom_in", "Zoom in (+)"),
    ("Fit", None, "fit", "Fit the whole image (F)"),
    ("1:1", None, "one_to_one", "One screen pixel per image pixel (G)"),
)

_MODES = (
    ("Rectangle", "rectangle", "Dragging marks a rectangle; Space-drag moves the image"),
    ("Move", "pan", "Dragging moves the image"),
)
_LASSO = ("Outline", "lasso", "Dragging draws an outline; Space-drag moves the image")

#: What keys and gestures do, for the help: (heading, [(keys, meaning)]).
_HELP = (
    (
        "Select",
        (
            ("Click", "a cell; Shift adds, Ctrl toggles"),
            ("Drag", "a rectangle to sample in"),
            ("Shift-drag", "adds every cell inside"),
            ("S", "sample cells in the rectangle"),
            ("N", "next rectangle worth a look"),
            ("M", "cells worth a label, one by one"),
            ("Esc", "clear selection and rectangle"),
        ),
    ),
    (
        "Label",
        (
            ("1 … 9", "assign the category"),
            ("0 or Delete", "back to Unknown"),
            ("U or Ctrl+Z", "undo"),
            ("R or Ctrl+Shift+Z", "redo"),
        ),
    ),
    (
        "In a review",
        (
            ("1 … 9, 0", "name the cell; 0: cannot be told"),
            ("M, N", "take the first, second model’s answer"),
            ("S", "skip"),
            ("Ctrl+← →", "cell before, cell after"),
        ),
    ),
    (
        "Among likely mistakes",
        (
            ("Y", "the prediction is right"),
            ("N", "next one"),
        ),
    ),
    (
        "Look",
        (
            ("Wheel, + −", "zoom"),
            ("Space-drag, arrows", "move"),
            ("F", "fit the image"),
            ("G", "one to one"),
            ("O", "cells on or off"),
            ("H", "this help"),
        ),
    ),
)

#: Said beneath the image while there is nothing else to say; and in a review, whose keys are others.
HINT = "H: all keys · Drag a rectangle, S samples in it, 1–9 label · Click selects · Space-drag moves"
#: While likely mistakes are gone through.
MISTAKES_HINT = (
    "H: all keys · 1–9 correct the cell · Y the prediction is right · N next · Ctrl+← → move · U undoes"
)
REVIEW_HINT = (
    "H: all keys · 1–9 name the cell · M, N take a model’s answer · S skips · Ctrl+← → move · U undoes"
)


def bar(session: Session, mode: str, shows_cells: bool) -> Markup:
    """The toolbar: which image, what dragging does (an outline is asked for elsewhere), cells on or off."""
    names, current = list(session.images), session.view.image
    several = len(names) > 1

    def step(sign: str, verb: str, title: str) -> Markup | None:
        if not several:
            return None
        return tag("button", sign, cls="ct-button ct-step", do=verb, title=title, aria_label=title)

    options = [tag("option", name, value=name, selected=name == current) for name in names]
    chooser = tag(
        "select", options, do="image", aria_label="Image", title=current, reset=current, disabled=not several
    )
    modes = [
        tag("button", label, do="mode", what=name, title=title, aria_pressed=str(mode == name).lower())
        for label, name, title in ((*_MODES, _LASSO) if mode == _LASSO[1] else _MODES)
    ]
    cells = tag(
        "button",
        "Cells",
        cls="ct-button ct-on" if shows_cells else "ct-button",
        do="overlay",
        aria_pressed=str(shows_cells).lower(),
        title="Draw the cells over the image (O)",
    )
    switcher = [
        step("‹", "previous", "Previous image"),
        chooser if names else None,
        step("›", "next_image", "Next image"),
    ]
    return tag(
        "div",
        tag("div", switcher, cls="ct-switcher"),
        tag("div", tag("div", modes, cls="ct-segments"), cells, cls="ct-tools"),
        cls="ct-image-bar",
    )


def zoom() -> Markup:
    """Buttons that float over the image."""
    buttons = [
        tag("button", sign, cls=cls, do=verb, title=title, aria_label=title)
        for sign, cls, verb, title in _ZOOM
    ]
    return tag("div", buttons, cls="ct-zoom")


def veil(coming: bool) -> Markup:
    """What stands in place of the picture while there is none."""
    if coming:
        return tag("p", "Preparing the picture …", cls="ct-veil ct-veil-late", role="status")
    return tag("p", "There is no image yet. Bring a folder of images in the Data tab.", cls="ct-veil")


def help_card() -> Markup:
    """Every gesture and key."""
    parts: list[Markup] = []
    for heading, entries in _HELP:
        parts.append(tag("h4", heading))
        for keys, meaning in entries:
            parts += [tag("b", keys), tag("span", meaning)]
    return tag("div", parts, cls="ct-help")


def line(session: Session, camera: Camera) -> Markup:
    """Facts about the image on the screen, and what of the selection it does not show."""
    facts: list[str] = []
    image = session.images.get(session.view.image or "")
    if image is not None:
        names = list(session.images)
        if len(names) > 1:
            facts.append(f"Image {names.index(image.name) + 1} of {len(names)}")
        if image.group is not None:
            facts.append(str(image.group))
        number = session.image_number(image.name)
        rows = session.table.of_image(number) if number >= 0 else slice(0, 0)
        total = rows.stop - rows.start
        labelled = int(np.count_nonzero(session.labels.codes()[rows])) if total else 0
        facts.append(f"{labelled:,} of {total:,} cells labelled" if total else "no cells: it has no mask")
    missing = outside(session, camera)
    return tag(
        "div",
        tag("span", " · ".join(facts), cls="ct-cut"),
        tag("span", missing, cls="ct-outside") if missing else None,
        cls="ct-image-line",
    )


def outside(session: Session, camera: Camera) -> str:
    """How many selected items the view does not show, in words; empty when it shows all."""
    ids = session.selection
    if not len(ids):
        return ""
    table = session.table
    places = session.positions(ids)
    name = session.view.image
    number = -2 if name is None or name not in session.images else session.image_number(name)
    here = np.asarray(table.images[places] == number)
    y0, x0, y1, x1 = camera.visible()
    y, x = table.y[places], table.x[places]
    seen = here & (y >= y0) & (y <= y1) & (x >= x0) & (x <= x1)
    beside, elsewhere = int((here & ~seen).sum()), int((~here).sum())
    if not beside and not elsewhere:
        return ""
    where = " or ".join(
        words for words, count in (("outside this view", beside), ("on other images", elsewhere)) if count
    )
    total = beside + elsewhere
    return f"{total:,} selected {'cell is' if total == 1 else 'cells are'} {where}"


def after(session: Session, action: Action) -> str:
    """What a key did to the selection, in words; empty where the verb itself says it."""
    count = cells(len(session.selection))
    if action.verb == "assign":
        name = next(c.name for c in session.categories if c.key == action.key)
        return f"{count} labelled {name}. U takes it back."
    if action.verb == "clear":
        return f"{count} back to unlabelled. U takes it back."
    if action.verb == "sample":
        return f"{count} sampled. Press 1–9 to label them, then click the exceptions."
    return ""


def cells(count: int) -> str:
    """A number of cells in words."""
    return f"{count:,} cell" if count == 1 else f"{count:,} cells"
