"""Small pictures of one item: where they look, what is outlined, what lies beyond the image."""

from __future__ import annotations

import time

import numpy as np
import pytest

from celltune_nb.render.compose import BACKGROUND, Channel
from celltune_nb.render.tiles import Crop, tile_pictures


@pytest.fixture(scope="module")
def field() -> tuple[np.ndarray, np.ndarray]:
    image = np.zeros((9, 120, 160), np.uint16)
    mask = np.zeros((120, 160), np.uint32)
    mask[40:60, 70:80] = 7
    mask[40:60, 80:95] = 8
    for channel in range(9):
        image[channel, mask == 7] = 100 * (channel + 1)
    return image, mask


def grey(n: int) -> list[Channel]:
    return [Channel(i, "#ff0000", 0, 900) for i in range(n)]


def test_the_item_is_in_the_middle_and_alone_outlined(field) -> None:
    image, mask = field
    crop = Crop.around((40, 70, 60, 80), 49.5, 74.5)
    assert crop == Crop(49.5, 74.5, 52.0)
    together, first, last = tile_pictures(
        image,
        mask,
        crop,
        7,
        [Channel(8, "#00ff00", 0, 900)],
        [*grey(1), Channel(8, "#ff0000", 0, 900)],
        side=104,
    )
    assert together.shape == (104, 104, 3)
    assert together[52, 52].tolist() == [0, 255, 0]
    assert first[52, 52].tolist() == [28, 28, 28], "alone, a channel is grey"
    assert last[52, 52].tolist() == [255, 255, 255]
    rows, columns = np.nonzero((first == 255).all(axis=2))
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (32, 72, 42, 62), (
        "the outline of 7 alone"
    )


def test_beyond_the_image_it_is_dark(field) -> None:
    image, mask = field
    (picture,) = tile_pictures(image, mask, Crop(0, 0, 40), 7, grey(1), [], side=40)
    assert tuple(picture[0, 0]) == BACKGROUND
    assert picture[39, 39].tolist() == [0, 0, 0]
    (outside,) = tile_pictures(image, mask, Crop(-500, -500, 40), 7, grey(1), [], side=40)
    assert tuple(outside[20, 20]) == BACKGROUND


def test_without_a_mask_a_ring_marks_the_centre(field) -> None:
    image, _ = field
    crop = Crop.around((0, 0, 0, 0), 30.0, 30.0)
    assert crop.side == 48
    (picture,) = tile_pictures(image, None, crop, 1, grey(1), [], side=96)
    assert (picture[48, 48] == 0).all()
    rows = np.flatnonzero((picture[:, 48] == 255).all(axis=1))
    assert rows.min() in range(34, 38)
    assert rows.max() in range(59, 63), "6 pixels to either side"


def test_rgb_is_shown_as_it_is(field) -> None:
    rgb = np.full((60, 60, 3), (10, 200, 30), np.uint8)
    pictures = tile_pictures(rgb, None, Crop(30, 30, 40), 1, grey(2), grey(2), side=40)
    assert len(pictures) == 1
    assert pictures[0][2, 2].tolist() == [10, 200, 30]


def test_no_channel_at_all_is_black(field) -> None:
    image, mask = field
    (picture,) = tile_pictures(image, mask, Crop(50, 70, 20), 99, [], [], side=20)
    assert not picture.any()


def test_ten_tiles_take_a_few_milliseconds(field) -> None:
    image, mask = field
    took = []
    for _ in range(5):
        start = time.process_time()  # the machine may be shared: its own work counts
        pictures = tile_pictures(image, mask, Crop(49.5, 74.5, 52.0), 7, grey(3), grey(9), side=160)
        took.append(time.process_time() - start)
    assert len(pictures) == 10
    assert min(took) < 0.1
