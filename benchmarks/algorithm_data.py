"""The data sets of `benchmarks.algorithms`: how stored columns become rows, and the model file's body of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl

PRICES: Final = [f"price{number}" for number in range(1, 12)]


@dataclass(frozen=True, slots=True)
class DataSet:
    """One data set.

    body: the model file without name, source and algorithm. algorithms: each gets a run of its own. rows: from the
    stored columns to those of the model.
    """

    file: str
    rows: Callable[[pl.DataFrame], pl.DataFrame]
    body: Mapping[str, Any]
    algorithms: tuple[Mapping[str, Any], ...]
    known: str = ""


def _oranges(stored: pl.DataFrame) -> pl.DataFrame:
    """Units of a brand in a store and week; brand and store are names, not numbers; price is the brand's own."""
    began = datetime(1989, 9, 14, tzinfo=UTC)
    own = pl.coalesce(pl.when(pl.col("brand") == number).then(f"price{number}") for number in range(1, 12))
    return stored.select(
        (pl.lit(began) + pl.duration(weeks=pl.col("week"))).alias("at"),
        pl.format("store {} brand {}", "store", "brand").alias("series"),
        pl.col("brand").cast(pl.String),
        pl.col("store").cast(pl.String),
        pl.col("logmove").exp().alias("units"),
        own.alias("price"),
        *PRICES,
        "deal",
        "feat",
    ).filter(pl.col("store").cast(pl.Int32) < 90)


def _demand(stored: pl.DataFrame) -> pl.DataFrame:
    """Demand by half-hour, and what the same instant of the next day is like: its temperature is taken as known."""
    local = pl.col("Time").dt.convert_time_zone("Australia/Melbourne").dt.offset_by("1d")
    return (
        stored.sort("Time")
        .select(
            pl.col("Time").dt.cast_time_unit("us").alias("at"),
            pl.col("Demand").alias("demand"),
            pl.col("Temperature").alias("temperature"),
            pl.col("Temperature").shift(-48).alias("temperature_next"),
            pl.col("Holiday").cast(pl.Int8).shift(-48).alias("holiday_next"),
            (local.dt.hour() * 2 + local.dt.minute() // 30).alias("slot_next"),
            local.dt.weekday().alias("weekday_next"),
            local.dt.ordinal_day().alias("day_next"),
        )
        .tail(26_000)
        .drop_nulls()
    )


def _people(stored: pl.DataFrame) -> pl.DataFrame:
    """A sample; what the bundled model said stays outside."""
    return stored.drop("id", "year", "prediction", "predicted_probability").sample(30_000, seed=0)


def _credit(stored: pl.DataFrame) -> pl.DataFrame:
    """Its column of genders is inverted in the package it comes from: put right before anybody is judged by it."""
    swapped = pl.col("Gender").cast(pl.String).replace({"Female": "Male", "Male": "Female"})
    return stored.with_columns(pl.col(pl.Categorical).cast(pl.String)).with_columns(swapped.alias("Gender"))


def _prices(stored: pl.DataFrame) -> pl.DataFrame:
    """Half-hours in their order; the source gives no dates, so that they begin at one that is made up."""
    began = datetime(1996, 5, 7, tzinfo=UTC)
    step = pl.int_range(pl.len()) * 30
    return stored.with_columns((pl.lit(began) + pl.duration(minutes=step)).alias("at"))


def _flow(stored: pl.DataFrame) -> pl.DataFrame:
    """Litres per second by hour, in UTC: the clock changes once in them."""
    return stored.select(
        pl.col("Time").str.to_datetime("%Y-%m-%dT%H:%M:%S%z", time_unit="us").alias("at"),
        pl.col("Water flow [l/s]").alias("flow"),
    ).sort("at")


_BOOSTING: Final = {"lightgbm": {"n_estimators": 300}}
_TYPICAL: Final = {"lightgbm": {"loss": "absolute", "n_estimators": 400, "learning_rate": 0.05}}
_GATES: Final = ["no_missing_predictions", "min_rows", "time_limit"]


def _gates(metric: str) -> list[Any]:
    return [{"beats_baseline": {"metric": metric}}, *_GATES]


def _juice(without: list[str]) -> dict[str, Any]:
    return {
        "problem": "regression",
        "target": "units",
        "timestamp": "at",
        "entity": "series",
        "features": {"exclude": without},
        # the holdout are the weeks after the 125th
        "split": {"strategy": "temporal", "train": 0.65, "validation": 0.058, "test": 0.292},
        "training": {"target_transform": "log1p"},
        "evaluation": {"primary": "wape", "also": ["rmse"]},
        "gates": _gates("wape"),
    }


SETS: Final[dict[str, DataSet]] = {
    "orange_juice": DataSet(
        "orange_juice_stores_a", _oranges, _juice([]), (_TYPICAL, {"ridge": {}}), "WAPE 0.475"
    ),
    "orange_juice without price, deal, feat": DataSet(
        "orange_juice_stores_a",
        _oranges,
        _juice(["price", *PRICES, "deal", "feat"]),
        (_TYPICAL,),
        "WAPE 0.632",
    ),
    "vic_elec a day ahead": DataSet(
        "vic_elec_halfhour",
        _demand,
        {
            "problem": "forecasting",
            "target": "demand",
            "timestamp": "at",
            "features": {
                "horizon": "1d",
                "lags": {"columns": ["demand"], "steps": [1, 2, 48, 288]},
                "rolling": {
                    "columns": ["demand", "temperature"],
                    "windows": ["24h", "7d"],
                    "statistics": ["mean"],
                },
            },
            "split": {"strategy": "temporal", "train": 0.55, "validation": 0.15, "test": 0.30, "gap": "1d"},
            "evaluation": {"primary": "wape", "also": ["rmse"]},
            "gates": _gates("wape"),
        },
        (_BOOSTING, {"ridge": {}}),
        "WAPE 0.028",
    ),
    "acs_employment": DataSet(
        "acs_employment_ma_2015_2016",
        _people,
        {
            "problem": "classification",
            "target": "employed",
            "evaluation": {
                "primary": "roc_auc",
                "also": ["accuracy"],
                "sensitive": ["SEX", "RAC1P"],
                "positive": "1",
            },
            "gates": _gates("roc_auc"),
        },
        ({"lightgbm": {"n_estimators": 200}}, {"logistic": {}}),
        "AUC 0.90",
    ),
    "german_credit": DataSet(
        "german_credit",
        _credit,
        {
            "problem": "classification",
            "target": "Credit_risk",
            "evaluation": {
                "primary": "roc_auc",
                "also": ["accuracy"],
                "sensitive": ["Gender"],
                "positive": "GOOD",
            },
            "gates": _gates("roc_auc"),
        },
        ({"logistic": {}}, {"random_forest": {"n_estimators": 200, "min_samples_leaf": 3}}),
    ),
    "elec2_nsw": DataSet(
        "elec2_nsw",
        _prices,
        {
            "problem": "classification",
            "target": "class",
            "timestamp": "at",
            "evaluation": {"primary": "accuracy", "also": ["roc_auc"]},
            "gates": _gates("accuracy"),
        },
        ({"lightgbm": {"n_estimators": 200}}, {"logistic": {}}),
        "repeat the last class: accuracy 0.853",
    ),
    "wine": DataSet(
        "wine_uci_178",
        lambda stored: stored,
        {
            "problem": "classification",
            "target": "target",
            "split": {"strategy": "stratified"},
            "validation": {"min_rows": 100},
            "evaluation": {"primary": "accuracy", "also": ["log_loss"]},
            "gates": _gates("accuracy"),
        },
        ({"logistic": {}}, {"random_forest": {"n_estimators": 200}}, {"svm": {}}),
        "accuracy 0.955 to 1",
    ),
    "water_flow a day ahead": DataSet(
        "water_flow_pipeline",
        _flow,
        {
            "problem": "forecasting",
            "target": "flow",
            "timestamp": "at",
            "features": {
                "horizon": "24h",
                "cyclical": ["hour", "day_of_week"],
                "lags": {"columns": ["flow"], "steps": [1, 2, 24, 144]},
                "history": {"every": "1h", "steps": 168},
            },
            "split": {"strategy": "temporal", "gap": "24h"},
            "validation": {"min_rows": 500},
            "evaluation": {"primary": "wape", "also": ["rmse"]},
            "gates": _gates("wape"),
        },
        (
            {"ridge": {}},
            _BOOSTING,
            {"seasonal_naive": {"season": 24}},
            {"exponential_smoothing": {"season": 24}},
        ),
    ),
}
