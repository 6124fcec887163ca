"""Images that do not fit in memory are measured a few rows at a time, with the same result."""

from __future__ import annotations

import numpy as np
import pytest

from celltune_nb.data.chunks import ChunkCache, Chunked
from celltune_nb.measure import compartments, measure_cells

from .masks import disks


@pytest.fixture
def small_slabs(monkeypatch):
    """Limits that a small image reaches."""
    monkeypatch.setattr(compartments, "_SLAB", 128 * 90)
    monkeypatch.setattr(compartments, "_ROWS", 64)


class Recorded:
    """An array that notes what is read of it."""

    def __init__(self, array, chunks=None):
        self._array, self.shape, self.dtype = array, array.shape, array.dtype
        if chunks is not None:
            self.chunks = chunks
        self.read = []

    def __getitem__(self, key):
        part = np.asarray(self._array[key])
        self.read.append(part.nbytes)
        return part.copy()


def example(channels=3):
    mask = disks((700, 90), 160)
    rng = np.random.default_rng(0)
    return rng.gamma(1.5, 300, (channels, *mask.shape)).astype(np.uint16), mask


@pytest.mark.parametrize("engine", ["numba", "numpy"])
def test_slabs_do_not_change_the_figures(small_slabs, monkeypatch, engine):
    image, mask = example()
    options = {"nucleus": mask % 3, "texture": True, "engine": engine}
    cut = measure_cells(image, mask, ["a", "b", "c"], **options)
    monkeypatch.undo()
    whole = measure_cells(image, mask, ["a", "b", "c"], **options)
    np.testing.assert_allclose(cut.matrix, whole.matrix, rtol=1e-6)
    np.testing.assert_array_equal(cut.labels, whole.labels)


@pytest.mark.parametrize("chunks", [None, (1, 32, 90), (3, 32, 32), (2, 100, 90)])
def test_no_read_is_longer_than_a_slab_with_its_rings(small_slabs, chunks):
    image, mask = example()
    stored = Recorded(image, chunks)
    got = measure_cells(stored, Recorded(mask), ["a", "b", "c"], pixel_size=1.0)
    np.testing.assert_array_equal(
        got.matrix, measure_cells(image, mask, ["a", "b", "c"], pixel_size=1.0).matrix
    )
    together = 1 if chunks is None else chunks[0]
    # a slab of 4 chunks or 128 rows, cells that reach beyond it by up to 24, and 20 µm around
    rows = 128 if chunks is None else max(128 // chunks[1], 4) * chunks[1]
    assert max(stored.read) <= (rows + 24 + 40) * 90 * 2 * together
    # what channels have in common is read once for all of them
    assert sum(stored.read) <= 2.2 * image.nbytes


def test_colours_and_stains_come_from_one_reading(small_slabs):
    mask = disks((700, 90), 160)
    rgb = np.random.default_rng(0).integers(0, 256, (*mask.shape, 3)).astype(np.uint8)
    stored = Recorded(rgb)
    got = measure_cells(stored, mask, pixel_size=1.0)
    np.testing.assert_allclose(got.matrix, measure_cells(rgb, mask, pixel_size=1.0).matrix, rtol=1e-6)
    assert sum(stored.read) <= 2 * rgb.nbytes


def test_files_read_chunk_by_chunk_are_measured_and_a_viewers_chunks_stay(tmp_path):
    import zarr

    image, mask = example()
    stored = zarr.create_array(tmp_path / "image.zarr", data=image, chunks=(1, 64, 64))
    cache = ChunkCache()
    kept = np.ones(4)
    cache.put("what a viewer looks at", kept)

    def load(index):
        return stored[tuple(slice(i * c, (i + 1) * c) for i, c in zip(index, (1, 64, 64), strict=True))]

    chunked = Chunked(image.shape, (1, 64, 64), image.dtype, load, cache)
    expected = measure_cells(image, mask, ["a", "b", "c"]).matrix
    np.testing.assert_array_equal(measure_cells(stored, mask, ["a", "b", "c"]).matrix, expected)
    np.testing.assert_array_equal(measure_cells(chunked, mask, ["a", "b", "c"]).matrix, expected)
    assert cache.nbytes == kept.nbytes
