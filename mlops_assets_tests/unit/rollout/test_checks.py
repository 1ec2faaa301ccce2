"""The questions about a roll-out: what passes, what fails, and that nothing passes without an answer."""

from __future__ import annotations

from typing import Any

import pytest

from mlops_assets.artifacts import Comparison
from mlops_assets.artifacts.rollouts import Observation, Rollout
from mlops_assets.rollout import is_challengers, judge
from mlops_assets.rollout.latency import BUCKETS, bucket, percentile, upper_edge
from mlops_assets.rollout.statistics import is_above
from mlops_assets_tests.unit.rollout.rollout_factory import (
    START,
    both,
    comparison,
    later,
    observation,
    rollout,
)


def outcomes(
    which: Rollout, observations: list[Observation], quality: Comparison | None = None, labels: int = 0
) -> dict[str, str]:
    verdict = judge(which, observations, quality, labels, START)
    return {check.name: check.outcome for check in verdict.checks}


def test_a_good_canary_passes_every_check() -> None:
    assert judge(rollout(), both(), None, 0, START).outcome == "pass"


def test_no_traffic_is_never_a_pass() -> None:
    assert judge(rollout(), [], None, 0, START).outcome == "inconclusive"
    assert judge(rollout(), both(), None, 0, later(minutes=1)).outcome == "inconclusive"  # reports are old
    assert outcomes(rollout(step=1), both())["errors"] == "inconclusive"  # requests of an earlier step


@pytest.mark.parametrize(("errors", "outcome"), [(0, "pass"), (2, "pass"), (4, "inconclusive"), (20, "fail")])
def test_errors_fail_when_they_are_no_chance(errors: int, outcome: str) -> None:
    assert outcomes(rollout(), both(errors=errors))["errors"] == outcome


def test_few_requests_that_all_fail_are_enough() -> None:
    first = [observation("challenger", 2, 2), observation("champion", 40)]
    assert judge(rollout(), first, None, 0, START).outcome == "fail"
    assert outcomes(rollout(), [observation("challenger", 1, 1)])["errors"] == "inconclusive"


@pytest.mark.parametrize(("seconds", "outcome"), [(0.01, "pass"), (0.018, "pass"), (0.1, "fail")])
def test_a_slow_challenger_fails(seconds: float, outcome: str) -> None:
    assert outcomes(rollout(), both(seconds=seconds))["latency"] == outcome


def test_latencies_are_compared_within_one_step() -> None:
    """At 100 % the champion serves nothing: what it took under an earlier load says nothing about the present one."""
    last = [*both(), observation("challenger", 300, seconds=0.5, step=1)]
    assert outcomes(rollout(step=1), last)["latency"] == "pass"
    slow = [*last, observation("champion", 300, seconds=0.1, step=1)]
    assert outcomes(rollout(step=1), slow)["latency"] == "fail"
    assert (
        outcomes(rollout(), [observation("challenger"), observation("champion", 19)])["latency"]
        == "inconclusive"
    )


def test_a_difference_of_some_microseconds_is_not_slow() -> None:
    fast = [observation("champion", seconds=0.0002), observation("challenger", seconds=0.002)]
    assert outcomes(rollout(), fast)["latency"] == "pass"


@pytest.mark.parametrize(
    ("strategy", "interval", "labels", "outcome"),
    [
        ("canary", None, 0, "pass"),  # labels may come late; nothing speaks against it
        ("canary", (-0.3, -0.1), 40, "fail"),
        ("canary", (-0.3, 0.1), 40, "pass"),
        ("canary", (float("nan"), float("nan")), 40, "pass"),
        ("shadow", None, 0, "inconclusive"),
        ("shadow", (0.05, 0.2), 40, "inconclusive"),  # fewer labels than the shadow needs
        ("shadow", (0.05, 0.2), 100, "pass"),
        ("shadow", (-0.01, 0.2), 100, "pass"),  # within the tolerance
        ("shadow", (-0.1, 0.2), 100, "inconclusive"),
        ("shadow", (-0.2, -0.1), 40, "fail"),
        ("shadow", (float("nan"), float("nan")), 200, "inconclusive"),
    ],
)
def test_quality_needs_labels_and_significance(
    strategy: str, interval: tuple[float, float] | None, labels: int, outcome: str
) -> None:
    quality = None if interval is None else comparison(*interval)
    assert outcomes(rollout(strategy=strategy), both(), quality, labels)["quality"] == outcome


def test_a_version_that_cannot_be_loaded_fails_and_one_that_is_loading_waits() -> None:
    loading = [*both(), observation(process="b", loaded=False)]
    assert outcomes(rollout(strategy="blue_green"), loading) == {"loaded": "inconclusive"}
    broken = [*both(), observation(process="b", loaded=False, problem="a flipped bit")]
    verdict = judge(rollout(strategy="blue_green"), broken, None, 0, START)
    assert (verdict.outcome, verdict.reason) == ("fail", "version 3 cannot be served: a flipped bit")


def test_after_the_switch_only_failures_count() -> None:
    switched = rollout("switched", strategy="blue_green")
    assert outcomes(switched, [observation("challenger", 50, 10)]) == {"errors": "fail"}
    assert outcomes(switched, []) == {"errors": "inconclusive"}


def test_the_test_of_a_share_keeps_its_level_however_often_it_is_read() -> None:
    """10 of 1,000 series at the limit may be refused; 3 standard deviations more would be 20."""
    import numpy as np

    series = np.random.default_rng(5).random((300, 400)) < 0.05
    refused = sum(
        any(is_above(int(total), read, 0.05) for read, total in enumerate(np.cumsum(one), start=1))
        for one in series
    )
    assert refused <= 8
    assert is_above(40, 400, 0.05)
    assert not is_above(0, 400, 0.05)
    assert not is_above(3, 3, 1.0)
    assert is_above(1, 1000, 0.0)


@pytest.mark.parametrize("seconds", [0.0, 1e-6, 1e-5, 0.0123, 1.0, 119.0, 1e9])
def test_a_latency_lies_within_its_bucket(seconds: float) -> None:
    index = bucket(seconds)
    assert index == BUCKETS - 1 or seconds <= upper_edge(index) * (1 + 1e-9)
    assert index == 0 or seconds > upper_edge(index - 1) * (1 - 1e-9)
    histogram: list[Any] = [0] * BUCKETS
    histogram[index] = 3
    assert percentile(histogram, 0.95) == upper_edge(index)


def test_keys_stay_with_their_version_while_the_share_grows() -> None:
    keys = [f"pump-{number}".encode() for number in range(2_000)]
    small, large = ([is_challengers(7, key, share) for key in keys] for share in (0.05, 0.5))
    assert 60 < sum(small) < 140
    assert 900 < sum(large) < 1100
    assert all(later for earlier, later in zip(small, large, strict=True) if earlier)
    assert all(is_challengers(7, key, 1.0) for key in keys)
    assert not any(is_challengers(7, key, 0.0) for key in keys)
    assert [is_challengers(8, key, 0.5) for key in keys] != large
