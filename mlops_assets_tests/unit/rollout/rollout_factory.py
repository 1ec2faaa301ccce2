"""Roll-outs and observations of tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from mlops_assets.artifacts import Comparison
from mlops_assets.artifacts.rollouts import Arm, Observation, Rollout, RolloutState
from mlops_assets.model_file.rollout import RolloutSpec
from mlops_assets.rollout import BUCKETS, bucket

START = datetime(2026, 3, 1, tzinfo=UTC)


def plan(strategy: str = "canary", **keys: Any) -> RolloutSpec:
    return RolloutSpec.model_validate_json(RolloutSpec(strategy=strategy, **keys).model_dump_json())  # type: ignore[arg-type]


def rollout(state: RolloutState = "running", step: int = 0, strategy: str = "canary", **keys: Any) -> Rollout:
    return Rollout(
        7, "pump", 3, 2, 5, "e", plan(strategy, **keys), state, step, 0, START, START, "dagster", ""
    )


def observation(
    arm: Arm = "challenger",
    requests: int = 200,
    errors: int = 0,
    *,
    seconds: float = 0.01,
    step: int = 0,
    process: str = "a",
    problem: str | None = None,
    loaded: bool = True,
) -> Observation:
    latencies = [0] * BUCKETS
    latencies[bucket(seconds)] = requests
    return Observation(process, step, arm, requests, errors, tuple(latencies), loaded, problem, START)


def both(errors: int = 0, **keys: Any) -> list[Observation]:
    """A challenger and a champion with 200 requests each."""
    return [observation("champion"), observation("challenger", errors=errors, **keys)]


def comparison(low: float, high: float) -> Comparison:
    return Comparison("rmse", "test", 1.0, 1.0, (low + high) / 2, low, high, 0.95, "blocks", 200)


def later(**duration: float) -> datetime:
    return START + timedelta(**duration)
