"""The governor at work on a real ledger: one request per fact, every decision a row, whatever is doubled."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from sqlalchemy import event

from mlops_assets.artifacts import Signal
from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle import governing
from mlops_assets.lifecycle.platform import Platform
from mlops_assets_tests.local_platform import START
from mlops_assets_tests.unit.lifecycle.test_alerts import spec_with

DAY = timedelta(days=1)
SPEC = spec_with()  # stale after 14 days, cooldown one day


def platform_of(ledger: Ledger) -> Platform:
    return cast(Platform, SimpleNamespace(ledger=ledger))


def challenger(ledger: Ledger, at: datetime) -> tuple[int, str]:
    version = ledger.new_version("pump", at, bundle_path="b", manifest_sha256="0" * 64).version
    return version, ledger.record_evidence("pump", version, {}, at)


def first_champion(ledger: Ledger) -> None:
    first, hash_ = challenger(ledger, START)
    ledger.promote("pump", first, expected_revision=0, evidence_hash=hash_, actor="a", reason="", at=START)


def tick(platform: Platform, now: datetime) -> bool:
    return governing.decide(governing.situation(SPEC, platform, now), platform, now).request is not None


def test_staleness_is_counted_from_the_last_comparison(ledger: Ledger) -> None:
    platform = platform_of(ledger)

    def signals(days: int) -> tuple[Signal, ...]:
        return governing.situation(SPEC, platform, START + days * DAY).signals

    assert signals(100) == ()  # nobody in production
    first_champion(ledger)
    assert signals(14) == ()
    [old] = signals(15)
    assert "15 days ago" in old.reason
    second, hash_ = challenger(ledger, START + 15 * DAY)
    ledger.keep("pump", second, evidence_hash=hash_, actor="a", reason="", at=START + 15 * DAY)
    assert signals(29) == ()  # the champion is 29 days old
    [again] = signals(30)
    assert again.subject != old.subject


def test_one_request_per_fact_however_often_it_is_seen(ledger: Ledger) -> None:
    platform = platform_of(ledger)
    first_champion(ledger)
    requested = [tick(platform, START + days * DAY) for days in (14, 15, 15, 16, 40)]
    assert requested == [False, True, False, False, False]
    [request] = ledger.open_requests("pump")
    finish = governing.finish_request
    assert finish(platform, "pump", request.key, succeeded=True, now=START + 41 * DAY)
    assert not finish(platform, "pump", request.key, succeeded=False, now=START + 41 * DAY)
    assert not tick(
        platform, START + 42 * DAY
    )  # the run ended without a comparison: the same fact does not count twice
    second, hash_ = challenger(ledger, START + 43 * DAY)
    ledger.keep("pump", second, evidence_hash=hash_, actor="a", reason="", at=START + 43 * DAY)
    assert [tick(platform, START + days * DAY) for days in (57, 58)] == [False, True]


def test_every_decision_is_a_row_and_repeats_are_not(ledger: Ledger) -> None:
    platform = platform_of(ledger)
    first_champion(ledger)
    for minutes in range(5):
        tick(platform, START + 15 * DAY + timedelta(minutes=minutes))
    rows = [(row.verdict, row.rule) for row in ledger.retrain_decisions("pump")]
    assert rows == [("wait", "in_flight"), ("retrain", "granted")]
    [key] = [row.request_key for row in ledger.retrain_decisions("pump") if row.request_key]
    [request] = ledger.open_requests("pump")
    assert (request.key, request.detail["signals"][0]["cause"]) == (key, "staleness")


def test_daemons_that_decide_at_once_make_one_request(ledger: Ledger) -> None:
    platform = platform_of(ledger)
    first_champion(ledger)
    now = START + 15 * DAY
    observed = [
        governing.situation(SPEC, platform, now) for _ in range(8)
    ]  # every daemon has read before any writes
    for index, one in enumerate(observed[4:]):  # and half of them saw other evidence
        other = Signal("pump", "manual", now, True, f"person {index}", reason="now")
        observed[4 + index] = governing.Situation(SPEC, (other,), one.history, one.last)
    with ThreadPoolExecutor(8) as pool:
        rulings = list(pool.map(lambda one: governing.decide(one, platform, now), observed))
    assert sum(ruling.request is not None for ruling in rulings) == 1
    assert len(ledger.retrain_requests("pump")) == 1
    assert [row.verdict for row in ledger.retrain_decisions("pump")] == ["retrain"]


def test_a_wish_waits_for_the_retrain_under_way_and_is_not_lost(ledger: Ledger) -> None:
    platform = platform_of(ledger)
    first_champion(ledger)
    now = START + 15 * DAY
    assert tick(platform, now)
    wish = Signal("pump", "manual", now, True, "ann", reason="ann: new sensor")
    assert governing.request_retrain(SPEC, platform, wish, now).rule == "in_flight"
    [request] = ledger.open_requests("pump")
    assert governing.finish_request(platform, "pump", request.key, succeeded=True, now=now + DAY / 24)
    assert tick(platform, now + DAY / 12)
    assert ledger.open_requests("pump")[0].cause == "manual"


def test_the_queries_of_a_tick_do_not_grow_with_the_models(ledger: Ledger) -> None:
    platform = platform_of(ledger)
    statements: list[str] = []

    @event.listens_for(ledger._engine, "before_cursor_execute")
    def count(*arguments: Any) -> None:
        statements.append(str(arguments[2]))

    def queries(models: int) -> int:
        specs = [SPEC.model_copy(update={"name": f"pump{index}"}) for index in range(models)]
        quiet = [Signal(spec.name, "drift", START + day * DAY, False) for spec in specs for day in range(4)]
        ledger.record_signals(quiet, START)
        statements.clear()
        for one in governing.situations(platform, specs, START + 5 * DAY):
            assert len(one.signals) == SPEC.retraining.out_of  # the newest windows of its own signals
            governing.decide(one, platform, START + 5 * DAY)
        return len(statements)

    assert queries(40) == queries(2)


def test_a_wish_of_two_years_ago_does_not_hold_back_the_schedule(ledger: Ledger) -> None:
    """Its request is forgotten after 400 days; its signal must be too, or it takes the turn of every later one."""
    platform = platform_of(ledger)
    wish = Signal("pump", "manual", START, True, "ann", reason="ann: new sensor")
    request = governing.request_retrain(SPEC, platform, wish, START).request
    assert request is not None
    assert governing.finish_request(platform, "pump", request.key, succeeded=True, now=START + DAY / 24)
    for days in (7, 399, 401, 800):
        now = START + days * DAY
        slot = Signal("pump", "schedule", now, True, reason="schedule: 0 12 * * 1")
        ruling = governing.request_retrain(SPEC, platform, slot, now)
        assert ruling.request is not None, (days, ruling.reason)
        assert ruling.request.cause == "schedule"
        assert governing.finish_request(
            platform, "pump", ruling.request.key, succeeded=True, now=now + DAY / 24
        )
