"""Small projects with real cells of known kind, made once and copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs

from .marked import make_slices

Field = tuple[NDArray[np.uint16], NDArray[np.uint16], NDArray[np.int64]]


def field(seed: int, cells: int = 10) -> Field:
    """An image of 3 channels, a mask of cells × cells squares, and which channel each cell expresses."""
    rng = np.random.default_rng(seed)
    size = 20 * cells
    image = rng.poisson(5, (3, size, size)).astype(np.uint16)
    mask = np.zeros((size, size), np.uint16)
    kinds = rng.choice(3, cells * cells, p=[0.5, 0.35, 0.15])
    for i, kind in enumerate(kinds):
        y, x = 20 * (i // cells) + 3, 20 * (i % cells) + 3
        mask[y : y + 14, x : x + 14] = 10 * (i + 1)
        image[kind, y : y + 14, x : x + 14] += rng.poisson(20, (14, 14)).astype(np.uint16)
    return image, mask, kinds


@pytest.fixture(scope="session")
def finished_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three images of two donors, 300 measured cells, categories A, B, C; column ``truth``."""
    import pandas as pd

    folder = tmp_path_factory.mktemp("projects") / "squares"
    with Session.create(folder, jobs=Jobs(inline=True)) as session:
        truth = []
        for i in range(3):
            image, mask, kinds = field(i)
            session.add_image(f"field {i}", image, mask, channels=["A", "B", "C"], group=f"donor {i % 2}")
            truth += ["ABC"[k] for k in kinds]
        items = session.items
        session.import_cells(
            pd.DataFrame({"image": items["image"], "cellID": items["cellID"], "truth": truth})
        )
        session.measure(rings=False, neighbours=False)
        for name in "ABC":
            session.categories.add(name)
    return folder


@pytest.fixture
def project(finished_project: Path, tmp_path: Path) -> Path:
    """A copy of the project, to be changed at will."""
    return Path(shutil.copytree(finished_project, tmp_path / "project"))


@pytest.fixture
def session(project: Path) -> Iterator[Session]:
    """The project open, its jobs done at once."""
    with Session.open(project, jobs=Jobs(inline=True)) as opened:
        yield opened
        assert opened.problems == []


def label_some(session: Session, each: int = 12, seed: int = 0) -> NDArray[np.int64]:
    """Label some items of every kind by their truth; returns their ids."""
    rng = np.random.default_rng(seed)
    truth = session.items["truth"]
    chosen = []
    for name in "ABC":
        ids = rng.choice(truth.index[truth == name], each, replace=False)
        session.label(ids, name)
        chosen.append(ids)
    return np.concatenate(chosen)


@pytest.fixture(scope="session")
def marker_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ON and OFF cells that overlap."""
    return make_slices(tmp_path_factory.mktemp("marker") / "slices", 8, 12)


@pytest.fixture
def slices(marker_project: Path, tmp_path: Path) -> Iterator[Session]:
    folder = Path(shutil.copytree(marker_project, tmp_path / "project"))
    with Session.open(folder, jobs=Jobs(inline=True)) as opened:
        yield opened
        assert opened.problems == []
