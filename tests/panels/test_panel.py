from __future__ import annotations

import threading

import bqplot
import ipywidgets as w
import numpy as np
import pytest
from ipywidgets.widgets import widget as widget_module

import celltune_nb as ct
from celltune_nb.errors import NotReadyError
from celltune_nb.panels import actions, theme
from celltune_nb.panels.panel import Panel
from celltune_nb.panels.theme import tag
from tests.panels import small


class Counter(Panel):
    """How many cells are selected, with a button that fails in two ways."""

    def __init__(self, session):
        super().__init__(session)
        self.pressed = 0
        self.count = theme.text()
        self.button = theme.button("Press", self.guard(self.press))
        self.slider = theme.slider(1, 0, 2, 0.1)
        self.slider.observe(self.guard(self.slide), "value")
        scale = bqplot.LinearScale()
        figure = bqplot.Figure(
            marks=[bqplot.Lines(x=[1], y=[1], scales={"x": scale, "y": scale})],
            axes=[bqplot.Axis(scale=scale)],
        )
        self.widget = theme.column(
            self.count, self.button, theme.field("Size", self.slider), theme.fold("More", figure),
            theme.tabs({"One": theme.section("Title", theme.row(theme.number(3, 0, 9)))}),
        )  # fmt: skip
        self.listen(session.selection_changed, self.selected)

    def press(self):
        self.pressed += 1
        if self.pressed == 2:
            raise NotReadyError("Nothing is ready. Wait a <little>.")
        if self.pressed == 3:
            raise KeyError("surprise")

    def slide(self):
        self.session.set_view(opacity=self.slider.value / 2)

    def selected(self, event):
        self.count.value = str(len(event.ids))
        self.slider.value = 0.5


@pytest.fixture
def panel(session):
    panel = Counter(session)
    yield panel  # its failures are meant
    panel.close()


def test_an_error_is_said_in_place_and_the_next_success_clears_it(panel):
    panel.button.click()
    assert panel.message == ""
    panel.button.click()
    assert panel.message == "Nothing is ready. Wait a <little>."
    shown = panel.widget.children[-1].value
    assert "Wait a &lt;little&gt;." in shown
    assert 'role="alert"' in shown
    assert panel.session.problems == []
    panel.button.click()
    assert "KeyError" in panel.message
    assert "surprise" in panel.session.problems[0]
    panel.button.click()
    assert panel.message == ""


def test_what_the_panel_sets_itself_is_no_wish_of_the_person(panel):
    before = panel.session.view.opacity
    panel.session.select(panel.session.items.index[:3])
    assert panel.count.value == "3"
    assert panel.slider.value == 0.5
    assert panel.session.view.opacity == before
    panel.slider.value = 0.8
    assert panel.session.view.opacity == 0.4


def test_signals_from_another_thread_arrive(panel):
    thread = threading.Thread(target=panel.session.select, args=(panel.session.items.index[:5],))
    thread.start()
    thread.join()
    assert panel.count.value == "5"


def test_close_frees_every_widget_and_stops_listening(session):
    before = set(widget_module._instances)
    panel = Counter(session)
    spare = w.Button()
    panel.own(spare)
    assert len(set(widget_module._instances) - before) > 30
    panel.close()
    panel.close()
    assert set(widget_module._instances) == before
    session.select(session.items.index[:2])
    assert panel.count.value == ""


def test_opening_a_panel_again_closes_the_one_before(session):
    first, second = Counter(session), Counter(session)
    assert first.closed
    assert not second.closed
    first.close()
    session.select(session.items.index[:2])
    assert second.count.value == "2"
    second.close()


def test_a_panel_shows_itself(panel):
    shown = panel._repr_mimebundle_()
    assert shown["application/vnd.jupyter.widget-view+json"]["model_id"] == panel.widget.model_id


def test_markup_cannot_be_smuggled_in():
    made = tag("b", "<script>", tag("i", "ok"), title='"><script>', hidden=False, disabled=True, cls="x")
    assert made == '<b title="&quot;&gt;&lt;script&gt;" disabled class="x">&lt;script&gt;<i>ok</i></b>'


def test_live_markup_answers_a_click(wire):
    heard = []
    live = theme.Live(tag("button", "Go", do="go", what="a"))
    live.on("go", lambda what, value: heard.append((what, value)))
    live.on("count", lambda: heard.append("count"))
    wire.receive(live, {"do": "go", "what": "a", "value": "shift"})
    wire.receive(live, {"do": "count", "what": "", "value": None})
    wire.receive(live, {"do": "unknown"})
    assert heard == [("a", "shift"), "count"]
    live.layout.close()
    live.close()


def test_the_theme_knows_every_class_that_the_controls_use():
    rules = theme._css()
    for name in (
        "ct-button",
        "ct-primary",
        "ct-segmented",
        "ct-field",
        "ct-section",
        "ct-tabs",
        "ct-note",
        "ct-table",
    ):
        assert f".{name}" in rules
    assert "/*" not in rules
    assert rules.count("{") == rules.count("}")


# ---------------------------------------------------------------------- actions


def test_keys_mean_the_same_whatever_is_held():
    assert actions.key_to_action("3") == actions.Action("assign", "3")
    assert actions.key_to_action("3", ["shift"]) == actions.Action("assign", "3")
    assert actions.key_to_action("0").verb == actions.key_to_action("Delete").verb == "clear"
    assert actions.key_to_action("z", ["ctrl"]).verb == actions.key_to_action("u").verb == "undo"
    assert actions.key_to_action("Z", ["ctrl", "shift"]).verb == actions.key_to_action("r").verb == "redo"
    assert actions.key_to_action("s", ["ctrl"]) is None  # the browser's own
    assert actions.key_to_action("1", ["alt"]) is None
    assert actions.key_to_action("x") is None


def source_of(session):
    return session.labels.to_pandas()["source"]


def test_the_source_of_a_label_follows_from_how_the_cells_were_chosen(session):
    session.categories.add("A")
    session.set_view(image="left", rectangle=(0, 0, 100, 200))
    ids = actions.sample_in_rectangle(session, 12)
    assert set(ids) <= set(session.items_in("left", (0, 0, 100, 200)))
    assert actions.assign(session, "A") == 12
    assert set(source_of(session)[ids]) == {"rectangle"}
    session.select(ids[:1])
    actions.assign(session, "A")
    assert source_of(session)[ids[0]] == "click"
    session.set_view(image="right")
    session.select(small.cells(session, "right", "A")[:3])
    actions.assign(session, "A")
    assert set(source_of(session)[session.selection]) == {"batch"}


def test_a_label_that_contradicts_the_prediction_is_a_correction(session):
    small.labelled(session).train(models=("xgboost",), wait=True)
    wrong = small.cells(session, "left", "A")[20:22]
    assert set(session.populations["Pred_AVG"].to_pandas()[wrong]) == {"A"}
    session.select(wrong[:1])
    actions.assign(session, "B")
    session.select(wrong[1:])
    actions.assign(session, "A")
    assert list(source_of(session)[wrong]) == ["correction", "click"]
    # a random sample is no correction, even where the models are wrong about it
    session.set_view(image="right", rectangle=(0, 0, 200, 200))
    ids = actions.sample_in_rectangle(session, 20)
    actions.assign(session, "A")
    assert set(source_of(session)[ids]) == {"rectangle"}


def test_audit_cells_count_as_audited_only_while_blind(session):
    session.categories.add("A")
    ids = session.draw_audit(6)
    session.set_view(blind=True)
    session.select(ids[:3])
    actions.assign(session, "A")
    session.set_view(blind=False)
    session.select(ids[3:])
    actions.assign(session, "A")
    assert set(source_of(session)[np.sort(ids[:3])]) == {"audit"}
    assert "audit" not in set(source_of(session)[np.sort(ids[3:])])


def test_toggle_turns_a_cell_and_turns_it_back(session):
    session.categories.add("A")
    item = int(session.items.index[4])
    assert actions.toggle(session, item, "A") == "A"
    assert list(session.selection) == [item]
    assert actions.toggle(session, item, "A") == "Unknown"
    assert len(session.labels) == 0


def test_actions_say_what_to_do_first(session):
    with pytest.raises(NotReadyError, match="Click a cell"):
        actions.assign(session, "A")
    with pytest.raises(NotReadyError, match="Drag one"):
        actions.sample_in_rectangle(session)
    with pytest.raises(ct.CellTuneError, match="No category has the key 4"):
        actions.assign_key(session, "4")
    assert actions.undo(session) == "There is nothing to take back."


def test_next_rectangle_moves_the_view_there(session):
    session.set_view(image="left", zoom=3.0)
    reason = actions.next_rectangle(session)
    view = session.view
    y0, x0, y1, x1 = view.rectangle
    assert reason
    assert view.center == ((y0 + y1) / 2 - 0.5, (x0 + x1) / 2 - 0.5)
    assert 600 / 200 <= view.zoom <= 16
    assert len(session.items_in(view.image, view.rectangle))


def test_what_may_be_cut_has_its_whole_text_on_hover() -> None:
    name = "CD4+ FOXP3+ regulatory T cell, proliferating"
    assert f'title="{name}"' in theme.tag("span", name, cls="ct-cut ct-grow")
    assert f'title="{name}"' in theme.tag("td", theme.swatch("#000000"), name, cls="ct-cut")
    assert 'title="why"' in theme.tag("span", name, cls="ct-cut", title="why")
    assert "title" not in theme.tag("span", theme.tag("b", name), cls="ct-cut")
    assert "title" not in theme.tag("span", name)
