from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import label, regionprops

from celltune_nb.datasets import ihc


@pytest.fixture(scope="module")
def mask() -> np.ndarray:
    return ihc.segment_nuclei(ihc.image())


def test_it_finds_the_nuclei_a_person_counts(mask: np.ndarray) -> None:
    assert mask.shape == (512, 512)
    assert mask.dtype == np.uint32
    assert 345 <= mask.max() <= 385
    assert np.array_equal(np.unique(mask), np.arange(mask.max() + 1))


def test_outlines_are_smooth_pieces_without_speckle(mask: np.ndarray) -> None:
    regions = regionprops(mask.astype(np.int64))
    area = np.array([r.area for r in regions])
    solidity = np.array([r.solidity for r in regions])
    assert area.min() >= ihc.NucleusSettings().min_area
    assert area.max() < 1200
    assert 120 < np.median(area) < 170
    assert np.median(solidity) > 0.92
    assert np.mean(solidity < 0.8) < 0.01
    assert all(label(r.image, connectivity=2).max() == 1 for r in regions)


def test_nuclei_are_bluer_than_what_surrounds_them(mask: np.ndarray) -> None:
    from scipy import ndimage
    from skimage.color import rgb2hed
    from skimage.segmentation import expand_labels

    blue = rgb2hed(ihc.image())[..., 0]
    index = np.arange(1, mask.max() + 1)
    ring = np.where(mask == 0, expand_labels(mask, 4), 0)
    inside, outside = ndimage.mean(blue, mask, index), ndimage.mean(blue, ring, index)
    beside = np.isin(index, ring)
    assert np.mean(inside[beside] > outside[beside]) > 0.97


def test_the_brown_around_the_nucleus_tells_glands_from_stroma(mask: np.ndarray) -> None:
    from scipy import ndimage
    from skimage.color import rgb2hed
    from skimage.segmentation import expand_labels

    brown = rgb2hed(ihc.image())[..., 2]
    ring = np.where(mask == 0, expand_labels(mask, 4), 0)
    index = np.unique(ring)[1:]
    level = ndimage.mean(brown, ring, index)
    centre = np.array(ndimage.center_of_mass(mask > 0, mask, index))
    cut = (level.min() + level.max()) / 2
    # the round gland in the lower middle, and the stroma on the right
    gland = (np.hypot(centre[:, 0] - 400, centre[:, 1] - 318) < 60).nonzero()[0]
    stroma = (centre[:, 1] > 470).nonzero()[0]
    assert gland.size > 15
    assert stroma.size > 15
    assert np.mean(level[gland]) > np.mean(level[stroma]) * 1.5
    assert np.quantile(level[stroma], 0.9) < np.quantile(level[gland], 0.1)
    assert 0.1 < np.mean(level > cut) < 0.9


def test_the_same_image_gives_the_same_mask() -> None:
    corner = ihc.image()[:128, :128]
    assert np.array_equal(ihc.segment_nuclei(corner), ihc.segment_nuclei(corner))


def test_an_empty_slide_has_no_nuclei() -> None:
    assert ihc.segment_nuclei(np.full((64, 64, 3), 235, np.uint8)).max() == 0
