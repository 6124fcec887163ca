"""Items: ids in a fixed order, look-up by id, image and rectangle."""

from __future__ import annotations

import numpy as np
import pytest

from celltune_nb.data.items import ItemTable
from celltune_nb.errors import InputError


@pytest.fixture
def table() -> ItemTable:
    first = ItemTable().extended(
        "a", np.array([7, 2]), np.array([5.0, 1.0]), np.array([5.0, 1.0]), group="d1"
    )
    return first.extended("b", np.array([1]), np.array([3.0]), np.array([3.0]), group="d2")


def test_ids_follow_the_images_and_then_the_cells(table: ItemTable) -> None:
    frame = table.to_pandas()
    assert frame.index.tolist() == [1, 2, 3]
    assert frame["cellID"].tolist() == [2, 7, 1]
    assert frame["y"].tolist() == [1.0, 5.0, 3.0]
    assert frame["group"].tolist() == ["d1", "d1", "d2"]


def test_rectangles_are_half_open(table: ItemTable) -> None:
    assert table.inside(0, (1, 1, 5, 5)).tolist() == [0]
    assert table.inside(0, (0, 0, 5.1, 5.1)).tolist() == [0, 1]


@pytest.mark.parametrize("ids", [[0], [4], [-1], ["a"], [1.5], [[1]]])
def test_ids_that_are_no_items_are_refused(table: ItemTable, ids: list[object]) -> None:
    with pytest.raises(InputError):
        table.positions(ids)


def test_positions_keep_the_order_given(table: ItemTable) -> None:
    assert table.positions([3, 1]).tolist() == [2, 0]
    assert table.positions([]).tolist() == []


def test_without_a_group_everywhere_the_image_is_the_unit(table: ItemTable) -> None:
    assert table.units()[1] == "group"
    assert table.extended("c", np.array([1]), np.zeros(1), np.zeros(1)).units()[1] == "image"


def test_a_table_names_the_groups_of_some_rows(table: ItemTable) -> None:
    again = table.regrouped(np.array([0, 2]), np.array(["d2", None], object))
    assert again.to_pandas()["group"].tolist()[:2] == ["d2", "d1"]
    assert again.to_pandas()["group"].isna().tolist() == [False, False, True]
    assert again.units()[1] == "image"
    assert table.to_pandas()["group"].tolist() == ["d1", "d1", "d2"]  # the former table is as it was
    whole = again.regrouped(np.arange(3), np.array(["x", "x", "x"], object))
    assert whole.group_names == ["x"]
    assert whole.units()[1] == "group"
    assert not whole.several_units
    assert table.several_units
