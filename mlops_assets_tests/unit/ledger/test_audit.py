"""The audit lists every act with who did it, and nothing that nobody did."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mlops_assets.ledger import Ledger
from mlops_assets_tests.fleet import add_model

AT = datetime(2026, 3, 1, 2, tzinfo=UTC)


def hours(number: int) -> datetime:
    return AT + timedelta(hours=number)


def test_every_kind_of_act_is_listed_with_its_actor(ledger: Ledger) -> None:
    add_model(ledger, "pump", AT)
    challenger = ledger.new_version("pump", AT).version
    evidence = ledger.record_evidence("pump", challenger, {"gates": []}, AT)
    ledger.record_verdict(evidence, "reject", actor="bob", comment="residuals", at=hours(1))
    ledger.waive(
        "pump",
        "min_rows",
        owner="carol",
        reason="few rows this week",
        at=hours(2),
        expires_at=hours(48),
        actor="bob",
        uid=1000,
    )
    ledger.raise_alert("k", model="pump", kind="run_failed", severity="error", message="m", at=AT)
    ledger.acknowledge_alert("k", "dora", hours(3))
    acts = [(one.at, one.actor, one.action, one.model, one.subject) for one in ledger.acts()]
    assert acts == [
        (hours(3), "dora", "acknowledged an alert", "pump", "run_failed"),
        (hours(2), "bob", "waived", "pump", "min_rows"),
        (hours(1), "bob", "verdict: reject", "pump", "2"),
        (AT, "ann", "promoted", "pump", "1"),
    ]
    assert [one.action for one in ledger.acts(actor="bob")] == ["waived", "verdict: reject"]
    assert [one.action for one in ledger.acts(since=hours(3))] == ["acknowledged an alert"]
    assert ledger.acts(model="other") == ()
    assert len(ledger.acts(limit=2)) == 2
