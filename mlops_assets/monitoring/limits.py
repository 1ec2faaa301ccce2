"""Limits of a movement from an alarm budget: so many false alarms a period, over all features together.

Comes in: the null distribution in a column's profile, or numbers of rows where rows are independent. Goes out: limits
for one drift method. The chance of one report is divided among the features (Bonferroni); reports over overlapping
windows are counted as if each could ring on its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from mlops_assets.artifacts import ColumnProfile, Profile, WindowNull
from mlops_assets.drift_methods import DRIFT_METHODS, Bins
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.operations import MonitoringSpec
from mlops_assets.model_file.values import format_duration

REPORTS_PER_WINDOW: Final = 7
"""Reports that look at one window's length, as daily reports do at a week."""
MODERATE: Final = 10.0
"""A moderate movement may happen so many times as often as a significant one."""
DRAWS: Final = 100
"""Samples that stand for windows of independent rows."""
MIN_INDEPENDENT: Final = 4.0
"""Fewer independent windows say too little about how much windows differ."""
MOST_FREEDOM: Final = 8.0
"""Degrees of freedom that are believed: dependent rows have heavier tails than a normal sample."""
FEWER_ROWS: Final = 0.8
"""Windows with less than this share of the usual rows move further by chance alone."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one drift method for one feature.

    Attributes:
        warn: Below it the feature is stable.
        act: Above it the movement is significant.
        reason: Why they are the usual limits although the model file has an alarm budget; empty otherwise.
        learned: Whether they follow from an alarm budget.
    """

    warn: float
    act: float
    reason: str = ""
    learned: bool = False


def limits_of(
    spec: ModelSpec,
    method: str,
    profile: Profile,
    column: ColumnProfile,
    expected: Bins,
    *,
    rows: int,
    features: int,
) -> Limits:
    """Return the limits of the model file: fixed ones, or those that keep its alarm budget.

    The latter are never below the method's usual limit of a stable movement: a movement that small changes nothing.

    Args:
        spec: The model file, with limits or budget and the length of the window.
        method: Name of the drift method.
        profile: The champion's training data.
        column: The feature in it.
        expected: The feature's reference in bins.
        rows: Present values of the new window.
        features: Features that share the budget.

    Returns:
        The limits; with a budget but too little training data, the method's usual ones and the reason.

    Raises:
        ValueError: If no limit keeps the budget, because the training data moves too far or too slowly by itself.
    """
    monitoring = spec.monitoring
    usual = DRIFT_METHODS[method]
    alarms = monitoring.alarm_budget
    if alarms is None:
        fixed = monitoring.drift_limits
        return Limits(fixed.warn, fixed.act) if fixed.method == method else Limits(usual.warn, usual.act)
    reports = REPORTS_PER_WINDOW * (alarms.per / monitoring.window)
    chance = min(0.5, alarms.at_most / reports / max(1, features))
    chances = min(0.5, MODERATE * chance), chance
    trained = max(1, round(profile.rows * (1.0 - column.missing)))
    if spec.timestamp is None:
        values = _independent_rows(method, expected, trained, rows)
        warn, act = (_quantile(method, values, len(values), one) for one in chances)
    else:
        null = column.null
        if reason := _not_usable(monitoring, method, profile, null):
            return Limits(usual.warn, usual.act, reason)
        assert null is not None
        if null.independent < MIN_INDEPENDENT:
            raise ValueError(
                f"windows of the training data resemble the one before so much that its {profile.windows:.0f} windows "
                f"are worth {null.independent:.1f} independent ones; train on more, or set fixed limits"
            )
        warn, act = (_quantile(method, null.values[method], null.independent, one) for one in chances)
        if rows < FEWER_ROWS * null.rows:
            values = _independent_rows(method, expected, trained, rows)
            warn += _quantile(method, values, len(values), chances[0])
            act += _quantile(method, values, len(values), chances[1])
    if act >= _largest_value(method, expected):
        raise ValueError(
            "windows of the training data move so far by themselves that no movement can be told from them; lengthen "
            "monitoring.window, or set fixed limits"
        )
    return Limits(max(warn, usual.warn), max(act, usual.warn), learned=True)


def _largest_value(method: str, expected: Bins) -> float:
    """Return how far a feature can move at most: all new values in one bin."""
    number = len(expected.proportions)
    alone = (tuple(float(i == one) for i in range(number)) for one in range(number))
    function = DRIFT_METHODS[method].function
    return max(function(expected, replace(expected, proportions=proportions)) for proportions in alone)


def _not_usable(monitoring: MonitoringSpec, method: str, profile: Profile, null: WindowNull | None) -> str:
    """Return why there is no null distribution of this window's length; empty if there is one."""
    length = format_duration(monitoring.window)
    if profile.window is None:
        return "fixed limits: the version was trained before limits were learned from the training data"
    if profile.window != monitoring.window:
        return (
            f"fixed limits: they were learned for windows of {format_duration(profile.window)}, not {length}"
        )
    if null is None or method not in null.values:
        return (
            f"fixed limits: the training data holds {profile.windows:.1f} windows of {length} with enough values, too "
            "few to learn how far they move by themselves; train on more, or shorten monitoring.window"
        )
    return ""


def _quantile(method: str, values: Sequence[float], independent: float, chance: float) -> float:
    """Return a limit that a new window of the same source exceeds with a small chance.

    The prediction limit of a normal sample (mean, standard deviation, Student's t for as many values as are
    independent), after a power that makes the values about normal; and never below that share of the values.
    """
    from scipy.special import stdtrit

    power = DRIFT_METHODS[method].normal_power
    powered = np.maximum(np.asarray(values, dtype=np.float64), 0.0) ** power
    freedom = min(max(1.0, independent - 1.0), MOST_FREEDOM)
    width = float(stdtrit(freedom, 1.0 - chance)) * np.sqrt(1.0 + 1.0 / independent)
    normal: float = float(powered.mean() + width * powered.std(ddof=1)) ** (1.0 / power)
    return max(normal, float(np.quantile(values, 1.0 - chance, method="higher")))


def _independent_rows(method: str, expected: Bins, trained: int, rows: int) -> list[float]:
    """Return values of the method for windows of independent rows from the training distribution."""
    random = np.random.default_rng(0)
    shares = np.asarray(expected.proportions) / np.sum(expected.proportions)
    before = random.multinomial(trained, shares, DRAWS) / trained
    after = random.multinomial(rows, shares, DRAWS) / rows
    function = DRIFT_METHODS[method].function
    return [
        function(replace(expected, proportions=tuple(e)), replace(expected, proportions=tuple(a)))
        for e, a in zip(before.tolist(), after.tolist(), strict=True)
    ]
