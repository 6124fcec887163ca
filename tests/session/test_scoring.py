"""Predictions against a ground truth that somebody brings."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from celltune_nb.errors import CellTuneError, InputError
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from celltune_nb.session.kept_scores import outdated
from tests.session.conftest import label_some


@pytest.fixture
def trained(session: Session) -> Session:
    label_some(session, 6)
    session.train(rounds=4, wait=True)
    return session


def table(session: Session) -> pd.DataFrame:
    items = session.items
    return pd.DataFrame({"image": items["image"], "cellID": items["cellID"], "class": items["truth"]})


def test_figures_are_those_of_scikit_learn_and_labels_stay(trained: Session, tmp_path: Path) -> None:
    revision = trained.book.revision
    path = tmp_path / "truth.csv"
    table(trained).to_csv(path, index=False)
    found = trained.score(path)
    truth = trained.items["truth"].to_numpy().astype(str)
    answer = trained.populations["Pred_AVG"].to_pandas().to_numpy().astype(str)
    assert found.n == found.matched == 300
    assert found.accuracy == pytest.approx((truth == answer).mean())
    assert found.macro_f1 == pytest.approx(f1_score(truth, answer, average="macro"))
    assert found.confusion.to_numpy().sum() == 300
    assert found.by == "id"
    assert trained.book.revision == revision
    assert trained.scores is found
    for a in "ABC":
        for b in "ABC":
            ids = trained.items.index[(truth == a) & (answer == b)]
            assert set(found.items(a, b)) == set(ids)


def test_rows_without_a_cell_and_strange_names_are_counted_not_hidden(trained: Session) -> None:
    frame = table(trained)
    frame["class"] = frame["class"].astype(object)
    frame.iloc[:10, 1] = 99_999
    frame.iloc[10:14, 2] = "Martian"
    frame.iloc[14:17, 2] = None
    found = trained.score(frame)
    assert (found.matched, found.unmatched) == (290, 10)
    assert found.unknown == {"Martian": 4}
    assert found.n == 283
    assert "Martian (4)" in found.sentence
    assert "10 rows match no cell" in found.sentence
    told = trained.score(frame, names={"Martian": "A"})
    assert told.unknown == {}
    assert told.n == 287


def test_names_are_matched_whatever_their_case(trained: Session) -> None:
    frame = table(trained)
    frame["class"] = frame["class"].str.lower() + " "
    frame = frame.rename(columns={"image": "fov", "class": "cell_type", "cellID": "cell_id"})
    assert trained.score(frame).n == 300


def test_cells_are_found_by_their_place(trained: Session) -> None:
    items = trained.items
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "image": items["image"],
            "y": items["y"] + rng.uniform(-3, 3, 300),
            "x": items["x"] + rng.uniform(-3, 3, 300),
            "class": items["truth"],
        }
    )
    frame.iloc[0, 1] += 1_000
    found = trained.score(frame)
    assert found.by == "position"
    assert (found.matched, found.unmatched) == (299, 1)
    assert found.accuracy == pytest.approx(trained.score(table(trained).iloc[1:]).accuracy)
    near = trained.score(frame, radius=1.0)
    assert near.matched < 150


def test_any_population_set_can_be_compared(trained: Session) -> None:
    found = trained.score(table(trained), population="labels")
    assert found.accuracy == 1.0
    assert found.n == 18
    assert found.unanswered == 282
    with pytest.raises(InputError, match="pairs"):
        trained.score(table(trained), population="Pred_ALL")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda f: f.drop(columns="class"), "no column 'class'"),
        (lambda f: f.drop(columns="cellID"), "matched by position"),
        (lambda f: f.drop(columns="image"), "no column 'image'"),
        (lambda f: f.assign(image="elsewhere"), "None of the 300 rows"),
        (lambda f: f.assign(**{"class": "X"}), "No cell of the truth can be compared"),
        (lambda f: f.iloc[:0], "no rows"),
        (lambda f: f.assign(cellID="many"), "whole numbers"),
        (lambda f: [1, 2], "A table is a DataFrame"),
    ],
)
def test_a_truth_that_does_not_fit_is_refused_in_a_sentence(trained: Session, change, sentence: str) -> None:
    with pytest.raises(CellTuneError, match=sentence):
        trained.score(change(table(trained)))
    assert trained.scores is None


@pytest.mark.parametrize("content", [b"", b"\x00\x01\xff", b'image,cellID,class\n"'])
def test_damaged_files_are_refused(trained: Session, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "truth.csv"
    path.write_bytes(content)
    with pytest.raises(CellTuneError):
        trained.score(path)


@pytest.mark.parametrize("options", [{"by": "name"}, {"radius": 0}, {"radius": "far"}, {"names": {"a": "Nobody"}}, {"names": ["a"]}])  # fmt: skip
def test_bad_options(trained: Session, options) -> None:
    frame = trained.items.rename(columns={"truth": "class"})
    if "radius" in options:
        options["by"] = "position"
    with pytest.raises(InputError):
        trained.score(frame, **options)


def test_a_comparison_is_there_after_a_restart(trained: Session, tmp_path: Path) -> None:
    path = tmp_path / "truth.csv"
    table(trained).to_csv(path, index=False)
    found = trained.score(path)
    folder = trained.folder
    trained.close()
    with Session.open(folder, jobs=Jobs(inline=True)) as again:
        kept = again.scores
        assert kept is not None
        assert kept.sentence == found.sentence
        pd.testing.assert_frame_equal(kept.per_category, found.per_category)
        pd.testing.assert_frame_equal(kept.confusion, found.confusion)
        assert kept.items("A", "A").tolist() == found.items("A", "A").tolist()
        assert outdated(again, kept).startswith("Compared with truth.csv on ")
        assert "training since" not in outdated(again, kept)
        again.export_figure("truth", tmp_path / "truth.pdf")
        again.train(rounds=3, wait=True)
        assert "There was a training since" in outdated(again, kept)
    with Session.open(folder, read_only=True) as looking:
        assert looking.score(table(looking).iloc[:9]) is looking.scores
    with Session.open(folder, read_only=True) as looking:
        assert looking.scores is not None
        assert looking.scores.n == found.n, "who only looks leaves the kept one"


def _bomb() -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, about=np.zeros(64 << 20, np.uint8))
    return stream.getvalue()


@pytest.mark.parametrize("content", [b"", b"PK", b"\x00" * 99, "cut", "bomb", "codes"])
def test_a_damaged_comparison_is_said_once(trained: Session, content: bytes | str) -> None:
    trained.score(table(trained))
    folder = trained.folder
    trained.close()
    path = folder / "scores.npz"
    if content == "cut":
        content = path.read_bytes()[:-50]
    elif content == "bomb":
        content = _bomb()
    elif content == "codes":
        with np.load(path) as file:
            arrays = {**file, "truth": file["truth"] + 40}
        np.savez(path, **arrays)
        content = path.read_bytes()
    assert isinstance(content, bytes)
    path.write_bytes(content)
    with Session.open(folder, jobs=Jobs(inline=True)) as again:
        assert again.scores is None
        assert again.scores is None
        assert len(again.problems) == 1
        assert "Compare again" in again.problems[0]
        again.problems.clear()
        assert again.score(table(again)).n
        assert again.scores is not None
