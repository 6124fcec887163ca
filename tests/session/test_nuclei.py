"""Nuclei for an image that is in the project already: its cells stay who they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from celltune_nb.errors import CellTuneError, InputError, ReadOnlyError
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from tests.session.conftest import field
from tests.session.test_resegmenting import everything
from tests.session.test_script import replayed

MEASURING = {"rings": False, "neighbours": False}


def nuclei(number: int, shrunk: int = 4) -> np.ndarray:
    """The middle of each cell but the first."""
    mask = field(number)[1]
    inner = np.zeros_like(mask)
    for value in np.unique(mask)[2:]:
        y, x = (int(v) for v in np.argwhere(mask == value)[0])
        inner[y + shrunk : y + 14 - shrunk, x + shrunk : x + 14 - shrunk] = 1
    return inner


@pytest.fixture
def session(tmp_path: Path):
    with Session.create(tmp_path / "project", jobs=Jobs(inline=True)) as session:
        for i in range(2):
            image, mask, _ = field(i)
            session.add_image(f"field {i}", image, mask, channels=["A", "B", "C"])
        session.categories.add("T")
        session.label([3, 4, 110], "T")
        session.measure(**MEASURING)
        yield session
        assert session.problems == []


def test_cells_stay_and_are_measured_in_their_nucleus(session: Session, tmp_path: Path) -> None:
    before = everything(session)
    tifffile.imwrite(tmp_path / "inner.tif", nuclei(0))
    told = session.set_nuclei("field 0", tmp_path / "inner.tif", preview=True)
    assert str(told) == "field 0: 99 of 100 cells would have a nucleus."
    assert "field 1 has none yet" in told.notes[0]
    assert session.images["field 0"].nucleus is None
    assert session.set_nuclei("field 0", tmp_path / "inner.tif").done
    assert session.set_nuclei("field 1", nuclei(1)).notes == [
        "Measure again: cells are then measured in their nucleus too."
    ]
    assert everything(session) == before  # labels, ids and the features measured before
    names = set(session.features_by_name["cells"].names)
    found = session.measure(**MEASURING)
    assert set(found.names) > names
    with Session.open(session.folder, read_only=True, jobs=Jobs(inline=True)) as again:
        np.testing.assert_array_equal(np.asarray(again.images["field 1"].nucleus) != 0, nuclei(1) != 0)
        assert again.labels.counts() == session.labels.counts()


def test_other_nuclei_are_measured_and_the_image_beside_is_left_alone(session: Session) -> None:
    for number in (0, 1):
        session.set_nuclei(f"field {number}", nuclei(number))
    first = session.measure(**MEASURING)
    session.set_nuclei("field 1", nuclei(1, 5))
    second = session.measure(**MEASURING)
    assert second.names == first.names
    same = (
        np.isclose(np.asarray(first.matrix), np.asarray(second.matrix), equal_nan=True)
        .all(axis=1)
        .reshape(2, 100)
    )
    assert same[0].all()
    assert not same[1, 1:].any()


def test_what_does_not_fit_changes_nothing(session: Session, tmp_path: Path) -> None:
    image, mask, _ = field(2)
    before, files = everything(session), sorted(session.folder.rglob("*.npy"))
    (tmp_path / "empty.tif").write_bytes(b"")
    huge = tmp_path / "huge.npy"
    with huge.open("wb") as stream:
        np.lib.format.write_array_header_1_0(
            stream, {"descr": "<u4", "fortran_order": False, "shape": (10**6, 10**6)}
        )
    for wrong, word in (
        (mask[:-1], "shape"),
        (mask.astype(float), "whole numbers"),
        (np.zeros_like(mask), "None of the 100 cells"),
        (-nuclei(0).astype(np.int32), "negative"),
        (None, "No nuclei"),
        (tmp_path / "absent.tif", "absent"),
        (tmp_path / "empty.tif", "empty"),
        (huge, "huge|shape"),
    ):
        with pytest.raises(CellTuneError, match=word):
            session.set_nuclei("field 0", wrong)
    with pytest.raises(InputError, match="no image 'nowhere'"):
        session.set_nuclei("nowhere", nuclei(0))
    with pytest.raises(InputError, match="array"):
        session.set_nuclei("field 0", nuclei(0), copy=False)
    assert everything(session) == before
    assert sorted(session.folder.rglob("*.npy")) == files
    assert not list(session.folder.rglob("*.tmp"))
    with Session.open(session.folder, read_only=True, jobs=Jobs(inline=True)) as other:
        assert other.set_nuclei("field 0", nuclei(0), preview=True).with_nucleus == 99
        with pytest.raises(ReadOnlyError):
            other.set_nuclei("field 0", nuclei(0))
    session.add_image("bare", image, channels=["A", "B", "C"])
    with pytest.raises(InputError, match="no mask of cells"):
        session.set_nuclei("bare", nuclei(2))


def test_nuclei_after_another_mask_and_in_the_script(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = np.roll(field(0)[1], 1, axis=1)
    session.replace_mask("field 0", moved)
    session.set_nuclei("field 0", nuclei(0))
    tifffile.imwrite(tmp_path / "inner.tif", nuclei(1))
    session.set_nuclei("field 1", tmp_path / "inner.tif")
    assert "session.set_nuclei(" in session.script()
    with replayed(session.script(), tmp_path, monkeypatch) as again:
        for name, image in session.images.items():
            np.testing.assert_array_equal(
                np.asarray(again.images[name].nucleus) != 0, np.asarray(image.nucleus) != 0
            )


def test_the_script_gives_each_mask_the_nuclei_that_it_had(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(2):
        session.set_nuclei(f"field {i}", nuclei(i))
    session.replace_mask("field 0", field(0)[1])
    session.set_nuclei("field 0", nuclei(0, 2))
    with replayed(session.script(), tmp_path, monkeypatch) as again:
        for project in (session, again):
            for found, expected in (
                (project.former_mask("field 0", nucleus=True), nuclei(0)),
                (project.images["field 0"].nucleus, nuclei(0, 2)),
                (project.images["field 1"].nucleus, nuclei(1)),
            ):
                np.testing.assert_array_equal(np.asarray(found) != 0, expected != 0)


def test_nuclei_given_twice_without_a_mask_between_are_kept_and_replayed(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "inner.tif"
    session.set_nuclei("field 0", nuclei(0, 2))
    session.set_nuclei("field 0", nuclei(0, 3))
    tifffile.imwrite(path, nuclei(0, 4))
    session.set_nuclei("field 0", path, copy=True)
    session.replace_mask("field 0", field(0)[1], nucleus=nuclei(0, 5))
    tifffile.imwrite(path, nuclei(0, 6))
    session.set_nuclei("field 0", path, copy=True)  # the same file holds others by now
    with pytest.raises(InputError, match="had no mask of nuclei then"):
        session.former_nuclei("field 0", 0)
    with pytest.raises(InputError, match="was given other nuclei 4 times"):
        session.former_nuclei("field 0", 4)
    with pytest.raises(InputError, match="was given other nuclei no times"):
        session.former_nuclei("field 1")

    def check(project: Session) -> None:
        for found, shrunk in (
            (project.former_nuclei("field 0", 1), 2), (project.former_nuclei("field 0", 2), 3),
            (project.former_mask("field 0", nucleus=True), 4), (project.former_nuclei("field 0"), 5),
            (project.images["field 0"].nucleus, 6),
        ):  # fmt: skip
            np.testing.assert_array_equal(np.asarray(found) != 0, nuclei(0, shrunk) != 0)
        assert project.images["field 1"].nucleus is None

    check(session)
    script = session.script()
    with replayed(script, tmp_path, monkeypatch) as again:
        check(again)
    path.unlink()
    session.save_bundle(tmp_path / "all.zip")
    session.close()
    with Session.open(session.folder) as again:  # nothing of before is taken for a leftover
        check(again)
    with Session.open(tmp_path / "all.zip", folder=tmp_path / "elsewhere") as there:
        check(there)


def test_nuclei_given_with_the_image_are_those_of_the_script(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, mask, _ = field(3)
    session.add_image("more", image, mask, nucleus=nuclei(3, 2), channels=["A", "B", "C"])
    session.set_nuclei("more", nuclei(3, 3))
    with replayed(session.script(), tmp_path, monkeypatch) as again:
        np.testing.assert_array_equal(np.asarray(again.former_nuclei("more")) != 0, nuclei(3, 2) != 0)
        np.testing.assert_array_equal(np.asarray(again.images["more"].nucleus) != 0, nuclei(3, 3) != 0)
