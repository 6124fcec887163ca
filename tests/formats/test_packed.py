"""Tables packed with gzip are read as they are, as far as they are whole and fit into the memory."""

from __future__ import annotations

import gzip
import io
import tracemalloc
import zlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from celltune_nb.errors import FormatError
from celltune_nb.formats.celltypes import read_celltypes
from celltune_nb.formats.delimited import bare_name, ending, read_frame, read_heading, read_rows
from celltune_nb.formats.folders import recognise
from celltune_nb.formats.folders.tables import read_channels, read_groups, read_head

CELLS = "image,cellID,class,CD3\na,1,T,1.5\na,2,B,\nb,1,NA,3\n"


def packed(path: Path, text: str = CELLS) -> Path:
    path.write_bytes(gzip.compress(text.encode()))
    return path


@pytest.mark.parametrize(
    ("name", "kind", "bare"),
    [("Cells.CSV", ".csv", "Cells"), ("a.b.csv.gz", ".csv", "a.b"), ("cells.tsv", ".csv", "cells"), ("cells.TSV.GZ", ".csv", "cells"),
     ("cells.parquet", ".parquet", "cells"), ("image.tif.gz", ".gz", "image.tif"), ("csv.gz", ".gz", "csv")],
)  # fmt: skip
def test_what_a_table_is_stands_before_how_it_is_packed(name: str, kind: str, bare: str) -> None:
    assert (ending(Path(name)), bare_name(Path(name))) == (kind, bare)


@pytest.mark.parametrize("name", ["cells.csv.gz", "cells.tsv.gz", "unpacked by a browser.csv"])
def test_every_reader_takes_packed_tables(tmp_path: Path, name: str) -> None:
    text = CELLS.replace(",", "\t") if ".tsv" in name else CELLS
    path = packed(tmp_path / name, text)
    assert read_heading(path)[0] == ["image", "cellID", "class", "CD3"]
    assert len(read_rows(path, 10, "cells")) == 4
    frame = read_frame(path)
    assert frame["image"].tolist() == ["a", "a", "b"]
    assert frame["CD3"].sum() == 4.5
    head = read_head(path)
    assert (head.kind, head.image, head.cell, head.category) == ("labels", "image", "cellID", "class")
    assert list(tmp_path.iterdir()) == [path]  # nothing is unpacked to disk


def test_small_tables_beside_images_may_be_packed(tmp_path: Path) -> None:
    groups = read_head(packed(tmp_path / "groups.csv.gz", "Image,Donor\na,D1\n"))
    assert (groups.kind, read_groups(groups)) == ("groups", {"a": "D1"})
    channels = read_head(packed(tmp_path / "channels.csv.gz", "channel\nDAPI\nCD3\n"))
    assert (channels.kind, read_channels(channels.path)) == ("channels", ["DAPI", "CD3"])
    path = packed(tmp_path / "types.csv.gz", "CellType,PrimaryMarker\nT cell,CD3\n")
    assert read_head(path).kind == "celltypes"
    assert [one.name for one in read_celltypes(path)] == ["T cell"]


def test_a_plain_table_may_be_called_packed(tmp_path: Path) -> None:
    path = tmp_path / "cells.csv.gz"
    path.write_text(CELLS)
    assert len(read_frame(path)) == 3


def test_rows_longer_than_the_first_line_of_a_packed_table(tmp_path: Path) -> None:
    path = packed(tmp_path / "r.tsv.gz", "image\tcellID\tclass\nrow1\tNA\t1\tNA\nrow2\tb\t2\tNA\n")
    assert read_frame(path).to_dict("list") == {"image": ["NA", "b"], "cellID": [1, 2], "class": ["NA", "NA"]}


def damaged() -> dict[str, bytes]:
    whole = gzip.compress(CELLS.encode() * 2000)
    middle = len(whole) // 2
    return {
        "is cut off": whole[:-20],
        "is cut off:": whole[:3],
        "is damaged": whole[:-8] + b"\0\0\0\0" + whole[-4:],
        "is damaged:": whole[:middle] + bytes([255] * 20) + whole[middle + 20 :],
        "cannot be unpacked": whole + b"more",
        r"cannot be unpacked \(": b"\x1f\x8b" + b"\1" * 50,
    }


@pytest.mark.parametrize(("words", "content"), damaged().items())
def test_cut_off_and_damaged_files_say_so(tmp_path: Path, words: str, content: bytes) -> None:
    path = tmp_path / "cells.csv.gz"
    path.write_bytes(content)
    for read in (read_frame, read_celltypes):
        with pytest.raises(FormatError, match=rf"^cells\.csv\.gz .*{words}.*Copy or download it again"):
            read(path)


def test_packed_files_that_are_no_tables(tmp_path: Path) -> None:
    path = tmp_path / "cells.csv.gz"
    path.write_bytes(gzip.compress(b""))
    with pytest.raises(FormatError, match=r"cells\.csv\.gz cannot be read as csv"):
        read_frame(path)
    path.write_bytes(gzip.compress(b"\0" * 100))
    with pytest.raises(FormatError, match="it is no text"):
        read_frame(path)


def bomb(path: Path, nbytes: int, heading: bytes = b"image,cellID,class\n") -> Path:
    """A table that is a thousandth of what it unpacks to, and that says it holds 7 bytes."""
    packer, block = zlib.compressobj(9, zlib.DEFLATED, 31), b"a,1,T\n" * (1 << 18)
    with path.open("wb") as stream:
        stream.write(packer.compress(heading))
        for _ in range(nbytes // len(block)):
            stream.write(packer.compress(block))
        stream.write(packer.flush())
    with path.open("r+b") as stream:
        stream.seek(-4, io.SEEK_END)
        stream.write((7).to_bytes(4, "little"))
    return path


def test_a_gzip_bomb_is_refused_before_memory_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = bomb(tmp_path / "cells.csv.gz", 64 << 20)
    assert path.stat().st_size < 1 << 20
    long = bomb(tmp_path / "line.csv.gz", 64 << 20, b",".join([b"image"] * 400_000))
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=16 << 20))
    read_heading(path)  # warms up
    tracemalloc.start()
    try:
        for read, file, words in (
            (read_frame, path, r"cells\.csv\.gz, unpacked, would take .* of memory"),
            (lambda one: read_rows(one, 1000, "groups", 1 << 20), path, "too large: a table of groups"),
            (read_celltypes, path, "too large: a table of cell types"),
            (read_heading, long, "first line of line.csv.gz is too long"),
        ):
            with pytest.raises(FormatError, match=words):
                read(file)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_a_folder_look_lists_packed_tables(tmp_path: Path) -> None:
    packed(tmp_path / "cells.csv.gz", "image,cellID,CD3\na,1,2\n")
    (tmp_path / "notes.gz").write_bytes(gzip.compress(b"none"))
    packed(tmp_path / "broken.tsv.gz").write_bytes(gzip.compress(CELLS.encode())[:15])
    plan = recognise(tmp_path)
    assert [(one.path.name, one.kind) for one in plan.tables] == [("cells.csv.gz", "cells")]
    said = {one.path.name: one.why for one in plan.left_out}
    assert "is cut off" in said["broken.tsv.gz"]
    assert said[tmp_path.name] == "1 other file (.gz)"
