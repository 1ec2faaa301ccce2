"""The governor: many reasons, one request; the same data twice, no second one; a person always gets through."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from mlops_assets.artifacts import (
    CAUSES,
    DriftReport,
    DriftStatistic,
    FeatureDrift,
    Signal,
    from_json,
    to_json,
)
from mlops_assets.model_file import ModelSpec
from mlops_assets.retraining import (
    PastRequest,
    RetrainHistory,
    RetrainRequest,
    Ruling,
    drift_signal,
    govern,
    signal_key,
    staleness_signal,
)
from mlops_assets_tests.unit.features.feature_factory import model

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def spec(**retraining: Any) -> ModelSpec:
    return model(monitoring={"cooldown": "1d", "stale_after": "14d"}, retraining=retraining)


SPEC = spec()


def report(*moved: str, version: int = 3, at: datetime = NOW) -> DriftReport:
    features = [
        FeatureDrift(name, "significant", statistics={"psi": DriftStatistic(0.7, 0.1, 0.25)})
        for name in moved
    ]
    features.append(FeatureDrift("still", "moderate", statistics={"psi": DriftStatistic(0.1, 0.1, 0.25)}))
    return DriftReport(
        "pump", version, 900, "significant" if moved else "moderate", 0.4, 0.5, tuple(features), at
    )


def required(signal: Signal | None) -> Signal:
    assert signal is not None
    return signal


def drift(*moved: str, version: int = 3, at: datetime = NOW) -> Signal:
    return required(drift_signal(SPEC, report(*moved, version=version, at=at)))


DRIFT = drift("a")
STALE = required(staleness_signal(SPEC, champion=3, last_compared=NOW - 15 * DAY, now=NOW))
ERROR = Signal(
    "pump", "error", NOW, True, "rmse", 3, start=NOW - 7 * DAY, reason="error: rmse rose from 1 to 1.3"
)
WISH = Signal("pump", "manual", NOW, True, "ann", reason="ann: new sensor")
SLOT = Signal("pump", "schedule", NOW, True, reason="schedule: 0 12 * * 1")


def past(
    state: str = "done", *signals: Signal, ago: timedelta = 2 * DAY, outcome: Any = "kept", key: str = "k"
) -> PastRequest:
    end = None if state in ("open", "running") else NOW - ago + HOUR
    return PastRequest(key, signals, NOW - ago, state, end, None if state == "failed" else outcome)


def decide(
    *signals: Signal, earlier: tuple[PastRequest, ...] = (), now: datetime = NOW, spec: ModelSpec = SPEC
) -> Ruling:
    return govern(signals, RetrainHistory(3, earlier), spec, now)


def test_one_request_names_every_reason_in_any_order() -> None:
    rulings = [decide(*order) for order in permutations((DRIFT, STALE, ERROR))]
    assert rulings == [rulings[0]] * 6
    request = rulings[0].request
    assert request is not None
    assert (request.cause, request.reason.count(";")) == ("error", 2)
    assert "a moved by PSI 0.70 (limit 0.25) from the training data of version 3" in request.reason
    assert from_json(RetrainRequest, to_json(request)) == request


def test_without_an_active_signal_nothing_is_requested() -> None:
    for signals in (
        (),
        (drift(),),
        (replace(DRIFT, version=2),),
    ):  # nothing, no movement, another champion's movement
        ruling = decide(*signals)
        assert (ruling.verdict, ruling.rule, ruling.request) == ("no", "no_reason", None)


def test_the_key_names_version_features_and_window_and_nothing_else() -> None:
    reworded = replace(DRIFT, reason="other words", start=None)
    assert signal_key(reworded) == signal_key(DRIFT)
    others = [drift("a", version=4), drift("a", "b"), drift("a", at=NOW + DAY), replace(DRIFT, model="tank")]
    assert len({signal_key(one) for one in (DRIFT, *others)}) == 5


def test_a_kept_challenger_means_that_this_data_was_tried() -> None:
    ruling = decide(DRIFT, earlier=(past("done", drift("a", "b", at=NOW - 2 * DAY)),))
    assert (ruling.verdict, ruling.rule) == ("no", "tried")
    assert "its challenger was kept" in ruling.reason


@pytest.mark.parametrize("first", [SLOT, WISH], ids=["schedule", "manual"])
def test_every_scheduled_instant_and_every_wish_is_granted_once(first: Signal) -> None:
    """The schedule of the second week is no evidence that the first week's retrain has used."""
    earlier: tuple[PastRequest, ...] = ()
    for week in range(4):
        now = NOW + week * 7 * DAY
        signal = replace(first, at=now)
        ruling = decide(signal, earlier=earlier, now=now)
        assert ruling.request is not None, ruling.reason
        earlier = (PastRequest(ruling.request.key, (signal,), now, "done", now, "kept"), *earlier)
        assert decide(signal, earlier=earlier, now=now + DAY).rule == "tried"


def test_another_feature_is_not_data_already_tried() -> None:
    moved_too = decide(drift("a", "z"), earlier=(past("done", drift("a", at=NOW - 2 * DAY)),))
    assert moved_too.request is not None  # and the back-off of the kept challenger does not silence it


def test_a_wholly_new_window_is_new_data_after_the_back_off() -> None:
    earlier = (past("done", drift("a", at=NOW - 7 * DAY), ago=7 * DAY),)
    assert decide(DRIFT, earlier=earlier).request is not None
    assert decide(DRIFT, earlier=(replace(earlier[0], requested_at=NOW - 6 * DAY),)).rule == "unsuccessful"


def test_the_back_off_doubles_with_each_challenger_that_does_not_win() -> None:
    waits = []
    earlier: tuple[PastRequest, ...] = ()
    for _ in range(6):
        earlier = (past("done", drift("a", at=NOW - 100 * DAY), ago=timedelta(0)), *earlier)
        waits.append(
            next(
                days
                for days in range(99)
                if decide(drift("a", at=NOW + days * DAY), earlier=earlier, now=NOW + days * DAY).request
            )
        )
    assert waits == [7, 14, 28, 56, 56, 56]
    promoted = past("done", DRIFT, ago=HOUR, outcome="promoted")
    assert decide(drift("a", at=NOW + 8 * DAY), earlier=(promoted, *earlier), now=NOW + 8 * DAY).request


def test_a_failed_try_is_repeated_with_back_off_and_ends() -> None:
    log: list[PastRequest] = []
    waits, now, ruling = [], NOW, decide()
    for number in range(1, 8):
        for hours in range(100):
            ruling = decide(DRIFT, earlier=tuple(log), now=now + hours * HOUR)
            if ruling.request:
                assert ruling.request.key == signal_key(DRIFT) + (f"~{number}" if number > 1 else "")
                now += hours * HOUR
                waits.append(hours)
                log.insert(0, PastRequest(ruling.request.key, (DRIFT,), now, "failed", now))
                break
    assert waits == [0, 1, 2, 4, 8, 16]
    assert (ruling.verdict, ruling.rule) == ("no", "tried")
    assert "6 retrains with this data failed" in ruling.reason


def test_a_cooldown_delays_and_a_retrain_under_way_delays_everything() -> None:
    earlier = (past("done", STALE, ago=23 * HOUR),)
    ruling = decide(DRIFT, earlier=earlier)
    assert (ruling.verdict, ruling.rule, ruling.until) == ("wait", "cooldown", NOW + HOUR)
    assert decide(DRIFT, earlier=earlier, now=NOW + HOUR).request is not None
    for signal in (WISH, SLOT):
        granted = decide(DRIFT, signal, earlier=earlier).request
        assert granted is not None
        assert (granted.cause, granted.signals) == (signal.cause, (signal, DRIFT))
    assert decide(DRIFT, WISH, SLOT, earlier=(past("open", STALE),)).rule == "in_flight"


def test_immature_performance_is_no_reason() -> None:
    assert decide(replace(ERROR, mature=False)).rule == "immature"
    request = decide(replace(ERROR, mature=False), DRIFT).request
    assert request is not None
    assert request.signals == (DRIFT,)


def test_hysteresis_counts_windows() -> None:
    two_of_three = spec(confirm=2, out_of=3)
    windows = [drift("a"), drift(at=NOW - DAY), drift("a", at=NOW - 2 * DAY)]
    assert decide(*windows, spec=two_of_three).request is not None
    assert decide(*windows[:2], spec=two_of_three).rule == "unconfirmed"
    older = drift("a", at=NOW - 3 * DAY)
    assert (
        decide(windows[0], windows[1], drift(at=NOW - 2 * DAY), older, spec=two_of_three).rule
        == "unconfirmed"
    )
    assert decide(WISH, spec=two_of_three).request is not None


def test_broken_data_trains_nothing_but_what_a_person_asks_for() -> None:
    broken = Signal("pump", "data_quality", NOW, True, reason="flow_m3h is missing")
    ruling = decide(DRIFT, SLOT, broken)
    assert (ruling.verdict, ruling.rule) == ("wait", "broken_data")
    assert "flow_m3h is missing" in ruling.reason
    assert decide(DRIFT, WISH, broken).request is not None
    assert decide(DRIFT, broken, replace(broken, at=NOW + HOUR, active=False)).request is not None


def test_broken_inputs_hold_a_retrain_although_newer_readings_pass_their_rules() -> None:
    dead = Signal("pump", "data_quality", NOW - HOUR, True, subject="inputs", reason="flow is dead")
    passed = Signal("pump", "data_quality", NOW, False)
    assert decide(DRIFT, dead, passed).rule == "broken_data"
    repaired = replace(dead, at=NOW, active=False)
    assert decide(DRIFT, dead, repaired, passed).request is not None


def test_a_person_defers() -> None:
    deferral = Signal("pump", "defer", NOW, True, reason="ann: holiday", until=NOW + 3 * DAY)
    ruling = decide(DRIFT, SLOT, deferral)
    assert (ruling.rule, ruling.until) == ("deferred", NOW + 3 * DAY)
    assert decide(DRIFT, deferral, now=NOW + 3 * DAY).request is not None


def test_budgets_of_a_week() -> None:
    earlier = tuple(past("done", SLOT, ago=days * DAY) for days in (2, 3))
    assert decide(DRIFT, earlier=earlier, spec=spec(runs_per_week=2)).rule == "runs_per_week"
    assert decide(DRIFT, earlier=earlier, spec=spec(runs_per_week=2), now=NOW + 4 * DAY).request is not None
    assert decide(DRIFT, earlier=earlier, spec=spec(hours_per_week=2)).rule == "hours_per_week"
    assert decide(DRIFT, earlier=earlier, spec=spec(hours_per_week=2.1)).request is not None


@pytest.mark.parametrize(
    ("hours", "now", "until"),
    [
        ("22:00-14:30", NOW, NOW.replace(hour=12, minute=30)),  # 14:00 in Berlin
        ("13:00-15:00", NOW, NOW.replace(hour=13)),
        ("15:00-13:00", NOW, None),
        (
            "22:00-06:00",
            datetime(2026, 3, 28, 22, 30, tzinfo=UTC),
            datetime(2026, 3, 29, 4, tzinfo=UTC),
        ),  # clock change
        ("22:00-06:00", datetime(2026, 10, 24, 22, 30, tzinfo=UTC), datetime(2026, 10, 25, 5, tzinfo=UTC)),
    ],
)
def test_quiet_hours_follow_the_local_clock(hours: str, now: datetime, until: datetime | None) -> None:
    berlin = model(retraining={"quiet_hours": hours}, schedules={"timezone": "Europe/Berlin"})
    ruling = govern([DRIFT], RetrainHistory(3), berlin, now)
    assert (ruling.rule, ruling.until) == (("granted", None) if until is None else ("quiet_hours", until))


def test_the_model_file_says_what_a_signal_leads_to() -> None:
    reactions = spec(reactions={"drift": "alert", "staleness": "revalidate", "error": "nothing"})
    ruling = decide(DRIFT, STALE, ERROR, spec=reactions)
    assert (ruling.rule, ruling.alerts, ruling.revalidations) == ("no_reason", (DRIFT,), (STALE,))


def test_age_is_counted_from_the_last_comparison() -> None:
    def stale(last: timedelta | None, champion: int | None = 3) -> bool:
        compared = None if last is None else NOW - last
        return staleness_signal(SPEC, champion=champion, last_compared=compared, now=NOW) is not None

    assert stale(timedelta(days=14, seconds=1))
    assert not stale(14 * DAY)
    assert not stale(None)
    assert not stale(99 * DAY, champion=None)
    off = model(monitoring={"stale_after": None})
    assert staleness_signal(off, champion=3, last_compared=NOW - 99 * DAY, now=NOW) is None


def test_missing_values_alone_are_no_reason_to_retrain() -> None:
    dead = FeatureDrift("a", "significant", statistics={"missing_rise": DriftStatistic(0.9, 0.05, 0.2)})
    assert not required(drift_signal(SPEC, replace(report(), features=(dead,)))).active


def test_every_cause_has_a_reaction_in_the_model_file() -> None:
    assert {*type(SPEC.retraining.reactions).model_fields} == {*CAUSES} - {"manual"}
