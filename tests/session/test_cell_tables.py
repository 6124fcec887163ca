"""Tables of other programs come in: AnnData and its files, other names of columns, cells found by their place."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from celltune_nb.errors import CellTuneError, FormatError, InputError
from celltune_nb.formats.h5ad import open_h5ad
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from tests.session.conftest import label_some

# anndata on repeated names, on its own future, and on numbers of cells as names
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*names are not unique", "ignore:::anndata", "ignore:.*AnnData"
)
N = 40
VALUES = np.random.default_rng(0).poisson(1.0, (N, 5)).astype(np.float32)


@pytest.fixture
def empty(tmp_path: Path) -> Any:
    with Session.create(tmp_path / "new", jobs=Jobs(inline=True)) as session:
        yield session


def adata(matrix: Any = VALUES, **obs: Any) -> Any:
    """An AnnData: of the package where it is installed, else a thing with the same parts."""
    table = pd.DataFrame(
        {"fov": pd.Categorical([1.0] * 20 + [2.0] * 20), "cell_id": [str(i % 20 + 1) for i in range(N)],
         "type": pd.Categorical.from_codes(np.arange(N) % 3 - 1, ["T/B", "é ü", "x"]), "donor": ["d1"] * 20 + ["d2"] * 20,
         **obs},
        index=[f"c{i % 30}" for i in range(N)],
    )  # fmt: skip
    var = pd.DataFrame(index=["CD3", "CD4", "CD8", "CD3", "CD8T__Probability"])
    obsm = {"spatial": np.column_stack([np.arange(N) * 10.0, np.arange(N) * 3.0])}
    layers, uns = {"raw": VALUES * 10}, {"transform": {"arcsinh_factor": 0.1}}
    try:
        import anndata
    except ImportError:
        return SimpleNamespace(X=matrix, obs=table, var=var, obsm=obsm, layers=layers, uns=uns)
    return anndata.AnnData(matrix, obs=table, var=var, obsm=obsm, layers=layers, uns=uns)


class InAFile:
    """A sparse matrix in a file, as a backed AnnData has it."""

    format, dtype, shape = "csc", VALUES.dtype, VALUES.shape

    def to_memory(self) -> Any:
        return sparse.csc_matrix(VALUES)


@pytest.mark.parametrize(
    "matrix", [VALUES, VALUES.astype(np.int64), sparse.csr_matrix(VALUES), sparse.csc_matrix(VALUES)],
    ids=["float", "int", "csr", "csc"],
)  # fmt: skip
def test_an_anndata_makes_cells_with_features(empty: Session, matrix: Any) -> None:
    report = empty.import_cells(adata(matrix), group="donor", layers=("X", "raw"))
    assert (report.used, report.unmatched) == (N, 0)
    assert "factor multiplies" in str(report)
    assert "cofactor, which divides, it is 10" in str(report)
    items = empty.items
    assert items["image"].tolist() == ["1"] * 20 + ["2"] * 20
    assert items["cellID"].tolist() == [*range(1, 21)] * 2
    assert items["x"].tolist() == (np.arange(N) * 10.0).tolist()  # obsm["spatial"] begins with x
    assert items["y"].tolist() == (np.arange(N) * 3.0).tolist()
    assert items["group"].unique().tolist() == ["d1", "d2"]
    assert items["type"].isna().sum() == 14
    assert items["type"].tolist()[1:3] == ["T/B", "é ü"]
    assert empty.features.names == [n + end for end in ("", "__raw") for n in ("CD3", "CD4", "CD8", "CD3-1")]
    assert np.array_equal(empty.features.column("CD3-1"), VALUES[:, 3])
    assert np.array_equal(empty.features.column("CD8__raw"), VALUES[:, 2] * 10)


def test_a_matrix_in_a_file_is_read_when_it_is_wanted(empty: Session, tmp_path: Path) -> None:
    table = adata()
    parts = SimpleNamespace(
        **{name: getattr(table, name) for name in ("obs", "var", "obsm", "uns")}, X=InAFile(), layers={}
    )
    empty.import_cells(parts)
    assert np.array_equal(empty.features.column("CD8"), VALUES[:, 2])
    with h5py.File(tmp_path / "x.h5", "w") as file:
        parts.X = file.create_dataset("X", data=VALUES)
        empty.import_cells(parts, features="CD4")
    assert np.array_equal(empty.features.column("CD4"), VALUES[:, 1])


def test_probabilities_are_brought_when_they_are_named_and_nothing_learns_from_them(empty: Session) -> None:
    empty.import_cells(adata())
    assert "CD8T__Probability" not in empty.features.names
    empty.import_cells(adata(), features=["CD4", "CD8T__Probability"])
    assert np.array_equal(empty.features.column("CD8T__Probability"), VALUES[:, 4])
    assert "CD8T__Probability" not in empty.features.used
    assert empty.features.groups["Probabilities"] == ["CD8T__Probability"]


@pytest.mark.parametrize(
    ("change", "arguments", "says"),
    [
        ({}, {"layers": "scaled"}, "no layer 'scaled'"),
        ({}, {"features": ["CD5"]}, "neither a variable nor a column 'CD5'"),
        ({}, {"group": "animal"}, "no column 'animal'"),
        ({}, {"image": "slide"}, "no column 'slide'"),
        ({}, {"id": "number"}, "no column 'number'"),
        ({"cell_id": ["7"] * N}, {}, "stands twice"),
        ({"cell_id": ["a"] * N}, {}, "not the numbers of cells"),
        ({"cell_id": [1.5] * N}, {}, "not whole numbers"),
    ],
)
def test_what_does_not_fit_is_said_and_nothing_is_changed(
    empty: Session, change: dict[str, Any], arguments: dict[str, Any], says: str
) -> None:
    with pytest.raises(CellTuneError, match=says):
        empty.import_cells(adata(**change), **arguments)
    assert len(empty.items) == 0


def test_words_are_no_features(empty: Session) -> None:
    table = SimpleNamespace(**{n: getattr(adata(), n) for n in ("obs", "var", "obsm", "uns")}, layers={})
    table.X = VALUES.astype(object)
    with pytest.raises(InputError, match="holds object"):
        empty.import_cells(table)
    table.X = VALUES[:3]
    with pytest.raises(InputError, match="has shape"):
        empty.import_cells(table)
    table.X, table.obsm = None, {"spatial": np.zeros((N, 1))}
    with pytest.raises(InputError, match="obsm"):
        empty.import_cells(table)


@pytest.mark.parametrize(
    "names", [("fov", "CellID"), ("library_id", "cell_id"), ("Image", "object_id"), ("imageid", "label")]
)
def test_columns_are_known_by_the_names_of_other_programs(session: Session, names: tuple[str, str]) -> None:
    items = session.items
    table = pd.DataFrame(
        {names[0]: items["image"], names[1]: items["cellID"].astype(float), "class": items["truth"]}
    )
    table["score"] = np.arange(300)
    report = session.import_cells(table, features=["score"])
    assert (report.used, report.unmatched) == (300, 0)
    assert session.import_labels(table).used == 300
    assert session.labels.to_pandas()["category"].tolist() == items["truth"].tolist()


def test_cells_are_found_by_their_place_and_the_others_are_counted(session: Session) -> None:
    items = session.items
    table = pd.DataFrame(
        {"image": items["image"], "px": items["x"] + 3, "py": items["y"] - 2, "score": np.arange(300.0)}
    )
    table = table.iloc[::-1]
    table.iloc[0, table.columns.get_loc("px")] = 5000
    report = session.import_cells(table, id=None, x="px", y="py", features=["score"])
    assert (report.used, report.unmatched) == (299, 1)
    assert session.features["table"].column("score")[:299].tolist() == list(range(299))
    assert len(session.items) == 300
    with pytest.raises(InputError, match="x= and y="):
        session.import_cells(table, id=None)


def test_a_table_in_other_units_is_noticed(session: Session) -> None:
    items = session.items
    table = pd.DataFrame(
        {"image": items["image"], "cellID": items["cellID"], "x": items["x"] * 0.5, "y": items["y"] * 0.5}
    )
    assert "may be in µm" in str(session.import_cells(table, x="x", y="y"))
    right = table.assign(x=items["x"], y=items["y"])
    assert session.import_cells(right, x="x", y="y").notes == ()


def test_rows_that_name_no_image_match_nothing(empty: Session) -> None:
    table = pd.DataFrame({"fov": ["a", None, "a"], "cellID": [1, 2, 3], "x": [1.0, 2, 3], "y": [1.0, 2, 3]})
    report = empty.import_cells(table, x="x", y="y")
    assert (report.used, report.unmatched) == (2, 1)
    assert empty.table.names == ["a"]


def test_an_exported_project_comes_back(session: Session, tmp_path: Path) -> None:
    label_some(session)
    session.train(("xgboost",), wait=True)
    session.levels.add("CD8")
    session.categories.add("ON", level="CD8")
    session.label([1, 2], "ON", level="CD8")
    path = session.export(tmp_path / "out" / "cells.h5ad")
    items, source = session.items, session.features
    with open_h5ad(path) as stored:
        about = stored.uns["celltune_nb"]
        assert about["label_revision"] == session.labels.revision
        assert about["schema_hash"] == source.schema_hash
        assert about["images"].tolist() == list(session.images)
        colors = [session.categories[name].color for name in session.categories.names]
        assert stored.uns["label_colors"].tolist() == colors
        assert {"A__Probability", "B__Probability", "C__Probability", "CD8_label"} <= set(stored.obs.columns)
    with Session.create(tmp_path / "again", jobs=Jobs(inline=True)) as again:
        report = again.import_cells(path, group="group")
        assert (report.used, report.unmatched) == (300, 0)
        found = again.items
        for column in ("image", "cellID", "x", "y", "group", "truth"):
            assert found[column].tolist() == items[column].tolist()
        assert again.features.names == source.names
        for name in source.names:
            assert np.array_equal(again.features.column(name), source.column(name), equal_nan=True)
        assert found["Pred_AVG"].tolist() == session.populations["Pred_AVG"].to_pandas().astype(str).tolist()
        assert again.import_labels(path).used == 36
        assert (
            again.labels.to_pandas()["category"].to_dict() == session.labels.to_pandas()["category"].to_dict()
        )
        again.levels.add("CD8")
        assert again.import_labels(path, level="CD8", column="CD8_label").used == 2


def test_a_read_only_session_imports_nothing(session: Session, project: Path) -> None:
    with Session.open(project, read_only=True) as reader, pytest.raises(CellTuneError, match="read-only"):
        reader.import_cells(adata())


def test_a_donor_is_the_same_where_another_is_missing(empty: Session) -> None:
    place = np.arange(4.0)
    table = pd.DataFrame({"image": "a", "cellID": [1, 2, 3, 4], "x": place, "y": place, "CD3": place})
    table["donor"] = [3, 3, np.nan, 12]
    empty.import_cells(table, x="x", y="y", group="donor", features=["CD3"])
    assert empty.items["group"].tolist()[:2] == ["3", "3"]
    assert empty.items["group"].tolist()[3] == "12"


def test_a_column_that_is_not_there_is_no_damage_of_the_file(empty: Session, tmp_path: Path) -> None:
    from celltune_nb.formats.h5ad_writer import write_h5ad

    path = tmp_path / "cells.h5ad"
    obs = pd.DataFrame({"image": ["a"], "cellID": [1], "y": [1.0], "x": [2.0]})
    write_h5ad(path, obs, pd.DataFrame(index=["CD3"]), iter([np.ones((1, 1), np.float32)]), obsm={}, uns={})
    with pytest.raises(InputError, match="CD8") as caught:
        empty.import_cells(path, x="x", y="y", features=["CD8"])
    assert not isinstance(caught.value, FormatError)
    assert empty.import_cells(path, x="x", y="y", features=["CD3"]).used == 1


def test_words_among_the_numbers_of_a_feature_are_told(empty: Session, tmp_path: Path) -> None:
    path = tmp_path / "cells.csv"
    path.write_text("image,cellID,x,y,f,g\na,1,1,1,0.5,1\na,2,2,2,n.d.,2\na,3,3,3,,3\na,4,4,4,NA,4\n")
    report = empty.import_cells(path, x="x", y="y", features=["f", "g"])
    assert "1 values of features are no numbers and count as missing (the first: 'n.d.' in 'f')" in str(
        report
    )
    assert np.isnan(empty.features.column("f")).tolist() == [False, True, True, True]


def test_a_table_of_many_columns_comes_and_goes_without_a_warning(empty: Session, tmp_path: Path) -> None:
    wide = {f"c{i}": [0.5, 1.5] for i in range(150)}
    table = pd.DataFrame({"image": "a", "cellID": [1, 2], "x": 1.0, "y": 2.0, **wide})
    empty.import_cells(table, x="x", y="y")
    empty.import_cells(table[["image", "cellID"]].assign(c3=[7.0, None], late=["a", "b"]))
    assert empty.items["c3"].tolist() == [7.0, 1.5]
    assert list(empty.items.columns)[-2:] == ["c149", "late"]
    again = pd.read_csv(empty.export(tmp_path / "all.csv"))  # nothing has a group: quick all the same
    assert again["c149"].tolist() == [0.5, 1.5]
    assert again["group"].isna().all()
