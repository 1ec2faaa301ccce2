"""Faults are traced to their cause, remedies are bounded and verified, and a person is called when they do not help."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from mlops_assets.ledger import Ledger
from mlops_assets.ledger.platform_history import EVERY, KEPT, SLOTS, HealingAction
from mlops_assets.local import healing as local_healing
from mlops_assets.local import locks
from mlops_assets.local.exporter import Watch
from mlops_assets.operations.exporter.collector import Source
from mlops_assets.operations.exporter.families import DATABASE_UP
from mlops_assets.operations.healing.causes import rank_causes
from mlops_assets.operations.healing.components import NEEDS, everything_below
from mlops_assets.operations.healing.detectors import forest_score, robust_z, unusual_series
from mlops_assets.operations.healing.forecast import forecasts
from mlops_assets.operations.healing.heal import Diagnosis, diagnose, heal
from mlops_assets.operations.healing.remedies import REMEDIES, Action, remedy_for
from mlops_assets.operations.healing.snapshot import Series, Snapshot
from mlops_assets.operations.healing.symptoms import symptoms
from mlops_assets.settings import Settings, Stores
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import begin

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAEMONS = ("SENSOR", "SCHEDULER")
SERVICES = (
    "mlflow",
    "dagster-code",
    "dagster-webserver",
    "dagster-daemon",
    "api",
    "review",
    "exporter",
    "front",
)
GB = 1e9
History = dict[Series, list[tuple[datetime, float]]]


def healthy(at: datetime = NOW) -> dict[Series, float]:
    """Every series of a platform that works."""
    seconds = at.timestamp()
    return {
        Series("mlops_database_up", "ledger"): 1,
        Series("mlops_database_up", "dagster"): 1,
        Series("mlops_database_connections", "mlops_ledger"): 10,
        Series("mlops_database_connections_limit"): 100,
        Series("mlops_disk_free_bytes", "home"): 50 * GB,
        Series("mlops_disk_size_bytes", "home"): 100 * GB,
        Series("mlops_memory_available_bytes"): 4 * GB,
        Series("mlops_memory_size_bytes"): 8 * GB,
        Series("mlops_cpu_load_ratio"): 0.5,
        **{Series("mlops_service_up", name): 1 for name in SERVICES},
        **{Series("mlops_service_memory_bytes", name): 0.3 * GB for name in SERVICES},
        **{Series("mlops_daemon_heartbeat_timestamp_seconds", name): seconds - 20 for name in DAEMONS},
        Series("mlops_tick_failed", "housekeeping"): 0,
        Series("mlops_runs_oldest_timestamp_seconds", "STARTED"): seconds - 60,
        Series("mlops_runs_finished", "SUCCESS"): 20,
        Series("mlops_runs_finished", "FAILURE"): 1,
        Series("mlops_backups"): 3,
        Series("mlops_backup_timestamp_seconds"): seconds - 86_400,
    }


@cache
def past(days: float = 1.5, seed: int = 1) -> History:
    """Samples of a quiet time: every value moves a little."""
    random = np.random.default_rng(seed)
    history: History = {}
    for step in range(int(timedelta(days=days) / EVERY), 0, -1):
        at = NOW - step * EVERY
        for series, value in healthy(at).items():
            moves = series.metric in (
                "mlops_cpu_load_ratio",
                "mlops_database_connections",
                "mlops_memory_available_bytes",
            )
            noise = random.normal(scale=0.08) if moves else 0.0
            history.setdefault(series, []).append((at, value * (1 + noise)))
    return history


DEAD_DATABASE: dict[Series, float | None] = {
    Series("mlops_database_up", "ledger"): 0,
    Series("mlops_database_up", "dagster"): 0,
    **{
        Series("mlops_service_up", name): 0
        for name in ("api", "review", "dagster-daemon", "dagster-webserver")
    },
    **{Series("mlops_daemon_heartbeat_timestamp_seconds", name): NOW.timestamp() - 3600 for name in DAEMONS},
    Series("mlops_tick_failed", "housekeeping"): 1,
    Series("mlops_runs_oldest_timestamp_seconds", "QUEUED"): NOW.timestamp() - 7200,
    Series("mlops_runs_finished", "FAILURE"): 15,
}
FAULTS: dict[str, tuple[dict[Series, float | None], str]] = {
    "database killed": (DEAD_DATABASE, "database:server"),
    "disk full": ({**DEAD_DATABASE, Series("mlops_disk_free_bytes", "home"): 1e8}, "disk:home"),
    "ledger alone": (
        {Series("mlops_database_up", "ledger"): 0, Series("mlops_service_up", "api"): 0},
        "database:ledger",
    ),
    "API killed": ({Series("mlops_service_up", "api"): 0}, "service:api"),
    "MLflow stopped, runs fail": (
        {
            Series("mlops_service_up", "mlflow"): 0,
            Series("mlops_runs_finished", "FAILURE"): 15,
            Series("mlops_tick_failed", "mlflow_mirror_sensor"): 1,
        },
        "service:mlflow",
    ),
    "code location killed": (
        {
            Series("mlops_service_up", "dagster-code"): 0,
            Series("mlops_service_up", "dagster-daemon"): 0,
            **{
                Series("mlops_daemon_heartbeat_timestamp_seconds", one): NOW.timestamp() - 3600
                for one in DAEMONS
            },
            Series("mlops_runs_oldest_timestamp_seconds", "QUEUED"): NOW.timestamp() - 7200,
        },
        "service:dagster-code",
    ),
    "daemon hangs, queue grows": (
        {
            **{
                Series("mlops_daemon_heartbeat_timestamp_seconds", one): NOW.timestamp() - 3600
                for one in DAEMONS
            },
            Series("mlops_runs_oldest_timestamp_seconds", "QUEUED"): NOW.timestamp() - 7200,
        },
        "daemon",
    ),
    "API leaks memory": (
        {
            Series("mlops_service_memory_bytes", "api"): 5 * GB,
            Series("mlops_memory_available_bytes"): 0.1 * GB,
            Series("mlops_service_up", "front"): 0,
        },
        "leak:api",
    ),
    "connections used up": (
        {
            Series("mlops_database_connections", "mlops_ledger"): 99,
            Series("mlops_database_up", "ledger"): 0,
            Series("mlops_service_up", "api"): 0,
        },
        "connections",
    ),
    "run stuck": (
        {Series("mlops_runs_oldest_timestamp_seconds", "STARTED"): NOW.timestamp() - 30_000},
        "stuck run",
    ),
    "machine overloaded, queue grows": (
        {
            Series("mlops_cpu_load_ratio"): 12,
            Series("mlops_runs_oldest_timestamp_seconds", "QUEUED"): NOW.timestamp() - 7200,
        },
        "cpu",
    ),
    "no backup": ({Series("mlops_backups"): 0, Series("mlops_backup_timestamp_seconds"): None}, "backup"),
}


def broken(fault: str) -> Snapshot:
    changes, _ = FAULTS[fault]
    values = {**healthy(), **{one: value for one, value in changes.items() if value is not None}}
    for series in [one for one, value in changes.items() if value is None]:
        del values[series]
    return Snapshot(NOW, values)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_has_one_cause_that_explains_every_symptom(fault: str) -> None:
    diagnosis = diagnose(broken(fault), past())
    [cause] = diagnosis.causes
    assert cause.component == FAULTS[fault][1]
    assert {one.component for one in cause.explains} | {cause.component} == {
        one.component for one in diagnosis.symptoms
    }


def test_ten_symptoms_of_a_dead_database_are_one_cause() -> None:
    diagnosis = diagnose(broken("database killed"), past())
    assert len(diagnosis.symptoms) >= 10
    assert len(diagnosis.causes) == 1


def test_two_faults_at_once_are_two_causes() -> None:
    values = {**broken("API leaks memory").values, Series("mlops_backups"): 0}
    del values[Series("mlops_backup_timestamp_seconds")]
    assert [one.component for one in diagnose(Snapshot(NOW, values), past()).causes] == ["leak:api", "backup"]


def test_quiet_hours_have_no_symptom_and_no_forecast() -> None:
    history = past()
    times = [at for at, _ in next(iter(history.values()))]
    for index in range(len(times) - 120, len(times), 20):  # ten hours
        snapshot = Snapshot(times[index], {one: points[index][1] for one, points in history.items()})
        before = {one: points[:index] for one, points in history.items()}
        diagnosis = diagnose(snapshot, before)
        assert diagnosis.causes == ()
        assert diagnosis.forecasts == ()
        assert diagnosis.unusual == {}


def test_what_could_not_be_read_is_no_symptom() -> None:
    assert symptoms(Snapshot(NOW, {})) == ()
    assert symptoms(Snapshot(NOW, healthy())) == ()


def test_of_two_equal_causes_the_first_to_appear_explains() -> None:
    history = dict(past())
    service = Series("mlops_service_up", "mlflow")
    history[service] = [(at, 0.0 if NOW - at <= timedelta(hours=1) else 1.0) for at, _ in history[service]]
    values = {**healthy(), service: 0, Series("mlops_service_up", "dagster-code"): 0}
    values[Series("mlops_runs_finished", "FAILURE")] = 15
    causes = {one.component: one for one in diagnose(Snapshot(NOW, values), history).causes}
    assert [one.component for one in causes["service:mlflow"].explains] == ["failing runs"]
    assert causes["service:dagster-code"].explains == ()
    assert any("appeared first, at 2026-06-01 11:00 UTC" in one for one in causes["service:mlflow"].reasons)


def test_every_component_is_known_and_has_a_remedy() -> None:
    for component, needs in NEEDS.items():
        assert remedy_for(component) is not None, component
        assert component not in everything_below(component) - {component}
        for one in needs:
            assert one in NEEDS or one.startswith(("leak:", "database:")), one
    assert len({one.name for one in REMEDIES}) == len(REMEDIES)
    assert all((one.per_day > 0) == (one.action != "recommend") for one in REMEDIES)


# detectors and forecasts


def test_the_score_is_robust_and_knows_the_hour() -> None:
    daily = [
        (NOW - step * EVERY, 100.0 if (NOW - step * EVERY).hour == 3 else 10.0) for step in range(3000, 0, -1)
    ]
    three = NOW.replace(hour=3)
    assert robust_z(daily, three, 100.0) == 0.0
    night = robust_z(daily, NOW, 100.0)
    assert night is not None
    assert night > 6
    spikes = [(at, 1000.0 if index % 20 == 0 else 10.0 + index % 3) for index, (at, _) in enumerate(daily)]
    spike = robust_z(spikes, NOW, 30.0)
    assert spike is not None
    assert spike > 6, "a few old spikes do not hide a new one"
    assert robust_z(daily[:20], NOW, 1e9) is None


def test_an_unusual_sample_is_found_by_both_detectors() -> None:
    history = past()
    odd = {
        one: value * (4 if one.metric == "mlops_cpu_load_ratio" else 1) for one, value in healthy().items()
    }
    assert set(unusual_series(history, NOW, odd)) == {Series("mlops_cpu_load_ratio")}
    moving = {one: points for one, points in history.items() if one.metric in ("mlops_cpu_load_ratio",)}
    normal_score, odd_score = (
        forest_score(moving, {one: values[one] for one in moving}) for values in (healthy(), odd)
    )
    assert normal_score is not None
    assert odd_score is not None
    assert odd_score < -0.5
    assert odd_score < normal_score
    assert forest_score({}, healthy()) is None


def falling(per_day: float, noise: float = 0.0) -> History:
    random = np.random.default_rng(3)
    series = Series("mlops_disk_free_bytes", "home")
    points = [(NOW - step * EVERY, step) for step in range(600, -1, -1)]
    return {
        series: [
            (
                at,
                30 * GB
                + step * EVERY.total_seconds() / 86_400 * per_day * GB
                + random.normal(scale=noise) * GB,
            )
            for at, step in points
        ]
    }


def test_a_disk_that_fills_up_has_a_date_with_an_interval() -> None:
    [forecast] = forecasts(falling(3.0, noise=0.5))
    assert forecast.days == pytest.approx(10, rel=0.1)
    assert forecast.soonest <= forecast.days
    assert forecast.latest is not None
    assert forecast.days <= forecast.latest
    assert "mlops_disk_free_bytes of home reaches its limit in" in forecast.sentence
    assert forecasts(falling(-3.0)) == ()
    assert forecasts(falling(0.001)) == (), "beyond 90 days nobody plans"


# remedies


class Log:
    """The record of passes, in memory."""

    def __init__(self) -> None:
        self.rows: list[HealingAction] = []

    def actions(self, since: datetime) -> Sequence[HealingAction]:
        return [one for one in self.rows if one.at >= since]

    def record_action(self, action: HealingAction) -> None:
        self.rows.append(replace(action, id=len(self.rows)))

    def record_verification(self, action: HealingAction, *, helped: bool, at: datetime) -> None:
        assert action.id is not None
        self.rows[action.id] = replace(action, helped=helped)


class Restarts:
    """Restarts that are only counted; `helps` false makes them fail."""

    def __init__(self, helps: bool = True) -> None:
        self.components: list[str] = []
        self.helps = helps

    def __call__(self, component: str) -> str:
        if not self.helps:
            raise OSError("no such process")
        self.components.append(component)
        return "restarted"

    @property
    def actions(self) -> dict[Action, Callable[[str], str]]:
        return {"restart": self}


def at_time(minutes: float, snapshot: Snapshot | None = None) -> Diagnosis:
    """The API dead, or this snapshot, so many minutes later."""
    chosen = snapshot or broken("API killed")
    return replace(diagnose(chosen, {}), at=NOW + timedelta(minutes=minutes))


def test_a_remedy_is_done_verified_and_limited_then_a_person_is_called() -> None:
    log, restarts = Log(), Restarts()
    steps = []
    for minutes in range(0, 60, 5):
        [outcome] = heal(at_time(minutes), log, restarts.actions, act=True)
        steps.append((outcome.step, outcome.escalate))
    assert steps[:7] == [
        ("done", False),
        ("waiting", False),
        ("done", False),
        ("waiting", False),
        ("done", False),
        ("waiting", False),
        ("limit", True),
    ]
    assert set(steps[6:]) == {("limit", True)}
    assert restarts.components == ["service:api"] * 3
    assert [one.helped for one in log.rows] == [False, False, False]
    [outcome] = heal(at_time(25 * 60), log, restarts.actions, act=True)
    assert outcome.step == "done", "a new day"


def test_a_remedy_that_helped_is_recorded_as_such() -> None:
    log, restarts = Log(), Restarts()
    heal(at_time(0), log, restarts.actions, act=True)
    assert heal(at_time(5, Snapshot(NOW, healthy())), log, restarts.actions, act=True) == ()
    assert log.rows[0].helped is None, "too early"
    assert heal(at_time(11, Snapshot(NOW, healthy())), log, restarts.actions, act=True) == ()
    assert log.rows[0].helped is True


def test_a_dry_run_and_a_recommendation_change_nothing() -> None:
    log, restarts = Log(), Restarts()
    [planned] = heal(at_time(0), log, restarts.actions, act=True, dry_run=True)
    [recommended] = heal(at_time(0), log, restarts.actions, act=False)
    assert (planned.step, planned.escalate) == ("planned", False)
    assert (recommended.step, recommended.escalate) == ("recommended", True)
    assert (log.rows, restarts.components) == ([], [])


def test_a_remedy_that_fails_calls_a_person_and_counts() -> None:
    log = Log()
    [outcome] = heal(at_time(0), log, Restarts(helps=False).actions, act=True)
    assert (outcome.step, outcome.escalate) == ("failed", True)
    assert "no such process" in outcome.sentence
    assert [one.step for one in log.rows] == ["failed"]


def test_only_the_cause_is_treated_not_what_follows_from_it() -> None:
    log, restarts = Log(), Restarts()
    [outcome] = heal(at_time(0, broken("code location killed")), log, restarts.actions, act=True)
    assert restarts.components == ["service:dagster-code"]
    assert outcome.step == "done"


# the ledger


def test_samples_are_a_ring_that_stops_growing(ledger: Ledger) -> None:
    begin_at = datetime(2026, 1, 1, tzinfo=UTC)
    for step in range(0, SLOTS * 2, SLOTS // 4):
        ledger.put_samples(begin_at + step * EVERY, {("mlops_cpu_load_ratio", ""): float(step)})
    end = begin_at + 2 * SLOTS * EVERY
    stored = ledger.samples(begin_at, end)[("mlops_cpu_load_ratio", "")]
    assert len(stored) == 4, "a slot is written again after two weeks"
    assert stored[0][0] >= end - KEPT
    ledger.put_samples(begin_at, {})


def test_actions_are_kept_and_verified_once(ledger: Ledger) -> None:
    ledger.record_action(
        HealingAction(NOW, "service:api", "dead_service", "done", "restarted", ("it is down",))
    )
    [action] = ledger.actions(NOW)
    ledger.record_verification(action, helped=True, at=NOW)
    ledger.record_verification(action, helped=False, at=NOW)
    assert [(one.component, one.helped, one.reasons) for one in ledger.actions(NOW)] == [
        ("service:api", True, ("it is down",))
    ]
    assert ledger.actions(NOW + EVERY) == ()


def test_one_cause_is_one_alert_a_day_and_closes_when_it_is_gone(tmp_path: Path, ledger: Ledger) -> None:
    platform = begin(tmp_path, ledger).platform
    for minutes in (0, 5, 10):
        snapshot = replace(broken("database killed"), at=NOW + timedelta(minutes=minutes))
        _, outcomes = local_healing.run_pass(platform, snapshot, act=True)
        assert len(outcomes) == 1
    [alert] = ledger.alerts(None, open_only=True)
    assert alert.kind == "platform_cause"
    assert "no database responds; it explains" in alert.message
    later = NOW + timedelta(hours=1)
    local_healing.run_pass(platform, Snapshot(later, healthy(later)), act=True)
    assert ledger.alerts(None, open_only=True) == ()


@pytest.mark.parametrize("is_up", [True, False])
def test_a_service_without_a_process_is_a_failure_only_where_nothing_starts_it_again(
    tmp_path: Path, ledger: Ledger, is_up: bool
) -> None:
    """Killed a moment ago, it is being started by `mlops up`: no page says that the remedy failed."""
    platform = begin(tmp_path, ledger).platform
    home = platform.settings.home
    home.mkdir(exist_ok=True)
    (home / "addresses.json").write_text('{"api": "http://127.0.0.1:1"}')
    lock = locks.acquire(home / "up.lock") if is_up else None
    [outcome] = local_healing.run_pass(platform, broken("API killed"), act=True)[1]
    if lock is not None:
        os.close(lock)
    assert outcome.step == ("done" if is_up else "failed")
    assert {one.kind for one in ledger.alerts(None)} == {"platform_cause" if is_up else "remedy_failed"}


def test_a_clean_up_that_frees_nothing_goes_to_a_person(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = begin(tmp_path, ledger).platform
    monkeypatch.setattr("mlops_assets.operations.retention.RetentionStores.open", lambda *_: None)
    monkeypatch.setattr("mlops_assets.local.healing.collect", lambda *_, **__: ())
    [outcome] = local_healing.run_pass(platform, broken("disk full"), act=True)[1]
    assert (outcome.step, outcome.escalate) == ("failed", True)
    assert "nothing is old enough to be removed" in outcome.sentence


def test_a_dry_run_writes_nothing(tmp_path: Path, ledger: Ledger) -> None:
    platform = begin(tmp_path, ledger).platform
    _, outcomes = local_healing.run_pass(platform, broken("API killed"), act=True, dry_run=True)
    assert [one.step for one in outcomes] == ["planned"]
    assert ledger.alerts(None) == ()
    assert ledger.actions(NOW - KEPT) == ()


def test_a_dead_ledger_is_one_message_until_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []

    def send(names: Sequence[str], environ: object, title: str, text: str, severity: str) -> tuple[str, ...]:
        sent.append(title)
        return ()

    monkeypatch.setattr(local_healing, "send", send)
    environ = {"MLOPS_HOME": str(tmp_path), "MLOPS_ALERTS": "json://x", "MLOPS_HEALING": "recommend"}
    down = [{"database": name, "up": 0} for name in ("ledger", "dagster")]
    sources = [Source("up", DATABASE_UP, 0, lambda: down)]
    watch = Watch(Settings.from_environment(environ), Stores.on("postgresql://u@127.0.0.1:1"), sources)
    for minutes in (0, 5, 10):
        watch.sample(NOW + timedelta(minutes=minutes))
    assert sent == ["no database responds"]


def test_a_sample_is_stored_without_healing(tmp_path: Path, ledger: Ledger, ledger_url: str) -> None:
    sources = [Source("up", DATABASE_UP, 0, lambda: [{"database": "ledger", "up": 1}])]
    stores = Stores(ledger_url, "", "", "")
    Watch(Settings.from_environment({"MLOPS_HOME": str(tmp_path)}), stores, sources).sample(NOW)
    assert ledger.samples(NOW, NOW + EVERY) == {("mlops_database_up", "ledger"): [(NOW, 1.0)]}


def test_causes_without_symptoms_are_none() -> None:
    assert rank_causes(()) == ()
