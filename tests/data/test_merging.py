"""Categories merged and taken apart again, in any order, with the labels given in between."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celltune_nb.data.categories import CategorySet
from celltune_nb.errors import LabelError


def test_a_merged_category_is_known_and_comes_back_as_it_was() -> None:
    now = CategorySet().add("A", "#112233", "5").add("B").add("C")
    merged = now.merge(["A"], "B").merge(["B"], "C")
    assert merged.names == ["Unknown", "C"]
    assert merged.meaning(1) == merged["C"]
    assert merged.parts(3) == {1, 2, 3}
    assert CategorySet.from_json(merged.to_json()) == merged
    back = merged.unmerge("B")
    assert back.meaning(1) == back["B"]
    back = back.unmerge("A")
    assert back["A"] == now["A"]
    assert set(back) == set(now)


def test_what_was_merged_goes_with_the_category_it_is_part_of() -> None:
    gone = CategorySet().add("A").add("B").merge(["A"], "B").remove("B")
    assert gone.meaning(1) is None
    with pytest.raises(LabelError, match="merged"):
        gone.unmerge("A")


def test_a_name_or_key_that_was_taken_meanwhile_is_said_or_left_free() -> None:
    merged = CategorySet().add("A", key="1").add("B").merge(["A"], "B")
    assert merged.add("C", key="1").unmerge("A")["A"].key is None
    with pytest.raises(LabelError, match="already"):
        merged.add("a").unmerge("A")


@pytest.mark.parametrize(
    ("names", "into"), [(["A"], "A"), (["A"], "Unknown"), (["Unknown"], "A"), ([], "A"), (["A"], "X")]
)
def test_a_merge_that_makes_no_sense_is_refused(names: list[str], into: str) -> None:
    with pytest.raises(LabelError):
        CategorySet().add("A").add("B").merge(names, into)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=8))
def test_every_code_means_one_category_after_any_merges(steps: list[tuple[int, int]]) -> None:
    now = CategorySet()
    for name in "ABCDEF":
        now = now.add(name)
    codes = np.arange(1, 7)
    for a, b in steps:
        names = ["ABCDEF"[a], "ABCDEF"[b]]
        if a != b and all(name in now for name in names):
            now = now.merge([names[0]], names[1])
    meant = [now.meaning(int(code)) for code in codes]
    assert all(category in now for category in meant)
    assert sorted(code for c in now if c.code for code in now.parts(c.code)) == codes.tolist()
    while now.merged:
        now = now.unmerge(now.merged[0][0].name)
    assert {c.name for c in now} == {"Unknown", *"ABCDEF"}
