"""The place on the Data page where an image gets another mask."""

from __future__ import annotations

import re
import threading
from html import unescape
from pathlib import Path

import numpy as np
import pytest
import tifffile

import celltune_nb as ct
from celltune_nb.errors import CellTuneError, InputError
from celltune_nb.panels.importing.masks import MaskPanel
from celltune_nb.session.jobs import Jobs
from tests.session.conftest import field
from tests.waiting import LONG, until


def text(panel: MaskPanel) -> str:
    return unescape(re.sub("<[^>]+>", " ", panel._live.html))


@pytest.fixture
def session(tmp_path: Path) -> ct.Session:
    with ct.Session.create(tmp_path / "project", jobs=Jobs(inline=True)) as session:
        for i in range(2):
            image, mask, _ = field(i, 4)
            session.add_image(f"field {i}", image, mask)
        session.categories.add("T <cell>")
        session.label([17, 18, 19, 32], "T <cell>")
        yield session
        assert session.problems == []


@pytest.fixture
def panel(session: ct.Session) -> MaskPanel:
    panel = MaskPanel(session)
    panel._unfold()
    yield panel
    panel.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    mask = field(1, 4)[1]
    mask[mask == 160] = 0
    mask[mask == 30] = 20
    mask[80 - 17 :, :6] = 500
    tifffile.imwrite(tmp_path / "new.tif", mask)
    return tmp_path / "new.tif"


def test_what_a_mask_changes_is_shown_before_it_is_replaced(
    session: ct.Session, panel: MaskPanel, path: Path
) -> None:
    panel.choose("", "field 1")
    panel.look("", f" {path} ")
    assert "16 cells become 15" in text(panel)
    assert "2 of 4 labels go over" in text(panel)
    assert "cell 160" in text(panel)
    assert "<cell>" not in panel._live.html
    assert len(session.table) == 32  # nothing is written yet
    panel.replace()
    assert "Replaced. 16 cells became 15" in text(panel)
    assert len(session.table) == 31
    assert session.labels.counts()["T <cell>"] == 2
    assert 'do="replace"' not in panel._live.html
    with pytest.raises(InputError, match="Name the file"):
        panel.replace()
    panel.former()
    assert "15 cells become 16" in text(panel)
    panel.replace()
    assert session.items.iloc[-16:]["cellID"].tolist() == [*range(10, 170, 10)]
    session.undo()
    session.undo()
    assert session.labels.counts()["T <cell>"] == 0


def test_what_does_not_fit_is_said_and_the_image_stays(
    session: ct.Session, panel: MaskPanel, tmp_path: Path
) -> None:
    tifffile.imwrite(tmp_path / "small.tif", np.ones((9, 9), np.uint8))
    for wrong, word in ((tmp_path / "small.tif", "shape"), (tmp_path / "absent.tif", "absent.tif")):
        panel.look("", str(wrong))
        assert word in panel.message
        assert panel.report is None
    panel.look("", "")
    assert panel.path == ""
    assert session.table.names == ["field 0", "field 1"]


def test_nuclei_alone_leave_cells_and_labels_and_go_along_with_a_mask(
    session: ct.Session, panel: MaskPanel, path: Path, tmp_path: Path
) -> None:
    tifffile.imwrite(tmp_path / "nuclei.tif", np.where(field(1, 4)[1] > 20, 1, 0).astype(np.uint8))
    with pytest.raises(InputError, match="Name the file"):
        panel.compare()
    panel.choose("", "field 1")
    panel.name_nuclei("", str(tmp_path / "nuclei.tif"))
    assert "Show what changes" in text(panel)
    panel.compare()
    assert "14 of 16 cells get a nucleus" in text(panel)
    assert "field 0 has none yet" in text(panel)
    assert session.images["field 1"].nucleus is None
    panel.replace()
    assert "14 of 16 cells have a nucleus" in text(panel)
    assert session.images["field 1"].nucleus is not None
    assert session.labels.counts()["T <cell>"] == 4
    assert panel.nuclei == ""
    panel.name_mask("", str(path))
    panel.name_nuclei("", str(tmp_path / "nuclei.tif"))
    panel.compare()
    assert "16 cells become 15" in text(panel)
    panel.replace()
    assert len(session.table) == 31


def test_leaving_it_and_another_image_forget_the_preview(panel: MaskPanel, path: Path) -> None:
    for act in (panel.leave, lambda: panel.choose("", "field 0")):
        panel.choose("", "field 1")
        panel.look("", str(path))
        assert panel.report is not None
        act()
        assert panel.report is None
        assert 'do="replace"' not in panel._live.html


def test_an_empty_project_has_nothing_to_replace_and_a_reader_may_only_look(
    session: ct.Session, tmp_path: Path, path: Path
) -> None:
    with ct.Session.create(tmp_path / "empty", jobs=Jobs(inline=True)) as empty:
        panel = MaskPanel(empty)
        assert text(panel).strip() == ""
        panel.close()
    with ct.Session.open(session.folder, read_only=True, jobs=Jobs(inline=True)) as reader:
        panel = MaskPanel(reader)
        panel._unfold()
        panel.choose("", "field 1")
        panel.look("", str(path))
        assert "16 cells become 15" in text(panel)
        assert re.search(r'<button[^>]*do="replace"[^>]*disabled', panel._live.html) or re.search(
            r'<button[^>]*disabled[^>]*do="replace"', panel._live.html
        )
        panel.close()


def test_it_works_in_the_background(tmp_path: Path, path: Path) -> None:
    with ct.Session.create(tmp_path / "slow") as session:
        image, mask, _ = field(1, 4)
        session.add_image("field 1", image, mask)
        panel = MaskPanel(session)
        panel._unfold()
        for act, word in ((lambda: panel.look("", str(path)), "become 15"), (panel.replace, "became 15")):
            act()
            panel.job.wait(LONG)
            until(lambda word=word: word in text(panel))
        panel.close()
        assert session.problems == []


def test_what_is_being_compared_stays_the_image_that_is_replaced(tmp_path: Path, path: Path) -> None:
    with ct.Session.create(tmp_path / "two") as session:
        for i in range(2):
            session.add_image(f"field {i}", *field(i, 4)[:2])
        panel, go_on = MaskPanel(session), threading.Event()
        panel.choose("", "field 1")
        session.jobs.aside(lambda job: go_on.wait(LONG), "something else")
        panel.look("", str(path))
        for act in (lambda: panel.choose("", "field 0"), panel.leave):
            with pytest.raises(CellTuneError, match="being compared"):
                act()
        go_on.set()
        panel.job.wait(LONG)
        until(lambda: panel.report is not None)
        assert panel.image == panel.report.image == "field 1"
        panel.close()
