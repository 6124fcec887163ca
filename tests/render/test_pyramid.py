"""Reduced copies for zoomed-out views."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from celltune_nb.data.chunks import Chunked, Patience
from celltune_nb.render import Camera, Channel, Pyramid, Window, compose
from celltune_nb.render.sample import sample_labels
from tests.waiting import LONG

RNG = np.random.default_rng(0)


def level_of(array, channel, level, **options):
    """One complete level."""
    pyramid = Pyramid(array, **options)
    pyramid.build(channel, lambda fraction: None)
    return pyramid.reduced(channel).levels[level]


def chunked(array, chunk=512, wait=None):
    """An array as a file would give it, in chunks."""
    chunks = (*(1,) * (array.ndim - 2), chunk, chunk)
    if array.ndim == 3 and array.shape[2] == 3:
        chunks = (chunk, chunk, 3)

    def load(index):
        if wait is not None:
            wait()
        return array[tuple(slice(i * c, (i + 1) * c) for i, c in zip(index, chunks, strict=True))]

    return Chunked(array.shape, chunks, array.dtype, load)


def test_levels_are_means():
    image = RNG.random((1, 1000, 703)).astype(np.float32)
    plane = level_of(image, 0, 2)
    assert plane.shape == (250, 176)
    assert np.allclose(plane[:, :175], image[0, :, :700].reshape(250, 4, 175, 4).mean((1, 3)), atol=1e-5)


def test_dim_channels_do_not_darken():
    image = RNG.poisson(3, (1, 1024, 1024)).astype(np.uint16)
    assert abs(level_of(image, 0, 4).mean() - image.mean()) < 0.05


def test_labels_keep_their_values():
    mask = RNG.integers(0, 99999, (500, 500)).astype(np.int32)
    assert np.array_equal(level_of(mask, 0, 3, labels=True), mask[::8, ::8])


def test_rgb_levels():
    image = RNG.integers(0, 256, (64, 64, 3)).astype(np.uint8)
    assert np.abs(level_of(image, 0, 1) - image.reshape(32, 2, 32, 2, 3).mean((1, 3))).max() <= 0.5


@pytest.mark.parametrize("chunk", [128, 300, 512, 700])
@pytest.mark.parametrize("size", [(1500, 2100), (513, 3000)])
def test_levels_do_not_depend_on_how_the_source_is_cut(chunk, size):
    image = RNG.integers(0, 4000, (2, *size)).astype(np.uint16)
    for level in (1, 3, 5):
        np.testing.assert_array_equal(level_of(chunked(image, chunk), 1, level), level_of(image, 1, level))


def test_nothing_is_built_before_it_is_looked_at():
    pyramid = Pyramid(np.zeros((3, 512, 512), np.uint16))
    window = Window.of(Camera.fit((512, 512), 512, 512), (512, 512))
    pyramid.look(1, window)
    assert pyramid.nbytes == 0
    pyramid.look(1, Window.of(Camera.fit((512, 512), 100, 100), (512, 512)))
    assert 0 < pyramid.nbytes < 512 * 512 * 2 * 0.4


def test_only_what_is_looked_at_is_read():
    read = []
    image = np.zeros((1, 8192, 8192), np.uint8)
    pyramid = Pyramid(chunked(image, 1024, lambda: read.append(1)))
    pyramid.look(0, Window.of(Camera(1000, 1000, 0.25, 200, 200), (8192, 8192)))
    assert 1 <= len(read) <= 4


def test_memory_stays_within_the_budget():
    image = np.zeros((10, 512, 512), np.uint16)
    pyramid = Pyramid(image, max_bytes=600_000)
    window = Window.of(Camera.fit((512, 512), 32, 32), (512, 512))
    for channel in range(10):
        pyramid.look(channel, window)
    assert 0 < pyramid.nbytes <= 600_000


def test_a_level_too_large_to_keep_falls_back_to_the_source():
    image = np.arange(512 * 512, dtype=np.uint32).reshape(512, 512).astype(np.float32)
    pyramid = Pyramid(image, max_bytes=200_000)
    part, rows, columns = pyramid.look(0, Window.of(Camera.fit((512, 512), 256, 256), (512, 512)))
    assert part[rows[3], columns[5]] in image[6:8, 10:12]
    assert pyramid.nbytes < 200_000


def test_tiny_images_have_no_levels():
    assert Pyramid(np.zeros((1, 40), np.uint8)).reduced(0) is None


# ---------------------------------------------------------------------- frames


def cameras(shape, count, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        height, width = rng.integers(40, 500, 2)
        yield Camera(
            *(rng.random(2) * shape * 1.2 - 0.1 * np.array(shape)), float(2 ** rng.uniform(-5, 3)), int(height), int(width)
        )  # fmt: skip


@pytest.mark.parametrize("chunk", [256, 500])
def test_frames_from_chunks_equal_those_from_memory(chunk):
    shape = (3000, 2700)
    image = RNG.integers(0, 4000, (2, *shape)).astype(np.uint16)
    mask = RNG.integers(0, 500, shape).astype(np.uint32)
    channels = [Channel(0, "#ff0000", 0, 4000), Channel(1, "#00ff00", 500, 3000)]
    slow, fast = chunked(image, chunk), Pyramid(image)
    slow_mask, fast_mask = Pyramid(chunked(mask, chunk), labels=True), Pyramid(mask, labels=True)
    pyramid = Pyramid(slow)
    for camera in cameras(shape, 25):
        np.testing.assert_array_equal(
            compose(slow, camera, channels, pyramid=pyramid), compose(image, camera, channels, pyramid=fast)
        )
        window = Window.of(camera, shape)
        np.testing.assert_array_equal(
            sample_labels(mask, window, slow_mask), sample_labels(mask, window, fast_mask)
        )


def test_rgb_frames_from_chunks_equal_those_from_memory():
    image = RNG.integers(0, 256, (900, 1100, 3)).astype(np.uint8)
    slow = chunked(image, 256)
    pyramids = Pyramid(slow), Pyramid(image)
    for camera in cameras(image.shape[:2], 10):
        np.testing.assert_array_equal(
            compose(slow, camera, pyramid=pyramids[0]), compose(image, camera, pyramid=pyramids[1])
        )


def test_a_files_own_levels_are_used():
    image = RNG.integers(0, 4000, (1, 4096, 4096)).astype(np.uint16)
    marked = image[:, ::4, ::4] * 0 + 7
    read = []
    source = chunked(image, 512, lambda: read.append(1))
    pyramid = Pyramid(source, own=[chunked(marked)])
    part, _, _ = pyramid.look(0, Window.of(Camera.fit((4096, 4096), 512, 512), (4096, 4096)))
    assert (part == 7).all()
    assert not read
    assert pyramid.nbytes == 0


def test_a_file_whose_own_levels_stop_early_gets_the_coarser_ones():
    image = np.full((1, 8200, 8200), 3, np.uint8)
    half = np.full((1, 4100, 4100), 9, np.uint8)
    pyramid = Pyramid(image, own=[half])
    part, rows, _ = pyramid.look(0, Window.of(Camera.fit((8200, 8200), 100, 100), (8200, 8200)))
    assert (part == 9).all()
    assert rows[-1] < part.shape[0] < 200


def test_copies_of_another_scale_are_left_out():
    image = RNG.integers(0, 4000, (1, 900, 900)).astype(np.uint16)
    own = [image[:, ::3, ::3], image[:, :100, :700], image[0, ::2, ::2], np.zeros((2, 450, 450), np.uint16)]
    window = Window.of(Camera.fit((900, 900), 300, 300), (900, 900))
    np.testing.assert_array_equal(
        Pyramid(image, own=own).look(0, window)[0], Pyramid(image).look(0, window)[0]
    )


# ---------------------------------------------------------------------- patience


def test_an_impatient_frame_comes_back_soon_and_fills_in_frame_by_frame():
    image = RNG.integers(1, 4000, (1, 4096, 4096)).astype(np.uint16)
    pause = threading.Event()
    pyramid = Pyramid(chunked(image, 256, lambda: pause.wait(0.002)))
    camera = Camera.fit((4096, 4096), 256, 256)
    channels = [Channel(0, "#ffffff", 0, 4000)]
    seen, turns = 0, 0
    while True:
        patience = Patience(0.05)
        frame = compose(image, camera, channels, pyramid=pyramid, patience=patience)
        black = int((frame == 0).all(axis=2).sum())
        assert turns == 0 or black <= seen
        seen, turns = black, turns + 1
        if not patience.lacking:
            break
    assert turns > 2
    np.testing.assert_array_equal(frame, compose(image, camera, channels, pyramid=Pyramid(image)))


def test_what_is_not_decoded_yet_is_shown_coarsely():
    image = np.full((1, 2048, 2048), 1000, np.uint16)
    source = chunked(image, 256)
    pyramid = Pyramid(source)
    pyramid.build(0, lambda fraction: None)
    source._cache.clear()
    part, _, _ = pyramid.look(0, Window.of(Camera(1024, 1024, 1.0, 1000, 1000), (2048, 2048)), Patience(0))
    assert part.shape == (1000, 1000)
    assert (part == 1000).all()


def test_a_frame_of_wide_strips_waits_for_few_of_them():
    image = RNG.integers(0, 4000, (1, 2048, 20_000)).astype(np.uint8)
    read = []

    def load(index):
        read.append(index)
        return image[:, index[1] * 60 : (index[1] + 1) * 60]

    pyramid = Pyramid(Chunked(image.shape, (1, 60, 20_000), np.uint8, load))
    window = Window.of(Camera.fit((2048, 20_000), 100, 800), (2048, 20_000))
    pyramid.look(0, window, Patience(0))
    assert len(set(read)) <= 10
    pyramid.build(0, lambda fraction: None)
    np.testing.assert_array_equal(pyramid.reduced(0).levels[4], level_of(image, 0, 4))


def test_threads_that_fill_the_same_levels_agree():
    image = RNG.integers(0, 4000, (1, 5000, 5000)).astype(np.uint16)
    pyramid = Pyramid(chunked(image, 256))
    frames = {}

    def draw(name):
        for camera in cameras((5000, 5000), 6, seed=name):
            frames[name, camera] = compose(image, camera, [Channel(0, "#ffffff", 0, 4000)], pyramid=pyramid)

    threads = [threading.Thread(target=draw, args=(n,)) for n in (1, 2)]
    threads.append(threading.Thread(target=pyramid.build, args=(0, lambda fraction: None)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = Pyramid(image)
    assert len(frames) == 12
    for (_, camera), frame in frames.items():
        np.testing.assert_array_equal(
            frame, compose(image, camera, [Channel(0, "#ffffff", 0, 4000)], pyramid=whole)
        )


def test_a_mapped_image_is_read_with_a_stride_until_its_levels_are_there():
    image = np.frombuffer(RNG.bytes(8192 * 8192), np.uint8).reshape(1, 8192, 8192)
    asked = []
    pyramid = Pyramid(image, ask=asked.append)
    window = Window.of(Camera.fit((8192, 8192), 256, 256), (8192, 8192))
    part, rows, columns = pyramid.look(0, window)
    assert asked == [0]
    assert part[rows[9], columns[9]] == image[0, 288 + rows[0] + 16, 288 + columns[0] + 16]
    pyramid.build(0, lambda fraction: None)
    part, _, _ = pyramid.look(0, window)
    assert asked == [0]
    assert abs(int(part[9, 9]) - image[0, 288:320, 288:320].mean()) < 1


def test_a_block_that_is_made_while_the_levels_go_to_disk_does_no_harm():
    image = np.full((1, 2048, 1024), 7, np.uint16)
    reading, go_on = threading.Event(), threading.Event()

    def wait():
        if threading.current_thread().name == "slow":
            reading.set()
            go_on.wait(LONG)

    class Disk:
        def load(self, channel, size, dtype):
            return None

        def save(self, channel, levels):
            kept = levels.copy()
            kept.flags.writeable = False  # as a mapped file is
            return kept

    pyramid = Pyramid(chunked(image, 1024, wait), store=Disk())
    failed = []

    def slow():
        try:
            pyramid.reduced(0).make(1, 0)
        except ValueError as error:
            failed.append(error)

    thread = threading.Thread(target=slow, name="slow")
    thread.start()
    assert reading.wait(LONG)
    pyramid.build(0, lambda fraction: None)
    go_on.set()
    thread.join()
    assert not failed
    assert pyramid.nbytes == 0
    assert (pyramid.reduced(0).levels[3] == 7).all()


def test_two_who_want_the_same_levels_read_the_file_once():
    read, told = [], []
    image = RNG.integers(0, 4000, (1, 4096, 4096)).astype(np.uint16)

    def wait():
        read.append(1)
        time.sleep(0.01)

    pyramid = Pyramid(chunked(image, 1024, wait))
    threads = [threading.Thread(target=pyramid.build, args=(0, told.append)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read) == 16
    assert pyramid.complete(0)


def test_who_waits_for_anothers_levels_can_be_stopped():
    pyramid = Pyramid(chunked(np.zeros((1, 2048, 2048), np.uint16), 1024))

    def stop(fraction):
        raise InterruptedError

    reduced = pyramid.reduced(0)
    with reduced.building, pytest.raises(InterruptedError):
        pyramid.build(0, stop)
    pyramid.build(0, lambda fraction: None)  # nothing is left locked
    assert pyramid.complete(0)
