import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celltune_nb.errors import InputError, TrainingError
from celltune_nb.learn.boosting.lgbm import leaf_size
from celltune_nb.learn.metrics import scores
from celltune_nb.learn.training import Cancelled, ModelSpec, TrainingData, fit_models, problems

from .synthetic import make, training_data

KINDS = ["xgboost", "catboost", "lightgbm"]


def small(y, groups=None, k=None):
    y = np.asarray(y)
    k = k or int(y.max()) + 1
    rng = np.random.default_rng(0)
    X = (rng.normal(0, 1, (len(y), 6)) + y[:, None]).astype(np.float32)
    groups = np.zeros(len(y)) if groups is None else groups
    return TrainingData(X, y, groups, tuple(f"T{i}" for i in range(k)), tuple(f"f{i}" for i in range(6)))


def test_three_boosters_learn_from_three_hundred_labels(trained):
    X, y, _ = make(2000, 9)
    for handle in trained.handles:
        assert scores(handle.predict_proba(X), y)["macro_f1"] > 0.85, handle.name
    assert [h.name for h in trained.handles] == KINDS
    assert not trained.stopped
    assert not trained.notes
    assert trained.split.by == "group"


def test_metrics_and_history_are_of_the_chosen_round(trained):
    for name in KINDS:
        rows = [r for r in trained.history if r["model"] == name]
        assert {(r["split"], r["metric"]) for r in rows} == {
            (s, m) for s in ("train", "valid") for m in ("log_loss", "accuracy", "macro_f1")
        }
        valid = {r["step"]: r["value"] for r in rows if r["split"] == "valid" and r["metric"] == "log_loss"}
        chosen = trained.rounds[name]
        assert valid[chosen] == pytest.approx(trained.metrics[name]["log_loss"])
        assert all(valid[chosen] <= v for step, v in valid.items() if step >= 10)
        assert sorted(valid) == list(range(1, len(valid) + 1))


def test_figures_reported_while_learning_are_right(data):
    """CatBoost's own metrics and ours mean the same."""
    result = fit_models(data, ["catboost", "xgboost"], rounds=12, patience=0, weights="none")
    held = result.split.valid
    from celltune_nb.learn import boosting

    codes = data.y.astype(np.int32)
    for name in ("catboost", "xgboost"):
        rows = (data.X[result.split.train], codes[result.split.train], None)
        fitted = boosting.fit(name, rows, None, 5, rounds=result.rounds[name], n_jobs=1)
        found = scores(fitted.predict(data.X[held]), data.y[held])
        for key, value in result.metrics[name].items():
            assert found[key] == pytest.approx(value, abs=2e-3), (name, key)


def test_the_same_seed_gives_the_same_models(data):
    a = fit_models(data, KINDS, seed=4)
    b = fit_models(data, KINDS, seed=4)
    c = fit_models(data, KINDS, seed=5)
    for x, y, z in zip(a.handles, b.handles, c.handles, strict=True):
        np.testing.assert_array_equal(x.predict_proba(data.X), y.predict_proba(data.X))
        assert not np.array_equal(x.predict_proba(data.X), z.predict_proba(data.X))
    assert a.history == b.history


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_steps_tell_progress_that_never_falls(data, n_jobs):
    steps = []
    fit_models(data, ["xgboost", "catboost"], on_step=steps.append, n_jobs=n_jobs)
    assert [s.fraction for s in steps] == sorted(s.fraction for s in steps)
    assert steps[-1].fraction == 1
    assert steps[-1].remaining_s == 0
    assert all(s.remaining_s >= 0 for s in steps)
    assert {s.phase for s in steps} == {"choose", "refit"}
    assert all(set(s.values) == {"train", "valid"} for s in steps if s.phase == "choose")
    for name in ("xgboost", "catboost"):
        own = [s.step for s in steps if s.model == name and s.phase == "choose"]
        assert own == list(range(1, len(own) + 1))
    if n_jobs == 1:
        assert [s.model_index for s in steps] == sorted(s.model_index for s in steps)


def test_models_side_by_side_are_those_fitted_one_after_the_other(data):
    for weights in ("none", "auto"):
        one, two = (
            fit_models(data, KINDS, rounds=40, weights=weights, n_jobs=n_jobs, patience=patience)
            for n_jobs, patience in ((1, 8), (2, 8))
        )
        assert [h.name for h in two.handles] == KINDS
        for x, y in zip(one.handles, two.handles, strict=True):
            np.testing.assert_array_equal(x.predict_proba(data.X), y.predict_proba(data.X))
        assert two.history == one.history
        assert two.metrics == one.metrics
        assert list(two.metrics) == KINDS
        assert two.rounds == one.rounds


def test_side_by_side_what_is_said_and_asked_stays_in_the_callers_thread(data):
    threads, models = set(), set()

    def on_step(step):
        threads.add(threading.get_ident())
        models.add(step.model)

    def stop():
        threads.add(threading.get_ident())

    fit_models(data, ["xgboost", "catboost"], on_step=on_step, stop=stop, n_jobs=2)
    assert models == {"xgboost", "catboost"}
    assert threads == {threading.get_ident()}


def test_stop_side_by_side_keeps_what_had_begun():
    data = training_data(600)
    seen, asked = [], []

    def stop():
        if {s.model for s in seen} == {"xgboost", "catboost"}:
            asked.append(time.process_time())
            return "stop"
        return None

    result = fit_models(
        data, ["xgboost", "catboost", "lightgbm"], rounds=5000, patience=0, on_step=seen.append, stop=stop, n_jobs=2
    )  # fmt: skip
    late = time.process_time() - asked[0]  # the machine may be shared: its own work counts
    assert late < 2
    assert result.stopped
    assert [h.name for h in result.handles] == ["xgboost", "catboost"]
    assert list(result.metrics) == ["xgboost", "catboost"]
    for handle in result.handles:
        assert 1 <= handle.rounds < 5000
        steps = [r["step"] for r in result.history if r["model"] == handle.name]
        assert steps == sorted(steps)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_stop_before_anything_keeps_a_first_round(data, n_jobs):
    result = fit_models(data, ["xgboost", "catboost"], stop=lambda: "stop", n_jobs=n_jobs)
    assert result.stopped
    assert result.handles[0].name == "xgboost"
    assert result.rounds["xgboost"] >= 1
    assert result.handles[0].predict_proba(data.X).shape == (300, 5)


def test_cancel_side_by_side_ends_both():
    data = training_data(600)
    before = threading.active_count()
    with pytest.raises(Cancelled):
        fit_models(data, ["xgboost", "catboost"], rounds=100_000, patience=0, stop=lambda: "cancel", n_jobs=2)
    assert threading.active_count() == before


def test_an_error_of_one_model_ends_the_other():
    data = training_data(600)
    models = [ModelSpec("xgboost"), ModelSpec("catboost", {"depth": 99})]
    with pytest.raises(TrainingError, match="CatBoost could not train"):
        fit_models(data, models, rounds=100_000, patience=0, n_jobs=2)

    def broken(step):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        fit_models(data, ["xgboost", "catboost"], rounds=100_000, patience=0, on_step=broken, n_jobs=2)


@pytest.mark.parametrize("kind", KINDS)
def test_stop_keeps_what_was_learned_so_far(data, kind):
    asked = []

    def stop():
        asked.append(time.process_time())
        return "stop" if len(asked) == 8 else None

    result = fit_models(data, [kind, "xgboost"], stop=stop, n_jobs=1)
    late = time.process_time() - asked[-1]  # the machine may be shared: its own work counts
    assert result.stopped
    assert late < 0.3
    assert [h.kind for h in result.handles] == [kind]
    assert result.rounds[kind] <= 8
    assert scores(result.handles[0].predict_proba(data.X), data.y)["accuracy"] > 0.7


def test_stop_while_refitting_keeps_the_model_that_was_finished(data):
    phases = []
    result = fit_models(
        data,
        ["xgboost"],
        on_step=lambda s: phases.append(s.phase),
        stop=lambda: "stop" if phases.count("refit") == 2 else None,
    )
    chosen = min(
        r["value"]
        for r in result.history
        if r["split"] == "valid" and r["metric"] == "log_loss" and r["step"] >= 10
    )
    assert result.stopped
    assert result.handles[0].rounds > 2
    assert result.metrics["xgboost"]["log_loss"] == pytest.approx(chosen)


@pytest.mark.parametrize("kind", KINDS)
def test_cancel_raises_and_errors_of_the_caller_come_through(data, kind):
    with pytest.raises(Cancelled):
        fit_models(data, [kind], stop=lambda: "cancel")

    def broken(step):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        fit_models(data, [kind], on_step=broken)


@pytest.mark.parametrize("k", [2, 40])
def test_two_to_forty_categories(k):
    data = training_data(40 * k, k=k, amount=4.0)
    result = fit_models(data, KINDS, rounds=25)
    for handle in result.handles:
        p = handle.predict_proba(data.X)
        assert p.shape == (40 * k, k)
        assert scores(p, data.y)["accuracy"] > 0.9, handle.kind


def test_a_category_with_one_label_stays_in_training():
    data = small([0] * 30 + [1] * 30 + [2], np.arange(61) % 4)
    result = fit_models(data, KINDS)
    assert 60 in result.split.train
    for handle in result.handles:
        assert handle.present.tolist() == [0, 1, 2]


def test_many_labels_choose_their_rounds_on_a_sample_that_has_every_category():
    y = np.r_[np.arange(14_000) % 2, 2, 2]
    result = fit_models(small(y, np.arange(14_002) % 7), ["xgboost", "catboost"], rounds=3)
    assert len(result.split.train) > 9_000
    for handle in result.handles:
        assert handle.present.tolist() == [0, 1, 2]
        assert handle.rounds <= 3
    twice = fit_models(small(y, np.arange(14_002) % 7), ["xgboost", "catboost"], rounds=3)
    assert twice.history == result.history


def test_categories_without_a_label_get_probability_zero(tmp_path):
    from celltune_nb.learn.models import ModelHandle

    data = small([1] * 20 + [3] * 20, k=5)
    for kind in KINDS:
        handle = fit_models(data, [kind]).handles[0]
        p = ModelHandle.load(handle.save(tmp_path / kind)).predict_proba(data.X)
        assert p.shape == (40, 5)
        assert not p[:, [0, 2, 4]].any()
        np.testing.assert_allclose(p.sum(1), 1, atol=1e-6)
        assert handle.contributions(data.X[:2])[:, [0, 2, 4]].sum() == 0


def test_missing_values_teach_too():
    data = small([0, 1] * 30)
    data.X[:] = 1
    data.X[1::2, 2] = np.nan
    for kind in ("xgboost", "lightgbm"):
        p = fit_models(data, [kind], rounds=20).handles[0].predict_proba(data.X)
        assert (p.argmax(1) == data.y).all(), kind


def test_balanced_weights_find_more_of_a_rare_category():
    X, y, g = make(600, 1, k=2, amount=0.4)
    keep = (y == 0) | (np.random.default_rng(0).random(600) < 0.15)
    data = TrainingData(X[keep], y[keep], g[keep], ("OFF", "ON"), tuple(f"f{i}" for i in range(20)))
    Xt, yt, _ = make(2000, 2, k=2, amount=0.4)
    recall = {}
    for weights in ("none", "balanced"):
        result = fit_models(data, KINDS, weights=weights)
        for handle in result.handles:
            found = handle.predict_proba(Xt).argmax(1)
            recall[handle.kind, weights] = (found[yt == 1] == 1).mean()
    assert all(recall[kind, "balanced"] > recall[kind, "none"] for kind in KINDS), recall


def test_lightgbm_does_not_collapse_on_few_labels():
    data = training_data(60, k=5)
    result = fit_models(data, ["lightgbm"])
    X, y, _ = make(1000, 3)
    assert scores(result.handles[0].predict_proba(X), y)["macro_f1"] > 0.6
    assert leaf_size(np.array([0] * 500 + [1] * 3)) == 1
    assert leaf_size(np.repeat([0, 1], 5000)) == 20


def test_a_collapse_is_noticed_and_tried_again():
    data = training_data(200)
    broken = ModelSpec("lightgbm", {"min_child_samples": 10_000})
    result = fit_models(data, [broken])
    assert "more cautiously" in result.notes[0]
    assert result.metrics["lightgbm"]["accuracy"] > 0.7


def test_parameters_override_the_fast_ones_and_bad_ones_are_named(data):
    a = fit_models(data, [ModelSpec("xgboost", {"max_depth": 1})], rounds=5).handles[0]
    b = fit_models(data, ["xgboost"], rounds=5).handles[0]
    assert a.memory < b.memory
    with pytest.raises(TrainingError, match=r"XGBoost could not train: .*max_depth"):
        fit_models(data, [ModelSpec("xgboost", {"max_depth": "deep"})])
    with pytest.raises(TrainingError, match="CatBoost could not train"):
        fit_models(data, [ModelSpec("catboost", {"depth": 99})])


@pytest.mark.parametrize(
    "params", [{"subsample": 0.7}, {"bagging_temperature": 2.0}, {"bootstrap_type": "MVS"}]
)
def test_catboost_draws_labels_when_told_how_many(data, params):
    given = fit_models(data, [ModelSpec("catboost", params)], rounds=5).handles[0]
    plain = fit_models(data, ["catboost"], rounds=5).handles[0]
    assert not np.array_equal(given.predict_proba(data.X), plain.predict_proba(data.X))


def test_one_kind_twice_has_two_names(data):
    result = fit_models(data, ["xgboost", ModelSpec("xgboost", {"max_depth": 2})], rounds=4)
    assert [h.name for h in result.handles] == ["xgboost", "xgboost 2"]


def test_without_a_held_out_split_every_label_is_learned_from(data):
    result = fit_models(data, ["xgboost"], rounds=7, choose=False)
    assert result.rounds == {"xgboost": 7}
    assert len(result.split.train) == 300
    assert np.isnan(result.metrics["xgboost"]["accuracy"])


def test_a_gpu_that_is_not_there_is_said_and_the_cpu_used(data):
    from celltune_nb.learn.machine import cuda_available

    if cuda_available():
        pytest.skip("this machine has a CUDA device")
    result = fit_models(data, ["xgboost", "catboost"], rounds=3, device="cuda")
    assert result.notes == ("No CUDA device answers: the models were trained on the CPU.",)
    assert [h.device for h in result.handles] == ["cpu", "cpu"]


@pytest.mark.parametrize(
    ("y", "groups", "expected"),
    [
        ([], [], "Nothing is labelled yet"),
        ([1] * 104, None, "in one category only (OFF, 104). Label at least one ON cell"),
        ([0, 1], None, "Fewer than 5 labels: ON (1), OFF (1)"),
        ([0, 1] * 20, ["a"] * 40, "All labels come from one slice (a)"),
        ([0] * 20 + [1] * 20, ["a"] * 20 + ["b"] * 10 + ["a"] * 10, "Labelled in one slice only: ON"),
    ],
)
def test_problems_are_said_with_the_next_step(y, groups, expected):
    found = problems(
        np.array(y, int), ["ON", "OFF"], None if groups is None else np.array(groups), unit="slice"
    )
    assert any(expected in p.text for p in found), found


def test_no_problem_no_words():
    y, groups = np.array([0, 1] * 20), np.repeat(["a", "b"], 20)
    assert problems(y, ["ON", "OFF"], groups) == []


def test_what_cannot_be_learned_from_is_refused_in_words(data):
    with pytest.raises(TrainingError, match="one category only"):
        fit_models(small([0] * 10, k=2), ["xgboost"])
    flat = small([0, 1] * 10)
    flat.X[:] = 3
    with pytest.raises(TrainingError, match="No feature differs"):
        fit_models(flat, ["catboost"])
    for wrong in ({"weights": "some"}, {"device": "tpu"}, {"rounds": 0}, {"holdout_fraction": 1.0}):
        with pytest.raises(InputError):
            fit_models(data, ["xgboost"], **wrong)
    with pytest.raises(InputError, match="No model"):
        fit_models(data, [])
    with pytest.raises(InputError, match="20 names"):
        TrainingData(data.X[:, :3], data.y, data.groups, data.categories, data.feature_names)


@settings(max_examples=15)
@given(st.lists(st.integers(0, 3), min_size=2, max_size=25), st.integers(1, 3), st.integers(0, 1000))
def test_any_handful_of_labels_trains(y, groups, seed):
    if len(set(y)) < 2:
        return
    data = small(y, np.arange(len(y)) % groups, k=4)
    result = fit_models(data, ["xgboost", "catboost"], seed=seed, rounds=12)
    for handle in result.handles:
        p = handle.predict_proba(data.X)
        np.testing.assert_allclose(p.sum(1), 1, atol=1e-5)
        assert set(handle.present) == set(y)


def test_a_gpu_that_refuses_gives_the_cpus_models_and_a_sentence(data, monkeypatch):
    """What the libraries do where a driver answers and no GPU can be used: they raise, or go on without a word."""
    from celltune_nb.learn import fitting
    from celltune_nb.learn.machine import cuda_available

    if cuda_available():
        pytest.skip("this machine has a GPU")
    monkeypatch.setattr(fitting, "cuda_available", lambda: True)  # hardware that is not there
    models = ["xgboost", "catboost", "lightgbm"]
    result = fit_models(data, models, rounds=3, device="cuda", n_jobs=1)
    assert [handle.device for handle in result.handles] == ["cpu", "cpu", "cpu"]
    for name in ("xgboost", "catboost"):
        said = [note for note in result.notes if note.startswith(f"{name} could not use the GPU")]
        assert len(said) == 1
        assert "Check the model" not in said[0]
    assert any(note.startswith("LightGBM runs on the CPU") for note in result.notes)
    plain = fit_models(data, models, rounds=3, device="cpu", n_jobs=1)
    for one, other in zip(result.handles, plain.handles, strict=True):
        np.testing.assert_allclose(
            one.predict_proba(data.X[:20]), other.predict_proba(data.X[:20]), atol=1e-5
        )


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        (
            "xgboost",
            (
                "[11:01:50] /workspace/src/tree/updater_gpu_hist.cu:784: Exception in gpu_hist: [11:01:50] "
                "/workspace/src/common/device_helpers.cuh:431: Memory allocation error on worker 0: std::bad_alloc: "
                "cudaErrorMemoryAllocation: out of memory\n- Free memory: 8126464\n- Requested memory: 33554432\n"
            ),
            "Too little of its memory is free: other programs use it, or it is small for so many labels and features",
        ),
        (
            "catboost",
            (
                "/src/catboost/catboost/cuda/cuda_lib/memory_pool/stack_like_memory_pool.h:303: Error: Out of memory. "
                "Requested 8880 MB; Free 5902.061425 MB"
            ),
            "Too little of its memory is free",
        ),
        (
            "catboost",
            (
                "catboost/cuda/cuda_lib/devices_provider.h:190: Error: device already requested. CUDA error 46: all "
                "CUDA-capable devices are busy or unavailable"
            ),
            "It is busy, or kept for another program",
        ),
        (
            "catboost",
            "CUDA error 35: CUDA driver version is insufficient for CUDA runtime version",
            "Its driver is older than the library needs",
        ),
        (
            "xgboost",
            "[10:00:00] /workspace/src/x.cu:12: Something nobody has seen\nStack trace:\n  [bt] (0) 0x1",
            "XGBoost could not train: Something nobody has seen",
        ),
    ],
)
def test_what_a_gpu_lacks_is_said_in_words(data, monkeypatch, kind, text, why):
    """The texts are those of the libraries, raised as they raise them, in the middle of a fit."""
    from celltune_nb.learn import fitting
    from celltune_nb.learn.boosting import cat, xgb

    module = {"xgboost": xgb, "catboost": cat}[kind]
    on_cpu = module.fit

    def fit(*rows, device, on_round, **settings):
        if device == "cpu":
            return on_cpu(*rows, device=device, on_round=on_round, **settings)
        on_cpu(*rows, device="cpu", on_round=on_round, **{**settings, "rounds": 2})
        raise module.LibraryError[0](text)

    monkeypatch.setattr(fitting, "cuda_available", lambda: True)  # hardware that is not there
    monkeypatch.setattr(module, "fit", fit)
    result = fit_models(data, [kind], rounds=4, device="cuda", n_jobs=1)
    said = [note for note in result.notes if "GPU" in note]
    assert len(said) == 1
    assert said[0].startswith(f"{kind} could not use the GPU and was trained on the CPU. {why}")
    assert said[0].endswith(".")
    plain = fit_models(data, [kind], rounds=4, device="cpu", n_jobs=1)
    assert [row["step"] for row in result.history] == [row["step"] for row in plain.history]
    np.testing.assert_array_equal(
        result.handles[0].predict_proba(data.X[:20]), plain.handles[0].predict_proba(data.X[:20])
    )


def test_a_trained_booster_keeps_its_trees_and_lets_go_of_the_training(data):
    """What it would keep lies on the GPU where one trained; XGBoost 2 has no way but to be read anew."""
    import xgboost

    from celltune_nb.learn.boosting.xgb import XGBoost, _bare

    present, rows = np.unique(data.y, return_inverse=True)
    matrix = xgboost.DMatrix(data.X, rows.reshape(-1))
    booster = xgboost.train({"objective": "multi:softprob", "num_class": len(present)}, matrix, 3)
    before = booster.inplace_predict(data.X[:50])

    class Older:
        def save_raw(self, kind):
            return booster.save_raw(kind)

    for bare in (_bare(Older()), _bare(booster)):
        assert bare.num_boosted_rounds() == 3
        np.testing.assert_array_equal(bare.inplace_predict(data.X[:50]), before)
        np.testing.assert_allclose(XGBoost(bare, len(present)).predict(data.X[:50]), before, atol=1e-6)


def test_too_little_memory_is_said(data, monkeypatch):
    import catboost
    import lightgbm
    import xgboost

    def full(*arguments, **options):
        raise MemoryError

    for library, name in ((xgboost, "QuantileDMatrix"), (catboost, "Pool"), (lightgbm, "Dataset")):
        monkeypatch.setattr(library, name, full)  # a machine that has none left
    for kind, title in (("xgboost", "XGBoost"), ("catboost", "CatBoost"), ("lightgbm", "LightGBM")):
        with pytest.raises(
            TrainingError, match=f"not enough memory to train {title} on .* Close other programs"
        ):
            fit_models(data, [kind], rounds=3)


def test_a_model_predicts_on_the_cpu_wherever_it_was_trained(data):
    from celltune_nb.learn.boosting.xgb import XGBoost, used_device
    from celltune_nb.learn.machine import cuda_available

    handle = fit_models(data, ["xgboost"], rounds=3, device="cuda").handles[0]
    assert handle.device == ("cuda" if cuda_available() else "cpu")
    before = handle.predict_proba(data.X[:20])
    handle.fitted.booster.set_param({"device": "cuda"})
    again = XGBoost(handle.fitted.booster, handle.fitted.k, "cuda")
    assert used_device(again.booster) == "cpu"
    np.testing.assert_allclose(again.predict(data.X[:20]), before[:, handle.present], atol=1e-6)
    assert used_device(again.first(2).booster) == "cpu"


def test_how_long_each_model_took_is_told(data):
    result = fit_models(data, ["xgboost", "lightgbm"], rounds=3)
    assert result.model_seconds.keys() == {"xgboost", "lightgbm"}
    assert all(0 < seconds <= result.seconds for seconds in result.model_seconds.values())
