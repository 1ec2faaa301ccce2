"""The alert sweep against a real database: each condition is one line and one message, whatever dies or doubles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
import sqlalchemy as sa

from mlops_assets.errors import SourceError
from mlops_assets.ledger import Ledger, SensorAlert
from mlops_assets.lifecycle.alert_sweep import SPAN, sweep_alerts
from mlops_assets.lifecycle.alerts import apprise
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.model_file import ModelSpec
from mlops_assets.monitoring import conditions
from mlops_assets.settings import Settings

pytestmark = pytest.mark.integration
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TICK = 5 * MINUTE
HOT = {"column": "t", "above": 75, "sustained": "2m", "clear_after": None, "severity": "error"}


def model(rules: dict[str, Any]) -> ModelSpec:
    return ModelSpec.model_validate_json(
        json.dumps(
            {
                "name": "pump",
                "description": "d",
                "owners": ["a@example.com"],
                "problem": "regression",
                "target": "y",
                "timestamp": "at",
                "entity": "pump",
                "source": {"kind": "sql", "table": "readings_wide", "window": "30d"},
                "training": {"algorithms": ["ridge"]},
                "evaluation": {"primary": "rmse"},
                "alerts": {"rules": rules},
            }
        )
    )


SPEC = model({"hot": HOT})


class Plant:
    """A table of readings, a ledger, and the sweep over them."""

    def __init__(self, ledger: Ledger, url: str) -> None:
        self.ledger, self.url, self.engine = ledger, url, sa.create_engine(url, poolclass=sa.NullPool)
        self.platform = self.opened(ledger)
        self.execute("create table readings_wide (at timestamptz, pump text, t double precision, y real)")

    def opened(self, ledger: object) -> Platform:
        settings = Settings.from_environment({"MLOPS_READINGS_URL": self.url})
        return cast(Platform, SimpleNamespace(ledger=ledger, settings=settings))

    def execute(self, statement: str, *rows: dict[str, Any]) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.text(statement), list(rows) or None)

    def measure(self, pump: str, first: int, *values: float | None) -> None:
        """Write one reading a minute from minute `first` on."""
        self.execute(
            "insert into readings_wide values (:at, :pump, :t, null)",
            *({"at": START + MINUTE * (first + i), "pump": pump, "t": t} for i, t in enumerate(values)),
        )

    def sweep(self, minute: float, spec: ModelSpec = SPEC, platform: Platform | None = None) -> str | None:
        at = START + MINUTE * minute
        run = Run("r", at, lambda: at, "dagster", "c", lambda _sentence: None)
        return sweep_alerts(spec, platform or self.platform, run)

    def lines(self) -> list[tuple[str, int, int, int, int | None]]:
        """Entity, first and last minute, readings and closing minute of each line, the oldest first."""

        def minute(at: datetime | None) -> Any:
            return None if at is None else round((at - START) / MINUTE)

        def line(one: SensorAlert) -> tuple[str, int, int, int, int | None]:
            return (
                one.entity,
                minute(one.started_at),
                minute(one.ended_at),
                one.readings,
                minute(one.closed_at),
            )

        return sorted(line(one) for one in self.ledger.sensor_alerts("pump"))

    def keys(self) -> list[str]:
        return [one.key for one in self.ledger.alerts("pump")]


@pytest.fixture
def plant(ledger: Ledger, postgres_url: str) -> Iterator[Plant]:
    opened = Plant(ledger, postgres_url)
    yield opened
    opened.engine.dispose()


def test_a_condition_is_opened_goes_on_and_is_closed(plant: Plant) -> None:
    plant.measure("p1", 0, 70, 80, 80)
    plant.sweep(3)
    assert plant.lines() == []  # not yet for two minutes
    plant.measure("p1", 3, 80, 80)
    assert plant.sweep(5) == "pump: 1 conditions began, 0 ended"
    assert plant.lines() == [("p1", 1, 4, 4, None)]
    plant.measure("p1", 5, 80, 80)
    assert plant.sweep(8) is None
    assert plant.lines() == [("p1", 1, 6, 6, None)]
    [alert] = plant.ledger.alerts("pump", open_only=True)
    assert (alert.severity, alert.message) == ("error", "p1: hot: t above 75 since 2026-03-01 12:01 UTC")
    plant.measure("p1", 7, 70)
    assert plant.sweep(13) == "pump: 0 conditions began, 1 ended"
    assert plant.lines() == [("p1", 1, 6, 6, 7)]
    assert plant.ledger.alerts("pump", open_only=True) == ()


def test_an_outage_leaves_no_gap(plant: Plant) -> None:
    plant.sweep(0)
    hours = 3 * SPAN / timedelta(hours=1)
    for hour in range(1, int(hours)):
        plant.measure("p1", hour * 60, 80, 80, 80, 70)
    ticks = [plant.sweep(hours * 60 + 5 * tick) for tick in range(4)]
    assert len(plant.lines()) == int(hours) - 1
    assert ticks[-1] is None  # nothing twice
    assert len(plant.keys()) == int(hours) - 1
    assert all("from" in one.message and one.closed_at for one in plant.ledger.alerts("pump"))


class Dies:
    """A ledger that dies at one call of a method."""

    def __init__(self, ledger: Ledger, verb: str) -> None:
        self._ledger, self._verb = ledger, verb

    def __getattr__(self, name: str) -> Any:
        if name == self._verb:
            raise KeyboardInterrupt
        return getattr(self._ledger, name)


@pytest.mark.parametrize(
    "verb",
    ["watermark", "log_sensor_alerts", "raise_alerts", "claim_alerts", "record_delivery", "set_watermark"],
)
def test_a_sweep_that_dies_anywhere_is_done_again_and_nothing_twice(plant: Plant, verb: str) -> None:
    plant.measure("p1", 0, 80, 80, 80)
    with pytest.raises(KeyboardInterrupt):
        plant.sweep(3, platform=plant.opened(Dies(plant.ledger, verb)))
    plant.measure("p1", 3, 80, 70)
    plant.sweep(5)
    assert plant.lines() == [("p1", 0, 3, 4, 4)]
    assert len(plant.keys()) == 1


def test_two_sweeps_at_once_write_each_condition_once(plant: Plant) -> None:
    for pump in range(20):
        plant.measure(f"p{pump}", 0, 80, 80, 80, 70, 80, 80, 80)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(plant.sweep, [7] * 8))
    assert len(plant.lines()) == 40
    assert len(plant.keys()) == 40


def test_a_rule_that_is_removed_closes_what_it_opened(plant: Plant) -> None:
    plant.measure("p1", 0, 80, 80, 80)
    plant.sweep(3)
    plant.sweep(8, model({"cold": {"column": "t", "below": 0}}))
    assert plant.lines() == [("p1", 0, 2, 3, 8)]
    assert plant.ledger.alerts("pump", open_only=True) == ()


def test_a_file_without_rules_closes_what_they_opened(plant: Plant) -> None:
    plant.measure("p1", 0, 80, 80, 80)
    plant.sweep(3)
    assert plant.ledger.models_with_open_lines() == {"pump"}
    assert plant.sweep(8, model({})) == "pump: 0 conditions began, 1 ended"
    assert plant.lines() == [("p1", 0, 2, 3, 8)]
    assert plant.ledger.alerts("pump", open_only=True) == ()
    assert plant.ledger.models_with_open_lines() == frozenset()


def test_a_flapping_condition_is_one_line_with_a_count_and_one_alert(plant: Plant) -> None:
    spec = model({"hot": HOT | {"sustained": None, "clear_after": "15m"}})
    for tick in range(20):
        plant.measure("p1", 5 * tick, 80, 70)
        plant.sweep(5 * tick + 4, spec)
    [line] = plant.ledger.sensor_alerts("pump")
    assert (line.times, line.readings, line.closed_at) == (20, 20, None)
    assert line.message.endswith("12:00 UTC, 20 times")
    assert plant.keys() == [line.key]
    plant.measure("p1", 100, *[70.0] * 15)
    assert plant.sweep(115, spec) == "pump: 0 conditions began, 1 ended"
    [line] = plant.ledger.sensor_alerts("pump")
    assert (line.times, line.closed_at) == (20, START + 96 * MINUTE)
    assert plant.ledger.alerts("pump", open_only=True) == ()


def test_a_storm_is_bounded_and_one_alert_more(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions, "MOST_CONDITIONS", 4)
    for pump in range(10):
        plant.measure(f"p{pump}", 0, 80, 80, 80)
    plant.sweep(3)
    assert len(plant.lines()) == 4
    [storm] = [one for one in plant.ledger.alerts("pump", open_only=True) if one.kind == "readings_storm"]
    assert storm.message.startswith("6 more conditions began")
    for pump in range(10):
        plant.measure(f"p{pump}", 3, 70)
    plant.sweep(8)
    assert plant.ledger.alerts("pump", open_only=True) == ()


def test_a_message_about_what_is_over_says_so(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """It began, ended and was clear long enough between two sweeps: nobody gets a second message."""
    messages: list[str] = []

    def send(_names: object, _environ: object, _title: str, text: str, _severity: str) -> tuple[str, ...]:
        messages.append(text)
        return ()

    monkeypatch.setattr(apprise, "send", send)
    plant.measure("p1", 0, *[80.0] * 4, *[70.0] * 11)
    plant.sweep(15, model({"hot": HOT | {"clear_after": "3m", "notify": ["PEOPLE"]}}))
    [alert] = plant.ledger.alerts("pump")
    assert alert.closed_at is not None
    assert messages == [alert.message]
    assert "from 2026-03-01 12:00 to 2026-03-01 12:03 UTC" in alert.message


def test_a_storm_ends_with_the_rules(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions, "MOST_CONDITIONS", 1)
    for pump in range(3):
        plant.measure(f"p{pump}", 0, 80, 80, 80)
    plant.sweep(3)
    assert len(plant.ledger.alerts("pump", open_only=True)) == 2
    plant.sweep(5, model({}))
    assert plant.ledger.alerts("pump", open_only=True) == ()


def test_a_column_that_the_readings_lack_is_named_with_its_rule(plant: Plant) -> None:
    plant.measure("p1", 0, 80)
    with pytest.raises(SourceError, match=r"alerts\.rules\.hot\.column"):
        plant.sweep(5, model({"hot": HOT | {"column": "temperature"}}))
