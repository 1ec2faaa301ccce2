"""Nobody reaches production around a gate: `production_model` materialised by itself asks the ledger again."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError

from mlops_assets.defs.failures import sentences
from mlops_assets.defs.housekeeping import end_lost_runs
from mlops_assets.errors import EvidenceError
from mlops_assets.lifecycle.stages import data, evaluate, promote, train
from mlops_assets.metrics import METRICS
from mlops_assets_tests.local_platform import GATES, START, LocalPlatform, readings
from mlops_assets_tests.waiting import patience

TRAIN = ("raw_readings", "validated_data", "features", "trained_model")
JUDGE = (*TRAIN, "evaluation_report")
PROMOTE = ("production_model",)


def notes(result: dg.ExecuteInProcessResult) -> str:
    """Why a run failed; empty when it did not."""
    return "; ".join(sentence for _, sentence in sentences(result.all_events))


def tamper(local_platform: LocalPlatform, statement: str, **values: Any) -> int:
    """Change what the ledger's triggers refuse to change, as somebody with the keys of the database could."""
    engine = create_engine(local_platform.owner_url)
    with engine.begin() as connection:
        connection.execute(text("set local session_replication_role = replica"))
        changed = connection.execute(text(statement), values).rowcount
    engine.dispose()
    return changed


@contextmanager
def without_hash_check(local_platform: LocalPlatform) -> Iterator[None]:
    """The ledger without the constraint that holds evidence to its hash."""
    name = "evidence_has_its_hash"
    find = "select pg_get_constraintdef(oid) from pg_constraint where conname = :name"
    engine = create_engine(local_platform.owner_url)
    with engine.begin() as connection:
        rule = connection.execute(text(find), {"name": name}).scalar_one()
        connection.execute(text(f"alter table evidence drop constraint {name}"))
    yield
    with engine.begin() as connection:
        connection.execute(text(f"alter table evidence add constraint {name} {rule}"))
    engine.dispose()


def test_promotion_alone_asks_again(local_platform: LocalPlatform) -> None:
    """One challenger that deserves it, and everything that must stop it all the same until nothing is wrong."""
    spec = local_platform.model()
    assert local_platform.run_lifecycle(spec).success
    readings(480, slope=-1.0).write_parquet(local_platform.file(spec.name))

    assert local_platform.alone(spec, TRAIN).success
    assert "version 2 has no evaluation yet" in notes(local_platform.alone(spec, PROMOTE))
    assert local_platform.champion(spec) == 1

    assert local_platform.alone(spec, ("evaluation_report",)).success
    [evidence] = local_platform.platform.ledger.evidence_of(spec.name, 2)

    edited = local_platform.model(
        readings(480, slope=-1.0),
        name=spec.name,
        gates=[*GATES[:1], {"metric_at_most": {"metric": "rmse", "limit": 3.0}}, *GATES[2:]],
    )
    assert "the model file has changed" in notes(local_platform.alone(edited, PROMOTE))

    swap = "update evidence set body = replace(body::text, :old, :new)::json where hash = :hash"
    rows = '"training_rows":480', '"training_rows":999'
    with pytest.raises(IntegrityError):  # the database itself knows the hash
        tamper(local_platform, swap, old=rows[0], new=rows[1], hash=evidence.hash)
    with without_hash_check(local_platform):
        assert tamper(local_platform, swap, old=rows[0], new=rows[1], hash=evidence.hash) == 1
        assert "it was altered" in notes(local_platform.alone(spec, PROMOTE))
        assert tamper(local_platform, swap, old=rows[1], new=rows[0], hash=evidence.hash) == 1

    bundle = Path(local_platform.platform.ledger.model_version(spec.name, 2).bundle_path or "")
    file = bundle / "preparation.json"
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b"0", b"1", 1))
    assert not local_platform.alone(spec, PROMOTE).success
    file.write_bytes(whole)

    assert local_platform.champion(spec) == 1
    local_platform.platform.ledger.retire(
        spec.name, actor="ann", reason="sensor replaced", at=datetime.now(UTC)
    )
    assert "the champion changed since version 2 was compared" in notes(local_platform.alone(spec, PROMOTE))
    assert local_platform.champion(spec) is None
    assert local_platform.actions(spec) == [("promoted", 1), ("retired", 1)]

    again = local_platform.alone(spec, ("evaluation_report", "production_model"))
    assert again.success, notes(again)
    assert local_platform.champion(spec) == 2


@pytest.mark.parametrize(("value", "champion"), [(math.nan, None), (math.inf, 1)])
def test_a_primary_metric_that_is_no_number_never_promotes(
    local_platform: LocalPlatform, monkeypatch: pytest.MonkeyPatch, value: float, champion: int | None
) -> None:
    """No gate asks for the primary metric; by the graph and by the asset alone."""
    spec = local_platform.model(
        evaluation={"primary": "mae"},
        gates=["no_missing_predictions", {"metric_at_most": {"metric": "rmse", "limit": 2.0}}],
    )
    if champion is not None:
        assert local_platform.run_lifecycle(spec).success
        readings(480).write_parquet(local_platform.file(spec.name))
    assert local_platform.alone(spec, TRAIN).success
    whole = METRICS["mae"]
    monkeypatch.setitem(METRICS, "mae", replace(whole, function=lambda _: value, influence=None))
    assert "mae" in notes(local_platform.alone(spec, ("evaluation_report", *PROMOTE)))
    monkeypatch.setitem(METRICS, "mae", whole)
    assert not local_platform.alone(spec, PROMOTE).success, "the evidence stays what it was"
    assert local_platform.champion(spec) == champion
    assert local_platform.status(spec)[-1] == "refused"


LIMIT = {"metric_at_most": {"metric": "rmse", "limit": 0.001}}
ROWS = {"min_rows": {"rows": 401}}


@pytest.mark.parametrize("gate, status", [(LIMIT, "archived"), (ROWS, "refused")], ids=["keeps", "refuses"])
def test_without_its_checks(local_platform: LocalPlatform, gate: dict[str, Any], status: str) -> None:
    """Dagster refuses to run these assets without their checks; the stages themselves do not need the checks."""
    spec = local_platform.model(gates=["no_missing_predictions", gate])
    with pytest.raises(dg.DagsterInvalidDefinitionError):
        local_platform.alone(spec, (*JUDGE, "production_model"), checks=False)
    run = local_platform.run(f"unchecked-{status}")
    for run_lifecycle in (data.read_readings, data.validate_readings, data.build_features, train.train_model):
        run_lifecycle(spec, local_platform.platform, run)
    evaluate.evaluate_model(spec, local_platform.platform, run)
    with (
        nullcontext() if status == "archived" else pytest.raises(EvidenceError, match="is refused: min_rows")
    ):
        promote.promote_model(spec, local_platform.platform, run)
    assert local_platform.champion(spec) is None
    assert local_platform.status(spec) == [status]


def test_no_champion_no_predictions(local_platform: LocalPlatform) -> None:
    spec = local_platform.model(gates=[{"metric_at_most": {"metric": "rmse", "limit": 0.001}}])
    finished = local_platform.run_lifecycle(spec)
    assert finished.success, finished.failures
    assert local_platform.status(spec) == ["archived"]
    assert local_platform.platform.ledger.last_prediction(spec.name) is None


@pytest.mark.slow
@pytest.mark.faults
def test_a_killed_run_is_ended_by_the_next_tick(local_platform: LocalPlatform) -> None:
    """`kill -9` in the middle of a training: Dagster and MLflow both believe it goes on, until somebody looks."""
    spec = local_platform.model()
    file = local_platform.settings.models / f"{spec.name}.yaml"
    slow = {"python": {"estimator": "mlops_assets_tests.faulty_estimators:Slow", "params": {"seconds": 300}}}
    body = spec.model_dump(mode="json", exclude_unset=True)
    file.write_text(dump({**body, "training": {"algorithms": [slow]}}))
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from mlops_assets.cli import main; main()",
            "run",
            spec.name,
            "--as-of",
            START.replace(month=2).isoformat(),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ},
        start_new_session=True,
    )
    assert process.stdout is not None
    messages = []
    for line in process.stdout:
        messages.append(line)
        if "training python" in line:
            break
    file.unlink()
    client, experiment = (
        local_platform.platform.registry.client,
        local_platform.platform.registry.experiment(spec.name),
    )

    def running() -> int:
        return len(client.search_runs([experiment], "attributes.status = 'RUNNING'"))

    assert running() == 2, "".join(messages)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + patience(30)
    with dg.DagsterInstance.get() as instance:
        mine = dg.RunsFilter(tags={"mlops/model": spec.name})
        assert instance.get_runs(mine)[0].status == dg.DagsterRunStatus.STARTED
        while running() and time.monotonic() < deadline:
            end_lost_runs([spec], local_platform.platform, instance, datetime.now(UTC))
        assert instance.get_runs(mine)[0].status == dg.DagsterRunStatus.FAILURE
        assert end_lost_runs([spec], local_platform.platform, instance, datetime.now(UTC)) == 0
    assert running() == 0
    assert [alert.kind for alert in local_platform.platform.ledger.alerts(spec.name)] == ["run_failed"]
    assert local_platform.champion(spec) is None


def dump(body: dict[str, Any]) -> str:
    """A model file."""
    import yaml

    text_of_file: str = yaml.safe_dump(body, sort_keys=False)
    return text_of_file
