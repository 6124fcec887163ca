"""Labels carried across a new segmentation, and labels of two people put together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from celltune_nb.errors import InputError, NotReadyError, ReadOnlyError
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from tests.session.conftest import field


def masks() -> tuple[np.ndarray, np.ndarray]:
    """Nine cells in a row, and another segmentation of them: grown, split, joined, moved, gone."""
    old, new = np.zeros((20, 200), np.uint16), np.zeros((20, 200), np.uint16)
    for i in range(9):
        old[3:15, 20 * i + 3 : 20 * i + 15] = i + 1
    for i in (0, 1, 2):
        new[1:17, 20 * i + 1 : 20 * i + 17] = 10 * (i + 1)  # grown
    new[3:15, 63:69], new[3:15, 69:75] = 40, 50  # the fourth is two
    new[3:15, 83:115] = 60  # the fifth and sixth are one
    new[3:15, 123:155] = 70  # so are the seventh and eighth; the ninth is gone
    return old, new


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Session, Session]:
    image = np.random.default_rng(0).poisson(9, (1, 20, 200)).astype(np.uint16)
    found = []
    for name, mask in zip(("old", "new"), masks(), strict=True):
        session = Session.create(tmp_path / name, jobs=Jobs(inline=True))
        session.add_image("a", image, mask)
        found.append(session)
    one, other = found
    for name in ("A", "B"):
        one.categories.add(name)
    one.user = "anna"
    one.label([1, 2, 4, 5, 7], "A")
    one.user = "ben"
    one.label([6, 8, 9], "B", source="rectangle")
    one.label([8], "A")
    yield one, other
    for session in found:
        session.close()


def test_labels_follow_their_cells_and_what_became_of_the_others_is_told(
    pair: tuple[Session, Session],
) -> None:
    one, other = pair
    other.categories.add("b", "#123456")
    other.label([2], "b")
    report = other.carry_labels(one, minimum=0.6)
    labels = other.labels.to_pandas()
    assert labels["category"].astype(str).to_dict() == {1: "A", 2: "b", 7: "A"}
    assert labels["user"].astype(str)[1] == "anna"
    assert report.table.loc["A"].to_dict() == {
        "carried": 2, "kept": 1, "ambiguous": 1, "merged": 1, "split": 1, "lost": 0,
    }  # fmt: skip
    assert report.table.loc["B"].to_dict() == {
        "carried": 0, "kept": 0, "ambiguous": 1, "merged": 0, "split": 0, "lost": 1,
    }  # fmt: skip
    assert {name: ids.tolist() for name, ids in report.ids.items()} == {
        "carried": [1, 7], "kept": [2], "ambiguous": [6], "split": [4, 5],
    }  # fmt: skip
    assert report.sources["lost"].tolist() == [9]
    assert "2 carried" in str(report)
    assert other.undo() == "2 labels carried from old"
    assert other.labels.counts() == {"Unknown": 6, "b": 1}
    other.redo()
    assert other.labels.to_pandas().equals(labels)


def test_several_peoples_labels_are_one_step_also_in_a_script(
    pair: tuple[Session, Session], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = pair
    one.user = "ben"
    one.label([2], "B")
    other.carry_labels(one.folder, minimum=0.6)
    assert other.labels.to_pandas()["user"].astype(str).to_dict()[1] == "anna"
    before = other.labels.to_pandas()
    assert set(before["user"].astype(str)) == {"anna", "ben"}
    other.undo()
    assert other.labels.counts() == {"Unknown": 7}
    other.redo()
    assert other.labels.to_pandas().equals(before)
    from tests.session.test_script import replayed, same_labels

    with replayed(other.script(), tmp_path, monkeypatch) as again:
        same_labels(other, again)
        assert again.labels.to_pandas()["user"].astype(str).equals(before["user"].astype(str))
        again.user = other.user
        again.undo()
        other.undo()
        same_labels(other, again)


@pytest.mark.parametrize(
    "options", [{"minimum": 0}, {"minimum": "a"}, {"by": "area"}, {"images": ["b"]}, {"images": {"a": "c"}}]
)
def test_what_cannot_be_carried_is_said_and_changes_nothing(
    pair: tuple[Session, Session], options: dict
) -> None:
    one, other = pair
    revision = other.labels.revision
    with pytest.raises(InputError):
        other.carry_labels(one, **options)
    with pytest.raises(InputError):
        other.carry_labels(other)
    with pytest.raises(InputError):
        other.carry_labels(7)
    assert other.labels.revision == revision


def test_images_of_other_sizes_or_names_are_told_apart(tmp_path: Path, pair: tuple[Session, Session]) -> None:
    one, _ = pair
    image, mask, _ = field(0, cells=2)
    with Session.create(tmp_path / "third", jobs=Jobs(inline=True)) as third:
        third.add_image("a", image, mask)
        with pytest.raises(InputError, match="40 × 40 pixels here"):
            third.carry_labels(one)
    with Session.create(tmp_path / "fourth", jobs=Jobs(inline=True)) as fourth:
        fourth.add_image("z", image, mask)
        with pytest.raises(NotReadyError, match="images="):
            fourth.carry_labels(one)
    with Session.open(tmp_path / "fourth", read_only=True, jobs=Jobs(inline=True)) as looking:
        with pytest.raises(ReadOnlyError):
            looking.carry_labels(one)
        with pytest.raises(ReadOnlyError):
            looking.merge_labels(one)


# ---------------------------------------------------------------------- two people


def table(session: Session, labels: dict[int, str], user: str | None = "ben") -> pd.DataFrame:
    items = session.items.loc[list(labels), ["image", "cellID"]].reset_index(drop=True)
    items["class"] = list(labels.values())
    if user is not None:
        items["user"] = user
    return items


def test_anothers_labels_are_added_and_disagreements_are_left_to_look_at(
    session: Session, tmp_path: Path
) -> None:
    session.label([1, 2, 3], "A")
    session.label([4, 5], "B")
    theirs = table(session, {1: "A", 2: "A", 3: "B", 4: "B", 6: "C", 7: "new", 8: "Unknown"})
    theirs.loc[len(theirs)] = ["field 9", 1, "A", "ben"]
    report = session.merge_labels(theirs)
    labels = session.labels.to_pandas()
    assert labels["category"].astype(str).to_dict() == {
        1: "A",
        2: "A",
        3: "A",
        4: "B",
        5: "B",
        6: "C",
        7: "new",
    }
    assert labels["user"].astype(str)[[6, 7]].tolist() == ["ben", "ben"]
    assert (report.added, report.changed, report.unmatched) == (2, 0, 1)
    assert report.disagreements.tolist() == [3]
    assert report.answers.to_dict("records") == [{"mine": "A", "theirs": "B", "user": "ben"}]
    assert report.table.loc["A"].to_dict() == {"A": 2, "B": 1}
    assert report.agreement.n == 4
    assert report.agreement.kappa == pytest.approx(0.5)  # observed 3/4, by chance 1/2
    assert report.agreement.low <= 0.5 <= report.agreement.high
    queue = session.review(ids=report.disagreements, reason="ben says otherwise")
    assert list(queue.ids) == [3]
    assert session.undo() == "2 labels taken over from a table"
    assert "new" not in session.categories
    path = tmp_path / "labels.csv"
    theirs.to_csv(path, index=False)
    assert session.merge_labels(path, on_conflict="theirs").changed == 1
    assert session.labels.to_pandas().loc[3, ["category", "user"]].astype(str).tolist() == ["B", "ben"]


def test_another_project_is_merged_with_the_names_of_its_people(
    session: Session, project: Path, tmp_path: Path
) -> None:
    import shutil

    copy = Path(shutil.copytree(session.folder, tmp_path / "copy"))
    with Session.open(copy, jobs=Jobs(inline=True)) as other:
        for user, ids in (("anna", [1, 2]), ("ben", [3, 4])):
            other.user = user
            other.label(ids, "A")
        other.categories.add("D", "#010203", "7")
        other.label([5], "D")
    session.label([1], "B")
    report = session.merge_labels(copy, on_conflict="mine")
    assert not len(report.disagreements)
    assert list(report.answers["theirs"]) == ["A"]
    labels = session.labels.to_pandas()
    assert labels["user"].astype(str)[[2, 3, 4, 5]].tolist() == ["anna", "ben", "ben", "ben"]
    assert (session.categories["D"].color, session.categories["D"].key) == ("#010203", "7")
    assert session.undo() == "4 labels taken over from copy"
    assert session.labels.counts()["Unknown"] == 299
    assert "D" not in session.categories


def test_two_people_in_one_project_are_compared_by_their_last_answers(session: Session) -> None:
    for user, ids, category in (
        ("anna", [1, 2, 3], "A"), ("ben", [1, 2], "A"), ("ben", [2, 3], "B"), ("anna", [9], "C"), ("ben", [9], "C"),
    ):  # fmt: skip
        session.user = user
        session.label(ids, category)
    session.label([1], "C")
    session.undo()
    report = session.compare_users("anna", "ben")
    assert report.disagreements.tolist() == [2, 3]
    assert report.agreement.n == 4
    with pytest.raises(InputError, match="anna, ben"):
        session.compare_users("anna", "carl")


def test_a_table_that_names_no_cells_is_refused(session: Session) -> None:
    with pytest.raises(InputError, match="no column 'class'"):
        session.merge_labels(session.items[["image", "cellID"]])
    with pytest.raises(InputError, match="compare_users"):
        session.merge_labels(session.folder)
