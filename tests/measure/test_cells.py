"""Measured cells agree with scikit-image, whatever the mask and the image look like."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.measure import regionprops_table

from celltune_nb.errors import InputError
from celltune_nb.measure import cell_index, measure_cells, warm_up

from .masks import disks, odd

SHAPES = {
    "Area": "area",
    "Perimeter": "perimeter",
    "MajorAxis": "axis_major_length",
    "MinorAxis": "axis_minor_length",
    "Eccentricity": "eccentricity",
    "Solidity": "solidity",
}
INTENSITIES = {
    "Mean": "intensity_mean",
    "Min": "intensity_min",
    "Max": "intensity_max",
    "Std": "intensity_std",
}


def columns(measured, suffix="__Cell"):
    return {
        name.removesuffix(suffix): measured.matrix[:, i]
        for i, name in enumerate(measured.names)
        if name.endswith(suffix)
    }


def assert_like_skimage(image, mask, tolerance=2e-5):
    """Every measure that scikit-image has too agrees with it, and NumPy alone measures the same."""
    names = [f"c{i}" for i in range(len(image))]
    measured = measure_cells(image, mask, names, rings=False, engine="numba", n_jobs=1)
    plain = measure_cells(image, mask, names, rings=False, engine="numpy", n_jobs=1)
    assert plain.names == measured.names
    np.testing.assert_allclose(plain.matrix, measured.matrix, rtol=1e-6, atol=1e-6)
    got = columns(measured)
    theirs = regionprops_table(
        np.asarray(mask).astype(np.int64),
        np.moveaxis(np.asarray(image, dtype=np.float64), 0, -1),
        properties=["label", "centroid", "bbox", "orientation", *SHAPES.values(), *INTENSITIES.values()],
    )
    np.testing.assert_array_equal(measured.labels, theirs["label"])
    np.testing.assert_allclose(measured.y, theirs["centroid-0"], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(measured.x, theirs["centroid-1"], rtol=1e-9, atol=1e-9)
    for i in range(4):
        np.testing.assert_array_equal(measured.bbox[:, i], theirs[f"bbox-{i}"])
    for ours, skimage in SHAPES.items():
        # an eigenvalue that is 0 comes out of scikit-image as 1e-16, its root as 1e-8
        np.testing.assert_allclose(got[ours], theirs[skimage], rtol=tolerance, atol=1e-5, err_msg=ours)
    for ours, skimage in INTENSITIES.items():
        for c in range(len(image)):
            key = f"{skimage}-{c}" if len(image) > 1 else skimage
            key = key if key in theirs else f"{skimage}-{c}"
            scale = np.abs(
                theirs[f"intensity_max-{c}" if f"intensity_max-{c}" in theirs else "intensity_max"]
            ).max()
            np.testing.assert_allclose(
                got[f"c{c}__{ours}"],
                theirs[key],
                rtol=tolerance,
                atol=1e-6 * max(scale, 1),
                err_msg=f"{ours} {c}",
            )
    # the direction of something round is noise
    long = theirs["eccentricity"] > 0.1
    turn = np.abs(got["Orientation"] - theirs["orientation"])[long]
    assert np.all(np.minimum(turn, np.pi - turn) < 1e-4)
    return measured


def image_like(mask, channels=2, dtype=np.uint16, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.gamma(1.5, 300, (channels, *mask.shape))
    if np.dtype(dtype).kind == "b":
        return values > 400
    if np.dtype(dtype).kind in "ui":
        return np.minimum(values, np.iinfo(dtype).max).astype(dtype)
    return values.astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", ">u2", "int32", "float32", ">f4", "float64", "bool"])
def test_every_image_type_agrees_with_scikit_image(dtype):
    mask = disks()
    assert_like_skimage(image_like(mask, dtype=dtype), mask)


@pytest.mark.parametrize("dtype", ["uint8", "int16", ">u2", "uint32", "int64", "uint64"])
def test_every_mask_type_agrees_with_scikit_image(dtype):
    mask = odd().astype(dtype)
    assert_like_skimage(image_like(mask), mask)


def test_huge_and_scattered_labels_are_kept():
    mask = disks().astype(np.uint32)
    dense = measure_cells(image_like(mask), mask, ["a", "b"])
    mask[mask > 0] = mask[mask > 0] * np.uint32(150_000_000) + np.uint32(7)
    measured = measure_cells(image_like(mask), mask, ["a", "b"])
    assert measured.labels.max() > 2**31
    np.testing.assert_array_equal(measured.labels, np.unique(mask)[1:])
    np.testing.assert_array_equal(measured.matrix, dense.matrix)


def test_one_cell_may_fill_the_image():
    mask = np.ones((300, 20), np.uint8)
    assert_like_skimage(image_like(mask), mask)


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    mask=hnp.arrays(np.int32, st.tuples(st.integers(1, 14), st.integers(1, 14)), elements=st.integers(0, 3)),
    seed=st.integers(0, 99),
)
def test_random_masks_agree_with_scikit_image(mask, seed):
    mask[0, 0] = 1
    assert_like_skimage(image_like(mask, seed=seed), mask)


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(
    values=hnp.arrays(
        np.float32,
        st.tuples(st.just(1), st.integers(1, 30), st.integers(1, 40)),
        elements=st.one_of(st.floats(-1e4, 1e4, width=32), st.integers(0, 3).map(float)),
    ),
    percents=st.lists(st.integers(0, 100), max_size=5, unique=True),
)
def test_percentiles_are_those_of_numpy(values, percents):
    mask = np.ones(values.shape[1:], np.uint8)
    mask[:, ::3] = 2
    measured = measure_cells(values, mask, ["c"], percentiles=percents, rings=False, engine="numba", n_jobs=1)
    plain = measure_cells(values, mask, ["c"], percentiles=percents, rings=False, engine="numpy", n_jobs=1)
    np.testing.assert_array_equal(plain.matrix, measured.matrix)
    got = columns(measured)
    for label in np.unique(mask):
        inside = values[0][mask == label]
        for percent in [50, *percents]:
            name = "c__Median" if percent == 50 else f"c__P{percent}"
            expected = np.percentile(inside.astype(np.float64), percent)
            row = list(np.unique(mask)).index(label)
            assert got[name][row] == pytest.approx(
                expected, rel=1e-5, abs=1e-5 * (1 + float(np.abs(inside).max()))
            )


@pytest.mark.parametrize("engine", ["numba", "numpy"])
@pytest.mark.parametrize("kind", ["counts", "uint16", "heavy tail", "negative", "constant", "two values"])
def test_percentiles_of_large_cells_are_exact(kind, engine):
    rng = np.random.default_rng(1)
    shape = (1, 120, 130)
    values = {
        "counts": rng.poisson(0.2, shape),
        "uint16": rng.integers(0, 65535, shape),
        "heavy tail": np.exp(rng.normal(0, 6, shape)),
        "negative": rng.normal(-3, 1, shape),
        "constant": np.full(shape, 7.25),
        "two values": rng.choice([1.0, 1.0000001192], shape),
    }[kind].astype(np.float32)
    mask = np.ones(shape[1:], np.uint8)
    options = {"percentiles": (0, 1, 33.3, 99.9, 100), "rings": False, "engine": engine}
    got = columns(measure_cells(values, mask, ["c"], **options))
    for name, percent in [
        ("P0", 0),
        ("P1", 1),
        ("P33.3", 33.3),
        ("Median", 50),
        ("P99.9", 99.9),
        ("P100", 100),
    ]:
        assert got[f"c__{name}"][0] == np.float32(np.percentile(values[0].astype(np.float64), percent))
    if kind == "constant":
        assert got["c__Std"][0] == 0
        assert got["c__Var"][0] == 0


@pytest.mark.parametrize("engine", ["numba", "numpy"])
def test_pixels_that_are_not_numbers_are_left_out(engine):
    mask = np.zeros((12, 30), np.uint8)
    mask[1:10, 1:10], mask[1:10, 11:20], mask[1:10, 21:29] = 1, 2, 3
    image = image_like(mask, 1, np.float32)
    whole = columns(measure_cells(image, mask, ["c"], engine=engine))
    image[0, 4, 3:6] = np.nan
    image[0, 1, 11] = np.inf  # the first pixel of a cell
    image[0, 1:10, 21:29] = np.nan
    got = columns(measure_cells(image, mask, ["c"], engine=engine))
    for row, label in enumerate([1, 2]):
        inside = image[0][(mask == label) & np.isfinite(image[0])].astype(np.float64)
        assert got["c__Mean"][row] == pytest.approx(inside.mean(), rel=1e-6)
        assert got["c__Std"][row] == pytest.approx(inside.std(), rel=1e-5)
        assert got["c__Max"][row] == np.float32(inside.max())
        assert got["c__Median"][row] == pytest.approx(np.median(inside), rel=1e-6)
        assert got["c__Sum"][row] == pytest.approx(inside.sum(), rel=1e-6)
    assert np.isnan(got["c__Mean"][2]), "a cell without one finite pixel was not measured"
    assert got["Area"][2] == whole["Area"][2]


def test_small_differences_on_a_large_offset_survive():
    rng = np.random.default_rng(0)
    mask = disks()
    image = (60_000 + rng.integers(0, 4, (1, *mask.shape))).astype(np.uint16)
    assert_like_skimage(image, mask)


def test_inputs_are_not_changed_and_may_be_read_only():
    mask, image = disks(), image_like(disks())
    before = mask.copy(), image.copy()
    mask.flags.writeable = image.flags.writeable = False
    measure_cells(image, mask, ["a", "b"], nucleus=mask)
    np.testing.assert_array_equal(mask, before[0])
    np.testing.assert_array_equal(image, before[1])


def test_memory_maps_views_and_arrays_with_slicing_only_are_the_same(tmp_path):
    mask, image = disks(), image_like(disks())
    plain = measure_cells(image, mask, ["a", "b"])

    np.save(tmp_path / "image.npy", image)
    np.save(tmp_path / "mask.npy", mask)
    mapped = measure_cells(
        np.load(tmp_path / "image.npy", mmap_mode="r"),
        np.load(tmp_path / "mask.npy", mmap_mode="r"),
        ["a", "b"],
    )

    class OnDisk:
        """What a zarr array promises: shape, dtype and slicing, and nothing else."""

        def __init__(self, array):
            self._array, self.shape, self.dtype = array, array.shape, array.dtype

        def __getitem__(self, key):
            return self._array[key].copy()

    sliced = measure_cells(OnDisk(image), OnDisk(mask), ["a", "b"], nucleus=OnDisk(mask % 3))
    strided = measure_cells(
        np.moveaxis(np.moveaxis(image, 0, -1).copy(), -1, 0), np.asfortranarray(mask), ["a", "b"]
    )
    np.testing.assert_array_equal(plain.matrix, mapped.matrix)
    np.testing.assert_array_equal(plain.matrix, strided.matrix)
    np.testing.assert_array_equal(columns(plain)["a__Mean"], columns(sliced)["a__Mean"])


@pytest.mark.parametrize("engine", ["numba", "numpy"])
def test_threads_do_not_change_the_figures(engine):
    mask, image = disks((700, 200), 250), image_like(disks((700, 200), 250))
    one = measure_cells(image, mask, ["a", "b"], texture="a", engine=engine, n_jobs=1)
    two = measure_cells(image, mask, ["a", "b"], texture="a", engine=engine, n_jobs=2)
    np.testing.assert_array_equal(one.matrix, two.matrix)


def test_a_plane_and_a_stack_of_one_are_the_same():
    mask = disks()
    image = image_like(mask, 1)
    np.testing.assert_array_equal(
        measure_cells(image[0], mask, ["c"]).matrix, measure_cells(image, mask, ["c"]).matrix
    )


def test_one_channel_may_be_named_by_a_word():
    mask = disks()
    assert "DAPI__Mean__Cell" in measure_cells(image_like(mask, 1), mask, "DAPI").names


def test_names_units_and_groups_describe_the_matrix():
    mask = disks()
    measured = measure_cells(image_like(mask), mask, ["CD3", "CD8"], nucleus=mask, pixel_size=0.5)
    assert measured.matrix.shape == (len(measured.labels), len(measured.names))
    assert measured.matrix.dtype == np.float32
    assert np.isfinite(measured.matrix).all()
    assert len(measured.units) == len(measured.names) == len(set(measured.names))
    for name in (
        "CD8__Mean__Cell",
        "CD8__Median__Cell",
        "CD8__P5__Cell",
        "CD8__Var__Nucleus",
        "CD8__Mean__Environment",
        "CD8__NeighbourMax__Cell",
        "Area__Cell",
        "Solidity__Nucleus",
        "NeighbourCount",
    ):
        assert name in measured.names
    assert set(measured.groups["Default"]) < set(measured.names)
    rest = [name for group, names in measured.groups.items() if group != "Default" for name in names]
    assert sorted(rest) == sorted(measured.names), "every feature is in one group beside Default"
    assert measured.notes == ()
    assert "0.5 µm" in measure_cells(image_like(mask), mask, ["CD3", "CD8"]).notes[0]


def test_parts_can_be_left_out():
    mask = disks()
    measured = measure_cells(
        image_like(mask), mask, ["a", "b"], rings=False, morphology=False, neighbours=False, percentiles=()
    )
    assert measured.names == [
        f"{c}__{s}__Cell" for c in "ab" for s in ("Mean", "Median", "Max", "Min", "Sum", "Std", "Var")
    ]


def test_the_nucleus_is_what_lies_under_any_nucleus_label():
    mask = np.zeros((20, 40), np.uint16)
    mask[2:18, 2:18], mask[2:18, 20:36] = 5, 9
    nuclei = np.zeros((20, 40), np.uint8)
    nuclei[6:12, 6:12] = 200
    image = image_like(mask, 1)
    got = columns(measure_cells(image, mask, ["c"], nucleus=nuclei), "__Nucleus")
    whole = columns(measure_cells(image, mask, ["c"]))
    assert got["c__Mean"][0] == pytest.approx(image[0, 6:12, 6:12].mean(), rel=1e-6)
    assert got["c__Median"][0] == np.median(image[0, 6:12, 6:12])
    assert list(got["Area"]) == [36, 0]
    assert got["AreaFraction"][0] == pytest.approx(36 / 256)
    assert got["Solidity"][0] == 1
    assert got["Perimeter"][0] == pytest.approx(20)
    assert got["c__Mean"][1] == whole["c__Mean"][1], "without a nucleus, the value of the cell"
    assert got["Perimeter"][1] == got["MajorAxis"][1] == 0


def test_brightfield_is_measured_in_colours_and_stains():
    from skimage.color import rgb2hed

    mask = disks()
    rgb = np.random.default_rng(0).integers(0, 256, (*mask.shape, 3)).astype(np.uint8)
    measured = measure_cells(rgb, mask)
    got = columns(measured)
    hed = np.moveaxis(rgb2hed(rgb), -1, 0)
    for i, (label, stain) in enumerate([(n, s) for n in measured.labels[:3] for s in range(3)]):
        row = i // 3
        assert got[f"{['Red', 'Green', 'Blue'][stain]}__Mean"][row] == pytest.approx(
            rgb[mask == label][:, stain].mean(), rel=1e-6
        )
        name = ["Hematoxylin", "Eosin", "DAB"][stain]
        assert got[f"{name}__Mean"][row] == pytest.approx(hed[stain][mask == label].mean(), rel=1e-4)
        assert got[f"{name}__P75"][row] == pytest.approx(
            np.percentile(hed[stain][mask == label], 75), rel=1e-4
        )
    assert dict(zip(measured.names, measured.units, strict=True))["DAB__Mean__Cell"] == "stain"
    deep = measure_cells(rgb.astype(np.uint16) * 257, mask)
    np.testing.assert_allclose(columns(deep)["DAB__Mean"], got["DAB__Mean"], rtol=1e-4)
    assert "DAB__Mean__Cell" not in measure_cells(rgb, mask, ["R", "G", "B"], stains=False).names


def test_cell_index_says_where_cells_are():
    mask = odd()
    index = cell_index(mask)
    theirs = regionprops_table(mask, properties=["label", "centroid", "bbox"])
    np.testing.assert_array_equal(index.labels, theirs["label"])
    np.testing.assert_allclose(index.y, theirs["centroid-0"])
    np.testing.assert_allclose(index.x, theirs["centroid-1"])
    np.testing.assert_array_equal(index.bbox, np.stack([theirs[f"bbox-{i}"] for i in range(4)], 1))
    assert index.border_distance[0] == 0
    assert index.border_distance[index.labels == 3][0] == 5
    assert index.bbox.dtype == np.int32
    assert index.border_distance.dtype == np.float32


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.zeros((8, 8), int), ("no cell", "Check")),
        (np.zeros((8, 8)), ("float64", "astype")),
        (np.zeros((8, 8), bool), ("bool", "skimage.measure.label")),
        (np.full((8, 8), -3), ("-3", "unsigned")),
        (np.ones((2, 8, 8), int), ("(2, 8, 8)", "mask[0]")),
        (np.zeros((0, 8), int), ("(0, 8)", "Check")),
        (np.full((8, 8), 2**64 - 1, np.uint64), ("64-bit", "relabel")),
        ([[1, 2]], ("list", "NumPy")),
    ],
)
def test_a_mask_that_cannot_be_used_is_explained(mask, words):
    with pytest.raises(InputError) as caught:
        cell_index(mask)
    with pytest.raises(InputError):
        measure_cells(np.zeros((1, 8, 8)), mask, ["c"])
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(
    ("image", "options", "words"),
    [
        (np.zeros((2, 9, 8)), {}, ("(2, 9, 8)", "(8, 8)")),
        (np.zeros((9, 8, 3), np.uint8), {}, ("(9, 8, 3)", "(8, 8)")),
        (np.zeros((3, 8, 8)), {}, ("3 channels", "2 channel names")),
        (np.zeros((2, 8, 8), complex), {}, ("complex128", "astype")),
        (np.zeros((1, 2, 8, 8)), {}, ("(1, 2, 8, 8)", "image[0]")),
        (np.zeros((2, 8, 8)), {"channels": ["a", "a"]}, ("'a'", "twice")),
        (np.zeros((2, 8, 8)), {"channels": ["a", " "]}, ("empty name",)),
        (np.zeros((2, 8, 8)), {"percentiles": (5, 101)}, ("101", "between 0 and 100")),
        (np.zeros((2, 8, 8)), {"pixel_size": 0}, ("pixel size is 0", "µm")),
        (np.zeros((2, 8, 8)), {"pixel_size": float("nan")}, ("nan", "µm")),
        (np.zeros((2, 8, 8)), {"n_jobs": 0}, ("n_jobs", "Pass")),
        (np.zeros((2, 8, 8)), {"engine": "gpu"}, ("'gpu'", "numba or numpy")),
        (np.zeros((2, 8, 8)), {"texture": ("a", "DAPI")}, ("'DAPI'", "a, b")),
        (np.zeros((2, 8, 8)), {"nucleus": np.zeros((8, 9), int)}, ("(8, 9)", "(8, 8)")),
        ("image.tif", {}, ("str", "NumPy")),
    ],
)
def test_an_image_or_option_that_cannot_be_used_is_explained(image, options, words):
    with pytest.raises(InputError) as caught:
        measure_cells(image, np.ones((8, 8), int), **{"channels": ["a", "b"], **options})
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_progress_is_told_for_every_channel_and_can_stop():
    mask, heard = disks(), []
    measure_cells(image_like(mask, 3), mask, ["a", "b", "c"], progress=lambda f, s: heard.append((f, s)))
    fractions = [fraction for fraction, _ in heard]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert fractions[-1] == 1
    assert all(any(f"Measuring {c} ({i} of 3)" in s for _, s in heard) for i, c in enumerate("abc", 1))

    class StopError(Exception):
        pass

    def stop(fraction, sentence):
        if "Measuring b" in sentence:
            raise StopError

    with pytest.raises(StopError):
        measure_cells(image_like(mask, 3), mask, ["a", "b", "c"], progress=stop)


def test_warming_up_prepares_every_kernel_once():
    heard = []
    warm_up()
    warm_up(lambda _, sentence: heard.append(sentence))
    assert not any("Preparing" in sentence for sentence in heard)


def test_real_cells_are_measured(shared_data):
    from skimage.io import imread

    folder = shared_data / "nuclei_with_masks"
    found = sorted(
        path for path in folder.rglob("*.tif*") if "mask" in path.name.lower() or "label" in path.name.lower()
    )
    if not found:
        pytest.skip("no label image in nuclei_with_masks")
    mask = imread(found[0])
    if mask.ndim != 2 or mask.dtype.kind not in "iu":
        pytest.skip("the label image is of another kind")
    assert_like_skimage(image_like(mask, 1), mask)
