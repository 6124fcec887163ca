import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score, f1_score, log_loss, precision_recall_fscore_support

from celltune_nb.errors import InputError, NotReadyError, TrainingError
from celltune_nb.learn.calibration import (
    apply_temperature,
    chance,
    cross_fitted,
    ece,
    reliability,
    temperature,
)
from celltune_nb.learn.evaluation import (
    agreement,
    churn,
    evaluate_audit,
    evaluate_out_of_fold,
    leak_alarm,
    learning_curve,
)  # fmt: skip
from celltune_nb.learn.metrics import kappa, scores
from celltune_nb.learn.models import Cancelled
from celltune_nb.learn.training import TrainingData

from .synthetic import make, training_data

MODELS = ["xgboost", "catboost"]


@pytest.fixture(scope="module")
def judged(data, trained):
    return evaluate_out_of_fold(data, MODELS, ids=np.arange(300) + 1000, rounds=trained.rounds)


def test_figures_agree_with_scikit_learn(judged, data):
    truth, predicted = judged.truth, judged.predicted
    assert judged.accuracy == pytest.approx((truth == predicted).mean())
    assert judged.macro_f1 == pytest.approx(f1_score(truth, predicted, average="macro"))
    assert judged.log_loss == pytest.approx(log_loss(truth, judged.probabilities), rel=1e-3)
    p, r, f, n = precision_recall_fscore_support(truth, predicted)
    np.testing.assert_allclose(judged.per_category[["precision", "recall", "f1", "support"]].T, [p, r, f, n])
    np.testing.assert_array_equal(truth, data.y)


def test_out_of_fold_is_about_as_good_as_on_new_cells(judged, trained):
    X, y, _ = make(3000, 77)
    new = scores(np.mean([h.predict_proba(X) for h in trained.handles[:2]], axis=0), y)
    assert judged.accuracy == pytest.approx(new["accuracy"], abs=0.06)
    assert judged.interval["accuracy"][0] <= judged.accuracy <= judged.interval["accuracy"][1]
    assert judged.interval["macro_f1"][0] <= judged.macro_f1 <= judged.interval["macro_f1"][1]
    assert judged.kind == "out-of-fold"
    assert judged.split == (
        "Out-of-fold predictions, 5 folds by image (6 images); 95 % intervals from the spread between 6 images."
    )
    assert any("Label an audit sample" in w for w in judged.warnings)


def test_labels_that_mean_nothing_are_judged_to_mean_nothing():
    data = training_data(200)
    shuffled = np.random.default_rng(0).permutation(data.y)
    data = TrainingData(data.X, shuffled, data.groups, data.categories, data.feature_names)
    found = evaluate_out_of_fold(data, ["xgboost"], rounds={"xgboost": 20})
    assert found.accuracy < 0.5


def test_groups_that_look_different_are_not_glossed_over():
    """Every group has its own shift: cells of a known group are easy, those of a new one are not."""
    X, y, g = make(400, 3, groups=4, amount=0.8)
    X += 6 * np.random.default_rng(1).normal(0, 1, (4, 20)).astype(np.float32)[g]
    names = tuple(f"f{i}" for i in range(20))
    by_group = TrainingData(X, y, g, tuple("abcde"), names)
    one = TrainingData(X, y, np.zeros(400), tuple("abcde"), names)
    honest = evaluate_out_of_fold(by_group, ["xgboost"], rounds={"xgboost": 30})
    kind = evaluate_out_of_fold(one, ["xgboost"], rounds={"xgboost": 30})
    assert honest.accuracy < kind.accuracy - 0.05
    assert "4 folds by group" in honest.split
    assert "between 400 cells: they speak for these 4 groups, too few to speak for new ones" in honest.split
    assert "random folds, because all labels come from one group: too kind to new groups" in kind.split
    assert any("on new groups the models will do worse" in w for w in kind.warnings)


def test_a_category_of_one_group_cannot_be_found_in_it_and_that_is_said():
    data = training_data(200)
    groups = data.groups.copy()
    groups[data.y == 4] = 2
    data = TrainingData(data.X, data.y, groups, data.categories, data.feature_names)
    found = evaluate_out_of_fold(data, ["xgboost"], rounds={"xgboost": 15})
    assert found.per_category.loc["T4", "recall"] == 0
    assert any(w.startswith("T4: labelled in one group only") for w in found.warnings)


def test_items_behind_a_cell_of_the_confusion_matrix(judged):
    table = judged.confusion
    assert table.to_numpy().sum() == 300
    for truth in judged.categories:
        for predicted in judged.categories:
            ids = judged.items(truth, predicted)
            assert len(ids) == table.loc[truth, predicted]
            assert (judged.truth[ids - 1000] == judged.categories.index(truth)).all()
    assert len(judged.items(truth="T0")) == judged.per_category.loc["T0", "support"]
    with pytest.raises(InputError, match="T0, T1"):
        judged.items("nobody")


def test_progress_cancel_and_determinism(data, trained, judged):
    seen = []
    again = evaluate_out_of_fold(
        data, MODELS, rounds=trained.rounds, progress=lambda done, text: seen.append((done, text))
    )
    assert again.accuracy == judged.accuracy
    assert again.interval == judged.interval
    assert seen[0] == (0.0, "fold 1 of 5: xgboost")
    assert [d for d, _ in seen] == sorted(d for d, _ in seen)
    with pytest.raises(Cancelled):
        evaluate_out_of_fold(data, MODELS, rounds=trained.rounds, stop=lambda: True)
    one = TrainingData(data.X, np.zeros(300, int), data.groups, data.categories, data.feature_names)
    with pytest.raises(TrainingError, match="one category only"):
        evaluate_out_of_fold(one, MODELS)


def test_agreement_has_rows_columns_and_both_shares(judged):
    table = judged.agreement
    assert table.to_numpy().sum() == 300
    assert judged.agreement_rate == pytest.approx(np.trace(table.to_numpy()) / 300)
    found = agreement(np.array([0, 0, 1, -1]), np.array([0, 1, 1, 0]), ["a", "b"])
    assert found.table.to_numpy().tolist() == [[1, 1], [0, 1]]
    assert found.rate == pytest.approx(2 / 3)
    assert found.by_category["row"].tolist() == [0.5, 1.0]
    assert found.by_category["column"].tolist() == [1.0, 0.5]


def test_one_model_has_nothing_to_agree_with(data):
    found = evaluate_out_of_fold(data, ["xgboost"], rounds={"xgboost": 5})
    assert found.agreement.empty
    assert np.isnan(found.agreement_rate)


class TestAudit:
    def sample(self, n=60, sure=2.0):
        rng = np.random.default_rng(0)
        y = rng.integers(0, 3, n)
        z = rng.normal(0, 1, (n, 3))
        z[np.arange(n), y] += sure
        p = np.exp(z)
        return (p / p.sum(1, keepdims=True)).astype(np.float32), y

    def test_an_item_drawn_with_a_tenth_stands_for_ten(self):
        p = np.array([[0.9, 0.1]] * 4, np.float32)
        found = evaluate_audit({"m": p}, [0, 0, 0, 1], [0.1, 0.5, 0.5, 0.5], categories=["a", "b"])
        assert found.accuracy == pytest.approx(14 / 16)
        assert found.per_category.loc["b", "prevalence"] == pytest.approx(2 / 16)
        assert found.per_category["support"].tolist() == [3, 1]
        assert found.confusion.to_numpy().sum() == pytest.approx(4)
        assert found.kind == "audit"
        assert found.split.startswith("Audit sample of 4 cells, weighted by how they were drawn")

    def test_a_category_no_model_knows_counts_as_wrong(self):
        p, y = self.sample()
        truth = np.where(y == 2, 3, y)
        found = evaluate_audit(
            {"m": p}, truth, np.ones(60), categories=["a", "b", "c", "new"], model_categories=["a", "b", "c"]
        )
        assert found.per_category.loc["new", "recall"] == 0
        assert found.accuracy < 0.75

    def test_a_category_the_models_know_and_the_level_no_longer_has_is_kept(self):
        p, y = self.sample()
        found = evaluate_audit(
            {"m": p},
            np.minimum(y, 1),
            np.ones(60),
            categories=["a", "b"],
            model_categories=["a", "b", "gone"],
        )
        assert found.categories == ("a", "b", "gone")

    def test_all_right_is_not_certain(self):
        p = np.tile(np.array([[0.9, 0.1], [0.1, 0.9]], np.float32), (15, 1))
        found = evaluate_audit({"m": p}, np.tile([0, 1], 15), np.ones(30), categories=["a", "b"])
        low, high = found.interval["accuracy"]
        assert found.accuracy == 1
        assert 0.85 < low < 0.95
        assert high == 1

    def test_items_without_a_prediction_are_left_out_and_counted(self):
        p, y = self.sample()
        p[:7] = np.nan
        found = evaluate_audit({"m": p}, y, np.ones(60), categories="abc")
        assert found.n == 53
        assert "7 cells have no prediction and are left out." in found.warnings

    def test_what_cannot_be_judged_is_refused(self):
        p, y = self.sample()
        with pytest.raises(NotReadyError, match="No audit item is labelled"):
            evaluate_audit({"m": p[:0]}, y[:0], np.ones(0), categories="abc")
        with pytest.raises(InputError, match="above 0"):
            evaluate_audit({"m": p}, y, np.zeros(60), categories="abc")
        with pytest.raises(InputError, match="do not fit"):
            evaluate_audit({"m": p}, y, np.ones(60), categories="ab")

    def test_two_hundred_items_calibrate_models_that_are_too_sure(self):
        rng = np.random.default_rng(2)
        z = rng.normal(0, 1, (200, 4))
        fair = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        y = (fair.cumsum(1) < rng.random(200)[:, None]).sum(1)
        bold = apply_temperature(fair, 1 / 3)
        found = evaluate_audit({"m": bold}, y, np.ones(200), categories="abcd")
        assert found.temperature == pytest.approx(3, rel=0.3)
        assert found.ece > 0.2
        assert found.ece_after < 0.1
        assert isinstance(found.calibration, pd.DataFrame)
        assert found.calibration["n"].sum() == 200


def test_temperature_keeps_answers_and_is_one_for_fair_models():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(4), 4000)
    y = np.minimum((p.cumsum(1) < rng.random(4000)[:, None]).sum(1), 3)
    assert temperature(p, y) == pytest.approx(1, abs=0.06)
    for t in (0.2, 5.0):
        assert (apply_temperature(p, t).argmax(1) == p.argmax(1)).all()
        assert temperature(apply_temperature(p, 1 / t), y) == pytest.approx(t, rel=0.08)
    np.testing.assert_allclose(apply_temperature(p, 1.0), p, atol=1e-12)
    assert apply_temperature(np.array([[1.0, 0.0]]), 3.0).tolist() == [[1.0, 0.0]]
    assert ece(reliability(p, y)) < 0.03
    weighted = temperature(p, y, np.where(p.max(1) > 0.7, 5.0, 1.0))
    assert weighted == pytest.approx(1, abs=0.1)
    np.testing.assert_allclose(cross_fitted(p, y).sum(1), 1)


def test_few_items_do_not_unsettle_fair_probabilities():
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.full(4, 0.4), 60 * 200)
    y = np.minimum((p.cumsum(1) < rng.random(len(p))[:, None]).sum(1), 3)
    found = [temperature(p[i : i + 60], y[i : i + 60]) for i in range(0, len(p), 60)]
    assert np.exp(np.mean(np.log(found))) == pytest.approx(1, abs=0.06)
    assert np.mean(np.abs(np.log(found)) < 0.3) > 0.9


def test_how_large_the_error_of_fair_probabilities_is_by_chance():
    rng = np.random.default_rng(2)
    seen, told = [], []
    for _ in range(200):
        p, w = rng.dirichlet(np.full(4, 0.4), 200), rng.uniform(1, 5, 200)
        y = np.minimum((p.cumsum(1) < rng.random(200)[:, None]).sum(1), 3)
        seen.append(ece(reliability(p, y, w)))
        told.append(chance(p, w))
    assert np.mean(told) == pytest.approx(np.mean(seen), rel=0.1)
    assert np.isnan(chance(p[:0]))


def test_churn_and_kappa_between_rounds():
    before, after = np.array([1, 1, 2, 2, 0, 3] * 50), np.array([1, 2, 2, 2, 1, 3] * 50)
    found = churn(before, after, new_labels=150, missing=0)
    assert found.n == 250
    assert found.fraction == 0.2
    assert np.array_equal(found.rows, np.arange(300)[(before != 0) & (before != after)])
    assert found.kappa == pytest.approx(cohen_kappa_score(before[before > 0], after[before > 0]))
    assert found.sentence == "The last 150 labels changed 20 % of 250 predictions."
    assert churn(before, before).kappa == 1
    assert kappa(np.zeros(5, int), np.zeros(5, int)) == 1
    with pytest.raises(InputError, match="same items"):
        churn(before, after[:3])


def test_leaks_by_name():
    fine = ["CD3__Mean__Cell", "IDO1", "HLA_DR", "MajorAxis__Cell", "Orientation__Cell", "CD3_z", "NeighbourCount",
            "ShapeIndex", "Ki67__Median__Nucleus", "CD8T__Probability", "H3K9ac", "dsDNA"]  # fmt: skip
    assert leak_alarm(fine) == []
    for name in ("cellID", "cell_id", "X", "centroid-0", "X_centroid", "CentroidY", "image", "fov", "label", "index",
                 "x_um", "Unnamed: 0", "cell_type", "image_name", "Cell Index", "slide_id"):  # fmt: skip
        assert name in leak_alarm([*fine, name])[0], name


def test_leaks_by_value():
    rng = np.random.default_rng(0)
    images = np.repeat(["a", "b", "c"], 100)
    X = np.c_[np.arange(300), rng.normal(0, 1, 300), np.repeat([5.0, 2.0, 9.0], 100), np.ones(300)]
    found = leak_alarm(["running", "CD3", "stain batch", "flat"], X, images=images)
    assert len(found) == 2
    assert "'running' only rises or falls" in found[0]
    assert "'stain batch' has one value for each image" in found[1]


def test_a_learning_curve_rises_and_says_what_it_speaks_from(data, trained):
    table = learning_curve(data, ["xgboost"], rounds=trained.rounds, repeats=2)
    assert table["labels"].is_monotonic_increasing
    assert len(table) >= 4
    assert table["macro_f1"].iloc[-1] > table["macro_f1"].iloc[0]
    assert "held out" in table["split"].iloc[0]
    assert set(table["judged_on"]) == {"held-out images"}
    assert learning_curve(data, ["xgboost"], sizes=[50, 100], repeats=1)["labels"].tolist() == [50, 100]
    with pytest.raises(TrainingError, match="too few"):
        learning_curve(
            TrainingData(data.X[:2], np.array([0, 1]), data.groups[:2], data.categories, data.feature_names),
            ["xgboost"],
        )
