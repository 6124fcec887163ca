import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celltune_nb.errors import InputError, NotReadyError
from celltune_nb.learn.sampling import SAMPLERS, Pool, allocate, clusters, propose_rectangle, quota_margin

from .synthetic import make


def pool(n, *, k=5, models=2, seed=0, features=True, labels=None, sure=3.0):
    X, y, _ = make(n, seed, k=k)
    rng = np.random.default_rng(seed)
    probabilities = []
    for _ in range(models):
        z = rng.normal(0, 1, (n, k))
        z[np.arange(n), y] += sure
        p = np.exp(z)
        probabilities.append((p / p.sum(1, keepdims=True)).astype(np.float32))
    images = np.sort(rng.integers(0, 4, n))
    found = Pool(
        np.arange(n) * 3 + 100, (lambda rows: X[rows]) if features else None, images, images,
        rng.random(n) * 1000, rng.random(n) * 800, probabilities,
        np.zeros(k, int) if labels is None else np.asarray(labels), tuple(f"T{i}" for i in range(k)),
    )  # fmt: skip
    return found, y


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_strategy_gives_distinct_items_reasons_and_the_same_again(name):
    candidates, _ = pool(3000)
    found = SAMPLERS[name](candidates, 60, np.random.default_rng(5))
    again = SAMPLERS[name](candidates, 60, np.random.default_rng(5))
    assert found.strategy == name
    assert len(set(found.ids.tolist())) == 60
    assert np.isin(found.ids, candidates.ids).all()
    assert len(found.reason) == 60
    assert all(found.reason)
    assert found.score.dtype == np.float32
    known = found.probability[np.isfinite(found.probability)]
    assert ((known > 0) & (known <= 1)).all()
    assert len(known) == {"clusters": 0, "diverse": 0, "quota_margin": 54}.get(name, 60)
    np.testing.assert_array_equal(found.ids, again.ids)
    assert found.reason == again.reason


@pytest.mark.parametrize("name", SAMPLERS)
@settings(max_examples=15)
@given(n=st.integers(1, 40), ask=st.integers(1, 60), k=st.integers(2, 6), seed=st.integers(0, 50))
def test_any_pool_gives_as_many_as_there_are(name, n, ask, k, seed):
    candidates, _ = pool(max(n, k), k=k, seed=seed)
    found = SAMPLERS[name](candidates, ask, np.random.default_rng(seed))
    assert len(found) == min(ask, len(candidates)) == len(set(found.ids.tolist()))


@pytest.mark.parametrize("name", SAMPLERS)
def test_items_without_prediction_or_features_do_not_break_a_strategy(name):
    candidates, _ = pool(400)
    for p in candidates.probabilities:
        p[::2] = np.nan
    features = candidates.features(np.arange(400))
    features[5] = np.nan
    features[:, 3] = np.nan
    features[7, 2] = np.inf
    candidates = Pool(
        candidates.ids, lambda rows: features[rows], candidates.images, candidates.groups, candidates.y,
        candidates.x, candidates.probabilities, candidates.label_counts, candidates.categories,
    )  # fmt: skip
    found = SAMPLERS[name](candidates, 30, np.random.default_rng(0))
    assert len(found) == 30
    assert np.isfinite(found.score).all()
    if name not in ("random", "clusters", "audit"):
        assert (((found.ids - 100) // 3) % 2 == 1).all()


def test_clusters_find_kinds_of_cells_that_random_misses():
    candidates, y = pool(4000, k=12, models=0)
    kinds, blind = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        kinds.append(len(set(y[(clusters(candidates, 24, rng).ids - 100) // 3])))
        blind.append(len(set(y[(SAMPLERS["random"](candidates, 24, rng).ids - 100) // 3])))
    assert np.mean(kinds) > np.mean(blind) + 0.5


def test_typical_and_ordinary_items_take_turns():
    candidates, y = pool(4000, k=4, models=0)
    found = clusters(candidates, 80, np.random.default_rng(0))
    kinds = [reason.split()[0] for reason in found.reason]
    for part in (kinds[:40], kinds[40:]):  # whoever stops half-way has labelled some of each
        assert [part.count(kind) for kind in ("typical", "drawn", "nearest")] == [20, 10, 10]
    few = clusters(candidates, 31, np.random.default_rng(0))
    assert sum(reason.startswith("typical") for reason in few.reason) == 25
    # each group gets ordinary items in proportion to its size, so every kind its share
    many = clusters(candidates, 1000, np.random.default_rng(0))
    drawn = np.array([reason.startswith("drawn") for reason in many.reason])
    share = np.bincount(y[(many.ids[drawn] - 100) // 3], minlength=4) / drawn.sum()
    np.testing.assert_allclose(share, np.bincount(y) / len(y), atol=0.05)


def test_random_places_find_what_lives_where_cells_are_sparse():
    rng = np.random.default_rng(0)
    sparse = np.arange(2000) < 40  # two cells in a hundred, on half of the image
    x = np.where(sparse, rng.uniform(500, 1000, 2000), rng.uniform(0, 500, 2000))
    y = rng.uniform(0, 500, 2000)
    images = np.zeros(2000, int)
    tissue = Pool(np.arange(2000), lambda rows: rng.random((len(rows), 5)), images, images, y, x)
    found = clusters(tissue, 100, np.random.default_rng(1))
    placed = np.array([reason.startswith("nearest to a random place") for reason in found.reason])
    assert placed.sum() == 25
    assert 8 <= sparse[found.ids[placed]].sum() <= 18
    nowhere = Pool(np.arange(2000), tissue.features, images, images, np.zeros(2000), np.zeros(2000))
    assert not any("place" in reason for reason in clusters(nowhere, 100, rng).reason)


def test_clusters_of_identical_items_still_give_what_was_asked():
    same = np.zeros((50, 4), np.float32)
    candidates = Pool(np.arange(50), lambda rows: same[rows], *[np.zeros(50, int)] * 4)
    assert len(set(clusters(candidates, 12, np.random.default_rng(0)).ids)) == 12


def test_the_quota_asks_for_categories_with_few_labels():
    candidates, _ = pool(3000, labels=[400, 400, 400, 400, 4])
    mean = np.mean(candidates.probabilities, axis=0)
    among_the_best = (np.argsort(-mean, axis=1)[:, :2] == 4).any(axis=1)
    rng = np.random.default_rng(0)
    for name, least, most in (("quota_margin", 25, 40), ("margin", 0, 20)):
        rows = (SAMPLERS[name](candidates, 40, rng).ids - 100) // 3
        assert least <= among_the_best[rows].sum() <= most, name
    found = quota_margin(candidates, 40, rng)
    close = np.array([reason.startswith("a close call: T") for reason in found.reason])
    assert close.sum() == 36
    assert (np.diff(found.score[close]) <= 0).all()
    assert 4 < np.flatnonzero(~close).mean() < 36  # spread among the others, not at the end


def test_a_category_that_is_nobodys_first_answer_is_asked_for():
    candidates, _ = pool(2000, k=3, models=1, labels=[60, 60, 3])
    p = candidates.probabilities[0]
    p[:] = [0.9, 0.08, 0.02]
    p[::2] = [0.08, 0.9, 0.02]
    p[::20] = [0.6, 0.05, 0.35]  # a real alternative
    p[1::20] = [0.45, 0.5, 0.05]  # the closest calls
    p[2::20] = [0.5, 0.45, 0.05]
    found = quota_margin(candidates, 30, np.random.default_rng(0))
    rows = (found.ids - 100) // 3
    assert 15 <= (rows % 20 == 0).sum() <= 22
    assert "a close call: T0 0.60 / T2 0.35" in found.reason


def test_some_come_from_groups_without_labels_until_a_hidden_category_is_found():
    # a category that nobody has met: the models are sure that it is the first one
    rng = np.random.default_rng(3)
    kind = rng.choice(3, 3000, p=[0.6, 0.35, 0.05])
    X = rng.normal(0, 1, (3000, 6)).astype(np.float32)
    X[np.arange(3000), kind] += 6
    p = np.full((3000, 2), 0.01, np.float32)
    p[np.arange(3000), np.where(kind == 1, 1, 0)] = 0.99
    labelled = X[kind < 2][-60:]
    known = Pool(
        np.arange(3000), lambda rows: X[rows], *[np.zeros(3000, int)] * 2, *[np.zeros(3000)] * 2, [p],
        np.array([30, 30]), ("A", "B"), lambda most: labelled[:most],
    )  # fmt: skip
    found = quota_margin(known, 100, np.random.default_rng(0))
    new = np.array(["of a group" in reason for reason in found.reason])
    assert new.sum() == 10  # half of them from random places, where items have any
    assert (kind[found.ids[new]] == 2).any()
    assert "nothing is labelled yet" in found.reason[np.flatnonzero(new)[0]]
    labelled = np.concatenate([labelled, X[kind == 2][:20]])
    again = quota_margin(known, 100, np.random.default_rng(0))
    assert not (kind[again.ids[["of a group" in reason for reason in again.reason]]] == 2).any()


@given(
    st.integers(0, 60), st.lists(st.tuples(st.floats(0.01, 5), st.integers(0, 30)), min_size=1, max_size=8)
)
def test_places_are_shared_out_exactly(n, rows):
    weight, available = map(np.array, zip(*rows, strict=True))
    places = allocate(n, weight, available)
    assert places.sum() == min(n, available.sum())
    assert (places <= available).all()
    assert (places >= 0).all()


def test_disagreement_offers_items_the_models_answer_differently():
    candidates, _ = pool(2000)
    found = SAMPLERS["disagreement"](candidates, 50, np.random.default_rng(0))
    first, second = (p.argmax(1) for p in candidates.probabilities)
    rows = (found.ids - 100) // 3
    assert (first[rows] != second[rows]).all()
    a, b = first[rows[0]], second[rows[0]]
    p, q = candidates.probabilities[0][rows[0], a], candidates.probabilities[1][rows[0], b]
    assert found.reason[0] == f"the models disagree: T{a} {p:.2f} / T{b} {q:.2f}"


def test_rare_finds_the_rarest_category():
    candidates, y = pool(5000, k=6)
    found = SAMPLERS["rare"](candidates, 40, np.random.default_rng(0))
    rarest = np.argsort(np.bincount(y))[:2]
    assert np.isin(y[(found.ids - 100) // 3], rarest).mean() > 0.9
    assert "perhaps rare" in found.reason[0]


def test_celltune_spends_its_budgets_on_disagreement_and_rare_categories():
    candidates, _ = pool(4000, k=6, sure=2.0)
    found = SAMPLERS["celltune"](candidates, 100, np.random.default_rng(0))
    rows = (found.ids - 100) // 3
    first, second = (p.argmax(1)[rows] for p in candidates.probabilities)
    image = np.array(["on an image" in reason for reason in found.reason])
    category = np.array(["cells called" in reason for reason in found.reason])
    rare = np.array(["perhaps rare" in reason for reason in found.reason])
    assert (image.sum(), category.sum(), rare.sum()) == (33, 44, 23)
    assert (first != second)[image | category].all()
    scarce = np.argsort(np.mean(candidates.probabilities, axis=0).mean(axis=0))[:2]
    assert (np.isin(first, scarce) | np.isin(second, scarce))[rare].all()
    a, b = first[np.flatnonzero(image)[0]], second[np.flatnonzero(image)[0]]
    assert f"T{a} / T{b}" in found.reason[np.flatnonzero(image)[0]]


@pytest.mark.parametrize("n", range(1, 40, 3))
def test_celltune_gives_exactly_what_was_asked(n):
    candidates, _ = pool(900, k=6, sure=1.0)
    assert len(SAMPLERS["celltune"](candidates, n, np.random.default_rng(n))) == n


def test_celltune_asks_more_of_the_image_and_category_where_the_models_disagree_more():
    candidates, _ = pool(6000, k=4, sure=4.0)
    first, second = candidates.probabilities
    worse = (candidates.images == 2) & (np.random.default_rng(1).random(6000) < 0.6)
    second[worse] = np.roll(first[worse], 1, axis=1)
    found = SAMPLERS["celltune"](candidates, 200, np.random.default_rng(0))
    image = np.array(["on an image" in reason for reason in found.reason])
    on = candidates.images[(found.ids - 100) // 3][image]
    assert (on == 2).mean() > 0.7


def test_celltune_with_models_that_agree_offers_the_closest_calls():
    candidates, _ = pool(1000, k=4)
    candidates.probabilities[1][:] = candidates.probabilities[0]
    found = SAMPLERS["celltune"](candidates, 40, np.random.default_rng(0))
    close = ["close call" in reason for reason in found.reason]
    assert sum(close) == 31  # all but the rare ones
    best = set(SAMPLERS["margin"](candidates, 31, np.random.default_rng(0)).ids.tolist())
    assert len(best & set(found.ids[close].tolist())) >= 25


def test_celltune_says_how_probable_its_draws_were():
    candidates, _ = pool(3000, k=4, sure=2.0)
    first, second = (p.argmax(1) for p in candidates.probabilities)
    scarce = np.mean(candidates.probabilities, axis=0).mean(axis=0).argmin()
    reached = (first != second) | (first == scarce)
    counts = []
    for seed in range(60):
        found = SAMPLERS["celltune"](candidates, 60, np.random.default_rng(seed))
        assert reached[(found.ids - 100) // 3].all()
        counts.append((1 / found.probability).sum())
    # each drawn item stands for 1/probability of those that could have been drawn (Horvitz and Thompson)
    assert np.mean(counts) == pytest.approx(reached.sum(), rel=0.1)


def test_mistakes_are_the_least_probable_predictions():
    candidates, y = pool(4000, k=6, sure=2.0)
    found = SAMPLERS["mistakes"](candidates, 100, np.random.default_rng(0))
    rows = (found.ids - 100) // 3
    answer = np.mean(candidates.probabilities, axis=0).argmax(1)
    assert (answer[rows] != y[rows]).mean() > 2 * (answer != y).mean()
    p = np.mean(candidates.probabilities, axis=0)[rows[0]].max()
    assert found.reason[0] == f"probably a mistake: called T{answer[rows[0]]} with {p:.2f} only"


def test_diverse_items_are_further_apart_than_the_closest_calls():
    candidates, _ = pool(4000)
    distances = {}
    for name in ("diverse", "margin"):
        X = candidates.features((SAMPLERS[name](candidates, 20, np.random.default_rng(0)).ids - 100) // 3)
        gaps = ((X[:, None] - X[None]) ** 2).sum(2)
        distances[name] = np.sort(gaps, axis=1)[:, 1].mean()
    assert distances["diverse"] > 1.1 * distances["margin"]


def test_what_is_missing_is_said():
    empty, _ = pool(100, models=0, features=False)
    rng = np.random.default_rng(0)
    for name in (
        "margin",
        "quota_margin",
        "entropy",
        "disagreement",
        "rare",
        "diverse",
        "celltune",
        "mistakes",
    ):
        with pytest.raises(NotReadyError, match="Train"):
            SAMPLERS[name](empty, 5, rng)
    with pytest.raises(NotReadyError, match="Measure"):
        clusters(empty, 5, rng)
    with pytest.raises(NotReadyError, match="two models"):
        SAMPLERS["disagreement"](pool(100, models=1)[0], 5, rng)
    with pytest.raises(NotReadyError, match="two models"):
        SAMPLERS["celltune"](pool(100, models=1)[0], 5, rng)
    with pytest.raises(InputError, match="at least 1"):
        SAMPLERS["random"](empty, 0, rng)


def test_a_million_items_take_a_fraction_of_a_second():
    rng = np.random.default_rng(0)
    n = 1_000_000
    p = rng.random((n, 8), dtype=np.float32)
    p /= p.sum(1, keepdims=True)
    X = rng.random((1000, 30), dtype=np.float32)
    many = Pool(
        np.arange(n), lambda rows: X[rows % 1000], np.zeros(n, np.int32), np.zeros(n), rng.random(n), rng.random(n),
        [p, p[::-1]], np.arange(8), tuple("abcdefgh"), lambda most: X[:most],
    )  # fmt: skip
    for name, sampler in SAMPLERS.items():
        started = time.thread_time()  # the machine may be shared: its own work counts
        sampler(many, 100, rng)
        assert time.thread_time() - started < 0.5, name


class TestRectangles:
    def grid(self, **options):
        """Two images of 60 × 60 cells; cells in one corner of the second are hard."""
        y, x = (a.ravel() * 20.0 for a in np.mgrid[:60, :60])
        images = np.repeat([3, 7], 3600)
        y, x = np.tile(y, 2), np.tile(x, 2)
        hard = (images == 7) & (y < 300) & (x > 800)
        p = np.where(hard[:, None], [0.5, 0.45, 0.05], [0.98, 0.01, 0.01]).astype(np.float32)
        return Pool(
            np.arange(7200), None, images, images, y, x, options.get("probabilities", [p]), np.array([5, 5, 5]),
            ("B cell", "T cell", "other"),
        )  # fmt: skip

    def test_the_hard_corner_is_proposed_and_explained(self):
        for seed in range(5):
            found = propose_rectangle(self.grid(), np.random.default_rng(seed))
            y0, _, _, x1 = found.rectangle
            assert found.image == 7
            assert y0 < 300
            assert x1 > 800
            assert "mostly B cell" in found.reason
            assert "50 % sure" in found.reason

    def test_it_holds_about_two_hundred_cells_and_lies_on_the_image(self):
        pool_ = self.grid()
        found = propose_rectangle(pool_, np.random.default_rng(0))
        y0, x0, y1, x1 = found.rectangle
        inside = (
            (pool_.images == found.image)
            & (pool_.y >= y0)
            & (pool_.y < y1)
            & (pool_.x >= x0)
            & (pool_.x < x1)
        )
        assert 160 <= inside.sum() <= 240
        assert found.reason.startswith(f"{inside.sum()} unlabelled cells")
        assert y0 >= -0.5
        assert x1 <= 1181

    def test_where_labels_lie_already_close_calls_count_less(self):
        grid = self.grid()
        p = grid.probabilities[0].copy()
        p[(grid.y < 300) & (grid.x > 800)] = [0.5, 0.45, 0.05]  # the same corner of both images
        for labelled, other in ((7, 3), (3, 7)):
            taught = (np.full(20, labelled), np.full(20, 100.0), np.full(20, 1000.0))
            pool_ = replace(self.grid(probabilities=[p]), places=lambda taught=taught: taught)
            for seed in range(3):
                assert propose_rectangle(pool_, np.random.default_rng(seed)).image == other

    def test_before_a_model_it_prefers_cells_unlike_one_another(self):
        grid = self.grid(probabilities=[])
        mixed = (grid.images == 3) & (grid.y > 900) & (grid.x < 300)
        rng = np.random.default_rng(0)
        X = np.where(mixed[:, None], rng.normal(0, 3, (7200, 5)), rng.normal(0, 1, (7200, 5))).astype(
            np.float32
        )
        grid = Pool(grid.ids, lambda rows: X[rows], grid.images, grid.groups, grid.y, grid.x)
        hits = 0
        for seed in range(10):
            found = propose_rectangle(grid, np.random.default_rng(seed), windows=200)
            hits += found.image == 3 and found.rectangle[2] > 900 and found.rectangle[1] < 300
        assert hits >= 8
        assert "unlike one another" in found.reason

    def test_the_same_state_proposes_the_same_and_an_empty_pool_says_so(self):
        a, b = (propose_rectangle(self.grid(), np.random.default_rng(3)) for _ in range(2))
        assert a == b
        nothing = Pool(np.empty(0, int), None, *[np.empty(0)] * 4)
        with pytest.raises(NotReadyError, match="another image"):
            propose_rectangle(nothing, np.random.default_rng(0))

    def test_a_single_cell_and_a_given_size(self):
        one = Pool(np.array([9]), None, np.array([1]), np.array([1]), np.array([50.0]), np.array([40.0]))
        found = propose_rectangle(one, np.random.default_rng(0), size=30)
        y0, x0, y1, x1 = found.rectangle
        assert (y1 - y0, x1 - x0) == (30, 30)
        assert y0 <= 50 < y1
        assert x0 <= 40 < x1
