"""A random split of rows that follow each other in time is told on, and nothing else is."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from mlops_assets.features import autocorrelation_warning, build
from mlops_assets_tests.unit.features.feature_factory import model, readings, wine

RNG = np.random.default_rng(3)
ROWS = 600


def chain(stay: float) -> pl.DataFrame:
    turns = RNG.random(ROWS) > stay
    return pl.DataFrame({"y": np.where(np.cumsum(turns) % 2 == 0, "up", "down"), "a": RNG.random(ROWS)})


def test_classes_that_stay_are_alike() -> None:
    message = autocorrelation_warning(wine(), chain(0.9))
    assert message is not None
    assert message.startswith("consecutive rows are autocorrelated (9")
    assert message.endswith("give a timestamp, a random split is optimistic")


@pytest.mark.parametrize("stay", [0.5, 0.6, 0.1])
def test_classes_that_change_at_will_are_not(stay: float) -> None:
    assert autocorrelation_warning(wine(), chain(stay)) is None


def test_one_frequent_class_is_not_enough() -> None:
    frame = pl.DataFrame({"y": np.where(RNG.random(ROWS) < 0.97, "up", "down")})
    assert autocorrelation_warning(wine(), frame) is None


@pytest.mark.parametrize("order", ["abc", "cab"])
def test_a_table_sorted_by_class_says_nothing_about_time(order: str) -> None:
    assert (
        autocorrelation_warning(wine(), pl.DataFrame({"y": [name for name in order for _ in range(200)]}))
        is None
    )


def numbers(correlation: float) -> pl.DataFrame:
    values = [0.0]
    for step in RNG.normal(size=ROWS):
        values.append(correlation * values[-1] + step)
    return pl.DataFrame({"y": values})


def test_numbers_that_drift_are_alike() -> None:
    spec = wine(problem="regression", training={"algorithms": ["ridge"]}, evaluation={"primary": "rmse"})
    message = autocorrelation_warning(spec, numbers(0.9))
    assert message is not None
    assert "correlates by 0." in message
    assert autocorrelation_warning(spec, numbers(0.2)) is None
    assert autocorrelation_warning(spec, numbers(0.9).sort("y")) is None, (
        "sorted by the target: no time in it"
    )
    assert autocorrelation_warning(spec, numbers(0.9)[:40]) is None, "too few rows to tell"
    assert autocorrelation_warning(spec, pl.DataFrame({"y": [1.0] * ROWS})) is None


def test_a_split_by_time_is_not_optimistic() -> None:
    drifting = build(model(), readings(300)).with_columns(y=pl.int_range(pl.len()).cast(pl.Float64) % 100)
    assert autocorrelation_warning(model(), drifting) is None
    message = autocorrelation_warning(model(split={"strategy": "random"}), drifting)
    assert message is not None
    assert "split by time" in message
