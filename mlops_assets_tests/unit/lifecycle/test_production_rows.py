"""Predictions of the API meet the labels that callers post, also of a model without a timestamp."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import polars as pl
import pytest

from mlops_assets.ledger import Ledger
from mlops_assets.ledger.records import PostedLabel, ServedPrediction
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.lifecycle.production_rows import production_rows
from mlops_assets.monitoring import labeled, labels_of, performance
from mlops_assets_tests.unit.features.feature_factory import model, wine

MONDAY = datetime(2026, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
SERVED = ServedPrediction(
    *("p0", 1, "wine", 3, 1, "", MONDAY - HOUR, MONDAY - HOUR, 0.9, None, None),
    label="1",
    readings={"alcohol": 13.2},
    history_version=None,
)


def served(count: int) -> list[ServedPrediction]:
    """Predictions of class 1, one an hour before Monday, the oldest last."""
    return [
        SERVED._replace(
            id=f"p{index}", at=MONDAY - HOUR * (index + 1), predicted_at=MONDAY - HOUR * (index + 1)
        )
        for index in range(count)
    ]


def rows_of(ledger: Ledger, version: int = 3) -> pl.DataFrame:
    platform = cast(Platform, SimpleNamespace(ledger=ledger))
    return production_rows(wine(name="wine"), platform, version, MONDAY - timedelta(days=7), MONDAY, None)


def test_posted_labels_measure_a_model_without_a_timestamp(ledger: Ledger) -> None:
    ledger.store_served(served(60))
    truth = [PostedLabel(f"p{index}", 1, "1.0" if index % 4 else "2") for index in range(60)]
    ledger.store_labels("wine", truth, MONDAY)
    spec = wine(name="wine", evaluation={"primary": "accuracy"})
    report = performance(spec, 3, rows_of(ledger), MONDAY + HOUR, baseline=0.9, recorded={})
    assert report.windows[0].labelled == 60
    assert report.windows[0].metrics == {"accuracy": pytest.approx(0.75)}
    assert report.level == "worse"


def test_other_versions_and_fallbacks_are_not_the_champions(ledger: Ledger) -> None:
    champion, other, naive = served(3)
    ledger.store_served([champion, other._replace(version=2), naive._replace(rung="naive")])
    assert rows_of(ledger).height == 1
    assert rows_of(ledger, version=2).height == 1


def test_without_predictions_of_the_api_the_sentence_says_what_is_needed(ledger: Ledger) -> None:
    report = performance(wine(), 3, rows_of(ledger), MONDAY, baseline=0.9, recorded={})
    assert report.level == "unmeasurable"
    assert "posted labels" in report.sentence


def test_a_posted_label_comes_before_the_reading_and_a_repetition_counts_once() -> None:
    spec = model()
    at = [MONDAY, MONDAY + HOUR]
    labels = labels_of(spec, pl.DataFrame({"at": at, "unit": "u0", "y": [10.0, 20.0]}))
    batch = pl.DataFrame(
        {
            "entity": "u0",
            "at": at[:1],
            "occurrence": [0],
            "value": 1.0,
            "label": None,
            "low": None,
            "high": None,
        },
        schema_overrides={"occurrence": pl.Int32, "at": pl.Datetime("us", "UTC")},
    )
    api = pl.DataFrame(
        {
            "id": ["a", "b", "c"],
            "row": 1,
            "entity": "u0",
            "at": [at[0], at[1], at[0]],
            "value": [1.0, 2.0, 1.0],
            "label": None,
            "low": None,
            "high": None,
            "truth": [None, None, "11,5"],
        },
        schema_overrides={"at": pl.Datetime("us", "UTC"), "truth": pl.String},
    )
    rows = labeled(spec, batch, labels, api.with_columns(truth=pl.Series([None, None, "11.5"])))
    assert sorted(rows.select("value", "actual").rows()) == [(1.0, 10.0), (1.0, 11.5), (2.0, 20.0)]
    unreadable = labeled(spec, batch, labels, api)  # '11,5' is not a number: the reading remains
    assert sorted(unreadable["actual"].to_list()) == [10.0, 10.0, 20.0]


def test_slices_of_the_model_file_are_measured_beyond_the_entity() -> None:
    spec = model(evaluation={"primary": "rmse", "slices": ["unit", "shift"]})
    count = 120
    at = [MONDAY - HOUR * (index + 1) for index in range(count)]
    night = ["night" if index % 2 else "day" for index in range(count)]
    rows = pl.DataFrame(
        {
            "entity": "u0",
            "at": at,
            "occurrence": 0,
            "value": 1.0,
            "label": None,
            "low": None,
            "high": None,
            "actual": [3.0 if name == "night" else 1.5 for name in night],
            "naive": None,
            "slice:shift": night,
        },
        schema_overrides={
            "at": pl.Datetime("us", "UTC"),
            "naive": pl.Float64,
            "low": pl.Float64,
            "high": pl.Float64,
        },
    )
    report = performance(spec, 3, rows, MONDAY + HOUR, baseline=1.0, recorded={})
    assert [(one.column, one.name, one.rows) for one in report.slices] == [
        ("shift", "night", 60),
        ("unit", "u0", 120),
        ("shift", "day", 60),
    ]
