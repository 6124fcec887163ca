"""Regions of interest: from a label image or drawn, kept as a column, with sizes for densities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from celltune_nb.data.shapes import Shape, label_areas, label_at
from celltune_nb.errors import CellTuneError, InputError
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs

from .conftest import field, label_some


@pytest.fixture
def scaled(tmp_path: Path):
    """Two images of 200 × 200 pixels of 10 µm: 4 mm² each."""
    with Session.create(tmp_path / "scaled", jobs=Jobs(inline=True)) as session:
        for i in range(2):
            image, mask, _ = field(i)
            session.add_image(
                f"slice {i}", image, mask, channels=["A", "B", "C"], group="mouse", pixel_size=10
            )
        yield session
        assert session.problems == []


def _halves() -> np.ndarray:
    labels = np.zeros((200, 200), np.uint16)
    labels[:, :80], labels[:, 120:] = 3, 7
    return labels


def test_a_label_image_gives_each_cell_its_region_and_each_region_its_size(
    scaled: Session, tmp_path: Path
) -> None:
    path = tmp_path / "atlas.tif"
    tifffile.imwrite(path, _halves())
    found = scaled.add_regions("slice 0", path, names={3: "CA1", 7: "DG"})
    assert list(found["region"]) == ["CA1", "DG"]
    assert list(found["area_px"]) == [80 * 200, 80 * 200]
    np.testing.assert_allclose(found["area_mm2"], 1.6)
    items = scaled.items
    here = items[items["image"] == "slice 0"]
    assert (here.loc[here["x"] < 80, "region"] == "CA1").all()
    assert here.loc[(here["x"] >= 80) & (here["x"] < 120), "region"].isna().all()
    assert items.loc[items["image"] == "slice 1", "region"].isna().all()
    assert found["cells"].sum() == here["region"].notna().sum()
    assert f"session.add_regions(image='slice 0', regions=Path('{path}')" in scaled.script()
    # a reduced one, of an atlas: the same
    small = scaled.add_regions("slice 1", _halves()[::40, ::40], names=["CA1", "DG"])
    np.testing.assert_allclose(small["area_mm2"], 1.6)


def test_drawn_regions_are_added_and_the_later_counts_where_they_overlap(scaled: Session) -> None:
    scaled.add_regions("slice 0", (0, 0, 100, 100), names=["a"])
    found = scaled.add_regions("slice 0", {"b": [(50, 50), (50, 150), (150, 150), (150, 50)]}).set_index(
        "region"
    )
    assert found.loc["a", "area_px"] == pytest.approx(7500, rel=0.002)
    assert found.loc["b", "area_px"] == pytest.approx(10_000, rel=0.002)
    items = scaled.items
    inside = (items["image"] == "slice 0") & items["y"].between(50, 100) & items["x"].between(50, 100)
    assert (items.loc[inside, "region"] == "b").all()
    scaled.close()
    with Session.open(scaled.folder, jobs=Jobs(inline=True)) as again:
        assert again.areas().set_index("region").loc["b", "cells"] == (again.items["region"] == "b").sum() > 0
        assert "session.add_regions(image='slice 0', regions=[0, 0, 100, 100], names=['a'])" in again.script()
        assert again.remove_regions("slice 0") == 2
        assert "region" not in again.items
        assert len(again.areas()) == 0


def test_densities_stand_on_the_areas(scaled: Session) -> None:
    for name in ("slice 0", "slice 1"):
        scaled.add_regions(name, _halves(), names={3: "CA1", 7: "DG"})
    scaled.measure(rings=False, neighbours=False)
    for name in ("ON", "OFF"):
        scaled.categories.add(name)
    ids = scaled.items.index.to_numpy()
    bright = scaled.features_by_name["cells"].column("A__Mean__Cell") > 15
    scaled.label(ids[bright][:15], "ON")
    scaled.label(ids[~bright][:15], "OFF")
    scaled.train(wait=True, rounds=20)
    table = scaled.counts("image×region")
    row = table.loc[("slice 0", "CA1")]
    assert row["area_mm2"] == pytest.approx(1.6)
    assert row["density"] == pytest.approx(row["raw"] / 1.6)
    assert np.isnan(row["density_low"])
    assert np.isnan(table.loc[("slice 0", "–"), "density"])
    np.testing.assert_allclose(scaled.counts("image")["area_mm2"], 4.0)
    np.testing.assert_allclose(scaled.counts("group")["area_mm2"], 8.0)
    np.testing.assert_allclose(scaled.counts("group×region")["area_mm2"].dropna(), 3.2)
    scaled.remove_regions("slice 1")
    assert scaled.counts("region").loc["CA1", "area_mm2"] == pytest.approx(1.6)


def test_without_a_pixel_size_there_is_no_density(session: Session) -> None:
    session.add_regions("field 0", (0, 0, 100, 200))
    assert session.areas()["area_mm2"].isna().all()
    label_some(session)
    session.train(wait=True, rounds=10)
    table = session.counts(["image", "region"])
    assert table["density"].isna().all()
    assert table.loc[("field 0", "region 1"), "cells"] == 50


@pytest.mark.parametrize(
    "wrong",
    [
        lambda s: s.add_regions("nowhere", (0, 0, 5, 5)), lambda s: s.add_regions("slice 0", (0, 0, 5)),
        lambda s: s.add_regions("slice 0", "missing.tif"), lambda s: s.add_regions("slice 0", np.zeros((200, 200), int)),
        lambda s: s.add_regions("slice 0", np.zeros((10, 30), int)), lambda s: s.add_regions("slice 0", _halves().astype(float)),
        lambda s: s.add_regions("slice 0", np.arange(40_000).reshape(200, 200)), lambda s: s.add_regions("slice 0", None),
        lambda s: s.add_regions("slice 0", [(0, 0), (1, 1)]), lambda s: s.add_regions("slice 0", [(0, 0), (1, float("nan")), (2, 2)]),
        lambda s: s.add_regions("slice 0", (0, 0, 5, 5), names=["a", "b"]), lambda s: s.add_regions("slice 0", {"": (0, 0, 5, 5)}),
        lambda s: s.add_regions("slice 0", (0, 0, 5, 5), name="image"), lambda s: s.add_regions("slice 0", (0, 0, 5, 5), name=3),
        lambda s: s.add_regions("slice 0", _halves(), names=["one"]), lambda s: s.add_regions("slice 0", {}),
        lambda s: s.add_regions("slice 0", -_halves().astype(int)), lambda s: s.remove_regions(), lambda s: s.remove_regions("nowhere"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_and_changes_nothing(scaled: Session, wrong) -> None:
    before = (scaled.folder / "project.json").read_bytes()
    with pytest.raises(CellTuneError, match=r"\S"):
        wrong(scaled)
    assert (scaled.folder / "project.json").read_bytes() == before
    assert "region" not in scaled.items


def test_a_drawn_region_is_not_laid_over_a_label_image_unasked(scaled: Session) -> None:
    scaled.add_regions("slice 0", _halves())
    with pytest.raises(InputError, match="remove_regions"):
        scaled.add_regions("slice 0", (0, 0, 5, 5))
    scaled.add_regions("slice 0", (0, 0, 5, 5), name="damage")
    assert list(scaled.areas("damage")["region"]) == ["region 1"]


def test_regions_written_badly_by_hand_are_left_out(scaled: Session) -> None:
    scaled.add_regions("slice 0", (0, 0, 50, 50))
    study = scaled.project.settings["study"]
    for wrong in (
        5,
        [5],
        [{"name": "a"}],
        [{"name": "a", "area_px": -1}],
        [{"name": "a", "area_px": 1, "kind": "star", "corners": []}],
    ):
        scaled.project.settings["study"] = {**study, "areas": {"region": {"slice 0": wrong}}}
        assert len(scaled.areas()) == 0


def test_sizes_of_shapes_and_labels() -> None:
    triangle = Shape("t", "polygon", ((0, 0), (0, 100), (100, 0)))
    assert triangle.area(None) == pytest.approx(5000, rel=0.003)
    assert triangle.area((50, 50)) == pytest.approx(2500, rel=0.003)
    assert Shape("r", "rectangle", ((10, 10), (300, 20))).area((100, 100)) == 900
    assert Shape("r", "rectangle", ((200, 10), (300, 20))).area((100, 100)) == 0
    labels = np.array([[1, 2], [2, 2]])
    assert label_areas(labels, 4, (7, 6), 10) == {1: 16.0, 2: 4 * 2 + 3 * 4 + 3 * 2}
    np.testing.assert_array_equal(label_at(labels, 4, np.array([0, 6.0]), np.array([3.4, 3.6])), [1, 2])


def test_a_column_that_came_with_the_cells_is_not_written_over(session: Session) -> None:
    before = session.items
    with pytest.raises(InputError, match="came with a column 'truth'"):
        session.add_regions("field 0", (0, 0, 100, 200), name="truth")
    with pytest.raises(InputError):
        session.remove_regions("field 0", name="truth")
    pd.testing.assert_frame_equal(session.items, before)


@pytest.mark.parametrize("kind", ["empty", "cut", "text", "damaged", "objects", "colours"])
def test_a_label_image_that_cannot_be_read_is_refused(scaled: Session, tmp_path: Path, kind: str) -> None:
    path = tmp_path / ("labels.npy" if kind == "objects" else "labels.tif")
    if kind == "objects":
        np.save(path, np.array([[{}] * 200] * 200, dtype=object), allow_pickle=True)
    else:
        rng = np.random.default_rng(0)
        labels = np.zeros((200, 200, 3), np.uint8) if kind == "colours" else rng.integers(0, 9, (200, 200))
        tifffile.imwrite(path, labels.astype(np.uint8), compression="zlib")
    data = path.read_bytes()
    broken = {
        "empty": b"",
        "cut": data[: len(data) // 2],
        "text": b"hello",
        "damaged": data[:300] + b"\0" * 200 + data[500:],
    }
    path.write_bytes(broken.get(kind, data))
    before = (scaled.folder / "project.json").read_bytes()
    with pytest.raises(CellTuneError, match=r"\S"):
        scaled.add_regions("slice 0", path)
    assert (scaled.folder / "project.json").read_bytes() == before
    assert "region" not in scaled.items


def test_a_new_mask_leaves_cells_in_their_regions(scaled: Session) -> None:
    scaled.add_regions("slice 0", {"CA1": (0, 0, 200, 90)})
    scaled.add_regions("slice 0", _halves(), names={3: "near", 7: "far"}, name="atlas")
    before = scaled.items[scaled.items["image"] == "slice 0"]
    other = scaled.items[scaled.items["image"] == "slice 1"]
    mask = np.asarray(scaled.images["slice 0"].mask).copy()
    mask[mask == 4] = 0
    scaled.replace_mask("slice 0", np.where(mask > 0, mask + 500, 0))
    items = scaled.items[scaled.items["image"] == "slice 0"]
    assert len(items) == len(before) - 1
    assert ((items["region"] == "CA1") == (items["x"] < 90)).all()
    for name in ("near", "far"):
        assert abs((items["atlas"] == name).sum() - (before["atlas"] == name).sum()) <= 1
    assert items.loc[items["x"].between(80, 119.9), "atlas"].isna().all()
    pd.testing.assert_frame_equal(
        scaled.items[scaled.items["image"] == "slice 1"].reset_index(drop=True), other.reset_index(drop=True)
    )
    assert scaled.areas()["cells"].iloc[0] == (items["region"] == "CA1").sum()
    text = scaled.script()
    scaled.close()
    with Session.open(scaled.folder, jobs=Jobs(inline=True)) as again:
        pd.testing.assert_series_equal(
            again.items["region"], pd.concat([items, other])["region"].sort_index()
        )
        assert text == again.script()
