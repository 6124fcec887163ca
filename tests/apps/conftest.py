"""A page served by the real server, in a process of its own."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

PROGRAM = """
import sys
from pathlib import Path
from celltune_nb.apps.server import serve
serve(Path(sys.argv[1]), token="token" in sys.argv, say=lambda line: print(line, flush=True))
"""


class Page:
    """A served page."""

    def __init__(self, notebook: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(notebook), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/\S*", line)
        assert found, f"no address in {line!r}"
        self.address, self.port = found.group(0), int(found.group(1))

    def kernels(self) -> list[psutil.Process]:
        return [
            child
            for child in psutil.Process(self.process.pid).children(recursive=True)
            if "ipykernel_launcher" in " ".join(child.cmdline())
        ]

    def end(self) -> tuple[int, str, str]:
        """Press Ctrl-C; the exit code, what was printed, and what was complained about."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


def write_notebook(path: Path, source: str) -> Path:
    cell = {
        "cell_type": "code",
        "execution_count": None,
        "id": "a",
        "metadata": {},
        "outputs": [],
        "source": source,
    }
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(notebook))
    return path


@pytest.fixture
def serve_source(tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Serve a notebook of one cell."""
    pages: list[Page] = []

    def start(source: str, *options: str) -> Page:
        pages.append(Page(write_notebook(tmp_path / "page.ipynb", source), *options))
        return pages[-1]

    yield start
    for page in pages:
        page.end()
