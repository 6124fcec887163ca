"""Regions of interest that last: label images kept, taken back, done again by a script, and cells that come later."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from celltune_nb.errors import CellTuneError, FormatError, InputError, ProjectError, ReadOnlyError
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from tests.session.test_script import replayed

IMAGE = np.random.default_rng(0).poisson(5, (2, 100, 120)).astype(np.uint16)
LABELS = np.zeros((100, 120), np.uint16)
LABELS[:, :40], LABELS[:, 80:] = 3, 70_000 % 65_536
NAMES = {3: "CA1", 70_000 % 65_536: "DG"}
CENTRES = pd.DataFrame({"y": [20.0, 50, 80, 20], "x": [20.0, 60, 100, 100]})


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session.create(tmp_path / "project", jobs=Jobs(inline=True)) as session:
        session.add_centres("a", IMAGE, CENTRES, 4, pixel_size=10)
        session.add_image("b", IMAGE, pixel_size=10)
        yield session
        assert session.problems == []


def regions(session: Session, image: str) -> list[str]:
    items = session.items
    if "region" not in items:
        return ["–"] * int((items["image"] == image).sum())
    return items.loc[items["image"] == image, "region"].fillna("–").tolist()


def copies(session: Session) -> list[Path]:
    return sorted((session.folder / "regions").glob("*")) if (session.folder / "regions").exists() else []


def test_a_label_image_in_memory_is_kept_and_the_script_reads_it(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = session.add_regions("a", LABELS, names=NAMES)
    assert regions(session, "a") == ["CA1", "–", "DG", "DG"]
    kept = found.attrs["kept"]
    assert kept["path"] == copies(session)[0]
    assert kept["bytes"] == kept["path"].stat().st_size < LABELS.nbytes / 5
    np.testing.assert_array_equal(tifffile.imread(kept["path"]), LABELS)
    session.add_regions("b", LABELS[::4, ::4], names=NAMES)  # so few numbers are noted one by one elsewhere
    path = tmp_path / "atlas.tif"
    tifffile.imwrite(path, LABELS)
    session.add_regions("b", path, names=["CA1", "DG"], name="atlas")
    for gone in (False, True):
        if gone:
            path.unlink()
        text = session.script()
        assert text.count(str(session.folder / "regions")) == 2 + gone
        place = tmp_path / str(gone)
        place.mkdir()
        with replayed(text, place, monkeypatch) as again:
            pd.testing.assert_frame_equal(again.items, session.items)
            for column in ("region", "atlas"):
                pd.testing.assert_frame_equal(again.areas(column), session.areas(column), check_dtype=False)


@pytest.mark.parametrize("given", ["drawn", "labels"])
@pytest.mark.parametrize("how", ["centres", "many", "table", "mask"])
def test_cells_that_come_later_are_in_the_regions(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, how: str
) -> None:
    if given == "drawn":
        session.add_regions("b", {"CA1": (0, 0, 100, 40), "DG": (0, 80, 100, 120)})
    else:
        session.add_regions("b", LABELS, names=NAMES)
    assert session.areas()["cells"].tolist() == [0, 0]
    if how == "centres":
        session.add_centres("b", None, CENTRES, 4)
    elif how == "many":
        session.add_all_centres(None, CENTRES.assign(image="b"), 4)
    elif how == "mask":
        session.replace_mask("b", np.asarray(session.images["a"].mask))
    else:
        table = CENTRES.assign(image="b", cellID=range(1, 5))
        session.import_cells(table.assign(size=[1.0, 2, 3, 4]), features=["size"], x="x", y="y")
    assert regions(session, "b") == ["CA1", "–", "DG", "DG"]
    assert session.areas()["cells"].tolist() == [1, 2]
    assert regions(session, "a") == ["–"] * 4
    with Session.open(session.folder, read_only=True, jobs=Jobs(inline=True)) as other:
        assert regions(other, "b") == ["CA1", "–", "DG", "DG"]
    with replayed(session.script(), tmp_path, monkeypatch) as again:
        assert regions(again, "b") == ["CA1", "–", "DG", "DG"]


def test_a_new_mask_asks_the_copy_of_the_label_image(session: Session) -> None:
    session.add_regions("a", LABELS, names=NAMES)
    moved = CENTRES.assign(x=[100.0, 20, 60, 20])
    session.add_centres("a", None, moved, 4)
    assert regions(session, "a") == ["DG", "CA1", "–", "CA1"]


def test_adding_and_removing_are_taken_back_also_after_reopening(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="No region was added"):
        session.take_back_regions()
    session.add_regions("a", {"left": (0, 0, 100, 50)})
    session.add_regions("a", {"right": (0, 50, 100, 120)})
    assert session.take_back_regions() == "adding right on a"
    assert regions(session, "a") == ["left", "–", "–", "–"]
    assert session.take_back_regions() == "taking back adding right on a"
    assert regions(session, "a") == ["left", "right", "right", "right"]
    session.add_regions("b", LABELS, names=NAMES)
    assert session.remove_regions() == 4  # of both images, one step
    assert "region" not in session.items
    session.close()
    with (
        Session.open(session.folder, read_only=True, jobs=Jobs(inline=True)) as other,
        pytest.raises(ReadOnlyError),
    ):
        other.take_back_regions()
    with Session.open(session.folder, jobs=Jobs(inline=True)) as again:
        assert again.take_back_regions() == "removing 4 regions on 2 images"
        assert regions(again, "a") == ["left", "right", "right", "right"]
        assert again.areas()["area_px"].tolist() == [5000, 7000, 4000, 4000]
        again.add_regions("a", LABELS[:, ::-1], names=NAMES, name="other")  # instead of nothing
        assert again.take_back_regions() == "adding CA1, DG on a"
        assert "other" not in again.items
        with replayed(again.script(), tmp_path, monkeypatch) as third:
            pd.testing.assert_frame_equal(third.items, again.items)
            assert third.take_back_regions() == "taking back adding CA1, DG on a"


def test_what_fails_leaves_no_copy_and_no_step(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    huge = LABELS.astype(np.uint64)
    huge[0, 0] = 1 << 40
    for labels in (
        huge,
        np.zeros_like(LABELS),
        LABELS.astype(float),
        LABELS[:7],
        LABELS.astype(np.int32) - 9,
    ):
        with pytest.raises(InputError):
            session.add_regions("a", labels)
    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr("os.fsync", full)
        with pytest.raises(ProjectError, match="No space left"):
            session.add_regions("a", LABELS)
    assert copies(session) == []
    assert session.areas().empty
    with pytest.raises(InputError):
        session.take_back_regions()


def test_copies_that_are_damaged_or_lie_elsewhere(session: Session, tmp_path: Path) -> None:
    session.add_regions("b", LABELS, names=NAMES)
    session.remove_regions()
    copies(session)[0].write_bytes(b"no TIFF")
    with pytest.raises(FormatError, match="copy of the label image of 'b'"):
        session.take_back_regions()
    assert session.areas().empty
    tifffile.imwrite(tmp_path / "secret.tif", LABELS)
    session.add_regions("b", LABELS, names=NAMES)
    session.close()
    path = session.folder / "project.json"
    about = json.loads(path.read_text())
    for bad in (f"../{tmp_path.name}/secret.tif", "../secret.tif", str(tmp_path / "secret.tif")):
        for row in about["study"]["areas"]["region"]["b"]:
            row["file"] = bad
        path.write_text(json.dumps(about))
        with Session.open(session.folder, jobs=Jobs(inline=True)) as again:
            preview = again.add_centres("b", None, CENTRES, 4, preview=True)
            assert preview.cells == 4
    with Session.open(session.folder, jobs=Jobs(inline=True)) as again:
        again.add_centres("b", None, CENTRES, 4)
        assert regions(again, "b") == ["–"] * 4  # nothing outside of the project's folder is read
    about = json.loads(path.read_text())
    for step in (
        [],
        {"column": "region"},
        {"column": "region", "what": "x", "images": 3},
        {"images": {"b": [1]}, "column": 1, "what": 2},
    ):
        about["study"]["areas_step"] = step
        path.write_text(json.dumps(about))
        with Session.open(session.folder, jobs=Jobs(inline=True)) as again, pytest.raises(CellTuneError):
            again.take_back_regions()
