"""A page served by the real server, and JupyterLab with a notebook; each in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from tests.waiting import LONG

if TYPE_CHECKING:
    from playwright.sync_api import Page as Tab

PROGRAM = """
import sys
import time
from pathlib import Path
from celltune_nb.apps.server import serve
serve(Path(sys.argv[1]), token="token" in sys.argv, say=lambda line: print(line, flush=True))
"""


class Page:
    """A served page; ``first`` is done before it is."""

    def __init__(self, notebook: Path, *options: str, first: str = "") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", first + PROGRAM, str(notebook), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/\S*", line)
        if not found:
            _, _, err = self.end()
            raise AssertionError(f"no address in {line!r}; it said:\n{err}")
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
        out, err = self.process.communicate(timeout=LONG)
        return self.process.returncode, out, err

    def wait_for_kernels(self, number: int, seconds: float = LONG) -> int:
        """Wait until so many kernels are alive; how many are, at the end."""
        deadline = time.monotonic() + seconds
        while len(self.kernels()) != number and time.monotonic() < deadline:
            time.sleep(0.1)
        return len(self.kernels())


class Lab:
    """JupyterLab with one notebook, in a process of its own."""

    def __init__(self, folder: Path, source: str) -> None:
        write_notebook(folder / "page.ipynb", source)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.root = f"http://127.0.0.1:{port}"
        self.address = f"{self.root}/lab/tree/page.ipynb?reset"
        options = [
            "--no-browser",
            "--ip=127.0.0.1",
            f"--ServerApp.port={port}",
            "--ServerApp.port_retries=0",
            "--IdentityProvider.token=",
            "--ServerApp.disable_check_xsrf=True",
            "--expose-app-in-browser",
            f"--ServerApp.root_dir={folder}",
            "--LabApp.news_url=",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        ]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            options.append("--allow-root")
        home = {name: str(folder / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")}
        self.log = (folder / "lab.log").open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            env=os.environ | home,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + LONG
        while time.monotonic() < deadline:
            try:
                self.get("/api/status")
                return
            except OSError:
                time.sleep(0.2)
        self.end()
        raise TimeoutError(f"JupyterLab did not start:\n{(folder / 'lab.log').read_text()}")

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.root + path, timeout=5) as answer:
            return json.load(answer)

    def run(self, tab: Tab, ready: str) -> None:
        """Run the open notebook and wait until ``ready`` is seen."""
        tab.wait_for_function("window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel")
        tab.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
        tab.locator(ready).first.wait_for(timeout=1000 * LONG)

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


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
