"""Every test that needs anndata or spatialdata is run where they are installed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import overlay


def test_every_file_that_imports_them_is_run_with_them() -> None:
    needs = re.compile(
        r"importorskip\(\"(anndata|spatialdata)|^ *(import|from) (anndata|spatialdata)\b", re.MULTILINE
    )
    found = {
        path.relative_to(overlay.ROOT).as_posix()
        for path in (overlay.ROOT / "tests").rglob("test_*.py")
        if needs.search(path.read_text())
    }
    assert found == set(overlay.FILES)


def test_the_second_run_gets_what_was_asked_for() -> None:
    first = overlay.FILES[0]
    assert overlay.chosen(["-x", "-k", "h5ad"], named=False) == [*overlay.FILES, "-x", "-k", "h5ad"]
    assert overlay.chosen(["tests/learn", "-x"], named=True) is None
    assert overlay.chosen(["tests/learn", f"{first}::test_a", "-x"], named=True) == [f"{first}::test_a", "-x"]


def test_without_the_packages_it_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(overlay, "requirements", lambda: [str(tmp_path / "no_such_package.whl")])
    monkeypatch.setattr(overlay, "place", lambda: tmp_path / "second")
    monkeypatch.setattr(overlay.importlib.util, "find_spec", lambda name: True if name == "pip" else None)
    assert overlay.run([], {}) == 0
    assert "SKIPPED: anndata and spatialdata could not be installed" in capsys.readouterr().out
    assert not (tmp_path / "second").exists()
