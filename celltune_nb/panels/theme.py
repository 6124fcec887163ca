"""How panels look: one accent colour, one spacing scale, one set of controls, light and dark.

The rules stand in ``static/theme.css``; :func:`styles` is the one place that puts them on a page, and
:class:`~celltune_nb.panels.panel.Panel` calls it.  Controls come in two forms:

* ipywidgets, made by :func:`button`, :func:`segmented`, :func:`select`, :func:`field`, :func:`section`, …
* :class:`Live`, one widget that shows markup made with :func:`tag` and answers to clicks in it: for lists and
  tables, where a widget a cell would be hundreds of comms.

Classes that markup may use: ``ct-muted`` (secondary text), ``ct-num`` (tabular figures, right-aligned),
``ct-table``, ``ct-swatch``, ``ct-key``, ``ct-bar``, ``ct-note`` with ``ct-info``, ``ct-good``, ``ct-warning`` or
``ct-error``.  Colours: ``var(--ct-accent)``, ``--ct-text``, ``--ct-muted``, ``--ct-line``, ``--ct-fill``,
``--ct-good``, ``--ct-warning``, ``--ct-error``; spaces ``--ct-1`` (4 px), ``--ct-2`` (8 px), ``--ct-3`` (12 px),
``--ct-4`` (16 px).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import anywidget
import ipywidgets as w
from traitlets import Int, List, Unicode

from .asked import on_screen

if TYPE_CHECKING:
    from celltune_nb.data.categories import Category

__all__ = [
    "SERIES", "Live", "Markup", "arity", "button", "checkbox", "choice", "column", "field", "fold", "note", "number", "row",
    "section", "segmented", "select", "slider", "stats", "styles", "swatch", "tabs", "tag", "text", "text_input",
]  # fmt: skip

_STATIC = Path(__file__).parent / "static"

#: Colours of the curves of the first, second and third model, told apart on white and on black.
SERIES = ("#2F7DD1", "#D9730D", "#2E9E6B")


@cache
def _css() -> str:
    source = (_STATIC / "theme.css").read_text("utf-8")
    return re.sub(r"\s+", " ", re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL))


def styles() -> w.HTML:
    """The theme, as a widget that shows nothing; every panel carries its own, so none depends on another."""
    sheet = w.HTML(f"<style>{_css()}</style>")
    sheet.add_class("ct-styles")
    sheet.layout.display = "none"
    return sheet


def arity(call: Callable[..., Any]) -> int | None:
    """How many positional arguments a callable takes; None when any number."""
    parameters = inspect.signature(call).parameters.values()
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return None
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


# ---------------------------------------------------------------------- markup


_DATA = {"asked", "do", "field", "what", "on", "then", "reset", "row", "focus", "here", "unit"}


#: What begins a piece of work or takes something away: a button that does so counts once, however often it is pressed.
_ONCE = {
    "delete", "discard", "draw", "evaluate", "export", "import", "judge", "keep", "look", "map", "measure", "merge", "new",
    "run", "sample", "save", "score", "start", "train", "unmerge", "useful",
}  # fmt: skip


class Markup(str):
    """Text that is HTML already; anything else is escaped by :func:`tag`."""

    __slots__ = ()


def tag(name: str, *content: Any, **attributes: Any) -> Markup:
    """An HTML element, with everything in it escaped that is not :class:`Markup`.

    Parameters
    ----------
    name : str
        ``"div"``, ``"button"``, …
    *content : str, Markup, number, None or a list of them
        None is left out.
    **attributes
        ``cls`` is the class; ``asked``, ``do``, ``field``, ``what``, ``on``, ``then``, ``reset``, ``row``, ``focus``, ``here`` and ``unit`` become ``data-…``
        (see :class:`Live`); underscores become hyphens; None and False leave an attribute out, True gives it bare.
        What may be cut (class ``ct-cut``) has its whole text as ``title`` unless another is given.

    Examples
    --------
    >>> tag("button", "A & B", cls="ct-button", do="assign", what="A & B")
    '<button type="button" class="ct-button" data-do="assign" data-what="A &amp; B">A &amp; B</button>'
    """
    if "ct-cut" in str(attributes.get("cls", "")).split() and attributes.get("title") is None:
        words = [part for part in content if isinstance(part, str) and not isinstance(part, Markup)]
        attributes["title"] = " ".join(words).strip() or None
    parts = [name] if name != "button" else [name, 'type="button"']
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        plain = "class" if key == "cls" else f"data-{key}" if key in _DATA else key.replace("_", "-")
        parts.append(plain if value is True else f'{plain}="{escape(str(value))}"')
    if name == "button" and attributes.get("do") in _ONCE:
        parts.append("data-once")
    start = f"<{' '.join(parts)}>"
    if name in {"input", "br", "hr", "img"}:
        return Markup(start)
    return Markup(f"{start}{_inside(content)}</{name}>")


def _inside(content: Any) -> str:
    if content is None:
        return ""
    if isinstance(content, Markup):
        return content
    if isinstance(content, str | int | float):
        return escape(str(content))
    return "".join(map(_inside, content))


def swatch(color: str) -> Markup:
    """A square of a category's colour."""
    return tag("span", cls="ct-swatch", style=f"background:{color}", aria_hidden="true")


def choice(category: Category, *, chosen: bool, locked: bool = False) -> Markup:
    """A button that gives a category, with its colour and key: verb ``assign``, the name in ``what``."""
    return tag("button", swatch(category.color), tag("span", category.name, cls="ct-cut"),
               tag("span", category.key, cls="ct-key") if category.key else None, cls="ct-button", do="assign",
               what=category.name, title=category.name, aria_pressed="true" if chosen else None, disabled=locked)  # fmt: skip


def note(text: str, kind: Literal["info", "good", "warning", "error"] = "info") -> Markup:
    """A sentence with the mark of its kind."""
    return tag("div", text, cls=f"ct-note ct-{kind}")


def stats(figures: Iterable[tuple[str, Any, str]]) -> Markup:
    """A line of figures.

    Parameters
    ----------
    figures : iterable of (label, value, hint)
        The value in large tabular figures over its label; the hint is a tooltip, "" for none.
    """
    return tag(
        "div",
        [
            tag("div", tag("b", value), tag("span", label), cls="ct-stat", title=hint or None)
            for label, value, hint in figures
        ],
        cls="ct-stats",
    )


class Live(anywidget.AnyWidget):
    """Markup that answers: one widget and one comm, however many rows it has.

    An element with ``data-do="verb"`` calls what :meth:`on` set for the verb: a button or table row when it is
    clicked, a checkbox, field, slider or select when it is changed, a text field with ``data-on="enter"`` at Enter.
    The browser changes only what differs from the markup before, so focus and text being typed stay.

    Parameters
    ----------
    html : str
    keys : sequence of str
        Keys that call the verb ``key`` while the focus is in here and not in a text field; ``"ctrl+z"`` with Ctrl.
    label : str
        Name for screen readers.
    """

    _esm = (_STATIC / "live.js").read_text("utf-8")

    html = Unicode("").tag(sync=True)
    # Not "keys": that is ipywidgets' own list of what a widget synchronises.
    key_names = List(Unicode()).tag(sync=True)
    # Markup from before the kernel has heard of a field does not take back what was typed in it.
    heard = Int(0).tag(sync=True)

    def __init__(self, html: str = "", keys: Sequence[str] = ()) -> None:
        super().__init__(html=html, key_names=list(keys))
        self._verbs: dict[str, tuple[Callable[..., Any], int | None]] = {}
        self.on_msg(self._hear)
        self.add_class("ct-live-host")

    def on(self, verb: str, act: Callable[..., Any]) -> None:
        """Call *act* for a verb.

        Parameters
        ----------
        verb : str
            As in ``data-do``.
        act : callable
            Takes up to two arguments: ``data-what`` (str), and the value: str of a field, bool of a checkbox,
            ``"shift"`` for a click with Shift, for ``key`` the list of held modifiers.  Wrap it in the
            panel's ``guard``.
        """
        self._verbs[verb] = (act, arity(act))

    def do(self, verb: str, what: str = "", value: Any = None) -> None:
        """What a click on an element with this verb does (tests call it)."""
        if verb in self._verbs:
            act, takes = self._verbs[verb]
            act(*(what, value)[:takes])

    def _hear(self, _widget: Any, content: Mapping[str, Any], _buffers: Any) -> None:
        if isinstance(number := content.get("number"), int):
            self.heard = number
        with on_screen(content):
            self.do(str(content.get("do", "")), str(content.get("what", "")), content.get("value"))


# ---------------------------------------------------------------------- controls


def button(
    label: str, on_click: Callable[..., Any] | None = None, *,
    kind: Literal["plain", "primary", "quiet", "danger"] = "plain", tooltip: str = "",
) -> w.Button:  # fmt: skip
    """A button; always with words, since icon fonts are missing offline.

    Parameters
    ----------
    label : str
    on_click : callable, optional
        Usually ``panel.guard(verb)``.
    kind : {"plain", "primary", "quiet", "danger"}
        One primary button a panel at most.
    tooltip : str
    """
    made = w.Button(description=label, tooltip=tooltip or None)
    made.layout.width = "auto"
    for name in ("ct-button", f"ct-{kind}"):
        made.add_class(name)
    if on_click is not None:
        made.on_click(on_click if arity(on_click) != 0 else lambda _button: on_click())
    return made


def segmented(options: Sequence[Any], value: Any, *, tooltips: Sequence[str] = ()) -> w.ToggleButtons:
    """One of a few choices, side by side; *options* as of ``ToggleButtons`` (labels or (label, value) pairs)."""
    made = w.ToggleButtons(options=options, value=value, tooltips=list(tooltips))
    made.add_class("ct-segmented")
    made.style.button_width = "auto"
    return made


def select(options: Sequence[Any], value: Any = None) -> w.Dropdown:
    """One of many choices."""
    return _fill(w.Dropdown(options=options, value=value), "ct-select")


def number(value: int, low: int, high: int, *, step: int = 1, width: str = "64px") -> w.BoundedIntText:
    """A whole number."""
    made = _fill(w.BoundedIntText(value=value, min=low, max=high, step=step), "ct-number")
    made.layout.width = width
    return made


def slider(value: float, low: float, high: float, step: float, *, readout: str = ".2f") -> w.FloatSlider:
    """A number on a scale, sent while it is dragged."""
    return _fill(
        w.FloatSlider(value=value, min=low, max=high, step=step, readout_format=readout), "ct-slider"
    )


def checkbox(label: str, value: bool = False) -> w.Checkbox:
    """A choice of yes or no."""
    return _fill(w.Checkbox(description=label, value=value, indent=False), "ct-checkbox")


def text_input(value: str = "", placeholder: str = "") -> w.Text:
    """A line to type; its value arrives at Enter or when the focus leaves it."""
    return _fill(w.Text(value=value, placeholder=placeholder, continuous_update=False), "ct-text")


def text(html: str = "", *, muted: bool = False) -> w.HTML:
    """Words or markup to set later through ``.value``; plain text has to be escaped."""
    made = w.HTML(html)
    made.add_class("ct-words")
    if muted:
        made.add_class("ct-muted")
    return made


def _fill(made: Any, name: str) -> Any:
    made.layout.width = "auto"
    made.add_class(name)
    return made


# ---------------------------------------------------------------------- arrangement


def row(*children: w.Widget, wrap: bool = False) -> w.HBox:
    """Side by side, 8 px apart, centred on one line."""
    made = w.HBox(list(children))
    made.add_class("ct-row")
    if wrap:
        made.add_class("ct-wrap")
    return made


def column(*children: w.Widget, gap: Literal["small", "normal", "large"] = "normal") -> w.VBox:
    """One below the other: 4, 8 or 16 px apart."""
    made = w.VBox(list(children))
    for name in ("ct-column", f"ct-gap-{gap}"):
        made.add_class(name)
    return made


def field(label: str, control: w.Widget, *, hint: str = "") -> w.HBox:
    """A control with its name on the left; names of a column of fields line up."""
    name = w.HTML(tag("span", label, title=hint or None))
    name.add_class("ct-field-name")
    made = w.HBox([name, control])
    made.add_class("ct-field")
    return made


def section(title: str, *children: w.Widget) -> w.VBox:
    """Controls under a heading."""
    head = w.HTML(tag("h3", title))
    head.add_class("ct-heading")
    made = w.VBox([head, *children])
    made.add_class("ct-section")
    return made


def fold(title: str, *children: w.Widget, open_: bool = False) -> w.VBox:
    """Controls that are folded away until the title is pressed."""
    body = column(*children)
    head = w.ToggleButton(value=open_, description="")
    head.add_class("ct-fold")

    def turn(_change: Any = None) -> None:
        head.description = f"{'▾' if head.value else '▸'} {title}"
        body.layout.display = None if head.value else "none"

    head.observe(turn, "value")
    turn()
    return w.VBox([head, body])


def tabs(pages: Mapping[str, w.Widget]) -> w.Tab:
    """Pages by title, one shown at a time."""
    made = w.Tab(list(pages.values()), titles=list(pages))
    made.add_class("ct-tabs")
    return made
