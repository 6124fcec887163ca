"""A SpatialData comes in with its table and, when asked, its labels and the images under them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from celltune_nb.errors import InputError
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs

spatialdata = pytest.importorskip("spatialdata", reason="spatialdata is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")


def sdata(scales: dict[str, Any], image_at: Any = None, labels_at: Any = None) -> Any:
    import anndata
    from spatialdata.models import Image2DModel, Labels2DModel, TableModel

    labels = np.zeros((60, 80), np.int64)
    for k in range(12):
        y, x = 20 * (k // 4) + 4, 20 * (k % 4) + 4
        labels[y : y + 10, x : x + 10] = 3 * (k + 1)
    image = np.random.default_rng(0).integers(0, 999, (2, 60, 80)).astype(np.uint16)
    images = {
        f"{n}_image": Image2DModel.parse(
            image, dims=("c", "y", "x"), c_coords=["A", "B"], transformations=image_at, **scales
        )
        for n in "st"
    }
    masks = {
        f"{n}_labels": Labels2DModel.parse(
            labels, dims=("y", "x"), transformations=labels_at or image_at, **scales
        )
        for n in "st"
    }
    obs = pd.DataFrame(
        {
            "region": pd.Categorical(["s_labels"] * 12 + ["t_labels"] * 12),
            "instance_id": [*range(3, 39, 3)] * 2,
        },
        index=[str(i) for i in range(24)],
    )
    table = anndata.AnnData(
        np.arange(48, dtype=np.float32).reshape(24, 2), obs=obs, var=pd.DataFrame(index=["u", "v"])
    )
    table = TableModel.parse(table, region=list(masks), region_key="region", instance_key="instance_id")
    return spatialdata.SpatialData(images=images, labels=masks, tables={"table": table})


@pytest.mark.parametrize("scales", [{}, {"scale_factors": [2]}], ids=["one scale", "two scales"])
def test_images_labels_and_table_come_in(tmp_path: Path, scales: dict[str, Any]) -> None:
    given = sdata(scales)
    with Session.create(tmp_path / "p", jobs=Jobs(inline=True)) as session:
        with pytest.raises(InputError, match="images=True"):
            session.import_cells(given)
        report = session.import_cells(given, images=True)
        assert (report.used, report.unmatched) == (24, 0)
        assert list(session.images) == ["s_labels", "t_labels"]
        assert session.images["s_labels"].channels == ["A", "B"]
        assert session.items["cellID"].tolist() == [*range(3, 39, 3)] * 2
        assert session.features.column("u").tolist() == [float(i) for i in range(0, 48, 2)]
        session.measure(rings=False, neighbours=False)
        with pytest.raises(InputError, match="element="):
            session.import_cells(given, element="other")


def scaled(x: float, y: float | None = None, move: float = 0.0, **others: Any) -> dict[str, Any]:
    from spatialdata.transformations import Affine

    return {"um": Affine([[x, 0, move], [0, y or x, move], [0, 0, 1]], ("x", "y"), ("x", "y")), **others}


@pytest.mark.parametrize("scales", [{}, {"scale_factors": [2]}], ids=["one scale", "two scales"])
def test_the_pixel_size_comes_from_a_coordinate_system_in_micrometres(
    tmp_path: Path, scales: dict[str, Any]
) -> None:
    from spatialdata.transformations import Identity, Scale

    given = sdata(scales, scaled(0.325, move=7))
    with Session.create(tmp_path / "um", jobs=Jobs(inline=True)) as session:
        session.import_cells(given, images=True)
        assert session.images["s_labels"].pixel_size == pytest.approx(0.325)
    given = sdata(scales, {"global": Scale([0.5, 0.5], ("x", "y")), "other": Identity()})
    with Session.create(tmp_path / "unknown", jobs=Jobs(inline=True)) as session:
        session.import_cells(given, images=True)  # the units of "global" are anybody's guess
        assert session.images["s_labels"].pixel_size is None
    with Session.create(tmp_path / "named", jobs=Jobs(inline=True)) as session:
        with pytest.raises(InputError, match="all are in 'global', 'other'"):
            session.import_cells(given, images=True, coordinate_system="nowhere")
        session.import_cells(given, images=True, coordinate_system="global")
        assert session.images["s_labels"].pixel_size == pytest.approx(0.5)


def turned() -> dict[str, Any]:
    from spatialdata.transformations import Affine

    return {"um": Affine([[0, -1, 0], [1, 0, 0], [0, 0, 1]], ("x", "y"), ("x", "y"))}


def two_others() -> dict[str, Any]:
    from spatialdata.transformations import Identity

    return {"a": Identity(), "b": Identity()}


@pytest.mark.parametrize(
    ("image_at", "labels_at", "says"),
    [
        (turned, turned, "turned, mirrored or stretched"), (lambda: scaled(0.5, 0.6), None, "turned, mirrored or stretched"),
        (lambda: scaled(0.5, -0.5), None, "turned, mirrored or stretched"),
        (lambda: scaled(0.5), lambda: scaled(0.25), "another size or place"),
        (lambda: scaled(0.5), lambda: scaled(0.5, move=1.0), "another size or place"),
        (lambda: scaled(0.0, 0.5), None, "has no inverse"), (two_others, None, "2 coordinate systems in common: 'a', 'b'"),
        (two_others, lambda: scaled(1.0), "no coordinate systems in common"),
    ],
)  # fmt: skip
def test_what_cannot_be_brought_to_pixels_is_refused_and_adds_nothing(
    tmp_path: Path, image_at: Any, labels_at: Any, says: str
) -> None:
    given = sdata({}, image_at(), labels_at and labels_at())
    with Session.create(tmp_path / "p", jobs=Jobs(inline=True)) as session:
        with pytest.raises(InputError, match=says):
            session.import_cells(given, images=True)
        assert not session.images
        assert not len(session.table)


def test_shapes_are_placed_in_the_pixels_of_their_image(tmp_path: Path) -> None:
    import anndata
    import geopandas
    from shapely import Point
    from spatialdata.models import Image2DModel, ShapesModel, TableModel
    from spatialdata.transformations import Affine, Identity

    pixels = np.array([[10.0, 20.0], [30.0, 5.0], [55.0, 40.0]])  # x, y
    quarter = Affine([[0, -1, 9], [1, 0, 4], [0, 0, 1]], ("x", "y"), ("x", "y"))  # shapes to micrometres
    um = 0.5 * (pixels + 0.5)
    own = np.column_stack([um[:, 1] - 4, 9 - um[:, 0]])
    frame = geopandas.GeoDataFrame({"radius": [1.0] * 3}, geometry=[Point(*p) for p in own], index=[7, 8, 9])
    obs = pd.DataFrame({"region": pd.Categorical(["cells"] * 3), "instance_id": [7, 8, 9]}, index=list("abc"))
    table = anndata.AnnData(np.ones((3, 1), np.float32), obs=obs, var=pd.DataFrame(index=["u"]))
    table = TableModel.parse(table, region="cells", region_key="region", instance_key="instance_id")
    images = {
        "slide": Image2DModel.parse(
            np.ones((1, 60, 80), np.uint16),
            dims=("c", "y", "x"),
            transformations=scaled(0.5, whole=Identity()),
        )
    }
    shapes = {"cells": ShapesModel.parse(frame, transformations={"um": quarter})}
    given = spatialdata.SpatialData(images=images, shapes=shapes, tables={"table": table})
    with Session.create(tmp_path / "p", jobs=Jobs(inline=True)) as session:
        session.import_cells(given)
        np.testing.assert_allclose(session.items[["x", "y"]], pixels, atol=1e-3)
    alone = spatialdata.SpatialData(shapes=shapes, tables={"table": table})
    with (
        Session.create(tmp_path / "q", jobs=Jobs(inline=True)) as session,
        pytest.raises(InputError, match="which image they lie on cannot be told"),
    ):
        session.import_cells(alone)
