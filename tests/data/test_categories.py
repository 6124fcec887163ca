"""Categories: edits give new sets, bad ones are refused in words."""

from __future__ import annotations

import pytest

from celltune_nb.data.categories import PALETTE, UNKNOWN, CategorySet
from celltune_nb.errors import LabelError


def test_unknown_is_first_grey_and_cannot_be_edited() -> None:
    categories = CategorySet().add("A")
    assert categories[0].name == UNKNOWN
    assert categories[0].color == "#AAAAAA"
    for edit in (
        categories.remove,
        lambda n: categories.rename(n, "B"),
        lambda n: categories.set_excluded(n, True),
    ):
        with pytest.raises(LabelError, match="built in"):
            edit(UNKNOWN)


def test_new_categories_get_the_next_colour_and_key() -> None:
    categories = CategorySet()
    for i in range(11):
        categories = categories.add(f"type {i}")
    assert [c.key for c in categories][1:] == [*"123456789", None, None]
    assert [c.color for c in categories][1:] == list(PALETTE[:11])


def test_codes_are_never_reused() -> None:
    categories = CategorySet().add("A").add("B").remove("B").add("C")
    assert [c.code for c in categories] == [0, 1, 3]
    assert [c.code for c in CategorySet.from_json(categories.to_json()).add("D")] == [0, 1, 3, 4]


def test_a_taken_key_moves_when_it_is_set_but_not_when_it_is_added() -> None:
    categories = CategorySet().add("A").add("B")
    moved = categories.set_key("B", "1")
    assert (moved["A"].key, moved["B"].key) == (None, "1")
    with pytest.raises(LabelError, match="belongs to 'A'"):
        categories.add("C", key="1")


@pytest.mark.parametrize("name", ["", "  ", "a" * 81, "a\nb", "unknown", "ab"])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(LabelError):
        CategorySet().add("AB").add(name)


@pytest.mark.parametrize("color", ["red", "#12345", "#12345G", "#1234567"])
def test_bad_colours_are_refused(color: str) -> None:
    with pytest.raises(LabelError, match="colour"):
        CategorySet().add("A", color)


def test_reorder_wants_every_category_once() -> None:
    categories = CategorySet().add("A").add("B")
    assert categories.reorder(["B", "A"]).names == [UNKNOWN, "B", "A"]
    with pytest.raises(LabelError, match="every category once"):
        categories.reorder(["A"])
