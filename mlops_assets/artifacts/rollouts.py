"""Records of roll-outs: their state, what serving processes observed, and what was concluded from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias

from mlops_assets.model_file.rollout import RolloutSpec

RolloutState: TypeAlias = Literal["running", "paused", "switched", "finished", "aborted"]
Arm: TypeAlias = Literal["champion", "challenger"]
RolloutOutcome: TypeAlias = Literal["pass", "fail", "inconclusive"]
ChampionMove: TypeAlias = Literal["promote", "roll_back"]

ACTIVE: Final[tuple[RolloutState, ...]] = ("running", "paused", "switched")
"""States in which serving processes load both versions."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """Stored. One challenger on its way to the traffic of the API.

    Attributes:
        id: Number of the roll-out.
        model: The model.
        version: The challenger.
        champion_version: The champion when the roll-out started.
        base_revision: The champion's revision then; a champion that moves otherwise ends the roll-out.
        evidence_hash: The evidence that the challenger passed the gates with.
        plan: The section of the model file when the roll-out started.
        state: running; paused until a person decides; switched: a blue-green roll-out whose challenger is champion and
            whose earlier champion is still loaded; finished; aborted.
        step: Index of the canary's share, 0 for other strategies.
        sequence: Number of transitions so far, which the next one names (compare-and-swap).
        started_at: Start.
        step_since: When the step or the state began.
        actor: Who or what made the last transition.
        reason: Why.
    """

    id: int
    model: str
    version: int
    champion_version: int
    base_revision: int
    evidence_hash: str
    plan: RolloutSpec
    state: RolloutState
    step: int
    sequence: int
    started_at: datetime
    step_since: datetime
    actor: str
    reason: str

    @property
    def is_active(self) -> bool:
        """Whether it still may change."""
        return self.state in ACTIVE

    @property
    def share(self) -> float:
        """Share of the requests that the challenger serves now."""
        if self.state == "switched":
            return 1.0
        return self.plan.shares[self.step] if self.plan.strategy == "canary" and self.is_active else 0.0

    @property
    def sentence(self) -> str:
        """What it does now, for people."""
        serving = f", serves {self.share:.0%} of the requests" if self.share else ""
        return (
            f"{self.plan.strategy} roll-out {self.id} of version {self.version} is {self.state}{serving}: "
            f"{self.reason}"
        )


@dataclass(frozen=True, slots=True)
class RolloutEvent:
    """Stored. One transition of a roll-out; never changed."""

    rollout_id: int
    sequence: int
    at: datetime
    actor: str
    state: RolloutState
    step: int
    reason: str


@dataclass(frozen=True, slots=True)
class Observation:
    """What one serving process counted for one arm in one step.

    Attributes:
        process: Name of the process.
        step: Index of the step.
        arm: Whose requests.
        requests: Requests that the arm or its counterpart could serve.
        errors: Those that this arm failed and its counterpart served.
        latencies: Requests by bucket of latency, see `rollout.latency`.
        loaded: Whether the process has the version in memory.
        problem: Why it cannot load it, after several attempts.
        at: When it was counted.
    """

    process: str
    step: int
    arm: Arm
    requests: int
    errors: int
    latencies: tuple[int, ...]
    loaded: bool
    problem: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class RolloutCheck:
    """The result of one question about a roll-out."""

    name: str
    outcome: RolloutOutcome
    reason: str


@dataclass(frozen=True, slots=True)
class RolloutVerdict:
    """All checks of a roll-out: one that fails fails the whole, one that is inconclusive leaves it inconclusive."""

    checks: tuple[RolloutCheck, ...]

    @property
    def outcome(self) -> RolloutOutcome:
        """The worst outcome; inconclusive without checks."""
        outcomes = {check.outcome for check in self.checks} or {"inconclusive"}
        return "fail" if "fail" in outcomes else "inconclusive" if "inconclusive" in outcomes else "pass"

    @property
    def reason(self) -> str:
        """The reasons of the checks that have the worst outcome."""
        return "; ".join(check.reason for check in self.checks if check.outcome == self.outcome)


@dataclass(frozen=True, slots=True)
class Transition:
    """The next state of a roll-out, why, and what happens to the champion in the same transaction."""

    state: RolloutState
    step: int
    reason: str
    champion: ChampionMove | None = None
