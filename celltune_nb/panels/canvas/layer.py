"""The pixel layer: an anywidget whose browser side is ``static/viewport.js``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
from traitlets import Bool, Float, List, Unicode

__all__ = ["PixelLayer", "canonical"]

_STATIC = Path(__file__).parents[1] / "static"


class PixelLayer(anywidget.AnyWidget):
    """What the browser needs to know beyond messages: state that survives a reload."""

    # Read once: a path would make anywidget watch the file.
    _esm = (_STATIC / "viewport.js").read_text("utf-8")
    _css = (_STATIC / "viewport.css").read_text("utf-8")

    mode = Unicode("pan").tag(sync=True)
    cursor = Unicode("").tag(sync=True)
    key_names = List(Unicode()).tag(sync=True)
    hovers = Bool(False).tag(sync=True)
    label = Unicode("Image").tag(sync=True)
    bounds = List(Float(), [-1e9, -1e9, 1e9, 1e9]).tag(sync=True)
    zoom_range = List(Float(), [1 / 512, 64.0]).tag(sync=True)
    vectors = Unicode("").tag(sync=True)
    own = Unicode("").tag(sync=True)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # The browser's side of an anywidget is not told who it is.
        self.own = f"IPY_MODEL_{self.model_id}"


def canonical(key: str) -> str:
    """``"Shift+ctrl+z"`` as the browser writes it: sorted modifiers, then the key."""
    *held, name = key.split("+") if key != "+" and not key.endswith("++") else [*key[:-2].split("+"), "+"]
    name = name.lower() if len(name) == 1 else name
    return "+".join([*sorted(part.lower() for part in held if part), name])
