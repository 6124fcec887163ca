"""The viewport without a browser: messages in, messages out."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest

from celltune_nb.errors import InputError
from celltune_nb.panels.canvas import Shape, Viewport, scale_bar
from celltune_nb.panels.canvas.pace import FAST, FINE, GRADES, SLOW, Pace
from celltune_nb.panels.canvas.vectors import drawing
from celltune_nb.render import Camera
from celltune_nb.session.jobs import LatestWins
from tests.waiting import LONG


class Scene:
    """A viewport that a browser shows, and what it did."""

    def __init__(self, wire, **options):
        self.wire = wire
        self.rendered = []
        self.pixels = []
        self.viewport = Viewport(self.render, latest=lambda work: LatestWins(work, inline=True), **options)
        self.layer = self.viewport.widget.children[0]

    def render(self, camera, dpr):
        self.rendered.append((camera, dpr))
        frame = np.full((round(camera.height * dpr), round(camera.width * dpr), 3), 40, np.uint8)
        for place, color in self.pixels:
            frame[place] = color
        return frame

    def say(self, kind, **content):
        self.wire.receive(self.layer, {"type": kind, **content})

    def show(self, height=300, width=400, dpr=1, view="a"):
        self.say("size", view=view, height=height, width=width, dpr=dpr)

    def frames(self):
        return self.wire.custom(self.layer, "frame")

    def ack(self, **content):
        self.say("ack", frame=self.frames()[-1]["id"], **content)

    def drawn(self):
        """Names and arguments of the drawing commands that were sent."""
        from ipycanvas.canvas import _CANVAS_MANAGER, _CMD_LIST

        commands = []
        for comm_id, what, data, buffers in self.wire.sent:
            if comm_id == _CANVAS_MANAGER.model_id and what == "msg" and data.get("method") == "custom":
                commands += [(_CMD_LIST[name], *rest) for name, *rest in json.loads(bytes(buffers[0]))]
        return commands


@pytest.fixture
def scene(wire):
    scene = Scene(wire)
    scene.say("hello")
    yield scene
    scene.viewport.close()


def test_nothing_is_rendered_before_it_is_seen(scene):
    scene.viewport.refresh()
    assert scene.rendered == []


def test_first_frame_has_the_size_of_the_view(scene):
    scene.show(301, 402, 1.5)
    (camera, dpr) = scene.rendered[-1]
    assert (camera.height, camera.width, dpr) == (301, 402, 1.5)
    assert scene.wire.picture(scene.layer).shape == (452, 603, 3)
    assert scene.frames()[-1]["camera"]["height"] == 301


def test_one_frame_in_flight_and_only_the_newest_next(scene):
    scene.show()
    for zoom in (2, 3, 4, 5):
        scene.say("camera", y=1, x=1, zoom=zoom, epoch=0, final=False)
    assert len(scene.frames()) == 1
    scene.ack()
    assert len(scene.frames()) == 2
    assert scene.rendered[-1][0].zoom == 5
    scene.ack()
    assert len(scene.frames()) == 2


def test_a_camera_that_comes_with_an_answer_is_what_the_next_frame_shows(scene):
    scene.show()
    scene.say("camera", y=1, x=1, zoom=2, epoch=0, final=False)
    scene.ack(camera={"y": 3, "x": 4, "zoom": 5, "epoch": 0, "final": False})
    assert scene.frames()[-1]["camera"] == {"y": 3, "x": 4, "zoom": 5, "height": 300, "width": 400}
    # one that crossed set_camera on the way is left out; the answer counts
    scene.viewport.set_camera(Camera(50, 60, 2, 1, 1))
    scene.ack(camera={"y": 3, "x": 4, "zoom": 6, "epoch": 0, "final": False})
    assert scene.frames()[-1]["camera"]["zoom"] == 2


def test_refresh_renders_the_same_camera_again(scene):
    scene.show()
    scene.ack()
    scene.viewport.refresh()
    assert len(scene.rendered) == 2
    assert scene.rendered[0] == scene.rendered[1]


def test_a_frame_that_looks_like_the_one_before_is_not_sent(scene):
    scene.show()
    scene.ack()
    scene.viewport.refresh()
    assert len(scene.rendered) == 2
    assert len(scene.frames()) == 1


def test_of_a_recoloured_cell_only_its_tiles_are_sent_and_look_as_in_the_whole_frame(scene):
    scene.show(300, 400)
    scene.ack()
    # the right edge cuts the last column of tiles
    scene.pixels = [(np.s_[40:50, 60:70], (250, 10, 30)), (np.s_[299, 399], (0, 0, 255))]
    scene.viewport.refresh()
    sent = scene.frames()[-1]
    assert sent["base"] == scene.frames()[-2]["id"]
    assert sent["places"] == [[1, 1], [1, 2], [9, 12]]
    assert len(scene.wire.buffers(scene.layer)[-1]) < 2_000
    together = scene.wire.picture(scene.layer)
    # a page that was reloaded gets the same picture whole
    scene.say("hello")
    scene.show(300, 400, view="new")
    assert "base" not in scene.frames()[-1]
    np.testing.assert_array_equal(scene.wire.picture(scene.layer), together)


def test_a_picture_that_changed_all_over_is_sent_whole(scene):
    scene.show()
    scene.ack()
    scene.pixels = [(np.s_[:], (1, 2, 3))]
    scene.viewport.refresh()
    assert len(scene.frames()) == 2
    assert "base" not in scene.frames()[-1]


def test_a_page_that_lacks_what_tiles_belong_on_gets_the_whole_frame(scene):
    scene.show()
    scene.ack()
    scene.pixels = [((5, 5), 255)]
    scene.viewport.refresh()
    scene.ack(lost=True)
    assert "base" in scene.frames()[-2]
    assert "base" not in scene.frames()[-1]


def test_moving_frames_are_coarse_and_a_fine_one_follows_at_rest(scene):
    scene.show()
    scene.ack()
    fine = len(scene.wire.buffers(scene.layer)[-1])
    scene.say("camera", y=1, x=1, zoom=2, epoch=0, final=False)
    assert len(scene.wire.buffers(scene.layer)[-1]) < fine
    # the hand lets go where the last frame was made; the answer to that one is not waited for, but only one can be ahead
    scene.say("camera", y=1, x=1, zoom=2, epoch=0, final=True)
    assert len(scene.frames()) == 3
    assert len(scene.wire.buffers(scene.layer)[-1]) == fine
    scene.say("camera", y=2, x=1, zoom=2, epoch=0, final=True)
    assert len(scene.frames()) == 3
    scene.say("ack", frame=2)
    assert len(scene.frames()) == 3
    scene.say("ack", frame=3)
    assert len(scene.frames()) == 4
    scene.ack()
    assert len(scene.frames()) == 4


def test_moving_frames_are_as_coarse_as_the_way_is_slow(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("celltune_nb.panels.canvas.pace.time.monotonic", lambda: now[0])
    pace = Pace()

    def frame(took, number):
        pace.begun(number, pace.grade)
        now[0] += took
        pace.arrived(number)
        return pace.grade

    assert [frame(2 * SLOW, n) for n in range(3)] == [GRADES[2]] * 3
    assert [frame(FAST / 2, n) for n in range(3)] == [GRADES[1], FINE, FINE]
    assert frame((SLOW + FAST) / 2, 9) == FINE
    # what was sent at rest, or was never answered, says nothing
    pace.begun(1, GRADES[1])
    now[0] += 9
    pace.begun(2, GRADES[1])
    pace.arrived(1)
    assert pace.grade == FINE


def test_fit_follows_the_size_until_the_person_moves(scene):
    scene.viewport.fit((100, 100))
    scene.show(200, 400)
    assert scene.viewport.camera.zoom == 2
    scene.show(400, 400)
    assert scene.viewport.camera.zoom == 4
    scene.say("camera", y=20, x=30, zoom=8, epoch=1, final=True)
    scene.show(500, 600)
    assert scene.viewport.camera == Camera(20, 30, 8, 500, 600)


def test_a_report_that_crossed_set_camera_is_ignored(scene, wire):
    scene.show()
    scene.viewport.set_camera(Camera(50, 60, 2, 1, 1))
    scene.say("camera", y=0, x=0, zoom=1, epoch=0, final=True)
    assert scene.viewport.camera == Camera(50, 60, 2, 300, 400)
    told = wire.custom(scene.layer, "camera")[-1]
    assert (told["y"], told["x"], told["zoom"], told["epoch"]) == (50, 60, 2, 1)


def test_camera_callback_tells_gestures_from_their_end(scene):
    heard = []
    scene.show()
    end = scene.viewport.on_camera(lambda camera, final: heard.append((camera.zoom, final)))
    scene.say("camera", y=1, x=1, zoom=2, epoch=0, final=False)
    scene.say("camera", y=1, x=1, zoom=3, epoch=0, final=True)
    end()
    scene.say("camera", y=1, x=1, zoom=4, epoch=0, final=True)
    assert heard == [(2, False), (3, True)]


def test_gestures_reach_their_callbacks(scene):
    heard = []
    viewport = scene.viewport
    viewport.on_click(lambda *a: heard.append(a))
    viewport.on_double_click(lambda *a: heard.append(a))
    viewport.on_rectangle(lambda *a: heard.append(a))
    viewport.on_hover(lambda *a: heard.append(a))
    viewport.on_key(lambda *a: heard.append(a))
    scene.say("click", y=1.5, x=2.5, modifiers=["shift"])
    scene.say("double_click", y=1, x=2, modifiers=[])
    scene.say("rectangle", rectangle=[1, 2, 3, 4], modifiers=["ctrl", "alt"])
    scene.say("hover", y=7, x=8)
    scene.say("hover", y=None, x=None)
    scene.say("key", key="1", modifiers=[])
    assert heard == [
        (1.5, 2.5, frozenset({"shift"})),
        (1, 2, frozenset()),
        ((1, 2, 3, 4), frozenset({"ctrl", "alt"})),
        (7, 8),
        (None, None),
        ("1", frozenset()),
    ]
    assert scene.layer.hovers


def test_hover_is_silent_until_someone_listens(scene):
    assert not scene.layer.hovers


def test_keys_are_written_as_the_browser_writes_them(scene):
    scene.viewport.keys = ["1", "Shift+Ctrl+Z", "Escape", "A", "+", "ctrl++"]
    assert scene.viewport.keys == ["1", "ctrl+shift+z", "Escape", "a", "+", "ctrl++"]


def test_an_unknown_mode_says_which_exist(scene):
    scene.viewport.mode = "rectangle"
    with pytest.raises(InputError, match="'rectangle' or 'lasso'"):
        scene.viewport.mode = "paint"
    assert scene.viewport.mode == "rectangle"


def test_two_views_share_one_frame_as_large_as_the_largest(scene):
    scene.show(300, 400, 1, "a")
    scene.show(200, 700, 2, "b")
    camera, dpr = scene.viewport.camera, scene.viewport._dpr
    assert (camera.height, camera.width, dpr) == (300, 700, 2)
    scene.say("gone", view="b")
    scene.show(300, 410, 1, "a")
    assert (scene.viewport.camera.width, scene.viewport._dpr) == (410, 1)


def test_a_reloaded_page_gets_a_frame_although_the_last_was_never_acknowledged(scene):
    scene.show(300, 400, 1, "old")
    scene.say("hello")
    scene.show(300, 500, 1, "new")
    assert len(scene.frames()) == 2
    assert scene.viewport.camera.width == 500


def test_an_error_while_rendering_is_shown_in_place_and_goes_away(scene, wire):
    scene.show()
    scene.ack()
    good, scene.viewport._frames.render = scene.viewport._frames.render, lambda camera, dpr: 1 / 0
    scene.viewport.refresh()
    assert isinstance(scene.viewport.error, ZeroDivisionError)
    assert wire.custom(scene.layer, "note")[-1]["text"] == "division by zero"
    scene.viewport._frames.render = good
    scene.viewport.refresh()
    assert scene.viewport.error is None
    assert wire.custom(scene.layer, "note")[-1]["text"] == ""


def test_shapes_are_drawn_where_the_camera_sees_them(scene):
    scene.show(100, 100)
    scene.viewport.set_camera(Camera(10, 10, 2, 100, 100))
    scene.wire.sent.clear()
    scene.viewport.draw_shapes([Shape.rectangle((5, 5, 15, 15), "#ff0000", fill=0.2, dash=(4, 2))])
    names = [name for name, *_ in scene.drawn()]
    assert names[0] == "switchCanvas"
    assert "fillStyledPolygons" in names
    assert names.count("strokeStyledPolygons") == 2
    corners = next(
        np.frombuffer(bytes(buffers[1]), np.float32)
        for _, what, _, buffers in scene.wire.sent
        if what == "msg" and len(buffers) > 2
    )
    assert corners[:8].tolist() == [40, 40, 60, 40, 60, 60, 40, 60]


def test_shapes_out_of_sight_are_left_out(scene):
    scene.show(100, 100)
    scene.wire.sent.clear()
    scene.viewport.draw_shapes([Shape.circle(5000, 5000, 4)])
    assert "strokeStyledPolygons" not in [name for name, *_ in scene.drawn()]


def test_groups_of_shapes_are_replaced_on_their_own(scene):
    scene.show(100, 100)
    scene.viewport.draw_shapes([Shape.circle(0, 0, 4)], group="selection")
    scene.viewport.draw_shapes([Shape.label("x", 0, 0)], group="note")
    scene.wire.sent.clear()
    scene.viewport.draw_shapes([], group="selection")
    names = [name for name, *_ in scene.drawn()]
    assert "strokeStyledPolygons" not in names
    assert "fillText" in names


def test_vectors_are_drawn_again_for_a_reloaded_page(scene):
    scene.show(100, 100)
    scene.viewport.draw_shapes([Shape.circle(0, 0, 4)])
    scene.wire.sent.clear()
    scene.wire.receive(scene.viewport.widget.children[1], {"event": "client_ready"})
    names = [name for name, *_ in scene.drawn()]
    assert names[0] == "switchCanvas"
    assert "strokeStyledPolygons" in names


def test_lines_and_scale_bar_are_drawn_anew_for_another_camera(scene):
    scene.show(100, 100)
    scene.viewport.show_scale_bar(None)
    scene.viewport.draw_shapes([Shape.circle(0, 0, 4)])
    for move in (
        lambda: scene.viewport.set_camera(Camera(0, 0, 3, 100, 100)),
        lambda: scene.viewport.fit((30, 30)),
    ):
        scene.wire.sent.clear()
        move()
        names = [name for name, *_ in scene.drawn()]
        assert "strokeStyledPolygons" in names
        assert "fillText" in names
        (camera,) = (message["camera"] for message in scene.wire.custom(scene.layer, "vectors"))
        assert camera["zoom"] == scene.viewport.camera.zoom


def test_an_error_while_drawing_holds_nothing_back(scene):
    scene.show(100, 100)
    canvas = scene.viewport.widget.children[1]

    def fail():
        with drawing(canvas):
            canvas.fill_rect(0, 0, 1, 1)
            raise ValueError("oops")

    with pytest.raises(ValueError, match="oops"):
        fail()
    scene.wire.sent.clear()
    with drawing(canvas):
        canvas.stroke_rect(0, 0, 1, 1)
    names = [name for name, *_ in scene.drawn()]
    assert names == ["switchCanvas", "strokeRect"]


def test_drawings_of_two_threads_do_not_mix(wire):
    from ipycanvas import Canvas

    canvases = [Canvas(width=5, height=5) for _ in range(2)]

    def draw(canvas, value):
        for _ in range(30):
            with drawing(canvas):
                for _ in range(10):
                    canvas.fill_rect(value, value, 1, 1)

    threads = [threading.Thread(target=draw, args=(canvas, i)) for i, canvas in enumerate(canvases)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    batches = [
        json.loads(bytes(buffers[0])) for _, what, data, buffers in wire.sent if buffers and what == "msg"
    ]
    assert len(batches) == 60
    for _switch, *commands in batches:
        assert len({command[1][0] for command in commands}) == 1
        assert len(commands) == 10
    for canvas in canvases:
        canvas.layout.close()
        canvas.close()


@pytest.mark.parametrize(
    ("pixel_size", "zoom", "text"), [(0.5, 1, "50 µm"), (None, 1, "100 px"), (0.5, 0.01, "5 mm")]
)
def test_scale_bar_has_a_round_length(pixel_size, zoom, text):
    line, label = scale_bar(Camera(0, 0, zoom, 300, 400), pixel_size)
    assert label.text == text
    assert 50 <= line.points[1, 1] - line.points[0, 1] <= 125


def test_a_shape_without_points_says_so():
    with pytest.raises(InputError, match="Give k > 0 pairs"):
        Shape.polygon([])


def test_tooltip_is_sent_once(scene, wire):
    scene.viewport.tooltip = "cell 7"
    scene.viewport.tooltip = "cell 7"
    assert [c["text"] for c in wire.custom(scene.layer, "tooltip")] == ["cell 7"]


def test_closing_frees_everything_and_silences_it(wire):
    scene = Scene(wire)
    scene.show()
    scene.viewport.close()
    scene.viewport.close()
    sent = len(wire.sent)
    scene.viewport.refresh()
    scene.viewport.draw_shapes([Shape.circle(1, 1, 1)])
    scene.viewport.tooltip = "gone"
    assert len(wire.sent) == sent


def test_rendering_runs_in_a_thread_of_its_own(wire):
    names = []
    done = threading.Event()

    def render(camera, dpr):
        names.append(threading.current_thread().name)
        done.set()
        return np.zeros((camera.height, camera.width, 3), np.uint8)

    viewport = Viewport(render, latest=LatestWins)
    wire.receive(
        viewport.widget.children[0], {"type": "size", "view": "a", "height": 20, "width": 30, "dpr": 1}
    )
    assert done.wait(LONG)
    viewport.close()
    assert names != [threading.current_thread().name]
