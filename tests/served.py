"""A page served by the real server, in a process of its own."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

PROGRAM = """
import sys
import time
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
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            # one may end while it is looked at
            with contextlib.suppress(psutil.NoSuchProcess):
                if "ipykernel_launcher" in " ".join(child.cmdline()):
                    found.append(child)
        return found

    def end(self) -> tuple[int, str, str]:
        """Press Ctrl-C; the exit code, what was printed, and what was complained about."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err

    def wait_for_kernels(self, number: int, seconds: float = 10) -> int:
        """Wait until so many kernels are alive; how many are, at the end."""
        deadline = time.monotonic() + seconds
        while len(self.kernels()) != number and time.monotonic() < deadline:
            time.sleep(0.1)
        return len(self.kernels())


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
