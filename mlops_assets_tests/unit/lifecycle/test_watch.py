"""What asks for a retrain: staleness counted from the last comparison, one request per fact, closed once."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import cast

from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.lifecycle.stages import monitor
from mlops_assets_tests.local_platform import START
from mlops_assets_tests.unit.lifecycle.test_alerts import spec_with

DAY = timedelta(days=1)
SPEC = spec_with()  # stale after 14 days, cooldown one day


def challenger(ledger: Ledger, at: datetime) -> tuple[int, str]:
    version = ledger.new_version("pump", at, bundle_path="b", manifest_sha256="0" * 64).version
    return version, ledger.record_evidence("pump", version, {}, at)


def test_staleness_is_counted_from_the_last_comparison(ledger: Ledger) -> None:
    platform = cast(Platform, SimpleNamespace(ledger=ledger))
    assert monitor.staleness_triggers(SPEC, platform, START + 100 * DAY) == []  # nobody in production
    first, hash_ = challenger(ledger, START)
    ledger.promote("pump", first, expected_revision=0, evidence_hash=hash_, actor="a", reason="", at=START)
    assert monitor.staleness_triggers(SPEC, platform, START + 14 * DAY) == []
    [old] = monitor.staleness_triggers(SPEC, platform, START + 15 * DAY)
    assert "15 days ago" in old.reason
    second, hash_ = challenger(ledger, START + 15 * DAY)
    ledger.keep("pump", second, evidence_hash=hash_, actor="a", reason="", at=START + 15 * DAY)
    assert monitor.staleness_triggers(SPEC, platform, START + 29 * DAY) == []  # the champion is 29 days old
    [again] = monitor.staleness_triggers(SPEC, platform, START + 30 * DAY)
    assert again.subject != old.subject


def test_one_request_per_fact_however_often_it_is_seen(ledger: Ledger) -> None:
    platform = cast(Platform, SimpleNamespace(ledger=ledger))
    first, hash_ = challenger(ledger, START)
    ledger.promote("pump", first, expected_revision=0, evidence_hash=hash_, actor="a", reason="", at=START)

    def tick(days: int) -> bool:
        now = START + days * DAY
        triggers = monitor.staleness_triggers(SPEC, platform, now)
        return monitor.ask_for_retrain(SPEC, platform, triggers, now) is not None

    assert [tick(days) for days in (14, 15, 15, 16, 40)] == [False, True, False, False, False]
    [request] = ledger.open_requests("pump")
    assert monitor.finish_request(platform, "pump", request.key, succeeded=True, now=START + 41 * DAY)
    assert not monitor.finish_request(platform, "pump", request.key, succeeded=False, now=START + 41 * DAY)
    assert not tick(42)  # the run ended without a comparison: the same fact does not ask twice
    second, hash_ = challenger(ledger, START + 43 * DAY)
    ledger.keep("pump", second, evidence_hash=hash_, actor="a", reason="", at=START + 43 * DAY)
    assert [tick(days) for days in (57, 58)] == [False, True]
