"""Cells from centres: where they lie, whose pixels are whose, and that nothing half-done stays."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tifffile

from celltune_nb.errors import Cancelled, CellTuneError, FormatError, InputError, ProjectError, ReadOnlyError
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from tests.formats.test_depth import zarr_stack
from tests.session.test_script import replayed

RNG = np.random.default_rng(0)
IMAGE = RNG.poisson(5, (2, 120, 160)).astype(np.uint16)
STACK = RNG.poisson(5, (6, 2, 120, 160)).astype(np.uint16)  # Z, C, Y, X
#: A row outside, one without a place, two at one place.
TABLE = pd.DataFrame(
    {"name": list("abcdefg"), "y": [20.0, 60, np.nan, 60, 300, 60, 60], "x": [30.0, 40, 3, 48, 10, 120, 120]}
)
MEASURING = {"rings": False, "neighbours": False}


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session.create(tmp_path / "project", jobs=Jobs(inline=True)) as session:
        yield session
        assert session.problems == []


def files(session: Session) -> list[Path]:
    return sorted(p for p in session.folder.rglob("*") if p.suffix in (".npy", ".tmp", ".parquet"))


def test_cells_are_discs_numbered_by_the_rows_of_the_table(session: Session, tmp_path: Path) -> None:
    report = session.add_centres("slice 1", IMAGE, TABLE, 6, channels=["DAPI", "cFos"], group="mouse 1")
    assert (report.cells, report.outside, report.unusable, report.hidden) == (4, 1, 1, 1)
    assert str(report) == (
        "CentresReport(4 cells on slice 1, discs of 6.0 pixels radius. Left out: 1 outside of the image, 1 without a place or "
        "radius, 1 at the place of another one.)"
    )
    items = session.items
    assert items["cellID"].tolist() == [1, 2, 4, 6]
    assert items["group"].tolist() == ["mouse 1"] * 4
    np.testing.assert_allclose(items["y"], [20, 60, 60, 60], atol=0.6)
    np.testing.assert_allclose(
        items["x"], [30, 38, 50, 120], atol=2
    )  # two of them part the pixels between them
    mask = np.asarray(session.images["slice 1"].mask)
    rows, columns = np.indices(mask.shape)
    for cell, row in zip(items.index, items["cellID"], strict=True):
        y, x = TABLE.loc[row - 1, ["y", "x"]]
        own = mask == list(items.index).index(cell) + 1
        far = np.hypot(rows - y, columns - x)
        assert far[own].max() <= 6
        others = [
            np.hypot(rows - TABLE.y[r - 1], columns - TABLE.x[r - 1]) for r in items["cellID"] if r != row
        ]
        assert (far[own] <= np.min(others, axis=0)[own]).all()  # the nearest centre has the pixel
    assert (mask > 0).sum() == len(np.unique(np.argwhere(mask), axis=0))
    features = session.measure(**MEASURING)
    np.testing.assert_allclose(
        features.to_pandas()["cFos__Mean__Cell"],
        [IMAGE[1][mask == k].mean() for k in (1, 2, 3, 4)],
        rtol=1e-5,
    )
    for name in ("ON", "OFF"):
        session.categories.add(name)
    session.label(items.index[:2], "ON")
    path = session.save_bundle(tmp_path / "b.zip")
    with Session.open(path, folder=tmp_path / "there", jobs=Jobs(inline=True)) as there:
        np.testing.assert_array_equal(np.asarray(there.images["slice 1"].mask), mask)
        assert there.labels.counts()["ON"] == 2
        assert there.items["cellID"].tolist() == [1, 2, 4, 6]


def test_a_preview_writes_nothing_and_a_reader_may_have_it(session: Session) -> None:
    session.add_image("first", IMAGE)
    before = files(session)
    shown = session.add_centres("slice 1", IMAGE, TABLE, 6, preview=True)
    assert not shown.done
    assert (shown.cells, shown.hidden, shown.shape, shown.planes) == (4, 1, (2, 120, 160), 0)
    assert shown.channels == ("Channel 1", "Channel 2")
    assert "4 cells on slice 1" in shown.sentence
    assert re.search("% of the discs touch another one", shown.notes[0])
    assert list(session.images) == ["first"]
    assert files(session) == before
    assert "add_centres" not in session.script()
    with Session.open(session.folder, read_only=True, jobs=Jobs(inline=True)) as other:
        assert other.add_centres("slice 1", IMAGE, TABLE, 6, preview=True).cells == 4
        with pytest.raises(ReadOnlyError):
            other.add_centres("slice 1", IMAGE, TABLE, 6)


def test_the_script_makes_the_same_cells_again(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tifffile.imwrite(tmp_path / "s.tif", IMAGE, photometric="minisblack")
    np.save(tmp_path / "stack.npy", STACK)
    TABLE.to_csv(tmp_path / "c.csv", index=False)
    TABLE.assign(z=[0, 1.6, 2, 2, 2, 5, 5], r=[3, 4, 5, 6, 7, 8, 9]).to_parquet(tmp_path / "c.parquet")
    monkeypatch.chdir(tmp_path)
    session.add_centres("from files", "s.tif", "c.csv", 4, unit="µm", pixel_size=0.5, group="m")
    session.add_centres("deep", "stack.npy", str(tmp_path / "c.parquet"), "r")
    session.add_centres("from memory", IMAGE[::-1], TABLE, 5)
    session.add_centres("few", "s.tif", np.array([[10.0, 20], [30, 40]]), 5)
    session.measure(**MEASURING)
    text = session.script()
    assert f"centres=Path({str(tmp_path / 'c.csv')!r})" in text
    assert text.count("session.add_centres(") == 3
    assert text.count("session.add_image(") == 1
    for gone in (False, True):
        if gone:
            (tmp_path / "c.csv").unlink()
            (tmp_path / "stack.npy").unlink()
        folder = tmp_path / str(gone)
        folder.mkdir()
        with replayed(session.script(), folder, monkeypatch) as again:
            pd.testing.assert_frame_equal(again.items, session.items)
            np.testing.assert_array_equal(again.features.matrix, session.features.matrix)
            for name, image in session.images.items():
                np.testing.assert_array_equal(np.asarray(again.images[name].mask), np.asarray(image.mask))
                assert (again.images[name].pixel_size, again.images[name].group) == (image.pixel_size, image.group)  # fmt: skip


def test_a_stack_gives_an_image_of_each_plane_that_has_cells(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "stack.ome.tif"
    about = {
        "axes": "ZCYX", "Channel": {"Name": ["DAPI", "cFos"]}, "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm"
    }  # fmt: skip
    tifffile.imwrite(path, STACK, metadata=about, ome=True, compression="zlib", photometric="minisblack")
    table = pd.DataFrame(
        {
            "z": [5.0, 0, 1.6, 2.4, 5.4, -0.4, 7, -1, np.nan],
            "y": [20] * 9,
            "x": [15 * i + 8 for i in range(9)],
        }
    )
    report = session.add_centres("brain", path, table, 6)
    assert report.images == ("brain z000", "brain z002", "brain z005")
    assert (report.cells, report.outside, report.unusable, report.planes) == (6, 2, 1, 6)
    assert "6 cells on 3 of 6 planes" in report.sentence
    items = session.items
    assert items.groupby("image")["cellID"].apply(list).to_dict() == {
        "brain z000": [2, 6], "brain z002": [3, 4], "brain z005": [1, 5]
    }  # fmt: skip
    assert set(items["group"]) == {"brain"}  # planes of one animal are no animals of their own
    for z in (0, 2, 5):
        image = session.images[f"brain z{z:03d}"]
        np.testing.assert_array_equal(np.asarray(image.array), STACK[z])
        assert (image.channels, image.pixel_size) == (["DAPI", "cFos"], 0.5)
    folder = tmp_path / "planes"
    folder.mkdir()
    for z, plane in enumerate(STACK):
        tifffile.imwrite(folder / f"z{z}.tif", plane, photometric="minisblack")
    micrometres = table.assign(z=table["z"] * 20)
    said = session.add_centres(
        "files", folder, micrometres, 6, spacing=20, group="mouse", channels=["DAPI", "cFos"]
    )
    assert said.images == ("files z000", "files z002", "files z005")
    np.testing.assert_array_equal(np.asarray(session.images["files z005"].array), STACK[5])
    assert session.images["files z005"].group == "mouse"


def test_an_error_or_a_stop_half_way_leaves_nothing(session: Session, tmp_path: Path) -> None:
    session.add_image("first", IMAGE)
    before = files(session)
    folder = tmp_path / "planes"
    folder.mkdir()
    for z in range(6):
        tifffile.imwrite(folder / f"z{z}.tif", STACK[z][:, : 60 if z == 4 else 120], photometric="minisblack")
    table = pd.DataFrame({"z": range(6), "y": [20] * 6, "x": [30] * 6})
    with pytest.raises(FormatError, match=r"z4\.tif holds 2 × 60 × 160"):
        session.add_centres("brain", folder, table, 6)
    told: list[str] = []

    class Stopping:
        """An array that somebody stops while its fourth plane is read."""

        shape, dtype = STACK.shape, STACK.dtype

        def __getitem__(self, z: int) -> np.ndarray:
            if z == 3:
                session.jobs.current.stop()
            return STACK[z]

    with pytest.raises(Cancelled):
        session.add_centres("brain", Stopping(), table, 6, progress=lambda *_: None)
    job = session.add_centres("brain", Stopping(), table, 6, wait=False)
    assert job.state == "cancelled"
    assert list(session.images) == ["first"]
    assert files(session) == before
    assert "add_centres" not in session.script()
    # and then it goes as if nothing had been
    assert (
        session.add_centres("brain", STACK, table, 6, progress=lambda _f, text: told.append(text)).cells == 6
    )
    assert any("of 6)" in text for text in told)


def test_units_columns_and_what_other_programs_call_them(session: Session, tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "um.tif", IMAGE, imagej=True, metadata={"axes": "CYX", "unit": "um"}, resolution=(2, 2)
    )
    y, x = [20.0, 60, 90], [30.0, 40, 100]
    um = {"y": [v / 2 for v in y], "x": [v / 2 for v in x]}
    path = tmp_path / "um.tif"
    qupath = pd.DataFrame({"Image": "um.tif", "Centroid X µm": um["x"], "Centroid Y µm": um["y"]})
    qupath.to_csv(tmp_path / "q.csv", index=False)
    pixels = pd.DataFrame({"y": y, "x": x})
    wanted = None
    for number, (centres, options) in enumerate(
        [
            (pixels, {"radius": 6}),
            (pixels, {"radius": 3, "unit": "µm"}),
            (pd.DataFrame(um), {"radius": 6, "places": "µm"}),
            (tmp_path / "q.csv", {"radius": 3, "unit": "µm"}),
            (qupath.rename(columns=lambda c: c.replace(" µm", " (um)")), {"radius": 6}),
            (pixels.rename(columns={"y": "Position Y [px]", "x": "position_x_px"}), {"radius": 6}),
            (pixels.rename(columns={"y": "axis-0", "x": "axis-1"}).assign(index=1), {"radius": 6}),
            (pixels.assign(size=6), {"radius": "size"}),
            (pixels.to_numpy(), {"radius": 6}),
            (pixels.astype(str).to_numpy(object).tolist(), {"radius": 6}),
            (pixels.astype("Float32"), {"radius": np.float32(6)}),
        ]
    ):
        report = session.add_centres(f"i{number}", path, centres, **options)
        assert report.cells == 3, number
        mask = np.asarray(session.images[f"i{number}"].mask)
        wanted = mask if wanted is None else wanted
        np.testing.assert_array_equal(mask, wanted, err_msg=str(number))
        assert session.images[f"i{number}"].pixel_size == 0.5
    deep = pixels.assign(z=[0, 1, 1]).rename(columns={"z": "axis-0", "y": "axis-1", "x": "axis-2"})
    assert session.add_centres("napari", STACK, deep, 6).cells == 3
    report = session.add_centres("sizes", IMAGE, pixels.assign(r=[2, 0.2, 12]), "r")
    assert (report.cells, report.unusable) == (2, 1)
    areas = np.bincount(np.asarray(session.images["sizes"].mask).ravel())[1:]
    np.testing.assert_allclose(areas, [np.pi * 4, np.pi * 144], rtol=0.1)


def test_rows_of_other_images_are_left_out(session: Session) -> None:
    table = TABLE.assign(image=["one", "two", "two", "two", "two", 3, 3])
    report = session.add_centres("one", IMAGE, table, 5)
    assert report.cells == 1
    assert report.notes == ("6 centres are of other images.",)
    assert session.add_centres("3", IMAGE, table, 5).hidden == 1
    assert session.items.groupby("image")["cellID"].apply(list).to_dict() == {"one": [1], "3": [6]}
    with pytest.raises(InputError, match="names no image 'four'"):
        session.add_centres("four", IMAGE, table, 5)
    files = table.assign(image=[f"scan {i}.ome.tif" for i in (1, 2, 2, 2, 2, 1, 3)])
    assert session.add_centres("scan 1", IMAGE, files, 5).cells == 2
    # one other name for all is that of the file they were found in
    assert session.add_centres("five", IMAGE, TABLE.assign(filename="IMG_1.tif"), 5).cells == 4


def test_pictures_and_files_of_a_channel_each(tmp_path: Path) -> None:
    rgb = RNG.integers(0, 256, (120, 160, 3)).astype(np.uint8)
    with Session.create(tmp_path / "rgb", jobs=Jobs(inline=True)) as session:
        report = session.add_centres("brown", rgb, TABLE, 5)
        assert (report.cells, report.shape) == (4, (3, 120, 160))
        assert session.images["brown"].is_rgb
    for name, channel in zip(("DAPI", "cFos"), IMAGE, strict=True):
        tifffile.imwrite(tmp_path / f"{name}.tif", channel)
    with Session.create(tmp_path / "files", jobs=Jobs(inline=True)) as session:
        session.add_centres("two", [tmp_path / "DAPI.tif", tmp_path / "cFos.tif"], TABLE, 5)
        named = {"DAPI": tmp_path / "DAPI.tif", "cFos": tmp_path / "cFos.tif"}
        session.add_centres("named", named, TABLE, 5)
        np.testing.assert_array_equal(np.asarray(session.images["named"].array), IMAGE)
        assert session.images["two"].channels == ["DAPI", "cFos"]
        np.testing.assert_array_equal(np.asarray(session.images["two"].array), IMAGE)


def test_an_image_of_the_project_gets_its_cells(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.add_image("other", IMAGE, np.pad(np.ones((9, 9), np.uint8), ((0, 111), (0, 151))))
    session.add_image("bare", IMAGE, pixel_size=0.5, group="m")
    with pytest.raises(CellTuneError, match="already"):
        session.add_centres("bare", IMAGE, TABLE, 6)
    for wrong, words in (
        ({"name": "nowhere"}, "no image 'nowhere'"),
        ({"channels": ["a", "b"]}, "with its channels"),
        ({"group": "m"}, "with its channels and group"),
        ({"centres": TABLE.assign(z=0)}, "single plane"),
    ):
        with pytest.raises(InputError, match=words):
            session.add_centres(**{"name": "bare", "image": None, "centres": TABLE, "radius": 6, **wrong})
    assert session.add_centres("bare", None, TABLE, 3, unit="µm", preview=True).cells == 4
    assert len(session.table) == 1
    report = session.add_centres("bare", None, TABLE, 3, unit="µm")
    assert (report.cells, report.hidden, report.radius, report.pixel_size) == (4, 1, 6, 0.5)
    items = session.items[session.items["image"] == "bare"]
    assert items["cellID"].tolist() == [1, 2, 4, 6]
    assert set(items["group"]) == {"m"}
    session.categories.add("ON")
    session.label(items.index[[0, 3]], "ON")
    # other centres of the same cells: labels go over
    moved = session.add_centres("bare", None, TABLE.iloc[::-1][["y", "x"]] + 1, 6)
    assert moved.cells == 4
    assert "2 of 2 labels go over" in " ".join(moved.notes)
    labelled = session.items.loc[session.labels.to_pandas().index]
    assert sorted(labelled["cellID"]) == [1, 7]  # the rows are turned round
    session.add_centres("other", None, [[60.0, 60.0]], 4)
    session.measure(**MEASURING)
    assert "add_centres" not in session.script()
    with replayed(session.script(), tmp_path, monkeypatch) as again:
        pd.testing.assert_frame_equal(again.items, session.items)
        np.testing.assert_array_equal(again.features.matrix, session.features.matrix)
        assert again.labels.counts() == session.labels.counts()


def test_a_real_brain_of_a_stack_a_channel(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shared_data / "brain_lightsheet_cells"
    image = {"signal": str(folder / "signal_zyx.tif"), "background": str(folder / "background_zyx.tif")}
    table = pd.read_csv(folder / "cells.csv")
    with Session.create(tmp_path / "project", jobs=Jobs(inline=True)) as session:
        report = session.add_centres("crop", image, folder / "cells.csv", radius=5)
        assert report.cells == len(table) == 56
        assert report.images == tuple(f"crop z{z:03d}" for z in sorted(table["z"].unique()))
        assert report.channels == ("signal", "background")
        features = session.measure(**MEASURING).to_pandas()
        signal = features["signal__Mean__Cell"].to_numpy()
        usual = [
            np.median(session.images[name].plane("signal")) for name in session.items["image"]
        ]  # of the plane around it
        assert (signal > usual).mean() > 0.95
        with replayed(session.script(), tmp_path, monkeypatch) as again:
            pd.testing.assert_frame_equal(again.items, session.items)
            assert "session.add_centres(" in again.script()


XY = TABLE[["y", "x"]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "first"}, "already"),
        ({"name": " "}, "name of 1 to 200"),
        ({"name": "n" * 201}, "name of 1 to 200"),
        ({"channels": ["a", "b"]}, "channels of image 'first'"),
        ({"channels": ["a"]}, "channel names"),
        ({"radius": 0}, "radius is 0"),
        ({"radius": -3}, "radius is -3"),
        ({"radius": np.nan}, "radius is nan"),
        ({"radius": np.inf}, "radius is inf"),
        ({"radius": None}, "radius is None"),
        ({"radius": 0.3}, "half a pixel"),
        ({"radius": 1e300}, "another unit"),
        ({"radius": 900}, "cover the image 6"),
        ({"radius": "size"}, "no column 'size'"),
        ({"radius": 3, "unit": "µm"}, "size of a pixel"),
        ({"radius": 3, "unit": "mm"}, "unit"),
        ({"places": "inch"}, "unit"),
        ({"places": "µm"}, "size of a pixel"),
        ({"pixel_size": -1}, "pixel size is -1"),
        ({"pixel_size": "0.5"}, "pixel size is '0.5'"),
        ({"centres": XY + 1000}, "None of the 7 centres lies on image 'new' \\(120 × 160 pixels\\)"),
        ({"centres": XY * 1e300}, "None of the 7"),
        ({"centres": XY.rename(columns={"y": "why"})}, "no column 'y'"),
        ({"centres": XY.assign(y="here")}, "'y' of the centres holds no numbers"),
        ({"centres": XY.assign(y=[[1]] * 7)}, "'y' of the centres holds no numbers"),
        ({"centres": XY.assign(y=pd.Timestamp("2024-01-01"))}, "'y' of the centres holds datetime64"),
        ({"centres": XY.assign(y=1j)}, "'y' of the centres holds complex"),
        ({"centres": XY[:0]}, "no rows"),
        ({"centres": pd.DataFrame([[1, 2, 3]], columns=["y", "x", "y"])}, "two columns"),
        ({"centres": np.zeros((4, 5))}, "none"),
        ({"centres": np.zeros((0, 2))}, "none"),
        ({"centres": [["a", "b"]]}, "no numbers"),
        ({"centres": 7}, "A table is"),
        ({"centres": XY.assign(z=0), "image": IMAGE[0]}, "leave the column out"),
        ({"centres": XY.assign(z=9), "image": STACK}, "6 planes"),
        ({"centres": XY.assign(z="top"), "image": STACK}, "'z' of the centres holds no numbers"),
        ({"centres": XY.assign(z=0), "image": STACK, "spacing": 0}, "spacing is 0"),
        ({"image": STACK}, "no column z"),
        ({"image": np.zeros((2, 0, 4))}, "empty"),
        ({"image": np.array([["a"]])}, "not numbers"),
    ],
    ids=str,
)  # fmt: skip
def test_what_does_not_fit_is_said_and_nothing_is_added(
    session: Session, change: dict[str, object], words: str
) -> None:
    session.add_image("first", IMAGE)
    before = files(session)
    for preview in (True, False):
        given = {"name": "new", "image": IMAGE, "centres": XY, "radius": 5, "preview": preview, **change}
        with pytest.raises(InputError, match=words):
            session.add_centres(**given)
    assert list(session.images) == ["first"]
    assert files(session) == before
    assert len(session.table) == 0


def test_files_of_centres_that_are_none(session: Session, tmp_path: Path) -> None:
    TABLE.to_csv(tmp_path / "good.csv", index=False)
    TABLE.to_parquet(tmp_path / "good.parquet")
    parquet = (tmp_path / "good.parquet").read_bytes()
    for name, content in (
        ("empty.csv", b""),
        ("heading.csv", b"y,x\n"),
        ("binary.csv", bytes(range(256)) * 10),
        ("latin.csv", "y,x,Größe\n1,2,3\n".encode("latin-1")),
        ("long.csv", b"y" * (2 << 20)),
        ("empty.parquet", b""),
        ("cut.parquet", parquet[: len(parquet) // 2]),
        ("text.parquet", b"y,x\n1,2\n"),
        ("centres.pkl", b"cos\nsystem\n(S'true'\ntR."),
        ("centres.xlsx", b"PK"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CellTuneError, match=re.escape(name)):
            session.add_centres("new", IMAGE, tmp_path / name, 5)
    with pytest.raises(FormatError, match="no file"):
        session.add_centres("new", IMAGE, tmp_path / "absent.csv", 5)
    for image in ("absent.tif", "good.csv", "empty.csv"):
        with pytest.raises(FormatError):
            session.add_centres("new", tmp_path / image, TABLE, 5)
    (tmp_path / "semicolon.csv").write_text("y;x\n20,5;30\n60;40,25\n")
    assert session.add_centres("new", IMAGE, tmp_path / "semicolon.csv", 5).cells == 2


def test_what_does_not_fit_the_memory_or_the_disk_is_refused_first(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    TABLE.to_csv(tmp_path / "c.csv", index=False)
    table = TABLE.assign(z=1)
    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda _path: SimpleNamespace(total=1, used=1, free=1000))
        for image, centres in ((IMAGE, TABLE), (STACK, table)):
            with pytest.raises(ProjectError, match="free"):
                session.add_centres("new", image, centres, 5)
    with monkeypatch.context() as patch:
        patch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=100))
        for image, centres in ((IMAGE, tmp_path / "c.csv"), (STACK, table)):
            with pytest.raises(FormatError, match="memory"):
                session.add_centres("new", image, centres, 5)
    assert files(session) == []


def test_in_the_background_it_tells_how_far_it_is(tmp_path: Path) -> None:
    with Session.create(tmp_path / "project") as session:
        job = session.add_centres("brain", STACK, TABLE.assign(z=range(7)), 5, wait=False)
        job.wait(20)
        assert job.result.cells == 4
        assert job.result.done
        for _ in range(200):  # it is noted when the job has ended
            if "session.add_image('brain z001'" in session.script():
                break
            threading.Event().wait(0.02)
        else:
            pytest.fail("the script does not tell of it")


def test_a_stack_may_be_ome_zarr(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zarr_stack(tmp_path / "brain.ome.zarr", STACK, "zcyx", 2, chunks=(1, 2, 64, 64))
    table = pd.DataFrame({"z": [0, 2, 2, 5], "y": [20.0] * 4, "x": [20.0, 40, 80, 100]})
    table.to_csv(tmp_path / "c.csv", index=False)
    report = session.add_centres("brain", path, tmp_path / "c.csv", 3, unit="µm")
    assert report.images == ("brain z000", "brain z002", "brain z005")
    assert (report.radius, report.pixel_size, report.channels) == (6, 0.5, ("DAPI", "cFos"))
    np.testing.assert_array_equal(np.asarray(session.images["brain z002"].array), STACK[2])
    assert "session.add_centres(" in session.script()
    with replayed(session.script(), tmp_path, monkeypatch) as again:
        pd.testing.assert_frame_equal(again.items, session.items)
    with pytest.raises(InputError, match="that is none"):
        session.add_centres("flat", zarr_stack(tmp_path / "f.zarr", STACK[0], "cyx"), table, 6)
