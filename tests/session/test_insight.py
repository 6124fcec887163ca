"""Where models disagree, what changed between trainings, what a prediction rests on, whether to go on labelling."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from celltune_nb.errors import FormatError, InputError, NotReadyError
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from tests.session.conftest import label_some


@pytest.fixture
def trained(session: Session) -> Session:
    label_some(session, 6)
    session.train(rounds=4, wait=True)
    return session


def test_agreement_counts_every_pair_of_answers(trained: Session) -> None:
    found = trained.agreement()
    one, two = (trained.populations[f"Pred_MDL{i}"].to_pandas() for i in (1, 2))
    assert found.names == ("XGBoost", "CatBoost")
    assert found.rate == pytest.approx((one.to_numpy() == two.to_numpy()).mean())
    for a in "ABC":
        for b in "ABC":
            ids = one.index[(one == a).to_numpy() & (two == b).to_numpy()]
            assert found.table.loc[a, b] == len(ids)
            assert found.items(a, b).tolist() == ids.tolist()
        row, column = found.by_category.loc[a, ["row", "column"]]
        assert row == pytest.approx(found.table.loc[a, a] / (one == a).sum())
        assert column == pytest.approx(found.table.loc[a, a] / (two == a).sum())
    assert set(found.disagreeing) == set(one.index[one.to_numpy() != two.to_numpy()])
    assert "not accuracy" in found.sentence
    assert found.by_image["cells"].sum() == 300
    with pytest.raises(InputError, match="no category 'D'"):
        found.items("D")


def test_agreement_of_some_images(trained: Session) -> None:
    whole, part = trained.agreement(), trained.agreement(images=["field 1"])
    assert len(part.ids) == 100
    assert part.rate == pytest.approx(whole.by_image.loc["field 1", "agreement"])
    with pytest.raises(InputError, match="no image 'elsewhere'"):
        trained.agreement(images="elsewhere")


def test_one_model_agrees_with_nobody(session: Session) -> None:
    label_some(session, 6)
    with pytest.raises(NotReadyError, match="Train two"):
        session.agreement()
    session.train(models=("xgboost",), rounds=3, wait=True)
    with pytest.raises(NotReadyError, match="Train two"):
        session.agreement()


def test_round_diff_says_what_went_where_also_after_a_restart(session: Session) -> None:
    trained = session
    label_some(trained, 8)
    truth = trained.items["truth"]
    mistaken = [int(i) for i in trained.labels.to_pandas().index if truth[i] == "C"]
    trained.label(mistaken, "B")
    trained.train(rounds=12, wait=True)
    with pytest.raises(NotReadyError, match="one training only"):
        trained.round_diff()
    before = trained.populations["Pred_AVG"].to_pandas().astype(str)
    trained.label(mistaken, "C")
    trained.train(rounds=12, wait=True)
    after = trained.populations["Pred_AVG"].to_pandas().astype(str)
    found = trained.round_diff()
    changed = before.index[before.to_numpy() != after.to_numpy()]
    assert len(changed)
    assert set(found.ids) == set(changed)
    assert found.table["cells"].sum() == len(changed) == found.matrix().to_numpy().sum()
    assert found.table["cells"].is_monotonic_decreasing
    for a, b, n in found.table.itertuples(index=False):
        ids = found.items(a, b)
        assert len(ids) == n
        assert (before[ids] == a).all()
        assert (after[ids] == b).all()
    assert found.fraction == pytest.approx(len(changed) / 300)
    assert found.rounds == (1, 2)
    asked = trained.round_diff(trained.runs[1], trained.runs[0])
    assert asked.table.equals(found.table)
    folder = trained.folder
    trained.close()
    with Session.open(folder, jobs=Jobs(inline=True)) as again:
        assert again.round_diff().table.equals(found.table)


def test_round_diff_of_older_trainings_asks_their_models_again(trained: Session) -> None:
    for seed in (1, 2):
        label_some(trained, 5, seed=seed)
        trained.train(rounds=6, wait=True)
    first, second, third = trained.runs
    whole = trained.round_diff(third, first)
    assert whole.rounds == (1, 3)
    assert trained.round_diff(second, first).rounds == (1, 2)
    back = trained.round_diff(first, third)
    assert set(back.ids) == set(whole.ids)
    assert first.models, "asked again from its files"


def test_models_of_former_trainings_do_not_stay_in_memory(trained: Session) -> None:
    first = trained.runs[0]
    assert first.models
    trained.train(rounds=4, wait=True)
    assert first.models == []
    assert trained.runs[1].models


def test_advice_names_what_the_last_labels_did(trained: Session) -> None:
    first = trained.advice()
    assert "First training, on 18 labels" in first.sentence
    label_some(trained, 10, seed=3)
    new = len(trained.labels.to_pandas()) - 18
    trained.train(rounds=12, wait=True)
    said = trained.advice()
    assert said.sentence.startswith(f"The last {new} labels changed ")
    assert "of 300 predictions" in said.sentence
    assert said.figures["changed"] == pytest.approx(trained.round_diff().fraction)
    assert said.figures["agreement"] == pytest.approx(trained.agreement().rate)
    assert said.verdict == "go on"
    assert "no audit has judged these models" in said.open
    assert "85 %" in said.stop_rule
    trained.evaluate()
    assert "by held-out labels" in trained.advice().sentence


def test_training_again_without_new_labels_settles_nothing(trained: Session) -> None:
    for _ in range(3):
        trained.train(rounds=4, wait=True)
    said = trained.advice()
    assert "without new labels" in said.sentence
    assert said.figures["rounds"] == 0
    assert any(
        "the last 3 trainings had no new labels; a round counts from 10 on" in text for text in said.open
    )
    # The same answers once more are no new labels either; others are.
    table = trained.labels.to_pandas()
    ids = table.index[table["category"] == "A"][:6]
    trained.label(ids, "A")
    trained.train(rounds=4, wait=True)
    assert trained.advice().figures["new_labels"] == 0
    trained.label(ids[:5], "B")
    trained.train(rounds=4, wait=True)
    folder, said = trained.folder, trained.advice()
    assert (said.figures["new_labels"], said.figures["since"]) == (5, 5)
    trained.close()
    with Session.open(folder) as again:
        assert again.advice() == said


def test_celltunes_hint_is_said_of_this_project(trained: Session) -> None:
    hint = trained.advice().hint
    assert hint.startswith("0 of 3 types have 100 labels, fewest: A 6")
    assert "The models agree on" in hint


def test_advice_before_a_training(session: Session) -> None:
    with pytest.raises(NotReadyError, match="Train first"):
        session.advice()


def test_a_learning_curve_is_kept_with_its_training(trained: Session) -> None:
    label_some(trained, 15, seed=4)
    run = trained.train(rounds=5, wait=True)
    curve = trained.learning_curve()
    assert run.curve is not None
    assert set(curve["judged_on"]) == {"held-out groups"}
    assert curve["split"].iloc[0].startswith("1 of 2 groups held out")
    assert curve["labels"].is_monotonic_increasing
    assert "The last doubling of the labels brought" in trained.advice().sentence
    folder = trained.folder
    trained.close()
    with Session.open(folder, jobs=Jobs(inline=True)) as again:
        assert again.run is not None
        pd.testing.assert_frame_equal(again.run.curve, curve, check_dtype=False)


@pytest.mark.parametrize("content", [b"", b"labels,accuracy\n1,2\n", b"\x00\xff", b"labels,accuracy,macro_f1,log_loss,repeats\nx,1,1,1,1\n",
                                     b"labels,accuracy,macro_f1,log_loss,repeats\n-5,1,1,1,1\n"])  # fmt: skip
def test_a_damaged_curve_is_said(trained: Session, content: bytes) -> None:
    run = trained.run
    assert run is not None
    assert run.folder is not None
    (run.folder / "curve.csv").write_bytes(content)
    with pytest.raises(FormatError, match="learning curve"):
        _ = run.curve


def test_an_explanation_names_the_marker_that_was_seen(session: Session) -> None:
    label_some(session, 20)
    session.train(rounds=20, wait=True)
    truth, answer = session.items["truth"], session.populations["Pred_AVG"].to_pandas().astype(str)
    for kind in "ABC":
        item = int(truth.index[(truth == kind) & (answer == kind)][-1])
        found = session.explain(item)
        assert found.category == kind
        assert found.answers.keys() == {"XGBoost", "CatBoost"}
        assert found.markers.index[0] in "ABC"
        assert found.features["contribution"].abs().is_monotonic_decreasing
        # what is added up by marker is what stands beside the features
        assert found.markers["contribution"].sum() == pytest.approx(
            found.features["contribution"].sum(), abs=1e-6
        )
        assert len(found.neighbours) == 5
        assert item not in found.neighbours.index
        assert found.neighbours["distance"].is_monotonic_increasing
        assert (found.neighbours["category"] == kind).sum() >= 4
        assert found.sentence.startswith(f"{kind} ")
        assert found.speaks_for
    other = session.explain(item, category="A")
    assert other.category == "A"
    assert other.markers["contribution"].sum() < 0, "what speaks against another category"


def test_contributions_add_up_to_the_models_own_log_odds(session: Session) -> None:
    """The difference of two categories' contributions plus their base is the difference of their log probabilities."""
    label_some(session, 12)
    session.train(models=("xgboost",), rounds=6, wait=True)
    handle = session.models[0]
    rows = session.active_features().rows(np.arange(20))
    values = handle.contributions(rows).sum(axis=2)
    p = np.log(handle.predict_proba(rows))
    base = (p[:, 0] - p[:, 1]) - (values[:, 0] - values[:, 1])
    assert np.ptp(base) < 1e-3


def test_explaining_needs_an_item_and_a_known_category(trained: Session) -> None:
    item = int(trained.items.index[0])
    with pytest.raises(InputError):
        trained.explain(999_999)
    with pytest.raises(InputError, match="no category 'D'"):
        trained.explain(item, category="D")
    before = trained.book.revision
    trained.explain(item, neighbours=0)
    assert trained.book.revision == before


def test_explaining_follows_new_labels_and_renamed_categories(trained: Session) -> None:
    item = int(trained.items.index[0])
    nearest = int(trained.explain(item).neighbours.index[0])
    trained.label([nearest], None)
    assert nearest not in trained.explain(item).neighbours.index
    trained.categories.rename("A", "Alpha")
    assert trained.explain(item, category="Alpha").category == "Alpha"
