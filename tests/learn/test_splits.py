import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from celltune_nb.learn.splits import folds, holdout

labels = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), min_size=1, max_size=120)


@given(labels, st.integers(0, 99))
def test_a_held_out_split_never_shares_a_group_and_keeps_every_category(rows, seed):
    y, groups = np.array(rows).T
    split = holdout(y, groups, 0.25, seed)
    both = np.concatenate([split.train, split.valid])
    assert np.array_equal(np.sort(both), np.arange(len(y)))
    assert set(y[split.train]) == set(y)
    assert split.sentence.endswith(".") or split.sentence
    if split.by == "group":
        # what is learned from a held-out group is only what could not be learned elsewhere
        shared = np.isin(groups[split.train], groups[split.valid])
        elsewhere = y[split.train][~shared]
        assert not np.isin(y[split.train][shared], elsewhere).any()


@given(labels, st.integers(2, 6), st.integers(0, 99))
def test_folds_predict_every_item_once_and_keep_groups_together(rows, k, seed):
    y, groups = np.array(rows).T
    pairs, by, sentence = folds(y, groups, k, seed)
    if len(y) < 2:
        return
    tested = np.concatenate([test for _, test in pairs])
    assert np.array_equal(np.sort(tested), np.arange(len(y)))
    assert by == ("group" if len(set(groups)) > 1 else "random")
    for train, test in pairs:
        assert not set(train) & set(test)
        if by == "group":
            assert not set(groups[train]) & set(groups[test])
    assert by in sentence or "random" in sentence or "group" in sentence


def test_the_held_out_part_is_as_large_as_asked_and_looks_like_the_rest():
    rng = np.random.default_rng(0)
    y, groups = rng.choice(4, 2000, p=[0.6, 0.3, 0.08, 0.02]), rng.integers(0, 20, 2000)
    split = holdout(y, groups, 0.25, 3, unit="slide")
    assert 0.2 < len(split.valid) / 2000 < 0.3
    share = np.bincount(y[split.valid], minlength=4) / np.bincount(y, minlength=4)
    assert share.min() > 0.1
    assert "of 20 slides held out" in split.sentence
    assert not set(groups[split.train]) & set(groups[split.valid])


def test_one_group_is_split_at_random_and_said():
    y = np.repeat([0, 1, 2], [80, 16, 1])
    split = holdout(y, np.zeros(97), 0.25, 0, unit="image")
    assert split.by == "random"
    assert (
        "at random, because all labels come from one image: the figure is too kind to new images"
        in split.sentence
    )
    assert np.bincount(y[split.valid], minlength=3).tolist() == [20, 4, 0]


def test_groups_too_unequal_to_hold_out_are_not():
    split = holdout(np.arange(200) % 2, np.r_[np.zeros(197), [1, 1, 1]], 0.25, 0)
    assert split.by == "random"
    assert "too unequal" in split.sentence


def test_the_same_seed_gives_the_same_split():
    rng = np.random.default_rng(1)
    y, groups = rng.integers(0, 3, 100), rng.integers(0, 9, 100)
    for make in (lambda s: holdout(y, groups, 0.25, s).valid, lambda s: folds(y, groups, 4, s).pairs[0][1]):
        assert np.array_equal(make(5), make(5))
    assert any(
        not np.array_equal(holdout(y, groups, 0.25, s).valid, holdout(y, groups, 0.25, 5).valid)
        for s in range(4)
    )


def test_folds_by_group_have_similar_sizes_and_mixes():
    rng = np.random.default_rng(0)
    y, groups = rng.choice(3, 3000, p=[0.7, 0.2, 0.1]), rng.integers(0, 30, 3000)
    sizes = [np.bincount(y[test], minlength=3) for _, test in folds(y, groups, 5, 0).pairs]
    assert np.ptp([s.sum() for s in sizes]) < 250
    assert np.ptp([s[2] / s.sum() for s in sizes]) < 0.05
