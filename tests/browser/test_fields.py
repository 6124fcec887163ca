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


LATE = """
import time
from celltune_nb.panels.theme import Live, styles, tag
live, told, answers = Live(), [], 0
def draw():
    live.html = tag(
        "div",
        tag("button", "Ask", do="ask"),
        tag("section", tag("textarea", f"rule {answers}" if answers else "", do="rule", reset=answers, aria_label="Rule")),
        [tag("p", f"nudge {i}") for i in range(3 if answers % 2 else 0)],
        tag("section", tag("p", "first")),
        tag("section", tag("input", type="text", do="name", on="enter", aria_label="Name")),
        tag("section", tag("input", type="text", do="gone", aria_label="Gone")) if answers < 3 else None,
        tag("p", f"{answers} answers; told {' '.join(told)}"),
    )
def ask():
    global answers
    time.sleep(0.5)
    answers += 1
    draw()
def keep(_, value):
    told.append(value)
    draw()
live.on("ask", ask)
live.on("rule", keep)
live.on("name", keep)
draw()
live
"""


def test_what_is_typed_stays_where_it_is_while_the_page_changes_round_it(
    visit: Callable, voila: Callable
) -> None:
    seen = visit()
    tab = seen.open(voila(LATE).address, "[aria-label=Rule]")
    pressed: list[str] = tab.evaluate(
        "window.strayed = []; window.addEventListener('keydown', (e) => e.target === document.body && strayed.push(e.key)); strayed"
    )
    assert pressed == []
    ask, rule, name = tab.get_by_text("Ask"), tab.get_by_label("Rule"), tab.get_by_label("Name")

    # empty at first, then kept elsewhere
    assert rule.input_value() == ""

    # words come before it and go again: half a name is neither lost nor taken for keys
    for answers in (1, 2):
        ask.click()
        name.focus()
        tab.keyboard.type("ab")
        tab.get_by_text(f"{answers} answers").wait_for()
        assert rule.input_value() == f"rule {answers}"
        tab.keyboard.type("c")
        assert name.input_value() == "abc" * answers
    tab.keyboard.press("Enter")
    tab.get_by_text("told abcabc").wait_for()

    # a longer text, too; left alone it shows what is kept
    ask.click()
    rule.fill("mine")
    tab.get_by_text("3 answers").wait_for()
    assert rule.input_value() == "mine"
    rule.press("Enter")
    tab.get_by_text("told abcabc mine").wait_for()
    ask.click()
    tab.get_by_text("4 answers").wait_for()
    assert rule.input_value() == "rule 4"
    assert tab.evaluate("strayed") == []
    assert seen.errors == []


def test_letters_of_a_field_that_goes_away_are_no_keys(visit: Callable, voila: Callable) -> None:
    seen = visit()
    tab = seen.open(voila(LATE).address, "[aria-label=Gone]")
    tab.evaluate(
        "window.strayed = []; window.addEventListener('keydown', (e) => e.target === document.body && strayed.push(e.key))"
    )
    for _ in range(2):
        tab.get_by_text("Ask").click()
    tab.get_by_text("2 answers").wait_for()
    tab.get_by_text("Ask").click()
    tab.get_by_label("Gone").focus()
    tab.keyboard.type("half a")
    tab.get_by_label("Gone").wait_for(state="detached")
    tab.keyboard.type("word")
    assert tab.evaluate("strayed") == []
    tab.locator(".ct-bin").wait_for(state="detached")  # a moment later keys are keys again
    assert seen.errors == []


CHOOSING = """
from celltune_nb.panels.theme import Live, tag
live, told, chosen = Live(keys=("n",)), [], "yes"
def draw(*heard):
    global chosen
    told.append("=".join(map(str, heard)))
    chosen = heard[1] if heard and heard[0] == "choice" else chosen
    live.html = tag(
        "div",
        tag("select", [tag("option", one, selected=one == chosen) for one in ("yes", "no")], do="choose", aria_label="Choice"),
        tag("p", "told" + " ".join(told)),
    )
live.on("choose", lambda _, value: draw("choice", value))
live.on("key", lambda key, _: draw("key", key))
draw()
live
"""


def test_a_key_after_a_list_was_chosen_from_does_not_choose_again(visit: Callable, voila: Callable) -> None:
    seen = visit()
    tab = seen.open(voila(CHOOSING).address, "[aria-label=Choice]")
    choice = tab.get_by_label("Choice")
    choice.focus()
    choice.dispatch_event("pointerdown")
    choice.select_option("no")
    tab.get_by_text("choice=no").wait_for()
    assert tab.evaluate("document.activeElement.tagName") == "BODY"
    # by the keyboard alone it keeps the focus: the next arrow goes on
    choice.focus()
    choice.press("ArrowUp")
    tab.get_by_text("choice=yes").wait_for()
    assert tab.evaluate("document.activeElement.tagName") == "SELECT"
    assert seen.errors == []
