from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import create_engine, event, make_url, text
from sqlalchemy.exc import ProgrammingError

from mlops_assets.artifacts import Signal
from mlops_assets.artifacts.performance import Maturity
from mlops_assets.artifacts.rollouts import Observation, Transition
from mlops_assets.errors import LedgerError
from mlops_assets.ledger import (
    ApiKey,
    Ledger,
    Performance,
    PostedLabel,
    RetrainDecision,
    SensorAlert,
    ServedPrediction,
    roles,
)
from mlops_assets.ledger.schema import metadata
from mlops_assets.model_file.rollout import RolloutSpec
from mlops_assets.settings import Stores

AT = datetime(2026, 3, 1, 2, tzinfo=UTC)
LATER = AT + timedelta(hours=1)


def opened_as(role: str, url: str) -> Ledger:
    ledger = Ledger.open(url)

    @event.listens_for(ledger._engine, "begin")
    def _become(connection: Any) -> None:
        connection.exec_driver_sql(f"set local role {role}")

    return ledger


@pytest.fixture
def application(ledger_url: str) -> Iterator[Ledger]:
    roles.apply(ledger_url, roles.application_role("mlops_app"))
    roles.apply(ledger_url, roles.application_role("mlops_app"))
    with opened_as("mlops_app", ledger_url) as ledger:
        yield ledger


@pytest.fixture
def approver(ledger_url: str) -> Iterator[Ledger]:
    roles.apply(ledger_url, roles.approver_role("mlops_approver"))
    with opened_as("mlops_approver", ledger_url) as ledger:
        yield ledger


def use_ledger(ledger: Ledger, approver: Ledger) -> None:
    """Use every verb that writes."""
    for number in (1, 2, 3, 4):
        made = ledger.new_version("pump", AT)
        ledger.record_bundle("pump", made.version, bundle_path="b", manifest_sha256=f"{number:064x}")
    hashes = {n: ledger.record_evidence("pump", n, {}, AT) for n in (1, 2, 3, 4)}
    for number in (1, 2):
        ledger.promote(
            "pump",
            number,
            expected_revision=number - 1,
            evidence_hash=hashes[number],
            actor="a",
            reason="",
            at=AT,
        )
    ledger.keep("pump", 3, evidence_hash=hashes[3], actor="a", reason="", at=AT)
    ledger.refuse("pump", 4, evidence_hash=hashes[4], actor="a", reason="", at=AT)
    ledger.rollback("pump", actor="a", reason="", at=AT)
    for number, transition in (
        (5, Transition("switched", 0, "", "promote")),
        (6, Transition("paused", 0, "")),
    ):
        ledger.new_version("pump", AT, bundle_path="b", manifest_sha256=f"{number:064x}")
        hash_ = ledger.record_evidence("pump", number, {}, AT)
        rollout = ledger.start_rollout(
            "pump",
            number,
            plan=RolloutSpec(strategy="canary"),
            expected_revision=ledger.champion_state("pump").revision,
            evidence_hash=hash_,
            actor="a",
            reason="",
            at=AT,
        )
        ledger.move_rollout(rollout.id, transition, expected_sequence=0, actor="a", at=AT)
    for _ in range(2):
        ledger.observe_rollout(
            ledger.rollouts_of("pump")[0].id, [Observation("p", 0, "champion", 1, 0, (1,), True, None, AT)]
        )
    ledger.retire("pump", actor="a", reason="", at=AT)
    approver.record_verdict(hashes[3], "approve", actor="ann", comment="", at=AT)
    approver.waive("pump", "fairness", owner="ann", reason="x", at=AT, expires_at=LATER)
    for _ in range(2):
        ledger.put_record("pump/features", "r", {}, AT)
        ledger.set_watermark("pump", "s", "1", AT)
    ledger.request_retrain("pump", "k", "drift", {}, AT)
    ledger.claim_request("pump", "k", "r")
    ledger.finish_request("pump", "k", "done", AT)
    for _ in range(2):
        ledger.record_signals([Signal("pump", "drift", AT, True)], AT)
    ledger.record_decision(RetrainDecision("pump", AT, "no", "tried", "this data was tried"))
    ledger.raise_alert("k", model="pump", kind="x", severity="info", message="", at=AT)
    assert ledger.acknowledge_alert("k", "ann", AT)
    for end in (AT, LATER):
        ledger.log_sensor_alerts([SensorAlert("k", "pump", "p", "f", AT, end, 1, "")])
    ledger.record_performance([Performance("pump", 1, AT, "rmse", "live", 1.0, 1)])
    frame = pl.DataFrame({"entity": ["p"], "at": [AT], "value": [1.0]})
    assert ledger.store_predictions("pump", 1, frame, predicted_at=AT) == 1
    key = ApiKey("k", "hash", "ann", "predict", AT, "ann", None, None, None)
    ledger.create_api_key(key)
    assert ledger.end_api_key("k", AT, revoke=True)
    served = ServedPrediction("id", 1, "pump", 1, 1, "p", AT, AT, 1.0, None, None, None, {})
    assert ledger.store_served([served]) == 1
    assert ledger.store_shadow([served]) == 1
    assert ledger.store_labels("pump", [PostedLabel("id", 1, "2")], AT) == 1


def test_the_two_roles_can_do_everything_the_ledger_does(application: Ledger, approver: Ledger) -> None:
    use_ledger(application, approver)
    assert [one.action for one in application.history("pump")] == [
        "retired",
        "promoted",
        "rolled_back",
        "refused",
        "kept",
        "promoted",
        "promoted",
    ]


@pytest.mark.parametrize(
    "statement",
    [
        *(f"delete from {table}" for table in metadata.tables),
        *(f"truncate {table} cascade" for table in metadata.tables),
        *(
            f"update {table} set at = now()"
            for table in ("history", "evidence", "approvals", "waivers", "retrain_decisions")
        ),
        "update alembic_version set version_num = '0'",
        "update model_versions set data_versions = '{}'",
        "update retrain_requests set id = default; delete from alembic_version",
        "drop table history",
        "drop trigger keep_rows on history",
        "alter table history disable trigger all",
        "set session_replication_role = replica",
        "create table mine (x int)",
        "insert into approvals select hash, 'approve', 'ann', '', now() from evidence",
        "insert into waivers (model, gate, owner, reason, at, expires_at) values ('p', 'g', 'a', 'x', now(), now())",
        "create trigger mine before insert on approvals execute function ledger_refuse()",
        "alter role mlops_app superuser",
    ],
)
def test_the_application_role_can_destroy_nothing(application: Ledger, statement: str) -> None:
    with (
        pytest.raises(LedgerError, match=r"permission denied|must be owner|attribute"),
        application._transaction() as connection,
    ):
        connection.execute(text(statement))


def test_every_table_has_somebody_who_adds_to_it() -> None:
    assert {*roles.ADDED_TO, *roles.APPROVED_IN} == set(metadata.tables)


def test_the_retention_role_removes_events_and_nothing_else(ledger: Ledger, ledger_url: str) -> None:
    use_ledger(ledger, ledger)
    roles.apply(ledger_url, roles.retention_role("mlops_retention"))
    with opened_as("mlops_retention", ledger_url) as retention:
        for table in roles.EVENTS:
            with retention._transaction() as connection:
                assert connection.execute(text(f"delete from {table}")).rowcount == 1
        for table in metadata.tables.keys() - set(roles.EVENTS):
            with (
                pytest.raises(LedgerError, match="permission denied"),
                retention._transaction() as connection,
            ):
                connection.execute(text(f"delete from {table}"))


def test_without_every_password_no_role_is_touched() -> None:
    stores = Stores("unused", "unused", "unused", "unused")
    with pytest.raises(
        LedgerError, match=r"set MLOPS_APPROVER_PASSWORD, MLOPS_RETENTION_PASSWORD, MLOPS_MLFLOW_PASSWORD$"
    ):
        roles.apply_all(stores, {"MLOPS_APP_PASSWORD": "a", "MLOPS_MLFLOW_PASSWORD": ""})


def test_all_roles_are_applied_twice_and_can_log_in(
    ledger_url: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        roles, "mlflow_role", lambda role: roles._fresh(roles._quoted(role))
    )  # no MLflow tables here
    with create_engine(postgres_url).begin() as connection:
        connection.execute(text("create table runs_of_dagster (id int)"))
    stores = Stores(ledger_url, postgres_url, postgres_url, "unused")
    passwords = dict.fromkeys(roles.PASSWORDS.values(), "it's: 50 %")
    for _ in range(2):
        assert roles.apply_all(stores, passwords) == (*roles.PASSWORDS, roles.DASHBOARD_ROLE)
    engine = create_engine(make_url(postgres_url).set(username="mlops_app", password="it's: 50 %"))
    with engine.begin() as connection:  # as the owner of Dagster's database
        connection.execute(text("alter table runs_of_dagster add column tag text"))
        connection.execute(text("create table more (id int)"))
    engine.dispose()
    for role in roles.PASSWORDS:
        engine = create_engine(make_url(ledger_url).set(username=role, password="it's: 50 %"))
        with engine.connect() as connection:
            assert connection.execute(text("select current_user")).scalar() == role
        engine.dispose()


def test_role_names_are_checked() -> None:
    with pytest.raises(LedgerError, match="is no role name"):
        roles.application_role('x"; drop table history; --')


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_mlflow_works_but_deletes_no_run(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.exceptions import MlflowException
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    artifacts = tmp_path_factory.mktemp("artifacts").as_uri()
    store_of: Any = SqlAlchemyStore
    store_of(postgres_url, artifacts).engine.dispose()
    roles.apply(postgres_url, roles.mlflow_role("mlops_mlflow"))
    store: Any = store_of(f"{postgres_url}&options=-crole%3Dmlops_mlflow", artifacts)
    experiment = store.create_experiment("pump")
    run = store.create_run(experiment, "me", 0, [], "first").info.run_id
    store.log_batch(run, [Metric("rmse", 1.0, 0, 0)], [Param("a", "1")], [RunTag("promoted", "false")])
    store.delete_tag(run, "promoted")
    for delete, what in ((store.delete_run, run), (store.delete_experiment, experiment)):
        with pytest.raises(MlflowException, match="kept for ever"):
            delete(what)
    with pytest.raises(Exception, match="permission denied"), store.ManagedSessionMaker() as session:
        session.execute(text("delete from runs"))
    assert store.get_run(run).data.metrics == {"rmse": 1.0}
    store.engine.dispose()


OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"


def test_the_table_for_dashboards_has_the_documented_columns_and_is_read_by_plain_sql(
    ledger: Ledger, ledger_url: str
) -> None:
    section = OPERATIONS.read_text(encoding="utf-8").split("## The table for dashboards")[1].split("\n## ")[0]
    documented = re.findall(r"^\| `(\w+)` \| ([a-z ]+) \|", section, re.MULTILINE)
    version = ledger.new_version("pump", AT, bundle_path="b", manifest_sha256="0" * 64).version
    evidence = ledger.record_evidence("pump", version, {}, AT)
    ledger.promote("pump", version, expected_revision=0, evidence_hash=evidence, actor="a", reason="", at=AT)
    now, day = datetime.now(UTC), timedelta(days=1)
    for days, value in ((0, 1.5), (7, 1.0)):
        at = now - timedelta(days=days)
        values: tuple[tuple[float, Maturity], ...] = (
            (9.0, "provisional"),
            (7.0, "mature"),
            (value, "restated"),
        )
        for hours, (measured, state) in enumerate(values):
            row = Performance(
                "pump", version, at, "rmse", "live", measured, 300, 7 * day, state, at + hours * day
            )
            ledger.record_performance([row])
    roles.apply(ledger_url, roles.dashboard_role("mlops_dashboard"))
    engine = create_engine(ledger_url)
    with engine.connect() as connection:
        connection.execute(text("set role mlops_dashboard"))
        columns = connection.execute(
            text(
                "select column_name, data_type from information_schema.columns "
                "where table_name = 'model_performance' order by ordinal_position"
            )
        ).all()
        assert [tuple(row) for row in columns] == documented
        [query] = re.findall(r"```sql\n(.*?)```", section, re.DOTALL)
        rows = connection.execute(text(query)).all()
        assert [(row.model, row.rmse, row.labels) for row in rows] == [("pump", 1.0, 300), ("pump", 1.5, 300)]
        for statement in (
            "update model_performance set value = 0",
            "delete from predictions",
            "select * from api_keys",
            "select * from served_predictions",
        ):
            with pytest.raises(ProgrammingError, match="permission denied"), connection.begin_nested():
                connection.execute(text(statement))
    engine.dispose()
