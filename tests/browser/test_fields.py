"""Fields of the panels while the kernel is slow: its answer to one must not spoil what is typed in the next."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.browser

SOURCE = """
import time
from celltune_nb.panels.theme import Live, styles, tag
live, answers = Live(), 0
def draw(name=""):
    live.html = tag(
        "div",
        tag("input", type="text", value="", do="limit", aria_label="Limit"),
        tag("input", type="text", value=name, do="name", reset=str(answers), aria_label="Name"),
        tag("p", f"{answers} answers"),
    )
def limit(_, value):
    global answers
    time.sleep(0.5)
    answers += 1
    draw(f"above {value}")
live.on("limit", limit)
draw()
live
"""


def test_a_slow_answer_spoils_nothing_that_is_typed(visit: Callable, voila: Callable) -> None:
    seen = visit()
    tab = seen.open(voila(SOURCE).address, "[aria-label=Limit]")
    limit, name = tab.get_by_label("Limit"), tab.get_by_label("Name")

    # typed before the answer: it stays
    limit.fill("3")
    limit.press("Enter")
    name.focus()
    tab.keyboard.type("mine")
    tab.get_by_text("1 answers").wait_for()
    assert name.input_value() == "mine"

    # typed after it, in a field that was entered before: it takes the place of what the kernel proposed
    name.fill("")
    limit.fill("4")
    limit.press("Enter")
    name.focus()
    tab.get_by_text("2 answers").wait_for()
    assert name.input_value() == "above 4"
    tab.keyboard.type("mine")
    assert name.input_value() == "mine"
    assert seen.errors == []
