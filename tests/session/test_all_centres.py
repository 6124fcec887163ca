"""Centres of a whole study at once: which image each is of, what does not fit said first, all or nothing."""

from __future__ import annotations

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
IMAGE = RNG.poisson(5, (2, 60, 80)).astype(np.uint16)
STACK = RNG.poisson(5, (4, 2, 60, 80)).astype(np.uint16)
NAMES = ("slice 1", "slice 2", "slice 10")
#: Two, three and one cell; a row outside of its slice; rows of one slice do not stand together.
TABLE = pd.DataFrame(
    {
        "image": ["slice 1", "slice 2", "slice 1", "slice 2", "slice 2", "slice 10", "slice 10"],
        "y": [20.0, 20, 40, 30, 50, 20, 300],
        "x": [20.0, 20, 60, 30, 50, 20, 20],
        "animal": ["m1", "m1", "m1", "m1", "m1", "m2", "m2"],
    }
)
ROWS = {"slice 1": [1, 3], "slice 2": [2, 4, 5], "slice 10": [6]}


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session.create(tmp_path / "project", jobs=Jobs(inline=True)) as session:
        yield session
        assert session.problems == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "slices"
    place.mkdir()
    for name in NAMES:
        about = {
            "axes": "CYX",
            "Channel": {"Name": ["DAPI", "cFos"]},
            "PhysicalSizeX": 0.5,
            "PhysicalSizeXUnit": "µm",
        }
        tifffile.imwrite(place / f"{name}.ome.tif", IMAGE, metadata=about, ome=True, photometric="minisblack")
    return place


def rows(session: Session) -> dict[str, list[int]]:
    return session.items.groupby("image")["cellID"].apply(list).to_dict()


def files(session: Session) -> list[Path]:
    return sorted(p for p in session.folder.rglob("*") if p.suffix in (".npy", ".tmp", ".parquet"))


def test_one_table_gives_a_folder_of_slices_their_cells(
    session: Session, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    TABLE.to_csv(tmp_path / "study.csv", index=False)
    shown = session.add_all_centres(folder, tmp_path / "study.csv", 3, preview=True)
    assert (shown.done, shown.cells, len(shown.images)) == (False, 6, 3)
    assert shown.sentence == "6 cells on 3 images. Centres left out: 1 outside of their image."
    table = shown.table.set_index("image")
    assert table["cells"].to_dict() == {"slice 1": 2, "slice 2": 3, "slice 10": 1}
    assert table["outside"].to_dict() == {"slice 1": 0, "slice 2": 0, "slice 10": 1}
    assert not session.images
    report = session.add_all_centres(folder, tmp_path / "study.csv", 3)
    assert (report.done, report.cells, report.left_out, report.without) == (True, 6, {}, ())
    assert rows(session) == ROWS
    assert session.images["slice 1"].channels == ["DAPI", "cFos"]
    assert {n: i.group for n, i in session.images.items()} == {
        "slice 1": "m1",
        "slice 2": "m1",
        "slice 10": "m2",
    }
    for gone in (False, True):
        if gone:
            (tmp_path / "study.csv").unlink()
        assert ("session.add_all_centres(" in session.script()) is not gone
        place = tmp_path / str(gone)
        place.mkdir()
        with replayed(session.script(), place, monkeypatch) as again:
            pd.testing.assert_frame_equal(again.items, session.items)
            for name, image in session.images.items():
                np.testing.assert_array_equal(np.asarray(again.images[name].mask), np.asarray(image.mask))


@pytest.mark.parametrize(
    ("heading", "said"),
    [
        ("Image", "{}.ome.tif"), ("slice", "{}"), ("filename", "{}.OME.TIF"), ("Filename", "C:\\data\\{}.ome.tif"),
        ("image_path", "/home/a/{}.tif"), ("Image Name", "{}.ome.tif - Image0"), ("section", " {} "),
    ],
)  # fmt: skip
def test_what_programs_call_a_slice_finds_it(session: Session, folder: Path, heading: str, said: str) -> None:
    table = TABLE.rename(columns={"image": heading})
    table[heading] = [said.format(name) for name in TABLE["image"]]
    assert session.add_all_centres(folder, table, 3).left_out == {}
    assert rows(session) == ROWS


def test_a_column_and_groups_may_be_named(session: Session, folder: Path) -> None:
    table = TABLE.rename(columns={"image": "Where", "animal": "whose"}).assign(image="x")
    with pytest.raises(InputError, match="No image is called so"):
        session.add_all_centres(folder, table, 3)
    session.add_all_centres(folder, table, 3, column="Where", group="whose")
    assert [image.group for image in session.images.values()] == ["m1", "m1", "m2"]
    with pytest.raises(InputError, match="no column 'nowhere'"):
        session.add_all_centres(folder, table, 3, column="nowhere")


def test_a_folder_of_one_table_a_slice(session: Session, folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "tables"
    place.mkdir()
    for name, mine in TABLE.groupby("image"):
        part = mine[["y", "x"]]
        if name == "slice 1":
            part.to_csv(place / "slice 1_centres.csv.gz", index=False)
        elif name == "slice 2":  # its column says what nobody knows, its own name does
            part.assign(Image="IMG_7.czi").to_csv(place / "slice 2.csv", index=False)
        else:
            part.to_parquet(place / "slice 10 detections.parquet")
    (place / "notes.txt").write_text("no table")
    (place / "summary.csv").write_text("slice,total\n1,3\n")
    shown = session.add_all_centres(folder, place, 3, preview=True)
    assert list(shown.left_out) == ["summary.csv"]
    assert "no column 'y'" in shown.left_out["summary.csv"]
    with pytest.raises(InputError, match=r"(?s)1 of 4 do not fit.*partial=True.*summary\.csv"):
        session.add_all_centres(folder, place, 3)
    assert not session.images
    report = session.add_all_centres(folder, place, 3, partial=list(shown.left_out), group="m")
    assert report.cells == 6
    assert rows(session) == {"slice 1": [1, 2], "slice 2": [1, 2, 3], "slice 10": [1]}
    assert {image.group for image in session.images.values()} == {"m"}


def test_what_does_not_match_is_said_before_anything_is_written(session: Session, folder: Path) -> None:
    table = TABLE.assign(
        image=["slice 1", "slice 3", "slice 1", None, "slice 10", "SLICE 10.tif", "slice 10"]
    )
    shown = session.add_all_centres(folder, table, 3, preview=True)
    assert shown.left_out["slice 3"] == "No image is called so. Images: 'slice 1', 'slice 2', 'slice 10'."
    assert "Several say where its cells are: 'slice 10', 'SLICE 10.tif'" in shown.left_out["slice 10"]
    assert shown.left_out["rows without a name"] == "1 rows name no image."
    assert shown.without == ("slice 2",)
    assert "Not matched: 'slice 3', 'rows without a name', 'slice 10'" in shown.sentence
    assert "No centres are of 'slice 2'" in shown.sentence
    before = files(session)
    for partial in (False, ["slice 3", "slice 10"], "slice 3"):
        with pytest.raises(InputError, match="do not fit, so nothing was added"):
            session.add_all_centres(folder, table, 3, partial=partial)
    assert not session.images
    assert files(session) == before
    assert "add_all_centres" not in session.script()
    assert session.add_all_centres(folder, table, 3, partial=True).cells == 2
    assert rows(session) == {"slice 1": [1, 3]}
    # one whose centres lie all outside is named, not the first to fail for all
    bad = TABLE.assign(y=np.where(TABLE["image"] == "slice 2", 1e6, TABLE["y"]))
    told = session.add_all_centres(folder, bad, 3, preview=True).left_out
    assert "None of the 3 centres lies on image 'slice 2'" in told["slice 2"]
    assert "There is an image 'slice 1' already" in told["slice 1"]


def test_images_of_the_project_get_their_first_cells(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.add_image("done", IMAGE, np.pad(np.ones((9, 9), np.uint8), ((0, 51), (0, 71))), pixel_size=0.5)
    for name in NAMES:
        session.add_image(name, IMAGE, group=name[-1], pixel_size=0.5)
    session.add_regions("slice 2", {"left": (0, 0, 59, 40)})
    table = pd.concat([TABLE, TABLE[:1].assign(image="done")])
    shown = session.add_all_centres(None, table, 1.5, unit="µm", preview=True)
    assert list(shown.left_out) == ["done"]
    assert "has cells already" in shown.left_out["done"]
    with pytest.raises(InputError, match="do not fit"):
        session.add_all_centres(None, table, 1.5, unit="µm")
    assert len(session.table) == 1
    assert session.add_all_centres(None, TABLE, 1.5, unit="µm").cells == 6
    assert {k: v for k, v in rows(session).items() if k != "done"} == ROWS
    assert session.images["slice 10"].group == "0"  # the project's own
    items = session.items
    assert items.loc[items["image"] == "slice 2", "region"].tolist()[:2] == ["left", "left"]
    assert items.loc[items["image"] == "slice 2", "region"].isna().tolist() == [False, False, True]
    session.measure(rings=False, neighbours=False)
    with Session.open(session.folder, read_only=True, jobs=Jobs(inline=True)) as other:
        pd.testing.assert_frame_equal(other.items, session.items)
        assert other.images["slice 1"].mask is not None
    with replayed(session.script(), tmp_path, monkeypatch) as again:
        pd.testing.assert_frame_equal(again.items, session.items)
        np.testing.assert_array_equal(again.features.matrix, session.features.matrix)


def test_a_stop_or_an_error_half_way_leaves_nothing(
    session: Session, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in NAMES:
        session.add_image(name, IMAGE)
    before = files(session)

    with pytest.raises(Cancelled):
        session.add_all_centres(None, TABLE, 3, progress=lambda *_: session.jobs.current.stop())

    class Stopping:
        """An image that somebody stops while it is copied, after others are ready."""

        shape, dtype, ndim = IMAGE.shape, IMAGE.dtype, 3

        def __getitem__(self, part: object) -> np.ndarray:
            session.jobs.current.stop()
            return IMAGE[part]

    named = TABLE.assign(image="new " + TABLE["image"])
    coming = {"new slice 1": IMAGE, "new slice 2": Stopping(), "new slice 10": IMAGE}
    with pytest.raises(Cancelled):
        session.add_all_centres(coming, named, 3)
    room = iter([1 << 30, 1 << 30, 10])  # there is none for the last of the masks
    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda _path: SimpleNamespace(total=1, used=1, free=next(room)))
        with pytest.raises(ProjectError, match="free"):
            session.add_all_centres(None, TABLE, 3)
    assert list(session.images) == list(NAMES)
    assert len(session.table) == 0
    assert files(session) == before
    assert session.images["slice 1"].mask is None
    last = {"slice 1": IMAGE, "slice 2": IMAGE, "slice 10": IMAGE[:1]}
    with pytest.raises(InputError, match="do not fit"):
        session.add_all_centres(
            {f"new {n}": i for n, i in last.items()}, TABLE.assign(image="new " + TABLE["image"]), 3
        )
    assert files(session) == before
    with Session.open(session.folder, read_only=True, jobs=Jobs(inline=True)) as other:
        assert other.add_all_centres(None, TABLE, 3, preview=True).cells == 6
        with pytest.raises(ReadOnlyError):
            other.add_all_centres(None, TABLE, 3)
    assert session.add_all_centres(None, TABLE, 3).cells == 6


def test_stacks_of_several_animals(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "stacks"
    place.mkdir()
    zarr_stack(place / "brain 1.ome.zarr", STACK, "zcyx", chunks=(2, 1, 32, 32))
    about = {"axes": "ZCYX", "Channel": {"Name": ["DAPI", "cFos"]}}
    tifffile.imwrite(place / "brain 2.ome.tif", STACK, metadata=about, ome=True, photometric="minisblack")
    table = TABLE[:4].assign(image=["brain 1", "brain 2"] * 2, z=[0, 3, 2, 3])
    table.to_csv(tmp_path / "c.csv", index=False)
    shown = session.add_all_centres(place, tmp_path / "c.csv", 3, preview=True)
    assert shown.table["image"].tolist() == ["brain 1", "brain 2"]
    session.add_all_centres(place, tmp_path / "c.csv", 3)
    assert list(session.images) == ["brain 1 z000", "brain 1 z002", "brain 2 z003"]
    np.testing.assert_array_equal(np.asarray(session.images["brain 2 z003"].array), STACK[3])
    with replayed(session.script(), tmp_path, monkeypatch) as again:
        pd.testing.assert_frame_equal(again.items, session.items)


def test_slices_of_one_channel_are_no_channels_of_one(session: Session, tmp_path: Path) -> None:
    place = tmp_path / "plain"
    place.mkdir()
    for name in NAMES:
        tifffile.imwrite(place / f"{name}.tif", IMAGE[0])
    assert session.add_all_centres(place, TABLE, 3).cells == 6
    assert list(session.images) == list(NAMES)
    assert rows(session) == ROWS


XY = TABLE[["y", "x"]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"centres": XY}, "name no image"),
        ({"centres": TABLE[:0]}, "no rows"),
        ({"centres": TABLE.assign(y="top")}, "no numbers"),
        ({"centres": TABLE.assign(y=1j)}, "complex"),
        ({"centres": TABLE.assign(image=[b"\xff", 2.5, ("a",), "slice 1", None, object(), True])}, "do not fit"),
        ({"centres": pd.DataFrame({"image": [str(i) for i in range(10_001)], "y": 1.0, "x": 1.0})}, "more than 10,000"),
        ({"centres": TABLE.assign(image="../../etc/passwd")}, "No centres belong"),
        ({"centres": TABLE.assign(image="\n; import os")}, "No centres belong"),
        ({"centres": {}}, "No centres"),
        ({"centres": 7}, "A table is"),
        ({"centres": np.zeros((3, 2))}, "name no image"),
        ({"images": 7}, "Images are"),
        ({"images": []}, "Images are"),
        ({"images": None}, "no image yet"),
        ({"images": "absent"}, "absent"),
        ({"images": {"": IMAGE}}, "needs a name"),
        ({"images": {"slice 1": np.zeros(3)}, "partial": True}, "shape"),
        ({"radius": 0}, "radius is 0"),
        ({"radius": "size"}, "no column 'size'"),
        ({"unit": "mm"}, "unit"),
        ({"places": "inch"}, "unit"),
        ({"column": ["image"]}, "no column"),
        ({"group": 3}, None),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_a_sentence(
    session: Session, folder: Path, change: dict[str, object], words: str | None
) -> None:
    given = {"images": folder, "centres": TABLE, "radius": 3, **change}
    if words is None:
        assert session.add_all_centres(**given).cells == 6
        return
    with pytest.raises(CellTuneError, match=words):
        session.add_all_centres(**given)
    assert not session.images
    assert files(session) == []


def test_tables_that_are_none(
    session: Session, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    TABLE.to_parquet(tmp_path / "good.parquet")
    parquet = (tmp_path / "good.parquet").read_bytes()
    place = tmp_path / "bad"
    place.mkdir()
    for name, content in (
        ("empty.csv", b""), ("heading.csv", b"image,y,x\n"), ("binary.csv", bytes(range(256)) * 10),
        ("cut.parquet", parquet[: len(parquet) // 2]), ("cut.csv.gz", b"\x1f\x8b\x08\x00\x00"), ("long.csv", b"y" * (2 << 20)),
    ):  # fmt: skip
        (place / name).write_bytes(content)
        with pytest.raises(CellTuneError, match=name):
            session.add_all_centres(folder, place / name, 3)
    TABLE.to_csv(place / "slice.csv", index=False)
    shown = session.add_all_centres(
        folder, place, 3, preview=True
    )  # all of them are named, the good one is read
    assert len(shown.left_out) == 6
    assert shown.cells == 6
    (tmp_path / "none").mkdir()
    with pytest.raises(FormatError, match="No table"):
        session.add_all_centres(folder, tmp_path / "none", 3)
    monkeypatch.setattr("psutil.virtual_memory", type("Memory", (), {"available": 100}))
    with pytest.raises(FormatError, match="memory"):
        session.add_all_centres(folder, place / "slice.csv", 3)
