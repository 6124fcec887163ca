"""The table of cell types: CellTune's layout, and what people's spreadsheets make of it."""

from __future__ import annotations

import pytest

from celltune_nb.errors import FormatError, InputError
from celltune_nb.formats.celltypes import CellType, read_celltypes

TABLE = """CellType,PrimaryMarker,SecondaryMarker,TertiaryMarker,Channel_1,Channel_2,Channel_3,hex
CD8T,CD8 & !CD4,CD3,,CD8,CD3,CD4,#FF0000
B cell,CD20 | CD19,,,CD20,CD19,,00ff00
Other,,,,,,,
"""


@pytest.fixture
def written(tmp_path):
    def write(content: str | bytes, name: str = "types.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_rows_become_cell_types_in_order(written):
    cd8, b, other = read_celltypes(written(TABLE))
    assert cd8 == CellType("CD8T", ("CD8 & !CD4", "CD3", ""), ("CD8", "CD3", "CD4"), "#FF0000")
    assert cd8.expression == "(CD8 & !CD4) & CD3"
    assert (b.name, b.expression, b.channels, b.color) == (
        "B cell",
        "CD20 | CD19",
        ("CD20", "CD19"),
        "#00FF00",
    )
    assert other == CellType("Other")
    assert other.expression == ""


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\n\n"),
        lambda text: text.replace(",", ";"),
        lambda text: text.replace(",", "\t"),
        lambda text: text.replace("CellType", "cell type").replace("PrimaryMarker", "primary_marker"),
        lambda text: text.replace("00ff00", "0f0").replace("#FF0000", "#FF0000CC"),
        lambda text: text.replace("CD3,,", "CD3,NA,"),
        lambda text: text.replace("CD8 & !CD4", '"CD8 & !CD4"'),
        lambda text: text + ",,,,,,,\n",
    ],
)
def test_what_spreadsheets_do_to_a_table_does_no_harm(written, change):
    assert read_celltypes(written(change(TABLE))) == read_celltypes(written(TABLE, "plain.csv"))


def test_a_data_frame_will_do():
    import pandas as pd

    frame = pd.DataFrame(
        {"CellType": ["A", "B"], "PrimaryMarker": ["CD3", None], "hex": [float("nan"), "#123456"]}
    )
    assert [(c.name, c.expression, c.color) for c in read_celltypes(frame)] == [
        ("A", "CD3", None),
        ("B", "", "#123456"),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"name,hex\nA,#FF0000\n", "no column CellType"),
        (b"CellType,hex\n", "names no cell type"),
        (b"CellType,hex\n,#FF0000\n", "row 2: a cell type needs a name"),
        (b"CellType,hex\nA,red\n", "row 2, hex: 'red' is not a colour"),
        (b"CellType,hex\nA,\nb,\na,\n", "'a' twice"),
        (
            b"CellType,PrimaryMarker\nA,CD8 & & CD4\n",
            "row 2, PrimaryMarker: The expression cannot be read at character 7",
        ),
        (b"CellType,CellType\nA,B\n", "two columns"),
        (b"CellType\n\xff\xfe\n", "not UTF-8"),
        (b"CellType\nA\0B\n", "not text"),
        (b"PK\x03\x04\x00\x00", "not text"),
        (b'CellType\n"A\n', "cannot be read as CSV"),
        (
            b"CellType,PrimaryMarker\nA," + b"(" * 10_000 + b"CD8" + b")" * 10_000,
            "characters; 10,000 are the most",
        ),
        (b"CellType\n" + b"A" * 100 + b"\n", "1 to 80"),
        (b"CellType\n" + b"".join(b"T%d\n" % i for i in range(1_001)), "rows"),
        (b"x" * (1 << 20) + b"y", "bytes"),
    ],
)
def test_what_cannot_be_used_is_said(written, content, said):
    with pytest.raises(FormatError, match=said.replace("(", r"\(")):
        read_celltypes(written(content))


def test_other_things_than_tables_are_refused(tmp_path):
    with pytest.raises(InputError, match="not int"):
        read_celltypes(3)
    with pytest.raises(FormatError, match="no file"):
        read_celltypes(tmp_path / "none.csv")
    with pytest.raises(FormatError, match="no file"):
        read_celltypes(tmp_path)
