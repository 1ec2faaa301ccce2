"""The graph lived end to end: promoted, kept, refused, each seen in the run, the checks, the ledger and MLflow."""

from __future__ import annotations

import dagster as dg
import polars as pl
import pytest

from mlops_assets.artifacts import Evidence, from_json
from mlops_assets.defs.execution import FinishedRun
from mlops_assets.lifecycle.model_loading import load_version
from mlops_assets.lifecycle.platform import own_record
from mlops_assets.lifecycle.records import PredictionsRecord, PromotionRecord
from mlops_assets.model_file import ModelSpec
from mlops_assets_tests.local_platform import LocalPlatform, readings


def stages_of(finished: FinishedRun) -> set[str]:
    """The assets that a run materialised."""
    with dg.DagsterInstance.get() as instance:
        entries = instance.all_logs(finished.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
        return {entry.dagster_event.asset_key.path[-1] for entry in entries}  # type: ignore[union-attr]


def checks_of(finished: FinishedRun) -> dict[str, tuple[bool, str]]:
    """Name of each check that a run evaluated: whether it passed, and its severity."""
    with dg.DagsterInstance.get() as instance:
        entries = instance.all_logs(finished.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        checks = [entry.dagster_event.asset_check_evaluation_data for entry in entries]  # type: ignore[union-attr]
        return {one.check_name: (one.passed, one.severity.value) for one in checks}


def alerts(local_platform: LocalPlatform, spec: ModelSpec) -> list[str]:
    return [alert.kind for alert in local_platform.platform.ledger.alerts(spec.name)]


def mlflow_statuses(local_platform: LocalPlatform, spec: ModelSpec) -> list[str]:
    registry = local_platform.platform.registry
    runs = registry.client.search_runs([registry.experiment(spec.name)])
    return [run.info.status for run in runs]


def test_first_kept_then_promoted(local_platform: LocalPlatform) -> None:
    spec = local_platform.model(readings(400))

    first = local_platform.run_lifecycle(spec)
    assert first.success, first.failures
    assert local_platform.actions(spec) == [("promoted", 1)]
    assert stages_of(first) >= {"trained_model", "evaluation_report", "production_model", "predictions"}
    assert checks_of(first)["beats_champion_rmse"] == (True, "WARN")  # not applicable stops nothing
    predicted = own_record(local_platform.platform, spec, "predictions", first.run_id, PredictionsRecord)
    assert predicted is not None
    assert (predicted.version, predicted.new_rows) == (1, 400)

    readings(440).write_parquet(local_platform.file(spec.name))
    second = local_platform.run_lifecycle(spec, rows=440)
    assert second.success, second.failures
    assert local_platform.actions(spec) == [("promoted", 1), ("kept", 2)]
    assert local_platform.status(spec) == ["champion", "archived"]
    assert checks_of(second)["beats_champion_rmse"] == (False, "WARN")
    assert {passed for passed, severity in checks_of(second).values() if severity == "ERROR"} == {True}
    record = own_record(local_platform.platform, spec, "production_model", second.run_id, PromotionRecord)
    assert record is not None
    assert (record.decision.outcome, record.champion, record.revision) == ("keep", 1, 1)
    predicted = own_record(local_platform.platform, spec, "predictions", second.run_id, PredictionsRecord)
    assert predicted is not None
    assert (predicted.version, predicted.new_rows) == (1, 40)
    load_version(local_platform.platform, spec.name, 2)  # archived, never deleted
    assert alerts(local_platform, spec) == []

    readings(480, slope=-1.0).write_parquet(local_platform.file(spec.name))
    third = local_platform.run_lifecycle(spec, rows=480)
    assert third.success, third.failures
    assert local_platform.champion(spec) == 3
    assert local_platform.status(spec) == ["archived", "archived", "champion"]
    champion_state = local_platform.platform.ledger.champion_state(spec.name)
    assert champion_state.champion is not None
    evidence = from_json(
        Evidence, local_platform.platform.ledger.evidence(champion_state.champion.evidence_hash or "").body
    )
    assert (evidence.champion.version, evidence.champion.revision) == (1, 1)
    assert evidence.evaluation.comparisons[0].improvement > 0.02
    assert set(mlflow_statuses(local_platform, spec)) == {"FINISHED"}
    client = local_platform.platform.registry.client
    assert client.get_model_version_by_alias(spec.name, "champion").tags["mlops.version"] == "3"


def estimator(name: str, **params: float) -> dict[str, dict[str, object]]:
    """An algorithm of tests.faulty, as a model file names it."""
    return {"python": {"estimator": f"mlops_assets_tests.faulty_estimators:{name}", "params": params}}


def with_rare_rows() -> pl.DataFrame:
    """Readings whose newest rows, which only the holdout sees, hold what training and validation never held."""
    return readings().with_columns(x=pl.when(pl.int_range(pl.len()) >= 395).then(9.0).otherwise(pl.col("x")))


REFUSED: dict[str, tuple[dict[str, object], str, str]] = {
    "NaN predictions": (
        {"training": {"algorithms": [estimator("SometimesNaN")]}},
        "evaluation_report",
        "are missing",
    ),
    "a gate's own time limit": (
        {
            "training": {"algorithms": [estimator("Slow", seconds=1.1)]},
            "gates": ["no_missing_predictions", {"time_limit": {"limit": "1s"}}],
        },
        "evaluation_report",
        "the limit is",
    ),
    "the time limit of training": (
        {"training": {"algorithms": [estimator("Slow")], "time_limit": "1s"}},
        "trained_model",
        "timed out",
    ),
    "too few rows": ({"validation": {"min_rows": 401}}, "validated_data", "401"),
    "too few rows for the gate": (
        {"gates": [{"min_rows": {"rows": 401}}]},
        "evaluation_report",
        "fewer than 401",
    ),
    "every fit fails": (
        {"training": {"algorithms": [estimator("Breaks")]}},
        "trained_model",
        "out of order",
    ),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_refused(local_platform: LocalPlatform, fault: str) -> None:
    changes, stage, fragment = REFUSED[fault]
    spec = local_platform.model(with_rare_rows(), **changes)
    finished = local_platform.run_lifecycle(spec)
    assert not finished.success
    assert any(fragment in sentence for _, sentence in finished.failures), finished.failures
    assert {name for name, _ in finished.failures} == {stage}
    assert local_platform.champion(spec) is None
    assert "production_model" not in stages_of(finished)
    assert "predictions" not in stages_of(finished)
    assert set(local_platform.status(spec)) <= {"refused"}  # no version at all where nothing was trained
    assert alerts(local_platform, spec) == ["run_failed"]
    assert "RUNNING" not in mlflow_statuses(local_platform, spec)


def test_a_refusal_leaves_the_champion(local_platform: LocalPlatform) -> None:
    spec = local_platform.model()
    assert local_platform.run_lifecycle(spec).success
    broken = local_platform.model(
        with_rare_rows(),
        name=spec.name,
        training={"algorithms": [estimator("SometimesNaN")]},
    )
    finished = local_platform.run_lifecycle(broken)
    assert not finished.success
    assert local_platform.champion(spec) == 1
    assert local_platform.status(spec) == ["champion", "refused"]
    assert local_platform.actions(spec)[-1] == ("refused", 2)


def test_a_champion_of_other_features_is_compared_on_the_same_rows(local_platform: LocalPlatform) -> None:
    """The model file gains and loses features; the champion still stands beside the challenger, and still predicts."""
    older = local_platform.model(readings(400), features={"lags": {"columns": ["x"], "steps": [1]}})
    assert local_platform.run_lifecycle(older).success

    newer = local_platform.model(
        readings(440), name=older.name, features={"inputs": ["x", "z"], "calendar": ["hour"]}
    )
    second = local_platform.run_lifecycle(newer, rows=440)
    assert second.success, second.failures
    assert local_platform.actions(newer) == [("promoted", 1), ("kept", 2)]
    predicted = own_record(local_platform.platform, newer, "predictions", second.run_id, PredictionsRecord)
    assert predicted is not None
    assert (predicted.version, predicted.new_rows) == (1, 40)


def test_a_champion_of_another_horizon_is_not_compared(local_platform: LocalPlatform) -> None:
    spec = local_platform.model(readings(400))
    assert local_platform.run_lifecycle(spec).success
    other = local_platform.model(
        readings(440), name=spec.name, problem="forecasting", features={"horizon": "5m"}
    )
    second = local_platform.run_lifecycle(other, rows=440)
    assert not second.success
    assert "mlops retire" in second.failures[0][1]
    assert local_platform.champion(spec) == 1
