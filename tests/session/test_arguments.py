"""Whatever is handed to a verb, and whenever: the answer is a result or a sentence."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from celltune_nb.errors import CellTuneError, InputError, ProjectError
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs

JUNK: list[Any] = [
    [[1], [2, 3]], object(), np.array([[1, 2], [3, 4]]), np.array([True, False]), {1: 2}, b"x", float("nan"), -1,
    10**30, lambda: 0, [None], pd.Series(["x", "y"]), slice(3), {1}, pd.NaT,
]  # fmt: skip

ONE = pd.DataFrame({"image": ["field 0"], "cellID": [10], "class": ["A"], "f": [1.0]})

VERBS: dict[str, Callable[[Session, Any], object]] = {
    "label": lambda s, j: s.label(j, "A"),
    "label category": lambda s, j: s.label([1], j),
    "label level": lambda s, j: s.label([1], "A", level=j),
    "label source": lambda s, j: s.label([1], "A", source=j),
    "select": lambda s, j: s.select(j),
    "select mode": lambda s, j: s.select([1], j),
    "item_at": lambda s, j: s.item_at(j, 1, 1),
    "items_in": lambda s, j: s.items_in("field 0", j),
    "items_in image": lambda s, j: s.items_in(j, (0, 0, 1, 1)),
    "describe": lambda s, j: s.describe(j),
    "level": lambda s, j: setattr(s, "level", j),
    "label_counts": lambda s, j: s.label_counts(j),
    "label_counts level": lambda s, j: s.label_counts(level=j),
    "view image": lambda s, j: s.set_view(image=j),
    "view color": lambda s, j: s.set_view(color_by=j),
    "channel": lambda s, j: s.set_channel(j, visible=True),
    "sample image": lambda s, j: s.sample(3, image=j),
    "sample by": lambda s, j: s.sample(3, by=j),
    "populations": lambda s, j: s.populations[j],
    "features": lambda s, j: s.features[j],
    "features use": lambda s, j: s.features.use(None, j),
    "column": lambda s, j: s.features.column(j),
    "levels": lambda s, j: s.levels[j],
    "level parent": lambda s, j: s.levels.add("below", j),
    "category": lambda s, j: s.categories[j],
    "category color": lambda s, j: s.categories.add("new", j),
    "category key": lambda s, j: s.categories.add("new", None, j),
    "rename": lambda s, j: s.categories.rename(j, "new"),
    "recolor": lambda s, j: s.categories.recolor(j, "#000000"),
    "recolor to": lambda s, j: s.categories.recolor("A", j),
    "key": lambda s, j: s.categories.set_key("A", j),
    "delete": lambda s, j: s.categories.delete(j),
    "merge": lambda s, j: s.categories.merge(j, "A"),
    "merge into": lambda s, j: s.categories.merge("B", j),
    "reorder": lambda s, j: s.categories.reorder(j),
    "labels": lambda s, j: s.labels.to_pandas(j),
    "export": lambda s, j: s.export(j),
    "import_labels": lambda s, j: s.import_labels(j),
    "import_labels conflict": lambda s, j: s.import_labels(ONE, on_conflict=j),
    "import_cells": lambda s, j: s.import_cells(j),
    "import_cells image": lambda s, j: s.import_cells(ONE, image=j),
    "import_cells features": lambda s, j: s.import_cells(ONE, features=j),
    "import_cells group": lambda s, j: s.import_cells(ONE, group=j),
    "train": lambda s, j: s.train(j, wait=True),
    "predict": lambda s, j: s.predict(run=j),
    "evaluate": lambda s, j: s.evaluate(j),
    "save_script": lambda s, j: s.save_script(j),
    "export_size": lambda s, j: s.export_size(j),
    "marker channel": lambda s, j: s.set_marker_channel(j),
    "former_mask": lambda s, j: s.former_mask("field 0", j),
    "former_nuclei": lambda s, j: s.former_nuclei("field 0", j),
    "tiles": lambda s, j: s.tiles(j),
    "tiles channels": lambda s, j: s.tiles(1, j),
    "tiles dpr": lambda s, j: s.tiles(1, dpr=10**9 if isinstance(j, int) else j),
    "clusters": lambda s, j: s.clusters(j),
    "label_clusters": lambda s, j: s.label_clusters(name=j),
    "counts": lambda s, j: s.counts(j, what="A__Mean__Cell"),
    "compare_users": lambda s, j: s.compare_users(j, j),
    "create categories": lambda s, j: s.label_each({"A": [1]}, create=j),
    "onset of each": lambda s, j: s.label_each({"A": [1]}, t0=[j, j]),
    "import_table": lambda s, j: s.import_table(j),
    "import_labels column": lambda s, j: s.import_labels(ONE, column=j),
    "create": lambda s, j: Session.create(j),
    "open": lambda s, j: Session.open(j),
}


@pytest.fixture(scope="module")
def unchanged(finished_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """One session for all: what is refused changes nothing."""
    folder = shutil.copytree(finished_project, tmp_path_factory.mktemp("arguments") / "project")
    with Session.open(folder, jobs=Jobs(inline=True)) as session:
        yield session
        assert session.problems == []


@pytest.mark.parametrize("verb", VERBS)
def test_what_makes_no_sense_is_refused_in_words_and_changes_nothing(unchanged: Session, verb: str) -> None:
    session = unchanged
    revision, columns = session.labels.revision, list(session.items.columns)
    for junk in JUNK:
        with pytest.raises(CellTuneError, match=r"\."):
            VERBS[verb](session, junk)
    assert session.labels.revision == revision
    assert list(session.items.columns) == columns


@pytest.mark.parametrize(
    "name", ["x" * 5_000, "a\0b", "~nobody_here/a"], ids=["long", "no character", "no home"]
)
def test_what_was_pasted_in_place_of_a_path_is_refused(session: Session, name: str) -> None:
    for verb in (
        session.look_at, session.look_at_table, session.import_folder, session.import_cells, session.import_labels,
        session.import_celltypes, session.carry_labels, session.merge_labels, session.save_script, Session.open,
        lambda path: session.import_cells(f"{path}.h5ad"), lambda path: session.export(f"{path}.csv"),
    ):  # fmt: skip
        with pytest.raises(CellTuneError, match=r"\."):
            verb(name)


@pytest.mark.parametrize("onset", [[[1], [2, 3]], "soon", object(), [1.0, 2.0], [[1.0]], {1}, b"x"])
def test_an_onset_that_is_none_is_refused(session: Session, onset: object) -> None:
    with pytest.raises(InputError, match="onset"):
        session.label([1, 2, 3], "A", t0=onset)
    assert len(session.labels) == 0


def test_a_closed_session_says_so_wherever_it_has_to_read_or_write(session: Session, tmp_path: Path) -> None:
    session.label([1, 2, 3], "A")
    session.close()
    for read in (
        lambda: session.audit, session.training_problems, lambda: session.draw_audit(5), session.undo,
        lambda: session.label([1], "B"), lambda: session.sample(5), session.train, session.measure,
        lambda: session.categories.add("D"), lambda: list(session.journal.entries()), session.suggest_rectangle,
    ):  # fmt: skip
        with pytest.raises(ProjectError, match="closed"):
            read()
    # What is in memory can still be looked at.
    assert session.labels.counts()["A"] == 3
    assert session.labels.to_pandas()["category"].tolist() == ["A"] * 3
    assert session.label_counts()["A"].sum() == 3
    assert session.describe(1).label == "A"
    assert session.export_labels(tmp_path / "labels.csv").exists()
