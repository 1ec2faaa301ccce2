"""Whether schedules and the retrain governor start switched on, and what `mlops up` states about it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from mlops_assets.defs.model_defs import build_definitions
from mlops_assets.local.next_retrain import schedules_sentence
from mlops_assets.model_file import load_model
from mlops_assets.settings import Settings

PUMP = load_model(Path(__file__).parents[2] / "models" / "pump_efficiency.yaml")
SATURDAY = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.mark.parametrize("automatic", [True, False])
def test_nothing_that_trains_starts_unless_the_settings_say_so(automatic: bool) -> None:
    definitions = build_definitions([PUMP], automatic=automatic)
    wanted = dg.DefaultScheduleStatus.RUNNING if automatic else dg.DefaultScheduleStatus.STOPPED
    schedules = [one for one in definitions.schedules or () if isinstance(one, dg.ScheduleDefinition)]
    schedules = [one for one in schedules if one.name != "weekly_report"]
    assert len(schedules) >= 3
    assert {one.default_status for one in schedules} == {wanted}
    running = {
        one.name for one in definitions.sensors or () if one.default_status is dg.DefaultSensorStatus.RUNNING
    }
    assert ("retrain_governor" in running) == automatic
    assert "failed_run_alert" in running


@pytest.mark.parametrize(
    ("value", "automatic"), [({}, True), ("on", True), ("off", False), ("of", False)], ids=str
)
def test_a_misspelled_setting_trains_nothing(value: object, automatic: bool) -> None:
    environ = {"MLOPS_SCHEDULES": value} if isinstance(value, str) else {}
    assert Settings.from_environment(environ).automatic is automatic


def test_the_sentence_names_the_next_retrain_and_how_to_start_without() -> None:
    changed = PUMP.schedules.model_copy(update={"retrain": "0 2 * * 0", "timezone": "Europe/Berlin"})
    berlin = PUMP.model_copy(update={"schedules": changed})
    never = PUMP.model_copy(update={"schedules": PUMP.schedules.model_copy(update={"retrain": None})})
    on = schedules_sentence([berlin, never], True, SATURDAY)
    assert "pump_efficiency is trained next, on Sunday, 2026-11-29 at 02:00 CET" in on
    assert "mlops up --no-schedules" in on
    assert "trained next" not in schedules_sentence([never], True, SATURDAY)
    assert schedules_sentence([berlin], False, SATURDAY).startswith(
        "Schedules and the retrain governor start switched off"
    )
