"""The image panel without a browser: gestures and keys in, pixels and session out."""

from __future__ import annotations

import time

import numpy as np
import pytest

from celltune_nb import Session
from celltune_nb.panels.image import ImagePanel
from celltune_nb.panels.image.scene import Scene
from celltune_nb.render import Camera
from celltune_nb.session.jobs import Jobs

SIDE, CELL = 120, 12

PANEL = ImagePanel


def field(seed: int, shift: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two channels and 100 square cells with a gap between them."""
    y, x = np.mgrid[:SIDE, :SIDE]
    mask = (y // CELL) * (SIDE // CELL) + x // CELL + 1 + shift
    mask[(y % CELL < 2) | (x % CELL < 2)] = 0
    image = np.random.default_rng(seed).integers(0, 1000, (2, SIDE, SIDE)).astype(np.uint16)
    return image, mask.astype(np.int32)


@pytest.fixture
def session(tmp_path):
    with Session.create(tmp_path / "project", jobs=Jobs(inline=True)) as session:
        for number in range(2):
            image, mask = field(number)
            session.add_image(
                f"field {number}", image, mask, channels=["DAPI", "CD3"], pixel_size=0.5, group="mouse 1"
            )
        session.categories.add("Red", color="#FF0000")
        session.categories.add("Green", color="#00FF00")
        for name in ("DAPI", "CD3"):
            session.set_channel(name, low=0, high=100_000)  # nearly black
        yield session


class Page:
    """The browser's side of an image panel."""

    def __init__(self, panel, wire):
        self.panel, self.wire = panel, wire
        self.layer = panel.viewport._layer
        self.say("hello")
        self.say("size", view="a", height=480, width=480, dpr=1)
        self.ack()

    def say(self, kind, **content):
        self.wire.receive(self.layer, {"type": kind, **content})

    def ack(self):
        self.say("ack", frame=self.wire.custom(self.layer, "frame")[-1]["id"])

    def picture(self):
        """What the canvas shows."""
        self.ack()
        return self.wire.picture(self.layer).astype(np.int64)

    def key(self, key, *held):
        self.say("key", key=key, modifiers=list(held))


@pytest.fixture
def page(panel, wire):
    return Page(panel, wire)


def centre(session, item):
    place = session.positions([item])[0]
    return float(session.table.y[place]), float(session.table.x[place])


# ---------------------------------------------------------------------- pixels


def test_a_labelled_cell_takes_its_categorys_colour_and_loses_it_with_undo(session, page):
    before = page.picture()
    session.label([1], "Red")
    red = page.picture()
    # cell 1 spans pixels 2..11; four screen pixels each
    inside = (slice(20, 36), slice(20, 36))
    assert red[inside].reshape(-1, 3).mean(0)[0] > before[inside].reshape(-1, 3).mean(0)[0] + 60
    assert abs(red[300:, 300:] - before[300:, 300:]).max() < 12
    session.categories.recolor("Red", "#0000FF")
    assert page.picture()[inside].reshape(-1, 3).mean(0)[2] > 60
    session.undo()
    session.undo()
    assert abs(page.picture() - before).max() < 12


def test_unlabelled_cells_have_a_thin_neutral_outline_on_dark_and_on_bright_pictures(tmp_path):
    with Session.create(tmp_path / "p", jobs=Jobs(inline=True)) as session:
        _, mask = field(0)
        session.add_image("dark", np.zeros((2, SIDE, SIDE), np.uint16), mask)
        frame = Scene(session).render(Camera.fit((SIDE, SIDE), 480, 480)).astype(int)
        assert len(set(frame[10, 200:230].reshape(-1).tolist())) > 1  # the edge of a cell is seen
        assert frame.max() > 100
        assert (np.ptp(frame, axis=2) == 0).all()
    with Session.create(tmp_path / "q", jobs=Jobs(inline=True)) as session:
        session.add_image("bright", np.full((SIDE, SIDE, 3), 245, np.uint8), mask)
        frame = Scene(session).render(Camera.fit((SIDE, SIDE), 480, 480)).astype(int)
        assert frame.min() < 190
        assert (frame[24:36, 24:36] == 245).all()  # inside a cell the picture is untouched


def test_neutral_outlines_fade_when_cells_are_a_few_pixels_small(session):
    scene = Scene(session)
    scene.render(Camera.fit((SIDE, SIDE), 480, 480))
    tiny = Camera.fit((SIDE, SIDE), 30, 30)
    with_cells = scene.render(tiny)
    scene.shows_cells = False
    assert (scene.render(tiny) == with_cells).all()


def test_hidden_categories_and_the_overlay_switch_take_the_cells_away(session, page):
    session.label([1], "Red")
    shown = page.picture()
    session.set_view(hidden={"Red"})
    assert abs(page.picture()[24:32, 24:32] - shown[24:32, 24:32]).max() > 60
    session.set_view(hidden=set())
    page.key("o")
    bare = page.picture()
    assert bare[24:32, 24:32].max() < 40
    page.key("o")
    assert abs(page.picture() - shown).max() < 12


def test_blind_labelling_shows_labels_and_no_predictions(session):
    scene = Scene(session)
    camera = Camera.fit((SIDE, SIDE), 480, 480)
    labels = session.populations["labels"]
    from celltune_nb.data.populations import PopulationSet

    codes = np.full(len(labels), session.categories["Green"].code, np.int16)
    session.populations.put([PopulationSet("Pred_AVG", session.level, labels.ids, codes, labels.categories)])
    session.set_view(color_by="Pred_AVG")
    assert scene.render(camera)[28, 28, 1] > 80
    session.set_view(blind=True)
    assert scene.render(camera)[28, 28, 1] < 40


def test_what_a_training_says_of_the_screen_is_shown_before_the_rest_and_named_so(session, panel):
    from celltune_nb.data.populations import PopulationSet
    from celltune_nb.session.events import PopulationsChanged

    ids, known = session.table.ids, tuple(session.categories)
    red, green = (np.full(len(ids), session.categories[name].code, np.int16) for name in ("Red", "Green"))
    session.populations.put([PopulationSet("Pred_AVG", "main", ids, red, known)])
    session.set_view(color_by="Pred_AVG", opacity=1.0, style="fill")
    camera = Camera.fit((SIDE, SIDE), 480, 480)

    def shown():
        return panel.scene.render(camera)[24:36, 24:36].reshape(-1, 3).mean(0)

    assert shown()[0] > 150
    session.populations.coming = PopulationSet("Pred_AVG", "main", ids[:100], green[:100], known)
    session.emit(session.preview_changed, PopulationsChanged(("Pred_AVG",)))
    assert shown()[1] > 150
    assert "are being computed" in panel.message
    assert session.populations["Pred_AVG"].counts()["Red"] == len(ids)
    session.populations.coming = None
    session.emit(session.preview_changed, PopulationsChanged(()))
    assert shown()[0] > 150
    assert panel.message == ""


def test_cells_without_a_mask_are_discs(tmp_path):
    import pandas as pd

    with Session.create(tmp_path / "p", jobs=Jobs(inline=True)) as session:
        table = pd.DataFrame({"image": "a", "cellID": [1, 2], "x": [30.0, 90.0], "y": [30.0, 30.0]})
        session.import_cells(table, x="x", y="y")
        session.add_image("a", np.zeros((1, SIDE, SIDE), np.uint16))
        session.set_view(image="a")
        session.categories.add("Red", color="#FF0000")
        session.label([1], "Red")
        frame = Scene(session).render(Camera.fit((SIDE, SIDE), 480, 480)).astype(int)
        assert frame[122, 122].tolist()[0] > 80
        assert frame[122, 122].tolist()[2] < 30
        assert frame[280:, 280:].max() == 0
        assert len(Scene(session).outlines(np.array([1, 2]))) == 2


def test_recolouring_a_hundred_thousand_cells_costs_a_fraction_of_drawing_them_first(tmp_path):
    side = 2600
    y, x = np.mgrid[:side, :side]
    mask = ((y // 8) * (side // 8) + x // 8 + 1).astype(np.int32)
    mask[(y % 8 == 0) | (x % 8 == 0)] = 0
    with Session.create(tmp_path / "p", jobs=Jobs(inline=True)) as session:
        session.add_image("a", np.zeros((1, side, side), np.uint8), mask)
        session.categories.add("Red")
        scene, camera = Scene(session), Camera.fit((side, side), 800, 800)

        def seconds(drawn: Scene) -> float:
            start = time.process_time()  # the machine may be shared: its own work counts
            drawn.render(camera)
            return time.process_time() - start

        first = min(seconds(scene), *(seconds(Scene(session)) for _ in range(2)))
        base, took = scene._base, []
        for part in range(5):
            session.label(session.table.ids[part * 900 : part * 900 + 900], "Red")
            scene.recolor()
            took.append(seconds(scene))
        assert len(session.table) > 100_000
        assert base is not None
        assert scene._base is base  # neither the pixels nor the mask are sampled again
        assert min(took) < first  # 6 of 11 ms, and of 80 where the image was never drawn


# ---------------------------------------------------------------------- gestures


def test_a_click_selects_shift_adds_ctrl_toggles_and_the_background_clears(session, page):
    def click(item, *held):
        y, x = centre(session, item)
        page.say("click", y=y, x=x, modifiers=list(held))
        return session.selection.tolist()

    assert click(1) == [1]
    assert click(14) == [14]
    assert click(15, "shift") == [14, 15]
    assert click(14, "ctrl") == [15]
    page.say("click", y=0.0, x=0.0, modifiers=["shift"])
    assert session.selection.tolist() == [15]
    page.say("click", y=0.0, x=0.0, modifiers=[])
    assert session.selection.tolist() == []


def test_drag_sample_key_undo(session, panel, page):
    page.say("rectangle", rectangle=[-30, -20, 59, 59], modifiers=[])
    assert session.view.rectangle == (-0.5, -0.5, 59, 59)
    assert "25 cells in this rectangle, 25 not labelled" in panel.message
    page.key("s")
    chosen = session.selection
    assert len(chosen) == 25
    page.key("1")
    assert session.labels.counts()["Red"] == 25
    assert "25 cells labelled Red" in panel.message
    assert set(session.labels.to_pandas().loc[chosen, "source"]) == {"rectangle"}
    y, x = centre(session, chosen[3])
    page.say("click", y=y, x=x, modifiers=[])
    page.key("2")
    assert session.labels.counts()["Green"] == 1
    page.key("u")
    page.key("z", "ctrl")
    assert session.labels.counts()["Unknown"] == 200
    page.key("z", "ctrl", "shift")
    assert session.labels.counts()["Red"] == 25
    page.key("Escape")
    assert session.view.rectangle is None
    assert session.selection.tolist() == []


def test_shift_drag_selects_every_cell_inside(session, page):
    page.say("rectangle", rectangle=[0, 0, 59, 59], modifiers=["shift"])
    assert len(session.selection) == 25
    assert session.view.rectangle is None
    page.say("rectangle", rectangle=[0, 0, 59, 23.5], modifiers=["ctrl"])
    assert len(session.selection) == 15


def test_a_rectangle_beside_the_image_marks_nothing(session, page):
    page.say("rectangle", rectangle=[200, 200, 300, 300], modifiers=[])
    assert session.view.rectangle is None


def test_a_key_without_meaning_is_a_sentence(session, panel, page):
    page.key("1")
    assert "No cell is selected" in panel.message
    session.select([1])
    page.key("9")
    assert "No category has the key 9" in panel.message
    page.key("s")
    assert "There is no rectangle yet" in panel.message


def test_what_was_said_stays_while_the_person_looks_around(session, panel, page):
    session.select([1])
    page.key("1")
    page.say("hover", y=6.0, x=6.0)
    assert "1 cell labelled Red" in panel.message
    session.label([2], "Green")
    assert "1 cell labelled Red" in panel.message


def test_a_workflow_can_have_keys_done_by_its_labelling_panel(session, panel, page):
    asked = []
    panel.labels_by = lambda key, held: asked.append((key, held)) or "said"
    page.key("s")
    page.key("u")
    assert asked == [("s", []), ("u", [])]
    assert panel.message == "said"


def test_hovering_names_the_cell(session, panel, page, wire):
    session.label([1], "Red")
    page.say("hover", y=6.0, x=6.0)
    assert panel.viewport.tooltip.startswith("Cell 1\nRed")
    page.say("hover", y=None, x=None)
    assert panel.viewport.tooltip == ""


# ---------------------------------------------------------------------- looking around


def test_the_view_is_kept_and_found_again(session, panel, page):
    page.say("camera", y=40.0, x=50.0, zoom=8.0, epoch=panel.viewport._epoch, final=True)
    assert (session.view.center, session.view.zoom) == ((40.0, 50.0), 8.0)
    again = ImagePanel(session)  # the same page loaded again: the old panel closes
    assert panel.closed
    camera = again.viewport.camera
    assert (camera.y, camera.x, camera.zoom) == (40.0, 50.0, 8.0)
    again.press("f")
    assert (session.view.center, session.view.zoom) == (None, None)
    again.press("g")
    assert session.view.zoom == 1.0
    again.close()


def test_going_to_a_place_moves_the_camera(session, panel, page):
    session.set_view(image="field 1", center=(30.0, 30.0), zoom=10.0)
    camera = panel.viewport.camera
    assert (camera.y, camera.x, camera.zoom) == (30.0, 30.0, 10.0)
    assert "Image 2 of 2 · mouse 1 · 0 of 100 cells labelled" in panel._line.html


def test_images_are_switched_round_and_round(session, panel, page):
    panel._bar.do("next_image")
    assert session.view.image == "field 1"
    panel._bar.do("next_image")
    assert session.view.image == "field 0"
    panel._bar.do("previous")
    assert session.view.image == "field 1"
    panel._bar.do("image", "", "field 0")
    assert session.view.image == "field 0"


def test_selected_cells_that_are_not_seen_are_counted(session, panel, page):
    assert "ct-outside" not in panel._line.html
    session.select([1, 2, 150])
    assert "1 selected cell is on other images" in panel._line.html
    session.set_view(center=(100.0, 100.0), zoom=20.0)
    assert "3 selected cells are outside this view or on other images" in panel._line.html


def test_the_mode_switch_and_the_help(session, panel, page):
    assert panel.viewport.mode == "rectangle"
    panel._bar.do("mode", "pan")
    assert panel.viewport.mode == "pan"
    page.key("h")
    assert panel._help.layout.display is None
    session.select([1])
    page.key("Escape")  # closes the help first
    assert session.selection.tolist() == [1]
    assert panel._help.layout.display == "none"


def test_a_selection_too_large_for_outlines_is_rimmed_in_the_picture(session, panel, page, monkeypatch):
    from celltune_nb.panels.image import marks

    before = page.picture()
    monkeypatch.setattr(marks, "MOST_OUTLINES", 50)
    session.select(session.table.ids)
    assert len(panel.scene.highlight) == 100
    assert page.picture().max() > 220 > before.max()
    session.select([1])
    assert len(panel.scene.highlight) == 0
    assert abs(page.picture() - before).max() < 12


def test_a_project_without_images_says_what_to_do(tmp_path):
    with Session.create(tmp_path / "p", jobs=Jobs(inline=True)) as session:
        panel = ImagePanel(session)
        assert "Bring a folder of images" in panel._veil.html
        image, mask = field(0)
        session.add_image("first", image, mask)
        session.set_view(image="first")
        assert "100 cells" in panel._line.html
        panel.close()


def test_the_place_of_the_picture_says_what_is_missing_until_it_is_drawn(tmp_path):
    with Session.create(tmp_path / "new", jobs=Jobs(inline=True)) as session:
        panel = ImagePanel(session)
        assert "Data tab" in panel._veil.html
        session.add_image("a", np.zeros((1, 20, 20), np.uint16), np.ones((20, 20), np.uint16))
        assert "Preparing the picture" in panel._veil.html
        panel._render(panel.viewport.camera, 1.0)
        assert panel._veil.html == ""
        session.add_image("b", np.zeros((1, 20, 20), np.uint16), np.ones((20, 20), np.uint16))
        session.set_view(image="b")
        assert panel._veil.html == ""
        panel.close()
