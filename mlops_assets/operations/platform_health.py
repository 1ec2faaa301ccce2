"""How the platform itself did in the last week: runs, their duration, the slowest steps, the growth of the event log.

Comes in: readers of Dagster's database and samples of the machine. Goes out: a frozen `PlatformHealth`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from mlops_assets.ledger.reader import Reader

WEEK: Final = timedelta(days=7)
MOST_STEPS: Final = 10

RUNS: Final = """
    select count(*) as runs, count(*) filter (where status = 'SUCCESS') as succeeded,
        count(*) filter (where status = 'FAILURE') as failed, avg(end_time - start_time) as mean,
        percentile_cont(0.95) within group (order by end_time - start_time) as p95
    from runs where status in ('SUCCESS', 'FAILURE', 'CANCELED')
        and update_timestamp > :since and end_time > extract(epoch from cast(:since as timestamp))
"""
STEPS: Final = f"""
    select done.step_key as step, count(*) as times, avg(extract(epoch from done.timestamp - begun.timestamp)) as mean,
        max(extract(epoch from done.timestamp - begun.timestamp)) as longest
    from event_logs done join event_logs begun using (run_id, step_key)
    where done.dagster_event_type = 'STEP_SUCCESS' and done.timestamp > :since
        and begun.dagster_event_type = 'STEP_START' and begun.timestamp <= done.timestamp
    group by done.step_key order by mean desc limit {MOST_STEPS}
"""  # noqa: S608 - our own constant
EVENTS: Final = """
    select count(*) as events, pg_total_relation_size('event_logs') as bytes from event_logs where timestamp > :since
"""


@dataclass(frozen=True, slots=True)
class SlowStep:
    """A step and its duration in seconds."""

    step: str
    times: int
    mean: float
    longest: float


@dataclass(frozen=True, slots=True)
class PlatformHealth:
    """The last week. Durations in seconds, None without a run; load per core and memory, None without a sample.

    success_rate: of the runs that succeeded or failed; None without one, which never reads as good.
    """

    at: datetime
    runs: int
    failed: int
    success_rate: float | None
    runs_per_day: float
    mean_seconds: float | None
    p95_seconds: float | None
    slowest: tuple[SlowStep, ...]
    events_per_day: float
    event_log_bytes: int
    highest_load: float | None
    least_memory_bytes: float | None

    @property
    def sentence(self) -> str:
        """One sentence."""
        if self.success_rate is None:
            return "no run ended in the last week"
        return (
            f"{self.success_rate:.0%} of {self.runs:,} runs of the last week succeeded, "
            f"{self.runs_per_day:,.1f} a day, {self.mean_seconds or 0:,.0f} s on average"
        )


def platform_health(
    dagster: Reader, samples: Mapping[tuple[str, str], Sequence[tuple[datetime, float]]], at: datetime
) -> PlatformHealth:
    """Measure the last week.

    Args:
        dagster: A reader of Dagster's database.
        samples: Samples of the platform's series in this week, by metric and label.
        at: The present instant, with a zone.

    Returns:
        The measurements.

    Raises:
        ServiceError: The database does not respond.
    """
    since = {"since": (at - WEEK).replace(tzinfo=None)}  # Dagster stores UTC without a zone
    [runs] = dagster.rows(RUNS, since)
    [events] = dagster.rows(EVENTS, since)
    decided = runs["succeeded"] + runs["failed"]
    loads = [value for _, value in samples.get(("mlops_cpu_load_ratio", ""), ())]
    memory = [value for _, value in samples.get(("mlops_memory_available_bytes", ""), ())]
    return PlatformHealth(
        at=at,
        runs=runs["runs"],
        failed=runs["failed"],
        success_rate=runs["succeeded"] / decided if decided else None,
        runs_per_day=runs["runs"] / WEEK.days,
        mean_seconds=runs["mean"],
        p95_seconds=runs["p95"],
        slowest=tuple(
            SlowStep(row["step"], row["times"], float(row["mean"]), float(row["longest"]))
            for row in dagster.rows(STEPS, since)
        ),
        events_per_day=events["events"] / WEEK.days,
        event_log_bytes=events["bytes"],
        highest_load=max(loads, default=None),
        least_memory_bytes=min(memory, default=None),
    )
