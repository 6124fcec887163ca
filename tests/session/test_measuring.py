"""Measuring all cells of a project."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from celltune_nb.errors import InputError
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs

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
