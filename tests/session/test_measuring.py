"""Measuring all cells of a project."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from celltune_nb.errors import InputError
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from tests.waiting import LONG

from .conftest import field


@pytest.fixture
def session(tmp_path: Path):
    with Session.create(tmp_path / "project", jobs=Jobs(inline=True)) as made:
        for seed in range(2):
            image, mask, _ = field(seed, cells=4)
            made.add_image(f"image {seed}", image, mask, channels=["DAPI", "CD3", "CD8"], pixel_size=0.5)
        yield made


def test_texture_is_a_group_of_its_own_and_is_there_after_opening_again(session: Session, tmp_path: Path):
    source = session.measure(texture=["CD8"], rings=False, neighbours=False)
    assert len(source.groups["Texture"]) == 13
    assert all(name.startswith("CD8__Texture_") for name in source.groups["Texture"])
    values = np.array(source.matrix)
    assert np.isfinite(values).all()
    session.close()
    with Session.open(tmp_path / "project", jobs=Jobs(inline=True)) as again:
        assert again.features.groups["Texture"] == source.groups["Texture"]
        np.testing.assert_array_equal(np.array(again.features.matrix), values)


def test_both_engines_give_the_same_features(session: Session):
    plain = np.array(session.measure(engine="numpy", texture=True).matrix)
    np.testing.assert_allclose(
        np.array(session.measure(engine="numba", texture=True).matrix), plain, rtol=1e-6
    )


def test_an_option_or_channel_that_does_not_exist_is_named(session: Session):
    with pytest.raises(InputError, match="'textures'"):
        session.measure(textures=True)
    with pytest.raises(InputError, match=r"'CD4'.*DAPI, CD3, CD8"):
        session.measure(texture="CD4")


def counted(monkeypatch: pytest.MonkeyPatch, stop_at: int = 99) -> list[str]:
    """Note each image that is measured; the one of this number is never finished."""
    from celltune_nb import measure
    from celltune_nb.session import measured

    seen: list[str] = []
    whole = measured.Parts.measure

    def listening(self, image, *rest, **more):
        seen.append(image.name)
        if len(seen) == stop_at:
            raise KeyboardInterrupt
        return whole(self, image, *rest, **more)

    assert callable(measure.measure_cells)
    monkeypatch.setattr(measured.Parts, "measure", listening)
    return seen


OPTIONS = {"rings": False, "neighbours": False}


def test_a_killed_measuring_goes_on_where_it_was(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as patch:
        assert counted(patch, stop_at=2) == []
        with pytest.raises(KeyboardInterrupt):
            session.measure(**OPTIONS)
    assert "cells" not in session.features
    session.close()
    with Session.open(tmp_path / "project", jobs=Jobs(inline=True)) as again:
        with monkeypatch.context() as patch:
            seen = counted(patch)
            source = again.measure(**OPTIONS)
        assert seen == ["image 1"]
        values = np.array(source.matrix)
        assert not list((tmp_path / "project" / "features").glob(".cells-parts/*"))
        np.testing.assert_array_equal(np.array(again.measure(again=True, **OPTIONS).matrix), values)


def test_new_images_alone_are_measured_and_choices_stay(session: Session, monkeypatch: pytest.MonkeyPatch):
    session.measure(**OPTIONS)
    session.features.set_group("Mine", ["DAPI__Mean__Cell", "Area__Cell"])
    session.features.switch("CD3__Mean__Cell", on=False)
    used = session.features.used
    image, mask, _ = field(7, cells=3)
    session.add_image("late", image[::-1], mask, channels=["CD8", "CD3", "DAPI"], pixel_size=0.5)
    seen = counted(monkeypatch)
    source = session.measure(**OPTIONS)
    assert seen == ["late"]
    assert (len(source), source.used) == (41, used)
    assert source.groups["Mine"] == ["DAPI__Mean__Cell", "Area__Cell"]
    assert session.measure(**OPTIONS) is source
    assert seen == ["late"]
    values = np.array(source.matrix)
    np.testing.assert_array_equal(np.array(session.measure(again=True, **OPTIONS).matrix), values)
    seen.clear()
    session.measure(rings=False, neighbours=True)  # other options: everything
    assert seen == ["image 0", "image 1", "late"]


def test_damaged_parts_are_measured_again(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patch:
        counted(patch, stop_at=2)
        with pytest.raises(KeyboardInterrupt):
            session.measure(**OPTIONS)
    (part,) = (tmp_path / "project" / "features").glob(".cells-parts/*.npz")
    whole = part.read_bytes()
    for broken in (
        b"",
        whole[: len(whole) // 2],
        b"PK\x03\x04" + bytes(40),
        whole[:200] + bytes(len(whole) - 200),
    ):
        part.write_bytes(broken)
        with monkeypatch.context() as patch:
            seen = counted(patch, stop_at=2)
            with pytest.raises(KeyboardInterrupt):
                session.measure(**OPTIONS)
        assert seen == ["image 0", "image 1"]


def test_a_measuring_that_is_stopped_says_how_far_it_was_and_goes_on(tmp_path: Path):
    with Session.create(tmp_path / "threads") as session:
        image, mask, _ = field(0, cells=4)
        for i in range(3):
            session.add_image(f"image {i}", image, mask, channels=["DAPI", "CD3", "CD8"], pixel_size=0.5)
        go = threading.Event()
        session.jobs.submit(lambda job: go.wait(LONG), "before")
        job = session.measure(wait=False, **OPTIONS)
        job.stop()
        go.set()
        assert job._finished.wait(LONG)
        assert job.state in ("stopped", "cancelled")
        assert "cells" not in session.features
        session.measure(**OPTIONS)
        assert len(session.features) == 48


def test_brightness_against_the_same_image_needs_only_that_image(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    plain = session.measure(**OPTIONS)
    source = session.measure(per_image=True, **OPTIONS)
    group = source.groups["Per image"]
    assert set(group) <= set(source.used)
    assert [n for n in source.names if n not in group] == plain.names
    # nobody chose features, so the choice is the usual one: no plain mean beside the one that is said again
    assert source.used == source.groups["Default"]
    assert "CD3__Mean__Cell" not in source.used
    assert "CD3__Std__Cell" in source.used
    before = np.array(source.matrix)
    image, mask, _ = field(7, cells=3)
    session.add_image("late", 5 * image, mask, channels=["DAPI", "CD3", "CD8"], pixel_size=0.5)
    seen = counted(monkeypatch)
    after = session.measure(**OPTIONS)  # as before, though it is not said
    assert seen == ["late"]
    assert after.groups["Per image"] == group
    np.testing.assert_array_equal(np.array(after.matrix)[: len(before)], before)
    session.close()
    with Session.open(tmp_path / "project", jobs=Jobs(inline=True)) as again:
        assert again.features.groups["Per image"] == group
        without = again.measure(per_image=False, **OPTIONS)
        assert "Per image" not in without.groups
        assert (without.names, without.used) == (plain.names, plain.used)


def test_options_with_their_usual_values_measure_nothing_anew(
    session: Session, monkeypatch: pytest.MonkeyPatch
):
    source = session.measure()
    seen = counted(monkeypatch)
    assert session.measure(rings=True, morphology=True, texture=False, per_image=False) is source
    assert seen == []
