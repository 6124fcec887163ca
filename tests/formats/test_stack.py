"""One image in several files: what is read, and what is refused in a sentence."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from celltune_nb.data.chunks import ChunkCache
from celltune_nb.errors import FormatError
from celltune_nb.formats.images import fingerprint
from celltune_nb.formats.stack import is_stack, open_stack

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 60_000, (4, 300, 410)).astype(np.uint16)


def files(folder: Path, **options: object) -> list[Path]:
    paths = [folder / f"{name}.tif" for name in ("DAPI", "CD3", "µ CD8", "CD20")]
    for path, plane in zip(paths, IMAGE, strict=True):
        tifffile.imwrite(path, plane, **options)
    return paths


@pytest.mark.parametrize(
    "options", [{}, {"compression": "zlib"}, {"tile": (64, 128), "compression": "zlib"}, {"byteorder": ">"}]
)
def test_files_of_one_channel_are_one_image(tmp_path: Path, options: dict[str, object]) -> None:
    found = open_stack(files(tmp_path, **options))
    assert found.path == tmp_path
    assert found.channels == ["DAPI", "CD3", "µ CD8", "CD20"]
    np.testing.assert_array_equal(np.asarray(found.array), IMAGE)
    np.testing.assert_array_equal(found.array[2:, 17:290:3, 400], IMAGE[2:, 17:290:3, 400])


def test_files_may_be_cut_stored_and_typed_differently(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.asfortranarray(IMAGE[0]))
    tifffile.imwrite(tmp_path / "b.tif", IMAGE[1].astype(np.float32), tile=(64, 64), compression="zlib")
    tifffile.imwrite(tmp_path / "c.tif", (IMAGE[2] >> 8).astype(np.uint8)[np.newaxis], rowsperstrip=9)
    stored = zarr.create_array(tmp_path / "d.zarr", shape=IMAGE[3].shape, chunks=(50, 70), dtype="uint16")
    stored[:] = IMAGE[3]
    paths = [tmp_path / name for name in ("a.npy", "b.tif", "c.tif", "d.zarr")]
    with ThreadPoolExecutor(2) as pool:  # as in a session: the two threads must not wait for one another
        found = open_stack(paths, ChunkCache(1 << 20, pool.map))
        assert found.array.dtype == np.float32
        expected = np.stack([IMAGE[0], IMAGE[1], IMAGE[2] >> 8, IMAGE[3]]).astype(np.float32)
        np.testing.assert_array_equal(np.asarray(found.array), expected)


def test_a_map_is_not_kept_for_every_file(tmp_path: Path) -> None:
    """A project of many fields would run out of open files."""
    found = open_stack(files(tmp_path))
    np.asarray(found.array)
    open_now = (
        [p.resolve() for p in Path("/proc/self/fd").iterdir()] if Path("/proc/self/fd").is_dir() else []
    )
    assert not any(p.parent == tmp_path for p in open_now)


def test_a_change_of_any_file_shows(tmp_path: Path) -> None:
    paths = files(tmp_path)
    before = fingerprint(open_stack(paths))
    assert fingerprint(tuple(paths)) == before
    tifffile.imwrite(paths[2], IMAGE[0])
    assert fingerprint(tuple(paths))["sum"] != before["sum"]


def test_what_does_not_fit_is_refused_by_name(tmp_path: Path) -> None:
    paths = files(tmp_path)
    tifffile.imwrite(paths[1], IMAGE[1, :100])
    with pytest.raises(
        FormatError, match=r"CD3.tif has 100 × 410 pixels, the other channels of its image 300 × 410"
    ):
        open_stack(paths)
    tifffile.imwrite(paths[1], IMAGE[:2], photometric="minisblack")
    with pytest.raises(FormatError, match=r"CD3.tif holds 2 × 300 × 410 numbers, not one channel"):
        open_stack(paths)
    paths[1].write_bytes(paths[0].read_bytes()[:2000])
    with pytest.raises(FormatError, match=r"CD3.tif"):
        open_stack(paths)
    paths[1].write_bytes(b"")
    with pytest.raises(FormatError, match=r"CD3.tif is empty"):
        open_stack(paths)
    paths[1].unlink()
    with pytest.raises(FormatError, match="There is no file"):
        open_stack(paths)
    with pytest.raises(FormatError, match="No file"):
        open_stack([])


def test_a_list_of_paths_is_a_stack() -> None:
    assert is_stack(["a.tif", Path("b.tif")])
    assert not is_stack([[1, 2], [3, 4]])
    assert not is_stack("a.tif")
    assert not is_stack([])


def test_paths_from_here_on_and_whole_ones_make_one_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.ones((20, 30), np.uint8))
    monkeypatch.chdir(tmp_path)
    found = open_stack(["a.tif", tmp_path / "b.tif"])
    assert found.array.shape == (2, 20, 30)
    assert found.path == tmp_path
