"""Amounts are said in the same words everywhere."""

from __future__ import annotations

import pytest

from celltune_nb.data.amounts import bytes_in_words, duration, percent


@pytest.mark.parametrize(
    ("nbytes", "words"),
    [(0, "0 kB"), (499, "499 bytes"), (1_234, "1 kB"), (3_440_000, "3.4 MB"), (12e6, "12 MB"), (1.23e9, "1.2 GB"),
     (1.2e12, "1.2 TB"), (1e16, "more than a petabyte")],
)  # fmt: skip
def test_bytes(nbytes: float, words: str) -> None:
    assert bytes_in_words(nbytes) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "0 s"), (40, "40 s"), (89.4, "89 s"), (90, "2 min"), (720, "12 min"), (9000, "2.5 h")],
)
def test_times(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("share", "words"),
    [(0, "0.0 %"), (0.0421, "4.2 %"), (0.0994, "9.9 %"), (0.0996, "10 %"), (0.421, "42 %"), (1, "100 %")],
)
def test_shares(share: float, words: str) -> None:
    assert percent(share) == words
