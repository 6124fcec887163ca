"""Arrays read chunk by chunk, and the memory of the chunks read last."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celltune_nb.data.chunks import ChunkCache, Chunked, Deferred, Patience, read_part
from celltune_nb.errors import FormatError

ARRAY = np.arange(3 * 37 * 53, dtype=np.uint16).reshape(3, 37, 53)


def of(array, chunks, cache=None, read=None):
    def load(index):
        if read is not None:
            read.append(index)
        part = array[tuple(slice(i * c, (i + 1) * c) for i, c in zip(index, chunks, strict=True))]
        # As a file has it: whole chunks, also at the edge.
        return np.pad(part, [(0, c - n) for c, n in zip(chunks, part.shape, strict=True)])

    return Chunked(array.shape, chunks, array.dtype, load, cache)


index = st.one_of(
    st.integers(-3, 2),
    st.builds(
        slice, *(st.one_of(st.none(), st.integers(-60, 60)),) * 2, st.one_of(st.none(), st.integers(1, 9))
    ),
)


@settings(max_examples=60)
@given(st.lists(index, min_size=1, max_size=3), st.sampled_from([(1, 16, 16), (2, 7, 53), (3, 37, 5)]))
def test_slices_are_those_of_numpy(key, chunks):
    np.testing.assert_array_equal(of(ARRAY, chunks)[tuple(key)], ARRAY[tuple(key)])


def test_dots_and_whole_arrays():
    array = of(ARRAY, (1, 16, 16))
    np.testing.assert_array_equal(array[..., 3], ARRAY[..., 3])
    np.testing.assert_array_equal(np.asarray(array), ARRAY)
    assert array.shape == ARRAY.shape
    with pytest.raises(IndexError):
        array[7]
    with pytest.raises(IndexError):
        array[0, 0, 0, 0]


def test_a_chunk_is_decoded_once_while_there_is_room():
    read = []
    array = of(ARRAY, (1, 16, 16), ChunkCache(1 << 20), read)
    for _ in range(3):
        array[0, :20, :20]
    assert sorted(read) == [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1)]


def test_the_cache_stays_within_its_bytes_and_forgets_the_oldest():
    cache = ChunkCache(5 * 16 * 16 * 2)
    read = []
    array = of(ARRAY, (1, 16, 16), cache, read)
    for _ in range(2):
        array[0]
        assert cache.nbytes <= cache.max_bytes
    array[0, 36, 52]
    assert len(read) > 12
    cache.clear()
    assert cache.nbytes == 0


def test_two_arrays_share_a_cache_without_mixing():
    cache = ChunkCache(1 << 20)
    one, other = of(ARRAY, (1, 16, 16), cache), of(ARRAY + 1, (1, 16, 16), cache)
    np.testing.assert_array_equal(one[1] + 1, other[1])
    assert cache.nbytes == 2 * ARRAY[0].nbytes


def test_what_is_not_kept_leaves_the_cache_alone():
    cache = ChunkCache(1 << 20)
    array = of(ARRAY, (1, 16, 16), cache)
    array.read((slice(None),), keep=False)
    assert cache.nbytes == 0


def test_threads_read_the_same_pixels():
    with ThreadPoolExecutor(2) as pool:
        array = of(ARRAY, (1, 5, 5), ChunkCache(2000, pool.map))
        wrong = []

        def look(seed):
            rng = np.random.default_rng(seed)
            for _ in range(40):
                y, x = int(rng.integers(30)), int(rng.integers(40))
                key = (int(rng.integers(3)), slice(y, y + 20), slice(x, x + 20))
                if not np.array_equal(array[key], ARRAY[key]):
                    wrong.append(key)

        threads = [threading.Thread(target=look, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong


def test_an_impatient_reader_gets_the_middle_and_is_told_what_is_missing():
    array = of(ARRAY + 1, (1, 5, 5))
    patience = Patience(0)
    part, missing = array.read((0, slice(None), slice(None)), patience)
    assert patience.lacking
    assert part[18, 26]
    for box in missing:
        assert not part[box].any()
        part[box] = (ARRAY + 1)[0][box]
    np.testing.assert_array_equal(part, ARRAY[0] + 1)
    turns = 0
    while missing:
        part, missing = array.read((0, slice(None), slice(None)), Patience(0))
        turns += 1
    assert 1 < turns < 80  # every turn gets on, although there is no time


def test_a_chunk_that_cannot_be_read_is_a_sentence():
    def load(index):
        raise OSError("disk gone")

    with pytest.raises(FormatError, match=r"cells\.tif is damaged.*disk gone.*Restore"):
        Chunked((9, 9), (3, 3), np.uint8, load, name="cells.tif")[0, 0]
    with pytest.raises(FormatError, match="damaged"):
        Chunked((9, 9), (3, 3), np.uint8, lambda index: np.zeros((2, 3)))[0, 0]


def test_a_plane_reads_nothing_before_it_is_sliced():
    read = []
    array = of(ARRAY, (2, 16, 16), None, read)
    plane = array.plane(2)
    assert not read
    np.testing.assert_array_equal(plane[3:9, ::7], ARRAY[2, 3:9, ::7])
    rgb = of(np.moveaxis(ARRAY, 0, -1), (16, 16, 3))
    np.testing.assert_array_equal(rgb.plane(1, 2)[:, 5], ARRAY[1, :, 5])


def test_a_sample_comes_from_all_over():
    plane = of(np.add.outer(np.arange(1000), np.zeros(800)).astype(np.uint16), (50, 50))
    sample = plane.sample(4000)
    assert 2000 < len(sample) <= 4000
    assert sample.min() < 100
    assert sample.max() > 900


def test_converted_chunks():
    array = of(ARRAY, (1, 16, 16)).converted(lambda chunk: chunk.astype(np.float32) / 2, np.float32)
    np.testing.assert_array_equal(array[1, 3:20], ARRAY[1, 3:20].astype(np.float32) / 2)


def test_a_deferred_array_opens_when_it_is_read_and_tries_again():
    there = []

    def open_():
        if not there:
            raise FormatError("It is not there. Bring it back.")
        return ARRAY

    array = Deferred(ARRAY.shape, ARRAY.dtype, open_)
    assert array.shape == ARRAY.shape
    with pytest.raises(FormatError, match="Bring it back"):
        array[0]
    there.append(True)
    np.testing.assert_array_equal(array[1, 2], ARRAY[1, 2])
    assert read_part(array, (0, slice(0, 3)))[0].shape == (3, 53)
