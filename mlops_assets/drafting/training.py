"""The sections `features`, `split` and `training` of a drafted model file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from mlops_assets.drafting.facts import DAY, ColumnFacts, TableFacts, TimeFacts
from mlops_assets.drafting.scalars import duration, listed, scalar

LONGEST_WINDOW: Final = timedelta(days=36_500)
"""What a model file takes as a duration at most."""


GATES_NEED: Final = 20
"""Test rows without which no gate about a metric passes."""
ENOUGH_TO_TEST: Final = 30
"""Test rows of a small table, since parts by a hash vary."""
TEST_AT_MOST: Final = 40
"""Percent of a small table that is tested on at most."""
FEW_INSTANTS: Final = 60
"""Below this the test part of a panel holds so few instants that no gate passes."""


def features_section(facts: TableFacts) -> Iterator[str]:
    """Yield the inputs, and the features of time and of history.

    Args:
        facts: What the table looks like.

    Yields:
        Lines of YAML.
    """
    yield "features:"
    inputs = facts.of("input")
    if inputs:
        yield "  inputs:"
        for column in inputs:
            yield f"    - {scalar(column.name)} # {_about(column)}"
    elif facts.problem == "forecasting" or facts.own_past:
        yield "  inputs: []"
    for column in facts.of("left out"):
        yield f"    # left out: {column.name}: {column.why}"
    if facts.time is not None:
        yield from _past(facts, facts.time)
    yield "  scaling: standard"


def _past(facts: TableFacts, time: TimeFacts) -> Iterator[str]:
    if facts.horizon is not None:
        yield f"  horizon: {duration(facts.horizon)} # how far ahead; a multiple of the step between readings"
    if parts := _calendar(time):
        yield f"  calendar: {listed(parts)}"
    if facts.problem == "forecasting" and time.step is not None:
        season = DAY / time.step
        steps = [1, 2, 3, *([int(season)] if season.is_integer() and 3 < season <= 2_000 else [])]
        longest = min(time.length / 4, LONGEST_WINDOW)
        windows = [duration(time.step * many) for many in (6, 24) if time.step * many <= longest]
        target = scalar(facts.target)
        yield f"  lags: {{columns: [{target}], steps: {listed(steps)}}}"
        if windows:
            yield f"  rolling: {{columns: [{target}], windows: {listed(windows)}, statistics: [mean, std]}}"
    elif facts.own_past or (facts.problem == "regression" and facts.is_series):
        season = 12 // time.months if time.months else 0
        steps = [1, 2, 3, *([season] if season > 3 and facts.rows > 5 * season else [])]
        yield f"  lags: {{columns: [{scalar(facts.target)}], steps: {listed(steps)}}} # readings, not hours"
    else:
        first = next((column.name for column in facts.of("input")), facts.target)
        yield f"  # lags: {{columns: [{scalar(first)}], steps: [1, 2, 3]}}"


def _calendar(time: TimeFacts) -> tuple[str, ...]:
    """Return the parts of the calendar that differ between readings; none of a counter without a known start."""
    if time.unit in ("h", "d", "week") or (time.months or 0) >= 12:
        return ()
    if time.months:
        return ("month",)
    if time.step is None or time.step < DAY:
        return ("hour", "day_of_week")
    return ("day_of_week", "month") if time.step % (7 * DAY) else ("month",)


def _about(column: ColumnFacts) -> str:
    parts = [column.kind if not column.span else f"{column.kind}, {column.span}"]
    parts += [f"{column.missing:.1%} missing"] if column.missing else []
    parts += [column.note] if column.note else []
    return "; ".join(parts)


def split_section(facts: TableFacts) -> Iterator[str]:
    """Yield the split: by time where there is one, by unit where rows of one follow each other.

    Args:
        facts: What the table looks like.

    Yields:
        Lines of YAML.
    """
    if facts.group is not None:
        yield f"# Rows of one {facts.group} follow each other: whole ones go to one part."
        yield f"split: {{strategy: group, group: {scalar(facts.group)}, train: 70%, validation: 15%, test: 15%}}"
        return
    how = "temporal" if facts.time else "stratified" if facts.problem == "classification" else "random"
    if facts.time is None:
        yield "# No column says when. If rows are in the order of time, a random split is optimistic: add a time."
    if facts.time is not None and facts.entity is not None and facts.time.instants < FEW_INSTANTS:
        instants, entity = facts.time.instants, scalar(facts.entity)
        tested = max(1, instants * 15 // 100)
        yield f"# {instants} instants put about {tested} into the test part: few for the gates to judge by."
        yield f"# To judge by other values of {facts.entity} instead: strategy: group, group: {entity}"
    test = min(max(math.ceil(100 * ENOUGH_TO_TEST / facts.rows), 15), TEST_AT_MOST)
    if test * facts.rows < 100 * GATES_NEED:
        yield f"# {facts.rows} rows are too few for the gates to decide: they need {GATES_NEED} test rows."
        test = 15
    elif test > 15:
        yield f"# {facts.rows} rows: a larger test part than usual, since gates need {GATES_NEED} test rows."
    yield f"split: {{strategy: {how}, train: {85 - test}%, validation: 15%, test: {test}%}}"


def training_section(facts: TableFacts) -> Iterator[str]:
    """Yield two algorithms of different kinds that train quickly.

    Args:
        facts: What the table looks like.

    Yields:
        Lines of YAML.
    """
    simple = "logistic: {max_iter: 1000}" if facts.problem == "classification" else "ridge: {}"
    yield "training:"
    yield "  algorithms: # all are trained; the best on the validation part is compared with the champion"
    yield f"    - {simple}"
    yield f"    - lightgbm: {{num_leaves: {15 if facts.rows < 5_000 else 31}, learning_rate: 0.05, n_estimators: 200}}"
    yield "  time_limit: 30m"
    yield "  seed: 42"
