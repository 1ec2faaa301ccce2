"""What is removed is old and named by nothing: no version, no evidence, no tag, no record, no receipt."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mlops_assets.artifacts import TableVersion, to_json
from mlops_assets.datasets import Datasets, Provenance, tag
from mlops_assets.errors import DataError, LedgerError
from mlops_assets.ledger import Ledger, SensorAlert, ServedPrediction
from mlops_assets.ledger.dagster_events import DagsterEvents
from mlops_assets.ledger.retention import COLLECTED, Retention
from mlops_assets.ledger.roles import EVENTS
from mlops_assets.operations import retention
from mlops_assets.operations.retention import LEAST_BACKUPS, RETENTION, RetentionStores, collect
from mlops_assets_tests.fleet import add_backup
from mlops_assets_tests.unit.ledger.test_rollouts import begun, moved

NOW = datetime(2026, 6, 1, tzinfo=UTC)
OLD = NOW - timedelta(days=500)
VERSIONS = 6


class Events:
    """Dagster's log where the test is not about it."""

    def __init__(self, unfinished: frozenset[str] = frozenset()) -> None:
        self._unfinished = unfinished

    def count(self, before: datetime) -> int:
        return 0

    remove = count

    def unfinished(self) -> frozenset[str]:
        return self._unfinished


@pytest.fixture
def stores(tmp_path: Path, ledger_url: str, ledger: Ledger) -> Iterator[RetentionStores]:
    events: Any = Events(frozenset({"running"}))
    with Retention.open(ledger_url) as opened:
        yield RetentionStores(
            opened, events, Datasets(str(tmp_path / "data")), tmp_path / "compute", tmp_path / "backups"
        )


def removed(stores: RetentionStores, *, dry_run: bool) -> dict[str, int]:
    return {one.what: one.count for one in collect(stores, NOW, dry_run=dry_run) if one.count}


def write(stores: RetentionStores, model: str, number: int) -> TableVersion:
    frame = pl.DataFrame({"x": [number, number + 1]})
    return stores.datasets.write(model, "validated_data", frame, Provenance("ann", OLD, "r", "c"))


def receipt(model: str, version: int) -> ServedPrediction:
    return ServedPrediction(
        id=f"{model}-{version}",
        row=1,
        model=model,
        version=1,
        revision=1,
        entity="",
        at=OLD,
        predicted_at=NOW,
        value=1.0,
        low=None,
        high=None,
        label=None,
        readings={},
        history_version=version,
    )


REFERENCES = ("evidence", "record", "version", "tag", "receipt")
named_by = st.lists(st.sampled_from((None, *REFERENCES)), min_size=VERSIONS, max_size=VERSIONS)
numbers = iter(range(1000))


@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # shrinking writes tables for minutes
)
@given(names=named_by)
def test_nothing_that_is_named_is_ever_removed(
    stores: RetentionStores, ledger: Ledger, names: list[str | None]
) -> None:
    model = f"m{next(numbers)}"
    written = [write(stores, model, number) for number in range(VERSIONS)]
    first = ledger.new_version(model, OLD).version
    for version, name in zip(written, names, strict=True):
        body = {"data": [to_json(version)]}
        if name == "evidence":
            ledger.record_evidence(model, first, body, OLD)
        elif name == "record":
            ledger.put_record(f"{model}/drift_report", f"r{version.version}", body, OLD)
        elif name == "version":
            ledger.new_version(model, OLD, data_versions={"validated_data": to_json(version)})
        elif name == "tag":
            tag(stores.datasets, model, f"t{version.version}", [version], Provenance("ann", OLD))
        elif name == "receipt":
            ledger.store_served([receipt(model, version.version)])
    planned, _ = retention._table_files(stores, timedelta(0), dry_run=True)
    assert retention._table_files(stores, timedelta(0), dry_run=False)[0] == planned
    assert retention._table_files(stores, timedelta(0), dry_run=True) == (0, 0)
    for version, name in zip(written, names, strict=True):
        if name is not None or version is written[-1]:
            assert stores.datasets.read(version).height == 2
        else:
            with pytest.raises(DataError):
                stores.datasets.read(version)
    assert stores.datasets.latest(model, "validated_data") == written[-1]
    after = write(stores, model, VERSIONS)
    assert stores.datasets.read(after).height == 2, "the table goes on"


def test_files_replaced_a_moment_ago_stay(stores: RetentionStores) -> None:
    first = write(stores, "young", 0)
    write(stores, "young", 1)
    assert removed(stores, dry_run=False) == {}
    assert stores.datasets.read(first).height == 2


def fill(ledger: Ledger, at: datetime, run: str) -> None:
    """A row of every table that loses rows, and records that never go."""
    version = ledger.new_version("pump", at).version
    frame = pl.DataFrame({"entity": [""], "at": [at], "value": [1.0]})
    ledger.store_predictions("pump", version, frame, predicted_at=at)
    condition = SensorAlert(f"k{run}", "pump", "p1", "hot", at, at, 3, "hot")
    ledger.log_sensor_alerts([condition])
    for asset in ("drift_report", "trained_model", "features", "evaluation_report", "production_model"):
        ledger.put_record(f"pump/{asset}", run, {}, at)


def test_old_rows_go_and_the_newest_of_each_asset_stays(stores: RetentionStores, ledger: Ledger) -> None:
    fill(ledger, OLD, "old")
    fill(ledger, OLD + timedelta(days=1), "later")
    expected = {"predictions": 2, "alerts_log": 2, "asset_records": 1}
    assert removed(stores, dry_run=True) == expected
    assert removed(stores, dry_run=False) == expected
    assert removed(stores, dry_run=False) == {}
    assert ledger.get_record("pump/drift_report", "old", exact=True) is None
    assert ledger.get_record("pump/drift_report", "later", exact=True) == {}
    for asset in ("trained_model", "features", "evaluation_report", "production_model"):
        assert ledger.get_record(f"pump/{asset}", "old", exact=True) == {}, asset
    assert len(ledger.versions("pump")) == 2


def test_shadow_predictions_go_with_their_rollout(stores: RetentionStores, ledger: Ledger) -> None:
    rollout = begun(ledger)
    shadow = receipt("pump", 0)._replace(version=rollout.version, predicted_at=OLD)
    ledger.store_shadow([shadow, shadow._replace(id="other", model="other")])
    assert removed(stores, dry_run=False) == {"shadow_predictions": 1}, "the roll-out goes on"
    moved(ledger, rollout, "aborted", 0, "errors")
    assert removed(stores, dry_run=False) == {"shadow_predictions": 1}


def test_what_is_young_stays(stores: RetentionStores, ledger: Ledger) -> None:
    for run in ("a", "b"):
        fill(ledger, NOW - timedelta(days=20), run)
    assert removed(stores, dry_run=False) == {}


def test_logs_of_a_run_that_goes_on_stay(stores: RetentionStores) -> None:
    for run, at in (("running", OLD), ("ended", OLD), ("young", NOW)):
        file = stores.compute_logs / run / "compute_logs" / "step.out"
        file.parent.mkdir(parents=True)
        file.write_text("text")
        for path in (file, file.parent, file.parent.parent):
            os.utime(path, (at.timestamp(), at.timestamp()))
    assert removed(stores, dry_run=True) == {"compute logs": 1}
    assert removed(stores, dry_run=False) == {"compute logs": 1}
    assert {one.name for one in stores.compute_logs.iterdir()} == {"running", "young"}


def test_the_newest_backups_stay_whatever_their_age(stores: RetentionStores) -> None:
    for day in range(5):
        add_backup(stores.backups, OLD + timedelta(days=day))
    (stores.backups / "20200101T000000Z.partial").mkdir()
    assert removed(stores, dry_run=False) == {"backups": 2}
    assert len(list(stores.backups.glob("*Z"))) == LEAST_BACKUPS
    assert len(list(stores.backups.glob("*.partial"))) == 1


def test_nothing_is_kept_for_less_than_a_week(stores: RetentionStores) -> None:
    with pytest.raises(DataError, match="at least 7 days"):
        list(collect(stores, NOW, {"predictions": timedelta(days=6)}, dry_run=True))
    with pytest.raises(DataError, match="no line of the retention is named 'evidence'"):
        list(collect(stores, NOW, {"evidence": timedelta(days=60)}, dry_run=True))


def test_every_line_has_someone_who_removes_it(stores: RetentionStores) -> None:
    done = [one.what for one in collect(stores, NOW, dry_run=True)]
    assert done == [line.what for line in RETENTION if line.after is not None]
    assert set(COLLECTED) <= set(done)
    assert set(COLLECTED) == set(EVENTS), "a table that may lose rows and never does grows without limit"


@pytest.mark.parametrize("table", ["evidence", "history", "model_versions", "champion", "approvals"])
def test_what_a_decision_rests_on_has_no_way_to_be_removed(stores: RetentionStores, table: str) -> None:
    with pytest.raises(KeyError):
        stores.ledger.remove(table, NOW)


@pytest.mark.integration
def test_events_of_steps_go_and_materializations_and_unfinished_runs_stay(local_platform: Any) -> None:
    import dagster as dg

    from mlops_assets_tests.fleet import queued_runs

    @dg.asset(name="collected_asset")
    def collected() -> int:
        return 1

    with dg.DagsterInstance.get() as instance:
        run = dg.materialize([collected], instance=instance)
        before = len(instance.all_logs(run.run_id))
        with DagsterEvents.open(local_platform.stores.dagster_url) as events, queued_runs(1):
            future = datetime.now(UTC) + timedelta(days=1)
            assert len(events.unfinished()) >= 1
            count = events.count(future)
            assert count > 0
            assert events.count(datetime.now(UTC) - timedelta(days=1)) == 0
            assert events.remove(future) == count
        kinds = {
            one.dagster_event.event_type_value for one in instance.all_logs(run.run_id) if one.dagster_event
        }
        assert len(instance.all_logs(run.run_id)) < before
        assert "ASSET_MATERIALIZATION" in kinds
        assert "STEP_START" not in kinds
        assert instance.get_latest_materialization_event(dg.AssetKey("collected_asset")) is not None


def test_the_application_role_cannot_collect(ledger: Ledger, ledger_url: str) -> None:
    from mlops_assets.ledger import roles
    from mlops_assets_tests.unit.ledger.test_roles import opened_as

    roles.apply(ledger_url, roles.application_role("mlops_test_app"))
    with opened_as("mlops_test_app", ledger_url) as restricted:
        store = Retention(restricted._engine)
        with pytest.raises(LedgerError, match=r"permission denied.*MLOPS_RETENTION_URL"):
            store.remove("predictions", NOW)
