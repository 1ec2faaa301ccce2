"""A year of a model in production with a set clock: faults, drift, late labels, and how many retrains they lead to.

The governor and the ledger are real; what a retrain would bring is scripted. Once a week the reports record their
signals, and the governor decides at three instants, at each as two daemons that read before either wrote.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mlops_assets.artifacts import Cause, Signal
from mlops_assets.ledger import Ledger, RetrainRequest
from mlops_assets.lifecycle import governing
from mlops_assets.lifecycle.platform import Platform
from mlops_assets_tests.local_platform import START
from mlops_assets_tests.unit.lifecycle.test_alerts import spec_with
from mlops_assets_tests.unit.lifecycle.test_governing import challenger, first_champion, platform_of

pytestmark = [pytest.mark.slow, pytest.mark.integration]

DAY, WEEK = timedelta(days=1), timedelta(days=7)
SPEC = spec_with()  # stale after 14 days
DRIFT, FAILS, BROKEN, LATE = 20, 30, 36, 42
"""Weeks in which something happens."""


@dataclass
class Year:
    """One model. runs: week, cause and result of each retrain."""

    ledger: Ledger
    version: int = 1
    revision: int = 1
    runs: list[tuple[int, str, str]] = field(default_factory=list)
    failures: int = 0

    def signal(self, cause: Cause, at: datetime, *, active: bool, **changes: Any) -> None:
        version = None if cause == "data_quality" else self.version
        reason = f"{cause} at {at:%Y-%m-%d}" if active else ""
        one = Signal(SPEC.name, cause, at, active, version=version, reason=reason, **changes)
        self.ledger.record_signals([one], at)

    def live_a_week(self, week: int) -> None:
        now = START + week * WEEK
        moved = week >= DRIFT and self.version == 1
        features = ("flow",) if moved else ()
        self.signal("drift", now, active=moved, features=features, start=now - 3 * DAY)
        self.signal("error", now, active=week == LATE, mature=week != LATE, start=now - WEEK, subject="rmse")
        self.signal("data_quality", now, active=week == BROKEN)
        for hours in (0, 2, 6):
            self.decide(week, now + hours * DAY / 24)

    def decide(self, week: int, now: datetime) -> None:
        platform = platform_of(self.ledger)
        one = governing.situation(SPEC, platform, now)
        rulings = [
            governing.decide(one, platform, now) for _ in range(2)
        ]  # both daemons read before one wrote
        requests = [ruling.request for ruling in rulings if ruling.request is not None]
        assert len(requests) <= 1
        for request in requests:
            self.train(week, request.cause, request.key, now)

    def train(self, week: int, cause: str, key: str, now: datetime) -> None:
        fails = week >= FAILS and not self.failures
        if fails:
            self.failures += 1
            self.runs.append((week, cause, "failed"))
        else:
            version, hash_ = challenger(self.ledger, now)
            if week == DRIFT and self.version == 1:
                self.ledger.promote(
                    SPEC.name,
                    version,
                    expected_revision=self.revision,
                    evidence_hash=hash_,
                    actor="a",
                    reason="",
                    at=now,
                )
                self.version, self.revision = version, self.revision + 1
                self.runs.append((week, cause, "promoted"))
            else:
                self.ledger.keep(SPEC.name, version, evidence_hash=hash_, actor="a", reason="", at=now)
                self.runs.append((week, cause, "kept"))
        assert governing.finish_request(
            platform_of(self.ledger), SPEC.name, key, succeeded=not fails, now=now + DAY / 48
        )


def test_a_year_of_faults_leads_to_few_and_justified_retrains(ledger: Ledger) -> None:
    year = Year(ledger)
    first_champion(ledger)
    for week in range(1, 53):
        year.live_a_week(week)
    by_week = {week: [run for run in year.runs if run[0] == week] for week in range(53)}
    assert [run for run in year.runs if run[1] == "drift"] == [(DRIFT, "drift", "promoted")]
    assert len(year.runs) <= 27, year.runs  # one comparison in 14 days, the drift, one repetition
    assert {run[1] for run in year.runs} == {"drift", "staleness"}
    [failed] = [index for index, run in enumerate(year.runs) if run[2] == "failed"]
    repeated = year.runs[failed + 1]
    assert repeated[1:] == ("staleness", "kept")
    assert repeated[0] - year.runs[failed][0] <= 1  # at the first instant that is an hour later
    assert by_week[BROKEN] == []
    assert all(cause == "staleness" for _, cause, _ in by_week[LATE])
    assert len(ledger.retrain_requests(SPEC.name, limit=200)) == len(year.runs)


STEPS = (
    "newest_signals",
    "champion_versions",
    "last_comparisons",
    "requests_since",
    "comparisons_since",
    "newest_decisions",
    "grant_retrain",
)


class Killed:
    """A ledger whose process is killed before or after one of its steps."""

    def __init__(self, ledger: Ledger, step: str, *, after: bool) -> None:
        self._ledger, self._step, self._after = ledger, step, after

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._ledger, name)
        return self._killing(verb) if name == self._step else verb

    def _killing(self, verb: Callable[..., Any]) -> Callable[..., Any]:
        def killed(*arguments: Any, **keywords: Any) -> Any:
            if self._after:
                verb(*arguments, **keywords)
            raise KeyboardInterrupt

        return killed


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_tick_killed_at_any_step_makes_one_request(ledger: Ledger, step: str, after: bool) -> None:
    first_champion(ledger)
    now = START + 15 * DAY
    dying = cast(Platform, SimpleNamespace(ledger=Killed(ledger, step, after=after)))
    with pytest.raises(KeyboardInterrupt):
        governing.decide(governing.situation(SPEC, dying, now), dying, now)
    platform = platform_of(ledger)
    for minutes in range(1, 4):
        later = now + timedelta(minutes=minutes)
        governing.decide(governing.situation(SPEC, platform, later), platform, later)
    requests: tuple[RetrainRequest, ...] = ledger.retrain_requests(SPEC.name)
    assert [request.cause for request in requests] == ["staleness"]
