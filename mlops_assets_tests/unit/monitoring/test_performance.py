"""Performance in production: immature windows decide nothing, late labels restate, dependent rows count as few."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from mlops_assets.artifacts import PerformanceReport, WindowPerformance, from_json, to_json
from mlops_assets.artifacts.performance import Maturity, RecordedValue
from mlops_assets.model_file import ModelSpec
from mlops_assets.monitoring import kpi_columns, labeled, labels_of, performance
from mlops_assets.monitoring.bias import bias_of
from mlops_assets.monitoring.estimate import estimate
from mlops_assets.retraining import bias_signal, error_signal
from mlops_assets_tests.unit.features.feature_factory import model

AS_OF = datetime(2026, 6, 3, 1, tzinfo=UTC)  # a Wednesday: the newest complete week ends on Monday, June 1
END = datetime(2026, 6, 1, tzinfo=UTC)
WEEK, HOUR = timedelta(days=7), timedelta(hours=1)
SPEC = model(evaluation={"primary": "rmse", "also": ["mae"]})
KEYS = ["entity", "at", "occurrence"]


def world(errors: Mapping[int, float], *, seed: int = 3) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Hourly predictions of two units and their labels; the error's size by week, 0 the newest complete one."""
    random = np.random.default_rng(seed)
    frames = []
    for week, size in errors.items():
        at = [END - (week + 1) * WEEK + HOUR * hour for hour in range(168)]
        for unit in ("u0", "u1"):
            actual = random.standard_normal(168) * 5 + 50
            value = actual + size * random.standard_normal(168)
            frames.append(pl.DataFrame({"entity": unit, "at": at, "value": value, "actual": actual}))
    rows = pl.concat(frames).with_columns(
        pl.col("at").cast(pl.Datetime("us", "UTC")),
        occurrence=pl.lit(0, dtype=pl.Int32),
        low=pl.col("value") - 2,
        high=pl.col("value") + 2,
        label=pl.lit(None, dtype=pl.String),
        naive=pl.lit(50.0),
    )
    return rows.drop("actual", "naive"), rows.select(*KEYS, "actual", "naive")


def report(
    errors: Mapping[int, float],
    *,
    labels: Any = lambda frame: frame,
    spec: ModelSpec = SPEC,
    recorded: Mapping[datetime, Sequence[RecordedValue]] | None = None,
    baseline: float | None = 1.0,
) -> PerformanceReport:
    predictions, truth = world(errors)
    result = performance(
        spec,
        3,
        labeled(spec, predictions, labels(truth)),
        AS_OF,
        baseline=baseline,
        recorded=recorded or {},
    )
    assert from_json(PerformanceReport, to_json(result)) == result
    return result


def until(end: datetime, share: float = 0.0) -> Any:
    """Labels that arrived: all before `end`, afterwards this share."""

    def select(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.filter((pl.col("at") < end) | (pl.int_range(pl.len()) % 100 < 100 * share))

    return select


def test_the_error_of_a_mature_window_is_compared_with_the_holdout() -> None:
    good, bad = report({0: 1.0, 1: 1.0}), report({0: 2.0, 1: 1.0})
    assert (good.level, bad.level) == ("as_trained", "worse")
    assert bad.rise == pytest.approx(1.0, abs=0.2)
    assert bad.week_over_week == pytest.approx(1.0, abs=0.2)
    newest = bad.windows[0]
    assert (newest.end, newest.predictions, newest.state) == (END, 336, "mature")
    assert newest.naive["rmse"] == pytest.approx(5, abs=0.6)
    assert newest.coverage == pytest.approx(0.68, abs=0.1)
    assert [one.name for one in bad.slices] == sorted(["u0", "u1"], key=lambda unit: -value(bad, unit))


def value(result: PerformanceReport, unit: str) -> float:
    return next(one.value for one in result.slices if one.name == unit)


@pytest.mark.parametrize("delay", [None, "9d"])
def test_a_window_whose_labels_are_arriving_decides_nothing(delay: str | None) -> None:
    spec = model(evaluation={"primary": "rmse"}, monitoring={"label_delay": delay})
    result = report({0: 9.0, 1: 1.0}, labels=until(END - WEEK, 0.5), spec=spec)
    assert [window.state for window in result.windows] == ["provisional", "mature"]
    assert result.level == "as_trained"  # by the week before
    signal = error_signal(spec, result)
    assert signal is not None
    assert (signal.active, signal.at) == (False, END - WEEK)


def test_without_mature_windows_nothing_is_measurable_and_nothing_is_good() -> None:
    none = report({50: 1.0})
    assert (none.level, none.windows) == ("unmeasurable", ())
    unlabelled = report({0: 1.0}, labels=until(END - WEEK))
    assert unlabelled.level == "unmeasurable"
    assert "labels of 0% of the newest window" in unlabelled.sentence
    assert error_signal(SPEC, unlabelled) is None
    assert bias_signal(SPEC, unlabelled) is None
    assert report({0: 1.0}, baseline=None).level == "unmeasurable"


def test_labels_that_come_late_restate_a_window() -> None:
    now = report({0: 1.0, 1: 1.0}).windows[1].metrics["rmse"]

    def second(*values: tuple[float, Maturity]) -> WindowPerformance:
        recorded = [RecordedValue(AS_OF, number, 300, state) for number, state in values]
        return report({0: 1.0, 1: 1.0}, recorded={END - WEEK: recorded}).windows[1]

    assert second((now, "mature")).state == "mature"
    assert second((now * 3, "provisional"), (now, "mature")).state == "mature"
    changed = second((now * 1.2, "mature"))
    assert (changed.state, changed.restated_from) == ("restated", now * 1.2)
    again = second((now * 1.2, "mature"), (now, "restated"))
    assert (again.state, again.restated_from, len(again.recorded)) == ("restated", now * 1.2, 2)


def test_the_limit_is_the_model_files() -> None:
    tolerant = model(evaluation={"primary": "rmse"}, monitoring={"rise": "100%"})
    assert report({0: 1.9, 1: 1.0}, spec=tolerant).level == "as_trained"
    signal = error_signal(SPEC, report({0: 1.9, 1: 1.0}))
    assert signal is not None
    assert signal.active
    assert "(limit 15%)" in signal.reason


def test_classes_are_measured_by_their_labels() -> None:
    spec = model(problem="classification", evaluation={"primary": "accuracy"})
    predictions, truth = world({0: 1.0})
    named = pl.when(pl.int_range(pl.len()) % 4 == 0).then(pl.lit("yes")).otherwise(pl.lit("no"))
    result = performance(
        spec,
        3,
        labeled(spec, predictions.with_columns(label=pl.lit("no")), truth.with_columns(actual=named)),
        AS_OF,
        baseline=0.9,
        recorded={},
    )
    assert result.windows[0].metrics == {"accuracy": pytest.approx(0.75)}
    assert result.level == "worse"


def autoregressive(
    rho: float, rows: int, random: np.random.Generator
) -> np.ndarray[Any, np.dtype[np.float64]]:
    noise, series = random.standard_normal(rows), np.empty(rows)
    series[0] = noise[0] / np.sqrt(1 - rho**2)
    for index in range(1, rows):
        series[index] = rho * series[index - 1] + noise[index]
    return series


@pytest.mark.parametrize(("rho", "limit"), [(0.0, 2), (0.9, 2), (0.99, 4)])
def test_unbiased_predictions_rarely_look_biased_however_dependent(rho: float, limit: int) -> None:
    alarms = 0
    for seed in range(200):
        residual = autoregressive(rho, 2_000, np.random.default_rng(seed))
        rows = pl.DataFrame({"at": range(2_000), "value": residual, "actual": np.zeros(2_000)})
        result = bias_of(rows)
        assert result is not None
        alarms += result.p < 0.01  # ten times the limit of the report, so that 200 worlds suffice
    assert alarms <= 2 + limit


def test_a_real_bias_is_found() -> None:
    residual = autoregressive(0.9, 2_000, np.random.default_rng(1)) + 4.0
    result = bias_of(pl.DataFrame({"at": range(2_000), "value": residual, "actual": np.zeros(2_000)}))
    assert result is not None
    assert result.significant
    signal = bias_signal(SPEC, replace(report({0: 1.0}), bias=result))
    assert signal is not None
    assert signal.active
    assert "too high on average" in signal.reason


def test_labels_are_readings_of_the_target_and_the_naive_forecast_was_known() -> None:
    at = [END + HOUR * hour for hour in range(4)]
    readings = pl.DataFrame({"at": [*at, at[0]], "unit": "u0", "y": [1.0, 2.0, None, 4.0, 9.0]})
    labels = labels_of(model(), readings).sort("at", "occurrence")
    assert labels["actual"].to_list() == [1.0, 9.0, 2.0, None, 4.0]
    assert labels["occurrence"].to_list() == [0, 1, 0, 0, 0]
    ahead = labels_of(
        model(problem="forecasting", features={"inputs": ["a"], "horizon": "2h"}), readings.head(4)
    )
    assert ahead.sort("at")["naive"].to_list() == [None, None, 1.0, 2.0]


def test_before_its_labels_arrive_the_error_is_estimated_and_later_scored() -> None:
    ahead = report({0: 2.0, 1: 2.0, 2: 2.0}, labels=until(END - WEEK))
    newest, before, first = ahead.windows
    assert (newest.state, newest.metrics) == ("provisional", {})
    assert newest.estimated == pytest.approx(2.0, rel=0.1)
    assert before.estimated == pytest.approx(before.metrics["rmse"], rel=0.2)
    assert first.estimated is None  # no labels before it
    assert ahead.estimate_error == pytest.approx(0.0, abs=0.2)
    jumped = report({0: 8.0, 1: 2.0, 2: 2.0})  # what changes in the world does not show before the labels
    assert jumped.windows[0].estimated == pytest.approx(2.0, rel=0.1)
    assert jumped.estimate_error is not None
    assert jumped.estimate_error > 0.3


def test_an_estimate_never_looks_at_the_labels_of_its_window() -> None:
    predictions, truth = world({0: 2.0, 1: 2.0, 2: 2.0})
    spoiled = truth.with_columns(actual=pl.when(pl.col("at") >= END - WEEK).then(0.0).otherwise("actual"))
    plain, other = (
        performance(SPEC, 3, labeled(SPEC, predictions, labels), AS_OF, baseline=1.0, recorded={})
        for labels in (truth, spoiled)
    )
    assert plain.windows[0].metrics != other.windows[0].metrics
    assert plain.windows[0].estimated == other.windows[0].estimated


def test_confidence_is_calibrated_by_earlier_labels() -> None:
    sure = pl.DataFrame({"value": [0.9] * 300, "label": "a", "actual": ["a"] * 150 + ["b"] * 150})
    unsure = pl.DataFrame({"value": [0.6] * 300, "label": "a", "actual": ["a"] * 270 + ["b"] * 30})
    earlier = pl.concat([sure, unsure])
    assert estimate("accuracy", earlier, sure) == pytest.approx(0.5)  # says 0.9, was right half of the time
    assert estimate("accuracy", earlier, unsure) == pytest.approx(0.9)
    assert estimate("accuracy", sure.head(100), sure) is None
    assert estimate("r2", earlier, sure) is None


def test_business_figures_are_expressions_over_predictions_labels_and_readings() -> None:
    kpis = {
        "lost": "SUM(ABS(prediction - label)) * 0.5",
        "night_share": "AVG(CASE WHEN shift = 'night' THEN 1.0 ELSE 0.0 END)",
        "unknown": "AVG(nobody)",
        "many": "prediction",
        "endless": "SUM(prediction) / 0",
    }
    spec = model(monitoring={"kpis": kpis})
    assert kpi_columns(spec) == ("nobody", "shift")
    predictions, truth = world({0: 1.0})
    night = pl.when(pl.int_range(pl.len()) % 4 == 0).then(pl.lit("night")).otherwise(pl.lit("day"))
    rows = labeled(spec, predictions, truth.with_columns(night.alias("reading:shift")))
    [window] = performance(spec, 3, rows, AS_OF, baseline=1.0, recorded={}).windows
    assert set(window.kpis) == {"lost", "night_share"}
    assert window.kpis["lost"] == pytest.approx(
        0.5 * 336 * 0.8, rel=0.1
    )  # a mean error of 0.8 at deviation 1
    assert window.kpis["night_share"] == pytest.approx(0.25)


@pytest.mark.parametrize(
    "text", ["read_csv('/etc/passwd')", "1; drop table x", "SUM(prediction", "__import__('os').system('x')"]
)
def test_an_expression_reaches_columns_and_nothing_else(text: str) -> None:
    with pytest.raises(ValidationError, match="not an SQL expression"):
        model(monitoring={"kpis": {"bad": text}})


def test_a_subquery_gives_no_figure() -> None:
    spec = model(monitoring={"kpis": {"inner": "(SELECT 1)"}})
    predictions, truth = world({0: 1.0})
    result = performance(spec, 3, labeled(spec, predictions, truth), AS_OF, baseline=1.0, recorded={})
    assert result.windows[0].kpis == {}
