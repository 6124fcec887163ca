"""Channels to RGB."""

from __future__ import annotations

import numpy as np
import pytest

from celltune_nb.errors import InputError
from celltune_nb.render import Camera, Channel, Pyramid, compose
from celltune_nb.render.compose import BACKGROUND, parse_color


def one_to_one(shape):
    return Camera((shape[0] - 1) / 2, (shape[1] - 1) / 2, 1.0, *shape)


@pytest.fixture
def stack():
    return np.random.default_rng(0).integers(0, 4000, (3, 40, 60)).astype(np.uint16)


@pytest.mark.parametrize("kind", ["uint8", "uint16", "int16", "float32", "float64", "bool", "uint32"])
def test_channels_add_up_like_the_formula(stack, kind):
    top = 1 if kind == "bool" else 200
    image = (stack % (top + 1)).astype(kind)
    channels = [Channel(0, "#ff0000", 0, top), Channel(1, "#00ff00", 0, top), Channel(2, "#808080", 0, top)]
    frame = compose(image, one_to_one((40, 60)), channels)
    colors = np.array([parse_color(c.color) for c in channels], float)
    expected = np.clip(np.einsum("cyx,ck->yxk", np.clip(image.astype(float) / top, 0, 1), colors), 0, 255)
    assert np.abs(frame - expected).max() <= 1


def test_limits_make_black_and_full_colour(stack):
    image = np.array([[100, 200, 300, 250]], np.uint16)
    frame = compose(image, one_to_one((1, 4)), [Channel(0, "#ffffff", 200, 300)])
    assert frame[0, :, 0].tolist() == [0, 0, 255, 128]


def test_rgb_is_shown_as_it_is():
    image = np.random.default_rng(1).integers(0, 256, (30, 20, 3)).astype(np.uint8)
    assert np.array_equal(compose(image, one_to_one((30, 20))), image)


def test_magnified_pixels_are_sharp_squares():
    image = np.array([[0, 255], [255, 0]], np.uint8)
    frame = compose(image, Camera.fit((2, 2), 10, 10), [Channel(0, "#fff", 0, 255)])
    assert np.array_equal(frame[..., 0], np.kron(image, np.ones((5, 5), np.uint8)))


def test_beyond_the_image_lies_the_background():
    frame = compose(np.full((10, 10), 255, np.uint8), Camera(0, 0, 1, 20, 20), [Channel(0, "#fff", 0, 255)])
    assert tuple(frame[0, 0]) == BACKGROUND
    assert tuple(frame[12, 12]) == (255, 255, 255)
    away = compose(np.zeros((10, 10), np.uint8), Camera(500, 0, 1, 20, 20), [Channel(0, "#fff", 0, 255)])
    assert (away == BACKGROUND).all()


def test_device_pixel_ratio_sets_the_size():
    camera = Camera.fit((10, 10), 101, 201)
    assert compose(np.zeros((10, 10), np.uint8), camera, [], dpr=1.5).shape == (152, 302, 3)


def test_not_a_number_and_infinity_are_black_and_bright():
    image = np.array([[np.nan, np.inf, -np.inf, 1]], np.float32)
    frame = compose(image, one_to_one((1, 4)), [Channel(0, "#ffffff", 0, 1)])
    assert frame[0, :, 0].tolist() == [0, 255, 0, 255]


def test_zoomed_out_is_the_mean_of_the_area():
    image = np.zeros((256, 256), np.uint16)
    image[::2] = 1000
    frame = compose(
        image, Camera.fit((256, 256), 64, 64), [Channel(0, "#ffffff", 0, 1000)], pyramid=Pyramid(image)
    )
    assert (frame == 128).all()


def test_a_memory_mapped_file_draws_like_memory(tmp_path, stack):
    np.save(tmp_path / "image.npy", stack)
    mapped = np.load(tmp_path / "image.npy", mmap_mode="r")
    channels = [Channel(0, "#ff00ff", 0, 4000), Channel(2, "#00ff00", 0, 4000)]
    for zoom in (0.4, 1, 2.5):
        camera = Camera(20, 20, zoom, 50, 50)
        expected = compose(stack, camera, channels, pyramid=Pyramid(stack))
        assert np.array_equal(compose(mapped, camera, channels, pyramid=Pyramid(mapped)), expected)


def test_errors_say_what_to_do(stack):
    with pytest.raises(InputError, match="Choose 0 to 2"):
        compose(stack, one_to_one((40, 60)), [Channel(7, "#fff", 0, 1)])
    with pytest.raises(InputError, match=r"\(C, Y, X\)"):
        compose(np.zeros((2, 2, 2, 2)), one_to_one((2, 2)))
    with pytest.raises(InputError, match="#rrggbb"):
        compose(stack, one_to_one((40, 60)), [Channel(0, "rot", 0, 1)])
