"""The governor: many reasons, one request; the same fact twice, no second one; a person always gets through."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from mlops_assets.artifacts import DriftReport, DriftStatistic, FeatureDrift, from_json, to_json
from mlops_assets.retraining import (
    RetrainRequest,
    State,
    Trigger,
    drift_trigger,
    failed_tries,
    govern,
    staleness_trigger,
)
from mlops_assets_tests.unit.features.feature_factory import model

NOW = datetime(2025, 6, 1, tzinfo=UTC)
SPEC = model(monitoring={"cooldown": "1d", "stale_after": "14d"})
REPORT = DriftReport(
    "pump", 3, 900, "significant", 0.4, 0.5,
    (
        FeatureDrift("a", "significant", statistics={"psi": DriftStatistic(0.7, 0.1, 0.25)}),
        FeatureDrift("b", "moderate", statistics={"psi": DriftStatistic(0.1, 0.1, 0.25)}),
    ), NOW,
)  # fmt: skip


def required(trigger: Trigger | None) -> Trigger:
    assert trigger is not None
    return trigger


DRIFT = required(drift_trigger(REPORT))
STALE = required(staleness_trigger(SPEC, champion=3, last_compared=NOW - timedelta(days=15), now=NOW))
WORSE = Trigger("performance", "version 3 rmse 2025-06-01", "performance: rmse rose from 1 to 1.3", NOW, {})
ASKED = Trigger("manual", f"ann at {NOW.isoformat()}", "ann: new sensor", NOW, {"by": "ann"})


def test_one_request_names_every_reason() -> None:
    requests = [govern(order, State(), SPEC, NOW) for order in permutations((DRIFT, STALE, WORSE))]
    made = requests[0]
    assert made is not None
    assert requests == [made] * 6
    assert made.cause == "performance"
    assert made.reason.count(";") == 2
    assert "a moved by PSI 0.70 (limit 0.25) from the training data of version 3" in made.reason
    assert from_json(RetrainRequest, to_json(made)) == made


def test_no_reason_no_request() -> None:
    assert govern([], State(), SPEC, NOW) is None


def test_the_same_fact_later_is_the_same_key() -> None:
    later = drift_trigger(replace(REPORT, as_of=NOW + timedelta(days=1), mean_value=0.9))
    assert later is not None
    one = govern([DRIFT], State(), SPEC, NOW)
    two = govern([later], State(), SPEC, NOW)
    assert one is not None
    assert two is not None
    assert one.key == two.key
    assert govern([later], State(known_keys={one.key}), SPEC, NOW) is None
    other = drift_trigger(replace(REPORT, version=4))
    assert other
    another = govern([other], State(known_keys={one.key}), SPEC, NOW)
    assert another
    assert another.key != one.key


def test_a_cooldown_holds_back_everything_but_people_and_a_running_retrain_everything() -> None:
    cooling = State(last_requested=NOW - timedelta(hours=23))
    assert govern([DRIFT], cooling, SPEC, NOW) is None
    made = govern([DRIFT, ASKED], cooling, SPEC, NOW)
    assert made
    assert made.cause == "manual"
    assert govern([DRIFT, ASKED], State(running=True), SPEC, NOW) is None
    assert govern([DRIFT], State(last_requested=NOW - timedelta(days=1)), SPEC, NOW)


def test_immature_performance_is_no_reason() -> None:
    assert govern([replace(WORSE, mature=False)], State(), SPEC, NOW) is None


def test_age_is_counted_from_the_last_comparison() -> None:
    def stale(last: timedelta | None, champion: int | None = 3) -> bool:
        compared = None if last is None else NOW - last
        return staleness_trigger(SPEC, champion=champion, last_compared=compared, now=NOW) is not None

    assert stale(timedelta(days=14, seconds=1))
    assert not stale(timedelta(days=14))
    assert not stale(None)
    assert not stale(timedelta(days=99), champion=None)
    off = model(monitoring={"stale_after": None})
    assert staleness_trigger(off, champion=3, last_compared=NOW - timedelta(days=99), now=NOW) is None


@pytest.mark.parametrize("level", ["stable", "moderate", "unmeasurable", "no_champion"])
def test_only_significant_drift_asks(level: str) -> None:
    assert drift_trigger(replace(REPORT, level=level)) is None  # type: ignore[arg-type]


def test_another_feature_that_moves_is_another_fact() -> None:
    statistics = {"psi": DriftStatistic(7.5, 0.1, 0.25)}
    more = required(
        drift_trigger(
            replace(
                REPORT, features=(*REPORT.features, FeatureDrift("c", "significant", statistics=statistics))
            )
        )
    )
    first = govern([DRIFT], State(), SPEC, NOW)
    assert first is not None
    second = govern([more], State(known_keys=[first.key]), SPEC, NOW)
    assert second is not None
    assert second.key != first.key


def test_a_failed_try_is_repeated_with_back_off() -> None:
    first = govern([DRIFT], State(), SPEC, NOW)
    assert first is not None
    log = [(first.key, "failed", NOW)]
    waits = []
    for number in range(2, 9):
        keys, last = [key for key, _, _ in log], log[0][2]
        for hours in range(100):
            state = State(known_keys=keys, last_requested=last, failed=failed_tries(log))
            if made := govern([DRIFT], state, SPEC, last + timedelta(hours=hours)):
                assert made.key == f"{first.key}~{number}"
                waits.append(hours)
                log.insert(0, (made.key, "failed", last + timedelta(hours=hours)))
                break
    assert waits == [1, 2, 4, 8, 16]


def test_a_try_that_succeeded_is_not_repeated() -> None:
    first = govern([DRIFT], State(), SPEC, NOW)
    assert first is not None
    log = [(f"{first.key}~2", "done", NOW), (first.key, "failed", NOW)]
    state = State(known_keys=[key for key, _, _ in log], failed=failed_tries(log))
    assert govern([DRIFT], state, SPEC, NOW + timedelta(days=30)) is None
