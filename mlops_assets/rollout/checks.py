"""The questions about a roll-out. One that cannot be answered is inconclusive, never a pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from mlops_assets.artifacts import Comparison
from mlops_assets.artifacts.rollouts import Arm, Observation, Rollout, RolloutCheck, RolloutVerdict
from mlops_assets.rollout.latency import percentile, slower_than, total
from mlops_assets.rollout.statistics import is_above

FRESH: Final = timedelta(seconds=30)
"""A process that has not reported for so long has ended."""
SLOWEST: Final = 0.95
MIN_LATENCIES: Final = 20
"""Requests of each version below which their 95th percentiles say nothing."""
NEGLIGIBLE_SECONDS: Final = 0.005
"""Latencies below this are fast enough, however fast the champion is."""
MIN_LABELS: Final = 30
"""Predictions with a label below which a comparison says more about chance than about the versions."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the checks read. labels: predictions of both versions whose label has arrived."""

    rollout: Rollout
    observations: Sequence[Observation]
    quality: Comparison | None
    labels: int
    now: datetime

    def of(self, arm: Arm, *, step: int | None = None) -> list[Observation]:
        """Return the observations of an arm.

        Args:
            arm: Whose requests.
            step: Index of the step; None for all steps.

        Returns:
            The observations.
        """
        return [one for one in self.observations if one.arm == arm and step in (None, one.step)]


def judge(
    rollout: Rollout,
    observations: Sequence[Observation],
    quality: Comparison | None,
    labels: int,
    now: datetime,
) -> RolloutVerdict:
    """Return the results of all checks of a roll-out's strategy and state.

    Args:
        rollout: The roll-out.
        observations: What serving processes counted.
        quality: The comparison of both versions on rows with a label; None while there is none.
        labels: Predictions of both versions whose label has arrived.
        now: Present time, with a zone.

    Returns:
        The verdict.
    """
    facts = Facts(rollout, observations, quality, labels, now)
    names = CHECKS_OF[rollout.plan.strategy if rollout.state != "switched" else "switched"]
    return RolloutVerdict(tuple(CHECKS[name](facts) for name in names))


def _loaded(facts: Facts) -> RolloutCheck:
    """Check that every serving process has the challenger in memory."""
    reports: dict[str, Observation] = {}
    for one in facts.of("challenger"):
        if facts.now - one.at <= FRESH and (one.process not in reports or one.at >= reports[one.process].at):
            reports[one.process] = one
    problems = [one.problem for one in reports.values() if one.problem]
    if problems:
        return RolloutCheck(
            "loaded", "fail", f"version {facts.rollout.version} cannot be served: {problems[0]}"
        )
    loaded = sum(one.loaded for one in reports.values())
    if not reports:
        return RolloutCheck("loaded", "inconclusive", "no serving process reports")
    if loaded < len(reports):
        reason = f"{loaded} of {len(reports)} serving processes have loaded it"
        return RolloutCheck("loaded", "inconclusive", reason)
    return RolloutCheck("loaded", "pass", f"every serving process has loaded it ({loaded})")


def _errors(facts: Facts) -> RolloutCheck:
    """Check how many requests the challenger fails that the champion serves."""
    plan = facts.rollout.plan
    requests = sum(one.requests for one in facts.of("challenger"))
    errors = sum(one.errors for one in facts.of("challenger"))
    reason = f"it failed {errors} of {requests} requests that the other version served"
    if is_above(errors, requests, plan.max_errors):
        return RolloutCheck("errors", "fail", f"{reason}, more than {plan.max_errors:.3g} allows")
    step = sum(one.requests for one in facts.of("challenger", step=facts.rollout.step))
    if step < plan.min_requests:
        return RolloutCheck(
            "errors", "inconclusive", f"{step} of {plan.min_requests} requests of this step were served"
        )
    if errors > plan.max_errors * requests:
        return RolloutCheck("errors", "inconclusive", f"{reason}, which may be chance")
    return RolloutCheck("errors", "pass", reason)


def _latency(facts: Facts) -> RolloutCheck:
    """Check that the challenger's 95th percentile of latency is at most so many times the champion's."""
    compared = (
        (total(one.latencies for one in facts.of(arm, step=step)) for arm in ("challenger", "champion"))
        for step in range(facts.rollout.step, -1, -1)
    )
    # of one step only: a champion that serves nothing any more was measured under another load of the machine
    challenger, champion = next(
        ((ours, theirs) for ours, theirs in compared if min(sum(ours), sum(theirs)) >= MIN_LATENCIES),
        ([0], [0]),
    )
    if not sum(challenger):
        reason = f"no step has {MIN_LATENCIES} latencies of each version"
        return RolloutCheck("latency", "inconclusive", reason)
    theirs, ours = percentile(champion, SLOWEST), percentile(challenger, SLOWEST)
    limit = max(NEGLIGIBLE_SECONDS, facts.rollout.plan.max_slowdown * theirs)
    slow, requests = slower_than(challenger, limit), sum(challenger)
    reason = f"95 % of its responses took at most {ours * 1e3:.3g} ms, the champion's {theirs * 1e3:.3g} ms"
    if is_above(slow, requests, 1 - SLOWEST):
        return RolloutCheck("latency", "fail", f"{reason}; {limit * 1e3:.3g} ms are allowed")
    if slow > (1 - SLOWEST) * requests:
        return RolloutCheck("latency", "inconclusive", f"{reason}, which may be chance")
    return RolloutCheck("latency", "pass", reason)


def _quality(facts: Facts) -> RolloutCheck:
    """Check that its predictions are at most so much worse than the champion's, on rows whose label has arrived."""
    plan, compared = facts.rollout.plan, facts.quality
    needed = plan.labels_needed
    waiting = f"{facts.labels} of {max(needed, MIN_LABELS)} labels have arrived"
    if compared is None or not math.isfinite(compared.low) or facts.labels < MIN_LABELS:
        return RolloutCheck("quality", "inconclusive" if needed else "pass", waiting)
    reason = (
        f"its {compared.metric} is {compared.challenger:.4g}, the champion's {compared.champion:.4g} on "
        f"{compared.rows} labels: improvement {compared.improvement:+.2%} ({compared.low:+.2%} to {compared.high:+.2%} "
        f"with {compared.confidence:.1%} confidence)"
    )
    if compared.high < 0:
        return RolloutCheck("quality", "fail", reason)
    if facts.labels < needed:
        return RolloutCheck("quality", "inconclusive", waiting)
    if needed and compared.low <= -plan.tolerance:
        return RolloutCheck("quality", "inconclusive", f"{reason}, which may be chance")
    return RolloutCheck("quality", "pass", reason)


CHECKS: Final[dict[str, Callable[[Facts], RolloutCheck]]] = {
    "loaded": _loaded,
    "errors": _errors,
    "latency": _latency,
    "quality": _quality,
}
CHECKS_OF: Final[dict[str, tuple[str, ...]]] = {
    "canary": ("loaded", "errors", "latency", "quality"),
    "shadow": ("loaded", "errors", "latency", "quality"),
    "blue_green": ("loaded",),
    "switched": ("errors",),
}
"""Checks by strategy; `switched` for a blue-green roll-out after its switch."""
