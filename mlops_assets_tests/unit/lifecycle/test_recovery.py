"""Rolling back, the readiness check before it, the blast radius after it, and making a version again."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mlops_assets import training
from mlops_assets.artifacts import TableVersion, from_json
from mlops_assets.datasets import Provenance
from mlops_assets.errors import BundleError, DataError, LedgerError, LostRaceError
from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle.recovery import reproduce as module
from mlops_assets.lifecycle.recovery.reproduce import RECORD, Reproduction, reproduce
from mlops_assets.lifecycle.recovery.rescore import rescore
from mlops_assets.lifecycle.recovery.rollback import roll_back
from mlops_assets.lifecycle.recovery.rollback_check import alert, check_rollback, is_due, last_check
from mlops_assets.training.bundles.manifest import environment_of
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import Station, begin, readings


@pytest.fixture
def station(tmp_path: Path, ledger: Ledger) -> Station:
    """Two champions, one after the other; the second has predicted."""
    station = begin(tmp_path, ledger)
    station.challenge()
    station.predict()
    return station


def second(station: Station, folder: Path) -> int:
    """A day later, a champion on more readings, which it has predicted."""
    station.now += timedelta(days=1)
    before = readings()
    later = before.tail(48).with_columns(pl.col("at") + timedelta(days=1))
    pl.concat([before, later]).write_csv(folder / "readings.csv")
    version, _, _ = station.challenge()
    assert station.champion() == version
    assert station.predict() == 288
    return version


def back(station: Station, **more: Any) -> int:
    return roll_back(
        station.platform, "station", more.pop("to", None), station.run(), "spike", **more
    ).version


def test_rollback_works_while_mlflow_is_down(station: Station, tmp_path: Path) -> None:
    second(station, tmp_path)
    station.registry.down = True
    assert back(station) == 1
    assert any("MLflow does not mirror this yet" in sentence for sentence in station.sentences)


def test_a_rollback_decided_under_an_old_revision_changes_nothing(station: Station, tmp_path: Path) -> None:
    second(station, tmp_path)
    decided_under = station.platform.ledger.champion_state("station").revision
    assert back(station, expected_revision=decided_under) == 1
    with pytest.raises(LostRaceError):
        back(station, to=2, expected_revision=decided_under)
    assert station.champion() == 1


def test_a_drill_finds_the_target_ready_and_moves_nothing(station: Station, tmp_path: Path) -> None:
    assert "nothing to roll back to" in check_rollback(station.platform, "station", station.run()).sentence
    second(station, tmp_path)
    assert is_due(station.platform, "station", station.now)
    before = station.history()
    made = check_rollback(station.platform, "station", station.run())
    assert (made.version, made.ready, made.rows) == (1, True, 100)
    assert made.load_seconds > 0 < made.answer_seconds
    assert last_check(station.platform, "station") == made
    assert not is_due(station.platform, "station", station.now)
    assert is_due(station.platform, "station", station.now + timedelta(days=1))
    assert not alert(station.platform, made, station.run(), station.spec)
    assert station.history() == before


@pytest.mark.parametrize("harm", ["flip", "truncate", "remove", "stranger"])
def test_a_drill_catches_a_damaged_target_before_anyone_needs_it(
    station: Station, tmp_path: Path, harm: str
) -> None:
    second(station, tmp_path)
    bundle = station.bundle(1)
    file = max(
        (each for each in bundle.iterdir() if each.name != "manifest.json"), key=lambda f: f.stat().st_size
    )
    if harm == "flip":
        body = bytearray(file.read_bytes())
        body[len(body) // 2] ^= 1
        file.write_bytes(bytes(body))
    elif harm == "truncate":
        file.write_bytes(file.read_bytes()[:-7])
    elif harm == "remove":
        file.unlink()
    else:
        (bundle / "extra.pkl").write_bytes(b"x")
    made = check_rollback(station.platform, "station", station.run())
    assert not made.ready
    assert made.problem
    assert alert(station.platform, made, station.run(), station.spec)
    assert not alert(station.platform, made, station.run(), station.spec)
    [alert_row] = station.platform.ledger.alerts("station", open_only=True)
    assert alert_row.severity == "critical"
    with pytest.raises(BundleError):
        back(station)
    assert station.champion() == 2


def test_a_drill_notices_readings_that_the_target_cannot_answer(station: Station, tmp_path: Path) -> None:
    second(station, tmp_path)
    frame = (
        pl.read_csv(tmp_path / "readings.csv", try_parse_dates=True).drop("power").with_columns(y=pl.col("y"))
    )
    station.platform.datasets.write(
        "station", "validated_data", frame, Provenance("x", station.now, "x", "x")
    )
    made = check_rollback(station.platform, "station", station.run())
    assert not made.ready
    assert "power" in str(made.problem)


def predictions(station: Station, version: int) -> pl.DataFrame:
    far = timedelta(days=1000)
    return station.platform.ledger.predictions(
        "station", since=station.now - far, until=station.now + far, version=version
    )


def test_rescore_makes_exactly_the_bad_predictions_again(station: Station, tmp_path: Path) -> None:
    began = station.now
    bad = second(station, tmp_path)
    theirs, ours = predictions(station, bad), predictions(station, 1)
    with pytest.raises(LedgerError, match="ever rolled back from"):
        rescore(station.platform, "station", began, station.run())
    with pytest.raises(LedgerError, match="is the champion; roll back first"):
        rescore(station.platform, "station", began, station.run(), bad)
    back(station)
    done = rescore(station.platform, "station", began, station.run())
    assert (done.bad, done.champion, done.made, done.again, done.new_rows) == (bad, 1, 288, 288, 48)
    assert done.out_of_reach == 0
    after = predictions(station, 1)
    keys = ["entity", "at"]
    assert ours.height == 240
    assert after.select(keys).sort(keys).equals(theirs.select(keys).sort(keys))
    assert predictions(station, bad).equals(theirs)  # nothing was changed or removed
    assert done.table is not None
    both = station.platform.datasets.read(done.table)
    assert both.height == 288
    assert not both["value"].equals(both["value_again"])
    repeated = rescore(station.platform, "station", began, station.run())
    assert (repeated.again, repeated.new_rows) == (288, 0)
    later = rescore(station.platform, "station", station.now + timedelta(hours=1), station.run())
    assert (later.made, later.again) == (0, 0)


def test_two_rows_of_one_instant_are_rescored_as_two(tmp_path: Path, ledger: Ledger) -> None:
    station = begin(
        tmp_path,
        ledger,
        entity=None,
        features={"inputs": ["flow", "power"]},
        validation={"min_rows": 100, "freshness": "365d", "unique_rows": False},
    )
    began = station.now
    station.challenge()
    station.predict()
    station.challenge()
    assert station.predict() == 240  # two pumps, which nothing tells apart, at each of 120 instants
    back(station)
    done = rescore(station.platform, "station", began, station.run(), 2)
    assert (done.made, done.again, done.new_rows, done.out_of_reach) == (240, 240, 0, 0)
    assert done.table is not None
    both = station.platform.datasets.read(done.table)
    assert both.height == 240  # paired by instant alone it would be 480
    own = predictions(station, 1).join(both, on=["at", "occurrence"])
    assert own["value"].to_list() == own["value_again"].to_list()


def test_rescored_answers_are_those_the_champion_would_have_given(station: Station, tmp_path: Path) -> None:
    """The second version answers the readings of the first; then the first is asked for the same: equal to its own."""
    first, began = predictions(station, 1), station.now
    second(station, tmp_path)
    back(station)
    done = rescore(station.platform, "station", began, station.run(), 2)
    assert done.table is not None
    both = station.platform.datasets.read(done.table).join(first, on=["entity", "at"], suffix="_own")
    assert both.height == first.height
    assert both["value_again"].equals(both["value_own"].rename("value_again"))


def test_rescore_without_timestamps_finds_the_batch_itself(tmp_path: Path, ledger: Ledger) -> None:
    station = begin(
        tmp_path,
        ledger,
        timestamp=None,
        entity=None,
        features={"inputs": ["flow", "power"]},
        split={"strategy": "random", "train": "60%", "validation": "20%", "test": "20%"},
    )
    station.challenge()
    station.predict()
    first = predictions(station, 1)
    assert station.challenge()[2].champion == 2
    assert station.predict() == 240
    readings(100, seed=9).write_csv(tmp_path / "readings.csv")
    station.challenge(rmse=0.5)
    station.predict()
    back(station, to=1)
    done = rescore(station.platform, "station", station.now - timedelta(days=1), station.run(), 2)
    assert (done.made, done.again, done.new_rows, done.out_of_reach) == (240, 240, 240, 0)
    assert done.table is not None
    both = station.platform.datasets.read(done.table).join(first, on="entity", suffix="_own")
    assert both.height == 240
    assert both["value_again"].to_list() == both["value_own"].to_list()


def test_readings_that_are_gone_are_counted(station: Station, tmp_path: Path) -> None:
    second(station, tmp_path)
    back(station)
    now = station.run().now()
    ghost = pl.DataFrame({"entity": ["p9"], "at": [now], "value": [1.0]})
    station.platform.ledger.store_predictions("station", 2, ghost, predicted_at=now)
    done = rescore(station.platform, "station", now, station.run())
    assert (done.made, done.again, done.out_of_reach) == (1, 0, 1)


def test_a_version_is_made_again_byte_for_byte(station: Station) -> None:
    made = reproduce(station.platform, "station", 1, station.run())
    assert (made.verdict, made.reasons, made.largest_difference, made.same_bytes) == ("equal", (), 0.0, True)
    assert made.rows > 20
    body = station.platform.ledger.get_record(f"station/{RECORD}")
    assert body is not None
    assert from_json(Reproduction, body) == made
    assert list(station.statuses()) == [1]


@pytest.mark.skipif(find_spec("optuna") is None, reason="extra search")
def test_a_searched_model_is_made_again_by_one_fit(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The winner's parameters stand nowhere but in its bundle; nothing is searched for them."""
    searched = {
        "algorithms": [{"ridge": {"alpha": 1000.0, "fit_intercept": False}}],
        "search": {"trials": 2, "spaces": {"linear": {"fit_intercept": {"choices": [True]}}}},
    }
    station = begin(tmp_path, ledger, training=searched)
    assert station.train().algorithm == "linear"

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("searched again")

    fits: list[Any] = []
    fit_all = training.fit_all

    def counted(spec: Any, *parts: Any, **more: Any) -> Any:
        fits.extend(more["choices"])
        return fit_all(spec, *parts, **more)

    monkeypatch.setattr("optuna.create_study", never)
    monkeypatch.setattr(training, "fit_all", counted)
    made = reproduce(station.platform, "station", 1, station.run())
    assert (made.verdict, made.same_bytes) == ("equal", True)
    judged, served = [(one.name, one.params) for one in fits]
    assert judged == served == ("linear", {"fit_intercept": True})


def test_other_code_is_named_even_when_it_does_not_matter(station: Station) -> None:
    made = reproduce(station.platform, "station", 1, replace(station.run(), code_commit="def"))
    assert made.verdict == "equal"
    assert made.reasons == ("the code differs: abc then, def now",)
    assert "although the code differs" in made.sentence


def rounded(monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    """The model trained again predicts `factor` times the original's predictions."""
    predictions = module._predictions

    def other(ours: Any, theirs: Any, rows: Any) -> tuple[Any, Any]:
        original, again = predictions(ours, theirs, rows)
        return original, again * factor

    monkeypatch.setattr(module, "_predictions", other)


@pytest.mark.parametrize(
    "change, verdict", [(1.0, "equal"), (1.0 + 1e-4, "within_tolerance"), (1.0 + 1e-2, "not_equal")]
)
def test_another_processor_is_named_and_its_rounding_is_allowed_for(
    station: Station, monkeypatch: pytest.MonkeyPatch, change: float, verdict: str
) -> None:
    def elsewhere(packages: Any) -> dict[str, Any]:
        return environment_of(packages) | {"processor": "Another 9", "blas": "openblas 1 Other"}

    monkeypatch.setattr(module, "environment_of", elsewhere)
    rounded(monkeypatch, change)
    result = reproduce(station.platform, "station", 1, station.run())
    environment = environment_of(())
    assert result.verdict == verdict
    assert (
        f"station version 1 (trained on {environment['processor']}, {environment['blas']})" in result.sentence
    )
    assert f"processor {environment['processor']} then, Another 9 now" in result.reasons


def test_the_rounding_of_another_processor_is_not_allowed_for_on_the_same(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounded(monkeypatch, 1.0 + 1e-4)
    assert reproduce(station.platform, "station", 1, station.run()).verdict == "not_equal"


def test_another_seed_or_other_data_is_not_equal(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlops_assets import features

    build = features.build

    def other(spec: Any, frame: pl.DataFrame) -> pl.DataFrame:
        return build(spec, frame.with_columns(pl.col("flow") * 1.001))

    monkeypatch.setattr(features, "build", other)
    made = reproduce(station.platform, "station", 1, station.run())
    assert made.verdict == "not_equal"
    assert "NOT equal" in made.sentence
    assert "the features built from the recorded readings are not those it was trained on" in made.reasons


def test_data_that_is_gone_and_a_damaged_bundle_are_predictions(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = type(station.platform.datasets).read

    def gone(self: Any, version: TableVersion, **more: Any) -> pl.DataFrame:
        raise DataError("station/features version 0 is not below here")

    monkeypatch.setattr(type(station.platform.datasets), "read", gone)
    made = reproduce(station.platform, "station", 1, station.run())
    assert made.verdict == "not_possible"
    assert "features version 0 is not below here" in made.sentence
    monkeypatch.setattr(type(station.platform.datasets), "read", read)
    manifest = station.bundle(1) / "manifest.json"
    body = json.loads(manifest.read_text())
    body["environment"]["python"] = "2.7"
    manifest.write_text(json.dumps(body))
    made = reproduce(station.platform, "station", 1, station.run())
    assert made.verdict == "not_possible"
    assert "was altered" in made.sentence
