"""Panels without a browser: comms that record, and a watch for widgets that were not closed."""

from __future__ import annotations

import gc
import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import comm
import ipywidgets
import numpy as np
import pytest
from comm.base_comm import BaseComm
from ipycanvas import canvas as ipycanvas_canvas
from ipywidgets.widgets import widget as widget_module
from PIL import Image

from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from tests.panels import small


@dataclass
class Wire:
    """What the kernel sent to the browser."""

    #: (comm id, kind "open" | "msg" | "close", data, buffers)
    sent: list[tuple[str, str, dict[str, Any], list[Any]]] = field(default_factory=list)

    def custom(self, widget: ipywidgets.Widget, kind: str | None = None) -> list[dict[str, Any]]:
        """Custom messages of a widget, newest last; ``kind`` selects by their ``type``."""
        contents = [
            data["content"]
            for comm_id, what, data, _ in self.sent
            if comm_id == widget.model_id and what == "msg" and data.get("method") == "custom"
        ]
        return [c for c in contents if kind is None or c.get("type") == kind]

    def buffers(self, widget: ipywidgets.Widget) -> list[Any]:
        """Binary buffers of a widget's custom messages."""
        return [
            buffer
            for comm_id, what, data, buffers in self.sent
            if comm_id == widget.model_id and what == "msg" and data.get("method") == "custom"
            for buffer in buffers
        ]

    def picture(self, layer: ipywidgets.Widget) -> Any:
        """The picture that a browser has put together from a pixel layer's frames: uint8 (H, W, 3)."""
        picture = np.zeros((0, 0, 3), np.uint8)
        sent = [
            (data["content"], buffers[0])
            for comm_id, what, data, buffers in self.sent
            if comm_id == layer.model_id and what == "msg" and data.get("content", {}).get("type") == "frame"
        ]
        for content, data in sent:
            decoded = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
            if "base" not in content:
                picture = decoded.copy()
                continue
            side = content["tile"]
            for i, (row, column) in enumerate(content["places"]):
                y, x = (side * part for part in divmod(i, decoded.shape[1] // side))
                there = picture[row * side : (row + 1) * side, column * side : (column + 1) * side]
                there[:] = decoded[y : y + there.shape[0], x : x + there.shape[1]]
        return picture

    def receive(self, widget: ipywidgets.Widget, content: dict[str, Any]) -> None:
        """Let a widget receive a custom message as if from the browser."""
        widget._handle_msg({"content": {"data": {"method": "custom", "content": content}}, "buffers": []})


class _Comm(BaseComm):
    wire: Wire | None = None

    def publish_msg(self, msg_type: str, data=None, metadata=None, buffers=None, **_: Any) -> None:
        if self.wire is not None:
            kind = msg_type.removeprefix("comm_")
            self.wire.sent.append((self.comm_id, kind, data or {}, list(buffers or ())))


@pytest.fixture(autouse=True)
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """Every comm of the test records; the test fails when it leaves a live widget behind."""
    wire = Wire()
    live: dict[str, _Comm] = {}

    def create_comm(*args: Any, **kwargs: Any) -> _Comm:
        made = _Comm.__new__(_Comm)
        made.wire = wire
        made.__init__(*args, **kwargs)
        live[made.comm_id] = made
        return made

    monkeypatch.setattr(comm, "create_comm", create_comm)
    # ipycanvas opened its manager when it was imported, outside any test.
    manager = ipycanvas_canvas._CANVAS_MANAGER
    manager.close()
    manager.open()
    before = set(widget_module._instances)
    # What was there before is left out of the collection below, which is then a hundred times faster.
    gc.freeze()
    yield wire
    gc.collect()
    left = [widget_module._instances[i] for i in set(widget_module._instances) - before]
    manager.close()
    open_comms = [made for made in live.values() if not made._closed]
    for widget in left:
        widget.close()
    assert not left, f"{len(left)} widgets were not closed: {sorted({type(w).__name__ for w in left})}"
    assert not open_comms, f"{len(open_comms)} comms were left open"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small project as it was made; a module that needs more in it has its own."""
    folder = tmp_path_factory.mktemp("panels") / "project"
    small.make(folder)
    return folder


@pytest.fixture
def session(project: Path, tmp_path: Path) -> Iterator[Session]:
    """A copy of the module's project, opened."""
    with Session.open(shutil.copytree(project, tmp_path / "project"), jobs=Jobs(inline=True)) as session:
        yield session


@pytest.fixture
def panel(request: pytest.FixtureRequest, session: Session) -> Iterator[Any]:
    """The panel that the module is about, which it names ``PANEL``."""
    panel = request.module.PANEL(session)
    yield panel
    panel.close()
    assert session.problems == []
