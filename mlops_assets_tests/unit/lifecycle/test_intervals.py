"""An interval lives as long as its model: learnt in training, stored whole, in every prediction, on every way out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from mlops_assets import stages
from mlops_assets.artifacts import from_json
from mlops_assets.datasets import Provenance
from mlops_assets.errors import BundleError
from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle.model_loading import load_version, spec_of_bundle
from mlops_assets.lifecycle.predictor import predictor_of
from mlops_assets.lifecycle.records import PredictionsRecord
from mlops_assets.lifecycle.stages.evaluate import evaluate_model
from mlops_assets.model_file.training import TrainingSpec
from mlops_assets.predictions import score
from mlops_assets.serving.history import read_history
from mlops_assets.serving.served import Served
from mlops_assets.training.bundles.load import LoadedBundle
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import GATES, Station, begin, readings

ALGORITHMS: dict[str, Any] = {"algorithms": [{"ridge": {}}]}


@pytest.fixture
def station(tmp_path: Path, ledger: Ledger) -> Station:
    inputs = {"inputs": ["flow", "power"]}
    return begin(tmp_path, ledger, training={**ALGORITHMS, "interval": "80%"}, features=inputs)


def predictions_of(station: Station) -> PredictionsRecord:
    body = station.platform.ledger.get_record(f"station/{stages.PREDICTIONS}")
    assert body is not None
    return from_json(PredictionsRecord, body)


def loaded(station: Station, version: int) -> LoadedBundle:
    return load_version(station.platform, "station", version)[1]


def test_it_is_stored_with_the_model_and_in_every_prediction(station: Station) -> None:
    version, _, _ = station.challenge()
    predictor, bundle = load_version(station.platform, "station", version)
    assert predictor.interval is not None
    judged, _ = load_version(station.platform, "station", version, "judged")
    assert judged.interval is not None
    assert (judged.interval.level, judged.interval.rows) == (0.8, 48)
    # The refit's interval rests on the judged fit's errors on validation and holdout, which it has not learned from.
    assert (predictor.interval.level, predictor.interval.rows) == (0.8, 96)
    assert "interval.json" in bundle.manifest.files
    station.predict()
    table = station.platform.datasets.read(predictions_of(station).table)
    truth = table.join(readings().rename({"pump_id": "entity"}), on=["entity", "at"])
    inside = truth.filter((truth["low"] <= truth["y"]) & (truth["y"] <= truth["high"])).height / truth.height
    assert truth.height == 240
    assert inside == pytest.approx(0.8, abs=0.12)


def test_an_answer_of_the_api_has_the_bounds_of_the_batch(station: Station) -> None:
    version, _, _ = station.challenge()
    predictor, bundle = load_version(station.platform, "station", version)
    spec = spec_of_bundle(bundle)
    served = Served(spec, version, 1, predictor, read_history(station.platform.datasets, spec))
    newest = readings().tail(2).drop("y")
    response = json.loads(json.dumps(served.predict(newest), allow_nan=False))
    station.predict()
    batch = station.platform.datasets.read(predictions_of(station).table)
    keyed = newest.select("at", entity="pump_id").join(batch, on=["at", "entity"], maintain_order="left")
    assert response["level"] == 0.8
    for name, column in (("predictions", "value"), ("low", "low"), ("high", "high")):
        assert response[name] == pytest.approx(keyed[column].to_list())


def test_predictions_written_before_there_were_intervals_are_followed_by_others(station: Station) -> None:
    version, _, _ = station.challenge()
    predictor, _ = load_version(station.platform, "station", version)
    built = station.platform.datasets.latest("station", stages.FEATURES)
    assert built is not None
    rows = score(station.spec, predictor, station.platform.datasets.read(built), version, station.now)
    by = Provenance("ann", station.now, "old", "abc")
    old = station.platform.datasets.write("station", stages.PREDICTIONS, rows.drop("low", "high"), by)
    station.predict()
    new = predictions_of(station).table
    assert (new.version, new.columns) == (old.version + 1, tuple(rows.columns))
    assert station.platform.datasets.read(new)["low"].null_count() == 0
    assert station.platform.datasets.read(old).columns == list(old.columns)


def test_no_interval_is_an_answer_too(tmp_path: Path, ledger: Ledger) -> None:
    """Asked for none, or for more than 96 rows can tell: no file, null bounds, no level."""
    for index, level in enumerate((None, 0.985)):
        (tmp_path / str(index)).mkdir()
        station = begin(
            tmp_path / str(index), ledger, training={**ALGORITHMS, "interval": level}, name=f"station{index}"
        )
        version, _, _ = station.challenge()
        predictor, bundle = load_version(station.platform, station.spec.name, version)
        assert predictor.interval is None
        assert "interval.json" not in bundle.manifest.files
        spec = spec_of_bundle(bundle)
        response = Served(
            spec, version, 1, predictor, read_history(station.platform.datasets, spec)
        ).predict(readings().tail(2))  # fmt: skip
        assert not {"level", "low", "high"} & set(response)


def test_gates_judge_the_interval_on_the_holdout(tmp_path: Path, ledger: Ledger) -> None:
    gates = (*GATES, {"metric_at_least": {"metric": "coverage", "limit": 0.999}})
    station = begin(
        tmp_path,
        ledger,
        gates,
        training={**ALGORITHMS, "interval": 0.5},
        evaluation={"primary": "pinball", "also": ["rmse", "coverage"]},
    )
    trained = station.train()
    assert trained.candidates[0].metrics["validation"]["coverage"] == pytest.approx(0.5, abs=0.05)
    report = evaluate_model(station.spec, station.platform, station.run())
    response = next(gate for gate in report.gates if gate.gate == "metric_at_least_coverage")
    assert response.verdict == "fail"
    assert "coverage 0." in response.reason
    assert "% interval" in (Path(report.folder) / "report.md").read_text()
    assert "50 % interval: " in (Path(report.folder) / "report.html").read_text()
    assert any(line.startswith("50 % interval: ") for line in station.sentences)


def test_a_strange_interval_is_refused(station: Station) -> None:
    bundle = loaded(station, station.train().version)
    object.__setattr__(bundle, "interval", {"level": 0.9, "below": "wide"})
    with pytest.raises(BundleError, match="preparation or interval was written by other code"):
        predictor_of(bundle)


@pytest.mark.parametrize("level", [0, 1, "0%", "100%", 1.5, "most"])
def test_levels_are_between_none_and_all(level: object) -> None:
    with pytest.raises(ValidationError):
        TrainingSpec.model_validate({"algorithms": ["ridge"], "interval": level})
