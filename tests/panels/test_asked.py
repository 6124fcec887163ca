"""A quick hand and a slow kernel: an answer is about the cell that was on the screen when it was given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import celltune_nb as ct
from celltune_nb.panels.asked import Going, image, on_screen, seen
from celltune_nb.panels.evaluation import AuditPanel
from celltune_nb.panels.image import ImagePanel
from celltune_nb.panels.labelling import LabellingPanel
from celltune_nb.panels.review import ReviewPanel
from celltune_nb.session.jobs import Jobs
from tests.panels import small


@pytest.fixture
def session(tmp_path: Path) -> Iterator[ct.Session]:
    small.make(tmp_path / "p")
    with ct.Session.open(tmp_path / "p", jobs=Jobs(inline=True)) as session:
        for kind in "AB":
            session.categories.add(kind)
        yield session


@pytest.fixture
def opened(session: ct.Session) -> Iterator[Callable[..., Any]]:
    """``opened(LabellingPanel)`` gives the panel, which is closed at the end."""
    panels: list[Any] = []

    def make(kind: Callable[..., Any]) -> Any:
        panels.append(kind(session))
        return panels[-1]

    yield make
    for panel in panels:
        panel.close()


def of(session: ct.Session, *items: int) -> list[str]:
    """What cells are labelled."""
    names = {c.code: c.name for c in session.categories}
    return [names[int(code)] for code in session.labels.codes()[session.positions(list(items))]]


@pytest.mark.parametrize("nonsense", [{}, {"seen": None}, {"seen": "x"}, {"seen": []}, {"subject": 3}])
def test_a_message_that_says_nothing_of_the_screen_is_taken_as_it_is(
    nonsense: dict[str, object], session: ct.Session
) -> None:
    with on_screen(nonsense):
        assert seen() is None
        assert image(session) == session.view.image
    going = Going()
    going.by_itself()
    with on_screen({"seen": "4"}):
        assert going.late(5) == 4
        assert going.late(4) is None
        going.wanted()
        assert going.late(5) is None


def test_a_key_before_the_next_cell_is_on_the_screen_is_about_the_one_before(
    session: ct.Session, opened: Callable[..., Any]
) -> None:
    panel = opened(LabellingPanel)
    panel.useful()
    first, second, third = (int(i) for i in panel.walk._ids[:3])
    with on_screen({"seen": first}):
        panel.press("1")
        panel.press("1")  # an impatient hand: nothing more
        assert of(session, first, second) == ["A", "Unknown"]
        assert len(session.labels) == 1
        panel.press("2")  # a slip, mended at once
        assert of(session, first, second) == ["B", "Unknown"]
        assert "The cell before is B now" in panel.message
        panel.press("s")
        panel._assign_code(str(session.categories["A"].code))  # a second click is a second key
        assert of(session, first, second) == ["A", "Unknown"]
        assert panel.walk.item == second
    with on_screen({"seen": second}):
        panel.press("2")
    assert of(session, first, second) == ["A", "B"]
    assert panel.walk.item == third


def test_what_the_person_does_herself_counts_in_its_order(
    session: ct.Session, opened: Callable[..., Any]
) -> None:
    panel = opened(LabellingPanel)
    panel.useful()
    first, second, other = (int(i) for i in (*panel.walk._ids[:2], panel.walk._ids[-1]))
    with on_screen({"seen": first}):
        panel.press("1")
        panel.press("ArrowLeft", ["ctrl"])  # back, and another answer, before anything was seen to move
        panel.press("2")
        assert of(session, first, second) == ["B", "Unknown"]
        panel.press("u")
        panel.press("1")
        assert of(session, first, second) == ["A", "Unknown"]
        session.select([other])  # a click on another cell
        panel.press("2")
    assert of(session, first, second, other) == ["A", "Unknown", "B"]


def test_a_review_takes_a_quick_answer_for_the_cell_that_was_seen(
    session: ct.Session, opened: Callable[..., Any]
) -> None:
    for kind in "AB":
        session.label(
            np.concatenate([small.cells(session, name, kind)[:8] for name in ("left", "right")]), kind
        )
    session.train(rounds=3, wait=True)
    queue = session.review(n=6, by="random")
    panel = opened(ReviewPanel)
    panel.resume()
    first, second, third = (int(i) for i in queue.ids[:3])
    steps = len(session.labels)
    with on_screen({"seen": str(first)}):
        for key in "112":
            panel.press(key)
        assert of(session, first, second) == ["B", "Unknown"]
        assert queue.at == 1
        assert "The cell before is B now" in panel.message
        panel.press("s")
        panel.press("m")  # what was offered for the cell that was seen
        assert queue.at == 1
        assert of(session, first) == [queue[0].answer("Pred_MDL1").category]
        panel._note("", "late")
    assert (queue[0].note, queue[1].note) == ("late", "")
    with on_screen({"seen": str(second)}):
        panel.press("u")
        panel.press("1")
        panel._note("", "now")
    assert queue[1].note == "now"
    with on_screen({"seen": str(third)}):
        panel.press("ArrowLeft", ["ctrl"])
        panel.press("2")
    assert len(session.labels) <= steps + 3


def test_a_blind_audit_too(session: ct.Session, opened: Callable[..., Any]) -> None:
    session.draw_audit(8)
    panel = opened(AuditPanel)
    panel.start()
    first = panel.current
    with on_screen({"seen": first}):
        panel.press("1")
        second = panel.current
        panel.press("1")
        panel.press("2")
        panel.press("s")
    assert panel.current == second != first
    assert of(session, first, second) == ["B", "Unknown"]
    assert session.audit.labelled == 1
    with on_screen({"seen": second}):
        panel.press("1")
    assert of(session, second) == ["A"]


def test_a_gesture_on_the_picture_of_the_image_before_hits_nothing_of_the_next(
    session: ct.Session, opened: Callable[..., Any]
) -> None:
    panel = opened(ImagePanel)
    panel.show_image("right")
    items = session.items
    mine = items[items["image"] == "left"].iloc[0]
    with on_screen({"subject": "left"}):
        panel.click(mine["y"], mine["x"])
        assert session.selection.tolist() == [mine.name]
        panel.mark((0, 0, 50, 50))
        assert session.view.rectangle is None
        assert "right was not on the screen yet" in panel.message
    with on_screen({"subject": "right"}):
        panel.mark((0, 0, 50, 50))
        panel.press("s")
    assert session.view.rectangle is not None
    assert set(session.items.loc[session.selection, "image"]) == {"right"}


def test_an_impatient_hand_draws_one_audit(session: ct.Session, opened: Callable[..., Any]) -> None:
    panel = opened(AuditPanel)
    drawing = session.draw_audit

    def impatient(n: int) -> Any:
        panel.draw(n)  # pressed again while the first is being drawn
        return drawing(n)

    session.draw_audit = impatient  # type: ignore[method-assign]
    panel.draw(5)
    assert len(session.audit.ids) == 5
    session.draw_audit = drawing  # type: ignore[method-assign]
    panel.draw(3)
    assert len(session.audit.ids) == 8


def test_a_key_after_the_image_was_switched_labels_nothing_that_is_out_of_sight(
    session: ct.Session, opened: Callable[..., Any]
) -> None:
    panel, image = opened(LabellingPanel), opened(ImagePanel)
    session.set_view(image="left")
    ids = small.cells(session, "left", "A")[:5]
    session.select(ids)
    panel.press("1")
    image.step(1)
    panel._live.do("key", "2")
    assert (
        panel.message
        == "The 5 selected cells are on left, out of sight. Go back there, or select cells here."
    )
    with pytest.raises(ct.errors.NotReadyError, match="out of sight"):
        image.press("2")
    assert of(session, *ids) == ["A"] * 5
    image.step(-1)
    image.press("2")
    assert of(session, *ids) == ["B"] * 5
    # cells of several images, as a matrix selects them
    session.select(np.concatenate([ids, small.cells(session, "right", "A")[:2]]))
    image.press("1")
    assert of(session, *ids) == ["A"] * 5


@pytest.mark.parametrize("verb", ["useful", "next_rectangle"])
def test_without_cells_the_data_tab_is_named(verb: str, tmp_path: Path) -> None:
    with ct.Session.create(tmp_path / "empty", jobs=Jobs(inline=True)) as empty:
        panel = LabellingPanel(empty)
        with pytest.raises(ct.errors.NotReadyError, match="There are no cells yet"):
            getattr(panel, verb)()
        with pytest.raises(ct.errors.NotReadyError, match="There are no cells yet"):
            empty.draw_audit(5)
        panel.close()


def test_with_the_brush_on_only_what_is_clicked_on_the_image_is_labelled(
    session: ct.Session, opened: Callable[..., Any]
) -> None:
    panel, image = opened(LabellingPanel), opened(ImagePanel)
    session.set_view(image="left")
    ids = small.cells(session, "left", "A")[:12]
    session.select(ids)
    panel.press("1")
    session.select([])
    panel.assign("B")
    panel._set_brush("", True)
    where = session.items.loc[ids[0]]
    image.click(where["y"], where["x"])
    assert of(session, ids[0], ids[1]) == ["B", "A"]
    # the same cells again, unseen: going to one is no answer
    review = opened(ReviewPanel)
    session.review(by="blind", n=5)
    review.resume()
    assert session.selection.tolist() == [session.queue.current.id]
    assert session.labels.counts()["B"] == 1
