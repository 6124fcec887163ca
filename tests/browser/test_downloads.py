"""What the Export tab writes on the server arrives on the person's own computer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import celltune_nb as ct
from tests.panels import small

pytestmark = pytest.mark.browser

SOURCE = """
import celltune_nb as ct
from celltune_nb.panels.exporting import ExportingPanel
panel = ExportingPanel(ct.Session.open({folder!r}))
panel.widget
"""


def test_a_bundle_is_downloaded_whole_in_a_page(visit: Callable, voila: Callable, tmp_path: Path) -> None:
    small.make(tmp_path / "project")
    tab = visit(width=420, height=700).open(
        voila(SOURCE.format(folder=str(tmp_path / "project"))).address, "select[data-do=kind]"
    )
    tab.locator("select[data-do=kind]").select_option("bundle")
    tab.get_by_role("button", name="Export", exact=True).click()
    button = tab.get_by_role("button", name="Download project.zip")
    button.wait_for(timeout=20_000)
    with tab.expect_download(timeout=20_000) as download:
        button.click()
    download.value.save_as(tmp_path / "here.zip")
    assert (tmp_path / "here.zip").read_bytes() == (tmp_path / "project/exports/project.zip").read_bytes()
    with ct.Session.open(tmp_path / "here.zip", folder=tmp_path / "again") as session:
        assert len(session.items) == 200
