"""One rule for what separates the columns of a table, whoever reads it; tables that cannot be read are refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from celltune_nb.errors import FormatError
from celltune_nb.formats.delimited import read_frame, read_heading, read_rows, separator
from celltune_nb.formats.folders.tables import read_channels, read_groups, read_head
from celltune_nb.formats.headings import CELL, IMAGE, find


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


@pytest.mark.parametrize(
    ("heading", "sign"),
    [("image,cellID,class", ","), ("image;cellID;class", ";"), ("image\tcellID\tclass", "\t"),
     ('"CD4, mean, nucleus";"CD8, mean, nucleus";cellID', ";"), ("DAPI", ","), ("", ",")],
)  # fmt: skip
def test_the_separator_is_what_parts_the_first_line(heading: str, sign: str) -> None:
    assert separator(heading) == sign


@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_every_reader_parts_columns_alike(path: Path, sign: str) -> None:
    path.write_text("\n\nImage;Donor\na;D1\n\nb;D2\n".replace(";", sign), encoding="utf-8-sig")
    head = read_head(path)
    assert (head.kind, head.columns) == ("groups", ["Image", "Donor"])
    assert read_groups(head) == {"a": "D1", "b": "D2"}
    frame = read_frame(path)
    assert frame.to_dict("list") == {"Image": ["a", "b"], "Donor": ["D1", "D2"]}


def test_commas_in_the_rows_do_not_change_what_separates_them(path: Path) -> None:
    path.write_text("Image;Donor\n" + "a;D1, D2, D3, D4\n" * 5)
    head = read_head(path)
    assert read_groups(head) == {"a": "D1, D2, D3, D4"}


def test_decimal_commas_are_numbers(path: Path) -> None:
    path.write_text("image;cellID;CD3;CD8;note\na;1;1,5;1,250;x\na;2;;2,125;y,1\nb;3;-2,5e3;3;z\n")
    frame = read_frame(path)
    np.testing.assert_array_equal(frame["CD3"], [1.5, np.nan, -2500])
    np.testing.assert_array_equal(frame["CD8"], [1.25, 2.125, 3])
    assert frame["note"].tolist() == ["x", "y,1", "z"]
    assert frame["cellID"].tolist() == [1, 2, 3]


def test_commas_that_may_set_off_thousands_are_refused(path: Path) -> None:
    path.write_text("image;cellID;CD3\na;1;1,250\na;2;2,500\n")
    with pytest.raises(FormatError, match=r"'1,250' in column 'CD3', which may mean 1\.250 or 1250"):
        read_frame(path)


def test_rows_longer_than_the_first_line_are_not_shifted(path: Path) -> None:
    path.write_text("image,cellID,class\na,1,T,\nb,2,B,\n")
    assert read_frame(path).to_dict("list") == {"image": ["a", "b"], "cellID": [1, 2], "class": ["T", "B"]}
    path.write_text("image\tcellID\tclass\nrow1\ta\t1\tT\nrow2\tb\t2\tB\n")
    assert read_frame(path).to_dict("list") == {"image": ["a", "b"], "cellID": [1, 2], "class": ["T", "B"]}
    path.write_text("image,cellID,class\nx,y,a,1,T\nx,y,b,2,B\n")
    with pytest.raises(FormatError, match="Name every column"):
        read_frame(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"\n\n", b'image;cellID\n"a;1\n', b"\xff\xfe\x00i\x00m", b"image,cellID\na,1,2,3\nb,1\n", b"\0" * 50],
)  # fmt: skip
def test_damaged_tables_are_refused_with_a_sentence(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"table\.csv"):
        read_frame(path)


def test_tables_beyond_all_size_are_refused_before_they_are_read(path: Path) -> None:
    with path.open("wb") as stream:
        stream.write(b"image;group\n")
        stream.truncate(1 << 42)
    with pytest.raises(FormatError, match="of memory"):
        read_frame(path)
    with pytest.raises(FormatError, match="a table of groups has"):
        read_rows(path, 10, "groups")
    with path.open("wb") as stream:
        stream.truncate(1 << 42)
    with pytest.raises(FormatError, match=r"first line of table\.csv is too long"):
        read_heading(path)
    path.write_text("a\n" * 30)
    with pytest.raises(FormatError, match="more than 20 rows"):
        read_rows(path, 20, "channels")


def test_a_table_that_changed_since_it_was_looked_at(path: Path) -> None:
    path.write_text("Image;Donor\na;D1\n")
    head = read_head(path)
    path.write_text("Field;Donor\na;D1\n")
    with pytest.raises(FormatError, match="no column 'Image' any more"):
        read_groups(head)
    path.write_text("")
    with pytest.raises(FormatError, match="no column 'Image' any more"):
        read_groups(head)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_table_that_may_not_be_read(path: Path) -> None:
    path.write_text("a,b\n")
    path.chmod(0)
    for read in (read_frame, read_heading, read_channels):
        with pytest.raises(FormatError, match="Check its permissions"):
            read(path)


def test_columns_are_found_without_regard_to_capitals_and_punctuation() -> None:
    columns = ["Object ID", "Image Name", "IMAGE_NAME", "Cell", 3]
    assert find(columns, IMAGE) == "Image Name"
    assert find(columns, CELL) == "Object ID"
    assert find(columns, ("3",)) == 3
    assert find([], IMAGE) is None


def test_images_and_categories_are_text(path: Path) -> None:
    path.write_text("image,cellID,class,area\n001,1,01,5\n002,2,,6\n")
    frame = read_frame(path)
    assert frame["image"].tolist() == ["001", "002"]
    assert frame["class"].dropna().tolist() == ["01"]
    assert frame["area"].tolist() == [5, 6]
    path.write_text("fov;cellID;type\n1.0;1;3.0\n;2;4.0\n")
    frame = read_frame(path)
    assert frame["fov"].dropna().tolist() == ["1"]
    assert frame["type"].tolist() == ["3", "4"]


def test_names_that_look_like_nothing_are_names(path: Path) -> None:
    path.write_text(
        "image,cellID,class,CD3,note\nNA,1,None,NA,NA\nnan,2,,2,null\nnull,3,T,,x\nNone,4,nan,1,\n,5,B,0,y\n"
    )
    frame = read_frame(path)
    assert frame["image"].fillna("missing").tolist() == ["NA", "nan", "null", "None", "missing"]
    assert frame["class"].fillna("missing").tolist() == ["None", "missing", "T", "nan", "B"]
    np.testing.assert_array_equal(frame["CD3"], [np.nan, 2, np.nan, 1, 0])
    assert frame["note"].fillna("missing").tolist() == ["missing", "missing", "x", "missing", "y"]
    path.write_text("tile;cellID;of\nNA;1;2.0\n01;2;NA\n")
    frame = read_frame(path, texts=["tile", "of", "not there"])
    assert frame.to_dict("list") == {"tile": ["NA", "01"], "cellID": [1, 2], "of": ["2.0", "NA"]}
    path.write_text("image,cellID,class\n1.0,1,2.0\nNA,2,NA\n")
    frame = read_frame(path)
    assert frame.to_dict("list") == {"image": ["1", "NA"], "cellID": [1, 2], "class": ["2", "NA"]}


def test_a_last_column_without_values_is_no_row_of_empty_ends(path: Path) -> None:
    path.write_text("image\tcellID\tscore\nrow1\ta\t1\tNA\nrow2\tb\t2\tNA\n")  # as R writes
    frame = read_frame(path)
    assert frame[["image", "cellID"]].to_dict("list") == {"image": ["a", "b"], "cellID": [1, 2]}
    assert frame["score"].isna().all()
