"""Conditions of the readings: since when a rule has been true for each entity, and when it ended.

Comes in: the rules of a model file, the readings of a span, and how far earlier sweeps came. Goes out: the conditions
that are sustained, and how far this sweep came. Sweeping a span at once or in parts gives the same conditions, as long
as no more than `MOST_CONDITIONS` are true at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlops_assets.errors import DataError
from mlops_assets.model_file.operations import ReadingRule

EVERYTHING: Final = "all"
"""The entity of a model file that names none."""
LATE_WITHIN: Final = timedelta(hours=2)
"""Readings of an entity that arrive so late are swept; waiting longer for one that is silent would read too much."""
MOST_CONDITIONS: Final = 5_000
"""Conditions of one model that are followed at once; of a storm the first ones, and the number of the others."""
_ENTITY: Final = "_entity"
_AT: Final = "_at"


@dataclass(frozen=True, slots=True)
class Condition:
    """A rule was true for one entity from the reading at `started_at` to that at `ended_at`, `readings` in all.

    closed_at: the reading that ended it; None while it lasts. times: how often it was true, with less than the rule's
    `clear_after` in between.
    """

    rule: str
    entity: str
    started_at: datetime
    ended_at: datetime
    readings: int
    closed_at: datetime | None = None
    times: int = 1

    def is_sustained(self, rule: ReadingRule) -> bool:
        """Return whether the condition has lasted as long as its rule asks.

        Args:
            rule: The rule.

        Returns:
            True from the first reading on where the rule names no duration.
        """
        return self.ended_at - self.started_at >= (rule.sustained or timedelta(0))


@dataclass(frozen=True, slots=True)
class Swept:
    """How far the sweeps came.

    Attributes:
        until: Instant up to which the source was read.
        newest: Instant of the newest reading by entity, for those with one in the last `LATE_WITHIN`.
        lasting: Conditions that were true at the newest reading of their entity, sustained or not.
        clearing: Sustained conditions that are false since their `closed_at`, too short to be over.
        untracked: Conditions that began in this sweep and are not followed, because too many are.
    """

    until: datetime
    newest: dict[str, datetime]
    lasting: tuple[Condition, ...] = ()
    clearing: tuple[Condition, ...] = ()
    untracked: int = 0


def sweep(
    rules: Mapping[str, ReadingRule],
    readings: pl.DataFrame,
    timestamp: str,
    entity: str | None,
    before: Swept,
    until: datetime,
) -> tuple[Swept, tuple[Condition, ...]]:
    """Apply rules to the readings that are newer than what was swept before.

    Args:
        rules: Rules by name.
        readings: Rows in any order, with instants in UTC; those that were swept before are left out.
        timestamp: Column of the instants.
        entity: Column of what a reading is about; None where all are about one thing.
        before: How far earlier sweeps came.
        until: Instant up to which the source was read.

    Returns:
        How far the sweeps came now; and the sustained conditions that began, went on or ended, in the order of rules.
    """
    rows = _new_rows(readings, timestamp, entity, before)
    names = rows[_ENTITY].unique(maintain_order=True).to_list()
    codes = rows[_ENTITY].rle_id().to_numpy()
    instants = rows[_AT].to_physical().to_numpy()
    newest = before.newest | dict(rows.group_by(_ENTITY).agg(pl.col(_AT).max()).iter_rows())
    lasting, clearing = _by_rule(before.lasting), _by_rule(before.clearing)
    touched: list[Condition] = []
    untracked, room = 0, MOST_CONDITIONS - len(before.lasting)
    for name, rule in rules.items():
        current, paused = lasting.setdefault(name, {}), clearing.setdefault(name, {})
        states = _states(rows, name, rule)
        if current or bool((states == 1).any()):
            conditions, dropped = _conditions(name, states, codes, instants, names, current, room)
            untracked += dropped
            for condition in conditions:
                touched += _follow(condition, rule, current, paused)
            room = MOST_CONDITIONS - sum(map(len, lasting.values()))
        touched += _over(rule, current, paused, newest, until)
    recent = {who: at for who, at in newest.items() if at >= until - LATE_WITHIN}
    after = Swept(
        until,
        recent,
        tuple(one for name in rules for one in lasting[name].values()),
        tuple(one for name in rules for one in clearing[name].values()),
        untracked,
    )
    return after, tuple(touched)


def _by_rule(conditions: Iterable[Condition]) -> dict[str, dict[str, Condition]]:
    by_rule: dict[str, dict[str, Condition]] = {}
    for one in conditions:
        by_rule.setdefault(one.rule, {})[one.entity] = one
    return by_rule


def _follow(
    condition: Condition, rule: ReadingRule, current: dict[str, Condition], paused: dict[str, Condition]
) -> Iterator[Condition]:
    """Yield what to record about a condition that began, went on or became false; one that returns goes on."""
    entity = condition.entity
    if condition.is_sustained(rule):
        earlier = paused.pop(entity, None)
        if earlier is not None and _returned(earlier, condition, rule):
            condition = replace(
                condition,
                started_at=earlier.started_at,
                readings=earlier.readings + condition.readings,
                times=earlier.times + 1,
            )
        elif earlier is not None:
            yield earlier
        if condition.closed_at is not None and rule.clear_after is not None:
            paused[entity] = condition
            yield replace(condition, closed_at=None)
        else:
            yield condition
    if condition.closed_at is None:
        current[entity] = condition
    else:
        current.pop(entity, None)


def _returned(earlier: Condition, condition: Condition, rule: ReadingRule) -> bool:
    """Return whether a condition began so soon after another one became false that it is the same."""
    if rule.clear_after is None or earlier.closed_at is None:
        return False
    return condition.started_at - earlier.closed_at < rule.clear_after


def _over(
    rule: ReadingRule,
    current: Mapping[str, Condition],
    paused: dict[str, Condition],
    newest: Mapping[str, datetime],
    until: datetime,
) -> Iterator[Condition]:
    """Yield the conditions that were false for `clear_after`, or whose entity is silent since, and forget them."""
    for entity, one in tuple(paused.items()):
        if one.closed_at is None:
            continue
        end = one.closed_at + (rule.clear_after or timedelta(0))
        returns = entity in current and _returned(one, current[entity], rule)
        if not returns and max(newest.get(entity, end - LATE_WITHIN), until - LATE_WITHIN) >= end:
            yield paused.pop(entity)


def _new_rows(readings: pl.DataFrame, timestamp: str, entity: str | None, before: Swept) -> pl.DataFrame:
    """Return the rows newer than the newest of their entity, by entity and time; the last of equal instants stays."""
    who = pl.lit(EVERYTHING) if entity is None else pl.col(entity).cast(pl.String)
    rows = readings.with_columns(
        who.alias(_ENTITY), pl.col(timestamp).cast(pl.Datetime("us", "UTC")).alias(_AT)
    ).filter(pl.col(_ENTITY).is_not_null())
    known = pl.DataFrame(
        {_ENTITY: list(before.newest), "_newest": list(before.newest.values())},
        schema={_ENTITY: pl.String, "_newest": pl.Datetime("us", "UTC")},
    )
    rows = rows.join(known, on=_ENTITY, how="left", maintain_order="left")
    rows = rows.filter(pl.col("_newest").is_null() | (pl.col(_AT) > pl.col("_newest")))
    return rows.unique([_ENTITY, _AT], keep="last", maintain_order=True).sort(_ENTITY, _AT)


def _states(rows: pl.DataFrame, name: str, rule: ReadingRule) -> NDArray[np.int8]:
    """Return 1 where the rule is true, 0 where it is false, -1 where the value is missing and says nothing."""
    value = pl.col(rule.column)
    if rows.schema[rule.column].is_float():
        value = value.fill_nan(None)
    parts = [pl.when(value.is_not_null()).then(pl.lit(0)).cast(pl.Boolean)]
    if rule.above is not None:
        parts.append(value > rule.above)
    if rule.below is not None:
        parts.append(value < rule.below)
    if rule.equals is not None:
        parts += [value == code for code in rule.equals]
    holds = pl.any_horizontal(parts).cast(pl.Int8).fill_null(1 if rule.missing else -1)
    try:
        return rows.select(holds.alias("holds"))["holds"].to_numpy()
    except pl.exceptions.PolarsError:
        raise DataError(
            f"alerts.rules.{name}: the column {rule.column!r} holds {rows.schema[rule.column]}, which cannot be "
            "compared with the values of the rule; correct them, or declare repairs.cast"
        ) from None


def _conditions(
    rule: str,
    states: NDArray[np.int8],
    codes: NDArray[Any],
    instants: NDArray[Any],
    names: list[str],
    carried: Mapping[str, Condition],
    most: int,
) -> tuple[list[Condition], int]:
    """Return the conditions of one rule that these rows begin, continue or end; the rows stand by entity and time.

    Of those that begin, at most `most` are returned, and the number of the others.
    """
    known = np.flatnonzero(states >= 0)
    if not len(known):
        return [], 0
    states, codes, instants = states[known], codes[known], instants[known]
    changes = np.flatnonzero((states[1:] != states[:-1]) | (codes[1:] != codes[:-1])) + 1
    starts = np.concatenate(([0], changes))
    ends = np.concatenate((changes, [len(states)])) - 1
    first_of_entity = np.concatenate(([True], codes[starts[1:]] != codes[starts[:-1]]))
    known_before = [i for i, name in enumerate(names) if name in carried]
    continued = first_of_entity & np.isin(codes[starts], known_before)
    began = np.flatnonzero((states[starts] == 1) & ~continued)
    relevant = np.union1d(np.flatnonzero(continued), began[: max(most, 0)])
    conditions = []
    for run in relevant.tolist():
        start, end = starts[run], ends[run]
        entity = names[codes[start]]
        earlier = carried[entity] if continued[run] else None
        if states[start] == 0:
            if earlier is not None:
                conditions.append(replace(earlier, closed_at=_instant(instants[start])))
            continue
        is_last = run + 1 == len(starts) or bool(first_of_entity[run + 1])
        condition = Condition(
            rule,
            entity,
            _instant(instants[start]),
            _instant(instants[end]),
            int(end - start + 1),
            None if is_last else _instant(instants[starts[run + 1]]),
        )
        if earlier is not None:
            condition = replace(
                condition,
                started_at=earlier.started_at,
                readings=condition.readings + earlier.readings,
                times=earlier.times,
            )
        conditions.append(condition)
    return conditions, max(len(began) - max(most, 0), 0)


def _instant(microseconds: Any) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(microseconds))
