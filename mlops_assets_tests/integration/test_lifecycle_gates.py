"""Nobody reaches production around a gate: `production_model` materialised by itself asks the ledger again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
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
from mlops_assets_tests.living import GATES, START, World, readings

TRAIN = ("raw_readings", "validated_data", "features", "trained_model")
JUDGE = (*TRAIN, "evaluation_report")
PROMOTE = ("production_model",)


def said(result: dg.ExecuteInProcessResult) -> str:
    """Why a run failed; empty when it did not."""
    return "; ".join(sentence for _, sentence in sentences(result.all_events))


def tamper(world: World, statement: str, **values: Any) -> int:
    """Change what the ledger's triggers refuse to change, as somebody with the keys of the database could."""
    engine = create_engine(world.stores.ledger_url)
    with engine.begin() as connection:
        connection.execute(text("set local session_replication_role = replica"))
        changed = connection.execute(text(statement), values).rowcount
    engine.dispose()
    return changed


@contextmanager
def without_hash_check(world: World) -> Iterator[None]:
    """The ledger without the constraint that holds evidence to its hash."""
    name = "evidence_has_its_hash"
    find = "select pg_get_constraintdef(oid) from pg_constraint where conname = :name"
    engine = create_engine(world.stores.ledger_url)
    with engine.begin() as connection:
        rule = connection.execute(text(find), {"name": name}).scalar_one()
        connection.execute(text(f"alter table evidence drop constraint {name}"))
    yield
    with engine.begin() as connection:
        connection.execute(text(f"alter table evidence add constraint {name} {rule}"))
    engine.dispose()


def test_promotion_alone_asks_again(world: World) -> None:
    """One challenger that deserves it, and everything that must stop it all the same until nothing is wrong."""
    spec = world.model()
    assert world.live(spec).success
    readings(480, slope=-1.0).write_parquet(world.file(spec.name))

    assert world.alone(spec, TRAIN).success
    assert "version 2 has no evaluation yet" in said(world.alone(spec, PROMOTE))
    assert world.champion(spec) == 1

    assert world.alone(spec, ("evaluation_report",)).success
    [evidence] = world.platform.ledger.evidence_of(spec.name, 2)

    edited = world.model(
        readings(480, slope=-1.0),
        name=spec.name,
        gates=[*GATES[:1], {"metric_at_most": {"metric": "rmse", "limit": 3.0}}, *GATES[2:]],
    )
    assert "the model file has changed" in said(world.alone(edited, PROMOTE))

    swap = "update evidence set body = replace(body::text, :old, :new)::json where hash = :hash"
    rows = '"training_rows":480', '"training_rows":999'
    with pytest.raises(IntegrityError):  # the database itself knows the hash
        tamper(world, swap, old=rows[0], new=rows[1], hash=evidence.hash)
    with without_hash_check(world):
        assert tamper(world, swap, old=rows[0], new=rows[1], hash=evidence.hash) == 1
        assert "it was altered" in said(world.alone(spec, PROMOTE))
        assert tamper(world, swap, old=rows[1], new=rows[0], hash=evidence.hash) == 1

    bundle = Path(world.platform.ledger.model_version(spec.name, 2).bundle_path or "")
    file = bundle / "preparation.json"
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b"0", b"1", 1))
    assert not world.alone(spec, PROMOTE).success
    file.write_bytes(whole)

    assert world.champion(spec) == 1
    world.platform.ledger.retire(spec.name, actor="ann", reason="sensor replaced", at=datetime.now(UTC))
    assert "the champion changed since version 2 was compared" in said(world.alone(spec, PROMOTE))
    assert world.champion(spec) is None
    assert world.actions(spec) == [("promoted", 1), ("retired", 1)]

    again = world.alone(spec, ("evaluation_report", "production_model"))
    assert again.success, said(again)
    assert world.champion(spec) == 2


LIMIT = {"metric_at_most": {"metric": "rmse", "limit": 0.001}}
ROWS = {"min_rows": {"rows": 401}}


@pytest.mark.parametrize("gate, status", [(LIMIT, "archived"), (ROWS, "refused")], ids=["keeps", "refuses"])
def test_without_its_checks(world: World, gate: dict[str, Any], status: str) -> None:
    """Dagster refuses to run these assets without their checks; the stages themselves do not need the checks."""
    spec = world.model(gates=["no_missing_predictions", gate])
    with pytest.raises(dg.DagsterInvalidDefinitionError):
        world.alone(spec, (*JUDGE, "production_model"), checks=False)
    run = world.run(f"unchecked-{status}")
    for live in (data.read_readings, data.validate_readings, data.build_features, train.train_model):
        live(spec, world.platform, run)
    evaluate.evaluate_model(spec, world.platform, run)
    with (
        nullcontext() if status == "archived" else pytest.raises(EvidenceError, match="is refused: min_rows")
    ):
        promote.promote_model(spec, world.platform, run)
    assert world.champion(spec) is None
    assert world.status(spec) == [status]


def test_no_champion_no_predictions(world: World) -> None:
    spec = world.model(gates=[{"metric_at_most": {"metric": "rmse", "limit": 0.001}}])
    finished = world.live(spec)
    assert finished.success, finished.failures
    assert world.status(spec) == ["archived"]
    assert world.platform.ledger.last_prediction(spec.name) is None


@pytest.mark.slow
@pytest.mark.faults
def test_a_killed_run_is_ended_by_the_next_tick(world: World) -> None:
    """`kill -9` in the middle of a training: Dagster and MLflow both believe it goes on, until somebody looks."""
    spec = world.model()
    file = world.settings.models / f"{spec.name}.yaml"
    slow = {"python": {"estimator": "mlops_assets_tests.faulty:Slow", "params": {"seconds": 300}}}
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
    told = []
    for line in process.stdout:
        told.append(line)
        if "training python" in line:
            break
    file.unlink()
    client, experiment = world.platform.registry.client, world.platform.registry.experiment(spec.name)

    def running() -> int:
        return len(client.search_runs([experiment], "attributes.status = 'RUNNING'"))

    assert running() == 2, "".join(told)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 30
    with dg.DagsterInstance.get() as instance:
        mine = dg.RunsFilter(tags={"mlops/model": spec.name})
        assert instance.get_runs(mine)[0].status == dg.DagsterRunStatus.STARTED
        while running() and time.monotonic() < deadline:
            end_lost_runs([spec], world.platform, instance, datetime.now(UTC))
        assert instance.get_runs(mine)[0].status == dg.DagsterRunStatus.FAILURE
        assert end_lost_runs([spec], world.platform, instance, datetime.now(UTC)) == 0
    assert running() == 0
    assert [alert.kind for alert in world.platform.ledger.alerts(spec.name)] == ["run_failed"]
    assert world.champion(spec) is None


def dump(body: dict[str, Any]) -> str:
    """A model file."""
    import yaml

    text_of_file: str = yaml.safe_dump(body, sort_keys=False)
    return text_of_file
