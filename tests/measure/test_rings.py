"""Rings and neighbours are what their names say, pixel for pixel."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.ndimage import distance_transform_edt
from skimage.segmentation import expand_labels

from celltune_nb.measure import measure_cells
from celltune_nb.measure.engines import choice_of
from celltune_nb.measure.neighbours import neighbour_lists
from celltune_nb.measure.rings import dilated, environment, eroded
from celltune_nb.measure.runs import mask_runs, painted

from .masks import disks, odd

ENGINES = ("numba", "numpy")
RADII = (0.4, 1.0, 1.5, 3.0, 4.0, 6.15)


@pytest.fixture(scope="module")
def executor():
    with ThreadPoolExecutor(2) as pool:
        yield pool


def pixels(runs, i, shape):
    """The pixels of one cell as a mask; a pixel named twice fails."""
    drawn = np.zeros(shape, int)
    for k in range(runs.ptr[i], runs.ptr[i + 1]):
        assert 0 <= runs.start[k] < runs.stop[k] <= shape[1]
        drawn[runs.row[k], runs.start[k] : runs.stop[k]] += 1
    assert drawn.max(initial=0) <= 1
    return drawn.astype(bool)


def assert_rings(mask, radius, executor, engine="numba"):
    choose = choice_of(engine)
    found = mask_runs(mask)
    everyone = np.arange(found.labels.size)
    inner = eroded(choose(), found.runs, radius, found.shape)
    ring = dilated(choose(), found, everyone, found.runs, radius)
    around = environment(choose(), found.runs, radius, found.shape)
    pointers, others = neighbour_lists(choose, found, radius, executor)
    to_cell = [distance_transform_edt(mask != label) for label in found.labels]
    nearest = np.min(to_cell, axis=0)
    assert sum(np.sum(pixels(ring, i, mask.shape)) for i in range(len(to_cell))) == np.sum(
        (mask == 0) & (nearest <= radius + 1e-6)
    )
    for i, label in enumerate(found.labels):
        cell = mask == label
        within = to_cell[i] <= radius + 1e-6
        # scipy measures to a pixel outside; where there is none, everything is inside
        inside = distance_transform_edt(cell) > radius + 1e-6 if not cell.all() else cell
        np.testing.assert_array_equal(pixels(inner, i, mask.shape), inside)
        np.testing.assert_array_equal(pixels(around, i, mask.shape), within & ~cell)
        mine = pixels(ring, i, mask.shape)
        assert not np.any(mine & (mask != 0))
        np.testing.assert_allclose(to_cell[i][mine], nearest[mine])
        np.testing.assert_array_equal(mine, expected_ring(i, to_cell, mask, radius))
        reach = to_cell[i] <= max(radius, 1.5) + 1e-6
        expected = np.setdiff1d(mask[reach], [0, label])
        np.testing.assert_array_equal(found.labels[others[pointers[i] : pointers[i + 1]]], expected)


def expected_ring(i, to_cell, mask, radius):
    """Nearest is this cell, and none with a smaller label is as near."""
    ours = (mask == 0) & (to_cell[i] <= radius + 1e-6)
    for j, other in enumerate(to_cell):
        if j != i:
            ours &= (other > to_cell[i] - 1e-9) if j > i else (other > to_cell[i] + 1e-9)
    return ours


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("radius", RADII)
def test_odd_cells(radius, executor, engine):
    assert_rings(odd(), radius, executor, engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("radius", [2.0, 8.0])
def test_touching_cells(radius, executor, engine):
    assert_rings(disks((60, 70), 14), radius, executor, engine)


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    mask=hnp.arrays(
        np.int32, st.tuples(st.integers(1, 16), st.integers(1, 16)), elements=st.sampled_from([0, 0, 1, 2, 3])
    ),
    radius=st.sampled_from(RADII),
)
def test_random_masks(mask, radius, executor):
    mask[0, 0] = 1
    for engine in ENGINES:
        assert_rings(mask, radius, executor, engine)


def test_solid_random_cells(executor):
    rng = np.random.default_rng(3)
    for _ in range(5):
        mask = np.kron(rng.integers(0, 4, (7, 8)), np.ones((5, 6), int))
        mask[0, 0] = 1
        for engine in ENGINES:
            assert_rings(mask, 2.0, executor, engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_rings_longer_than_a_strip_of_rows_are_whole(executor, engine):
    mask = np.zeros((600, 30), np.uint8)
    mask[250:262, 8:14] = 3
    mask[500:510, 2:9] = 4
    assert_rings(mask, 8.0, executor, engine)


def test_a_ring_of_some_cells_is_the_same_as_among_all():
    mask = disks()
    found = mask_runs(mask)
    some = np.array([7, 2, 11])
    for engine in ENGINES:
        everyone = dilated(choice_of(engine)(), found, np.arange(found.labels.size), found.runs, 8.0)
        ring = dilated(choice_of(engine)(), found, some, found.runs.take(some), 8.0)
        for i, cell in enumerate(some):
            np.testing.assert_array_equal(pixels(ring, i, mask.shape), pixels(everyone, cell, mask.shape))


def test_distances_that_do_not_fit_in_32_bits_with_the_cells_are_the_same():
    from celltune_nb.measure.compiled import nearest

    found = mask_runs(odd())
    expected = nearest.nearest(found, 3, 37, 8, 64)

    # as in an image of ten million cells
    class Many(np.ndarray):
        size = 10_000_000

    many = dataclasses.replace(found, labels=found.labels.view(Many))
    np.testing.assert_array_equal(nearest.nearest(many, 3, 37, 8, 64), expected)


def test_a_ring_has_the_pixels_that_expanding_labels_adds():
    mask = disks()
    found = mask_runs(mask)
    grown = expand_labels(mask, 8)
    ring = dilated(choice_of("numba")(), found, np.arange(found.labels.size), found.runs, 8.0)
    for i, label in enumerate(found.labels):
        mine = pixels(ring, i, mask.shape)
        # scikit-image breaks ties between two cells in no stated order
        assert np.sum(grown[mine] != label) <= 0.15 * max(mine.sum(), 8)


def test_widths_follow_the_pixel_size():
    mask = np.zeros((80, 80), np.uint8)
    mask[30:50, 30:50] = 1
    image = np.random.default_rng(0).random((1, 80, 80)).astype(np.float32)
    fine = measure_cells(image, mask, ["c"], pixel_size=1.0)
    features = dict(zip(fine.names, fine.matrix[0], strict=True))
    outside = distance_transform_edt(mask == 0)
    inside = distance_transform_edt(mask)
    assert features["Area__Eroded"] == np.sum(inside > 2)
    assert features["Area__Dilated"] == np.sum((outside > 0) & (outside <= 4))
    assert features["c__Mean__Eroded"] == pytest.approx(image[0][inside > 2].mean(), rel=1e-5)
    assert features["c__Std__Dilated"] == pytest.approx(
        image[0][(outside > 0) & (outside <= 4)].std(), rel=1e-5
    )
    assert features["c__Max__Dilated"] == image[0][(outside > 0) & (outside <= 4)].max()
    assert features["c__Mean__Environment"] == pytest.approx(
        image[0][(outside > 0) & (outside <= 20)].mean(), rel=1e-5
    )
    assumed = measure_cells(image, mask, ["c"])
    assert assumed.pixel_size == 0.5
    assert assumed.matrix[0, assumed.names.index("Area__Dilated")] == np.sum((outside > 0) & (outside <= 8))


def test_surroundings_leave_out_pixels_that_are_not_numbers():
    mask = np.zeros((60, 60), np.uint8)
    mask[20:30, 20:30], mask[32:40, 20:30] = 1, 2
    image = np.random.default_rng(0).random((1, 60, 60)).astype(np.float32)
    image[0, 25, 3:18] = np.nan
    image[0, 10, 40] = np.inf
    got = measure_cells(image, mask, ["c"], pixel_size=1.0)
    for i, label in enumerate(got.labels):
        around = (distance_transform_edt(mask != label) <= 20) & (mask != label) & np.isfinite(image[0])
        assert got.matrix[i, got.names.index("c__Mean__Environment")] == pytest.approx(
            image[0][around].mean(), rel=1e-5
        )


def test_a_part_without_a_pixel_takes_the_value_of_the_cell():
    mask = np.zeros((30, 30), np.uint8)
    mask[:, :15], mask[:, 15:] = 1, 2
    mask[4, 4] = 3
    image = np.random.default_rng(0).random((1, 30, 30)).astype(np.float32)
    got = measure_cells(image, mask, ["c"])
    by_name = {name: got.matrix[:, i] for i, name in enumerate(got.names)}
    assert by_name["Area__Eroded"][2] == 0
    assert by_name["c__Mean__Eroded"][2] == by_name["c__Mean__Cell"][2] == image[0, 4, 4]
    assert not by_name["Area__Dilated"].any(), "no background to draw a ring in"
    np.testing.assert_array_equal(by_name["c__Max__Dilated"], by_name["c__Max__Cell"])


def test_neighbours_are_counted_and_averaged():
    mask = np.zeros((40, 60), np.uint8)
    mask[5:15, 5:15], mask[5:15, 15:25], mask[5:15, 28:38], mask[5:15, 55:60] = 2, 4, 6, 8
    image = mask[None].astype(np.float32) * 10
    got = measure_cells(image, mask, ["c"], pixel_size=1.0)
    by_name = {name: list(got.matrix[:, i]) for i, name in enumerate(got.names)}
    # 4 µm from centre to centre of the nearest pixels: a gap of three pixels
    assert by_name["NeighbourCount"] == [1, 2, 1, 0]
    assert by_name["c__NeighbourMean__Cell"] == [40, 40, 40, 0]
    assert by_name["c__NeighbourMax__Cell"] == [40, 60, 40, 0]
    image[0, mask == 4] = np.nan
    unknown = measure_cells(image, mask, ["c"], pixel_size=1.0)
    assert unknown.matrix[0, unknown.names.index("c__NeighbourMean__Cell")] == 0


def test_a_mask_painted_from_its_runs_is_the_mask():
    mask = odd()
    found = mask_runs(mask)
    drawn = painted(found, 3, 39)
    np.testing.assert_array_equal(np.append(0, found.labels)[drawn], mask[3:39])
