"""Reduced copies for zoomed-out views."""

from __future__ import annotations

import numpy as np

from celltune_nb.render import Pyramid


def test_levels_are_means():
    image = np.random.default_rng(0).random((1, 1000, 703)).astype(np.float32)
    plane, level = Pyramid(image).plane(0, 2)
    assert level == 2
    assert plane.shape == (250, 176)
    assert np.allclose(plane[:, :175], image[0, :, :700].reshape(250, 4, 175, 4).mean((1, 3)), atol=1e-5)


def test_labels_keep_their_values():
    mask = np.random.default_rng(0).integers(0, 99999, (500, 500)).astype(np.int32)
    plane, level = Pyramid(mask, labels=True).plane(0, 3)
    assert level == 3
    assert np.array_equal(plane, mask[::8, ::8])


def test_rgb_levels():
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    plane, _ = Pyramid(image).plane(0, 1)
    assert np.abs(plane - image.reshape(32, 2, 32, 2, 3).mean((1, 3))).max() <= 0.5


def test_nothing_is_built_before_it_is_looked_at():
    pyramid = Pyramid(np.zeros((3, 512, 512), np.uint16))
    assert pyramid.nbytes == 0
    pyramid.plane(1, 0)
    assert pyramid.nbytes == 0
    pyramid.plane(1, 1)
    assert 0 < pyramid.nbytes < 512 * 512 * 2 * 0.4


def test_memory_stays_within_the_budget():
    image = np.zeros((10, 512, 512), np.uint16)
    pyramid = Pyramid(image, max_bytes=600_000)
    for channel in range(10):
        pyramid.plane(channel, 4)
    assert pyramid.nbytes <= 600_000


def test_a_level_too_large_to_keep_falls_back_to_the_source():
    image = np.arange(512 * 512, dtype=np.uint16).reshape(512, 512)
    pyramid = Pyramid(image, max_bytes=200_000)
    source, level = pyramid.plane(0, 1)
    assert level == 0
    assert source[0:1, 3:4] == 3
    _, level = pyramid.plane(0, 3)
    assert level == 3


def test_tiny_images_have_no_levels():
    assert Pyramid(np.zeros((1, 40), np.uint8)).plane(0, 3)[1] == 0
