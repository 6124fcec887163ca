"""A real browser, and the two servers it visits: Voilà and JupyterLab."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.served import Page, write_notebook

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext
    from playwright.sync_api import Page as Tab

FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # so that a test can collect garbage before it weighs the page
    "--js-flags=--expose-gc",
]

#: What the console may say although nothing is wrong: missing icons of the page, and Lab's own noise.
HARMLESS = re.compile(
    r"favicon|Failed to load resource|ResizeObserver loop|extension.*listings|jupyterlab-news"
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium: Debian's where it is installed, else Playwright's own."""
    playwright = pytest.importorskip("playwright.sync_api")
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    flags = [*FLAGS, "--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else FLAGS
    with playwright.sync_playwright() as program:
        try:
            browser = program.chromium.launch(executable_path=found, args=flags)
        except playwright.Error as error:
            pytest.skip(f"no browser could be started: {str(error).splitlines()[0]}")
        yield browser
        browser.close()


class Visit:
    """A tab, and what its console complained about."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.tab: Tab = context.new_page()
        self.errors: list[str] = []
        self.tab.on("console", self._console)
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))

    def _console(self, message: Any) -> None:
        if message.type == "error" and not HARMLESS.search(message.text):
            self.errors.append(message.text)

    def open(self, address: str, ready: str, timeout: float = 40) -> Tab:
        """Go there and wait until something that matches the CSS selector ``ready`` is seen."""
        self.tab.goto(address)
        self.tab.locator(ready).first.wait_for(timeout=timeout * 1000)
        return self.tab


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """``visit(width=…, height=…, dpr=…)`` gives a :class:`Visit` in a fresh browser profile."""
    contexts = []

    def make(width: int = 1000, height: int = 800, dpr: float = 1) -> Visit:
        size = {"width": width, "height": height}
        context = browser.new_context(viewport=size, device_scale_factor=dpr)
        contexts.append(context)
        return Visit(context)

    yield make
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def voila(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Page]]:
    """``voila(source)`` serves a notebook with this one cell; started once per module and source."""
    served: dict[str, Page] = {}

    def serve(source: str) -> Page:
        if source not in served:
            served[source] = Page(write_notebook(tmp_path_factory.mktemp("voila") / "page.ipynb", source))
        return served[source]

    yield serve
    for page in served.values():
        page.end()


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
        deadline = time.monotonic() + 40
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
        tab.locator(ready).first.wait_for(timeout=40_000)

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Callable[[str], Lab]]:
    """``lab(source)`` starts JupyterLab on a notebook with this one cell."""
    started: list[Lab] = []

    def start(source: str) -> Lab:
        started.append(Lab(tmp_path, source))
        return started[-1]

    yield start
    for server in started:
        server.end()
