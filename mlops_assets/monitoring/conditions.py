"""Conditions of the readings: since when a rule has been true for each entity, and when it ended.

Comes in: the rules of a model file, the readings of a span, and how far earlier sweeps came. Goes out: the conditions
that are sustained, and how far this sweep came. Sweeping a span at once or in parts gives the same conditions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
_ENTITY: Final = "_entity"
_AT: Final = "_at"


@dataclass(frozen=True, slots=True)
class Condition:
    """A rule was true for one entity from the reading at `started_at` to that at `ended_at`, `readings` in all.

    closed_at: the reading that ended it; None while it lasts.
    """

    rule: str
    entity: str
    started_at: datetime
    ended_at: datetime
    readings: int
    closed_at: datetime | None = None

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
    """

    until: datetime
    newest: dict[str, datetime]
    lasting: tuple[Condition, ...] = ()


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
    lasting: dict[str, dict[str, Condition]] = {}
    for one in before.lasting:
        lasting.setdefault(one.rule, {})[one.entity] = one
    touched: list[Condition] = []
    for name, rule in rules.items():
        current = lasting.setdefault(name, {})
        states = _states(rows, name, rule)
        if current or bool((states == 1).any()):
            for condition in tuple(_conditions(name, states, codes, instants, names, current)):
                if condition.closed_at is None:
                    current[condition.entity] = condition
                else:
                    current.pop(condition.entity, None)
                if condition.is_sustained(rule):
                    touched.append(condition)
    newest = before.newest | dict(rows.group_by(_ENTITY).agg(pl.col(_AT).max()).iter_rows())
    recent = {who: at for who, at in newest.items() if at >= until - LATE_WITHIN}
    return Swept(until, recent, tuple(one for name in rules for one in lasting[name].values())), tuple(
        touched
    )


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
) -> Iterator[Condition]:
    """Yield the conditions of one rule that these rows begin, continue or end; the rows stand by entity and time."""
    known = np.flatnonzero(states >= 0)
    if not len(known):
        return
    states, codes, instants = states[known], codes[known], instants[known]
    changes = np.flatnonzero((states[1:] != states[:-1]) | (codes[1:] != codes[:-1])) + 1
    starts = np.concatenate(([0], changes))
    ends = np.concatenate((changes, [len(states)])) - 1
    first_of_entity = np.concatenate(([True], codes[starts[1:]] != codes[starts[:-1]]))
    if carried:
        continued = np.isin(codes[starts], [i for i, name in enumerate(names) if name in carried])
        relevant = np.flatnonzero((states[starts] == 1) | (first_of_entity & continued))
    else:
        relevant = np.flatnonzero(states[starts] == 1)
    for run in relevant.tolist():
        start, end = starts[run], ends[run]
        entity = names[codes[start]]
        earlier = carried.get(entity) if first_of_entity[run] else None
        if states[start] == 0:
            if earlier is not None:
                yield replace(earlier, closed_at=_instant(instants[start]))
            continue
        is_last = run + 1 == len(starts) or bool(first_of_entity[run + 1])
        yield Condition(
            rule,
            entity,
            earlier.started_at if earlier else _instant(instants[start]),
            _instant(instants[end]),
            int(end - start + 1) + (earlier.readings if earlier else 0),
            None if is_last else _instant(instants[starts[run + 1]]),
        )


def _instant(microseconds: Any) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(microseconds))
