"""What the entry notebook shows when a project cannot be opened."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import celltune_nb as ct
from celltune_nb.apps import page


def test_every_page_names_a_workflow_and_an_example_that_exist() -> None:
    examples = ct.datasets.available()
    notebooks = sorted(Path(page.__file__).parent.glob("*.ipynb"))
    assert notebooks
    for notebook in notebooks:
        (cell,) = json.loads(notebook.read_text())["cells"]
        assert cell["outputs"] == []
        called: list[tuple[str, str]] = []
        source = "".join(cell["source"]).replace("page.show(", "show(")
        exec(source, {"show": lambda workflow, example, called=called: called.append((workflow, example))})
        ((workflow, example),) = called
        assert workflow == notebook.stem
        assert callable(getattr(ct.workflows, workflow))
        assert examples.set_index("name").loc[example, "workflow"] == workflow


def test_a_project_that_cannot_be_opened_says_why_on_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    InteractiveShell.instance()
    monkeypatch.setenv(page.FOLDER, str(tmp_path / "<b>not there</b>"))
    with capture_output() as captured:
        page.show("cells", example="ihc")
    (shown,) = captured.outputs
    html = shown.data["text/html"]
    assert "The project cannot be opened." in html
    assert "not there" in html
    assert "<b>not there" not in html
    assert "Traceback" not in html
