"""The table of cell types in a project: categories, what is kept of it, undo and reopening."""

from __future__ import annotations

import pytest

from celltune_nb.errors import FormatError, NotReadyError, ReadOnlyError
from celltune_nb.session import Session

from .conftest import label_some

TABLE = """CellType,PrimaryMarker,Channel_1,Channel_2,Channel_3,hex
a,A & !B,A,B,C,#112233
New,B & NOPE,B,XX,,#445566
Unknown,,,,,
"""


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "types.csv"
    path.write_text(TABLE)
    return path


def test_categories_come_with_their_colours_and_keep_their_labels(session, table):
    label_some(session)
    report = session.import_celltypes(table)
    assert report.names == ("A", "New")
    assert report.added == 1
    assert report.unknown_markers == ("NOPE",)
    assert report.unknown_channels == ("XX",)
    assert "Not measured here: NOPE" in str(report)
    assert session.categories["A"].color == "#112233"
    assert session.categories["New"].color == "#445566"
    assert session.labels.counts()["A"] == 12
    assert session.celltypes["A"].channels == ("A", "B", "C")
    assert session.celltypes["A"].expression == "A & !B"
    assert list(session.celltypes) == ["A", "New"]
    assert "B" not in session.celltypes


def test_the_table_follows_its_categories_and_survives_reopening(project, table):
    with Session.open(project) as session:
        session.import_celltypes(table)
        session.categories.rename("New", "Newer")
    with Session.open(project) as session:
        assert list(session.celltypes) == ["A", "Newer"]
        assert session.celltypes["Newer"].channels == ("B", "XX")
        session.undo()
        assert session.undo() == "cell types imported"
        assert list(session.celltypes) == ["A"]  # the category is there, as before the import
        session.redo()
        assert list(session.celltypes) == ["A", "New"]


def test_a_refused_table_changes_nothing(session, table):
    table.write_text(TABLE.replace("#445566", "blue"))
    with pytest.raises(FormatError, match="row 3, hex"):
        session.import_celltypes(table)
    assert "New" not in session.categories
    with pytest.raises(NotReadyError, match="import_celltypes"):
        session.celltypes["A"]


def test_who_may_only_look_imports_nothing(project, table):
    with Session.open(project, read_only=True) as session, pytest.raises(ReadOnlyError):
        session.import_celltypes(table)
