"""Alerts as mail over SMTP, with a mail server that is down now and then: late perhaps, but each once and none lost."""

from __future__ import annotations

import email
import email.policy
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mlops_assets.ledger import Ledger, NewAlert
from mlops_assets.lifecycle import alerts
from mlops_assets.lifecycle.platform import Platform
from mlops_assets_tests.local_platform import START
from mlops_assets_tests.unit.lifecycle.test_alerts import spec_with

controllers = pytest.importorskip("aiosmtpd.controller", reason="aiosmtpd, the mail server of this test")
pytestmark = pytest.mark.integration

MINUTE = timedelta(minutes=1)
KIND = "readings_condition"
SPEC = spec_with("OPS")


class Mail:
    """A mail server of this machine: recipient, subject and text of what it received."""

    def __init__(self) -> None:
        self.received: list[tuple[str, str, str]] = []
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port: int = listener.getsockname()[1]

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802 - its name
        message = cast(Any, email.message_from_bytes(envelope.content, policy=email.policy.default))
        text = message.get_body(("plain", "html")).get_content()
        self.received.append(
            (envelope.rcpt_tos[0], str(message["subject"]), text.replace("\r\n", "\n").strip())
        )
        return "250 OK"

    @contextmanager
    def up(self) -> Iterator[None]:
        controller = controllers.Controller(self, hostname="127.0.0.1", port=self.port)
        controller.start()
        try:
            yield
        finally:
            controller.stop()

    def platform(self, ledger: Ledger) -> Platform:
        def address(name: str) -> str:
            server = f"smtp=127.0.0.1&mode=insecure&from=mlops@example.com&to={name}@example.com&format=text"
            return f"mailto://example.com:{self.port}?{server}"

        environ = {"OPS": address("ops"), "NIGHT": address("night")}
        return cast(Platform, SimpleNamespace(ledger=ledger, settings=SimpleNamespace(environ=environ)))


def hot(pump: int, severity: str = "error", notify: tuple[str, ...] | None = None) -> NewAlert:
    message = f"p{pump} is hot"
    return NewAlert(f"hot/{pump}", SPEC.name, KIND, severity, message, f"hot/{pump}", notify)


def test_alerts_of_one_sweep_are_one_mail_per_recipient_and_severity(ledger: Ledger) -> None:
    mail = Mail()
    platform = mail.platform(ledger)
    new = [hot(1), hot(2), hot(3, "critical"), hot(4, "error", ("NIGHT",))]
    with mail.up():
        assert len(alerts.send_alerts(platform, new, at=START, spec=SPEC)) == 4
        assert alerts.send_alerts(platform, new, at=START, spec=SPEC) == frozenset()
    assert mail.received == [
        ("ops@example.com", "pump: a condition of the readings (2)", "p1 is hot\np2 is hot"),
        ("ops@example.com", "pump: a condition of the readings", "p3 is hot"),
        ("night@example.com", "pump: a condition of the readings", "p4 is hot"),
    ]


def test_a_mail_server_down_for_an_hour_loses_nothing(ledger: Ledger) -> None:
    mail = Mail()
    platform = mail.platform(ledger)
    for tick in range(12):
        now = START + 5 * tick * MINUTE
        alerts.send_alerts(platform, [hot(tick)], at=now, spec=SPEC)
        alerts.deliver_pending(platform, [SPEC], now + MINUTE)
    assert {one.delivery for one in ledger.alerts("pump") if one.kind == KIND} == {"pending"}
    with mail.up():
        assert alerts.deliver_pending(platform, [SPEC], START + 60 * MINUTE) == 12
        assert alerts.deliver_pending(platform, [SPEC], START + 61 * MINUTE) == 0
    [(_, subject, text)] = mail.received
    assert subject == "pump: a condition of the readings (12)"
    assert text.splitlines() == [f"p{tick} is hot" for tick in range(12)]


def test_whoever_received_an_alert_is_told_that_it_is_over(ledger: Ledger) -> None:
    mail = Mail()
    platform = mail.platform(ledger)
    with mail.up():
        alerts.send_alerts(platform, [hot(1), hot(2, "info")], at=START, spec=SPEC)
    alerts.send_alerts(platform, [hot(3)], at=START, spec=SPEC)  # nobody hears of it before it is over
    ledger.acknowledge_alert("hot/1", "ann", START)
    assert alerts.close_keys(platform, ["hot/1", "hot/2", "hot/3"], START + 9 * MINUTE) == 3
    mail.received.clear()
    with mail.up():
        alerts.deliver_pending(platform, [SPEC], START + 10 * MINUTE)
        assert alerts.close_keys(platform, ["hot/1"], START + 11 * MINUTE) == 0
        alerts.deliver_pending(platform, [SPEC], START + 12 * MINUTE)
    assert mail.received == [
        ("ops@example.com", "pump: a condition of the readings", "p3 is hot"),
        (
            "ops@example.com",
            "pump: a condition of the readings is over",
            "over since 2026-01-01 00:09 UTC: p1 is hot",
        ),
    ]
    open_now = [one.key for one in ledger.alerts("pump", open_only=True) if one.kind == KIND]
    assert open_now == []


def test_an_alert_that_waited_for_a_day_expires(ledger: Ledger) -> None:
    mail = Mail()
    platform = mail.platform(ledger)
    alerts.send_alerts(platform, [hot(1)], at=START, spec=SPEC)
    alerts.send_alerts(platform, [hot(2)], at=START + 60 * MINUTE, spec=SPEC)
    with mail.up():
        assert alerts.deliver_pending(platform, [SPEC], START + 24 * 60 * MINUTE + MINUTE) == 1
    assert [text for _, _, text in mail.received] == ["p2 is hot"]
    states = {one.key: one.delivery for one in ledger.alerts("pump", open_only=True) if one.kind == KIND}
    assert states == {"hot/1": "expired", "hot/2": "sent"}


def test_an_alert_whose_process_died_in_its_delivery_is_sent(ledger: Ledger) -> None:
    mail = Mail()
    platform = mail.platform(ledger)
    ledger.raise_alerts([hot(1)], START)
    assert ledger.claim_alerts(["hot/1"], START) == {"hot/1"}
    with mail.up():
        assert alerts.deliver_pending(platform, [SPEC], START + 5 * MINUTE) == 0  # it may still be at work
        assert alerts.deliver_pending(platform, [SPEC], START + 11 * MINUTE) == 1
    assert len(mail.received) == 1
