"""Batch predictions: the right rows, one finite answer each, or none at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from mlops_assets.artifacts import Bounds, FeatureMatrix
from mlops_assets.errors import DataError
from mlops_assets.features import build
from mlops_assets.predictions import OCCURRENCE, pending, score, window_start, with_occurrence
from mlops_assets_tests.unit.features.feature_factory import START, model, readings, wine

NOW = datetime(2025, 6, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Fake:
    """Answers `a`, or for classes what is given."""

    classes: tuple[str, ...] = ()
    shares: tuple[float, ...] = ()
    algorithm: str = "fake"
    feature_names: tuple[str, ...] = ("a",)
    estimator: Any = None
    spread: float | None = None

    def matrix(self, features: pl.DataFrame) -> FeatureMatrix:
        return FeatureMatrix(("a",), features.select("a").to_numpy())

    def predict(self, features: pl.DataFrame) -> NDArray[Any]:
        if self.classes:
            return np.full(features.height, self.classes[int(np.argmax(self.shares))])
        return features["a"].fill_null(float("nan")).to_numpy()

    def probabilities(self, features: pl.DataFrame) -> NDArray[np.float64] | None:
        return np.tile(self.shares, (features.height, 1)) if self.classes else None

    def bounds(self, features: pl.DataFrame, predictions: NDArray[Any]) -> Bounds | None:
        return (
            None
            if self.spread is None
            else Bounds(0.8, predictions - self.spread, predictions + 2 * self.spread)
        )


def table(rows: int = 10, spec: Any = None) -> pl.DataFrame:
    spec = spec or model()
    return build(spec, readings(rows).with_columns(pl.col("a").fill_null(1.0)))


def test_numbers() -> None:
    scored = score(model(), Fake(), table(), 4, NOW)
    assert scored.columns == [
        "model",
        "version",
        "entity",
        "at",
        "predicted_at",
        "value",
        "low",
        "high",
        "label",
    ]
    assert scored["value"].to_list() == table()["a"].to_list()
    assert scored["entity"].to_list() == table()["unit"].to_list()
    assert scored["at"].to_list() == table()["at"].to_list()
    assert scored["label"].null_count() == 30
    assert scored["version"].unique().to_list() == [4]


def test_numbers_with_an_interval() -> None:
    scored = score(model(), Fake(spread=0.5), table(), 4, NOW)
    assert scored["low"].to_list() == [value - 0.5 for value in scored["value"]]
    assert scored["high"].to_list() == [value + 1.0 for value in scored["value"]]
    none = score(model(), Fake(spread=float("nan")), table(), 4, NOW)
    assert none["low"].null_count() == none["high"].null_count() == 30
    assert scored.schema == none.schema == score(model(), Fake(), table(), 4, NOW).schema


def test_classes() -> None:
    frame = pl.DataFrame({"y": ["p", "q"], "a": [1.0, 2.0]})
    scored = score(wine(), Fake(("p", "q"), (0.3, 0.7)), frame, 1, NOW)
    assert scored["label"].to_list() == ["q", "q"]
    assert scored["value"].to_list() == [0.7, 0.7]
    assert scored["p_p"].to_list() == [0.3, 0.3]
    assert scored["entity"].to_list() == ["0", "1"]
    assert scored["at"].to_list() == [NOW, NOW]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), None])
def test_one_answer_missing_and_none_is_kept(bad: float | None) -> None:
    frame = table().with_columns(a=pl.when(pl.int_range(pl.len()) == 7).then(pl.lit(bad)).otherwise("a"))
    with pytest.raises(
        DataError, match="version 4 gave no finite prediction for 1 of 30 rows; none is stored"
    ):
        score(model(), Fake(), frame, 4, NOW)
    with pytest.raises(DataError, match="no finite prediction"):
        score(wine(), Fake(("p", "q"), (float("nan"), 0.7)), pl.DataFrame({"a": [1.0]}), 1, NOW)


def test_no_rows() -> None:
    assert score(model(), Fake(), table().clear(), 4, NOW).height == 0
    assert score(wine(), Fake(("p", "q"), (0.3, 0.7)), pl.DataFrame({"a": [1.0]}).clear(), 1, NOW).height == 0


def known(scored: pl.DataFrame) -> pl.DataFrame:
    return scored.select("entity", "at", pl.int_range(pl.len()).over("entity", "at").alias("occurrence"))


NONE = known(score(model(), Fake(), table().clear(), 1, NOW))


def test_rows_without_a_prediction_of_this_version_are_pending() -> None:
    since = START + timedelta(hours=6)
    assert pending(model(), table(), None, NONE).height == 30
    assert pending(wine(), table(), NOW, NONE).height == 30
    assert pending(model(), table(), since, NONE).height == 3 * 4
    scored = score(model(), Fake(), table(), 1, NOW)
    assert pending(model(), table(), since, known(scored)).height == 0


def test_a_late_entity_is_predicted() -> None:
    """Units 0 and 1 are predicted up to the end, the readings of unit 2 arrive afterwards."""
    in_time = table().filter(pl.col("unit") != "u2")
    scored = score(model(), Fake(), in_time, 1, NOW)
    since = window_start(model(), scored["at"].max())  # type: ignore[arg-type]
    late = pending(model(), table(), since, known(scored))
    assert late["unit"].unique().to_list() == ["u2"]
    assert late.height == 10


def test_the_window_is_bounded() -> None:
    assert window_start(model(), None) is None
    spec = model(monitoring={"window": "2h"})
    assert window_start(spec, NOW) == NOW - timedelta(hours=2)


def test_two_rows_of_one_instant_are_both_pending_and_scored() -> None:
    twice = pl.concat([table(), table()])
    rows = pending(model(), twice, START, NONE)
    assert rows.height == 60
    scored = score(model(), Fake(), rows, 1, NOW)
    assert scored.height == 60
    assert pending(model(), twice, START, known(scored)).height == 0
    first = score(model(), Fake(), table(), 1, NOW)
    # the second row of each instant arrives after the first was predicted
    second = pending(model(), with_occurrence(model(), twice), START, known(first))
    assert second[OCCURRENCE].to_list() == [1] * 30


def test_a_forecast_is_about_its_horizon() -> None:
    spec = model(problem="forecasting", features={"inputs": ["a"], "horizon": "3h"})
    frame = table(spec=spec)
    scored = score(spec, Fake(), frame, 1, NOW)
    assert scored["at"].to_list() == [at + timedelta(hours=3) for at in frame["at"].to_list()]
    rest = pending(spec, frame, START + timedelta(hours=9), NONE)
    assert rest["at"].min() == START + timedelta(hours=6)
    assert rest["y"].null_count() == 9
