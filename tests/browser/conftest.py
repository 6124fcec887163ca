"""A real browser, and the two servers it visits: Voilà and JupyterLab."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.served import Lab, Page, write_notebook

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

#: What the console may say although nothing is wrong: missing icons of the page, Lab's own noise, and a plot that was still
#: on its way when its tab was left: it has no size until the tab is looked at again, and is drawn then.
HARMLESS = re.compile(
    r"favicon|Failed to load resource|ResizeObserver loop|extension.*listings|jupyterlab-news"
    r"|<rect> attribute (width|height): A negative value"
)


#: Words that are visible, then each visible field with what it holds.
SHOWN = """() => [
    document.body.innerText.replace(/\\n\\s*/g, " · "),
    ...[...document.querySelectorAll("input, select, textarea, button:disabled")].filter((e) => e.checkVisibility()).map(
        (e) => `${e.ariaLabel ?? e.placeholder ?? ""} ${e.nodeName === "BUTTON" ? `[${e.innerText}] disabled` : `= ${e.value}`}`.trim())
]"""


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


VISITS = pytest.StashKey[list["Visit"]]()


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

    def seen(self) -> str:
        """The words and the fields of the page; a picture too in the folder that ``CELLTUNE_NB_SHOTS`` names."""
        try:
            if folder := os.environ.get("CELLTUNE_NB_SHOTS"):
                self.tab.screenshot(path=str(Path(folder) / f"page-{time.time():.0f}.png"))
            return "\n".join([*self.tab.evaluate(SHOWN), *(f"console: {error}" for error in self.errors)])
        except Exception as error:  # noqa: BLE001  a page that is gone must not hide why
            return f"could not be read: {error}"


@pytest.fixture
def visit(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[..., Visit]]:
    """``visit(width=…, height=…, dpr=…)`` gives a :class:`Visit` in a fresh browser profile."""
    visits = request.node.stash[VISITS] = list[Visit]()

    def make(width: int = 1000, height: int = 800, dpr: float = 1) -> Visit:
        size = {"width": width, "height": height}
        visits.append(Visit(browser.new_context(viewport=size, device_scale_factor=dpr)))
        return visits[-1]

    yield make
    for one in visits:
        one.context.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Generator[None, Any, Any]:
    """Say with a failure what the page showed: on another machine nobody can look at it."""
    report = yield
    if report.failed and call.when == "call":
        report.sections += [("the page at the end", visit.seen()) for visit in item.stash.get(VISITS, [])]
    return report


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
