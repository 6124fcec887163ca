"""The comparison of strategies: its lines, its table, and what it does without its data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import labelled_sets, strategies
from celltune_nb.session.trials import Point


def rows() -> list[dict[str, object]]:
    """Two seeds of three strategies on a set of 200 cells: one rises fast, one slowly, one never."""
    made: list[dict[str, object]] = []
    rises = {"default": (0.6, 0.9, 0.96), "random": (0.5, 0.7, 0.8), "error_mining": (0.4, 0.5, 0.6)}
    for seed in (0, 1):
        about = {"set": "yeast", "seed": seed, "seen": 200, "kept_out": 100, "unit": "cells"}
        made.append({**about, "strategy": "all labels", "points": [[200, 200, 1.0, 1.0]]})
        for name, scores in rises.items():
            looks = 10 if name == "error_mining" else 1
            points = [[n, looks * n, f + 0.01 * seed, f] for n, f in zip((25, 75, 200), scores, strict=True)]
            made.append({**about, "strategy": name, "points": points})
    return made


def test_the_table_gives_labels_looks_and_a_verdict() -> None:
    lines = strategies.table(rows())  # type: ignore[arg-type]
    verdict = next(line for line in lines if line.startswith("| yeast"))
    assert "random" in verdict
    assert "| best |" in verdict
    assert "| random | 68.5 % |" in lines  # mean of the rounds, of 1.0
    own = lines[lines.index("### yeast") :]
    default, random, mining = (
        next(line for line in own if line.startswith(start))
        for start in ("| **default**", "| random", "| error_mining")
    )
    # 0.9 of full: both seeds' mean is 0.605, 0.905, 0.965 at 25, 75, 200 labels
    assert "| 74 / 169 / – | the same |" in default
    assert "– / – / –" in random
    assert "0.505 ± 0.007" in random
    assert mining.count("–") == 3
    assert "200 cells to choose from, 100 kept out by cells, 2 seeds; all labels: 1.000 ± 0.000." in lines


def test_a_default_that_is_behind_is_called_so() -> None:
    swapped = [
        {
            **row,
            "strategy": {"default": "random", "random": "default"}.get(str(row["strategy"]), row["strategy"]),
        }
        for row in rows()
    ]
    (verdict,) = (line for line in strategies.table(swapped) if line.startswith("| yeast"))  # type: ignore[arg-type]
    assert "| BEHIND |" in verdict


def test_rows_are_packed_into_a_file_that_reads_the_same(tmp_path: Path) -> None:
    lines = tmp_path / "runs.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows()))
    assert strategies.main(["--table", str(lines), "--pack", str(tmp_path / "packed.json")]) == 0
    assert strategies.read(tmp_path / "packed.json") == strategies.read(lines) == rows()


def test_a_set_whose_files_are_absent_is_left_out_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(labelled_sets, "DATA", tmp_path)
    assert strategies.main(["--sets", "chula", "--out", str(tmp_path / "runs.jsonl")]) == 0
    assert "chula is left out: there is no " in capsys.readouterr().out
    assert not (tmp_path / "runs.jsonl").exists()


@pytest.mark.parametrize("name", labelled_sets.SETS)
def test_a_set_is_cells_with_a_truth(name: str) -> None:
    if name == "tissue":
        cells = labelled_sets.tissue(500)
    else:
        try:
            cells = labelled_sets.load(name)
        except labelled_sets.AbsentError as absent:
            pytest.skip(str(absent))
    assert cells.X.shape == (len(cells.truth), len(cells.names))
    assert len(set(cells.names)) == len(cells.names)
    assert len(set(cells.truth)) >= 2
    assert not {"cell_type", "phenotype", "class", "label", "Confidence", "region", "y", "x"} & set(
        cells.names
    )
    seen, kept_out, _ = cells.split(0)
    assert 0.2 < len(kept_out) / len(cells) < 0.5
    assert not set(seen) & set(kept_out)


def test_an_interrupted_run_goes_on_where_it_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not (labelled_sets.DATA / "exhuman_mitosis").is_dir():
        pytest.skip("exhuman_mitosis is not there")
    out = tmp_path / "runs.jsonl"
    arguments = ["--sets", "mitosis", "--seeds", "1", "--out", str(out)]
    strategies.main([*arguments, "--strategies", "random"])
    strategies.main([*arguments, "--strategies", "random", "rectangle"])
    assert [row["strategy"] for row in strategies.read(out)] == ["all labels", "random", "rectangle"]
    assert capsys.readouterr().out.count("mitosis random") == 1
    labels = [Point(*point).labels for point in strategies.read(out)[1]["points"]]
    assert labels == [25, 50, 75, 100, 150, 200][: len(labels)]
