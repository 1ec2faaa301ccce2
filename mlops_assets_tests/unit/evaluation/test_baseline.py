"""The floor a model must beat: what each naive answer says, which is chosen, and that none looks at its own row."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlops_assets import evaluation, features
from mlops_assets.artifacts import PARTS
from mlops_assets.evaluation import naive
from mlops_assets.evaluation.baseline import baseline
from mlops_assets.model_file import ModelSpec
from mlops_assets_tests.unit.promotion.evidence_factory import START, ColumnPredictor, spec_with, split_of

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def hourly(ahead: int = 1, days: int = 20, units: int = 2) -> pl.DataFrame:
    """A noisy daily wave per unit: `y` is the value `ahead` hours later, `y_now` that of the row's own instant."""
    rng = np.random.default_rng(0)
    hours = 24 * days
    frames = []
    for unit in range(units):
        wave = 10 * unit + 5 * np.sin(2 * np.pi * np.arange(hours + ahead) / 24)
        wave += rng.normal(0, 0.3, hours + ahead)
        when = [START + HOUR * hour for hour in range(hours)]
        columns = {"y_now": wave[:hours], "y": wave[ahead:], "x": wave[ahead:]}
        frames.append(pl.DataFrame({"at": when, "pump_id": f"p{unit}", **columns}))
    return pl.concat(frames).sort("at", "pump_id")


def forecasting(ahead: int = 1, **evaluated: Any) -> ModelSpec:
    return spec_with(
        [],
        problem="forecasting",
        features={"horizon": f"{ahead}h"},
        evaluation={"primary": "mae", **evaluated},
    )


@pytest.mark.parametrize(("ahead", "reach"), [(1, 23), (6, 18), (24, 0), (30, 18), (48, 0)])
def test_a_season_says_the_newest_whole_multiple_that_was_known(ahead: int, reach: int) -> None:
    """At t it answers for t + ahead with the value of t - reach: whole days apart, and never of the future."""
    split = split_of(hourly(ahead))
    predictions = naive.season_before(forecasting(ahead), split, DAY)["test"].predicted
    whole = pl.concat([split.part(part) for part in PARTS])
    there = whole.select(pl.col("at") + HOUR * reach, "pump_id", there=pl.col("y_now"))
    rows = split.test.with_columns(said=predictions).join(there, on=["at", "pump_id"])
    assert rows.height == split.test.height
    assert rows["said"].to_list() == rows["there"].to_list()


def test_where_the_season_has_no_value_the_last_known_one_speaks() -> None:
    split = split_of(hourly())
    first = naive.season_before(forecasting(), split, DAY)["train"].predicted[: 2 * 23]
    assert first.tolist() == split.train["y_now"].to_list()[: 2 * 23]


@pytest.mark.parametrize("predictions", [naive.last_value, partial(naive.season_before, season=DAY)])
def test_no_forecast_changes_when_the_future_does(predictions: Any) -> None:
    """Targets of the newest rows, which lie in the future of every row before them, are put out of reach."""
    frame, spec = hourly(ahead=3), forecasting(3)
    last = frame["at"].max()
    later = pl.col("at") + 3 * HOUR > pl.lit(last) - 5 * HOUR
    spoiled = frame.with_columns(
        y=pl.when(later).then(1e9).otherwise("y"),
        y_now=pl.when(pl.col("at") > pl.lit(last) - 5 * HOUR).then(1e9).otherwise("y_now"),
    )
    before = split_of(frame).test["at"] <= last - 5 * HOUR  # type: ignore[operator]
    ours, theirs = (predictions(spec, split_of(one))["test"].predicted for one in (frame, spoiled))
    assert ours[before.to_numpy()].tolist() == theirs[before.to_numpy()].tolist()


def test_the_best_of_last_value_and_seasons_on_the_validation_part_is_the_baseline() -> None:
    spec, split = forecasting(6, seasons=["1d", "7d"]), split_of(hourly(6))
    result = baseline(spec, split)
    assert list(result.tried) == ["the last known value", "the value 1d before", "the value 7d before"]
    assert result.name == "the value 1d before"
    errors = {part: np.abs(result.parts[part].predicted - result.parts[part].truth).mean() for part in PARTS}
    assert result.tried[result.name] == pytest.approx(errors["validation"])
    assert min(result.tried, key=result.tried.__getitem__) == result.name
    assert "the best on the validation part (mae 0.3" in result.note
    assert "the last known value 4." in result.note


def test_the_test_part_has_no_say() -> None:
    spec, split = forecasting(6, seasons=["1d"]), split_of(hourly(6))
    constant = split.test.with_columns(y=pl.lit(3.0), y_now=pl.lit(3.0))
    assert baseline(spec, replace(split, test=constant)).name == "the value 1d before"


def test_one_step_of_a_slow_series_keeps_the_last_value() -> None:
    frame = hourly().with_columns(pl.col("at").rank("dense").alias("y"))
    frame = frame.with_columns(y_now=pl.col("y").cast(pl.Float64) - 1)
    assert baseline(forecasting(seasons=["1d"]), split_of(frame)).name == "the last known value"


def test_a_season_as_long_as_the_horizon_is_the_last_value() -> None:
    result = baseline(forecasting(24, seasons=["1d"]), split_of(hourly(24)))
    assert list(result.tried) == ["the last known value, which is that of 1d before"]


def test_mase_of_the_baseline_is_one_whichever_it_is() -> None:
    spec, split = forecasting(6, seasons=["1d"], also=["mase"]), split_of(hourly(6))
    result = evaluation.evaluate(spec, ColumnPredictor("x"), None, split, size_bytes=0)
    assert result.baseline_name == "the value 1d before"
    assert result.baseline["test"]["mase"] == pytest.approx(1.0)
    assert any("naive baseline: the value 1d before" in note for note in result.notes)


def sticky(stay: float = 0.95, rows: int = 1_200) -> pl.DataFrame:
    """Three entities, each a chain of classes a and b that stays what it is with probability `stay`."""
    rng = np.random.default_rng(5)
    lines = []
    turned = (rng.random((rows // 3, 3)) > stay).cumsum(axis=0) % 2
    for step, states in enumerate(turned.tolist()):
        lines += [(START + HOUR * step, f"p{unit}", "ab"[state]) for unit, state in enumerate(states)]
    return pl.DataFrame(lines, schema=["at", "pump_id", "y"], orient="row").with_columns(x=pl.col("y"))


def classification(**evaluated: Any) -> ModelSpec:
    return spec_with([], problem="classification", evaluation={"primary": "accuracy", **evaluated})


def test_classes_that_follow_each_other_are_predicted_by_the_previous_one_of_the_entity() -> None:
    spec, frame = classification(), sticky()
    split = split_of(frame)
    result = baseline(spec, split, ("a", "b"))
    assert result.name == "what most often follows the previous class"
    expected = frame.with_columns(before=pl.col("y").shift(1).over("pump_id"))
    assert ["ab"[int(code)] for code in result.parts["test"].predicted] == expected[960:]["before"].to_list()
    train = expected[:720]
    stays = train.filter(before="a").select((pl.col("y") == "a").mean()).item()
    labels = result.parts["test"].probabilities
    assert labels is not None
    assert labels.max() < 1
    after_a = labels[(expected[960:]["before"] == "a").to_numpy(), 0]
    assert after_a == pytest.approx(stays, abs=0.005)


def test_the_chain_never_sees_its_own_label_nor_one_of_the_same_instant() -> None:
    """Four rows of one entity at each instant: all are told by the last row of the instant before."""
    frame = sticky(0.5).with_columns(pump_id=pl.lit("p0"))
    split = split_of(frame)
    ours = naive.previous_label(classification(), split, ("a", "b"))["test"].shares
    assert ours is not None
    last = split.test["at"].max()
    turned = split.test.with_columns(
        y=pl.when(pl.col("at") == last).then(pl.col("y").replace({"a": "b", "b": "a"})).otherwise("y")
    )
    theirs = naive.previous_label(classification(), replace(split, test=turned), ("a", "b"))["test"].shares
    assert theirs is not None
    assert ours.tolist() == theirs.tolist()
    assert np.ptp(ours.reshape(-1, 3, 2), axis=1).max() == 0, "rows of one instant are told alike"


def test_the_chain_is_counted_on_the_training_part_alone() -> None:
    split = split_of(sticky())
    turned = split.validation.with_columns(pl.col("y").replace({"a": "b", "b": "a"}))
    one, other = (
        naive.previous_label(classification(), each, ("a", "b"))["test"].shares
        for each in (split, replace(split, validation=turned))
    )
    assert one is not None
    assert other is not None
    assert one[3:].tolist() == other[3:].tolist(), "only the first instant follows the validation part"


@pytest.mark.parametrize(
    ("evaluated", "strategy"), [({"baseline": "simple"}, "temporal"), ({}, "random"), ({}, "group")]
)
def test_without_time_or_where_labels_arrive_late_the_most_frequent_class_is_the_floor(
    evaluated: dict[str, Any], strategy: str
) -> None:
    result = baseline(classification(**evaluated), split_of(sticky(), strategy), ("a", "b"))
    assert list(result.tried) == ["the most frequent class"]
    assert result.note == "naive baseline: the most frequent class"


def test_classes_without_memory_are_left_to_the_most_frequent() -> None:
    frame = sticky(0.5)
    often = np.random.default_rng(1).random(frame.height) < 0.8
    result = baseline(classification(), split_of(frame.with_columns(y=np.where(often, "a", "b"))), ("a", "b"))
    assert result.name == "the most frequent class", "a tie is decided for the simpler one"


@pytest.mark.parametrize(("primary", "best"), [("log_loss", min), ("roc_auc", max)])
def test_the_direction_of_the_metric_decides(primary: str, best: Any) -> None:
    result = baseline(classification(primary=primary), split_of(sticky()), ("a", "b"))
    assert all(math.isfinite(value) for value in result.tried.values())
    assert result.tried[result.name] == best(result.tried.values())
    assert result.name == "what most often follows the previous class"


def test_simple_leaves_seasons_alone_and_regression_keeps_the_mean() -> None:
    seasonal = forecasting(6, seasons=["1d"])
    plain = seasonal.evaluation.model_copy(update={"baseline": "simple"})
    result = baseline(seasonal.model_copy(update={"evaluation": plain}), split_of(hourly(6)))
    assert list(result.tried) == ["the last known value"]
    split = split_of(hourly())
    simple = spec_with([], evaluation={"primary": "rmse", "baseline": "simple"})
    result = baseline(simple, split)
    assert list(result.rivals) == [result.name]
    assert result.name == "the mean of the training rows"
    assert result.parts["test"].predicted == pytest.approx(split.train["y"].mean())


def test_the_gate_holds_a_model_to_the_chain() -> None:
    """A model that says the most frequent class is as good as it was; what it must beat has grown."""
    split = split_of(sticky())
    result = evaluation.evaluate(
        classification(), ColumnPredictor("x", classes=("a", "b")), None, split, size_bytes=0
    )
    assert result.baseline["test"]["accuracy"] > 0.9
    assert result.baseline_name == "what most often follows the previous class"


def test_the_price_of_half_an_hour_ago_is_the_floor_for_elec2(public_data: Path) -> None:
    """Persistence is right 85.3 % of the time (Zliobaite 2013, arXiv:1301.3524); models that look good lose to it."""
    prices = pl.read_parquet(public_data / "elec2_nsw.parquet").rename({"class": "y"}).select("y")
    when = pl.datetime_range(START, START + (prices.height - 1) * HOUR / 2, "30m", eager=True)
    frame = prices.with_columns(at=when, pump_id=pl.lit("nsw"))
    result = baseline(classification(), split_of(frame), ("0", "1"))
    assert result.name == "what most often follows the previous class"
    right = np.concatenate([result.parts[part].truth == result.parts[part].predicted for part in PARTS])
    assert right.mean() == pytest.approx(0.853, abs=0.001)
    untimed = spec_with(
        [], problem="classification", timestamp=None, entity=None, evaluation={"primary": "accuracy"}
    )
    assert "85% have the class of the row before" in str(features.autocorrelation_warning(untimed, prices))


def test_a_season_finds_its_reading_although_the_clock_is_off_by_seconds() -> None:
    """Matched to the microsecond, the season has no value, and the last known one speaks in its place."""
    frame = hourly(1)
    off = pl.Series(np.random.default_rng(1).integers(-50, 51, frame.height))
    split = split_of(
        frame.with_columns(pl.col("at") + pl.duration(seconds=pl.lit(off))).sort("at", "pump_id")
    )
    exact = split_of(frame)
    predicted = naive.season_before(forecasting(), split, DAY)["test"].predicted
    expected = naive.season_before(forecasting(), exact, DAY)["test"].predicted
    persistence = naive.last_value(forecasting(), split)["test"].predicted
    by_value = dict(zip(exact.test["y_now"].to_list(), expected.tolist(), strict=True))
    wanted = [by_value[value] for value in split.test["y_now"].to_list() if value in by_value]
    assert len(wanted) > 0.95 * split.test.height
    hits = [
        by_value.get(value) == season
        for value, season in zip(split.test["y_now"].to_list(), predicted.tolist(), strict=True)
    ]
    assert sum(hits) > 0.95 * split.test.height
    assert (predicted != persistence).mean() > 0.9


def test_one_absurd_value_spoils_the_mean_and_not_the_median() -> None:
    frame = hourly().with_columns(y=pl.when(pl.int_range(pl.len()) == 7).then(1e9).otherwise("y"))
    split = split_of(frame)
    result = baseline(spec_with([], evaluation={"primary": "mae"}), split)
    spoiled = result.rivals["the mean of the training rows"]["test"].predicted
    robust = result.rivals["the median of the training rows"]["test"].predicted
    assert spoiled[0] > 1e5
    assert robust[0] == pytest.approx(split.train["y"].median())
