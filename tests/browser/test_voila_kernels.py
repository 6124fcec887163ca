"""Every visit has a kernel of its own, and none outlives its page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.served import Page, write_notebook

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

SOURCE = """
import ipywidgets
button = ipywidgets.Button(description="press", icon="check")
answer = ipywidgets.Label("waiting")
button.on_click(lambda _: setattr(answer, "value", "pressed"))
ipywidgets.VBox([button, answer, ipywidgets.HTMLMath("$x^2$")])
"""


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    served = Page(write_notebook(tmp_path / "page.ipynb", SOURCE))
    yield served
    served.end()


def test_closing_a_page_ends_its_kernel(browser: Browser, page: Page) -> None:
    context = browser.new_context()
    # as in a person's browser, the window stays when a page is closed
    context.new_page()
    for _ in range(3):
        visit = context.new_page()
        visit.goto(page.address)
        visit.get_by_role("button", name="press").click()
        visit.get_by_text("pressed").wait_for()
        assert len(page.kernels()) == 1
        visit.close(run_before_unload=True)
        assert page.wait_for_kernels(0) == 0
    context.close()


def test_loading_a_page_again_leaves_one_kernel(browser: Browser, page: Page) -> None:
    context = browser.new_context()
    visit = context.new_page()
    visit.goto(page.address)
    visit.get_by_role("button", name="press").click()
    visit.get_by_text("pressed").wait_for()
    visit.reload()
    visit.get_by_text("waiting").wait_for()
    assert page.wait_for_kernels(1) == 1
    context.close()


def test_the_page_fetches_nothing_from_elsewhere(browser: Browser, page: Page) -> None:
    context = browser.new_context()
    visit = context.new_page()
    asked: list[str] = []
    visit.on("request", lambda request: asked.append(request.url))
    visit.goto(page.address)
    visit.locator("mjx-container, .MathJax").first.wait_for()
    assert asked
    elsewhere = [url for url in asked if not url.startswith((page.address, "data:", "blob:"))]
    assert elsewhere == []
    context.close()


@pytest.mark.parametrize(
    ("desktop", "query", "dark"),
    [
        ("light", "", False),
        ("dark", "", True),
        ("light", "?theme=dark", True),
        ("dark", "?theme=light", False),
    ],
)
def test_the_page_follows_the_desktop_unless_told(
    browser: Browser, page: Page, desktop: str, query: str, dark: bool
) -> None:
    context = browser.new_context(color_scheme=desktop)
    visit = context.new_page()
    visit.goto(page.address + query)
    visit.get_by_role("button", name="press").wait_for()
    background = visit.evaluate("getComputedStyle(document.body).backgroundColor")
    levels = [int(level) for level in background[4:-1].split(",")]
    assert (max(levels) < 100) is dark
    assert visit.locator("body").get_attribute("data-jp-theme-light") == str(not dark).lower()
    context.close()
