"""Texture is what scikit-image and mahotas make of the same gray levels."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.feature import graycomatrix, graycoprops

from celltune_nb.measure import describe, measure_cells, parse_name
from celltune_nb.measure.texture import DIRECTIONS, LEVELS, TEXTURES

from .masks import disks, odd

ENGINES = ("numba", "numpy")
ONLY_TEXTURE = {"rings": False, "neighbours": False, "morphology": False, "percentiles": ()}


def textures(image, mask, engine="numba"):
    measured = measure_cells(image, mask, "c", texture=True, engine=engine, **ONLY_TEXTURE)
    columns = {
        name: measured.matrix[:, measured.names.index(f"c__Texture_{name}__Cell")]
        for name in (t.removeprefix("Texture_") for t in TEXTURES)
    }
    return measured, columns


def gray_levels(crop, inside):
    """1 to 16 between the lowest and the highest value of the cell, 0 outside."""
    low, high = crop[inside].min(), crop[inside].max()
    levels = np.zeros(crop.shape, np.uint8)
    share = (crop[inside] - low) / (high - low) if high > low else np.zeros(inside.sum())
    levels[inside] = 1 + np.minimum(LEVELS - 1, np.floor(LEVELS * share))
    return levels


def cells(image, mask, measured):
    for i, label in enumerate(measured.labels):
        y0, x0, y1, x1 = measured.bbox[i]
        inside = mask[y0:y1, x0:x1] == label
        yield i, gray_levels(image[0, y0:y1, x0:x1].astype(np.float64), inside)


def smooth(mask, seed=0):
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(np.random.default_rng(seed).normal(0, 1, mask.shape), 1.5)[None].astype(np.float32)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("mask", [disks(), odd()], ids=["disks", "odd"])
def test_texture_agrees_with_scikit_image(mask, engine):
    image = smooth(mask)
    measured, got = textures(image, mask, engine)
    named = {
        "Contrast": "contrast",
        "Correlation": "correlation",
        "AngularSecondMoment": "ASM",
        "InverseDifferenceMoment": "homogeneity",
        "Variance": "variance",
    }
    for i, levels in cells(image, mask, measured):
        angles = [np.arctan2(-dy, dx) for dy, dx in DIRECTIONS]
        counts = graycomatrix(levels, [1], angles, levels=LEVELS + 1, symmetric=True)[1:, 1:].astype(float)
        counts = counts[..., counts.sum(axis=(0, 1, 2)) > 0]
        if counts.size == 0:
            continue
        for ours, theirs in named.items():
            assert got[ours][i] == pytest.approx(graycoprops(counts, theirs).mean(), rel=1e-5, abs=1e-6)
        share = counts / counts.sum(axis=(0, 1))
        entropy = -np.sum(share * np.log2(np.where(share > 0, share, 1)), axis=(0, 1)).mean()
        assert got["Entropy"][i] == pytest.approx(entropy, rel=1e-5, abs=1e-6)


def test_all_thirteen_agree_with_mahotas():
    haralick = pytest.importorskip("mahotas").features.haralick
    mask = disks()
    image = smooth(mask)
    measured, got = textures(image, mask)
    compared = 0
    for i, levels in cells(image, mask, measured):
        if min(levels.shape) < 3:
            continue  # mahotas refuses a direction without a pair
        theirs = haralick(levels, ignore_zeros=True, return_mean=True, use_x_minus_y_variance=True)
        np.testing.assert_allclose([values[i] for values in got.values()], theirs, rtol=1e-5, atol=1e-5)
        compared += 1
    assert compared > 10


def test_both_engines_measure_the_same():
    for mask in (disks(), odd()):
        image = smooth(mask, 3)
        image[0, 10:14, 5:40] = np.nan
        one, two = textures(image, mask)[0], textures(image, mask, "numpy")[0]
        np.testing.assert_allclose(one.matrix, two.matrix, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_gain_and_offset_do_not_change_texture(engine):
    mask = disks()
    image = np.random.default_rng(0).integers(0, 200, (1, *mask.shape)).astype(np.float32)
    _, plain = textures(image, mask, engine)
    _, brighter = textures(4 * image + 100, mask, engine)
    for name, values in plain.items():
        np.testing.assert_array_equal(values, brighter[name], err_msg=name)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_has_no_pair_is_flat_and_what_has_no_number_is_not_measured(engine):
    mask = np.zeros((12, 20), np.uint8)
    mask[2, 2], mask[2:9, 6:12], mask[2:9, 13:19] = 1, 2, 3
    image = np.full((1, 12, 20), 7, np.float32)
    image[0, 2:9, 13:19] = np.nan
    _, got = textures(image, mask, engine)
    for row in (0, 1):
        assert got["Contrast"][row] == got["Variance"][row] == got["Information1"][row] == 0
        assert got["Entropy"][row] == pytest.approx(0, abs=1e-9)
        assert got["Correlation"][row] == got["AngularSecondMoment"][row] == 1
    assert all(np.isnan(values[2]) for values in got.values())


def test_texture_is_measured_where_it_is_asked_for():
    mask = disks()
    image = np.random.default_rng(0).random((2, *mask.shape)).astype(np.float32)
    none = measure_cells(image, mask, ["CD3", "CD8"])
    assert "Texture" not in none.groups
    one = measure_cells(image, mask, ["CD3", "CD8"], texture=["CD8"])
    assert one.groups["Texture"] == [f"CD8__{name}__Cell" for name in TEXTURES]
    assert set(one.groups["Texture"]) <= set(one.groups["Default"])
    assert [n for n in one.names if n not in one.groups["Texture"]] == none.names
    assert tuple(parse_name("CD8__Texture_Contrast__Cell")) == ("CD8", "Texture_Contrast", "Cell")
    assert describe(["CD8__Texture_Contrast__Cell"]) == ["CD8: texture, contrast in the cell"]
    assert len(measure_cells(image, mask, ["CD3", "CD8"], texture=True).groups["Texture"]) == 26
