"""Histograms, contrast limits and encoding."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from celltune_nb.render import auto_contrast, histogram, jpeg, warm_up


def test_auto_contrast_ignores_hot_pixels():
    plane = np.random.default_rng(0).normal(1000, 50, (500, 500)).astype(np.float32)
    plane[3, 4] = 65000
    low, high = auto_contrast(plane)
    assert 850 < low < 950
    assert 1100 < high < 1300


def test_a_sparse_marker_still_shows():
    plane = np.zeros((400, 400), np.uint16)
    plane[10:12, 10:12] = 900
    assert auto_contrast(plane) == (0, 900)


def test_flat_empty_and_missing_values_give_usable_limits():
    assert auto_contrast(np.full((5, 5), 7)) == (7, 8)
    assert auto_contrast(np.full((5, 5), np.nan)) == (0, 1)
    low, high = auto_contrast(np.zeros((0, 4)))
    assert low < high


def test_histogram_counts_every_pixel_of_a_small_image():
    counts, edges = histogram(np.arange(100).reshape(10, 10), bins=10)
    assert counts.tolist() == [10] * 10
    assert (edges[0], edges[-1]) == (0, 99)
    assert histogram(np.zeros((5, 5)))[0].sum() == 25


def test_jpeg_keeps_the_colour_of_thin_lines():
    frame = np.zeros((64, 64, 3), np.uint8)
    frame[:, 20] = (255, 0, 0)
    data = jpeg(frame)
    assert data[:2] == b"\xff\xd8"
    back = np.asarray(Image.open(io.BytesIO(data)))
    assert back[30, 20, 0] > 200
    assert back[30, 20, 1] < 60
    assert back[30, 22].max() < 40


def test_warm_up_runs():
    warm_up()


def test_auto_contrast_does_not_make_noise_shine():
    plane = np.random.default_rng(0).poisson(0.3, (300, 300)).astype(np.uint8)
    plane[100:102, 100:130] = 120  # a few cells of a rare type
    assert auto_contrast(plane)[1] > 60
    assert (
        auto_contrast(plane.astype(np.float32) / 255)[1] < 0.1
    )  # what a step is cannot be told of fractions
