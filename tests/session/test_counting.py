"""Counts by slice, animal and region: raw, corrected with limits, of one marker and of several together."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from celltune_nb.errors import CellTuneError, InputError, NotReadyError, ReadOnlyError
from celltune_nb.session import Session, count_memory
from celltune_nb.session.count_memory import memory_of
from celltune_nb.session.jobs import Jobs

SLICES, CELLS = 8, 400


def _cells(seed: int = 0) -> pd.DataFrame:
    """Slices of four animals, each stained more or less; cFos is ON in one of seven, PV in one of ten."""
    rng = np.random.default_rng(seed)
    parts = []
    for i in range(SLICES):
        truth = {"cFos": rng.random(CELLS) < 0.15, "PV": rng.random(CELLS) < 0.1}
        columns = {
            f"{name}__Mean": np.where(on, 3.0, 0.0) + rng.normal(rng.normal(0, 0.5), 1, CELLS)
            for name, on in truth.items()
        }
        y, x = rng.uniform(0, 200, CELLS), rng.uniform(0, 300, CELLS)
        parts.append(
            pd.DataFrame(
                {"image": f"slice {i + 1}", "cellID": np.arange(1, CELLS + 1), "y": y, "x": x, "animal": f"animal {i // 2 + 1}",
                 "region": np.where(x < 100, "CA1", "DG"), **columns, **{f"truth_{k}": v for k, v in truth.items()}}
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def label(session: Session, marker: str, ids: np.ndarray, source: str = "click") -> None:
    on = session.items[f"truth_{marker}"][ids].to_numpy(bool)
    for some, name in ((ids[on], "ON"), (ids[~on], "OFF")):
        if len(some):
            session.label(some, name, level=marker, source=source)


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two markers trained, cFos with an audit of 200 cells, PV with none."""
    folder = tmp_path_factory.mktemp("projects") / "counted"
    with Session.create(folder, level="cFos", jobs=Jobs(inline=True)) as session:
        session.import_cells(_cells(), x="x", y="y", group="animal", features=["cFos__Mean", "PV__Mean"])
        session.levels.add("PV")
        for marker in ("cFos", "PV"):
            for name in ("OFF", "ON"):
                session.categories.add(name, level=marker)
            rng = np.random.default_rng(1)
            truth = session.items[f"truth_{marker}"].astype(bool)
            some = [rng.choice(truth.index[truth == on], 30, replace=False) for on in (True, False)]
            label(session, marker, np.concatenate(some))
            session.train(level=marker, wait=True, rounds=40)
        label(session, "cFos", session.draw_audit(200, level="cFos", seed=2), "audit")
    return folder


@pytest.fixture
def session(counted: Path, tmp_path: Path) -> Iterator[Session]:
    with Session.open(shutil.copytree(counted, tmp_path / "project"), jobs=Jobs(inline=True)) as opened:
        yield opened
        assert opened.problems == []


def _truth(session: Session, by: list[str], on: pd.Series | None = None) -> pd.Series:
    items = session.items
    on = items["truth_cFos"].astype(bool) if on is None else on
    return on.groupby([items[b] for b in by]).sum()


@pytest.mark.parametrize("by", ["image", "group", "region", "group×region", "all"])
def test_counts_are_as_called_and_as_the_audit_corrects_them(session: Session, by: str) -> None:
    table = session.counts(by)
    called = session.populations["Pred_AVG"].to_pandas().astype(str) == "ON"
    assert table["raw"].sum() == called.sum()
    assert table["cells"].sum() == SLICES * CELLS
    assert table["audited"].sum() == 200
    assert (table["low"] <= table["corrected"]).all()
    assert (table["corrected"] <= table["high"]).all()
    assert (table["high"] <= table["cells"]).all()
    assert "200 audited cells" in table.attrs["source"]
    if by != "all":
        truth = _truth(session, by.split("×"))
        here = table.loc[truth.index]
        assert ((here["low"] <= truth) & (truth <= here["high"])).mean() >= 0.8
        assert abs(here["corrected"].sum() / truth.sum() - 1) < 0.15
    whole = session.counts("all")
    assert table["corrected"].sum() == pytest.approx(whole["corrected"].iloc[0], rel=0.03)


def test_labelled_cells_are_counted_by_their_label(session: Session) -> None:
    label(session, "cFos", np.setdiff1d(session.items.index.to_numpy(), session.audit.ids))
    table, truth = session.counts("image"), _truth(session, ["image"])
    for column in ("corrected", "low", "high"):
        np.testing.assert_array_equal(table[column], truth.loc[table.index])


def test_a_threshold_moves_the_raw_count_and_hardly_the_corrected_one(session: Session) -> None:
    before = session.counts("group")
    session.set_threshold(0.9)
    after = session.counts("group")
    assert (after["raw"] < before["raw"]).all()
    assert after["raw"].sum() == session.populations["Pred_THR"].tally()["ON"]
    assert abs(after["corrected"].sum() / before["corrected"].sum() - 1) < 0.1


def test_a_place_with_few_audited_cells_says_so_and_has_wider_limits(session: Session) -> None:
    items = session.items
    kept = session.audit.ids
    small = kept[items.loc[kept, "image"].isin(["slice 1"])]
    session.label(small, None)
    table = session.counts("image")
    assert table.loc["slice 1", "audited"] == 0
    width = (table["high"] - table["low"]) / table["corrected"]
    assert width["slice 1"] > width.drop("slice 1").median()
    assert any("slice 1" in text for text in table.attrs["warnings"])


def test_without_an_audit_there_is_no_correction_and_it_says_why(session: Session) -> None:
    table = session.counts("image", level="PV")
    assert table["corrected"].isna().all()
    assert "PV has 0 audited cells" in table.attrs["source"]
    assert table["raw"].sum() > 0
    gate = session.gate("cFos__Mean", 2.0, name="bright")
    table = session.counts("image", what="bright")
    assert table["raw"].sum() == gate.tally()["bright"]
    assert "no audit can correct a gate" in table.attrs["source"]


def test_a_combination_is_a_population_that_follows_thresholds_and_is_corrected(session: Session) -> None:
    label(session, "PV", session.draw_audit(200, level="PV", seed=4), "audit")
    made = session.combine("cFos+ PV-")
    assert made.name == "cFos+ PV-"
    on = {m: session.populations[f"{m}/Pred_AVG"].to_pandas().astype(str) == "ON" for m in ("cFos", "PV")}
    np.testing.assert_array_equal(made.codes == 1, on["cFos"] & ~on["PV"])
    table = session.counts("group", what="cFos+ PV-")
    assert table["raw"].sum() == made.tally()["cFos+ PV-"]
    items = session.items
    truth = _truth(session, ["group"], items["truth_cFos"].astype(bool) & ~items["truth_PV"].astype(bool))
    assert ((table["low"] <= truth) & (truth <= table["high"])).mean() >= 0.75
    pd.testing.assert_frame_equal(session.counts("group", what="cFos+ PV-"), table)

    session.set_threshold(0.95, level="PV")
    now = session.populations["cFos+ PV-"]
    assert now.tally()["cFos+ PV-"] > made.tally()["cFos+ PV-"]
    session.set_threshold(level="PV")
    np.testing.assert_array_equal(session.populations["cFos+ PV-"].codes, made.codes)

    every = session.phenotypes(by="all")
    assert every["raw"].sum() == len(items)
    assert every["corrected"].sum() == pytest.approx(len(items), rel=0.02)
    assert every.loc[("cFos+ PV-", "all"), "raw"] == made.tally()["cFos+ PV-"]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("cFos+", lambda c, p: c), ("cfos +, pv−", lambda c, p: c & ~p), ("cFos+ | PV+", lambda c, p: c | p),
        ("!(cFos+ PV+)", lambda c, p: ~(c & p)), ("cFos- (PV+ | cFos+)", lambda c, p: ~c & p),
    ],
)  # fmt: skip
def test_combinations_are_read_as_they_are_written(session: Session, text: str, meant) -> None:
    on = [session.populations[f"{m}/Pred_AVG"].to_pandas().astype(str) == "ON" for m in ("cFos", "PV")]
    np.testing.assert_array_equal(session.combine(text, "mine").codes == 1, meant(*on))
    assert session.counts("all", what="mine")["raw"].iloc[0] == meant(*on).sum()


def test_combinations_survive_reopening_and_stand_in_the_script(session: Session) -> None:
    codes = session.combine("cFos+ PV-").codes
    assert "session.combine(expression='cFos+ PV-', level='cFos')" in session.script()
    session.close()
    with Session.open(session.folder, jobs=Jobs(inline=True)) as again:
        np.testing.assert_array_equal(again.populations["cFos+ PV-"].codes, codes)
        again.set_threshold(0.9)
        assert again.populations["cFos+ PV-"].tally()["cFos+ PV-"] < (codes == 1).sum()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda s: s.counts("nothing"), lambda s: s.counts(3), lambda s: s.counts([]), lambda s: s.counts("image×image"),
        lambda s: s.counts(what="cFos+ cFos-"), lambda s: s.counts(what="nobody"), lambda s: s.counts(level="nowhere"),
        lambda s: s.combine("XY+"), lambda s: s.combine(""), lambda s: s.combine(5), lambda s: s.combine("cFos+ &"),
        lambda s: s.combine("cFos+", "a/b"), lambda s: s.phenotypes(["nowhere"]), lambda s: s.phenotypes([]),
        lambda s: s.export_counts("counts.xlsx"), lambda s: s.predict_all(["nowhere"]), lambda s: s.predict_all([]),
        lambda s: s.export_counts("/proc/nowhere/counts.csv"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_and_changes_nothing(session: Session, wrong) -> None:
    before = (session.folder / "project.json").read_bytes()
    with pytest.raises(CellTuneError, match=r"\S"):
        wrong(session)
    assert (session.folder / "project.json").read_bytes() == before


def test_counts_go_into_a_file(session: Session, tmp_path: Path) -> None:
    path = session.export_counts(tmp_path / "new" / "counts.csv", "group×region")
    found = pd.read_csv(path)
    table = session.counts("group×region").reset_index()
    assert list(found["group"]) == list(table["group"])
    np.testing.assert_allclose(found["corrected"], table["corrected"])
    assert "audited cells" in found["source"].iloc[0]


def test_models_of_all_markers_are_applied_to_what_came_since(session: Session) -> None:
    before = {m: session.populations[f"{m}/Pred_AVG"].codes.copy() for m in ("cFos", "PV")}
    session.set_threshold(0.8)
    more = _cells(9)
    more["image"] = "late " + more["image"]
    session.import_cells(more, x="x", y="y", group="animal", features=["cFos__Mean", "PV__Mean"])
    assert any("no prediction" in text for text in session.counts("image").attrs["warnings"])
    seen = []
    job = session.predict_all()
    seen.append(job.progress.text)
    assert job.state == "done"
    assert "cFos, PV" in seen[-1]
    assert job.result == {"cFos": 2 * SLICES * CELLS, "PV": 2 * SLICES * CELLS}
    for marker, codes in before.items():
        found = session.populations[f"{marker}/Pred_AVG"]
        assert len(found) == 2 * SLICES * CELLS
        np.testing.assert_array_equal(found.codes[: len(codes)], codes)
    table = session.counts("image")
    assert not any("no prediction" in text for text in table.attrs["warnings"])
    assert table.loc["late slice 3", "raw"] > 10
    assert table.loc["late slice 3", "high"] - table.loc["late slice 3", "low"] > 0
    assert (session.populations["Pred_THR"].codes[-CELLS:] != 0).all()


def test_who_stops_the_models_keeps_what_was(session: Session) -> None:
    before = {name: session.populations[name].codes.copy() for name in ("Pred_AVG", "PV/Pred_AVG")}
    job = session.predict_all(changed=lambda job: job.cancel())
    assert job.state == "cancelled"
    for name, codes in before.items():
        np.testing.assert_array_equal(session.populations[name].codes, codes)


def test_who_may_only_look_counts_and_changes_nothing(session: Session) -> None:
    session.close()
    with Session.open(session.folder, read_only=True, jobs=Jobs(inline=True)) as reader:
        assert reader.counts("image")["corrected"].notna().all()
        for verb in (
            lambda: reader.combine("cFos+"),
            reader.predict_all,
            lambda: reader.add_regions("slice 1", (0, 0, 9, 9)),
            lambda: reader.set_threshold(0.4),
        ):
            with pytest.raises(ReadOnlyError):
                verb()


def test_before_a_training_there_is_nothing_to_count(tmp_path: Path) -> None:
    with Session.create(tmp_path / "new", level="cFos", jobs=Jobs(inline=True)) as new:
        new.import_cells(_cells(), x="x", y="y", features=["cFos__Mean"])
        new.categories.add("ON")
        for verb in (new.counts, new.phenotypes, new.predict_all, lambda: new.combine("cFos+")):
            with pytest.raises(NotReadyError, match=r"[Tt]rain"):
                verb()
        with pytest.raises(InputError):
            new.add_regions("slice 1", np.ones((50, 60), np.uint8))


@pytest.mark.parametrize("by", ["image", "all"])
def test_a_label_changes_the_counts_of_its_slice_alone_and_they_are_those_of_a_fresh_session(
    session: Session, by: str
) -> None:
    session.counts(by)
    memory = memory_of(session)
    fitted, before = memory.fitted, memory.worked_out
    assert fitted == 1
    free = session.table.ids[session.labels.codes() == 0]
    free = free[~np.isin(free, session.audit.ids)]
    session.label(free[:1], "ON")
    found = session.counts(by)
    assert memory.fitted == fitted  # the audit is as it was
    assert memory.worked_out == before + 1  # the cells of one slice
    session.undo()
    session.counts(by)
    assert memory.worked_out == before + 1
    session.redo()
    with Session.open(session.folder, read_only=True) as fresh:
        pd.testing.assert_frame_equal(fresh.counts(by), found, check_exact=True)
    positive = session.labels.to_pandas()["category"].loc[session.audit.ids] == "ON"
    session.label(positive.index[positive][:1], "OFF", source="audit")
    session.counts(by)
    assert memory.fitted == fitted + 1


def test_more_blocks_than_fit_into_the_memory_are_counted_all_the_same(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = session.counts("image")
    for limit in (0, 40_000):
        monkeypatch.setattr(count_memory, "BYTES", limit)
        monkeypatch.setattr(count_memory, "PART", 7)
        with Session.open(session.folder, read_only=True) as fresh:
            pd.testing.assert_frame_equal(fresh.counts("image"), found)
            assert memory_of(fresh)._bytes <= limit


def test_kinds_of_cells_are_told_apart_also_where_their_numbers_would_not_fit() -> None:
    rng = np.random.default_rng(0)
    columns = [rng.integers(-1, 4, 500), rng.integers(0, 7, 500), rng.integers(0, 3, 500)]
    for one in (columns, [columns[0], columns[1] * 2**50, columns[2] * 2**40]):
        rows, cells = np.unique(np.column_stack(one), axis=0, return_counts=True)
        found, n = count_memory.counted(one)
        np.testing.assert_array_equal(found, rows)
        np.testing.assert_array_equal(n, cells)
    assert [len(part) for part in count_memory.counted([np.empty(0, np.int64)] * 2)] == [0, 0]
