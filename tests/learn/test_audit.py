import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celltune_nb.errors import InputError
from celltune_nb.learn.audit import _shuffled
from celltune_nb.learn.evaluation import evaluate_audit
from celltune_nb.learn.sampling import Pool, audit

N, K = 8000, 4


def population(seed):
    """Items of eight images on which the model is right more often in some than in others."""
    rng = np.random.default_rng(seed)
    images = np.sort(rng.integers(0, 8, N))
    y = rng.choice(K, N, p=[0.6, 0.25, 0.12, 0.03])
    z = rng.normal(0, 1, (N, K))
    z[np.arange(N), y] += 1.6 + 0.4 * np.sin(images)
    p = np.exp(2 * z)
    return images, y, (p / p.sum(1, keepdims=True)).astype(np.float32), rng


def draw(images, probabilities, n, rng, **earlier):
    zero = np.zeros(len(images))
    return audit(
        Pool(np.arange(len(images)), None, images, images, zero, zero, probabilities), n, rng, **earlier
    )


def test_a_weighted_audit_is_unbiased_and_its_interval_covers_the_truth():
    error, naive, covered, prevalence = [], [], 0, np.zeros(K)
    runs = 100
    for seed in range(runs):
        images, y, p, rng = population(seed)
        first, inclusion = draw(images, [], 80, rng)  # before a model
        taken = np.isin(np.arange(N), first.ids)
        second, inclusion = draw(
            images, [p], 170, rng, inclusion=inclusion, drawn=taken
        )  # topped up after it
        ids = np.concatenate([first.ids, second.ids])
        assert len(set(ids.tolist())) == 250
        right = p.argmax(1) == y
        found = evaluate_audit(
            {"model": p[ids]},
            y[ids],
            inclusion[ids],
            categories="abcd",
            ids=ids,
            groups=images[ids],
            seed=seed,
        )
        error.append(found.accuracy - right.mean())
        naive.append(right[ids].mean() - right.mean())
        low, high = found.interval["accuracy"]
        covered += low <= right.mean() <= high
        share = np.bincount(y, minlength=K) / N
        prevalence += (found.per_category.prevalence_low <= share) & (
            share <= found.per_category.prevalence_high
        )
    standard_error = np.std(error) / np.sqrt(runs)
    assert abs(np.mean(error)) < 3 * standard_error
    assert np.mean(naive) < -0.04  # counting the same items without weights is far off
    assert covered >= 90
    assert (prevalence >= 85).all()


def test_inclusion_probabilities_are_what_happens():
    images, _, p, _ = population(0)
    images, p = images[:300], p[:300]
    runs, hits, total = 1500, np.zeros(300), None
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        a, inclusion = draw(images, [p], 30, rng)
        taken = np.isin(np.arange(300), a.ids)
        b, inclusion = draw(images, [p], 20, rng, inclusion=inclusion, drawn=taken)
        hits[a.ids] += 1
        hits[b.ids] += 1
        total = inclusion if total is None else total + inclusion
    expected = total / runs
    z = (hits / runs - expected) / np.sqrt(expected * (1 - expected) / runs)
    assert np.abs(z).mean() < 1.2
    assert np.corrcoef(hits, expected)[0, 1] > 0.9
    np.testing.assert_allclose(hits.sum() / runs, 50)


@settings(max_examples=60)
@given(st.integers(1, 200), st.integers(1, 250), st.booleans(), st.integers(0, 99))
def test_exactly_as_many_as_asked_and_probabilities_that_sum_to_it(size, n, model, seed):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(3, 0.3), size).astype(np.float32)
    images = rng.integers(0, 4, size)
    found, inclusion = draw(images, [p] if model else [], n, rng)
    want = min(n, size)
    assert len(found) == want == len(set(found.ids.tolist()))
    assert inclusion.sum() == pytest.approx(want)
    assert ((inclusion > 0) & (inclusion <= 1)).all()
    np.testing.assert_array_equal(found.probability, inclusion[found.ids])


def test_every_image_and_score_bin_gets_its_share():
    images, _, p, rng = population(1)
    found, inclusion = draw(images, [p], 240, rng)
    per_image = np.bincount(images[found.ids], minlength=8)
    expected = np.bincount(images, inclusion, minlength=8)
    assert np.abs(per_image - expected).max() <= 5
    assert inclusion.max() / inclusion.min() < 12


def test_the_argument_is_left_alone_and_a_wrong_one_named():
    images, _, p, rng = population(2)
    before = np.full(N, 0.1)
    _, after = draw(images, [p], 10, rng, inclusion=before)
    assert (before == 0.1).all()
    assert (after > before).all()
    with pytest.raises(InputError, match="one value for each item of the pool"):
        draw(images, [p], 10, rng, inclusion=before[:5])


@pytest.mark.parametrize("n", [0, 1, 5_000])
def test_items_are_taken_bin_by_bin_and_image_by_image_at_random_within(n):
    rng = np.random.default_rng(0)
    cell = rng.integers(-1, 12, n)  # items of a table may lie on no image
    first, second = _shuffled(cell, rng), _shuffled(cell, rng)
    for order in (first, second):
        np.testing.assert_array_equal(np.sort(order), np.arange(n))
        np.testing.assert_array_equal(cell[order], np.sort(cell))
    if n > 1:
        assert abs(np.corrcoef(first[cell[first] == 3], second[cell[second] == 3])[0, 1]) < 0.2
