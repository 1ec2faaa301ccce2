"""The records of a backtest: what is kept of every step, and the result."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from mlops_assets.errors import MlopsError
from mlops_assets.model_file.values import format_duration


class BacktestError(MlopsError):
    """A backtest cannot be run as requested; the message says why and what to change."""


@dataclass(frozen=True, slots=True)
class Span:
    """The simulated time: decisions at `start` and every `step` after it, before `end`."""

    start: datetime
    end: datetime
    step: timedelta

    @property
    def instants(self) -> tuple[datetime, ...]:
        """The instants of decisions, and `end`, which is only measured."""
        count = -((self.start - self.end) // self.step)
        return (*(self.start + index * self.step for index in range(count)), self.end)

    @property
    def sentence(self) -> str:
        """The span for people."""
        steps = len(self.instants) - 1
        between = f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M}"
        return f"{between}, {steps} steps of {format_duration(self.step)}"


@dataclass(frozen=True, slots=True)
class Training:
    """One challenger of one policy.

    Attributes:
        step: Index of the step.
        version: Its version in the policy's ledger; None when training failed.
        fit: Key of the fit, which policies share; None when training failed.
        cause: What requested it: a cause of the retrain governor.
        outcome: promoted, kept, refused or failed.
        reason: The decision's reason.
        champion: Key of the champion's fit before the decision.
        cpu_seconds: Processor time of the fit, also where another policy's fit was used again.
    """

    step: int
    version: int | None
    fit: str | None
    cause: str
    outcome: str
    reason: str
    champion: str | None
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step of one policy: the champion after its decisions, the challenger if there was one, and problems."""

    step: int
    champion: str | None
    training: Training | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class PolicyResult:
    """What a policy did and what it was worth.

    Attributes:
        policy: Its name.
        total: The primary metric over all rows that every policy predicted; NaN without such rows.
        errors: The primary metric of each step; NaN without a champion or labels.
        trainings: Number of trainings.
        cpu_seconds: Processor time of these trainings.
        promotions: Number of promotions, the first champion included.
        wrong_promotions: Promotions after which the former champion was better on the labels that followed.
        missed_promotions: Challengers that were kept out and were better than the champion by more than the margin.
        false_alarms: Trainings that only a report requested and whose challenger was no better by the margin.
        days_worse: Days with a champion that was worse than the best version at hand by more than the margin.
        days_without: Days without a champion.
        regret: How much worse `total` is than the oracle's, in the metric's unit.
        money: What trainings and error cost; None where the policies file names no costs, or without a champion.
        problems: Number of steps at which readings or a run failed, with the first reason.
        history: Every training.
    """

    policy: str
    total: float
    errors: tuple[float, ...]
    trainings: int
    cpu_seconds: float
    promotions: int
    wrong_promotions: int
    missed_promotions: int
    false_alarms: int
    days_worse: float
    days_without: float
    regret: float
    money: float | None
    problems: tuple[str, ...]
    history: tuple[Training, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two policies compared on the same rows by the paired bootstrap over steps that gates use."""

    policy: str
    other: str
    improvement: float
    low: float
    high: float
    method: str

    @property
    def within_chance(self) -> bool:
        """Whether the interval of the difference contains 0."""
        return self.low <= 0 <= self.high

    @property
    def unknown(self) -> bool:
        """Whether no interval could be estimated."""
        return not (math.isfinite(self.low) and math.isfinite(self.high))


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """A finished backtest.

    Attributes:
        model: Name of the model.
        digest: sha256 of everything that the result depends on.
        spec_digest: The model file's digest.
        metric: The primary metric, and its direction.
        direction: Which way it is better.
        span: The simulated time.
        instants: Instants of decisions, and the end.
        rows: Rows with labels that were measured.
        policies: One result per policy, the oracle last.
        pairs: The recommended policy compared with each other one.
        recommended: Name of the recommended policy; empty when none can be.
        frontier: Policies that no other one beats in both error and cost, cheapest first.
        changes: Keys of the model file that lead to it, each with the values before and after.
        source_digests: Digest of each policy's model file.
        sentence: The recommendation.
        distinct_trainings: Trainings that were really carried out.
        distinct_cpu_seconds: Their processor time.
        replay_cpu_seconds: Processor time of everything else.
        currency: Name of the currency of `money`.
        notes: What a reader has to know.
    """

    model: str
    digest: str
    spec_digest: str
    metric: str
    direction: str
    span: Span
    instants: tuple[datetime, ...]
    rows: int
    policies: tuple[PolicyResult, ...]
    pairs: tuple[Pair, ...]
    recommended: str
    frontier: tuple[str, ...]
    changes: tuple[str, ...]
    source_digests: Mapping[str, str]
    sentence: str
    distinct_trainings: int
    distinct_cpu_seconds: float
    replay_cpu_seconds: float
    currency: str = ""
    notes: tuple[str, ...] = ()
