"""What each policy was worth: counted from its steps and the measurements of all fits.

Comes in: the steps of every policy, `Measurements`. Goes out: one `PolicyResult` per policy, and the oracle's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from mlops_assets import evaluation
from mlops_assets.backtest.measure import Measurements
from mlops_assets.backtest.policies import ORACLE
from mlops_assets.backtest.records import PolicyResult, Span, StepRecord, Training
from mlops_assets.metrics import METRICS
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.gates import BeatsChampion
from mlops_assets.model_file.variants import Costs
from mlops_assets.retraining.past import FROM_REPORTS

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Followed:
    """A policy that was replayed: its model file, its steps, and the key of the champion's fit after each step."""

    name: str
    spec: ModelSpec
    steps: Sequence[StepRecord]

    @property
    def champions(self) -> tuple[str | None, ...]:
        """Key of the fit that predicts the rows after each step."""
        return tuple(one.champion for one in self.steps)

    @property
    def trainings(self) -> tuple[Training, ...]:
        """Every training in order of time."""
        return tuple(one.training for one in self.steps if one.training is not None)

    @property
    def margin(self) -> float:
        """How much better a challenger must be: that of the first `beats_champion` gate, else 0."""
        return next((gate.by for gate in self.spec.gates if isinstance(gate, BeatsChampion)), 0.0)


def oracle_of(followed: Sequence[Followed], measured: Measurements, steps: int) -> tuple[str | None, ...]:
    """Return for each step the fit that was really best in the rows until the next one, of all that existed.

    Args:
        followed: The policies.
        measured: Measurements of all fits.
        steps: Number of steps.

    Returns:
        Keys of fits; None before the first.
    """
    made: dict[str, int] = {}
    for policy in followed:
        for one in policy.trainings:
            if one.fit is not None and one.version is not None:
                made[one.fit] = min(one.step, made.get(one.fit, one.step))
    result: list[str | None] = []
    for step in range(steps):
        losses = {
            fit: measured.loss(measured.value(fit, step, step + 1))
            for fit, born in made.items()
            if born <= step
        }
        finite = {fit: loss for fit, loss in losses.items() if math.isfinite(loss)}
        last = result[-1] if result else None
        result.append(
            min(finite, key=lambda fit: finite[fit]) if finite else last or next(iter(losses), None)
        )
    return tuple(result)


def common_steps(followed: Sequence[Followed], measured: Measurements, steps: int) -> tuple[int, ...]:
    """Return the steps that have rows and a champion of every policy that ever had one.

    Args:
        followed: The policies.
        measured: Measurements of all fits.
        steps: Number of steps.

    Returns:
        Indices in ascending order.
    """
    ever = [policy.champions for policy in followed if any(policy.champions)]
    return tuple(
        step
        for step in range(steps)
        if ever
        and all(champions[step] for champions in ever)
        and measured.edges[step + 1] > measured.edges[step]
    )


def result_of(
    policy: Followed,
    measured: Measurements,
    span: Span,
    common: Sequence[int],
    oracle_total: float,
    costs: Costs | None,
) -> PolicyResult:
    """Count what one policy did.

    Args:
        policy: The policy.
        measured: Measurements of all fits.
        span: The simulated time.
        common: Steps that count for the total.
        oracle_total: The oracle's total.
        costs: Costs in money, where the policies file names them.

    Returns:
        The result.
    """
    champions, trainings = policy.champions, policy.trainings
    total = total_of(champions, measured, common, measured_by=policy.spec.evaluation.primary)
    errors = tuple(
        measured.value(fit, step, step + 1) if fit else math.nan for step, fit in enumerate(champions)
    )
    days = tuple((end - start) / DAY for start, end in zip(span.instants, span.instants[1:], strict=False))
    later = [_later(policy, measured, one, index) for index, one in enumerate(trainings)]
    cpu_seconds = sum(one.cpu_seconds for one in trainings)
    return PolicyResult(
        policy=policy.name,
        total=total,
        errors=errors,
        trainings=len(trainings),
        cpu_seconds=cpu_seconds,
        promotions=sum(one.outcome == "promoted" for one in trainings),
        wrong_promotions=sum(_was_wrong(policy, measured, one) for one in trainings),
        missed_promotions=sum(
            one.outcome != "promoted" and gain > policy.margin
            for one, gain in zip(trainings, later, strict=True)
        ),
        false_alarms=sum(
            one.cause in FROM_REPORTS and not gain > policy.margin
            for one, gain in zip(trainings, later, strict=True)
            if one.champion is not None
        ),
        days_worse=sum(
            length for step, length in enumerate(days) if _is_worse(policy, measured, step, champions[step])
        ),
        days_without=sum(length for fit, length in zip(champions, days, strict=True) if fit is None),
        regret=measured.loss(total) - measured.loss(oracle_total),
        money=None
        if costs is None or math.isnan(total)
        else money_of(
            costs,
            policy.spec.evaluation.primary,
            [(errors[step], days[step]) for step in common],
            len(trainings),
            cpu_seconds,
        ),
        problems=tuple(dict.fromkeys(one.problem for one in policy.steps if one.problem)),
        history=trainings,
    )


def oracle_result(
    champions: Sequence[str | None], measured: Measurements, common: Sequence[int], metric: str
) -> PolicyResult:
    """Return the bound that no policy can beat; it trains nothing of its own.

    Args:
        champions: The best fit of each step.
        measured: Measurements of all fits.
        common: Steps that count for the total.
        metric: The primary metric.

    Returns:
        A result without trainings.
    """
    errors = tuple(
        measured.value(fit, step, step + 1) if fit else math.nan for step, fit in enumerate(champions)
    )
    total = total_of(champions, measured, common, measured_by=metric)
    return PolicyResult(ORACLE, total, errors, 0, 0.0, 0, 0, 0, 0, 0.0, 0.0, 0.0, None, (), ())


def total_of(
    champions: Sequence[str | None], measured: Measurements, common: Sequence[int], *, measured_by: str
) -> float:
    """Return the metric over all rows of the common steps, each predicted by the champion of its step.

    Args:
        champions: Key of the fit of every step.
        measured: Measurements of all fits.
        common: Steps that count.
        measured_by: The metric.

    Returns:
        The metric; NaN for a policy that never had a champion.
    """
    if not common or not all(champions[step] for step in common):
        return math.nan
    return METRICS[measured_by].measure(measured.joined(champions, common))


def made_at(followed: Sequence[Followed], data_digests: Mapping[str, str]) -> dict[str, tuple[str, int]]:
    """Return for each fit whose features it reads, and the step at which it was first made.

    Args:
        followed: The policies.
        data_digests: `Policy.data_digest` by name of the policy.

    Returns:
        Digest and step by key of the fit.
    """
    made: dict[str, tuple[str, int]] = {}
    for policy in followed:
        for one in policy.trainings:
            if one.fit is not None and (one.fit not in made or one.step < made[one.fit][1]):
                made[one.fit] = (data_digests[policy.name], one.step)
    return made


def _later(policy: Followed, measured: Measurements, one: Training, index: int) -> float:
    """Return how much better a challenger was than the champion it met, until the next training; NaN for none."""
    if one.fit is None or one.champion is None or one.fit == one.champion:
        return math.nan
    following = policy.trainings[index + 1 :]
    end = following[0].step if following else len(policy.steps)
    return measured.gain(one.fit, one.champion, one.step, end)


def _was_wrong(policy: Followed, measured: Measurements, one: Training) -> bool:
    """Return whether the former champion was better on the rows until the next promotion."""
    if one.outcome != "promoted" or one.champion is None or one.fit is None:
        return False
    end = next(
        (other.step for other in policy.trainings if other.step > one.step and other.outcome == "promoted"),
        len(policy.steps),
    )
    return measured.gain(one.fit, one.champion, one.step, end) < 0


def _is_worse(policy: Followed, measured: Measurements, step: int, champion: str | None) -> bool:
    """Return whether a version at hand was better than the champion in this step, by more than the margin."""
    at_hand = {
        one.fit
        for one in policy.trainings
        if one.step <= step and one.fit is not None and one.fit != champion
    }
    return champion is not None and any(
        measured.gain(fit, champion, step, step + 1) > policy.margin for fit in at_hand
    )


def money_of(
    costs: Costs, metric: str, errors: Iterable[tuple[float, float]], trainings: int, cpu_seconds: float
) -> float:
    """Return what a policy cost in money.

    Args:
        costs: Costs of a training, an hour of its processor time, and a unit of error during one day.
        metric: The primary metric; of one that is better when higher, the distance to its bound is the error.
        errors: Value of the metric and length in days of each step that counts.
        trainings: Number of trainings.
        cpu_seconds: Their processor time.

    Returns:
        The amount, in the currency of the costs.
    """
    error_days = sum(evaluation.gain_scale(metric, value) * days for value, days in errors)
    return costs.training * trainings + costs.cpu_hour * cpu_seconds / 3600 + costs.error_day * error_days
