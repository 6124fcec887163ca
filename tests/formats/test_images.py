"""Image files: what is read, and what is refused in a sentence."""

from __future__ import annotations

import json
import pickle
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from celltune_nb.errors import FormatError
from celltune_nb.formats.images import fingerprint, open_image

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 60_000, (3, 300, 410)).astype(np.uint16)
RGB = RNG.integers(0, 256, (300, 410, 3)).astype(np.uint8)


def same(path: Path, expected: np.ndarray) -> None:
    found = open_image(path)
    assert found.array.shape == expected.shape
    np.testing.assert_array_equal(np.asarray(found.array), expected)
    key = (..., slice(5, 250, 7), slice(3, 4)) if expected.shape[-1] != 3 else (slice(5, 250, 7), slice(3, 4))
    np.testing.assert_array_equal(np.asarray(found.array[key]), expected[key])


# ---------------------------------------------------------------------- what is read


@pytest.mark.parametrize(
    "array", [IMAGE, IMAGE[0], RGB, IMAGE.astype(np.float32)], ids=["cyx", "yx", "rgb", "float"]
)
def test_npy_is_mapped(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", array)
    same(tmp_path / "a.npy", array)
    assert isinstance(open_image(tmp_path / "a.npy").array, np.memmap)


@pytest.mark.parametrize("array", [IMAGE, IMAGE[0]], ids=["cyx", "yx"])
def test_npy_of_the_other_byte_order(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", array.astype(">u2"))
    same(tmp_path / "a.npy", array)
    assert open_image(tmp_path / "a.npy").array.dtype.isnative
    np.save(tmp_path / "b.npy", np.asfortranarray(array))
    same(tmp_path / "b.npy", array)


@pytest.mark.parametrize("compression", [None, "zlib", "zstd", "lzw", "lzma", "packbits"])
@pytest.mark.parametrize(("tile", "byteorder"), [(None, "<"), ((64, 128), ">")], ids=["strips", "tiles"])
def test_tiff(tmp_path: Path, compression: str | None, tile: tuple[int, int] | None, byteorder: str) -> None:
    path = tmp_path / "a.tif"
    options = {"tile": tile, "compression": compression, "byteorder": byteorder, "photometric": "minisblack"}
    tifffile.imwrite(path, IMAGE, **options)
    same(path, IMAGE)
    tifffile.imwrite(path, IMAGE[0], rowsperstrip=None if tile else 7, **options)
    same(path, IMAGE[0])
    tifffile.imwrite(path, RGB, tile=tile, compression=compression, byteorder=byteorder, photometric="rgb")
    same(path, RGB)


def test_tiff_samples_of_a_pixel_are_channels(tmp_path: Path) -> None:
    five = np.concatenate([IMAGE, IMAGE[:2]])
    path = tmp_path / "a.tif"
    for compression in (None, "zlib"):
        tifffile.imwrite(
            path, five, photometric="minisblack", planarconfig="separate", compression=compression
        )
        same(path, five)
        tifffile.imwrite(
            path,
            np.moveaxis(five, 0, -1),
            photometric="minisblack",
            planarconfig="contig",
            compression=compression,
        )
        same(path, five)
        tifffile.imwrite(path, np.dstack([RGB, RGB[..., :1]]), photometric="rgb", compression=compression)
        same(path, RGB)


def test_jpeg_tiles_are_those_of_tifffile(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(300) // 2, np.arange(410) // 2).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", np.dstack([smooth] * 3), tile=(128, 128), compression="jpeg")
    same(tmp_path / "a.tif", tifffile.imread(tmp_path / "a.tif"))


def test_imagej_names_its_channels_and_pixel_size(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    about = {"axes": "CYX", "Labels": ["DAPI", "CD3", "CD8"], "unit": "um"}
    tifffile.imwrite(path, IMAGE, imagej=True, metadata=about, resolution=(2, 2))
    found = open_image(path)
    assert found.channels == ["DAPI", "CD3", "CD8"]
    assert found.pixel_size == 0.5
    same(path, IMAGE)


@pytest.mark.parametrize(
    ("unit", "size", "micrometres"), [("µm", 0.5, 0.5), ("nm", 325, 0.325), ("mm", 1e-3, 1.0)]
)
def test_ome_tiff_names_its_channels_and_pixel_size(
    tmp_path: Path, unit: str, size: float, micrometres: float
) -> None:
    path = tmp_path / "a.ome.tif"
    about = {
        "axes": "CYX",
        "Channel": {"Name": ["A", "B", "C"]},
        "PhysicalSizeX": size,
        "PhysicalSizeXUnit": unit,
    }
    tifffile.imwrite(path, IMAGE, metadata=about, compression="zlib", tile=(64, 64))
    found = open_image(path)
    assert found.channels == ["A", "B", "C"]
    assert found.pixel_size == pytest.approx(micrometres)


def test_names_that_do_not_tell_channels_apart_are_left_out(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.ome.tif", IMAGE, metadata={"axes": "CYX", "Channel": {"Name": ["A", "A", "B"]}}
    )
    assert open_image(tmp_path / "a.ome.tif").channels is None


def test_reduced_copies_in_a_tiff_are_found(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path) as writer:
        options = {"tile": (64, 64), "compression": "zlib"}
        writer.write(IMAGE, subifds=2, metadata={"axes": "CYX"}, **options)
        for step in (2, 4):
            writer.write(IMAGE[:, ::step, ::step], subfiletype=1, **options)
    found = open_image(path)
    assert [level.shape for level in found.levels] == [(3, 150, 205), (3, 75, 103)]
    np.testing.assert_array_equal(np.asarray(found.levels[1]), IMAGE[:, ::4, ::4])


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("chunk", [64, 1000])
def test_zarr_arrays(tmp_path: Path, version: int, chunk: int) -> None:
    for name, array in (("cyx", IMAGE), ("yx", IMAGE[0]), ("rgb", RGB), ("f", IMAGE.astype(np.float32))):
        path = tmp_path / f"{name}.zarr"
        chunks = tuple(min(chunk, n) if n > 3 else 1 for n in array.shape)
        zarr.create_array(path, data=array, chunks=chunks, zarr_format=version)
        same(path, array)


@pytest.mark.parametrize("codec", [None, "Zstd", "GZip", "Zlib", "Blosc", "LZ4", "BZ2"])
def test_zarr_2_by_any_codec_order_and_byte_order(tmp_path: Path, codec: str | None) -> None:
    import numcodecs

    compressor = None if codec is None else getattr(numcodecs, codec)()
    for name, dtype, order in (("a", ">u2", "C"), ("b", "<u2", "F"), ("c", ">f4", "F")):
        options = {"chunks": (1, 90, 300), "zarr_format": 2, "compressors": compressor, "order": order}
        array = zarr.create_array(
            tmp_path / f"{name}.zarr", shape=IMAGE.shape, dtype=dtype, fill_value=7, **options
        )
        array[:, :200] = IMAGE[:, :200]
        expected = IMAGE.astype(dtype).copy()
        expected[:, 200:] = 7  # chunks that were never written
        same(tmp_path / f"{name}.zarr", expected)


@pytest.mark.parametrize("codec", [None, "ZstdCodec", "GzipCodec", "BloscCodec"])
@pytest.mark.parametrize("endian", ["little", "big"])
def test_zarr_3_by_any_codec(tmp_path: Path, codec: str | None, endian: str) -> None:
    compressors = None if codec is None else [getattr(zarr.codecs, codec)()]
    serializer = zarr.codecs.BytesCodec(endian=endian)
    options = {"chunks": (1, 50, 60), "compressors": compressors, "serializer": serializer}
    zarr.create_array(tmp_path / "a.zarr", data=IMAGE, **options)
    same(tmp_path / "a.zarr", IMAGE)
    # What has no chunk of its own file and codec goes through zarr.
    checked = [*(compressors or []), zarr.codecs.Crc32cCodec()]
    zarr.create_array(tmp_path / "b.zarr", data=IMAGE, **{**options, "compressors": checked})
    same(tmp_path / "b.zarr", IMAGE)
    turned = zarr.codecs.TransposeCodec(order=(0, 2, 1))
    zarr.create_array(tmp_path / "c.zarr", data=IMAGE, filters=[turned], **options)
    same(tmp_path / "c.zarr", IMAGE)


def test_a_damaged_chunk_is_told_when_it_is_read(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "a.zarr", data=IMAGE, chunks=(1, 300, 300))
    (tmp_path / "a.zarr" / "c" / "1" / "0" / "0").write_bytes(b"nonsense")
    refused(tmp_path / "a.zarr", "is damaged")
    zarr.create_array(tmp_path / "b.zarr", data=IMAGE, chunks=(1, 300, 300), compressors=None)
    (tmp_path / "b.zarr" / "c" / "1" / "0" / "0").write_bytes(bytes(90))
    refused(tmp_path / "b.zarr", "is damaged")


def test_sharded_and_blosc_zarr(tmp_path: Path) -> None:
    codec = zarr.codecs.BloscCodec(cname="lz4")
    zarr.create_array(
        tmp_path / "a.zarr", data=IMAGE, chunks=(1, 64, 64), shards=(1, 320, 448), compressors=codec
    )
    same(tmp_path / "a.zarr", IMAGE)


def ome_zarr(path: Path, version: int, levels: int = 3, **changes: object) -> Path:
    group = zarr.open_group(path, mode="w", zarr_format=version)
    datasets = []
    for level in range(levels):
        group.create_array(
            str(level), data=IMAGE[None, :, None, :: 2**level, :: 2**level], chunks=(1, 1, 1, 64, 64)
        )
        scale = [1, 1, 1, 0.25 * 2**level, 0.25 * 2**level]
        datasets.append(
            {"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": scale}]}
        )
    axes = [{"name": n, **({"unit": "micrometer"} if n in "yx" else {})} for n in "tczyx"]
    about = {"multiscales": [{"axes": axes, "datasets": datasets, **changes}],
             "omero": {"channels": [{"label": n} for n in "ABC"]}}  # fmt: skip
    group.attrs.update(about if version == 2 else {"ome": {"version": "0.5", **about}})
    return path


@pytest.mark.parametrize("version", [2, 3], ids=["0.4", "0.5"])
def test_ome_zarr(tmp_path: Path, version: int) -> None:
    path = ome_zarr(tmp_path / "a.zarr", version)
    same(path, IMAGE)
    found = open_image(path)
    assert found.channels == ["A", "B", "C"]
    assert found.pixel_size == 0.25
    assert [level.shape for level in found.levels] == [(3, 150, 205), (3, 75, 103)]


def test_ome_zarr_of_other_programs(tmp_path: Path) -> None:
    outer = zarr.open_group(tmp_path / "outer.zarr", mode="w", zarr_format=2)
    outer.attrs["bioformats2raw.layout"] = 3
    ome_zarr(tmp_path / "outer.zarr" / "0", 2)
    same(tmp_path / "outer.zarr", IMAGE)
    zarr.open_group(tmp_path / "one.zarr", mode="w").create_array("pixels", data=IMAGE)
    same(tmp_path / "one.zarr", IMAGE)


def test_the_real_examples_open(shared_data: Path) -> None:
    found = open_image(shared_data / "codex_lymphnode" / "image.ome.tif")
    assert found.array.shape[0] == len(found.channels or []) == 30
    paths = sorted(p for p in shared_data.rglob("*.tif*") if p.suffix in (".tif", ".tiff"))
    for path in paths[::19]:
        np.testing.assert_array_equal(np.asarray(open_image(path).array), np.squeeze(tifffile.imread(path)))


# ---------------------------------------------------------------------- what is refused


def refused(path: Path, says: str) -> None:
    with pytest.raises(FormatError, match=says) as caught:
        np.asarray(open_image(path).array)
    # The fact, then the next step.
    assert str(caught.value).rstrip().endswith(".")
    assert str(caught.value).count(". ") + str(caught.value).count(": ") >= 1


@pytest.mark.parametrize("name", ["a.npy", "a.tif", "a.ome.tiff"])
@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 64, b"\x93NUMPY", b"II*\x00\xff\xff\xff\xff", b"hello" * 99]
)
def test_empty_and_foreign_files(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    refused(tmp_path / name, "is empty|cannot be read|no image")


def test_what_is_not_there_or_no_image(tmp_path: Path) -> None:
    refused(tmp_path / "gone.tif", "no file")
    (tmp_path / "a.xlsx").write_bytes(b"x")
    refused(tmp_path / "a.xlsx", r"not \.npy")
    (tmp_path / "folder").mkdir()
    refused(tmp_path / "folder", "no Zarr")
    if Path("/dev/zero").exists():
        refused(Path("/dev/zero"), "no regular file")


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_truncated_tiff(tmp_path: Path, compression: str | None) -> None:
    path = tmp_path / "a.tif"
    # Offsets stand at the beginning, so that the file opens.
    tifffile.imwrite(path, IMAGE[0], compression=compression, tile=(64, 64) if compression else None)
    path.write_bytes(path.read_bytes()[:-30_000])
    refused(path, "truncated|cannot be read")


def test_truncated_npy(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", IMAGE)
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-1000])
    refused(tmp_path / "a.npy", "cannot be read")


def test_damaged_pixels_are_told_when_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, IMAGE[0], compression="zlib", tile=(64, 64))
    content = bytearray(path.read_bytes())
    content[20_000:60_000] = b"\xff" * 40_000
    path.write_bytes(content)
    refused(path, "is damaged")


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("import pathlib; pathlib.Path('executed').touch()",))


def test_pickles_are_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "a.npy", np.array([[Evil()]], object), allow_pickle=True)
    refused(tmp_path / "a.npy", "cannot be read")
    folder = tmp_path / "a.zarr"
    folder.mkdir()
    about = {"zarr_format": 2, "shape": [1, 1], "chunks": [1, 1], "dtype": "|O", "order": "C", "fill_value": 0,
             "compressor": None, "filters": [{"id": "pickle", "protocol": 5}]}  # fmt: skip
    (folder / "0.0").write_bytes(pickle.dumps(np.array([[Evil()]], object)))
    (folder / ".zarray").write_text(json.dumps(about))
    refused(folder, "not numbers")
    (folder / ".zarray").write_text(json.dumps({**about, "dtype": "<u2"}))
    refused(folder, "codec 'pickle'")
    (folder / ".zarray").write_text(
        json.dumps({**about, "dtype": "<u2", "filters": None, "compressor": {"id": "pickle"}})
    )
    refused(folder, "codec 'pickle'")
    nested = {
        "name": "sharding_indexed",
        "configuration": {"chunk_shape": [1, 1], "codecs": [{"name": "numcodecs.pickle"}]},
    }
    (folder / ".zarray").unlink()
    (folder / "zarr.json").write_text(
        json.dumps(
            {
                "zarr_format": 3,
                "node_type": "array",
                "shape": [1, 1],
                "data_type": "uint16",
                "codecs": [nested],
            }
        )
    )
    refused(folder, "codec 'pickle'")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"zarr_format": 2}', '{"shape": 3}', '{"shape": [-1, 5]}']
)
@pytest.mark.parametrize("name", ["zarr.json", ".zarray"])
def test_damaged_zarr(tmp_path: Path, name: str, content: str) -> None:
    folder = tmp_path / "a.zarr"
    folder.mkdir()
    (folder / name).write_text(content)
    with pytest.raises(FormatError):
        open_image(folder)


def test_zarr_that_is_incomplete_or_of_another_kind(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "bare.zarr", shape=(90, 90), dtype="u2")
    refused(tmp_path / "bare.zarr", "no pixels")
    path = ome_zarr(tmp_path / "a.zarr", 2)
    for name in path.glob("0/*"):
        name.unlink() if name.is_file() else None
    (path / "0" / ".zarray").unlink(missing_ok=True)
    refused(path, "no Zarr array")
    refused(ome_zarr(tmp_path / "b.zarr", 2, datasets=[{"path": "../a.zarr/1"}]), "outside")
    group = zarr.open_group(tmp_path / "two.zarr", mode="w")
    for name in ("one", "two"):
        group.create_array(name, data=IMAGE)
    refused(tmp_path / "two.zarr", "one, two")
    plate = zarr.open_group(tmp_path / "plate.zarr", mode="w", zarr_format=2)
    plate.attrs["plate"] = {}
    refused(tmp_path / "plate.zarr", "plate")
    zarr.create_array(tmp_path / "words.zarr", data=np.array([["a", "b"]]), zarr_format=2)
    refused(tmp_path / "words.zarr", "not numbers")
    zarr.create_array(tmp_path / "time.zarr", data=np.zeros((4, 2, 30, 30), np.uint8))
    refused(tmp_path / "time.zarr", r"4 c, 2 z.*one image")


@pytest.mark.parametrize("axes", ["TCYX", "ZCYX"])
def test_stacks_with_time_or_depth_are_refused_by_name(tmp_path: Path, axes: str) -> None:
    tifffile.imwrite(tmp_path / "a.ome.tif", np.zeros((4, 2, 30, 30), np.uint8), metadata={"axes": axes})
    refused(tmp_path / "a.ome.tif", "4 time points" if axes[0] == "T" else "4 planes in depth")


def test_complex_numbers_are_no_image(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((30, 30), np.complex64))
    refused(tmp_path / "a.tif", "not numbers")
    np.save(tmp_path / "a.npy", np.zeros((3, 3), [("a", "u1"), ("b", "f4")]))
    refused(tmp_path / "a.npy", "not numbers")
    np.save(tmp_path / "b.npy", np.zeros((2, 2, 3, 3)))
    refused(tmp_path / "b.npy", "has shape")


def test_a_tiff_that_declares_more_than_it_can_hold(tmp_path: Path) -> None:
    size = 2_000_000
    tile = zlib.compress(bytes(256))
    tags = [(256, 4, 1, size), (257, 4, 1, size), (258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 1), (277, 3, 1, 1),
            (322, 3, 1, 16), (323, 3, 1, 16), (324, 4, 1, 200), (325, 4, 1, len(tile))]  # fmt: skip
    head = b"II*\x00" + struct.pack("<I", 8) + struct.pack("<H", len(tags))
    for code, kind, count, value in tags:
        head += struct.pack("<HHII", code, kind, count, value)
    (tmp_path / "a.tif").write_bytes((head + bytes(4)).ljust(200, b"\0") + tile)
    refused(tmp_path / "a.tif", "cannot be right")


def test_an_npy_and_a_zarr_that_declare_more_than_they_can_hold(tmp_path: Path) -> None:
    header = b"{'descr': '<u2', 'fortran_order': False, 'shape': (4000000, 4000000), }"
    header = header.ljust(117) + b"\n"
    (tmp_path / "a.npy").write_bytes(
        b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(100)
    )
    refused(tmp_path / "a.npy", "cannot be read|cannot be right")
    zarr.create_array(tmp_path / "a.zarr", shape=(10**7, 10**7), chunks=(1000, 1000), dtype="u2")[:1, :1] = 1
    refused(tmp_path / "a.zarr", "cannot be right")


def test_a_zarr_whose_chunks_are_too_large_or_larger_than_they_say(tmp_path: Path) -> None:
    folder = tmp_path / "a.zarr"
    folder.mkdir()
    about = {
        "zarr_format": 2, "shape": [64, 64], "chunks": [64, 64], "dtype": "<u2", "fill_value": None,
        "order": "C", "filters": None, "compressor": {"id": "zlib", "level": 9},
    }  # fmt: skip
    (folder / ".zarray").write_text(json.dumps({**about, "chunks": [60_000, 60_000]}))
    (folder / "0.0").write_bytes(zlib.compress(bytes(64 << 20)))
    refused(folder, "chunks of 6.7 GB")
    (folder / ".zarray").write_text(json.dumps(about))
    with pytest.raises(FormatError, match="damaged"):
        np.asarray(open_image(folder).array)


def test_a_chunk_that_was_never_written_is_black_where_no_other_value_is_named(tmp_path: Path) -> None:
    array = zarr.create_array(
        tmp_path / "a.zarr", shape=(64, 128), chunks=(64, 64), dtype="u2", zarr_format=2, fill_value=None
    )
    array[:, :64] = 7
    about = json.loads((tmp_path / "a.zarr" / ".zarray").read_text())
    (tmp_path / "a.zarr" / ".zarray").write_text(json.dumps({**about, "fill_value": None}))
    found = np.asarray(open_image(tmp_path / "a.zarr").array)
    assert (found[..., :64] == 7).all()
    assert not found[..., 64:].any()


def test_other_files_that_a_tiff_names_are_left_alone(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.ome.tif", IMAGE[0], metadata={"axes": "YX"})
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        text = tif.ome_metadata
    text = text.replace('SizeC="1"', 'SizeC="3"').replace("</Pixels>", '<TiffData FirstC="1" IFD="0" PlaneCount="1">'
           '<UUID FileName="../b.ome.tif">urn:uuid:00000000-0000-0000-0000-000000000000</UUID></TiffData></Pixels>')  # fmt: skip
    tifffile.tiffcomment(tmp_path / "a.ome.tif", text.encode())
    same(tmp_path / "a.ome.tif", IMAGE[0])


def test_a_codec_that_is_not_installed_is_named(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", IMAGE[0], compression="lzw")
    program = (
        "import sys; sys.modules['imagecodecs'] = None\n"
        "from celltune_nb.formats.images import open_image\n"
        "try: open_image(sys.argv[1])\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    said = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "a.tif")], capture_output=True, text=True, check=True
    ).stdout
    assert said.startswith("FormatError a.tif is compressed in a way (LZW)")
    assert "imagecodecs" in said


# ---------------------------------------------------------------------- the same file?


def test_a_fingerprint_knows_a_copy_from_a_change(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, IMAGE)
    first = fingerprint(path)
    assert fingerprint(open_image(path)) == first
    np.save(path, IMAGE)
    assert fingerprint(path)["sum"] == first["sum"]
    np.save(path, IMAGE + 1)
    assert fingerprint(path)["sum"] != first["sum"]
    folder = ome_zarr(tmp_path / "a.zarr", 3)
    assert fingerprint(folder) == fingerprint(open_image(folder))
    with pytest.raises(FormatError, match="cannot be read"):
        fingerprint(tmp_path / "gone.tif")


@pytest.mark.parametrize("place", ["compressor", "filters"])
def test_a_codec_is_judged_by_the_word_that_zarr_takes_it_by(tmp_path: Path, place: str) -> None:
    folder = tmp_path / "a.zarr"
    zarr.create_array(folder, data=np.ones((8, 8), np.uint8), zarr_format=2, compressors=None)
    about = json.loads((folder / ".zarray").read_text())
    codec = {"id": "pickle", "name": "zlib"}
    about[place] = codec if place == "compressor" else [codec]
    (folder / ".zarray").write_text(json.dumps(about))
    with pytest.raises(FormatError, match="uses the codec 'pickle'"):
        open_image(folder)


def test_metadata_of_another_version_or_without_end_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "a.zarr"
    zarr.create_array(folder, data=np.ones((8, 8), np.uint8), zarr_format=3)
    about = json.loads((folder / "zarr.json").read_text())
    (folder / "zarr.json").write_text(json.dumps({**about, "zarr_format": 2}))
    with pytest.raises(FormatError, match="of its version of Zarr"):
        open_image(folder)
    (folder / "zarr.json").write_text("[]")
    with pytest.raises(FormatError, match="of its version of Zarr"):
        open_image(folder)
    with (folder / "zarr.json").open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(FormatError, match=r"1,099,512 MB; it should describe an image"):
        open_image(folder)
