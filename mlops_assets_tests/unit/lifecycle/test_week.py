"""The weekly report: one verdict per model, one message a week, and what nobody acknowledged."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mlops_assets import reports
from mlops_assets.artifacts import RunCost, WeekReport, from_json
from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle.alerts import send_alert
from mlops_assets.lifecycle.week import send_week_report, week_folder, week_report
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import GATES, Station, begin

COSTS = {"station": RunCost(31, 1, 2520.0, cpu_seconds=480.0, cpu_runs=30)}
Inbox = tuple[str, list[dict[str, Any]]]


@pytest.fixture
def station(tmp_path: Path, ledger: Ledger, inbox: Inbox) -> Station:
    """A champion that won by the gates, and the address of the platform."""
    station = begin(tmp_path, ledger)
    station.challenge()
    station.with_gates(*GATES, monitoring={"stale_after": "14d"})
    environ = {**station.platform.settings.environ, "MLOPS_ALERTS": inbox[0]}
    settings = replace(station.platform.settings, environ=environ, review_url="http://127.0.0.1:8001")
    station.platform = replace(station.platform, settings=settings)
    return station


def week(station: Station) -> WeekReport:
    return week_report([station.spec], station.platform, station.run(), COSTS)


def test_a_champion_is_the_best_until_something_says_otherwise(station: Station) -> None:
    [first] = week(station).models
    assert (first.still_best, first.version) == ("yes", 1)
    assert "it won on" in first.reason
    assert (first.cost.runs, first.cost.trainings) == (31, 1)
    station.now += timedelta(days=15)
    [old] = week(station).models
    assert old.still_best == "not_known"
    assert old.cost.trainings == 0  # none in these seven days
    station.with_gates(*GATES, "approval")
    station.challenge()
    [waiting] = week(station).models
    assert (waiting.still_best, waiting.reason) == (
        "no",
        "version 2 passed every other gate and waits for an approval",
    )


def test_one_message_a_week_with_every_model_and_the_link(station: Station, inbox: Inbox) -> None:
    received = inbox[1]
    at = station.run().as_of
    send_alert(station.platform, "run_failed", "the source is <b>gone</b>", key="k", at=at, spec=station.spec)
    received.clear()
    report = send_week_report([station.spec], station.platform, station.run(), COSTS)
    send_week_report([station.spec], station.platform, station.run(), COSTS)
    [mail] = received
    assert "1 yes, 0 no, 0 not known" in mail["message"]
    assert "station (version 1): still the best available? yes, because it won on" in mail["message"]
    assert "the source is" in mail["message"]
    assert "31 runs (1 failed) in 42 min, 8 min CPU (of 30 runs)" in mail["message"]
    assert "http://127.0.0.1:8001/week" in mail["message"]
    open_now = station.platform.ledger.alerts(open_only=True)
    assert [one.kind for one in open_now] == ["run_failed"]  # the message itself needs no acknowledgment
    folder = week_folder(station.platform)
    assert from_json(WeekReport, json.loads((folder / "week.json").read_text())).models == report.models
    page = (folder / "index.html").read_text()
    assert "the source is &lt;b&gt;gone" in page
    assert 'href="/station/monitoring"' in page


def test_repeated_alerts_are_one_line_with_their_first_day(station: Station) -> None:
    first = station.run().as_of
    for hour in range(3):
        at = first + timedelta(hours=hour)
        send_alert(station.platform, "mlflow_changed", "by hand", key=f"k{hour}", at=at, group="g")
    [alert] = week(station).alerts
    assert (alert.times, alert.since, alert.model) == (3, first, None)
    assert "3 times: by hand" in reports.week_text(week(station))


@pytest.mark.parametrize(("verdict", "tone"), [("yes", "promote"), ("not_known", "keep"), ("no", "refuse")])
def test_only_a_week_without_doubt_is_green(station: Station, verdict: Any, tone: str) -> None:
    report = week(station)
    changed = replace(report, models=tuple(replace(one, still_best=verdict) for one in report.models))
    assert f'class="top {tone}"' in reports.week_html(changed)
