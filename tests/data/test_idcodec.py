"""Ids survive the round trip and take few bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from celltune_nb.data.idcodec import decode_array, decode_ids, encode_array, encode_ids
from celltune_nb.errors import FormatError


@given(st.sets(st.integers(0, 2**62), max_size=200))
def test_ids_round_trip(values: set[int]) -> None:
    ids = np.array(sorted(values), np.int64)
    np.testing.assert_array_equal(decode_ids(encode_ids(ids)), ids)


def test_a_million_consecutive_ids_take_a_few_kilobytes() -> None:
    assert len(encode_ids(np.arange(1, 1_000_001, dtype=np.int64))) < 8_000


@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.float64])
def test_arrays_round_trip(dtype: type) -> None:
    values = np.array([0, 1, -5, 300], dtype)
    np.testing.assert_array_equal(decode_array(encode_array(values)), values)


@pytest.mark.parametrize("stored", [b"", b"?abc", b"1", b"1not zlib", b"8" + encode_ids(np.arange(3))[1:]])
def test_damaged_bytes_are_named(stored: bytes) -> None:
    with pytest.raises(FormatError):
        decode_ids(stored)
