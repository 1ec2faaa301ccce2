"""The sections `features`, `split` and `training` of a drafted model file."""

from __future__ import annotations

from collections.abc import Iterator

from mlops_assets.drafting.facts import DAY, ColumnFacts, TableFacts, TimeFacts
from mlops_assets.drafting.scalars import duration, listed, scalar


def features_section(facts: TableFacts) -> Iterator[str]:
    """Yield the inputs, and the features of time and of history.

    Args:
        facts: What the table looks like.
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
    fine = time.step is None or time.step < DAY
    calendar = "[hour, day_of_week]" if fine else "[month]" if time.months else "[day_of_week, month]"
    yield f"  calendar: {calendar}"
    if facts.problem == "forecasting" and time.step is not None:
        season = DAY / time.step
        steps = [1, 2, 3, *([int(season)] if season.is_integer() and 3 < season <= 2_000 else [])]
        windows = [duration(time.step * 6), duration(time.step * 24)]
        target = scalar(facts.target)
        yield f"  lags: {{columns: [{target}], steps: {listed(steps)}}}"
        yield f"  rolling: {{columns: [{target}], windows: {listed(windows)}, statistics: [mean, std]}}"
    elif facts.own_past or (facts.problem == "regression" and facts.is_series):
        season = 12 // time.months if time.months else 0
        steps = [1, 2, 3, *([season] if season > 3 and facts.rows > 5 * season else [])]
        yield f"  lags: {{columns: [{scalar(facts.target)}], steps: {listed(steps)}}} # readings, not hours"
    else:
        first = next((column.name for column in facts.of("input")), facts.target)
        yield f"  # lags: {{columns: [{scalar(first)}], steps: [1, 2, 3]}}"


def _about(column: ColumnFacts) -> str:
    parts = [column.kind if not column.span else f"{column.kind}, {column.span}"]
    parts += [f"{column.missing:.1%} missing"] if column.missing else []
    parts += [column.note] if column.note else []
    return "; ".join(parts)


def split_section(facts: TableFacts) -> Iterator[str]:
    """Yield the split: by time where there is one, by unit where rows of one follow each other.

    Args:
        facts: What the table looks like.
    """
    if facts.group is not None:
        yield f"# Rows of one {facts.group} follow each other: whole ones go to one part."
        yield f"split: {{strategy: group, group: {scalar(facts.group)}, train: 70%, validation: 15%, test: 15%}}"
        return
    how = "temporal" if facts.time else "stratified" if facts.problem == "classification" else "random"
    if facts.time is None:
        yield "# No column says when. If rows are in the order of time, a random split is optimistic: add a time."
    yield f"split: {{strategy: {how}, train: 70%, validation: 15%, test: 15%}}"


def training_section(facts: TableFacts) -> Iterator[str]:
    """Yield two algorithms of different kinds that train quickly.

    Args:
        facts: What the table looks like.
    """
    simple = "logistic: {max_iter: 1000}" if facts.problem == "classification" else "ridge: {}"
    yield "training:"
    yield "  algorithms: # all are trained; the best on the validation part is compared with the champion"
    yield f"    - {simple}"
    yield f"    - lightgbm: {{num_leaves: {15 if facts.rows < 5_000 else 31}, learning_rate: 0.05, n_estimators: 200}}"
    yield "  time_limit: 30m"
    yield "  seed: 42"
