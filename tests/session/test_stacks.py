"""Images of one file a channel, and masks of nuclei, in a project."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile

from celltune_nb.errors import CellTuneError, FormatError, InputError
from celltune_nb.formats.images import fingerprint
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from tests.session.conftest import field

IMAGE, MASK, _ = field(0, cells=3)
NUCLEI = np.where(np.pad(MASK, 4)[8:, 8:] > 0, MASK, 0)


@pytest.fixture
def empty(tmp_path: Path) -> Session:
    with Session.create(tmp_path / "new", jobs=Jobs(inline=True)) as session:
        yield session


@pytest.fixture
def stack(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "field 1"
    folder.mkdir()
    for name, plane in zip("ABC", IMAGE, strict=True):
        tifffile.imwrite(folder / f"{name}.tif", plane, compression="zlib")
    return [folder / f"{name}.tif" for name in "ABC"]


@pytest.mark.parametrize("copy", [True, False])
def test_a_list_of_files_is_an_image(empty: Session, stack: list[Path], copy: bool) -> None:
    empty.add_image("a", stack, MASK if copy else None, copy=copy)
    empty.close()
    with Session.open(empty.folder, jobs=Jobs(inline=True)) as again:
        image = again.images["a"]
        assert image.channels == ["A", "B", "C"]
        np.testing.assert_array_equal(np.asarray(image.plane("B")), IMAGE[1])
        assert again.problems == []


def test_a_file_of_a_stack_that_moved_or_changed_is_named(
    empty: Session, stack: list[Path], tmp_path: Path
) -> None:
    empty.add_image("a", stack, copy=False)
    moved = Path(shutil.move(stack[0].parent, tmp_path / "elsewhere"))
    empty.close()
    with Session.open(empty.folder, jobs=Jobs(inline=True)) as again:
        with pytest.raises(FormatError, match=r"field 1/A.tif, a file of image 'a', is not there any more"):
            np.asarray(again.images["a"].array)
        again.locate_image("a", moved)
        np.testing.assert_array_equal(np.asarray(again.images["a"].array), IMAGE)
    tifffile.imwrite(moved / "B.tif", IMAGE[2], compression="zlib")
    with (
        Session.open(empty.folder, jobs=Jobs(inline=True)) as again,
        pytest.raises(FormatError, match="was changed since it was added"),
    ):
        np.asarray(again.images["a"].array)


@pytest.mark.parametrize("copy", [True, False])
def test_nuclei_are_kept_and_measured(empty: Session, stack: list[Path], tmp_path: Path, copy: bool) -> None:
    for name, array in (("mask", MASK), ("nuclei", NUCLEI)):
        tifffile.imwrite(tmp_path / f"{name}.tif", array)
    empty.add_image("a", stack, tmp_path / "mask.tif", nucleus=tmp_path / "nuclei.tif", copy=copy)
    empty.close()
    with Session.open(empty.folder, jobs=Jobs(inline=True)) as again:
        np.testing.assert_array_equal(np.asarray(again.images["a"].nucleus), NUCLEI)
        features = again.measure(rings=False, neighbours=False)
        assert "A__Mean__Nucleus" in features.names
        inside = features.column("Area__Nucleus")
        assert inside[0] == np.count_nonzero((MASK == 10) & (NUCLEI > 0))


def test_nuclei_in_some_images_only_are_not_measured(empty: Session) -> None:
    empty.add_image("a", IMAGE, MASK, channels=list("ABC"), nucleus=NUCLEI)
    empty.add_image("b", IMAGE, MASK, channels=list("ABC"))
    features = empty.measure(rings=False, neighbours=False)
    assert not [name for name in features.names if "Nucleus" in name]
    assert any("b has no mask of nuclei" in note for note in features.parameters["notes"])


def test_nuclei_that_do_not_fit_leave_nothing(empty: Session) -> None:
    with pytest.raises(InputError, match="none of cells"):
        empty.add_image("a", IMAGE, nucleus=NUCLEI)
    with pytest.raises(CellTuneError, match="full size"):
        empty.add_image("a", IMAGE, MASK, nucleus=NUCLEI[:5])
    with pytest.raises(InputError, match="given as an array"):
        empty.add_image("a", IMAGE, nucleus=NUCLEI, copy=False)
    assert not empty.images
    assert not list((empty.folder / "masks").glob("*")) if (empty.folder / "masks").exists() else True


@pytest.mark.parametrize(
    ("path", "files"),
    [
        (None, ["../secret.tif"]),
        (None, ["A.tif", "x/../../secret.tif"]),
        (None, ["SECRET"]),  # the whole path of a file elsewhere
        (None, [""]),
        (None, "A.tif"),
        (None, [7]),
        ("referenced/field", ["link.tif"]),
        ("referenced/field", ["../../../secret.tif"]),
        ("../secret.tif", None),
        ("referenced/out", ["secret.tif"]),
    ],
)
def test_a_project_from_somebody_else_cannot_name_files_outside(
    empty: Session, stack: list[Path], tmp_path: Path, path: str | None, files: object
) -> None:
    empty.add_image("a", stack, copy=False)
    empty.close()
    secret = tmp_path / "secret.tif"
    tifffile.imwrite(secret, IMAGE[0], compression="zlib")
    inside = empty.folder / "referenced" / "field"
    inside.mkdir(parents=True)
    (inside / "link.tif").symlink_to(secret)
    (empty.folder / "referenced" / "out").symlink_to(tmp_path)
    settings = json.loads((empty.folder / "project.json").read_text())
    about = settings["images"][0]["file"]
    about["path"] = path or about["path"]
    about["files"] = [str(secret)] if files == ["SECRET"] else files
    # What the file is known by, as far as somebody else could know it.
    chosen = (secret,) * len(files) if isinstance(files, list) else secret
    about |= fingerprint(chosen) | {"shape": [len(files or [1]), *IMAGE.shape[1:]]}
    (empty.folder / "project.json").write_text(json.dumps(settings))
    with pytest.raises(FormatError, match=r"badly|points out of"):
        Session.open(empty.folder)


def test_a_file_elsewhere_is_not_read_unless_its_content_is_known(
    empty: Session, stack: list[Path], tmp_path: Path
) -> None:
    empty.add_image("a", stack, copy=False)
    empty.close()
    secret = tmp_path / "elsewhere" / "secret.tif"
    secret.parent.mkdir()
    tifffile.imwrite(secret, IMAGE[0] + 1, compression="zlib")
    settings = json.loads((empty.folder / "project.json").read_text())
    settings["images"][0]["file"] |= {"path": str(secret.parent), "files": [secret.name] * 3}
    (empty.folder / "project.json").write_text(json.dumps(settings))
    with Session.open(empty.folder) as again, pytest.raises(FormatError, match="was changed"):
        np.asarray(again.images["a"].array)
