from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from celltune_nb.datasets import tissue
from celltune_nb.datasets.biology import NICHES, TYPES
from celltune_nb.errors import InputError


@pytest.fixture(scope="module")
def fields() -> list[tissue.Field]:
    return list(tissue.generate(4000, seed=0))


@pytest.fixture(scope="module")
def truth(fields: list[tissue.Field]) -> pd.DataFrame:
    return pd.concat([f.truth for f in fields], ignore_index=True)


def test_every_cell_asked_for_has_pixels_and_a_consecutive_id(fields: list[tissue.Field]) -> None:
    assert sum(len(f.truth) for f in fields) == 4000
    for f in fields:
        assert f.image.dtype == np.uint16
        assert f.mask.dtype == np.uint32
        assert f.image.shape == (len(tissue.CHANNELS), *f.mask.shape)
        assert np.array_equal(np.unique(f.mask), np.arange(len(f.truth) + 1))
        assert f.truth["cellID"].tolist() == list(range(1, len(f.truth) + 1))
        assert np.bincount(f.mask.ravel())[1:].min() > 10


def test_a_cell_is_one_piece(fields: list[tissue.Field]) -> None:
    mask = fields[0].mask
    for number, box in enumerate(ndimage.find_objects(mask), 1):
        assert ndimage.label(mask[box] == number)[1] == 1


def test_positions_are_the_centroids_of_the_mask(fields: list[tissue.Field]) -> None:
    f = fields[1]
    centre = np.array(ndimage.center_of_mass(f.mask > 0, f.mask, f.truth["cellID"]))
    assert np.allclose(centre, f.truth[["y", "x"]])


def test_cells_touch_as_they_do_in_tissue(fields: list[tissue.Field]) -> None:
    mask = fields[0].mask
    touching: set[int] = set()
    for a, b in ((mask[1:], mask[:-1]), (mask[:, 1:], mask[:, :-1])):
        meet = (a != b) & (a > 0) & (b > 0)
        touching.update(a[meet].tolist(), b[meet].tolist())
    assert len(touching) > 0.8 * mask.max()
    assert 0.6 < (mask > 0).mean() < 0.95


def test_types_are_unequal_and_the_rarest_is_at_most_one_per_cent(truth: pd.DataFrame) -> None:
    share = truth["cell_type"].value_counts(normalize=True)
    assert set(share.index) == {t.name for t in TYPES} == {name for name, _ in tissue.CATEGORIES}
    assert 0.002 < share.min() <= 0.01
    assert share.max() > 0.2


def test_types_live_in_their_niches(truth: pd.DataFrame) -> None:
    where = pd.crosstab(truth["cell_type"], truth["niche"], normalize="index")
    assert set(where.columns) == set(NICHES)
    assert where.loc["Tumour", "tumour nest"] > 0.7
    assert where.loc["Bcell", "follicle"] > 0.5
    assert where.loc["Endothelial", "vessel"] > 0.5


def test_markers_follow_the_lineage_and_overlap(fields: list[tissue.Field]) -> None:
    f = fields[0]
    kind = f.truth["cell_type"].to_numpy()
    level = {
        name: ndimage.mean(f.image[i], f.mask, f.truth["cellID"]) for i, name in enumerate(tissue.CHANNELS)
    }
    for marker, owner, other in (
        ("CD8", "CD8T", "CD4T"),
        ("CD4", "CD4T", "CD8T"),
        ("CD20", "Bcell", "CD4T"),
        ("PanCK", "Tumour", "Stroma"),
        ("CD68", "Macrophage", "Tumour"),
        ("CD31", "Endothelial", "Stroma"),
    ):
        yes, no = level[marker][kind == owner], level[marker][kind == other]
        assert np.median(yes) > 1.3 * np.median(no), marker
        # spill-over, drop-out and weak expression: no cut separates them perfectly
        assert yes.min() < no.max(), marker


def test_donors_are_shifted(fields: list[tissue.Field], truth: pd.DataFrame) -> None:
    assert truth["donor"].nunique() == 3
    background = np.array([[np.median(c[f.mask == 0]) for c in f.image] for f in fields])
    donor = np.array([f.donor for f in fields])
    means = np.array([background[donor == d].mean(axis=0) for d in np.unique(donor)])
    within = max(np.ptp(background[donor == d], axis=0).mean() for d in np.unique(donor))
    assert np.ptp(means, axis=0).mean() > within


def test_the_same_seed_gives_the_same_tissue_and_another_seed_another(fields: list[tissue.Field]) -> None:
    again = next(tissue.generate(4000, seed=0))
    assert np.array_equal(again.image, fields[0].image)
    assert np.array_equal(again.mask, fields[0].mask)
    pd.testing.assert_frame_equal(again.truth, fields[0].truth)
    other = next(tissue.generate(4000, seed=1))
    assert other.image.shape != again.image.shape or not np.array_equal(other.image, again.image)


def test_a_million_cells_come_field_by_field(fields: list[tissue.Field]) -> None:
    started = time.process_time()
    first = next(tissue.generate(1_000_000))
    assert len(first.truth) <= tissue.CELLS_PER_FIELD
    # a field is all that is in memory: about 35 MB
    assert first.image.nbytes < 60e6
    assert time.process_time() - started < 10


@pytest.mark.parametrize(
    "size", [{"cells": 0}, {"cells": 3, "fields": 5}, {"cells": 100, "fields": 2, "donors": 3}, {"donors": 0}]
)
def test_a_tissue_that_cannot_be_is_refused_at_once(size: dict[str, int]) -> None:
    with pytest.raises(InputError, match="Give at least"):
        tissue.generate(**size)
    with pytest.raises(InputError, match="Give at least"):
        tissue.table(**size)


def test_a_field_may_be_as_small_as_one_cell() -> None:
    (only,) = tissue.generate(1, fields=1, donors=1)
    assert only.mask.max() == 1
    assert np.isfinite(tissue.table(1, fields=1, donors=1).matrix).all()


def test_the_table_is_the_same_biology_without_pixels() -> None:
    started = time.process_time()
    table = tissue.table(60_000, seed=0)
    assert time.process_time() - started < 10
    assert table.matrix.shape == (60_000, 150) == (60_000, len(table.names))
    assert table.matrix.dtype == np.float32
    assert np.isfinite(table.matrix).all()
    share = np.bincount(table.cell_type) / table.cell_type.size
    assert 0.002 < share.min() <= 0.01
    cd8 = table.matrix[:, table.names.index("CD8__Mean__Cell")]
    kinds = {name: table.cell_type == i for i, name in enumerate(table.categories)}
    assert np.median(cd8[kinds["CD8T"]]) > 1.5 * np.median(cd8[kinds["CD4T"]])
    assert np.array_equal(tissue.table(60_000, seed=0).matrix, table.matrix)


def test_table_names_are_those_of_measured_cells(fields: list[tissue.Field]) -> None:
    from celltune_nb.measure import measure_cells

    f = next(tissue.generate(60, fields=1, donors=1))
    measured = measure_cells(f.image, f.mask, tissue.CHANNELS, pixel_size=tissue.PIXEL_SIZE)
    assert set(tissue.table(60).names) <= set(measured.names)


def test_table_to_pandas_keeps_truth_apart_from_features() -> None:
    table = tissue.table(500)
    frame = table.to_pandas()
    assert frame.columns[:6].tolist() == ["image", "cellID", "y", "x", "donor", "cell_type"]
    assert frame.columns[6:].tolist() == table.names
    assert not frame.duplicated(["image", "cellID"]).any()
    assert frame["donor"].nunique() == 3


def test_a_first_model_errs_and_all_labels_do_not() -> None:
    from sklearn.metrics import f1_score
    from xgboost import XGBClassifier

    table = tissue.table(9000, seed=0)
    X, y, donor = table.matrix, table.cell_type, table.donor
    train, test = np.flatnonzero(donor != 2), np.flatnonzero(donor == 2)

    def score(rows: np.ndarray) -> float:
        seen, codes = np.unique(y[rows], return_inverse=True)
        model = XGBClassifier(
            n_estimators=60, max_depth=4, learning_rate=0.3, max_bin=64, colsample_bynode=0.3, n_jobs=1
        )
        predicted = seen[model.fit(X[rows], codes).predict(X[test])]
        return float(f1_score(y[test], predicted, average="macro"))

    few = np.mean([score(np.random.default_rng(i).choice(train, 200, replace=False)) for i in range(3)])
    assert 0.55 < few < 0.85
    assert score(train) > few + 0.08
