"""Folds: months as in a textbook, purge and embargo to the minute, each row validated once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from mlops_assets.errors import DataError
from mlops_assets.features import expanding, k_fold, sliding
from mlops_assets_tests.unit.features.feature_factory import model, readings, wine

MONTHS = pl.DataFrame(
    {"at": [datetime(2025, month, 1, tzinfo=UTC) for month in range(1, 9) for _ in range(3)], "y": range(24)}
)


def months(rows: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> list[int]:
    return MONTHS[rows]["at"].dt.month().unique().sort().to_list()


def test_expanding_january_to_march_then_april() -> None:
    folds = expanding(model(), MONTHS, 5, first=3 / 8)
    assert [(months(fold.train), months(fold.validation)) for fold in folds] == [
        (list(range(1, month)), [month]) for month in range(4, 9)
    ]


def test_sliding_forgets() -> None:
    folds = sliding(model(), MONTHS, 4, first=4 / 8)
    assert [(months(fold.train), months(fold.validation)) for fold in folds] == [
        (list(range(month - 4, month)), [month]) for month in range(5, 9)
    ]


def test_purge_and_embargo_by_time() -> None:
    frame = readings(100, units=2)
    spec = model(split={"gap": "4h"})
    for number, fold in enumerate(k_fold(spec, frame, 5, embargo=timedelta(hours=7))):
        train, validation = frame[fold.train]["at"], frame[fold.validation]["at"]
        begin, end = validation.min(), validation.max()
        assert isinstance(begin, datetime)
        assert isinstance(end, datetime)
        assert not train.is_between(begin - timedelta(hours=4), end + timedelta(hours=7)).any()
        assert train.is_in([begin - timedelta(hours=5)]).any() == (number > 0)
        assert train.is_in([end + timedelta(hours=8)]).any() == (number < 4)
    for fold in expanding(
        model(problem="forecasting", features={"inputs": ["a"], "horizon": "4h"}), frame, 3
    ):
        gap = frame[fold.validation]["at"].min() - frame[fold.train]["at"].max()  # type: ignore[operator]
        assert gap == timedelta(hours=5)


@pytest.mark.parametrize("strategy", ["random", "stratified", "group"])
def test_each_row_validates_once(strategy: str) -> None:
    frame = pl.DataFrame({"y": [f"c{i % 3}" for i in range(60)], "g": [str(i % 12) for i in range(60)]})
    spec = wine(split={"strategy": strategy, "group": "g"})
    folds = k_fold(spec, frame, 4)
    assert sorted(np.concatenate([fold.validation for fold in folds]).tolist()) == list(range(60))
    for fold in folds:
        assert not set(fold.train.tolist()) & set(fold.validation.tolist())
        assert len(fold.validation) == 15
        if strategy == "group":
            assert not set(frame[fold.train]["g"]) & set(frame[fold.validation]["g"])
        if strategy == "stratified":
            assert frame[fold.validation]["y"].value_counts()["count"].to_list() == [5, 5, 5]


def test_too_little_data_is_refused() -> None:
    with pytest.raises(DataError, match="8 instants do not suffice for 9 folds"):
        expanding(model(), MONTHS, 9)
    with pytest.raises(DataError, match="the train part of fold 1 is empty"):
        expanding(model(split={"gap": "365d"}), MONTHS, 2)
    with pytest.raises(DataError, match="need a 'timestamp'"):
        sliding(wine(), MONTHS)
