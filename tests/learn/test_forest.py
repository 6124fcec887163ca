"""Flattened trees against the library that grew them."""

import numpy as np
import pytest

from celltune_nb.learn import boosting
from celltune_nb.learn.boosting import forest, xgb
from celltune_nb.learn.boosting.forest import Tree, build

from .synthetic import make


@pytest.fixture(scope="module", autouse=True)
def compiled():
    forest.warm_up()


def holed(n, seed, **options):
    X, y, _ = make(n, seed, **options)
    X[np.random.default_rng(seed).random(X.shape) < 0.1] = np.nan
    return X, y.astype(np.int32)


@pytest.mark.parametrize(
    ("k", "params"),
    [
        (5, {}),
        (2, {}),
        (40, {"max_depth": 2}),
        (5, {"max_depth": 1}),
        (5, {"max_depth": 8}),
        (5, {"max_bin": 250, "num_parallel_tree": 2}),
        (3, {"grow_policy": "lossguide", "max_leaves": 30, "max_depth": 0}),
        (2, {"min_child_weight": 1e6}),  # not a single split
    ],
)
def test_margins_are_the_librarys_to_the_last_bit(k, params):
    rows = (*holed(600, 1, k=k), None)
    fitted = boosting.fit("xgboost", rows, None, k, rounds=12, params=params)
    X, _ = holed(1000, 2, k=k)
    flat = xgb.flattened(fitted.booster, k)
    assert flat is not None
    theirs = fitted.booster.inplace_predict(X, predict_type="margin").reshape(len(X), -1)
    np.testing.assert_array_equal(flat.margins(X), theirs)
    np.testing.assert_array_equal(flat.margins(np.asfortranarray(X)), theirs)
    # the two ways a prediction can be made, and the library's own probabilities
    together = fitted.predict(X)
    apart = np.concatenate([fitted.predict(X[i : i + 100]) for i in range(0, 1000, 100)])
    np.testing.assert_array_equal(together, apart)
    own = fitted.booster.inplace_predict(X)
    np.testing.assert_allclose(together, own if k > 2 else np.stack([1 - own, own], axis=1), atol=1e-6)


@pytest.mark.parametrize("missing", [True, False])
@pytest.mark.parametrize(
    ("k", "params"),
    [
        (5, {}),
        (2, {}),
        (40, {}),
        (5, {"num_leaves": 200, "max_bin": 250}),
        (3, {"min_child_samples": 10_000}),
    ],
)
def test_lightgbms_trees_say_what_lightgbm_says(k, params, missing):
    X, y = holed(800, 1, k=k)
    rows = (X if missing else np.nan_to_num(X), y, None)
    fitted = boosting.fit("lightgbm", rows, None, k, rounds=12, params=params)
    new, _ = holed(1000, 2, k=k)
    new = np.concatenate([new, rows[0]])  # with values that lie on cuts
    assert fitted._forest() is not None
    own = fitted.booster.predict(new, num_iteration=fitted.rounds)
    np.testing.assert_allclose(
        fitted.predict(new), own if k > 2 else np.stack([1 - own, own], axis=1), atol=1e-5
    )
    part = fitted.first(5)
    own = fitted.booster.predict(new, num_iteration=5)
    np.testing.assert_allclose(
        part.predict(new), own if k > 2 else np.stack([1 - own, own], axis=1), atol=1e-5
    )


def test_what_does_not_fit_into_bytes_is_left_to_the_library():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 3)).astype(np.float32)
    y = (np.sin(40 * X[:, 0]) > 0).astype(np.int32)
    for params in (
        {"max_bin": 2000, "max_depth": 8},
        {"max_depth": 14, "max_bin": 2000, "min_child_weight": 0.01},
    ):
        fitted = boosting.fit("xgboost", (X, y, None), None, 2, rounds=20, params=params)
        assert xgb.flattened(fitted.booster, 2) is None
        own = fitted.booster.inplace_predict(X)
        np.testing.assert_allclose(fitted.predict(X)[:, 1], own, atol=1e-6)


def test_an_item_on_a_cut_goes_right_and_a_missing_one_where_it_was_sent():
    #      x0 < 1 ? ( x1 < 0 ? 1 : 2 ) : 4, a missing x0 goes right, a missing x1 left
    tree = Tree(
        [1, 3, -1, -1, -1], [2, 4, -1, -1, -1], [0, 1, 0, 0, 0], [1.0, 0.0, 4.0, 1.0, 2.0], [0, 1, 0, 0, 0], 1
    )
    flat = build([tree, tree], np.array([7, 10], np.float32))
    assert flat is not None
    nan = np.nan
    X = np.array([[0, -1], [0, 0], [1, -1], [nan, -1], [0, nan], [nan, nan]], np.float32)
    assert flat.margins(X).tolist() == [[7, 10 + 2 * leaf] for leaf in (1, 2, 4, 4, 1, 4)]
    assert forest.is_compiled()
