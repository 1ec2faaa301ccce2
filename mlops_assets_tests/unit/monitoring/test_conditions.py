"""Conditions of the readings: exact, whatever the parts in which the readings are swept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.errors import DataError
from mlops_assets.model_file.operations import ReadingRule
from mlops_assets.monitoring import conditions
from mlops_assets.monitoring.conditions import Condition, Swept, sweep

START = datetime(2026, 3, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def rule(**keys: Any) -> ReadingRule:
    return ReadingRule.model_validate({"column": "t", "clear_after": None} | keys)


def frame(**values: list[float | None]) -> pl.DataFrame:
    """One row a minute for each entity."""
    rows = [
        {"at": START + MINUTE * i, "pump": name, "t": value}
        for name, series in values.items()
        for i, value in enumerate(series)
    ]
    schema: dict[str, Any] = {"at": pl.Datetime("us", "UTC"), "pump": pl.String, "t": pl.Float64}
    return pl.DataFrame(rows, schema=schema)


def minutes(condition: Condition) -> tuple[str, int, int, int, int | None]:
    def minute(at: datetime) -> int:
        return round((at - START) / MINUTE)

    closed = None if condition.closed_at is None else minute(condition.closed_at)
    return (
        condition.entity,
        minute(condition.started_at),
        minute(condition.ended_at),
        condition.readings,
        closed,
    )


def swept(rules: dict[str, ReadingRule], rows: pl.DataFrame, *cuts: int) -> list[tuple[str, Condition]]:
    """Sweep in parts that end after these minutes; the last state of each condition."""
    state = Swept(START - MINUTE, {})
    result: dict[tuple[str, str, datetime], Condition] = {}
    for cut in (*cuts, 10_000):
        until = START + MINUTE * cut
        state, touched = sweep(rules, rows.filter(pl.col("at") <= until), "at", "pump", state, until)
        result |= {(one.rule, one.entity, one.started_at): one for one in touched}
    return [(one.rule, one) for one in result.values()]


def test_conditions_begin_last_and_end_for_each_entity() -> None:
    rows = frame(a=[1, 9, 9, 1, 9], b=[9, 1, 1, 1, 1])
    assert [minutes(one) for _, one in swept({"hot": rule(above=5)}, rows)] == [
        ("a", 1, 2, 2, 3),
        ("a", 4, 4, 1, None),
        ("b", 0, 0, 1, 1),
    ]


def test_a_condition_counts_when_it_is_sustained() -> None:
    rows = frame(a=[9, 9, 1, 9, 9, 9, 1])
    assert [minutes(one) for _, one in swept({"hot": rule(above=5, sustained="2m")}, rows)] == [
        ("a", 3, 5, 3, 6)
    ]


def test_a_missing_value_neither_begins_nor_ends_a_condition() -> None:
    rows = frame(a=[9, None, float("nan"), 9, None], b=[None, None, 1, 1, 1])
    assert [minutes(one) for _, one in swept({"hot": rule(above=5)}, rows)] == [("a", 0, 3, 2, None)]
    gone = swept({"gone": rule(missing=True)}, rows)
    assert [minutes(one) for _, one in gone] == [("a", 1, 2, 2, 3), ("a", 4, 4, 1, None), ("b", 0, 1, 2, 2)]


def test_values_below_and_codes() -> None:
    rows = frame(a=[0, 4, 2, 4, 4])
    assert len(swept({"code": rule(equals=(4, 7))}, rows)) == 2
    assert [minutes(one) for _, one in swept({"low": rule(below=1)}, rows)] == [("a", 0, 0, 1, 1)]


def test_readings_of_an_entity_that_arrive_late_are_swept() -> None:
    early = frame(a=[1, 1, 1], b=[1, 1, 1]).filter((pl.col("pump") == "a") | (pl.col("at") == START))
    late = frame(a=[1, 1, 1], b=[1, 9, 9])
    until = START + 2 * MINUTE
    state, none = sweep({"hot": rule(above=5)}, early, "at", "pump", Swept(START - MINUTE, {}), until)
    assert none == ()
    _, touched = sweep({"hot": rule(above=5)}, late, "at", "pump", state, until + MINUTE)
    assert [minutes(one) for one in touched] == [("b", 1, 2, 2, None)]


def test_a_rule_that_does_not_fit_its_column_is_named() -> None:
    rows = frame(a=[1]).with_columns(t=pl.lit("warm"))
    with pytest.raises(DataError, match=r"alerts.rules.hot: the column 't' holds String"):
        swept({"hot": rule(above=5)}, rows)


def test_a_condition_that_returns_soon_is_the_same_once_more() -> None:
    rows = frame(a=[9, 1, 9, 1, 1, 9, 1, 1, 1, 9])
    [(_, first), (_, last)] = swept({"hot": rule(above=5, clear_after="3m")}, rows, *range(10))
    assert (minutes(first), first.times) == (("a", 0, 5, 3, 6), 3)
    assert (minutes(last), last.times) == (("a", 9, 9, 1, None), 1)


def test_a_condition_of_an_entity_that_falls_silent_is_over_in_the_end() -> None:
    rows = frame(a=[9, 1])
    assert [minutes(one) for _, one in swept({"hot": rule(above=5, clear_after="30m")}, rows, 5)] == [
        ("a", 0, 0, 1, 1)
    ]


def test_of_too_many_conditions_some_are_followed_and_the_others_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conditions, "MOST_CONDITIONS", 3)
    rules, state = {"hot": rule(above=5), "warm": rule(above=3)}, Swept(START - MINUTE, {})
    state, touched = sweep(rules, frame(a=[9], b=[9]), "at", "pump", state, START)
    assert ([(one.rule, one.entity) for one in touched], state.untracked) == (
        [("hot", "a"), ("hot", "b"), ("warm", "a")],
        1,
    )
    rows = frame(a=[9, 9], b=[9, 1])
    state, touched = sweep(rules, rows, "at", "pump", state, START + MINUTE)
    assert (len(touched), state.untracked) == (3, 0)
    state, touched = sweep(rules, frame(b=[9, 1, 4]), "at", "pump", state, START + 2 * MINUTE)
    assert [(one.rule, one.entity) for one in touched] == [("warm", "b")]  # there is room again


VALUES = st.lists(st.sampled_from([1.0, 9.0, None]), min_size=1, max_size=25)


@settings(max_examples=60, deadline=None)
@given(VALUES, VALUES, st.lists(st.integers(0, 25), max_size=6), st.integers(0, 3), st.integers(0, 4))
def test_parts_and_whole_give_the_same(
    a: list[float | None], b: list[float | None], cuts: list[int], lasts: int, clears: int
) -> None:
    clear_after = {"clear_after": f"{clears}m"} if clears else {}
    rules = {
        "hot": rule(above=5, **clear_after, **({"sustained": f"{lasts}m"} if lasts else {})),
        "gone": rule(missing=True, **clear_after),
    }
    rows = frame(a=a, b=b)
    assert sorted(map(repr, swept(rules, rows, *sorted(cuts)))) == sorted(map(repr, swept(rules, rows)))
