"""Alerts reach the addresses of the model file and of the platform, once per event, and no address is ever shown."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle import alerts
from mlops_assets.lifecycle.alerts import apprise
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.model_file import ModelSpec
from mlops_assets_tests.local_platform import START


def spec_with(*names: str) -> ModelSpec:
    body = {
        "name": "pump",
        "description": "d",
        "owners": ["a@example.com"],
        "problem": "regression",
        "target": "y",
        "source": {"kind": "sample", "name": "diabetes"},
        "training": {"algorithms": ["ridge"]},
        "evaluation": {"primary": "rmse"},
        "alerts": {"notify": names},
    }
    return ModelSpec.model_validate_json(json.dumps(body))


def platform(ledger: Ledger, **environ: str) -> Platform:
    return cast(Platform, SimpleNamespace(ledger=ledger, settings=SimpleNamespace(environ=environ)))


def test_a_failed_run_is_sent_once(ledger: Ledger, inbox: tuple[str, list[dict[str, Any]]]) -> None:
    address, received = inbox
    opened, spec = platform(ledger, OPS=f"{address}/ops {address}/night"), spec_with("OPS")
    assert alerts.alert_failed_run(opened, "r1", spec, ["features: no rows"], START)
    assert not alerts.alert_failed_run(opened, "r1", spec, ["features: no rows"], START)
    assert [message["title"] for message in received] == ["pump: a run failed"] * 2  # one per address
    assert "features: no rows" in received[0]["message"]
    assert "r1" in received[0]["message"]
    assert [alert.key for alert in ledger.alerts("pump")] == ["run-r1"]


def test_an_address_that_fails_is_an_alert_without_the_address(
    ledger: Ledger, inbox: tuple[str, list[dict[str, Any]]]
) -> None:
    address, received = inbox
    opened = platform(ledger, OPS=f"{address}/broken?token=hush", ODD="nonsense hush", GOOD=address)
    spec = spec_with("OPS", "ODD", "UNSET", "GOOD")
    assert alerts.alert_failed_run(opened, "r1", spec, ["x"], START)
    assert len(received) == 1
    unsent = [alert.message for alert in ledger.alerts("pump") if alert.kind == "alert_unsent"]
    assert [alert.delivery for alert in ledger.alerts("pump") if alert.kind == "run_failed"] == ["sent"]
    assert sorted(unsent) == [
        "ODD does not hold an address that Apprise understands",
        "UNSET is not set, so nobody received the alert",
        "the address in OPS was not reached",
    ]


def test_nothing_is_sent_for_a_run_of_no_model(ledger: Ledger) -> None:
    assert alerts.alert_failed_run(platform(ledger), "r2", None, ["x"], START)
    assert [alert.message for alert in ledger.alerts()] == ["a run failed: x (Dagster run r2)"]


def test_send_never_raises() -> None:
    assert apprise.send(["A"], {"A": "json://127.0.0.1:1/"}, "t", "b") == (
        "the address in A was not reached",
    )


def test_an_alert_about_the_platform_reaches_the_address_of_the_platform(
    ledger: Ledger, inbox: tuple[str, list[dict[str, Any]]]
) -> None:
    address, received = inbox
    opened = platform(ledger, MLOPS_ALERTS=address)
    assert alerts.send_alert(opened, "ledger_broken", "two champions", key="k", at=START)
    assert [(one["title"], one["message"]) for one in received] == [
        ("the ledger breaks one of its own rules", "two champions")
    ]


def test_a_model_without_addresses_is_reported_to_the_platform(
    ledger: Ledger, inbox: tuple[str, list[dict[str, Any]]]
) -> None:
    address, received = inbox
    opened = platform(ledger, MLOPS_ALERTS=address)
    assert alerts.alert_failed_run(opened, "r1", spec_with(), ["x"], START)
    assert [one["title"] for one in received] == ["pump: a run failed"]


def test_an_event_that_repeats_is_recorded_each_time_and_sent_once_a_day(
    ledger: Ledger, inbox: tuple[str, list[dict[str, Any]]]
) -> None:
    address, received = inbox
    opened, spec = platform(ledger, OPS=address), spec_with("OPS")
    for hour in range(4):
        at = START + timedelta(hours=hour)
        assert alerts.alert_failed_run(opened, f"r{hour}", spec, ["no rows"], at)
    assert len(received) == 1
    assert [alert.delivery for alert in ledger.alerts("pump")] == ["grouped"] * 3 + ["sent"]
    assert len({alert.group for alert in ledger.alerts("pump")}) == 1
    assert alerts.alert_failed_run(opened, "other", spec, ["another reason"], START)
    assert len(received) == 2
    assert alerts.alert_failed_run(opened, "late", spec, ["no rows"], START + timedelta(hours=25))
    assert len(received) == 3


def test_an_acknowledged_event_that_repeats_is_sent_again(
    ledger: Ledger, inbox: tuple[str, list[dict[str, Any]]]
) -> None:
    address, received = inbox
    opened, spec = platform(ledger, OPS=address), spec_with("OPS")
    assert alerts.alert_failed_run(opened, "r1", spec, ["no rows"], START)
    [alert] = ledger.alerts("pump", open_only=True)
    assert ledger.acknowledge_groups([alert.group], "ann", START) == 1
    assert ledger.alerts("pump", open_only=True) == ()
    assert alerts.alert_failed_run(opened, "r2", spec, ["no rows"], START)
    assert len(received) == 2


def test_an_alert_that_nobody_received_is_sent_later(
    ledger: Ledger, inbox: tuple[str, list[dict[str, Any]]]
) -> None:
    address, received = inbox
    spec = spec_with("OPS")
    assert alerts.alert_failed_run(platform(ledger, OPS="json://127.0.0.1:1/"), "r1", spec, ["x"], START)
    assert [alert.delivery for alert in ledger.alerts("pump") if alert.kind == "run_failed"] == ["pending"]
    opened = platform(ledger, OPS=address)
    assert alerts.deliver_pending(opened, [spec], START + timedelta(hours=1)) == 1
    assert alerts.deliver_pending(opened, [spec], START + timedelta(hours=1)) == 0
    assert [one["title"] for one in received] == ["pump: a run failed"]


def test_an_alert_recorded_by_a_process_that_died_is_sent_later(
    ledger: Ledger, inbox: tuple[str, list[dict[str, Any]]]
) -> None:
    address, received = inbox
    ledger.raise_alert("run-r1", model="pump", kind="run_failed", severity="error", message="m", at=START)
    assert alerts.deliver_pending(platform(ledger, OPS=address), [spec_with("OPS")], START) == 1
    assert [one["message"] for one in received] == ["m"]


def test_an_alert_is_closed_when_its_cause_ends(ledger: Ledger) -> None:
    opened = platform(ledger)
    assert alerts.send_alert(opened, "rollback_not_ready", "x", key="a", model="pump", at=START)
    assert alerts.send_alert(opened, "rollback_not_ready", "x", key="b", model="fan", at=START)
    assert alerts.close_alert(opened, "rollback_not_ready", "pump", START) == 1
    assert [alert.model for alert in ledger.alerts(open_only=True)] == ["fan"]


def test_runs_without_an_alert_are_named(ledger: Ledger) -> None:
    opened = platform(ledger)
    assert alerts.alert_failed_run(opened, "r1", None, ["x"], START)
    assert alerts.without_alert(opened, ["r2", "r1", "r3"]) == ("r2", "r3")


def test_every_alert_of_the_code_has_a_kind() -> None:
    root = Path(__file__).parents[3] / "mlops_assets"
    sources = [file.read_text(encoding="utf-8") for file in root.rglob("*.py")]
    used = {kind for text in sources for kind in re.findall(r'send_alert\(\s*\w+,\s*"(\w+)"', text)}
    assert used
    assert used <= set(alerts.ALERT_KINDS)
    recording = [
        file.name
        for file in root.rglob("*.py")
        if re.search(r"ledger\.raise_alerts?\(", file.read_text(encoding="utf-8"))
    ]
    assert recording == ["send.py"], "record an alert with send_alert: raise_alert alone tells nobody"
