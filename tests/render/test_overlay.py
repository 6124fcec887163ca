"""Items over the picture."""

from __future__ import annotations

import numpy as np
import pytest

from celltune_nb.errors import InputError
from celltune_nb.render import Camera, Pyramid, color_table, overlay, overlay_mask, polygons

TABLE = color_table(np.array([0, 1, 2]), ["#aaaaaa", "#ff0000", "#0000ff"])


@pytest.fixture
def labels():
    mask = np.zeros((20, 30), np.uint32)
    mask[4:14, 3:13] = 1
    mask[4:14, 13:23] = 2
    return mask


def grey(value, shape=(20, 30)):
    return np.full((*shape, 3), value, np.uint8)


def test_fill_mixes_colour_and_picture(labels):
    frame = overlay(grey(100), labels, TABLE, 0.4, "fill")
    assert frame[8, 8].tolist() == pytest.approx([162, 60, 60], abs=2)
    assert (frame[0, 0] == 100).all()


def test_border_lies_inside_and_is_one_pixel_wide(labels):
    frame = overlay(grey(0), labels, TABLE, 0.4, "border")
    changed = (frame != 0).any(axis=2)
    assert changed[8].nonzero()[0].tolist() == [3, 12, 13, 22]
    assert not changed[6:12, 5:11].any()


def test_border_is_as_wide_as_a_css_pixel(labels):
    frame = overlay(grey(0), labels, TABLE, 0.4, "border", dpr=2)
    assert (frame != 0).any(axis=2)[8].nonzero()[0].tolist() == [3, 4, 11, 12, 13, 14, 21, 22]


@pytest.mark.parametrize("background", [0, 60, 128, 200, 255])
@pytest.mark.parametrize("color", ["#000000", "#0000ff", "#ffff00", "#aaaaaa", "#ffffff", "#e6194b"])
def test_border_stands_out_on_any_background(labels, background, color):
    frame = overlay(grey(background), labels, color_table(np.array([0, 1, 1]), [None, color]), 0.4, "border")
    line, beside = frame[8, 3:5] @ [0.299, 0.587, 0.114]
    steps = np.abs([line - background, beside - background, line - beside])
    assert steps.max() >= 45


def test_border_keeps_its_colour_where_it_can(labels):
    frame = overlay(grey(150), labels, TABLE, 0.4, "border")
    assert frame[8, 3].tolist() == [255, 0, 0]


def test_both_draws_fill_and_border(labels):
    frame = overlay(grey(0), labels, TABLE, 0.5, "both")
    assert frame[8, 8, 0] == pytest.approx(127, abs=2)
    assert frame[8, 3, 0] == 255


def test_hidden_and_unknown_labels_are_not_drawn(labels):
    labels[0, 0] = 77
    frame = overlay(grey(9), labels, color_table(np.array([0, 0, 1]), [None, "#ffffff"]), 1.0, "both")
    assert (frame[labels == 1] == 9).all()
    assert (frame[0, 0] == 9).all()
    assert (frame[8, 18] == 255).all()


def painted_one_by_one(rgb, labels, table, opacity, fill, border):
    """The rules of an overlay, pixel by pixel."""
    height, width = labels.shape
    out = rgb.astype(int)

    def differs(i, j, reach):
        around = [(i - reach, j), (i + reach, j), (i, j - reach), (i, j + reach)]
        return any(0 <= y < height and 0 <= x < width and labels[y, x] != labels[i, j] for y, x in around)

    for i, j in np.ndindex(height, width):
        label = labels[i, j]
        code = int(table[label]) if 0 < label < len(table) else 0
        ink = np.array([code & 255, code >> 8 & 255, code >> 16 & 255])
        alpha = (code >> 24) + (code >> 31)
        weight = opacity * alpha >> 8 if fill else 0
        line, beside = (bool(border and differs(i, j, reach)) for reach in (border, 2 * border))
        if line or beside:
            grey = np.array([77, 150, 29])
            under, over = int(grey @ out[i, j]) >> 8, int(grey @ ink) >> 8
            least = max(80, under + 32)
            if under < 80 and over < least:
                if line:
                    ink = ink + ((255 - ink) * (256 * (least - over) // (255 - over)) >> 8)
                over = least
            if line:
                weight = alpha
            else:
                out[i, j] = out[i, j] * (256 - (max(0, 90 - abs(over - under)) * 154 // 90 * alpha >> 8)) >> 8
        out[i, j] = (out[i, j] * (256 - weight) + ink * weight) >> 8
    return out


@pytest.mark.parametrize(("style", "dpr"), [("fill", 1), ("border", 1), ("both", 1), ("both", 2)])
def test_every_pixel_follows_the_rules(style, dpr):
    rng = np.random.default_rng(0)
    for size in ((24, 37), (3, 2), (1, 40)):
        labels = np.kron(rng.integers(0, 9, (size[0] // 4 + 1, size[1] // 5 + 1)), np.ones((4, 5), int))
        labels = np.ascontiguousarray(labels[: size[0], : size[1]].astype(np.uint32))
        table = rng.integers(0, 2**32, 8).astype(np.uint32)  # label 8 lies beyond it
        table[2], table[3] = 0, 0xFF0000AA
        for most in (40, 256):
            rgb = rng.integers(0, most, (*size, 3)).astype(np.uint8)
            expected = painted_one_by_one(
                rgb, labels, table, 102, style != "border", 0 if style == "fill" else dpr
            )
            np.testing.assert_array_equal(overlay(rgb, labels, table, 0.4, style, dpr), expected)


def test_bytes_and_packed_tables_are_the_same(labels):
    as_bytes = np.array([[0, 0, 0, 0], [255, 0, 0, 255], [0, 0, 255, 255]], np.uint8)
    assert np.array_equal(overlay(grey(50), labels, as_bytes), overlay(grey(50), labels, TABLE))


def test_unknown_style_says_which_exist(labels):
    with pytest.raises(InputError, match="'fill', 'border' or 'both'"):
        overlay(grey(0), labels, TABLE, style="dots")


@pytest.mark.parametrize("kind", ["uint8", "uint16", "int32", "int64", "uint32"])
@pytest.mark.parametrize(
    "camera", [Camera(9.5, 14.5, 1, 20, 30), Camera(0, 0, 2, 40, 40), Camera(9, 9, 0.5, 30, 30)]
)
def test_masks_of_any_type_follow_the_camera(labels, kind, camera):
    mask = labels.astype(kind)
    frame = overlay_mask(
        grey(0, (camera.height, camera.width)), mask, camera, TABLE, 1.0, pyramid=Pyramid(mask, labels=True)
    )
    for y, x, color in ((9, 8, [255, 0, 0]), (9, 18, [0, 0, 255])):
        cy, cx = (int(v) for v in camera.image_to_canvas(y, x))
        if 0 <= cy < camera.height and 0 <= cx < camera.width:
            assert frame[cy, cx].tolist() == pytest.approx(color, abs=1)


def area(polygon):
    y, x = polygon.T
    return 0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)


def test_outline_of_a_rectangle(labels):
    (outline,) = polygons(labels, (4, 3, 14, 13), 1)
    assert outline.tolist() == [[3.5, 2.5], [3.5, 12.5], [13.5, 12.5], [13.5, 2.5]]


def test_outlines_enclose_exactly_the_pixels():
    rng = np.random.default_rng(3)
    for _ in range(50):
        mask = (rng.random((9, 11)) < 0.6).astype(np.int32) * 5
        outlines = polygons(mask, (0, 0, 9, 11), 5)
        assert sum(area(outline) for outline in outlines) == pytest.approx((mask == 5).sum())


def test_outline_of_a_missing_label_is_empty(labels):
    assert polygons(labels, (0, 0, 5, 5), 9) == []
