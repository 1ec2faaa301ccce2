"""The recipe is judged on the holdout, then fitted again on all rows; production serves that fit."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlops_assets import features, training
from mlops_assets.artifacts import Evidence, RefitCheck, from_json
from mlops_assets.errors import BundleError, EvidenceError
from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle.model_loading import load_version
from mlops_assets.lifecycle.platform import Run, record_of
from mlops_assets.lifecycle.records import FeaturesRecord
from mlops_assets.lifecycle.recovery.reproduce import reproduce
from mlops_assets.lifecycle.stages import refit as module
from mlops_assets.lifecycle.stages.candidates import Study
from mlops_assets.lifecycle.stages.evaluate import evaluate_model
from mlops_assets.lifecycle.stages.promote import promote_model
from mlops_assets.lifecycle.stages.train import fit_recipe
from mlops_assets.training.algorithms.base.algorithm import Algorithm
from mlops_assets_tests.backtest_platform import START, hourly, model
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import Station, begin, readings

ABSOLUTE: tuple[Any, ...] = ({"metric_at_most": {"metric": "rmse", "limit": 5.0}},)
BOOSTED: dict[str, Any] = {"algorithms": [{"lightgbm": {"n_estimators": 200, "early_stopping_rounds": 5}}]}


@pytest.fixture
def station(tmp_path: Path, ledger: Ledger) -> Station:
    return begin(tmp_path, ledger, ABSOLUTE)


def rows_of(station: Station) -> pl.DataFrame:
    built = record_of(station.platform, station.spec, "features", None, FeaturesRecord)
    return station.platform.datasets.read(built.table)


def evidence_of(station: Station) -> Evidence:
    report = evaluate_model(station.spec, station.platform, station.run())
    return from_json(Evidence, station.platform.ledger.evidence(report.evidence_hash).body)


def test_production_serves_a_fit_on_all_rows_and_the_judged_one_lies_next_to_it(station: Station) -> None:
    trained = station.train()
    served, bundle = load_version(station.platform, "station", trained.version)
    judged, judged_bundle = load_version(station.platform, "station", trained.version, "judged")
    rows = rows_of(station)
    split = features.split(station.spec, rows)
    until = {
        name: features.SeenRows.from_json(one.seen_rows or {}).until
        for name, one in (("served", bundle), ("judged", judged_bundle))
    }
    assert until == {"served": rows["at"].max(), "judged": split.validation["at"].max()}
    assert trained.refit is not None
    assert (trained.refit.rows, trained.refit.problem) == (240, "")
    assert bundle.refit is not None
    assert from_json(RefitCheck, bundle.refit) == trained.refit
    # Ridge has a closed form: the stored fit is the one on every row, by hand.
    expected = training.ALGORITHMS[trained.algorithm]("regression", {}).fit(
        served.matrix(rows), rows["y"], seed=station.spec.training.seed
    )
    np.testing.assert_allclose(served.predict(rows), expected.predict(served.matrix(rows)), rtol=1e-12)
    assert not np.allclose(served.predict(rows), judged.predict(rows), rtol=1e-6)


def test_the_evidence_measures_the_judged_fit_and_says_so(station: Station) -> None:
    trained = station.train()
    judged, _ = load_version(station.platform, "station", trained.version, "judged")
    split = features.split(station.spec, rows_of(station))
    evidence = evidence_of(station)
    rmse = float(np.sqrt(np.mean((judged.predict(split.test) - split.test["y"].to_numpy()) ** 2)))
    assert evidence.evaluation.challenger["test"]["rmse"] == pytest.approx(rmse, rel=1e-12)
    assert evidence.refit == trained.refit
    note = evidence.evaluation.notes[0]
    assert "all numbers belong to the judged fit" in note
    assert "fitted again on all 240 rows until 2026-03-01 23:00 UTC" in note
    folder = station.platform.reports("station", trained.version)
    assert "fitted again on all 240 rows" in (folder / "report.md").read_text()


def test_rounds_are_those_that_early_stopping_chose(tmp_path: Path, ledger: Ledger) -> None:
    station = begin(tmp_path, ledger, ABSOLUTE, training=BOOSTED)
    trained = station.train()
    trees = {
        fit: load_version(station.platform, "station", trained.version, fit)[0].estimator.native.num_trees()
        for fit in ("served", "judged")
    }
    assert trees["served"] == trees["judged"] < 200
    assert trained.refit is not None
    assert (trained.refit.params["n_estimators"], trained.refit.params["early_stopping_rounds"]) == (
        trees["judged"],
        0,
    )


@pytest.mark.parametrize(
    ("changes", "again"),
    [
        ({"training": {"algorithms": ["ridge"], "refit": False}}, False),
        ({"split": {"strategy": "random"}}, False),
        ({"split": {"strategy": "random"}, "training": {"algorithms": ["ridge"], "refit": True}}, True),
    ],
)
def test_the_model_file_decides(tmp_path: Path, ledger: Ledger, changes: dict[str, Any], again: bool) -> None:
    station = begin(tmp_path, ledger, ABSOLUTE, **changes)
    trained = station.train()
    _, bundle = load_version(station.platform, "station", trained.version)
    assert (trained.refit is not None, bundle.has_judged_fit) == (again, again)


def broken(monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    """Let the algorithm's predictions go wrong wherever it was fitted on all rows."""
    fit = module._fitted

    def fitted(*arguments: Any) -> Any:
        predictor = fit(*arguments)
        return replace(predictor, estimator=Altered(predictor.estimator, change))

    monkeypatch.setattr(module, "_fitted", fitted)


class Altered:
    def __init__(self, estimator: Algorithm, change: Any) -> None:
        self.estimator, self.change = estimator, change

    def __getattr__(self, name: str) -> Any:
        return getattr(self.estimator, name)

    def predict(self, matrix: Any) -> Any:
        return self.change(self.estimator.predict(matrix))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda values: np.where(np.arange(len(values)) == 3, np.nan, values), "1 of 48 predictions"),
        (lambda values: values + 100.0, "differ from the judged ones by"),
    ],
)
def test_a_refit_that_is_not_finite_or_far_is_never_promoted(
    station: Station, monkeypatch: pytest.MonkeyPatch, change: Any, sentence: str
) -> None:
    broken(monkeypatch, change)
    trained = station.train()
    _, bundle = load_version(station.platform, "station", trained.version)
    assert not bundle.has_judged_fit  # the bundle holds the judged fit alone
    report = evaluate_model(station.spec, station.platform, station.run())
    assert report.decision.outcome == "refuse"
    assert "the refit on all 240 rows cannot be served" in report.decision.reason
    assert sentence in report.decision.reason
    with pytest.raises(EvidenceError, match="cannot be served"):
        promote_model(station.spec, station.platform, station.run())
    assert station.champion() is None


def test_a_training_that_ends_between_both_fits_leaves_nothing_half(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        pass

    def killed(*_: Any) -> None:
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(module, "_fitted", killed)
        with pytest.raises(KilledError):
            station.train()
    assert station.platform.ledger.versions("station") == ()
    root = station.platform.settings.model_root / "station"
    assert not root.exists() or list(root.iterdir()) == []
    assert station.train().version == 1


def test_a_damaged_judged_fit_is_refused_as_any_other_file(station: Station) -> None:
    trained = station.train()
    path = station.bundle(trained.version) / "judged-preparation.json"
    path.write_bytes(path.read_bytes().replace(b"flow", b"glow", 1))
    for fit in ("served", "judged"):
        with pytest.raises(BundleError, match=r"judged-preparation\.json' was altered"):
            load_version(station.platform, "station", trained.version, fit)


def test_a_refit_is_reproduced_too(station: Station) -> None:
    version, _, _ = station.challenge()
    result = reproduce(station.platform, "station", version, station.run())
    assert (result.verdict, result.largest_difference, result.same_bytes) == ("equal", 0.0, True)
    assert result.rows == 20 + 48 + 48  # the sample, and the holdout by both fits


@pytest.mark.parametrize(("days", "fit"), [(1, "judged"), (3, "judged"), (6, "served")])
def test_the_champions_judged_fit_stands_in_while_the_served_one_knows_the_holdout(
    station: Station, tmp_path: Path, days: int, fit: training.Fit
) -> None:
    station.challenge()
    later = readings(48 * days, seed=7).with_columns(pl.col("at") + timedelta(days=days))
    pl.concat([readings(), later]).write_csv(tmp_path / "readings.csv")
    station.now += timedelta(days=days)
    station.train()
    evidence = evidence_of(station)
    test = features.split(station.spec, rows_of(station)).test
    measured, _ = load_version(station.platform, "station", 1, fit)
    rmse = float(np.sqrt(np.mean((measured.predict(test) - test["y"].to_numpy()) ** 2)))
    assert evidence.evaluation.champion is not None
    assert evidence.evaluation.champion["test"]["rmse"] == pytest.approx(rmse, rel=1e-12)
    assert (evidence.evaluation.champion_fit, evidence.evaluation.comparable_rows) == (fit, test.height)
    stands_in = any(
        "its judged fit" in note and "represents its recipe" in note for note in evidence.evaluation.notes
    )
    assert stands_in == (fit == "judged")


def test_a_named_input_without_information_in_training_is_left_out_again(tmp_path: Path) -> None:
    """A holiday flag that is constant in the training part and not later: the refit keeps to the judged columns."""
    frame = hourly(20, moves_at=99).with_columns(flag=(pl.int_range(pl.len()) > 400).cast(pl.Int8))
    spec = model(tmp_path / "r.parquet", frame, features={"inputs": ["x", "z", "flag"]})
    built = features.build(spec, frame)
    split = features.split(spec, built)
    run = Run("1", START, lambda: START, "tester", "", lambda _sentence: None)
    fits = fit_recipe(spec, built, split, run, Study(tmp_path / "journal", "study"))
    assert "flag" in fits.best.preparation.dropped
    assert fits.again is not None
    assert fits.again.check.problem == ""
    assert fits.again.served.feature_names == fits.best.feature_names
