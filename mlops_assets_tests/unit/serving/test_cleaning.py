"""A value in a request is cleaned as the same value in a table that training reads."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from mlops_assets.errors import DataError
from mlops_assets.model_file.repairs import RepairsSpec
from mlops_assets.readings.cleaning.steps import apply_steps
from mlops_assets.serving.cleaning import clean_rows

SPEC = RepairsSpec(
    missing_text=("n/a", "-"),
    decimal_comma=("price",),
    thousands=("rent",),
    sentinels={"level": (-99, 1e4), "kind": ("?",)},
)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("price", ["1.234,5", "12,50 €", "7", " 3,5 ", "-", None]),
        ("rent", ["1,234.5", "$99", "45 %", "n/a", None]),
        ("level", [-99, -99.0, 10_000, 3.5, 0, None]),
        ("kind", ["?", " ? ", "pump", "n/a", " - ", None]),
    ],
)
def test_a_request_reads_each_value_as_training_reads_it(name: str, values: list[Any]) -> None:
    table = pl.DataFrame({one: [None] * len(values) for one in ("price", "rent", "level", "kind")})
    table = table.with_columns(pl.Series(name, values, strict=False))
    expected = apply_steps(table, SPEC, "the table")[0][name].to_list()
    cleaned = [row[name] for row in clean_rows(SPEC, [{name: value} for value in values])]
    assert cleaned == expected


def test_text_that_is_no_number_in_the_notation_is_refused_with_row_and_column() -> None:
    with pytest.raises(
        DataError, match=r"row 2, column 'price': 'soon' is not a number as repairs.decimal_comma"
    ):
        clean_rows(SPEC, [{"price": "1,5"}, {"price": "soon"}])


def test_requests_stay_as_they_are_where_nothing_is_declared() -> None:
    rows: list[Any] = [{"price": "1,5", "level": -99}]
    assert clean_rows(RepairsSpec(), rows) is rows


def test_true_is_no_sentinel_of_one() -> None:
    assert clean_rows(RepairsSpec(sentinels={"open": (1,)}), [{"open": True}]) == [{"open": True}]
