"""The command line as a person types it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import tifffile

import celltune_nb as ct
from celltune_nb import cli
from celltune_nb.apps import page
from tests.waiting import LONG

PROGRAM = [sys.executable, "-m", "celltune_nb.cli"]


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run, and return the one sentence on standard error."""
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("celltune-nb: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    return err


def test_info_prints_versions_devices_and_folders(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info"]) == 0
    rows = dict(re.split(r"  +", line, maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert rows["celltune_nb"] == ct.__version__
    assert rows["Python"].startswith("3.")
    assert int(rows["cores"].split()[0]) >= 1
    assert "GiB" in rows["memory"]
    assert rows["xgboost"][0].isdigit()
    assert {"CUDA", "data folder", "compiled kernels", "system"} <= set(rows)
    assert not any(value.startswith("unknown") for value in rows.values())


def test_info_comes_out_whole_from_a_broken_installation(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # as if neither were installed
    monkeypatch.setitem(sys.modules, "psutil", None)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert cli.main(["info"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^memory +unknown \(ModuleNotFoundError", out, flags=re.MULTILINE)
    assert re.search(r"^CUDA +unknown \(torch is not installed\)", out, flags=re.MULTILINE)
    assert re.search(r"^voila +\d", out, flags=re.MULTILINE)


def test_an_unknown_demo_is_answered_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert "no demo 'zebras'. Choose one of: cells" in fails(capsys, "demo", "zebras", "--no-browser")


def test_a_workflow_and_an_example_may_be_named() -> None:
    workflow, example = cli._find_example("cells")
    assert workflow == "cells"
    assert cli._find_example(example) == (workflow, example)
    assert example == "ihc", "the default demo opens real cells"
    assert cli._find_example("tissue") == ("cells", "tissue")


@pytest.mark.parametrize("command", [["demo"], ["open", "anywhere"]])
def test_a_busy_port_is_said_before_anything_is_prepared(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"Port {port} cannot be used" in fails(capsys, *command, "--no-browser", "--port", str(port))


def test_a_folder_that_is_no_project_is_said_in_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert str(tmp_path) in fails(capsys, "open", str(tmp_path), "--no-browser")


def test_a_folder_of_images_gets_a_project_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    images = tmp_path / "spleen"
    images.mkdir()
    tifffile.imwrite(images / "field.tif", np.zeros((2, 30, 40), np.uint16), photometric="minisblack")
    served = []
    monkeypatch.setattr(
        "celltune_nb.apps.server.serve", lambda notebook, **how: served.append(how["environment"])
    )
    place = tmp_path / "spleen-celltune"
    assert cli.main(["open", str(images), "--no-browser"]) == 0
    assert f"The project is kept in {place}" in capsys.readouterr().out
    assert served[0] == {page.FOLDER: str(place), page.LOOK_AT: str(images)}
    with ct.Session.open(place) as session:
        assert not session.images  # nothing is imported before the person has looked
    assert [path.name for path in images.iterdir()] == ["field.tif"]
    assert cli.main(["open", str(images), "--no-browser"]) == 0
    assert f"their project is {place}" in capsys.readouterr().out
    assert cli.main(["open", str(images), "--no-browser", "--project", str(tmp_path / "elsewhere")]) == 0
    assert served[2][page.FOLDER] == str(tmp_path / "elsewhere")
    assert cli.main(["open", str(place), "--no-browser"]) == 0
    assert served[3] == {page.FOLDER: str(place), page.LOOK_AT: ""}
    capsys.readouterr()
    assert "is a project itself" in fails(
        capsys, "open", str(place), "--project", str(images), "--no-browser"
    )


def test_a_bundle_is_unpacked_beside_itself_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with ct.Session.create(tmp_path / "mine") as session:
        session.categories.add("B cell")
        session.save_bundle(tmp_path / "gift.zip")
    served = []
    monkeypatch.setattr(
        "celltune_nb.apps.server.serve", lambda notebook, **how: served.append(how["environment"])
    )
    place = tmp_path / "gift"
    assert cli.main(["open", str(tmp_path / "gift.zip"), "--no-browser"]) == 0
    assert f"unpacked in {place}" in capsys.readouterr().out
    with ct.Session.open(place) as session:
        session.categories.add("T cell")
    assert cli.main(["open", str(tmp_path / "gift.zip"), "--no-browser"]) == 0
    assert f"unpacked before; its project is {place}" in capsys.readouterr().out
    with ct.Session.open(place) as session:  # what was done since is still there
        assert {"B cell", "T cell"} <= {c.name for c in session.categories}
    assert (
        cli.main(["open", str(tmp_path / "gift.zip"), "--no-browser", "--project", str(tmp_path / "other")])
        == 0
    )
    assert [how[page.FOLDER] for how in served] == [str(place), str(place), str(tmp_path / "other")]


def test_no_command_shows_the_usage() -> None:
    run = subprocess.run(PROGRAM, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert "usage: celltune-nb" in run.stderr


@pytest.mark.slow
@pytest.mark.alone
def test_demo_prepares_serves_and_ends_at_ctrl_c(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    demo = subprocess.Popen(
        [*PROGRAM, "demo", "cells", "--no-browser", "--project", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert demo.stdout is not None
        lines = [demo.stdout.readline() for _ in range(3)]
        assert "Preparing the example 'ihc'" in lines[0]
        assert re.search(rf"[1-9]\d* items in {re.escape(str(folder))}", lines[1])
        address = re.search(r"http://127\.0\.0\.1:\d+/", lines[2])
        assert address, lines
        with urllib.request.urlopen(address.group(0), timeout=LONG) as answer:
            html = answer.read().decode()
        assert "application/vnd.jupyter.widget-view+json" in html
        assert "cannot be opened" not in html
    finally:
        demo.send_signal(signal.SIGINT)
        out, err = demo.communicate(timeout=LONG)
    assert demo.returncode == 0, err
    assert out.splitlines()[-1] == "Ended. Everything is saved."
    # nobody holds the project any more
    with ct.Session.open(folder) as session:
        assert not session.read_only
        assert len(session.items) > 0
