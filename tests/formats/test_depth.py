"""Stacks in depth: what is read plane by plane, and what is refused in a sentence."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from celltune_nb.errors import CellTuneError, FormatError, InputError
from celltune_nb.formats import depth as module
from celltune_nb.formats.depth import open_depth

RNG = np.random.default_rng(0)
STACK = RNG.integers(0, 60_000, (5, 2, 40, 60)).astype(np.uint16)  # Z, C, Y, X


def same(stack: object, expected: np.ndarray) -> None:
    found = open_depth(stack)
    assert found.planes == len(expected)
    assert found.shape == expected.shape[1:]
    for z in (len(expected) - 1, 0, 2):
        plane = found.read(z)
        assert plane.dtype == expected.dtype.newbyteorder("=")
        assert plane.dtype.isnative
        np.testing.assert_array_equal(plane, expected[z])


def test_arrays_and_npy(tmp_path: Path) -> None:
    same(STACK, STACK)
    same(STACK[:, 0], STACK[:, :1])
    same(STACK[:, 0].tolist(), STACK[:, :1].astype(np.int64))
    for number, array in enumerate((STACK, STACK.astype(">u2"), np.asfortranarray(STACK), STACK.astype(np.float32))):  # fmt: skip
        np.save(tmp_path / f"{number}.npy", array)
        same(tmp_path / f"{number}.npy", array)
        same(str(tmp_path / f"{number}.npy"), array)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_tiff_with_and_without_channels(tmp_path: Path, compression: str | None, byteorder: str) -> None:
    path = tmp_path / "a.ome.tif"
    options = {
        "compression": compression,
        "byteorder": byteorder,
        "photometric": "minisblack",
        "tile": (16, 32),
    }
    about = {"PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm", "Channel": {"Name": ["DAPI", "cFos"]}}
    tifffile.imwrite(path, STACK, metadata={"axes": "ZCYX", **about}, ome=True, **options)
    same(path, STACK)
    assert open_depth(path).channels == ["DAPI", "cFos"]
    assert open_depth(path).pixel_size == 0.5
    tifffile.imwrite(
        path, STACK.swapaxes(0, 1).copy(), metadata={"axes": "CZYX", **about}, ome=True, **options
    )
    same(path, STACK)
    tifffile.imwrite(path, STACK[:, 0], metadata={"axes": "ZYX"}, ome=True, **options)
    same(path, STACK[:, :1])


def test_imagej_and_plain_pages(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, imagej=True, metadata={"axes": "ZCYX", "unit": "um"}, resolution=(0.5, 0.5))
    same(path, STACK)
    assert open_depth(path).pixel_size == 2.0
    with tifffile.TiffWriter(path) as out:
        for plane in STACK[:, 0]:
            out.write(plane, contiguous=False, metadata=None)
    same(path, STACK[:, :1])


def test_a_folder_or_a_list_of_files_is_a_file_a_plane(tmp_path: Path) -> None:
    for z, plane in enumerate(STACK):
        tifffile.imwrite(tmp_path / f"z{z + 8}.tif", plane[0], compression="zlib")  # z8, z9, z10 …
    (tmp_path / "notes.txt").write_text("no plane")
    same(tmp_path, STACK[:, :1])
    files = [tmp_path / f"z{z + 8}.tif" for z in range(5)]
    same([str(path) for path in files[::-1]], STACK[::-1, :1])
    tifffile.imwrite(files[3], STACK[3, 0, :9])
    found = open_depth(tmp_path)
    found.read(2)
    with pytest.raises(FormatError, match=r"z11\.tif holds 1 × 9 × 60"):
        found.read(3)
    (tmp_path / "none").mkdir()
    with pytest.raises(FormatError, match="No TIFF"):
        open_depth(tmp_path / "none")
    tifffile.imwrite(tmp_path / "none" / "a.tif", np.zeros((9, 9, 3), np.uint8), photometric="rgb")
    with pytest.raises(FormatError, match="RGB"):
        open_depth(tmp_path / "none")


def test_a_mapping_names_the_stack_of_each_channel(tmp_path: Path) -> None:
    np.save(tmp_path / "signal.npy", STACK[:, 0])
    tifffile.imwrite(
        tmp_path / "background.tif",
        STACK[:, 1].astype(np.uint8),
        metadata={"axes": "ZYX"},
        photometric="minisblack",
    )
    stacks = {"cFos": tmp_path / "signal.npy", "tissue": tmp_path / "background.tif"}
    both = np.stack([STACK[:, 0], STACK[:, 1].astype(np.uint8)], 1)
    same(stacks, both)
    assert open_depth(stacks).channels == ["cFos", "tissue"]
    for wrong in ({**stacks, "third": STACK[:4, 0]}, {**stacks, "third": STACK}, {}):
        with pytest.raises(InputError, match="channel"):
            open_depth(wrong)


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> object:
            return (Path(tmp_path / "executed").touch, ())

    path = tmp_path / "a.npy"
    np.save(path, np.array([[[Hostile()]]], object), allow_pickle=True)
    with pytest.raises(FormatError):
        open_depth(path)
    path.write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(FormatError):
        open_depth(path)
    np.savez(tmp_path / "b.npz", STACK)
    (tmp_path / "b.npz").rename(path)
    with pytest.raises(FormatError):
        open_depth(path)
    assert not (tmp_path / "executed").exists()


def test_truncated_files_are_refused_before_a_plane_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", STACK)
    tifffile.imwrite(tmp_path / "a.tif", STACK[:, 0], compression="zlib", metadata={"axes": "ZYX"})
    tifffile.imwrite(tmp_path / "b.tif", STACK, imagej=True, metadata={"axes": "ZCYX"})
    for name in ("a.npy", "a.tif", "b.tif"):
        path = tmp_path / name
        whole = path.read_bytes()
        for size in (0, 3, 60, len(whole) // 2, len(whole) - 6_000):
            path.write_bytes(whole[:size])
            with pytest.raises(FormatError, match=name):
                open_depth(path).read(4)


def test_what_declares_more_than_there_can_be_is_refused_by_its_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for shape in ((3, 10**6, 10**6), (10**6, 4, 4), (2, 5000, 9, 9), (2**40, 2**20, 8)):
        path = tmp_path / "huge.npy"
        with path.open("wb") as stream:
            np.lib.format.write_array_header_1_0(
                stream, {"descr": "<u2", "fortran_order": False, "shape": shape}
            )
        with pytest.raises(FormatError, match=r"huge\.npy"):
            open_depth(path)
    path = tmp_path / "huge.tif"
    tifffile.imwrite(path, np.zeros((5, 8, 8), np.uint16), compression="zlib", photometric="minisblack")
    with tifffile.TiffFile(path, mode="r+b") as tif:
        for page in tif.pages:
            page.tags["ImageLength"].overwrite(2**31 - 1)
            page.tags["ImageWidth"].overwrite(2**31 - 1)
    with pytest.raises(FormatError, match=r"huge\.tif"):
        open_depth(path)
    np.save(tmp_path / "a.npy", STACK)
    monkeypatch.setattr("psutil.virtual_memory", type("Memory", (), {"available": 1000}))
    for stack in (tmp_path / "a.npy", STACK):
        with pytest.raises(FormatError, match="memory"):
            open_depth(stack)


def test_more_planes_than_there_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PLANES", 4)
    with pytest.raises(FormatError, match="5 planes"):
        open_depth(STACK)


@pytest.mark.parametrize(
    "array",
    [STACK[0, 0], STACK[None], np.zeros((0, 4, 4), np.uint8), np.array([[["a"]]]), np.zeros((2, 3, 3), complex)],
    ids=["plane", "five axes", "empty", "text", "complex"],
)  # fmt: skip
def test_arrays_of_another_kind(tmp_path: Path, array: np.ndarray) -> None:
    with pytest.raises(InputError, match="shape"):
        open_depth(array)
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(FormatError, match=r"a\.npy"):
        open_depth(tmp_path / "a.npy")


def test_files_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG....")
    (tmp_path / "a.tif").write_bytes(b"no TIFF at all, but some text")
    for name in ("a.png", "a.tif", "absent.tif"):
        with pytest.raises(CellTuneError, match=name):
            open_depth(tmp_path / name)
    tifffile.imwrite(
        tmp_path / "t.ome.tif", np.zeros((2, 3, 8, 8), np.uint8), metadata={"axes": "TZYX"}, ome=True
    )
    tifffile.imwrite(tmp_path / "one.tif", np.zeros((8, 8), np.uint8))
    tifffile.imwrite(tmp_path / "rgb.tif", np.zeros((4, 8, 8, 3), np.uint8), photometric="rgb")
    for name in ("t.ome.tif", "one.tif", "rgb.tif"):
        with pytest.raises(FormatError, match=f"{name} has the axes"):
            open_depth(tmp_path / name)


def zarr_stack(path: Path, array: np.ndarray, axes: str, version: int = 3, **options: object) -> Path:
    """An OME-Zarr, 0.4 by version 2 and 0.5 by version 3, with axes as named by their letters."""
    group = zarr.open_group(path, mode="w", zarr_format=version)
    group.create_array("0", data=array, **options)
    named = [{"name": a, **({"unit": "micrometer"} if a in "zyx" else {})} for a in axes]
    scale = [0.5 if a in "yx" else 1.0 for a in axes]
    data = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": scale}]}]
    about = {
        "multiscales": [{"axes": named, "datasets": data}],
        "omero": {"channels": [{"label": "DAPI"}, {"label": "cFos"}]},
    }
    group.attrs.update(about if version == 2 else {"ome": {"version": "0.5", **about}})
    return path


@pytest.mark.parametrize("version", [2, 3], ids=["0.4", "0.5"])
def test_ome_zarr_says_which_axis_is_depth(tmp_path: Path, version: int) -> None:
    for number, (array, axes, chunks) in enumerate(
        [
            (STACK, "zcyx", (1, 1, 16, 32)),
            (STACK.swapaxes(0, 1), "czyx", (1, 2, 40, 60)),  # chunks of several planes
            (STACK.swapaxes(0, 1)[None], "tczyx", (1, 2, 5, 7, 9)),
        ]
    ):
        path = zarr_stack(tmp_path / f"{number}.ome.zarr", array, axes, version, chunks=chunks)
        same(path, STACK)
        assert open_depth(str(path)).channels == ["DAPI", "cFos"]
        assert open_depth(path).pixel_size == 0.5
    same(zarr_stack(tmp_path / "one.zarr", STACK[:, 0], "zyx", version), STACK[:, :1])
    assert open_depth(tmp_path / "one.zarr").channels is None
    same(zarr_stack(tmp_path / "c1.zarr", STACK[None, :, 0], "czyx", version), STACK[:, :1])
    outer = zarr.open_group(tmp_path / "outer.zarr", mode="w", zarr_format=2)
    outer.attrs["bioformats2raw.layout"] = 3
    zarr_stack(tmp_path / "outer.zarr" / "0", STACK, "zcyx", 2)
    same(tmp_path / "outer.zarr", STACK)
    zarr.create_array(tmp_path / "plain.zarr", data=STACK, zarr_format=version)
    same(tmp_path / "plain.zarr", STACK)
    zarr.create_array(
        tmp_path / "big.zarr", data=STACK.astype(">u2"), zarr_format=version, chunks=(2, 2, 9, 9)
    )
    same({"A": tmp_path / "one.zarr", "B": tmp_path / "c1.zarr"}, STACK[:, [0, 0]])
    found = open_depth(tmp_path / "big.zarr")
    assert found.dtype.isnative


def test_a_zarr_stack_is_read_a_plane_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flat = zarr_stack(tmp_path / "flat.zarr", STACK, "zcyx", chunks=(1, 1, 40, 60))
    shutil.rmtree(flat / "0" / "c" / "3")  # planes that nobody asks for may be gone
    found = open_depth(flat)
    np.testing.assert_array_equal(found.read(2), STACK[2])
    (flat / "0" / "c" / "4" / "0" / "0" / "0").write_bytes(b"nonsense")
    with pytest.raises(FormatError, match=r"flat\.zarr"):
        found.read(4)
    # Chunks of several planes are decoded once, not once a plane.
    deep = open_depth(zarr_stack(tmp_path / "deep.zarr", STACK, "zcyx", chunks=(5, 1, 40, 60)))
    np.testing.assert_array_equal(deep.read(0), STACK[0])
    shutil.rmtree(tmp_path / "deep.zarr" / "0")
    np.testing.assert_array_equal(deep.read(4), STACK[4])


def test_zarr_folders_that_are_no_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def written(name: str, **change: object) -> Path:
        path = zarr_stack(tmp_path / f"{name}.zarr", STACK, "zcyx", 2)
        about = json.loads((path / "0" / ".zarray").read_text())
        (path / "0" / ".zarray").write_text(json.dumps(about | change))
        return path

    several = zarr.open_group(tmp_path / "several.zarr", mode="w")
    for name in "ab":
        several.create_array(name, data=STACK)
    outside = zarr_stack(tmp_path / "outside.zarr", STACK, "zcyx", 2)
    text = (outside / ".zattrs").read_text()
    (outside / ".zattrs").write_text(text.replace('"path": "0"', '"path": "../several.zarr/a"'))
    cut = zarr_stack(tmp_path / "cut.zarr", STACK, "zcyx", 2)
    (cut / "0" / ".zarray").write_text((cut / "0" / ".zarray").read_text()[:50])
    empty = zarr_stack(tmp_path / "empty.zarr", STACK, "zcyx", 2, chunks=STACK.shape)
    for one in (empty / "0").rglob("*"):
        if one.is_file() and not one.name.startswith("."):
            one.unlink()
    for path, words in (
        (zarr_stack(tmp_path / "time.zarr", np.stack([STACK, STACK]), "tzcyx"), "axes and shape 2 t, 5 z"),
        (zarr_stack(tmp_path / "plane.zarr", STACK[0], "cyx"), "axes and shape 2 c"),
        (zarr_stack(tmp_path / "turned.zarr", STACK, "yxzc"), "axes and shape"),
        (tmp_path / "several.zarr", "2 arrays"),
        (outside, "outside of its folder"),
        (cut, "cannot be read"),
        (empty, "no pixels"),
        (written("text", dtype="<U4"), "not numbers"),
        (written("pickled", filters=[{"id": "pickle"}]), "codec 'pickle'"),
        (written("huge", shape=[5, 2, 10**6, 10**6]), "cannot be right"),
        (written("deep", shape=[10**6, 2, 40, 60]), "1,000,000 planes"),
        (written("lump", shape=[5, 2, 10**4, 10**4], chunks=[5, 2, 10**4, 10**4]), "chunks of"),
        (written("none", shape=[5, 0, 40, 60]), "shape"),
        (written("words", shape=["5", "2", "40", "60"]), "shape"),
    ):
        with pytest.raises(FormatError, match=words) as error:
            open_depth(path)
        assert path.name in str(error.value)
    good = zarr_stack(tmp_path / "good.zarr", STACK, "zcyx")
    monkeypatch.setattr("psutil.virtual_memory", type("Memory", (), {"available": 1000}))
    with pytest.raises(FormatError, match="memory"):
        open_depth(good)
