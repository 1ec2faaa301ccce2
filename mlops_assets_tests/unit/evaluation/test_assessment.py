"""A whole evaluation: every part, the same rows for the champion, the naive baseline, and clear errors."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlops_assets import evaluation, reports
from mlops_assets.artifacts import Evaluation, from_json, to_json
from mlops_assets.errors import DataError, EvidenceError
from mlops_assets.evaluation.scoring import codes, known_classes
from mlops_assets.evaluation.slices import labeled
from mlops_assets_tests.unit.promotion.evidence_factory import (
    START,
    ColumnPredictor,
    pump_frame,
    spec_with,
    split_of,
)

SPEC = spec_with(
    [{"beats_champion": {"metric": "rmse"}}],
    evaluation={"primary": "rmse", "also": ["mae", "mase"], "slices": ["pump_id"]},
)


def test_challenger_champion_and_baseline_on_every_part() -> None:
    evaluated = evaluation.evaluate(
        SPEC, ColumnPredictor("x"), ColumnPredictor("worse"), split_of(pump_frame()), size_bytes=7
    )
    assert evaluated.challenger.keys() == evaluated.baseline.keys() == {"train", "validation", "test"}
    assert evaluated.champion is not None
    assert evaluated.challenger["test"]["rmse"] == pytest.approx(0.5, rel=0.15)
    assert evaluated.champion["test"]["rmse"] == pytest.approx(1.0, rel=0.15)
    assert evaluated.baseline["test"]["rmse"] > 1
    assert [rival.name for rival in evaluated.rivals] == [
        "the mean of the training rows",
        "the median of the training rows",
        "the last known value",
    ]
    assert evaluated.rivals[0].comparisons[0].champion > 3
    assert {test.metric for test in evaluated.comparisons} == {"rmse", "mae", "mase"}
    assert all(test.low > 0 and test.rows == 200 for test in evaluated.comparisons)
    assert (evaluated.holdout_rows, evaluated.missing_predictions, evaluated.size_bytes) == (200, 0, 7)
    assert evaluated.latency_ms is not None
    assert [(row["value"], row["rows"]) for row in evaluated.slices] == [("p0", 100), ("p1", 100)]
    assert to_json(from_json(Evaluation, to_json(evaluated))) == to_json(evaluated)


def test_a_twin_of_the_champion_is_no_better() -> None:
    evaluated = evaluation.evaluate(
        SPEC, ColumnPredictor("same"), ColumnPredictor("x"), split_of(pump_frame()), size_bytes=0
    )
    assert {(test.improvement, test.low, test.high) for test in evaluated.comparisons} == {(0.0, 0.0, 0.0)}


def test_the_order_of_rows_changes_nothing() -> None:
    split = split_of(pump_frame())
    shuffled = replace(split, test=split.test.sample(fraction=1.0, shuffle=True, seed=3))
    one, other = (
        evaluation.evaluate(SPEC, ColumnPredictor("x"), ColumnPredictor("worse"), each, size_bytes=0)
        for each in (split, shuffled)
    )
    assert one.comparisons == other.comparisons
    assert one.challenger == other.challenger


def test_missing_predictions_are_counted_and_spoil_the_metrics() -> None:
    frame = (
        pump_frame()
        .with_row_index()
        .with_columns(
            x=pl.when(pl.col("index") == 950)
            .then(None)
            .when(pl.col("index") == 960)
            .then(math.inf)
            .otherwise("x")
        )
    )
    evaluated = evaluation.evaluate(SPEC, ColumnPredictor("x"), None, split_of(frame), size_bytes=0)
    assert evaluated.missing_predictions == 2
    assert math.isnan(evaluated.challenger["test"]["rmse"])
    assert evaluated.champion is None
    assert evaluated.comparisons == ()


def test_a_champion_whose_features_are_gone_is_a_clear_error() -> None:
    with pytest.raises(
        EvidenceError, match=r"the champion cannot be scored, it needs 'gone'.*retire that version"
    ):
        evaluation.evaluate(
            SPEC, ColumnPredictor("x"), ColumnPredictor("gone"), split_of(pump_frame()), size_bytes=0
        )


def test_an_empty_holdout_is_refused() -> None:
    split = split_of(pump_frame())
    with pytest.raises(DataError, match="test part is empty"):
        evaluation.evaluate(
            SPEC, ColumnPredictor(), None, replace(split, test=split.test.clear()), size_bytes=0
        )


def test_the_naive_forecast_is_the_last_value_of_the_same_pump() -> None:
    spec = spec_with([], problem="forecasting", evaluation={"primary": "mase"})
    frame = pump_frame(20)
    evaluated = evaluation.evaluate(spec, ColumnPredictor("x"), None, split_of(frame), size_bytes=0)
    assert evaluated.baseline["test"]["mase"] == pytest.approx(1.0)
    truth = frame["y"].to_numpy()
    expected = (
        np.abs(truth[16:] - frame["x"].to_numpy()[16:]).mean() / np.abs(truth[16:] - truth[14:18]).mean()
    )
    assert evaluated.challenger["test"]["mase"] == pytest.approx(expected)


def test_the_naive_forecast_knows_nothing_after_its_own_instant() -> None:
    """With a horizon of several readings, the row before holds a target that is still to come."""
    spec = spec_with([], problem="forecasting", evaluation={"primary": "mae"}, features={"horizon": "1h"})
    frame = pump_frame(20).with_columns(pl.col("y").shift(3).alias("y_now"))
    frame = frame.with_columns(pl.when(pl.int_range(pl.len()) != 17).then(pl.col("y_now")))
    evaluated = evaluation.evaluate(spec, ColumnPredictor("x"), None, split_of(frame), size_bytes=0)
    truth, then = frame["y"].to_numpy()[16:], frame["y_now"].to_numpy()[16:].copy()
    then[1] = frame["y_now"][15]  # missing there: the last one known of the same pump
    assert evaluated.baseline["test"]["mae"] == pytest.approx(np.abs(truth - then).mean())


def flowers(rows: int = 400) -> pl.DataFrame:
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 2, rows)
    return pl.DataFrame(
        {
            "y": truth,
            "x": np.where(rng.random(rows) < 0.9, truth, 1 - truth),
            "sex": rng.choice(["f", "m"], rows),
        }
    )


def classification(**changes: Any) -> Any:
    body = {"primary": "f1", "also": ["accuracy", "log_loss"], "sensitive": ["sex"]}
    return spec_with([], problem="classification", timestamp=None, entity=None, evaluation=body | changes)


def test_classes_are_compared_by_name_with_the_majority_as_floor() -> None:
    shares = np.tile([0.4, 0.6], (400, 1))
    model = ColumnPredictor("x", classes=("0", "1"), shares=shares)
    evaluated = evaluation.evaluate(
        classification(), model, model, split_of(flowers(), "stratified"), size_bytes=0
    )
    assert evaluated.challenger["test"]["accuracy"] == pytest.approx(0.9, abs=0.08)
    assert evaluated.baseline["test"]["accuracy"] == pytest.approx(0.5, abs=0.12)
    assert math.isfinite(evaluated.baseline["test"]["log_loss"])
    assert {(row["column"], row["measure"]) for row in evaluated.fairness} == {
        ("sex", measure)
        for measure in ("selection_rate", "equal_opportunity", "equalised_odds", "group_accuracy")
    }
    assert all(0 <= float(str(row["difference"])) < 0.4 for row in evaluated.fairness)


def test_errors_per_entity_and_per_period_in_their_order() -> None:
    """Pump p1 is worse, and so is every hour of the second of three days."""
    frame = pump_frame(8_640).with_columns(pump_id=pl.col("pump_id").replace({"p0": "p10"}))
    error = pl.when(pl.col("pump_id") == "p1").then(2.0).otherwise(1.0)
    error = error * pl.when(pl.col("at").dt.day() == 14).then(10.0).otherwise(1.0)
    frame = frame.with_columns(x=pl.col("y") + error)
    spec = spec_with([], evaluation={"primary": "mae", "slices": ["at", "pump_id"]})
    model, split = ColumnPredictor("x"), split_of(frame)
    thinned = (pl.col("at").dt.day() == 13) & (pl.col("at").dt.minute() == 0)  # fewest rows, and still first
    split = replace(split, test=split.test.remove(thinned))
    measured = evaluation.evaluate(spec, model, model, split, size_bytes=0)
    evaluated = measured.slices
    rows_by_measure: list[tuple[Any, ...]] = [
        (row["column"], row["value"], row["rows"], row["challenger"], row["champion"]) for row in evaluated
    ]
    assert rows_by_measure == [
        ("at", "2025-01-13", 528, pytest.approx(1.5), pytest.approx(1.5)),
        ("at", "2025-01-14", 576, pytest.approx(15.0), pytest.approx(15.0)),
        ("at", "2025-01-15", 576, pytest.approx(1.5), pytest.approx(1.5)),
        ("pump_id", "p1", 840, pytest.approx(6_864 / 840), pytest.approx(6_864 / 840)),
        ("pump_id", "p10", 840, pytest.approx(3_432 / 840), pytest.approx(3_432 / 840)),
    ]
    drawn = reports.draw_plots(spec, model, None, split, measured, None)
    assert drawn["error_by_slice"].startswith(b"\x89PNG")
    assert len(drawn["error_by_slice"]) < 80_000


@pytest.mark.parametrize(
    ("days", "first", "slices"),
    [(20, "2025-01-01", 20), (100, "week of 2024-12-30", 15), (300, "2025-01", 10), (1_000, "2025", 3)],
)
def test_periods_are_as_fine_as_a_reader_can_take_in(days: int, first: str, slices: int) -> None:
    at = pl.Series([START + timedelta(days=day) for day in range(days)])
    labels = labeled(at)
    assert (labels[0], labels.n_unique()) == (first, slices)


@pytest.mark.parametrize("key", ["slices", "sensitive"])
def test_a_column_to_look_at_that_is_not_there_is_an_error(key: str) -> None:
    spec = spec_with([], evaluation={"primary": "rmse", key: ["gone"]})
    with pytest.raises(DataError, match=rf"evaluation\.{key} names 'gone'"):
        evaluation.evaluate(spec, ColumnPredictor(), None, split_of(pump_frame()), size_bytes=0)


def test_fairness_is_what_fairlearn_says() -> None:
    from fairlearn import metrics as reference

    frame = flowers()
    model = ColumnPredictor("x", classes=("0", "1"), shares=np.tile([0.4, 0.6], (400, 1)))
    split = split_of(frame, "stratified")
    evaluated = evaluation.evaluate(classification(), model, None, split, size_bytes=0)
    rows_by_measure = {str(row["measure"]): row for row in evaluated.fairness}
    arguments = {"y_true": split.test["y"].to_numpy(), "y_pred": split.test["x"].to_numpy()}
    sex = split.test["sex"].to_numpy()
    expected = {
        "selection_rate": reference.demographic_parity_difference(**arguments, sensitive_features=sex),
        "equal_opportunity": reference.equal_opportunity_difference(**arguments, sensitive_features=sex),
        "equalised_odds": reference.equalized_odds_difference(**arguments, sensitive_features=sex),
    }
    assert {name: rows_by_measure[name]["difference"] for name in expected} == pytest.approx(expected)
    ratio = reference.equalized_odds_ratio(**arguments, sensitive_features=sex)
    assert rows_by_measure["equalised_odds"]["ratio"] == pytest.approx(ratio)


def test_groups_that_are_too_small_are_not_measured() -> None:
    model = ColumnPredictor("x", classes=("0", "1"), shares=np.tile([0.4, 0.6], (400, 1)))
    frame = flowers().with_columns(sex=pl.lit("f"))
    evaluated = evaluation.evaluate(
        classification(), model, None, split_of(frame, "stratified"), size_bytes=0
    )
    assert {row["groups"] for row in evaluated.fairness} == {0}


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([0, 1, 1]),
        pl.Series([0.0, 1.0, 1.0]),
        pl.Series(["0", "1", "1"]),
        pl.Series([False, True, True]),
    ],
)
def test_labels_are_the_same_however_they_are_stored(column: pl.Series) -> None:
    names = ("false", "true") if column.dtype == pl.Boolean else ("0", "1")
    assert codes(column, names).tolist() == [0, 1, 1]


def test_unknown_and_missing_labels_differ() -> None:
    evaluated = codes(pl.Series(["a", "z", None]), ("a", "b"))
    assert evaluated[:2].tolist() == [0, -1]
    assert math.isnan(evaluated[2])


def test_the_positive_class_comes_last_when_named() -> None:
    model = ColumnPredictor("x", classes=("good", "bad"))
    assert known_classes(classification(positive="bad"), pl.Series(["good"]), model) == ("good", "bad")
    assert known_classes(classification(), pl.Series(["good"]), model) == ("bad", "good")
