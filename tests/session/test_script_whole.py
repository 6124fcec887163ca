"""A project that uses every way of bringing, choosing and labelling cells is done again from its script."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import tifffile

from celltune_nb.formats.folders import PlannedTable
from celltune_nb.formats.h5ad_writer import write_h5ad
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from tests.session.conftest import field
from tests.session.test_script import replayed, same_labels, same_undo

TYPES = "CellType,PrimaryMarker,SecondaryMarker\nA,A,!B & !C\nB,B & !A,!C\nC,C,\n"


def study(folder: Path) -> Path:
    """Three fields of 25 cells, a folder each with a file a channel, a table of cells and one of labels."""
    for i in range(3):
        image, mask, _ = field(i, cells=5)
        place = folder / f"donor {i % 2}" / f"FOV{i}"
        place.mkdir(parents=True)
        for name, plane in zip("ABC", image, strict=True):
            tifffile.imwrite(place / f"d0_{name}.tif", plane, compression="zlib")
        tifffile.imwrite(place / "segmentation_labels.tif", mask, compression="zlib")
    rows = [f"FOV{i},{10 * (c + 1)},{c},0.{c}" for i in range(3) for c in range(25)]
    (folder / "cells.csv").write_text("\n".join(["fov,label,rank,score", *rows]))
    (folder / "some_labels.csv").write_text("image,cellID,class\nFOV0,10,T\nFOV0,20,B\n")
    (folder / "more_labels.csv").write_text("image,cellID,class\nFOV1,10,T\nFOV1,30,new one\n")
    (folder / "types.csv").write_text(TYPES)
    return folder


def annotated(path: Path) -> Path:
    """An h5ad file with places, a layer and cell types of the cells of FOV0 and FOV2."""
    rng = np.random.default_rng(0)
    rows = [(f"FOV{i}", 10 * (c + 1)) for i in (0, 2) for c in range(25)]
    obs = pd.DataFrame(rows, columns=["fov", "cell_id"])
    obs["cell_type"] = np.where(np.arange(50) % 5, "Unknown", "T")
    obs["batch"] = "b1"
    obs.index = [f"cell {i}" for i in range(50)]
    X = rng.poisson(3.0, (50, 2)).astype(np.float32)
    write_h5ad(path, obs, pd.DataFrame(index=["CD3", "CD8"]), [X], obsm={}, uns={})
    with h5py.File(path, "a") as file:
        file.copy("X", file["layers"], "raw")
    return path


def bring(session: Session, folder: Path, h5ad: Path, *, planned: bool) -> None:
    """Images, masks, tables, labels."""
    if planned:
        plan = session.look_at(folder)
        for name in "ABC":
            plan.rename_channel(f"d0_{name}", name)
        plan["FOV1"].group = "donor 9"
        for table in plan.tables:
            table.use = table.path.name in ("cells.csv", "some_labels.csv", "types.csv")
        session.import_folder(folder, plan=plan)
    else:
        plan = session.look_at(folder)
        for path in sorted(folder.glob("donor */FOV*")):
            files = sorted(path.glob("d0_*.tif"))
            mask = path / "segmentation_labels.tif"
            session.add_image(path.name, files, mask, channels=["A", "B", "C"], group=path.parent.name)
        session.import_table(PlannedTable(session.look_at_table(folder / "cells.csv")))
        session.import_labels(folder / "some_labels.csv")
        session.import_celltypes(folder / "types.csv")
    session.import_table(PlannedTable(session.look_at_table(folder / "more_labels.csv")), wait=False).wait()
    session.import_cells(h5ad, layers=["X", "raw"])
    session.import_labels(h5ad, column="cell_type", on_conflict="old")


def work(session: Session, folder: Path) -> None:
    """Everything that a person does with them."""
    session.measure(rings=False, neighbours=False)
    session.draw_audit(4, seed=5)
    session.features.set_group("mine", ["A__Mean__Cell", "B__Mean__Cell", "C__Mean__Cell"])
    session.features.use("cells", ["mine", "Area__Cell"])
    session.features.switch("Area__Cell", False)
    session.set_transform("A", 20.0)
    session.set_transform("B", factor=0.1)
    session.landmarks(4)
    session.accept_landmarks(["A", "B"])
    session.cluster("kmeans", n=3, wait=False).wait()
    session.name_clusters({1: "T", 2: "named here"})
    session.label_clusters()
    session.undo()
    session.gate("A__Mean__Cell", low=10.0, name="bright")
    session.gate("table/CD3", high=3.0, name="few")
    session.embed()
    session.gate_polygon(
        "embedding/PCA1", "embedding/PCA2", [(-9, -9), (9, -9), (0, 9)], name="map", within="bright"
    )
    session.gate_from("bright & !few & !labels:A", name="both")
    session.rename_gate("both", "either")
    session.label_gate("few", "B")
    session.draw_audit(6, seed=3)
    session.label(session.audit.ids[:3], "A", source="audit")
    session.train(models=("xgboost", "lightgbm"), rounds=4, seed=1, wait=True, exclude_images=["FOV2"])
    queue = session.review("margin", 5, seed=2)
    queue.answer("B")
    queue.note("odd")
    queue.answer(None)
    queue.answer("A")
    labelled = session.labels.to_pandas().index[:4]
    queue = session.review("blind", ids=None, n=4, whose="mine", seed=1, replace=True)
    while not queue.finished:
        queue.answer("A")
    session.note(int(labelled[0]), "look 'again'")
    session.gate("A__Probability", low=0.5, name="sure")
    session.categories.merge(["T"], "A")
    session.categories.unmerge("T")
    session.levels.add("state")
    session.level = "state"
    session.categories.add("on", "#112233")
    session.label(session.items.index[::2], "on")
    session.gate("A__Mean__Cell", low=12.0, name="of the state")
    session.level = "main"
    merge_with_another(session, folder)


def merge_with_another(session: Session, folder: Path) -> None:
    """Labels of somebody else, and labels of another segmentation."""
    theirs = session.items.iloc[10:20][["image", "cellID"]].assign(**{"class": "C", "user": "bo"})
    session.merge_labels(theirs, on_conflict="theirs")
    with Session.create(folder.parent / "former", jobs=Jobs(inline=True)) as former:
        image, mask, _ = field(1, cells=5)
        former.add_image("FOV1", image, mask, channels=["A", "B", "C"])
        former.categories.add("carried")
        former.label(former.items.index[-6:], "carried")
        session.carry_labels(former)


@pytest.mark.parametrize("planned", [True, False], ids=["from its files", "from its own copy"])
def test_a_whole_project_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planned: bool
) -> None:
    folder, h5ad = study(tmp_path / "study"), annotated(tmp_path / "cells.h5ad")
    with Session.create(tmp_path / "one") as made:
        bring(made, folder, h5ad, planned=planned)
        work(made, folder)
        made.save_bundle(tmp_path / "one.zip")
    if not planned:  # whatever it came from is gone, and the project lies elsewhere
        shutil.rmtree(folder)
        shutil.rmtree(tmp_path / "one")
        h5ad.unlink()
        Session.open(tmp_path / "one.zip", folder=tmp_path / "elsewhere").close()
    with Session.open(tmp_path / ("one" if planned else "elsewhere")) as session:
        text = session.script()
        assert "left out" not in text
        assert "does not know" not in text
        with replayed(text, tmp_path, monkeypatch) as other:
            pd.testing.assert_frame_equal(other.items[session.items.columns], session.items)
            assert sorted(other.features.sources) == sorted(session.features.sources)
            for name in session.features.sources:
                ours, again = session.features[name], other.features[name]
                np.testing.assert_array_equal(again.matrix, ours.matrix)
                assert (again.names, again.used, again.groups) == (ours.names, ours.used, ours.groups)
                assert again.cofactors == ours.cofactors
            assert other.active_features().name == session.active_features().name
            assert other.transforms == session.transforms == {"A": 20.0, "B": 10.0}
            np.testing.assert_array_equal(other.audit.ids, session.audit.ids)
            same_labels(session, other)
            assert other.notes["note"].to_dict() == session.notes["note"].to_dict()
            assert dict(other.gates) == dict(session.gates)
            assert sorted(other.populations) == sorted(session.populations)
            for name in session.populations:
                np.testing.assert_array_equal(
                    other.populations[name].codes, session.populations[name].codes, name
                )
            assert other.celltypes.keys() == session.celltypes.keys()
            same_undo(session, other)
