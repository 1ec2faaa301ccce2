"""The point-in-time join: never a fact from later, also not one that was late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from mlops_assets.errors import DataError
from mlops_assets.readings.sources.asof_join import asof_join


def day(number: int, hour: int = 0) -> datetime:
    return datetime(2025, 1, number, hour, tzinfo=UTC)


LEFT = pl.DataFrame({"at": [day(5), day(2), day(1), day(5)], "unit": ["u", "u", "u", "v"], "x": [1, 2, 3, 4]})
RIGHT = pl.DataFrame({"at": [day(4), day(2), day(6)], "unit": ["u", "u", "u"], "price": [40.0, 20.0, 60.0]})


def test_the_newest_known_of_the_same_entity_in_place() -> None:
    joined = asof_join(LEFT, RIGHT, on="at", by=["unit"])
    assert joined.columns == ["at", "unit", "x", "price"]
    assert joined["x"].to_list() == [1, 2, 3, 4]
    assert joined["price"].to_list() == [40.0, 20.0, None, None]


def test_a_late_fact_is_not_known_before_it_arrives_and_never_replaces_a_newer_one() -> None:
    facts = pl.DataFrame(
        {
            "at": [day(1), day(3), day(2)],
            "price": [10.0, 30.0, 20.0],
            "seen": [day(1), day(4), day(6)],
        }
    )
    requested = pl.DataFrame({"at": [day(1), day(3, 12), day(4), day(7)]})
    joined = asof_join(requested, facts, on="at", available="seen")
    assert joined["price"].to_list() == [10.0, 10.0, 30.0, 30.0]
    assert joined.columns == ["at", "price", "seen"]


def test_old_facts_are_left_out_and_the_later_of_two_counts() -> None:
    twice = pl.concat([RIGHT, RIGHT.with_columns(pl.col("price") + 1)])
    joined = asof_join(LEFT, twice, on="at", by=["unit"], max_age=timedelta(hours=12))
    assert joined["price"].to_list() == [None, 21.0, None, None]


def test_against_a_search_by_hand() -> None:
    chance = np.random.default_rng(0)
    left = pl.DataFrame(
        {
            "at": [day(1) + timedelta(hours=int(h)) for h in chance.integers(0, 500, 300)],
            "unit": chance.choice(["u", "v"], 300),
        }
    )
    right = pl.DataFrame(
        {
            "at": [day(1) + timedelta(hours=int(h)) for h in chance.permutation(500)[:200]],
            "unit": chance.choice(["u", "v"], 200),
            "price": range(200),
        }
    )
    late = pl.Series("late", chance.integers(0, 50, 200))
    right = right.with_columns(late).with_columns(seen=pl.col("at") + pl.duration(hours="late")).drop("late")
    joined = asof_join(left, right, on="at", by=["unit"], available="seen")
    for row in joined.iter_rows(named=True):
        known = right.filter(pl.col("unit") == row["unit"], pl.col("seen") <= row["at"]).sort("at")
        assert row["price"] == (known["price"][-1] if known.height else None)


def test_messages() -> None:
    with pytest.raises(DataError, match=r"the right table has no column 'unit'; did you mean 'units'\?"):
        asof_join(LEFT, RIGHT.rename({"unit": "units"}), on="at", by=["unit"])
    with pytest.raises(DataError, match="'x' stands in both tables"):
        asof_join(LEFT, RIGHT.rename({"price": "x"}), on="at", by=["unit"])
