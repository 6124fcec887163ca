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


def sdata(scales: dict[str, Any]) -> Any:
    import anndata
    from spatialdata.models import Image2DModel, Labels2DModel, TableModel

    labels = np.zeros((60, 80), np.int64)
    for k in range(12):
        y, x = 20 * (k // 4) + 4, 20 * (k % 4) + 4
        labels[y : y + 10, x : x + 10] = 3 * (k + 1)
    image = np.random.default_rng(0).integers(0, 999, (2, 60, 80)).astype(np.uint16)
    images = {
        f"{n}_image": Image2DModel.parse(image, dims=("c", "y", "x"), c_coords=["A", "B"], **scales)
        for n in "st"
    }
    masks = {f"{n}_labels": Labels2DModel.parse(labels, dims=("y", "x"), **scales) for n in "st"}
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
