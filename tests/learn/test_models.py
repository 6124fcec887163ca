import json

import numpy as np
import pytest

from celltune_nb.errors import FormatError, InputError, NotReadyError
from celltune_nb.learn.models import Cancelled, ModelHandle, ModelSpec
from celltune_nb.learn.training import fit_models

from .synthetic import make, training_data

KINDS = {"xgboost": ".ubj", "catboost": ".cbm", "lightgbm": ".txt"}


@pytest.mark.parametrize("index", range(3))
def test_a_saved_model_predicts_the_same_and_keeps_its_meaning(trained, tmp_path, index):
    handle = trained.handles[index]
    X, _, _ = make(50, 5)
    path = handle.save(tmp_path / "Pred_MDL1")
    assert {p.name for p in tmp_path.iterdir()} == {"Pred_MDL1.json", "Pred_MDL1" + KINDS[handle.kind]}
    for name in ("Pred_MDL1.json", "Pred_MDL1", "Pred_MDL1" + KINDS[handle.kind]):
        again = ModelHandle.load(tmp_path / name)
        np.testing.assert_array_equal(again.predict_proba(X), handle.predict_proba(X))
    for field in (
        "name", "kind", "categories", "feature_names", "schema_hash", "label_revision", "device", "rounds",
    ):  # fmt: skip
        assert getattr(again, field) == getattr(handle, field)
    assert path == tmp_path / "Pred_MDL1.json"


@pytest.mark.parametrize("index", range(3))
def test_a_damaged_file_is_refused_with_a_sentence(trained, tmp_path, index):
    handle = trained.handles[index]
    sidecar = handle.save(tmp_path / "m")
    native = tmp_path / ("m" + KINDS[handle.kind])
    whole, about = native.read_bytes(), json.loads(sidecar.read_text())
    native.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FormatError, match="damaged"):
        ModelHandle.load(sidecar)
    native.unlink()
    with pytest.raises(FormatError, match="cannot be read"):
        ModelHandle.load(sidecar)
    native.write_bytes(whole)
    for key, value in (
        ("categories", ["only"]), ("present", [0, 9]), ("present", "01234"), ("rounds", 10**6), ("kind", "pickle"),
        ("feature_names", ["f"] * 3), ("sha256", None), ("version", 99), ("format", "zip"), ("rounds", True),
    ):  # fmt: skip
        sidecar.write_text(json.dumps({**about, key: value}))
        with pytest.raises(FormatError):
            ModelHandle.load(sidecar)
    for text in ("", "[1, 2]", "{", "[" * 100_000, '{"format": 1}'):
        sidecar.write_text(text)
        with pytest.raises(FormatError):
            ModelHandle.load(sidecar)


def test_a_pickle_posing_as_a_model_is_not_executed(trained, tmp_path):
    import hashlib
    import pickle

    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    hostile = pickle.dumps(Trap())
    for handle in trained.handles:
        sidecar = handle.save(tmp_path / handle.kind)
        (tmp_path / (handle.kind + KINDS[handle.kind])).write_bytes(hostile)
        about = json.loads(sidecar.read_text())
        sidecar.write_text(json.dumps({**about, "sha256": hashlib.sha256(hostile).hexdigest()}))
        with pytest.raises(FormatError, match="cannot be used"):
            ModelHandle.load(sidecar)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("index", range(3))
def test_probabilities_do_not_depend_on_blocks_or_threads(trained, index):
    handle = trained.handles[index]
    X, _, _ = make(1000, 5)
    X[::13, 4] = np.nan
    X[3, 2], X[4, 2] = np.inf, -np.inf
    whole = handle.predict_proba(X, n_jobs=1)
    seen = []
    parts = handle.predict_proba(np.asfortranarray(X), block=128, n_jobs=2, progress=seen.append)
    np.testing.assert_allclose(parts, whole, atol=1e-6)
    np.testing.assert_allclose(whole.sum(1), 1, atol=1e-5)
    assert whole.dtype == np.float32
    assert seen == sorted(seen)
    assert seen[-1] == 1
    missing = np.where(np.isinf(X), np.nan, X)
    np.testing.assert_array_equal(handle.predict_proba(missing, n_jobs=1), whole)
    assert handle.predict_proba(X[:0]).shape == (0, 5)


def test_prediction_stops_between_blocks(trained):
    X, _, _ = make(1000, 5)
    done = []
    with pytest.raises(Cancelled):
        trained.handles[0].predict_proba(X, block=100, progress=done.append, stop=lambda: len(done) == 3)
    assert len(done) == 3


@pytest.mark.parametrize("index", range(3))
def test_contributions_explain_the_difference_between_categories(trained, index):
    handle = trained.handles[index]
    X, _, _ = make(200, 5)
    values = handle.contributions(X)
    assert values.shape == (200, 5, 20)
    p = handle.predict_proba(X)
    assert (values.sum(2).argmax(1) == p.argmax(1)).mean() > 0.8


def test_binary_contributions_mirror_each_other():
    data = training_data(120, k=2)
    for handle in fit_models(data, list(KINDS), rounds=20).handles:
        values = handle.contributions(data.X[:7])
        np.testing.assert_allclose(values[:, 0], -values[:, 1])
        up = values[:, 1].sum(1)
        margin = np.log(handle.predict_proba(data.X[:7])[:, 1] / handle.predict_proba(data.X[:7])[:, 0])
        np.testing.assert_allclose(np.diff(up), np.diff(margin), atol=1e-3)  # equal up to the base value


def test_the_wrong_number_of_features_is_named(trained):
    with pytest.raises(InputError, match="trained on 20 features"):
        trained.handles[0].predict_proba(np.zeros((3, 19), np.float32))


def test_a_released_model_says_so_and_holds_no_memory(data):
    handle = fit_models(data, ["xgboost"], rounds=3).handles[0]
    assert handle.memory > 1000
    handle.release()
    handle.release()
    assert handle.memory == 0
    with pytest.raises(NotReadyError, match="released"):
        handle.predict_proba(data.X)


def test_an_unknown_kind_lists_the_known_ones():
    with pytest.raises(InputError, match="xgboost, catboost, lightgbm"):
        ModelSpec("forest")
