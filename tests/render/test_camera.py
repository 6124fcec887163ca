"""The camera's coordinates and the window of source pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from celltune_nb.render import Camera, Window

position = st.floats(-1e5, 1e5)
size = st.integers(1, 4000)
cameras = st.builds(Camera, position, position, st.floats(1 / 512, 64), size, size)


@given(cameras, st.floats(-5000, 5000), st.floats(-5000, 5000))
def test_canvas_to_image_and_back(camera, cy, cx):
    assert camera.image_to_canvas(*camera.canvas_to_image(cy, cx)) == pytest.approx((cy, cx), abs=1e-4)


@given(cameras, st.floats(0, 4000), st.floats(0, 4000), st.floats(0.1, 10))
def test_zoom_keeps_the_point_under_the_cursor(camera, cy, cx, factor):
    before = camera.canvas_to_image(cy, cx)
    assert camera.zoom_at(cy, cx, factor).canvas_to_image(cy, cx) == pytest.approx(before, rel=1e-6, abs=1e-4)


@given(cameras, st.floats(-500, 500), st.floats(-500, 500))
def test_pan_moves_the_picture_with_the_hand(camera, dy, dx):
    y, x = camera.canvas_to_image(10, 20)
    moved = camera.pan(dy, dx).image_to_canvas(y, x)
    assert moved == pytest.approx((10 + dy, 20 + dx), abs=1e-3)


def test_fit_shows_the_whole_image_from_edge_to_edge():
    camera = Camera.fit((100, 50), 400, 800)
    assert camera.zoom == 4
    y0, _, y1, _ = camera.visible()
    assert (y0, y1) == pytest.approx((-0.5, 99.5))
    assert camera.x == 24.5


def test_the_centre_of_pixel_zero_is_the_origin():
    camera = Camera.fit((10, 10), 100, 100)
    assert camera.canvas_to_image(5, 5) == pytest.approx((0, 0))


@pytest.mark.parametrize("dpr", [1.0, 1.25, 1.5, 2.0])
def test_window_agrees_with_the_camera(dpr):
    camera = Camera(31.2, 17.7, 3.3, 90, 121)
    window = Window.of(camera, (64, 48), dpr)
    assert window.shape == (round(90 * dpr), round(121 * dpr))
    i, j = 40, 33
    y, x = camera.canvas_to_image((i + 0.5) * 90 / window.shape[0], (j + 0.5) * 121 / window.shape[1])
    assert window.rows[i - window.top] == round(y)
    assert window.columns[j - window.left] == round(x)


def test_window_of_an_image_out_of_sight_is_empty():
    window = Window.of(Camera(5000, 10, 1, 100, 100), (64, 64))
    assert len(window.rows) == 0


def test_level_follows_the_zoom():
    levels = [Window.of(Camera(0, 0, zoom, 10, 10), (9, 9)).level for zoom in (4, 1, 0.51, 0.5, 0.25, 0.2)]
    assert levels == [0, 0, 0, 1, 2, 2]
    assert np.isclose(Window.of(Camera(0, 0, 0.5, 10, 10), (9, 9), dpr=2).step, 1)
