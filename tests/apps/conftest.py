"""What the tests of the served page share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.served import Page, write_notebook


@pytest.fixture
def serve_source(tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Serve a notebook of one cell."""
    pages: list[Page] = []

    def start(source: str, *options: str, first: str = "") -> Page:
        pages.append(Page(write_notebook(tmp_path / "page.ipynb", source), *options, first=first))
        return pages[-1]

    yield start
    for page in pages:
        page.end()
