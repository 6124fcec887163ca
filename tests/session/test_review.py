"""The review queue: what fills it, what it leaves out, answers, undo, trainings in between, reopening."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celltune_nb.data.items import ItemTable
from celltune_nb.errors import InputError, LabelError, NotReadyError, ReadOnlyError
from celltune_nb.learn.repeats import repeats
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from celltune_nb.session.review import near_border

from .conftest import label_some


@pytest.fixture(scope="module")
def trained_project(finished_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(shutil.copytree(finished_project, tmp_path_factory.mktemp("trained") / "squares"))
    with Session.open(folder, jobs=Jobs(inline=True)) as session:
        label_some(session, 6)
        session.train(rounds=4, wait=True)
    return folder


@pytest.fixture
def project(trained_project: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained_project, tmp_path / "project"))


def truth(session: Session, item: int) -> str:
    return str(session.items["truth"][item])


# ---------------------------------------------------------------------- filling


@pytest.mark.parametrize(
    "by",
    [
        "celltune",
        "quota_margin",
        "disagreement",
        "margin",
        "entropy",
        "rare",
        "diverse",
        "mistakes",
        "random",
    ],
)
def test_every_filler_gives_unlabelled_cells_with_a_reason(session: Session, by: str) -> None:
    queue = session.review(by=by, n=20, seed=1)
    assert len(queue) == 20
    assert (session.labels.codes()[session.positions(queue.ids)] == 0).all()
    assert all(item.reason for item in queue)
    assert queue.counts == {"unlabelled": 20, "match": 0, "mismatch": 0, "labelled": 0, "skipped": 0}
    (logged,) = session.journal.proposals(by, "main")
    assert set(logged.ids) == set(queue.ids)
    item = queue.current
    assert [found.model for found in item.answers] == ["Pred_MDL1", "Pred_MDL2", "Pred_AVG"]
    assert all(0 < found.probability <= 1 for found in item.answers)


def test_the_default_is_celltunes_budgets_and_the_same_seed_gives_the_same_cells(session: Session) -> None:
    first = session.review(n=15, seed=3)
    assert first.by == "celltune"
    assert "four budgets" in first.title
    assert session.review(n=15, seed=3).ids.tolist() == first.ids.tolist()


def test_priorities_get_a_quarter_and_a_fourth_budget_of_nothing_changes_nothing(session: Session) -> None:
    plain = session.review(n=40, seed=5).ids
    again = session.review(n=40, seed=5, budgets=(0.33, 0.44, 0.23, 0)).ids
    assert plain.tolist() == again.tolist()
    queue = session.review(n=40, seed=5, priorities={"field 2": 1})
    asked = [item for item in queue if "you asked for more of this image" in item.reason]
    assert len(asked) == 10
    assert {item.image for item in asked} == {"field 2"}
    queue = session.review(n=20, seed=5, priorities={"C": 3}, budgets={"priorities": 1})
    asked = [item for item in queue if "more of C" in item.reason]
    assert asked
    assert all("C" in {found.category for found in item.answers[:2]} for item in asked)


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ({"by": "cleverly"}, "neither a way to fill a review"),
        ({"by": 3}, "not known"),
        ({"n": 0}, "number of cells"),
        ({"priorities": {"Z": 1}}, "neither a category nor an image"),
        ({"priorities": {"A": -1}}, "0 or more"),
        ({"budgets": {"image": 0.9, "rare": 0.2}}, "together at most 1"),
        ({"budgets": {"luck": 1}}, "Budgets are"),
        ({"budgets": {"priorities": 0.5}}, "needs some"),
        ({"ids": [10**6]}, "not items"),
        ({"border": "wide"}, "border"),
        ({"image": "nowhere"}, "no image"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused_and_the_former_review_stays(
    session: Session, wish: dict, why: str
) -> None:
    before = session.review(n=3)
    with pytest.raises((InputError, NotReadyError), match=why):
        session.review(**wish)
    assert session.queue is before


def test_without_a_model_it_says_what_to_do(finished_project: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished_project, tmp_path / "fresh")
    with Session.open(folder, jobs=Jobs(inline=True)) as session:
        assert session.queue is None
        with pytest.raises(NotReadyError, match="Train first"):
            session.review()
        queue = session.review(by="clusters", n=5)
        assert queue.current.answers == ()
        queue.answer("A")
        assert queue.status[0] == "labelled"


def test_cells_at_the_border_are_left_out_and_counted(session: Session) -> None:
    queue = session.review(by="random", n=300, seed=0)
    items = session.items.loc[queue.ids]
    assert items[["y", "x"]].min().min() >= 19.5
    assert items[["y", "x"]].max().max() <= 179.5
    assert queue.left_out["border"] > 50
    with_border = session.review(by="random", n=300, seed=0, border=0)
    assert len(with_border) == len(queue) + queue.left_out["border"]


def test_who_names_cells_gets_them_at_the_border_too(session: Session) -> None:
    ids = session.items.index[[0, 1, 2]]
    queue = session.review(ids=ids, reason="M1 says A, M2 says B")
    assert queue.ids.tolist() == ids.tolist()
    assert queue.current.reason == "M1 says A, M2 says B"


def test_the_audit_takes_no_part(session: Session) -> None:
    drawn = session.draw_audit(60)
    queue = session.review(by="random", n=300)
    assert not np.isin(queue.ids, drawn).any()
    with pytest.raises(NotReadyError, match="kept for the audit"):
        session.review(ids=drawn)


def test_a_gate_fills_a_review_of_so_many_at_random(session: Session) -> None:
    session.gate("A__Mean__Cell", low=10, name="bright")
    inside = set(session.gated("bright").tolist())
    queue = session.review(by="bright", n=10)
    assert len(queue) == 10
    assert set(queue.ids.tolist()) <= inside
    assert queue.left_out["more"] > 0
    assert set(session.review(by="random", n=10, within="bright").ids.tolist()) <= inside


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.floats(0, 99), st.floats(0, 79)), min_size=1, max_size=20),
    st.floats(0, 60),
)
def test_border_rule(places: list[tuple[float, float]], border: float) -> None:
    """A cell is near exactly when its centre is nearer than so many pixels to one of the four edges."""

    class Small:
        shape = (100, 80)

    y, x = np.array(places).T
    table = ItemTable().extended("a", np.arange(len(y)) + 1, y, x)
    pretended = type("Looked", (), {"table": table, "images": {"a": Small()}})()
    expected = [
        border > 0 and min(v + 0.5, 99.5 - v, u + 0.5, 79.5 - u) < border - 1e-12
        for v, u in zip(y, x, strict=True)
    ]
    assert near_border(pretended, border).tolist() == pytest.approx(expected)


# ---------------------------------------------------------------------- answering


def test_an_answer_is_a_label_of_source_review_and_one_step(session: Session) -> None:
    queue = session.review(by="margin", n=3, seed=0)
    item = queue.current
    following = queue.answer("B")
    row = session.labels.to_pandas().loc[item.id]
    assert (row["category"], row["source"]) == ("B", "review")
    assert session.journal.entry(int(row["batch"])).strategy == "margin"
    assert following.place == 1
    assert queue.at == 1
    average = item.answer("Pred_AVG").category
    assert queue.status[0] == ("match" if average == "B" else "mismatch")
    session.undo()
    assert queue.status[0] == "unlabelled"
    assert not queue[0].answered
    session.redo()
    assert queue[0].label == "B"


def test_going_back_and_forth_skipping_and_changing_ones_mind(session: Session) -> None:
    queue = session.review(by="random", n=4, seed=0)
    assert queue.previous().place == 0
    queue.skip()
    assert (queue.at, queue[0].skipped) == (1, True)
    queue.answer("A")
    queue.previous()
    queue.answer("C")
    assert session.labels.to_pandas().loc[queue.ids[1], "category"] == "C"
    queue.answer("A")
    assert queue.answer("A").place == 0, "what was skipped comes at the end"
    assert queue.answer(None) is None
    assert queue.finished
    assert queue[0].status == "unlabelled"
    assert queue[0].answered
    assert queue.go(-1).place == 3
    assert queue.next().place == 3
    assert "Train now" in queue.summary()
    with pytest.raises(InputError, match="no place 4"):
        queue.go(4)
    with pytest.raises(LabelError):
        queue.answer("nonsense")


def test_reviewed_cells_never_come_back_unless_asked_and_deleted_answers_do(session: Session) -> None:
    everyone = len(session.review(by="random", n=300, border=0))
    queue = session.review(by="random", n=6, border=0, seed=2)
    for category in ("A", "A", "B", None, "C", "C"):
        queue.answer(category)
    gone = queue.ids
    later = session.review(by="random", n=300, border=0)
    assert len(later) == everyone - 6
    assert not np.isin(gone, later.ids).any()
    with pytest.raises(NotReadyError, match="again=True"):
        session.review(ids=gone)
    assert len(session.review(ids=gone, again=True)) == 6
    session.categories.delete("C")
    back = session.review(by="random", n=300, border=0)
    assert np.isin(gone[4:], back.ids).all(), "their answer was deleted"
    assert not np.isin(gone[:4], back.ids).any()


@settings(max_examples=8)
@given(
    seed=st.integers(0, 1000),
    answers=st.lists(st.sampled_from(["A", "B", None, "skip", "undo"]), max_size=12),
)
def test_never_comes_back(trained_project: Path, tmp_path_factory, seed: int, answers: list) -> None:
    """Whatever is answered, skipped or taken back: what has an answer is in no later review."""
    folder = Path(shutil.copytree(trained_project, tmp_path_factory.mktemp("many") / "p"))
    with Session.open(folder, jobs=Jobs(inline=True)) as session:
        queue = session.review(by="random", n=20, seed=seed, border=0)
        for step in answers:
            if step == "undo":
                if session.can_undo:
                    session.undo()
            elif step == "skip":
                queue.skip()
            else:
                queue.answer(step)
        done = queue.ids[queue.answered]
        assert not np.isin(done, session.review(by="random", n=300, border=0, replace=True).ids).any()


def test_a_category_that_is_deleted_in_the_middle_opens_its_cells_again(session: Session) -> None:
    queue = session.review(by="random", n=3, seed=0)
    queue.answer("C")
    session.categories.delete("C")
    assert not queue[0].answered
    assert queue.counts["unlabelled"] == 3
    session.undo()
    assert queue[0].label == "C"


def test_a_label_given_elsewhere_on_the_page_counts(session: Session) -> None:
    queue = session.review(by="random", n=3, seed=0)
    session.label([queue.ids[0]], queue.current.answer("Pred_AVG").category)
    assert queue.status[0] == "match"


def test_training_in_the_middle_keeps_the_place_and_compares_with_what_was_said_before(
    session: Session,
) -> None:
    queue = session.review(by="random", n=30, seed=0)
    said = {}
    for _ in range(12):
        item = queue.current
        said[item.id] = item.answer("Pred_MDL1").category
        queue.answer(truth(session, item.id))
    before, status = queue.agreement(), queue.status
    session.train(rounds=8, wait=True)
    assert queue.at == 12
    assert queue.status == status
    assert queue.agreement().equals(before)
    alike = sum(said[i] == truth(session, i) for i in said)
    assert before.loc["Pred_MDL1", ["n", "alike"]].tolist() == [12, alike]
    assert {found.category for item in queue for found in item.answers} <= set("ABC")
    now = session.populations["Pred_MDL1"].to_pandas()
    assert [item.answer("Pred_MDL1").category for item in queue] == [str(now[i]) for i in queue.ids]


def test_events_tell_where_it_is(session: Session) -> None:
    heard: list = []
    session.queue_changed.connect(heard.append)
    queue = session.review(by="random", n=3, seed=0)
    queue.next()
    queue.answer("A")
    assert [event.item for event in heard] == [queue.ids[0], queue.ids[1], queue.ids[2]]


# ---------------------------------------------------------------------- on disk


def test_it_is_found_again_after_the_program_was_killed(project: Path) -> None:
    session = Session.open(project, jobs=Jobs(inline=True))
    queue = session.review(by="margin", n=5, seed=0)
    queue.answer("A")
    queue.skip()
    status, ids = queue.status, queue.ids
    copy = Path(shutil.copytree(project, project.parent / "killed"))  # as it lies there: nobody closed it
    session.close()
    with Session.open(copy, jobs=Jobs(inline=True)) as again:
        if again.read_only:
            again.take_over()
        found = again.queue
        assert found is not None
        assert (found.ids.tolist(), found.status, found.at) == (ids.tolist(), status, 2)
        assert found[1].skipped
        assert found.current.reason.startswith("a close call")


@pytest.mark.parametrize(
    "damage",
    [
        "", "[]", "{}", "null", '{"version": 1}', "{" * 100_000, "\x00\xff",
        {"at": 99}, {"at": "x"}, {"ids": [1, 1, 1]}, {"ids": [10**30]}, {"ids": None}, {"said": {"1": [0]}}, {"said": 3},
        {"reasons": []}, {"version": 2}, {"level": "other"}, {"left_out": 3}, {"score": ["a"] * 3}, {"ids": [8000, 8001, 8002]},
    ],
)  # fmt: skip
def test_a_damaged_file_is_left_out_with_a_sentence(project: Path, damage: object) -> None:
    with Session.open(project, jobs=Jobs(inline=True)) as session:
        session.review(by="random", n=3)
    (path,) = (project / "reviews").glob("*.json")
    path.write_text(
        damage if isinstance(damage, str) else json.dumps(json.loads(path.read_text()) | damage), "latin-1"
    )
    with Session.open(project, jobs=Jobs(inline=True)) as session:
        assert session.queue is None
        assert "begin another review" in session.problems.pop()
        assert session.queue is None
        assert session.problems == []
        assert len(session.review(by="random", n=3)) == 3


def test_a_file_that_is_too_large_is_not_read(project: Path) -> None:
    (project / "reviews").mkdir()
    with (project / "reviews" / "main.json").open("wb") as stream:
        stream.truncate(1 << 30)
    with Session.open(project, jobs=Jobs(inline=True)) as session:
        assert session.queue is None
        assert "damaged" in session.problems.pop()


def test_who_may_only_look_follows_and_changes_nothing(project: Path) -> None:
    with Session.open(project, jobs=Jobs(inline=True)) as session:
        session.review(by="random", n=4, seed=0).answer("A")
        with Session.open(project, read_only=True, jobs=Jobs(inline=True)) as looking:
            queue = looking.queue
            assert queue is not None
            assert queue.at == 1
            queue.go(3)
            for change in (lambda: queue.answer("A"), queue.skip, lambda: queue.note("x"), looking.review):
                with pytest.raises(ReadOnlyError):
                    change()
            session.queue.answer("B")
            looking.book.catch_up()
            assert looking.queue.at == 2
            assert looking.queue.answered.tolist() == [True, True, False, False]


def test_a_session_that_lost_the_project_cannot_answer(project: Path) -> None:
    with Session.open(project, jobs=Jobs(inline=True)) as first:
        queue = first.review(by="random", n=3, seed=0)
        with Session.open(project, jobs=Jobs(inline=True)) as second:
            with pytest.raises(ReadOnlyError):
                queue.answer("A")
            second.queue.answer("B")
            assert second.queue.counts["unlabelled"] == 2


def test_an_older_review_says_that_there_is_a_newer_one(session: Session) -> None:
    old = session.review(by="random", n=3)
    new = session.review(by="margin", n=3)
    with pytest.raises(NotReadyError, match="Another review"):
        old.answer("A")
    old.next()
    assert session.queue is new
    assert new.at == 0


# ---------------------------------------------------------------------- label errors, repeats


def test_suspected_label_errors_are_the_wrong_ones(session: Session) -> None:
    items = session.items
    wrong = items.index[(items["truth"] == "A") & (session.labels.codes() == 0)][:2]
    session.label(wrong, "B")
    label_some(session, 25, seed=4)
    session.label(wrong, "B")
    session.train(rounds=20, wait=True)
    queue = session.review(by="label_errors", border=0)
    assert set(wrong) <= set(queue.ids.tolist())
    found = queue[queue.ids.tolist().index(wrong[0])]
    assert "labelled B; models that have not seen it say A" in found.reason
    queue.go(found.place)
    queue.answer("B")  # confirmed: does not come back
    assert found.id not in session.review(by="label_errors", border=0, n=50, replace=True).ids


def test_blind_repeats_hide_everything_and_leave_the_labels_alone(session: Session) -> None:
    before = session.labels.to_pandas()
    queue = session.review(by="blind", n=6, border=0, seed=0)
    session.set_view(blind=True)
    item = queue.current
    assert (item.label, item.answers) == (None, ())
    assert "label hidden" in session.describe(item.id).sentence
    assert session.describe(item.id).label == "Unknown"
    for place in range(6):
        label = before.loc[queue.ids[place], "category"]
        queue.answer(label if place else "ABC"[("ABC".index(label) + 1) % 3])
        if place < 5:
            assert queue.status[place] == "labelled", "nothing is told before the end"
    assert session.labels.to_pandas().equals(before)
    assert queue.finished
    assert queue.status.count("match") == 5
    assert queue.differing().tolist() == [queue.ids[0]]
    assert queue.kappa.n == 6
    assert queue.kappa.agreement == pytest.approx(5 / 6)
    assert queue.kappa.low < queue.kappa.kappa < queue.kappa.high
    assert session.kappa().n == 6
    assert session.kappa("others").n == 0
    session.undo()
    assert not queue.finished
    assert queue.kappa.n == 5
    session.redo()
    assert not np.isin(queue.ids, session.review(by="blind", n=50, border=0).ids).any()
    assert len(session.review(ids=queue.differing(), reason="two answers")) == 1


def test_anothers_labels_are_repeated_by_name(session: Session) -> None:
    mine, session.user = session.user, "ana"
    free = session.items.index[session.labels.codes() == 0][:4]
    session.label(free, "B")
    session.user = mine
    assert set(session.review(by="blind", whose="ana", border=0).ids) == set(free)
    queue = session.review(by="blind", whose="others", border=0)
    queue.answer("B")
    assert session.kappa("ana").agreement == 1
    with pytest.raises(NotReadyError, match="another person"):
        session.review(by="blind", whose="nobody", replace=True)
    with pytest.raises(NotReadyError, match="blind"):
        _ = session.review(by="random", n=3, replace=True).kappa


def test_kappa_by_hand() -> None:
    found = repeats(np.array([1, 1, 2, 2, 2]), np.array([1, 2, 2, 2, 2]))
    assert found.kappa == pytest.approx((0.8 - 0.56) / (1 - 0.56))
    assert "4" not in str(repeats(np.empty(0, int), np.empty(0, int)))
    assert np.isnan(repeats(np.ones(5, int), np.ones(5, int)).low)


# ---------------------------------------------------------------------- notes


def test_notes_are_kept_undone_shown_and_exported(session: Session, project: Path) -> None:
    session.note(5, "  torn   cell ")
    session.review(ids=[7]).note("ask Ana")
    assert session.notes["note"].to_dict() == {5: "torn cell", 7: "ask Ana"}
    assert session.notes.loc[5, ["image", "user"]].tolist() == ["field 0", session.user]
    assert "“torn cell”" in session.describe(5).sentence
    assert session.can_undo == "note on 1 item"
    session.undo()
    assert list(session.notes.index) == [5]
    session.redo()
    session.note(5, "")
    assert list(session.notes.index) == [7]
    assert session.queue.current.note == "ask Ana"
    import pandas as pd

    table = pd.read_csv(session.export(project.parent / "all.csv"))
    assert table.set_index("item").loc[7, "note"] == "ask Ana"
    for item, text in ((10**6, "x"), (5, 3), (5, "x" * 3000)):
        with pytest.raises(InputError):
            session.note(item, text)


def test_notes_survive_reopening_with_and_without_the_checkpoint(project: Path) -> None:
    with Session.open(project, jobs=Jobs(inline=True)) as session:
        session.note(5, "one")
        session.note(6, "two")
        session.undo()
    for _ in range(2):
        with Session.open(project, jobs=Jobs(inline=True)) as session:
            assert session.notes["note"].to_dict() == {5: "one"}
            assert session.can_redo == "note on 1 item"
        for path in project.rglob("*checkpoint*"):
            path.unlink()


# ---------------------------------------------------------------------- small pictures


def test_tiles_show_the_predicted_types_channels_first(session: Session) -> None:
    item = int(session.items.index[session.items["truth"] == "B"][5])
    found = session.tiles(item, size=64)
    assert found.names[0] == "Together"
    assert set(found.names[1:]) == set("ABC")
    assert found.because[1].startswith("of ")
    assert all(picture.shape == (64, 64, 3) and picture.dtype == np.uint8 for picture in found.pictures)
    b = found.pictures[found.names.index("B")]
    a = found.pictures[found.names.index("A")]
    assert b[28:36, 28:36].mean() > a[28:36, 28:36].mean() + 30
    assert session.tiles(item, ["C"]).names == ("Together", "C")
    session.set_view(blind=True)
    blind = session.tiles(item)
    assert set(blind.because[1:]) == {"stands out in this cell"}, (
        "the choice of channels would tell the prediction"
    )
    assert blind.names[1] == "B"
    for wrong in ({"channels": ["Z"]}, {"size": 5000}, {"size": 1}):
        with pytest.raises(InputError):
            session.tiles(item, **wrong)


def test_a_cell_of_a_table_has_no_tiles_but_a_sentence(session: Session) -> None:
    import pandas as pd

    session.import_cells(
        pd.DataFrame({"image": ["elsewhere"], "cellID": [1], "y": [5.0], "x": [5.0]}), y="y", x="x"
    )
    item = int(session.items.index[-1])
    assert "no pixels" in session.tiles(item).trouble
    queue = session.review(ids=[item])
    assert queue.current.answers == ()
    queue.answer("A")
    assert queue.status == ["labelled"]


def test_an_unfinished_review_is_replaced_only_where_that_is_said(session: Session) -> None:
    queue = session.review("random", n=4, border=0)
    other = session.review("random", n=4, border=0)  # nothing was answered
    assert session.queue is other
    other.answer("A")
    with pytest.raises(NotReadyError, match=r"unfinished: Random cells, 1 of 4 .* replace=True"):
        session.review("random", n=4, border=0)
    assert session.queue is other
    assert session.review("random", n=4, border=0, replace=True) is session.queue
    assert queue.superseded
    while not session.queue.finished:
        session.queue.answer("B")
    session.review("random", n=4, border=0)
