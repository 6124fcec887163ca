"""Figures as files: pictures that open, numbers that are those of the result."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from celltune_nb.errors import InputError, NotReadyError
from celltune_nb.session import Session
from celltune_nb.session.figures import FIGURES
from celltune_nb.session.jobs import Jobs
from tests.session.conftest import label_some


@pytest.fixture(scope="module")
def judged_project(finished_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(shutil.copytree(finished_project, tmp_path_factory.mktemp("judged") / "project"))
    with Session.open(folder, jobs=Jobs(inline=True)) as session:
        label_some(session, 6)
        session.train(rounds=4, wait=True)
        label_some(session, 10, seed=2)
        session.train(rounds=6, wait=True)
        session.evaluate()
        session.learning_curve()
        session.score(session.items.rename(columns={"truth": "class"}))
    return folder


@pytest.fixture
def judged(judged_project: Path, tmp_path: Path) -> Iterator[Session]:
    folder = shutil.copytree(judged_project, tmp_path / "judged")
    with Session.open(folder, jobs=Jobs(inline=True)) as session:
        yield session


def test_every_figure_in_every_format(judged: Session, tmp_path: Path) -> None:
    for name in FIGURES:
        for ending, start in ((".pdf", b"%PDF"), (".svg", b"<?xml"), (".png", b"\x89PNG")):
            path = judged.export_figure(name, tmp_path / "new" / f"{name}{ending}")
            assert path.read_bytes().startswith(start)
        with Image.open(path) as picture:
            assert min(picture.size) > 50
            assert len(np.unique(np.asarray(picture.convert("L")))) > 10, "not an empty sheet"
        table = pd.read_csv(judged.export_figure(name, tmp_path / f"{name}.CSV"))
        assert len(table) or name == "rounds"
    svg = (tmp_path / "new" / "confusion.svg").read_text()
    assert ">truth<" in svg, "text stays text"
    assert "Matplotlib" not in (tmp_path / "new" / "confusion.pdf").read_text("latin-1").split("stream")[0]


def test_the_learning_curve_says_what_it_was_judged_on(judged: Session, tmp_path: Path) -> None:
    run = judged.run
    assert run is not None
    assert run.curve is not None
    assert "donor" in run.curve["split"].iloc[0]
    for words in ("held-out donors", "labels held out at random"):
        run.take_curve(run.curve.assign(judged_on=words, split="29 of 90 labels"))
        svg = judged.export_figure("learning_curve", tmp_path / "curve.svg").read_text()
        assert f"on {words}" in svg
        assert "29 of 90 labels" in svg
        assert set(
            pd.read_csv(judged.export_figure("learning_curve", tmp_path / "curve.csv"))["judged_on"]
        ) == {words}


def test_a_figure_that_cannot_be_written_is_said(judged: Session, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    (tmp_path / "folder.png").mkdir()
    for path in ("file/x.pdf", "file/x.csv", "folder.png"):
        with pytest.raises(InputError, match="cannot be written"):
            judged.export_figure("confusion", tmp_path / path)
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


def test_what_the_notebook_draws_keeps_its_settings(judged: Session, tmp_path: Path) -> None:
    """Figures are written from a thread beside a notebook's own."""
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    seen: list[object] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            seen.append((mpl.rcParams["font.size"], mpl.rcParams["font.family"]))
            mpl.rcParams["lines.linewidth"] = 7.0
            time.sleep(0.002)

    watching = threading.Thread(target=look)
    watching.start()
    try:
        judged.export_figure("categories", tmp_path / "x.pdf")
    finally:
        ended.set()
        watching.join()
    kept = mpl.rcParams["lines.linewidth"]
    mpl.rcParams["lines.linewidth"] = before["lines.linewidth"]
    assert kept == 7.0, "what was set meanwhile was put back"
    assert {str(pair) for pair in seen} == {str((before["font.size"], before["font.family"]))}
    assert dict(mpl.rcParams) == before


def test_the_numbers_are_those_of_the_result(judged: Session, tmp_path: Path) -> None:
    found = judged.agreement()
    table = pd.read_csv(judged.export_figure(found, tmp_path / "a.csv"), index_col=0)
    np.testing.assert_array_equal(table.loc[list("ABC"), list("ABC")].to_numpy(), found.table.to_numpy())
    assert table.loc["column agreement", "row agreement"] == pytest.approx(found.rate)
    run = judged.run
    assert run is not None
    assert run.evaluation is not None
    table = pd.read_csv(judged.export_figure("confusion", tmp_path / "c.csv"), index_col=0)
    np.testing.assert_allclose(table.to_numpy(), run.evaluation.confusion.to_numpy())


def test_what_is_not_there_yet_says_how_to_get_it(session: Session, tmp_path: Path) -> None:
    label_some(session, 6)
    session.train(models=("xgboost",), rounds=3, wait=True)
    for name, sentence in (
        ("confusion", r"session.evaluate\(\)"), ("learning_curve", "learning_curve"), ("truth", "session.score"),
        ("agreement", "Train two"), ("rounds", "one training only"),
    ):  # fmt: skip
        with pytest.raises(NotReadyError, match=sentence):
            session.export_figure(name, tmp_path / "x.pdf")
    for what, path in (("pie", "x.pdf"), ("confusion", "x.docx"), ("confusion", ""), ("confusion", None)):
        with pytest.raises(InputError):
            session.export_figure(what, path)
    assert list(tmp_path.glob("x*")) == []


def test_a_dollar_sign_in_a_name_is_one(judged: Session, tmp_path: Path) -> None:
    judged.categories.rename("A", r"$\notatex{$ A")
    judged.train(rounds=4, wait=True)
    judged.evaluate()
    for name in ("confusion", "categories", "agreement"):
        svg = judged.export_figure(name, tmp_path / f"{name}.svg").read_text()
        assert r"$\notatex{$ A" in svg


@pytest.mark.parametrize("what", [["confusion"], {}, None, pd.DataFrame({"a": [1]}), "Confusion matrix"])
def test_what_is_no_figure_is_said(session: Session, tmp_path: Path, what: object) -> None:
    with pytest.raises(InputError, match="There is no figure"):
        session.export_figure(what, tmp_path / "x.png")
