"""Requests give instants as numbers with decimals, where the model file says what they count."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from mlops_assets.errors import DataError
from mlops_assets.model_file import ModelSpec
from mlops_assets.serving.table import Columns, frame

SPEC = ModelSpec.model_validate_json(
    '{"name": "passengers", "description": "Passengers a month",'
    ' "owners": ["team:a"], "problem": "regression", "target": "y", "timestamp": "time",'
    ' "source": {"kind": "file", "path": "a.csv"}, "repairs": {"timestamp_unit": "year"},'
    ' "training": {"algorithms": [{"ridge": {}}]}, "evaluation": {"primary": "mae"}, "gates": ["min_rows"]}'
)


COLUMNS = Columns(("time",), frozenset(), frozenset(), pl.String())


def test_a_decimal_year_is_read_as_in_training() -> None:
    table = frame(SPEC, COLUMNS, [{"time": 1949.083}, {"time": 1949.25}])
    assert table["time"].to_list() == [datetime(1949, 2, 1, tzinfo=UTC), datetime(1949, 4, 1, tzinfo=UTC)]


def test_a_number_beyond_the_calendar_is_refused() -> None:
    with pytest.raises(DataError, match="'time'"):
        frame(SPEC, COLUMNS, [{"time": 1e300}])
