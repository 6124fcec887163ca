"""Merging categories of labelled cells, and taking them apart at any time later."""

from __future__ import annotations

from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs


def test_a_merge_is_taken_apart_later_without_touching_what_was_labelled_since(session: Session) -> None:
    session.label([1, 2, 3], "A")
    session.label([4, 5], "B")
    session.label([6], "C")
    before = session.labels.to_pandas()
    session.categories.merge(["A", "B"], "C")
    assert session.labels.counts() == {"Unknown": 294, "C": 6}
    assert session.categories.merged == {"A": "C", "B": "C"}
    session.label([2, 7], "C")  # labelled anew: this is no A any more
    with Session.open(session.folder, read_only=True, jobs=Jobs(inline=True)) as other:
        assert other.categories.merged == {"A": "C", "B": "C"}
    session.categories.unmerge("A")
    after = session.labels.to_pandas()
    assert after["category"].astype(str).to_dict() == {1: "A", 2: "C", 3: "A", 4: "C", 5: "C", 6: "C", 7: "C"}
    assert after.loc[1, "batch"] == before.loc[1, "batch"]
    assert session.categories.merged == {"B": "C"}
    assert session.undo() == "category A taken out again"
    session.undo()  # the labels given after the merge
    session.undo()
    assert session.labels.to_pandas().astype(str).equals(before.astype(str))
    assert session.categories.merged == {}


def test_a_category_of_merged_parts_comes_back_with_them(session: Session) -> None:
    session.label([1], "A")
    session.label([2], "B")
    session.categories.merge("A", "B")
    session.categories.merge("B", "C")
    session.categories.unmerge("B")
    assert session.labels.counts() == {"Unknown": 298, "C": 0, "B": 2}
    session.categories.unmerge("A")
    assert session.labels.to_pandas()["category"].astype(str).to_dict() == {1: "A", 2: "B"}


def test_an_import_of_many_categories_is_taken_apart_too(session: Session) -> None:
    items = session.items
    table = items.loc[[1, 2, 3], ["image", "cellID"]].assign(**{"class": ["A", "B", "A"]})
    session.import_labels(table)
    session.categories.merge("A", "B")
    session.categories.unmerge("A")
    assert session.labels.to_pandas()["category"].astype(str).to_dict() == {1: "A", 2: "B", 3: "A"}
