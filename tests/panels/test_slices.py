"""The list of slices: pictures come when there are pixels for them, and nobody waits for them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from celltune_nb.panels.slices import SlicesPanel
from celltune_nb.session import Session, pyramid_files
from tests.waiting import LONG, until

NAMES = [f"slice {i}" for i in range(3)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three compressed slices that stay where they are, as large ones do."""
    monkeypatch.setattr(pyramid_files, "LEAST", 0)
    y, x = np.ogrid[:1300, :1100]
    with Session.create(tmp_path / "p") as session:
        for i, name in enumerate(NAMES):
            image = np.stack([(y * (i + 3) + x) % 3989, (y // 40 * (x // 30)) % 3967]).astype(np.uint16)
            path = tmp_path / f"{i}.tif"
            tifffile.imwrite(path, image, tile=(256, 256), compression="zlib", photometric="minisblack")
            session.add_image(name, path, channels=["DAPI", "cFos"], copy=False)
        for channel in ("DAPI", "cFos"):
            session.set_channel(channel, visible=True, low=0, high=4000)
    return tmp_path / "p"


@pytest.fixture
def session(folder: Path) -> Iterator[Session]:
    with Session.open(folder) as session:
        yield session


def rules(panel: SlicesPanel) -> str:
    return "".join(sheet.value for sheet in panel._pictures.widget.children)


def pictures(panel: SlicesPanel, count: int) -> str:
    """The style sheet once it has so many pictures."""
    until(lambda: rules(panel).count("url(") >= count)
    return rules(panel)


def quiet(panel: SlicesPanel) -> None:
    assert panel.session.pyramids.settle(LONG)
    panel.session.jobs.aside(lambda job: None, "last").wait(LONG)
    assert panel._drawing.settle(LONG)


def test_pictures_come_one_by_one_without_holding_up_the_list(session: Session) -> None:
    gate = threading.Event()
    session.jobs.aside(lambda job: gate.wait(LONG), "held")
    panel = SlicesPanel(session)
    assert panel._drawing.settle(LONG / 2)  # it does not wait for files to be decoded
    assert panel._counting.settle(LONG / 2)
    assert all(name in panel._live.html for name in NAMES)
    assert rules(panel).count("url(") == 0
    said = 'role="img" aria-label="Its picture is being prepared"'
    assert panel._live.html.count(said) == panel._live.html.count("ct-slice-waiting") == 3
    gate.set()
    pictures(panel, 3)
    quiet(panel)
    assert panel._drawing.settle(LONG / 2)
    assert "ct-slice-waiting" not in panel._live.html
    assert session.problems == []
    panel.close()


def test_another_contrast_gives_other_pictures(session: Session) -> None:
    panel = SlicesPanel(session)
    pictures(panel, 3)
    quiet(panel)
    before = rules(panel)
    session.set_channel("DAPI", high=900)
    quiet(panel)
    assert rules(panel).count("url(") == 3
    assert rules(panel) != before
    session.set_channel("DAPI", high=4000)
    quiet(panel)
    assert rules(panel) == before
    panel.close()


def test_opened_again_the_pictures_are_there_at_once(folder: Path) -> None:
    with Session.open(folder) as session:
        panel = SlicesPanel(session)
        pictures(panel, 3)
        quiet(panel)
        before = rules(panel)
        panel.close()
    with Session.open(folder) as session:
        gate = threading.Event()
        session.jobs.aside(lambda job: gate.wait(LONG), "held")  # nothing is left to be made
        panel = SlicesPanel(session)
        assert pictures(panel, 3) == before
        gate.set()
        panel.close()


def test_a_slice_whose_file_is_gone_keeps_the_others_pictures(session: Session, tmp_path: Path) -> None:
    (tmp_path / "1.tif").unlink()
    panel = SlicesPanel(session)
    pictures(panel, 2)
    quiet(panel)
    assert rules(panel).count("url(") == 2
    assert ".ct-thumb-1{" not in rules(panel)
    panel.close()


def test_closing_the_list_does_not_wait_for_pictures(session: Session) -> None:
    gate = threading.Event()
    held = session.jobs.aside(lambda job: gate.wait(LONG), "held")
    panel = SlicesPanel(session)
    panel.close()
    assert not held.finished
    gate.set()
    assert session.pyramids.settle(LONG)
    assert session.problems == []
