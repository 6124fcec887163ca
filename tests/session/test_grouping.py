"""Landmarks and clusters: what is proposed, what is named, what is labelled, what a project keeps."""

from __future__ import annotations

import sys
import threading
import time

import numpy as np
import pytest

from celltune_nb.errors import Cancelled, InputError, NotReadyError, ReadOnlyError
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from tests.waiting import LONG

TABLE = """CellType,PrimaryMarker,SecondaryMarker
A,A,!B & !C
B,B & !A,!C
C,c,
D,A & B & C,
E,NOPE,
F,,
"""


@pytest.fixture
def typed(session, tmp_path):
    (tmp_path / "types.csv").write_text(TABLE)
    session.import_celltypes(tmp_path / "types.csv")
    return session


def truth(session, ids):
    return session.items.loc[ids, "truth"]


# ---------------------------------------------------------------------- landmarks


def test_landmarks_are_of_their_type_and_spread_over_images(typed):
    report = typed.landmarks(12)
    for name in "ABC":
        assert set(truth(typed, report.ids[name])) == {name}
        assert set(typed.items.loc[report.ids[name], "image"].value_counts()) == {4}
    assert len(report.ids["D"]) == 0
    assert report.notes["D"] == "no cell satisfies its marker expression"
    assert report.notes["E"] == "NOPE is not measured"
    assert report.notes["F"] == "the table gives it no marker"
    assert report.markers.loc["A", "feature"] == "A__Mean__Cell"
    assert report.markers.loc["c", "feature"] == "C__Mean__Cell"
    assert report.markers.loc["A", "positive"] == pytest.approx(
        np.mean(typed.items["truth"] == "A"), abs=0.03
    )
    assert "A 12, B 12, C 12, D 0" in str(report)


def test_landmarks_are_proposed_and_labelled_only_when_accepted(typed):
    typed.landmarks(10)
    assert len(typed.labels) == 0
    assert typed.populations["Landmarks"].tally()["A"] == 10
    report = typed.accept_landmarks(["A", "B"])
    assert report.labelled == 20
    table = typed.labels.to_pandas()
    assert set(table["source"]) == {"gate"}
    assert (table["category"] == truth(typed, table.index)).all()
    assert "Landmarks" not in typed.populations
    typed.undo()
    assert len(typed.labels) == 0


def test_landmarks_pass_over_what_is_labelled_or_audited(typed):
    first = typed.landmarks(10, label=True)
    assert first.labelled.labelled == 30
    audit = typed.draw_audit(150, seed=0)
    second = np.concatenate(list(typed.landmarks(10).ids.values()))
    assert not np.isin(second, np.concatenate(list(first.ids.values()))).any()
    assert not np.isin(second, audit).any()
    typed.gate("y", high=100, name="top")
    inside = np.concatenate(list(typed.landmarks(5, within="top").ids.values()))
    assert set(inside) <= set(typed.gated("top"))


def test_a_proposal_survives_reopening(project, tmp_path):
    (tmp_path / "types.csv").write_text(TABLE)
    with Session.open(project) as session:
        session.import_celltypes(tmp_path / "types.csv")
        session.landmarks(10)
        session.categories.rename("A", "Alpha")
    with Session.open(project) as session:
        assert session.populations["Landmarks"].tally()["Alpha"] == 10
        session.discard_landmarks()
        with pytest.raises(NotReadyError, match="no landmarks to accept"):
            session.accept_landmarks()


def test_landmarks_that_cannot_be_found_are_refused(session, typed):
    with pytest.raises(InputError, match="a type"):
        typed.landmarks(0)
    with pytest.raises(NotReadyError, match="says nothing of 'Z'"):
        typed.landmarks(types=["Z"])
    typed.levels.add("empty")
    with pytest.raises(NotReadyError, match="import_celltypes"):
        typed.landmarks(level="empty")


# ---------------------------------------------------------------------- clusters


@pytest.mark.parametrize("method", ["leiden", "kmeans", "flowsom-like"])
def test_clusters_find_the_kinds_of_cells(session, method):
    found = session.cluster(method, n=3, resolution=0.5)
    assert found.kind == "cluster"
    majority = truth(session, session.table.ids).groupby(found.codes).agg(lambda t: t.mode()[0])
    pure = majority.reindex(found.codes).to_numpy() == session.items["truth"].to_numpy()
    assert pure.mean() > 0.95
    table = session.clusters()
    assert table["size"].sum() == 300
    assert table["size"].is_monotonic_decreasing
    assert table.loc[1, "top"].split(", ")[0] == majority[1]
    assert table.attrs["stale"] == ""


def test_clusters_are_named_merged_and_labelled_in_one_step(session):
    session.cluster("kmeans", n=6)
    named = session.name_clusters({1: "T", "Cluster 2": "T", "3": "New"})
    sizes = session.clusters()["size"]
    assert named.name == "Clusters named"
    assert named.tally()["T"] == sizes[1] + sizes[2]
    assert named.tally()["Cluster 4"] == sizes[4]
    assert session.populations["Clusters"].tally()["Cluster 1"] == sizes[1]
    report = session.label_clusters()
    assert report.labelled == sizes[1] + sizes[2] + sizes[3]
    assert session.labels.counts()["T"] == sizes[1] + sizes[2]
    session.undo()
    assert len(session.labels) == 0
    assert "T" not in session.categories
    session.name_clusters({1: "", 2: None, 3: ""})
    assert "Clusters named" not in session.populations
    with pytest.raises(NotReadyError, match="No cluster has a name"):
        session.label_clusters()


def test_the_same_seed_gives_the_same_clusters(session):
    first = session.cluster("leiden", seed=3).codes
    np.testing.assert_array_equal(session.cluster("leiden", seed=3).codes, first)


def test_clusters_survive_reopening_and_say_when_they_are_stale(project):
    with Session.open(project) as session:
        session.cluster("kmeans", n=3)
        session.name_clusters({1: "T"})
        session.gate_from("Clusters:Cluster 1", name="one")
    with Session.open(project) as session:
        assert session.problems == []
        assert session.clusters().loc[1, "name"] == "T"
        assert len(session.gated("one")) == session.clusters().loc[1, "size"]
        session.measure(rings=False, neighbours=False, morphology=False)
        assert "have changed" in session.clusters().attrs["stale"]
        session.cluster("kmeans", n=4)
        assert "Clusters named" not in session.populations


@pytest.mark.parametrize(
    "arguments",
    [
        {"method": "magic"}, {"n": 1}, {"n": 1_000}, {"resolution": 0}, {"resolution": "x"}, {"features": ["nope"]},
        {"features": []}, {"name": "labels"}, {"name": "a/b"},
    ],
)  # fmt: skip
def test_clusters_that_cannot_be_are_refused(session, arguments):
    with pytest.raises(InputError):
        session.cluster(**{"method": "kmeans", **arguments})
    with pytest.raises(NotReadyError, match="no clusters"):
        session.clusters()


def test_names_that_cannot_be_are_refused(session):
    session.cluster("kmeans", n=3)
    for names in ({9: "x"}, {"one": "x"}, {1: "x" * 81}, {1: "a\nb"}, ["x"]):
        with pytest.raises(InputError):
            session.name_clusters(names)
    assert set(session.clusters()["name"]) == {""}


def test_who_may_only_look_groups_nothing(project, tmp_path):
    (tmp_path / "types.csv").write_text(TABLE)
    with Session.open(project) as session:
        session.import_celltypes(tmp_path / "types.csv")
    with Session.open(project, read_only=True, jobs=Jobs(inline=True)) as session:
        for verb in (session.landmarks, session.accept_landmarks, session.cluster):
            with pytest.raises((ReadOnlyError, NotReadyError)):
                verb()
        assert session.populations.names() == ["labels"]


# ---------------------------------------------------------------------- a map


def test_a_map_is_a_source_to_gate_by_that_no_model_learns_from(project):
    with Session.open(project) as session:
        names = session.features.names
        made = session.embed("pca")
        assert made.names == ["PCA1", "PCA2"]
        assert session.features.names == names
        found = session.gate_polygon(
            "embedding/PCA1", "embedding/PCA2", rectangle=(0, -99, 99, 99), name="right"
        )
        np.testing.assert_array_equal(found.codes == 1, made.column("PCA1") >= 0)
    with Session.open(project) as session:
        assert session.features.names == names
        assert len(session.gated("right")) > 0
        with pytest.raises(InputError, match="The method"):
            session.embed("tsne")


def test_clusters_are_removed_in_one_step_or_not_at_all(session, project, monkeypatch):
    session.cluster("kmeans", n=3)
    session.cluster("kmeans", n=2, name="others")
    session.name_clusters({1: "T"})
    files = {path.name for path in (project / "populations").iterdir()}

    def full(project):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(type(session.project), "save", full)
        with pytest.raises(OSError, match="No space"):
            session.remove_clusters()
    assert len(session.clusters()) == 3
    assert {path.name for path in (project / "populations").iterdir()} == files
    session.remove_clusters()
    assert session.project.settings["clusters"].keys() == {"main/others"}
    assert len(session.clusters("others")) == 2


def test_clusters_are_removed_with_their_names(session):
    session.cluster("kmeans", n=3)
    session.name_clusters({1: "T"})
    session.label_clusters()
    session.remove_clusters()
    assert session.populations.names() == ["labels"]
    assert session.labels.counts()["T"] > 0
    with pytest.raises(NotReadyError, match="no clusters"):
        session.remove_clusters()


def test_landmarks_clusters_and_maps_take_the_scale_of_a_channel(typed):
    from celltune_nb.session.clusters import intensities

    features = ["A__Mean__Cell", "B__Mean__Cell"]
    before = intensities(typed.active_features(), features)(slice(None))
    border = typed.landmarks(5).markers["threshold"]
    typed.set_transform("A", 40.0)
    after = intensities(typed.active_features(), features)(slice(None))
    values = np.asarray(typed.features.column("A__Mean__Cell"))
    assert after[:, 0] == pytest.approx(np.arcsinh(values / 40), rel=1e-5)
    assert np.array_equal(after[:, 1], before[:, 1])  # B has no scale of its own: its typical value
    now = typed.landmarks(5).markers["threshold"]
    assert now["A"] != border["A"]
    assert now["B"] == border["B"]


@pytest.mark.alone  # compiles on all cores
def test_a_umap_is_the_same_again_and_keeps_like_cells_together(project, monkeypatch):
    pytest.importorskip("umap", reason="umap-learn is not installed", exc_type=ImportError)
    from celltune_nb.session import embedding

    monkeypatch.setitem(embedding.SAMPLE, "umap", 150)  # the other half is placed beside it
    with Session.open(project) as session:
        learned = session.features.names
        job = session.embed("umap", seed=3, wait=False)
        fractions = []
        while not job.finished:
            fractions.append(job.progress.fraction)
            time.sleep(0.01)
        made = job.wait().result
        assert fractions == sorted(fractions)
        assert made.names == ["UMAP1", "UMAP2"]
        assert (made.parameters["seed"], made.parameters["sample"]) == (3, 150)
        places = np.array(made.matrix)
        assert np.isfinite(places).all()
        kind = session.items["truth"].to_numpy()
        away = np.linalg.norm(places[:, None] - places[None], axis=2)
        np.fill_diagonal(away, np.inf)
        assert (kind[away.argmin(axis=1)] == kind).mean() > 0.95
        np.testing.assert_array_equal(session.embed("umap", seed=3).matrix, places)
        assert session.features.names == learned
        _stop_a_umap(places)
        assert _bars_can_be_drawn()
    with Session.open(project) as session:
        np.testing.assert_array_equal(session.features["embedding"].matrix, places)


def _stop_a_umap(Z):
    """End the making of a map by what it tells its progress to, in a thread, as a job does."""
    from celltune_nb.learn.mapping import umap_places

    said = []

    def told(part, _left):
        said.append(part)
        if len(said) > 3:
            raise Cancelled

    def work():
        with pytest.raises(Cancelled):
            umap_places(np.asarray(Z, np.float32), 0, told)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(said) == 4


def _bars_can_be_drawn() -> bool:
    """Whether no progress bar of any thread waits for another for ever."""
    from tqdm.auto import tqdm

    held = [lock for lock in tqdm.get_lock().locks if lock.acquire(True, LONG)]
    for lock in held:
        lock.release()
    return len(held) == len(tqdm.get_lock().locks)


def test_a_stopped_map_leaves_the_former_one(project, monkeypatch):
    from celltune_nb.learn import mapping

    with Session.open(project) as session:
        before = np.array(session.embed("pca").matrix)

        def slow(Z, _seed, told):
            for _ in range(1000):
                told(0.1, 1.0)
                time.sleep(0.01)
            return Z[:, :2]

        monkeypatch.setattr(mapping, "umap_places", slow)
        job = session.embed("umap", wait=False)
        job.stop()
        job.wait(LONG)
        assert job.state == "cancelled"
        np.testing.assert_array_equal(session.features["embedding"].matrix, before)
        assert session.features["embedding"].names == ["PCA1", "PCA2"]


def test_without_umap_a_sentence_says_how_to_get_it(project, monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with Session.open(project) as session, pytest.raises(InputError, match=r"celltune-nb\[umap\]"):
        session.embed("umap")
