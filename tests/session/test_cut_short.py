"""A program that is killed between two files leaves a project as it was before, or as it is after; never half."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs


def told(session: Session) -> Any:
    """What a table brings: columns, places, features."""
    source = session.features_by_name.get("table")
    features = None if source is None else (source.names, np.asarray(source.matrix).tolist())
    return session.items.to_csv(), features


def moments(
    session: Session, folder: Path, monkeypatch: pytest.MonkeyPatch, verb: Callable[[], object]
) -> list[Path]:
    """Do something; copies of the project as a kill would have left it, before each file was put in place or removed."""
    copies: list[Path] = []

    def copied() -> None:
        copies.append(folder / f"moment {len(copies)}")
        shutil.copytree(session.folder, copies[-1])

    for name in ("replace", "unlink"):
        real = getattr(Path, name)

        def before(path: Path, *args: Any, real: Any = real, **options: Any) -> Any:
            if session.folder in path.parents:
                copied()
            return real(path, *args, **options)

        monkeypatch.setattr(Path, name, before)
    verb()
    monkeypatch.undo()
    copied()
    return copies


@pytest.mark.parametrize("first", [True, False], ids=["first table", "second table"])
def test_a_table_of_columns_and_features_comes_whole_or_not_at_all(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    cells = session.items[["image", "cellID"]]
    if not first:
        session.import_cells(cells.assign(old=1.0, kept="x"), features=["old"])
    before = told(session)
    table = cells.assign(score=np.arange(len(cells)) / 7, place="a,b")
    copies = moments(session, tmp_path, monkeypatch, lambda: session.import_cells(table, features=["score"]))
    after = told(session)
    assert after != before
    seen = []
    for copy in copies:
        with Session.open(copy, read_only=True) as looking:
            first_look = told(looking)
        with Session.open(copy, jobs=Jobs(inline=True)) as opened:
            assert opened.problems == []
            assert told(opened) == first_look
        with Session.open(copy, jobs=Jobs(inline=True)) as opened:
            assert told(opened) == first_look
            assert "arriving" not in opened.project.settings
            arrays = [p.name for p in copy.glob("features/table/*.npy")]
            assert len(arrays) in (0, 2), "what a killed program left goes"
        assert first_look in (before, after)
        seen.append(first_look == after)
    assert seen == sorted(seen)
    assert not seen[0]
    assert seen[-1]
