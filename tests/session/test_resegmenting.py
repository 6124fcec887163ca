"""An image of the project gets another mask: what goes over, what is lost, and that nothing ever lies in between."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from celltune_nb.data.labels import LabelBook
from celltune_nb.errors import CellTuneError, InputError, NotReadyError, ReadOnlyError
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from celltune_nb.session.kept_scores import outdated
from celltune_nb.session.project import Project
from tests.session.conftest import field, label_some
from tests.session.test_carrying import masks
from tests.session.test_script import OF_LABELS, replayed
from tests.waiting import until

MEASURING = {"rings": False, "neighbours": False}


def moved(number: int, cells: int = 10) -> NDArray[np.uint16]:
    """The mask of a field, moved by two pixels, its third cell part of the second, its last gone."""
    mask = np.roll(field(number, cells)[1], 2, axis=1)
    mask[mask == 30] = 20
    mask[mask == mask.max()] = 0
    return mask


def everything(session: Session) -> dict[str, object]:
    """What a person sees of a project."""
    return {
        "items": session.items.to_json(),
        "labels": session.labels.to_pandas()[OF_LABELS].to_json(),
        "counts": session.labels.counts(),
        "populations": {
            name: session.populations[name].to_pandas().to_json() for name in session.populations
        },
        "features": {name: source.to_pandas().to_json() for name, source in session.features_by_name.items()},
        "audit": [session.audits.of("main").ids.tolist(), session.audits.of("main").inclusion.tolist()],
        "notes": session.notes["note"].to_dict(),
        "undo": session.can_undo,
        "mask": {name: int(np.asarray(image.mask, np.int64).sum()) for name, image in session.images.items()},
        "problems": session.problems,
    }


def test_labels_go_over_and_what_became_of_the_others_is_told(tmp_path: Path) -> None:
    old, new = masks()
    image = np.random.default_rng(0).poisson(9, (1, 20, 200)).astype(np.uint16)
    with Session.create(tmp_path / "p", jobs=Jobs(inline=True)) as session:
        session.add_image("a", image, old)
        session.add_image("b", image, old)
        for name in ("A", "B"):
            session.categories.add(name)
        session.user = "anna"
        session.label([1, 2, 4, 5, 7], "A", source="rectangle")
        session.user = "ben"
        session.label([6, 8, 9, 12], "B")
        session.label([8], "A")
        session.note(1, "look again")
        before = session.labels.to_pandas()
        told = session.replace_mask("a", new, minimum=0.6, preview=True)
        assert not told.done
        assert session.labels.to_pandas().equals(before)
        report = session.replace_mask("a", new, minimum=0.6)
        assert report.done
        assert str(report) == str(told)
        assert report.table.equals(told.table)
        assert report.lost.equals(told.lost)
        # New ids at the end, the former ones never again; the other image is as it was.
        assert session.table.ids.tolist() == [*range(10, 26)]
        assert session.table.names == ["b", "a"]
        assert session.items.loc[19:, "cellID"].tolist() == [10, 20, 30, 40, 50, 60, 70]
        labels = session.labels.to_pandas()
        assert labels["category"].astype(str).to_dict() == {12: "B", 19: "A", 20: "A", 25: "A"}
        # Who gave a label, how and when stays as it was.
        was = before.loc[[12, 1, 2, 7], ["user", "source", "time", "round", "batch"]]
        now = labels.loc[[12, 19, 20, 25], ["user", "source", "time", "round", "batch"]]
        assert was.reset_index(drop=True).equals(now.reset_index(drop=True))
        assert report.table.loc["A"].to_dict() == {
            "carried": 3, "kept": 0, "ambiguous": 1, "merged": 1, "split": 1, "lost": 0,
        }  # fmt: skip
        assert report.table.loc["B"].to_dict() == {
            "carried": 0, "kept": 0, "ambiguous": 1, "merged": 0, "split": 0, "lost": 1,
        }  # fmt: skip
        assert report.cells == {
            "before": 9, "after": 7, "carried": 5, "merged": 2, "split": 1, "lost": 1, "new": 2,
        }  # fmt: skip
        assert report.lost["outcome"].to_dict() == {
            5: "ambiguous",
            6: "ambiguous",
            8: "merged",
            4: "split",
            9: "lost",
        }
        assert report.lost["cellID"].to_dict() == {i: i for i in (5, 6, 8, 4, 9)}
        assert report.ids["split"].tolist() == [22, 23]
        assert session.labels.counts() == {"Unknown": 12, "A": 3, "B": 1}
        assert session.notes["note"].to_dict() == {19: "look again"}
        assert session.can_undo == "3 labels carried to the new mask of a"
        session.undo()
        assert session.labels.counts() == {"Unknown": 15, "A": 0, "B": 1}
        session.redo()
        assert session.labels.to_pandas().equals(labels)


def test_what_rests_on_cells_follows_them_and_a_reopening_finds_the_same(project: Path) -> None:
    with Session.open(project, jobs=Jobs(inline=True)) as session:
        label_some(session)
        session.levels.add("CD8")
        session.categories.add("on", level="CD8")
        session.label([101, 102, 201], "on", level="CD8")
        drawn = session.draw_audit(60, seed=1)
        session.label(drawn[:20], "A", source="audit")
        session.train(models=("xgboost",), rounds=5, seed=1, wait=True)
        session.cluster(n=4, wait=True)
        clusters = session.populations["Clusters"].to_pandas().astype(str)
        gate = session.gate(session.features.names[0], low=0.0, name="all")
        assert len(gate) == 300
        spare = np.setdiff1d(session.table.ids[session.labels.codes() == 0], drawn)
        here, stays = spare[(spare > 103) & (spare < 200)][0], spare[0]
        queue = session.review(ids=[stays, here, 103, 200], n=10, again=True)
        assert {stays, here} < set(queue.ids.tolist())
        chance = pd.Series(session.audits.inclusion("main"), session.table.ids)
        session.select([103, 101, 7])
        report = session.replace_mask("field 1", moved(1))
        pairs = dict(report.pairs.tolist())
        assert report.cells["carried"] == 98
        assert 103 not in pairs
        assert 200 not in pairs
        # Predictions of the former cells go, clusters go over, rules are asked again.
        assert set(session.populations["Pred_AVG"].ids.tolist()) == {*range(1, 101), *range(201, 301)}
        after = session.populations["Clusters"].to_pandas().astype(str)
        assert all(after[new] == clusters[old] for old, new in pairs.items())
        assert (after.loc[:300] == clusters.drop(range(101, 201))).all()
        assert session.populations["all"].codes.sum() == 200
        # An audited cell keeps answer and probability; one without a partner drops out and is counted.
        audit = session.audits.of("main")
        left = [pairs.get(i, i) for i in drawn.tolist() if i in pairs or not 101 <= i <= 200]
        assert audit.ids.tolist() == left
        assert report.audit["carried"] + report.audit["dropped"] == sum(
            101 <= i <= 200 for i in drawn.tolist()
        )
        now = pd.Series(session.audits.inclusion("main"), session.table.ids)
        assert all(now[new] == chance[old] for old, new in pairs.items())
        assert session.book.sources(
            "main", np.array([pairs[i] for i in drawn[:20].tolist() if i in pairs])
        ).tolist() == ["audit"] * sum(i in pairs for i in drawn[:20].tolist())
        assert audit.labelled == sum(pairs.get(i, i) in left for i in drawn[:20].tolist())
        # The open review goes on without the cells that are gone.
        assert set(queue.ids.tolist()) == {stays, pairs[here]}
        assert queue.current.id in {stays, pairs[here]}
        assert session.selection.tolist() == [7, pairs[101]]
        assert any("leave the review" in text for text in report.notes)
        assert session.labels.counts("CD8") == {"Unknown": 295, "on": 3}
        found = everything(session)
    with Session.open(project, jobs=Jobs(inline=True)) as session:
        assert everything(session) == found
        assert set(session.queue.ids.tolist()) == {stays, pairs[here]}
        # Only the image is measured, and it can be learned from, judged and drawn from as ever.
        told: list[str] = []
        session.measure(**MEASURING, progress=lambda part, text: told.append(text))
        assert not any("field 0" in text or "field 2" in text for text in told)
        assert len(session.features) == 298
        assert np.isfinite(session.features.to_pandas().to_numpy()).any(axis=1).all()
        assert session.populations["all"].codes.sum() == 298
        session.train(models=("xgboost",), rounds=5, seed=1, wait=True)
        assert len(session.populations["Pred_AVG"]) == 298
        session.evaluate()
        assert len(session.draw_audit(10, seed=3)) == 10
        assert not np.isin(session.audits.draws("main")[-1], session.audits.draws("main")[0]).any()
        session.queue.answer("A")
        assert session.problems == []


def test_labels_that_go_over_are_none_that_a_training_had_not(session: Session) -> None:
    ids = label_some(session)
    session.train(models=("xgboost",), rounds=2, seed=1, wait=True)
    assert np.any((ids > 100) & (ids <= 200))
    session.replace_mask("field 1", moved(1))
    session.measure(**MEASURING)
    run = session.train(models=("xgboost",), rounds=2, seed=1, wait=True)
    assert run.about["round"]["new_labels"] == 0


def test_a_comparison_with_a_truth_stays_and_leads_to_the_cells_that_are_left(session: Session) -> None:
    label_some(session)
    session.train(models=("xgboost",), rounds=2, seed=1, wait=True)
    truth = session.items[["image", "cellID", "truth"]].rename(columns={"truth": "class"})
    found = session.score(truth)
    places = found.ids.tolist()
    report = session.replace_mask("field 1", moved(1))
    pairs = dict(report.pairs.tolist())
    wanted = {pairs.get(i, i) for i in places if i in pairs or not 101 <= i <= 200}

    def checked(session: Session) -> None:
        scores = session.scores
        assert scores is not None
        assert scores.sentence == found.sentence
        assert set(scores.items().tolist()) == wanted
        session.positions(scores.items("A", "A"))
        assert "2 of its cells are gone with a mask that was replaced" in outdated(session, scores)
        assert session.problems == []

    checked(session)
    with Session.open(session.folder, read_only=True, jobs=Jobs(inline=True)) as other:
        checked(other)


def test_going_back_is_replacing_again_and_nothing_of_before_is_deleted(session: Session) -> None:
    label_some(session)
    before = session.labels.to_pandas()
    rows = sum(1 for _ in session.journal.entries())
    old = np.asarray(field(1)[1])
    session.replace_mask("field 1", moved(1))
    assert (np.asarray(session.former_mask("field 1")) == old).all()
    # Cells that are not measured yet can be looked at and labelled, and that they teach nothing is said.
    new = session.items_in("field 1", (0, 0, 100, 100))
    assert np.isin(session.sample(5, image="field 1", rectangle=(0, 0, 100, 100)), new).all()
    assert any("not measured yet" in problem.text for problem in session.training_problems())
    report = session.replace_mask("field 1", session.former_mask("field 1"))
    assert report.cells["carried"] == 97
    assert report.cells["split"] == 1
    assert report.cells["after"] == 100
    items = session.items
    assert items.index.max() == 498
    assert items.index.is_unique
    here = items["image"] == "field 1"
    assert items.loc[here, "cellID"].tolist() == [*range(10, 1010, 10)]
    # Every label is where it was, but for those of the cells that had no partner.
    key = ["image", "cellID"]
    names = pd.DataFrame(
        {"image": [f"field {i}" for i in range(3) for _ in range(100)], "cellID": [*range(10, 1010, 10)] * 3}
    )
    was = {tuple(names.loc[i - 1, key]): str(c) for i, c in before["category"].items()}
    now = {tuple(items.loc[i, key]): str(c) for i, c in session.labels.to_pandas()["category"].items()}
    lost = {("field 1", 20), ("field 1", 30), ("field 1", 1000)}  # two became one, one was gone
    assert {k: v for k, v in was.items() if k not in lost} == now
    entries = list(session.journal.entries())
    assert [e.verb for e in entries[:rows]] == [e.verb for e in list(session.journal.entries())[:rows]]
    with pytest.raises(InputError, match="2 former masks"):
        session.former_mask("field 1", 2)
    with pytest.raises(InputError, match="no former mask"):
        session.former_mask("field 0")


def test_undo_beyond_a_replacement_concerns_the_cells_that_are_still_there(session: Session) -> None:
    session.label([1, 2, 101, 102], "A")
    session.label([102, 103], "B")
    session.categories.add("D")
    session.label([3, 104], "D")
    session.categories.merge("D", "A")
    report = session.replace_mask("field 1", moved(1))
    pairs = dict(report.pairs.tolist())
    labels = session.labels.to_pandas()
    assert labels["category"].astype(str).to_dict() == {
        1: "A", 2: "A", 3: "A", pairs[101]: "A", pairs[102]: "B", pairs[104]: "A",
    }  # fmt: skip
    session.categories.unmerge("D")
    assert session.labels.to_pandas()["category"].astype(str)[[3, pairs[104]]].tolist() == ["D", "D"]
    session.undo()
    steps = []
    while (what := session.undo()) is not None:
        steps.append(what)
        session.positions(session.labels.to_pandas().index.to_numpy())  # none of a cell that is gone
    assert not len(session.labels)
    for _ in steps:
        session.redo()
    assert session.labels.to_pandas().equals(labels)
    assert LabelBook(session.journal).to_pandas("main").equals(labels)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.integers(0, 10_000), st.sampled_from(["covered", "iou"]), st.floats(0.05, 1.0))
def test_every_label_goes_to_one_cell_or_is_listed_as_lost(
    tmp_path: Path, seed: int, by: str, minimum: float
) -> None:
    rng = np.random.default_rng(seed)

    def random_mask() -> NDArray[np.int32]:
        mask = np.zeros((40, 50), np.int32)
        for number in rng.permutation(rng.integers(2, 25)):
            y, x, h, w = *rng.integers(0, 38, 2), *rng.integers(1, 14, 2)
            mask[y : y + h, x : x + w] = 3 * number + 1
        return mask

    folder = tmp_path / f"{seed}-{by}-{minimum}"
    shutil.rmtree(folder, ignore_errors=True)
    image = rng.integers(0, 9, (1, 40, 50)).astype(np.uint8)
    with Session.create(folder, jobs=Jobs(inline=True)) as session:
        session.add_image("a", image, random_mask())
        session.add_image("b", image, random_mask())
        for name in "AB":
            session.categories.add(name)
        for _ in range(rng.integers(1, 4)):
            session.label(rng.choice(session.table.ids, rng.integers(1, 12)), "AB"[rng.integers(2)])
        for _ in range(3):
            name = "ab"[rng.integers(2)]
            before, items = session.labels.to_pandas()["category"].astype(str), session.items
            report = session.replace_mask(name, random_mask(), by=by, minimum=minimum)
            after, now = session.labels.to_pandas()["category"].astype(str), session.items
            there = before[items.loc[before.index, "image"] == name]
            elsewhere = before.drop(there.index)
            assert after.loc[elsewhere.index].equals(elsewhere)
            pairs = pd.Series(dict(report.pairs.tolist()), dtype=np.int64)
            assert pairs.is_unique
            goes = there[~there.index.isin(report.lost.index)]
            assert goes.index.isin(pairs.index).all()
            expected = pd.Series(goes.to_numpy(object), index=pairs[goes.index].to_numpy())
            assert after.drop(elsewhere.index).sort_index().to_dict() == expected.sort_index().to_dict()
            assert report.labels == (len(goes), len(report.lost))
            assert report.lost.index.isin(there.index).all()
            assert report.lost.index.is_unique
            assert now.index.is_unique
            assert not set(now.index[now["image"] == name]) & set(items.index)
            assert report.table.to_numpy().sum() == len(there)
        labels = session.labels.to_pandas()
    with Session.open(folder, jobs=Jobs(inline=True)) as session:
        assert session.labels.to_pandas().equals(labels)
        assert session.items.equals(now)
        assert session.problems == []


# ---------------------------------------------------------------------- killed, or failing, in between


def test_killed_at_any_moment_it_is_before_or_after(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is copied at each step, as a program that is killed there would leave it, and opened elsewhere."""
    copies: list[tuple[str, Path]] = []

    def left(step: str) -> None:
        copies.append((step, Path(shutil.copytree(project, tmp_path / f"left-{len(copies)}"))))

    def watched(owner: type, name: str) -> None:
        verb = getattr(owner, name)

        def call(self: object, *rest: object, **more: object) -> object:
            left(f"before {name}")
            result = verb(self, *rest, **more)
            left(f"after {name}")
            return result

        monkeypatch.setattr(owner, name, call)

    with Session.open(project, jobs=Jobs(inline=True)) as session:
        label_some(session)
        session.draw_audit(20, seed=1)
        session.cluster(n=3, wait=True)
        before = everything(session)
        for owner, name in (
            (Project, "write_array"), (Project, "use_items"), (Project, "save"), (Project, "use_features"),
            (LabelBook, "retire"), (LabelBook, "carry"), (Session, "load_populations"),
        ):  # fmt: skip
            watched(owner, name)
        session.replace_mask("field 1", moved(1))
        after = everything(session)
    monkeypatch.undo()
    assert before != after
    seen = []
    for step, folder in copies:
        with Session.open(folder, read_only=True, jobs=Jobs(inline=True)) as session:
            looked = everything(session)
        with Session.open(folder, jobs=Jobs(inline=True)) as session:
            assert everything(session) == looked, step
            session.user = "next"
            session.categories.add("more")  # who works on does so from there
            session.add_image("late", field(9)[0], field(9)[1], channels=["A", "B", "C"])
        with Session.open(folder, jobs=Jobs(inline=True)) as session:
            assert session.problems == []
            assert session.table.ids[-1] in (400, 498)
        assert looked in (before, after), step
        seen.append("before" if looked == before else "after")
    assert sorted(seen, reverse=True) == seen
    assert {"before", "after"} == set(seen)
    # project.json is written inside of the journal's transaction and does not count before that has ended.
    steps = [step for step, _ in copies]
    assert seen[steps.index("after save")] == "before"


def test_what_fails_changes_nothing(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    label_some(session)
    before, files = everything(session), sorted(session.folder.rglob("masks/*"))

    def full(self: Project) -> None:
        raise OSError(28, "no space")

    with monkeypatch.context() as patch:
        patch.setattr(Project, "save", full)
        with pytest.raises(OSError, match="no space"):
            session.replace_mask("field 1", moved(1))
    assert everything(session) == before
    assert sorted(session.folder.rglob("masks/*")) == files
    session.label([1], "A")
    session.replace_mask("field 1", moved(1))
    assert session.table.ids[-1] == 398


# ---------------------------------------------------------------------- refused


def test_what_does_not_fit_is_refused_with_a_sentence(session: Session, tmp_path: Path) -> None:
    label_some(session)
    before = everything(session)
    mask = moved(1)
    broken = tmp_path / "broken.tif"
    tifffile.imwrite(broken, mask)
    broken.write_bytes(broken.read_bytes()[:-4000])
    huge = tmp_path / "huge.npy"
    with huge.open("wb") as stream:
        np.lib.format.write_array_header_1_0(
            stream, {"descr": "<u4", "fortran_order": False, "shape": (10**6, 10**6)}
        )
    (tmp_path / "empty.tif").write_bytes(b"")
    for wrong, word in (
        (mask[:-1], "shape"),
        (mask.astype(float), "whole numbers"),
        (mask[None], "shape"),
        (np.zeros_like(mask), "no cell"),
        (-mask.astype(np.int32), "negative"),
        ("nothing", "shape|no|not"),
        (None, "No mask"),
        (tmp_path / "absent.tif", "absent"),
        (tmp_path / "empty.tif", "empty"),
        (broken, "broken"),
        (huge, "huge|shape"),
        (np.array([["a"]]), "shape"),
    ):
        with pytest.raises(CellTuneError, match=word):
            session.replace_mask("field 1", wrong)
    with pytest.raises(InputError, match="no image 'nowhere'"):
        session.replace_mask("nowhere", mask)
    for minimum in (0, 1.5, float("nan"), "x"):
        with pytest.raises(InputError, match="least overlap"):
            session.replace_mask("field 1", mask, minimum=minimum)
    with pytest.raises(InputError, match="by is"):
        session.replace_mask("field 1", mask, by="area")
    with pytest.raises(InputError, match="array"):
        session.replace_mask("field 1", mask, copy=False)
    assert everything(session) == before
    assert not list(session.folder.rglob("*.tmp"))
    with Session.open(session.folder, read_only=True, jobs=Jobs(inline=True)) as other:
        assert other.replace_mask("field 1", mask, preview=True).cells["after"] == 98
        with pytest.raises(ReadOnlyError):
            other.replace_mask("field 1", mask)


def test_cells_of_a_table_are_not_matched_and_a_first_mask_is_welcome(tmp_path: Path) -> None:
    image, mask, _ = field(0, 3)
    with Session.create(tmp_path / "p", jobs=Jobs(inline=True)) as session:
        session.add_image("bare", image)
        report = session.replace_mask("bare", mask)
        assert report.cells["before"] == 0
        assert report.cells["new"] == 9
        assert len(session.items) == 9
        session.add_image("tabled", image)
        session.import_cells(
            pd.DataFrame({"image": "tabled", "cellID": [1, 2], "x": [10, 30], "y": [10, 30]}), x="x", y="y"
        )
        with pytest.raises(InputError, match="A table brought the cells"):
            session.replace_mask("tabled", mask)
        session.measure(**MEASURING)
        session.replace_mask("bare", mask)  # the only one that is measured
        assert len(session.features) == 0 or len(session.features) == 2
        session.measure(**MEASURING)
        assert session.features.to_pandas().iloc[-9:].notna().any(axis=1).all()


def test_it_waits_for_what_learns_from_the_cells(session: Session) -> None:
    label_some(session)

    class Busy(Jobs):
        waiting = True  # type: ignore[assignment]

    session.jobs = Busy(inline=True)
    with pytest.raises(NotReadyError, match="Wait"):
        session.replace_mask("field 1", moved(1))


# ---------------------------------------------------------------------- files, columns, the script


def test_a_mask_may_stay_in_its_file_and_columns_of_the_image_stay(session: Session, tmp_path: Path) -> None:
    items = session.items
    plate = np.where(items["image"] == "field 1", "P2", "P1")
    session.import_cells(pd.DataFrame({"image": items["image"], "cellID": items["cellID"], "plate": plate}))
    path = tmp_path / "new.tif"
    tifffile.imwrite(path, moved(1))
    session.replace_mask("field 1", path, copy=False)
    assert session.images["field 1"].mask_source == path
    here = session.items[session.items["image"] == "field 1"]
    assert set(here["plate"]) == {"P2"}
    assert here["truth"].isna().all()
    assert set(here["group"]) == {"donor 1"}
    tifffile.imwrite(path, moved(2))
    assert session.items_in("field 1", (0, 0, 30, 30)).tolist() == [301, 310]
    row = next(
        r
        for r in json.loads((session.folder / "project.json").read_text())["images"]
        if r["name"] == "field 1"
    )
    assert row["mask_file"]["path"] == str(path)
    assert row["mask"] is None


def test_a_script_replaces_masks_again(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label_some(session)
    session.draw_audit(20, seed=5)
    session.replace_mask("field 1", moved(1))
    session.label([301, 302], "C")
    session.undo()
    path = tmp_path / "second.tif"
    tifffile.imwrite(path, np.roll(moved(1), 1, axis=0))
    session.replace_mask("field 1", path, minimum=0.4)
    session.undo()
    session.redo()
    session.label([450, 7], "B")
    session.measure(**MEASURING)
    script = session.script()
    assert "former_mask('field 1', 1)" in script
    assert "second.tif" in script
    with replayed(script, tmp_path, monkeypatch) as again:
        for level in session.levels:
            one, other = (s.labels.to_pandas(level)[OF_LABELS].astype(str) for s in (session, again))
            pd.testing.assert_frame_equal(one, other)
        assert again.audits.of("main").ids.tolist() == session.audits.of("main").ids.tolist()
        columns = ["image", "cellID", "y", "x", "group"]
        pd.testing.assert_frame_equal(again.items[columns], session.items[columns])
        one, other = session.features.to_pandas(), again.features.to_pandas()
        pd.testing.assert_frame_equal(one, other[one.columns])


def test_where_every_mask_was_replaced_the_work_goes_on(tmp_path: Path) -> None:
    image, mask, kinds = field(0)
    with Session.create(tmp_path / "one", jobs=Jobs(inline=True)) as session:
        session.add_image("a", image, mask, channels=["A", "B", "C"])
        session.measure(**MEASURING)
        for name in "ABC":
            session.categories.add(name)
        label_each = {name: 1 + np.flatnonzero(kinds == k)[:8] for k, name in enumerate("ABC")}
        session.label_each(label_each)
        session.train(models=("xgboost", "lightgbm"), rounds=3, wait=True)
        session.gate("A__Probability", 0.5, name="sure")
        session.embed()
        session.set_view(color_by="Pred_AVG")
        report = session.replace_mask("a", mask)
        assert any(note.startswith("The map of cells leaves the new ones out") for note in report.notes)
        # No answer is left of cells that are all gone, and what needs one says so.
        assert "Pred_AVG" not in session.populations
        assert session.view.color_by == "labels"
        assert "train again" in session.populations.gates.problem("sure")
        with pytest.raises(NotReadyError, match="Measure"):
            session.evaluate()
        with pytest.raises(NotReadyError, match="Measure"):
            session.sample(5, by="clusters")
        assert len(session.sample(5)) == 5
        session.measure(**MEASURING)
        assert len(session.sample(5)) == 5
        assert session.evaluate().n == 24
        with pytest.raises(NotReadyError, match="needs a model"):
            session.review(n=5)
        session.train(models=("xgboost", "lightgbm"), rounds=3, wait=True)
        assert len(session.populations["Pred_AVG"]) == len(session.table)
        assert len(session.review(n=5, border=0)) == 5
        session.replace_mask("a", np.roll(mask, 1, axis=0))
        session.measure(**MEASURING)
        session.train(models=("xgboost",), rounds=3, wait=True)
        assert not session.problems
    with Session.open(tmp_path / "one", jobs=Jobs(inline=True)) as again:
        assert again.populations.names() == ["labels", "Pred_MDL1", "Pred_AVG", "sure"]
        assert not again.problems


def test_a_label_that_waits_while_a_mask_is_replaced_is_refused_and_not_lost(session: Session) -> None:
    said: list[Exception] = []

    def click(act: Callable[[], object]) -> None:
        try:
            act()
        except CellTuneError as error:
            said.append(error)

    come: set[threading.Thread] = set()
    writing = session.access.writing

    def coming() -> AbstractContextManager[None]:
        come.add(threading.current_thread())
        return writing()

    session.access.writing = coming
    cell = int(session.table.ids[0])
    acts = (
        lambda: session.label([cell], "A"),
        lambda: session.label_each({"A": [cell]}),
        lambda: session.note(cell, "odd"),
    )
    with session.lock:
        clicks = [threading.Thread(target=click, args=(act,)) for act in acts]
        for one in clicks:
            one.start()
        # They have looked up their cell, and wait for the lock.
        until(lambda: come >= set(clicks))
        session.replace_mask("field 0", moved(0))
    for one in clicks:
        one.join()
    assert [str(error).split(":")[0] for error in said] == ["1 of these 1 cells are gone"] * 3
    assert session.labels.to_pandas().empty
    assert session.notes.empty
    session.label([int(session.table.ids[0])], "A")
