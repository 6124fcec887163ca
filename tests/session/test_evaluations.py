"""An evaluation is kept with its run, told from labels that came later, and makes probabilities true."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from celltune_nb.errors import FormatError, NotReadyError
from celltune_nb.learn.calibration import apply_temperature
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from tests.session.conftest import label_some
from tests.session.test_evaluating import _answer


def reopened(session: Session) -> Session:
    folder = session.folder
    session.close()
    return Session.open(folder, jobs=Jobs(inline=True))


def audited(session: Session, n: int = 80) -> None:
    label_some(session)
    session.train(rounds=5, wait=True)
    _answer(session, session.draw_audit(n, seed=3))


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(one, other, check_dtype=False)


@pytest.mark.parametrize("kind", ["audit", "out-of-fold"])
def test_an_evaluation_survives_a_restart_whole(session: Session, kind: str) -> None:
    audited(session, 80 if kind == "audit" else 20)
    found = session.evaluate()
    assert found.kind == kind
    with reopened(session) as again:
        assert again.run is not None
        kept = again.run.evaluation
        assert kept is not None
        for name in ("accuracy", "macro_f1", "log_loss", "interval", "split", "kind", "n", "categories", "ece",
                     "ece_after", "ece_chance", "temperature", "models", "warnings", "run", "level", "revision", "when"):  # fmt: skip
            assert getattr(kept, name) == getattr(found, name), name
        for name in ("per_category", "prevalence", "confusion", "calibration", "calibration_after", "agreement",
                     "agreement_by_category"):  # fmt: skip
            same(getattr(kept, name), getattr(found, name))
        for name in ("ids", "truth", "predicted", "probabilities", "weights"):
            np.testing.assert_array_equal(getattr(kept, name), getattr(found, name))
        assert kept.items("A", "A").tolist() == found.items("A", "A").tolist()
        assert again.outdated(kept) == ""
    record = json.loads(next((again.folder / "runs").glob("*/evaluation.json")).read_text())
    assert record["revision"] == found.revision > 0


def test_one_model_has_no_agreement_to_keep(session: Session) -> None:
    label_some(session)
    run = session.train(models=("xgboost",), rounds=5, wait=True)
    found = session.evaluate()
    with reopened(session) as again:
        kept = next(r for r in again.runs if r.id == run.id).evaluation
        assert kept is not None
        assert kept.agreement.empty
        assert np.isnan(kept.agreement_rate)
        assert np.isnan(found.agreement_rate)


def test_a_second_evaluation_replaces_the_first(session: Session) -> None:
    audited(session)
    session.evaluate()
    _answer(session, session.draw_audit(20, seed=4))
    session.evaluate()
    with reopened(session) as again:
        assert again.run is not None
        assert again.run.evaluation is not None
        assert again.run.evaluation.n == 100
        assert again.run.folder is not None
        assert len(list(again.run.folder.glob("evaluation*"))) == 2


@pytest.mark.parametrize("file", ["evaluation.json", "evaluation-*.npz"])
@pytest.mark.parametrize("harm", ["cut", "gone", "other"])
def test_a_damaged_evaluation_harms_nothing_else(session: Session, file: str, harm: str) -> None:
    audited(session)
    session.evaluate()
    assert session.run is not None
    assert session.run.folder is not None
    path = next(session.run.folder.glob(file))
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:-200])
    elif harm == "gone":
        path.unlink()
    elif file.endswith("json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "categories": ["A"]}))
    else:
        np.savez(path, ids=np.arange(3))
    with reopened(session) as again:
        run = again.run
        assert run is not None
        if (file, harm) == ("evaluation.json", "gone"):
            assert run.evaluation is None
        else:
            with pytest.raises(FormatError, match=r"session\.evaluate\(\)"):
                _ = run.evaluation
        assert len(run.history)
        assert again.evaluate().kind == "audit"
        assert run.evaluation is not None


def test_only_labels_it_spoke_from_make_it_outdated(session: Session) -> None:
    audited(session)
    found = session.evaluate()
    truth = session.items["truth"]
    free = session.sample(3, by="random", seed=1)
    session.label(free, str(truth[free[0]]))  # taught to later models, says nothing of this one
    assert session.outdated(found) == ""
    session.label(found.ids[:1], "C" if truth[found.ids[0]] != "C" else "A", source="audit")
    assert session.outdated(found) == "From before the last labels."
    session.undo()
    assert session.outdated(found) == ""
    session.draw_audit(10, seed=9)
    _answer(session, session.audit.todo)
    assert session.outdated(found) == "From before the last labels."
    session.train(models=("xgboost",), rounds=5, wait=True)
    assert session.outdated(found) == "From before the last training."
    assert session.run is not None
    assert session.run.evaluation is None


def test_out_of_fold_figures_are_outdated_by_any_label(session: Session) -> None:
    label_some(session)
    session.train(rounds=5, wait=True)
    found = session.evaluate()
    assert session.outdated(found) == ""
    session.label(session.sample(1, by="random", seed=1), "A")
    assert session.outdated(found) == "From before the last labels."


def test_probabilities_become_true_after_an_audit(session: Session, tmp_path: Path) -> None:
    label_some(session)
    run = session.train(rounds=5, wait=True)
    with pytest.raises(NotReadyError, match="need an audit"):
        session.predict(calibrated=True)
    session.evaluate()  # out of fold: of chosen labels, so nothing to calibrate by
    with pytest.raises(NotReadyError, match="need an audit"):
        session.export(tmp_path / "cells.csv", calibrated=True)
    assert not (tmp_path / "cells.csv").exists()
    _answer(session, session.draw_audit(80, seed=3))
    found = session.evaluate()
    assert run.temperature == found.temperature
    raw, true = session.predict(), session.predict(calibrated=True)
    np.testing.assert_allclose(true, apply_temperature(raw.to_numpy(), found.temperature), atol=1e-6)
    assert (true.idxmax(axis=1) == raw.idxmax(axis=1)).all()
    path = session.export(tmp_path / "cells.parquet", calibrated=True)
    table = pd.read_parquet(path)
    for name in raw:
        np.testing.assert_allclose(table[f"{name}__Calibrated"], true[name], atol=1e-6)
        np.testing.assert_allclose(table[f"{name}__Probability"], raw[name], atol=1e-6)
    with reopened(session) as again:  # the temperature is kept with the run
        np.testing.assert_allclose(again.predict(calibrated=True), true, atol=1e-6)


def test_counts_are_corrected_for_all_cells(session: Session) -> None:
    audited(session, 120)
    found = session.evaluate()
    counts = found.prevalence
    predicted = session.populations["Pred_AVG"].counts()
    assert counts["raw_count"].to_dict() == {name: predicted[name] for name in "ABC"}
    assert counts["count"].sum() == pytest.approx(300)
    share = session.items["truth"].value_counts(normalize=True)
    for name in "ABC":
        assert counts.loc[name, "low"] <= share[name] <= counts.loc[name, "high"]
        assert found.per_category.loc[name, "prevalence"] == counts.loc[name, "corrected"]


def test_without_an_audit_the_counts_are_raw(session: Session) -> None:
    label_some(session)
    session.train(rounds=5, wait=True)
    counts = session.evaluate().prevalence
    assert counts["raw_count"].sum() == 300
    assert counts["corrected"].isna().all()


def test_an_older_training_is_counted_with_its_own_models(session: Session) -> None:
    audited(session)
    old = session.run
    session.train(models=("xgboost",), rounds=3, wait=True)
    found = session.evaluate(old)
    own = session.predict(run=old).idxmax(axis=1).value_counts()
    assert found.prevalence["raw_count"].to_dict() == own.to_dict()


def test_one_that_may_only_look_evaluates_and_writes_nothing(session: Session) -> None:
    audited(session)
    folder = session.folder
    session.close()
    with Session.open(folder, read_only=True, jobs=Jobs(inline=True)) as looking:
        found = looking.evaluate()
        assert looking.run is not None
        assert looking.run.evaluation is found
    assert not list(folder.glob("runs/*/evaluation*"))
