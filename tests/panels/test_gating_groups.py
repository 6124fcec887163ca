"""Landmarks and clusters of the Gate tab belong to the level that they were found for."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import celltune_nb as ct
from celltune_nb.panels.gating.groups import GroupsPanel
from celltune_nb.session.jobs import Jobs
from tests.panels.reading import words


@pytest.fixture
def groups(project: Path, tmp_path: Path) -> Iterator[GroupsPanel]:
    folder = shutil.copytree(project, tmp_path / "project")
    with ct.Session.open(folder, jobs=Jobs(inline=True)) as session:
        session.levels.add("other")
        (tmp_path / "types.csv").write_text(
            "CellType,PrimaryMarker\nkind A,A & !B\nkind B,B & !A\nkind C,C9 & A\n"
        )
        for level in ("other", session.level):
            session.import_celltypes(tmp_path / "types.csv", level=level)
        panel = GroupsPanel(session)
        yield panel
        panel.close()
        assert session.problems == []


def test_notes_on_landmarks_stay_with_their_level(groups: GroupsPanel) -> None:
    groups._landmarks.do("find")
    groups._landmarks.do("type", "kind B", False)
    assert "C9 is not measured" in words(groups._landmarks)
    groups.session.level = "other"
    assert "C9 is not measured" not in words(groups._landmarks)
    assert "Accept" not in words(groups._landmarks)
    groups.session.level = "main"
    assert "C9 is not measured" not in words(groups._landmarks)
    (count,) = re.findall(r"Accept: label (\d+) cells", words(groups._landmarks))
    assert int(count) == 60  # all are ticked again


def test_clusters_that_are_ready_after_a_change_of_level_are_said_and_not_shown_there(
    groups: GroupsPanel,
) -> None:
    session = groups.session
    groups._clusters.do("method", "", "kmeans")
    groups._clusters.do("amount", "n", "2")
    groups._clusters.do("run")
    assert session.view.color_by == "Clusters"
    job = groups.job
    assert job is not None
    session.level = "other"
    before = session.view.color_by
    groups._progressed(job)  # as the last news of a job that took until now
    assert session.view.color_by == before
    assert groups.message == "Clusters were found for the level 'main'. Choose that level to look at them."
    assert "Label by name" not in words(groups._clusters)
    session.level = "main"
    assert "Label by name" in words(groups._clusters)
