"""Drift looks at what callers of the API sent, as the API understood it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import polars as pl

from mlops_assets.features import profile
from mlops_assets.ledger import Ledger
from mlops_assets.ledger.records import ServedPrediction
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.lifecycle.served_inputs import predicted_values, served_inputs
from mlops_assets.monitoring import drift, inputs_alone, prediction_drift
from mlops_assets_tests.unit.features.feature_factory import wine

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
TRAINED = pl.DataFrame(
    {
        "a": np.random.default_rng(0).normal(50, 5, 1_000),
        "color": np.random.default_rng(1).choice(["red", "white"], 1_000),
        "prediction": ["1", "2"] * 500,
    }
)


def store(ledger: Ledger, readings: list[dict[str, Any]], version: int = 3, rung: str | None = None) -> None:
    ledger.store_served(
        [
            ServedPrediction(
                *(f"{version}-{rung}-{index}", 1, "pump", version, 1, "", NOON, NOON, 0.9, None, None),
                label="1",
                readings=row,
                history_version=None,
                rung=rung,
            )
            for index, row in enumerate(readings)
        ]
    )


def test_what_callers_send_is_measured_as_the_api_reads_it(ledger: Ledger) -> None:
    spec = wine(repairs={"missing_text": ["n/a"], "sentinels": {"a": [-99]}, "decimal_comma": ["a"]})
    platform = cast(Platform, SimpleNamespace(ledger=ledger))
    reference = profile(TRAINED, ["a", "color"])
    store(ledger, [{"a": 51.5, "color": "red"}, {"a": "1.048,5"}, {"a": -99, "color": "n/a"}, {"other": 1}])
    sent = served_inputs(spec, platform, reference, NOON - WEEK, NOON + WEEK)
    assert sorted(sent["a"].drop_nulls()) == [51.5, 1048.5]
    assert sent["color"].drop_nulls().to_list() == ["red"]
    assert sent.columns == ["a", "color"]
    assert served_inputs(spec, platform, reference, NOON - WEEK, NOON).is_empty()


def test_moved_requests_and_predictions_are_drift(ledger: Ledger) -> None:
    spec = wine(features={"inputs": ["a", "color"]})
    platform = cast(Platform, SimpleNamespace(ledger=ledger))
    reference = profile(TRAINED, ["a", "color"])
    random = np.random.default_rng(2)
    store(ledger, [{"a": value, "color": "red"} for value in random.normal(70, 5, 300)])
    store(ledger, [{"a": 50.0, "color": "red"}] * 5, version=2)
    store(ledger, [{"a": 50.0, "color": "red"}] * 5, rung="naive")
    inputs = inputs_alone(spec, reference, ())
    sent = served_inputs(spec, platform, inputs, NOON - WEEK, NOON + WEEK)
    assert sent.height == 310  # inputs are inputs, whichever version predicted from them
    moved = drift(spec, inputs, 3, sent, NOON, computed=(), from_clock=())
    assert moved.level == "significant"
    assert {one.feature for one in moved.features if one.has_moved} == {"a", "color"}

    predicted = predicted_values(spec, platform, 3, NOON - WEEK, NOON + WEEK)
    assert predicted.height == 300  # the champion's own
    assert prediction_drift(spec, reference, predicted, NOON) is None  # a bundle of an earlier release
    predictions = profile(TRAINED, ["prediction"]).columns["prediction"]
    result = prediction_drift(spec, replace(reference, prediction=predictions), predicted, NOON)
    assert result is not None
    assert (result.level, result.decides) == ("significant", False)
