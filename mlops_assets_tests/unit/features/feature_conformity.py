"""What every kind of feature must satisfy: training equals serving, nothing later is read, the look-back is exact."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mlops_assets.errors import DataError
from mlops_assets.features import FEATURE_KINDS, build, fit_preparation, online, recent
from mlops_assets.features.kinds import LookBack
from mlops_assets.features.serving import look_back
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.features import (
    keys_that_need_a_timestamp,
    number_columns,
    source_columns,
)
from mlops_assets_tests.unit.features.feature_factory import START, model, readings

ZONES: Final = ("UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe")
ROWS: Final = 1_000
MICROSECOND: Final = timedelta(microseconds=1)


def spec_with(key: str, problem: str = "regression", **features: Any) -> ModelSpec:
    """A model file that has the example of this kind, and no other."""
    if problem == "forecasting":
        features = {"horizon": "3h", **features}
    return model(problem=problem, features={"inputs": ["a"], key: FEATURE_KINDS[key].example, **features})


def frame_with_gaps() -> pl.DataFrame:
    """Half-hourly readings of four units across a clock change, a fifth of them missing, one unit seen only late."""
    frame = readings(700, units=4, seed=11)
    halves = frame.with_columns(at=pl.col("at") + timedelta(minutes=30), a=pl.col("a") + 1.0)
    frame = pl.concat([frame, halves]).sort("unit", "at")
    chance = np.random.default_rng(12)
    keep = pl.Series(chance.random(frame.height) > 0.2)
    late = (pl.col("unit") != "u3") | (pl.col("at") >= START + timedelta(hours=420))
    nulls = pl.Series(chance.random(frame.height) < 0.05)
    return frame.with_columns(y=pl.when(nulls).then(None).otherwise("y")).filter(keep).filter(late)


def columns_of(spec: ModelSpec, key: str) -> list[str]:
    kind = FEATURE_KINDS[key]
    return [] if kind.role == "fitted" else list(kind.names(spec))


def check_names(spec: ModelSpec, key: str) -> None:
    """`build` adds exactly the described columns, and the sources are those that the model file names."""
    kind = FEATURE_KINDS[key]
    assert kind.names(spec), f"{key}: the example describes no feature"
    bare = spec.features.model_dump() | {key: type(spec.features).model_fields[key].get_default()}
    without = spec.model_copy(update={"features": type(spec.features)(**bare)})
    assert kind.names(without) == (), f"{key}: features without the key"
    if key != "horizon":
        frame = frame_with_gaps()
        added = set(build(spec, frame).columns) - set(build(without, frame).columns)
        assert added - {"kind", "b"} == set(columns_of(spec, key))
    named = {*source_columns(spec.features), spec.target, spec.timestamp, spec.entity}
    assert set(kind.sources(spec)) <= named, f"{key}: reads columns that the model file does not name"
    assert all(feature.description for feature in kind.describe(spec))


def check_demands(spec: ModelSpec, key: str) -> None:
    """The types of the key demand numbers of every column that is computed with, and a timestamp where one is read."""
    kind, frame = FEATURE_KINDS[key], frame_with_gaps()
    demanded = {column for _, column in number_columns(spec.features)}
    for column in set(kind.sources(spec)) - demanded - {spec.target, spec.timestamp}:
        as_text = frame.with_columns(pl.col(column).cast(pl.String))
        build(spec, as_text)
        list(kind.fit(spec, as_text))
    timeless = spec.model_copy(update={"timestamp": None})
    if key == "horizon":
        return  # the value is the row's own; which instant is predicted needs the timestamp
    if key in keys_that_need_a_timestamp(spec.features):
        with pytest.raises((DataError, pl.exceptions.PolarsError)):
            build(timeless, frame)
    else:
        build(timeless, frame)


def check_batch_equals_online(spec: ModelSpec, key: str) -> None:
    """The API's features of 1,000 rows equal those of the batch, bit by bit, in several time zones."""
    frame = frame_with_gaps()
    late = frame.filter(pl.col("at") >= START + timedelta(hours=300)).sample(ROWS, seed=2).sort("at", "unit")
    compared = 0
    for index, zone in enumerate(ZONES):
        features = spec.features.model_copy(update={"timezone": zone})
        local = spec.model_copy(update={"features": features})
        batch = build(local, frame)
        names = ["at", "unit", *columns_of(local, key)]
        train = batch.filter(pl.col("at") < START + timedelta(hours=300)).drop_nulls("y")
        preparation = fit_preparation(local, train)
        for rows in late[index * 250 : (index + 1) * 250].iter_slices(50):
            earlier = frame.filter(pl.col("at") < rows["at"].min())
            between = frame.filter(pl.col("at").is_between(rows["at"].min(), rows["at"].max()))
            between = between.join(rows, on=["at", "unit"], how="anti")
            history = pl.concat([recent(local, earlier), between])
            result = online(local, history, rows)
            expected = rows.select("at", "unit").join(batch, on=["at", "unit"], how="left")
            assert_frame_equal(result.select(names), expected.select(names), check_exact=True)
            np.testing.assert_array_equal(
                preparation.apply(result).values, preparation.apply(expected).values
            )
            compared += result.height
    assert compared == ROWS


def check_no_look_ahead(spec: ModelSpec, key: str) -> None:
    """Poisoned later readings, and a poisoned own target where it is hidden, change nothing before."""
    frame = frame_with_gaps()
    cut = START + timedelta(hours=350)
    poison = pl.col("at") > cut
    poisoned = frame.with_columns(
        pl.when(poison).then(-1e9).otherwise(pl.col(name)).alias(name) for name in ("a", "b", "y")
    )
    names = ["at", "unit", *columns_of(spec, key)]
    expected = build(spec, frame).filter(pl.col("at") <= cut).select(names)
    assert_frame_equal(
        build(spec, poisoned).filter(pl.col("at") <= cut).select(names), expected, check_exact=True
    )
    if spec.problem != "forecasting":
        newest = pl.col("at") == pl.col("at").max().over("unit")
        own = frame.with_columns(y=pl.when(newest).then(-1e9).otherwise("y"))
        assert_frame_equal(
            build(spec, own).filter(newest).select(names),
            build(spec, frame).filter(newest).select(names),
            check_exact=True,
        )


def check_look_back(spec: ModelSpec, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stated look-back is enough (`check_batch_equals_online`), and a shorter one gives other values."""
    kind = FEATURE_KINDS[key]
    stated = kind.look_back(spec)
    assert look_back(spec) == stated, f"{key}: the look-back of the model is not that of its only kind"
    frame = readings(120, units=2, seed=4).with_columns(pl.col("a", "b", "y").fill_null(1.0))
    cut = START + timedelta(hours=100)
    names = columns_of(spec, key)
    expected = build(spec, frame).filter(pl.col("at") == cut).select("unit", *names)

    def serve(kept: pl.Expr) -> pl.DataFrame:
        history = recent(spec, frame.filter(kept))
        return online(spec, history, frame.filter(pl.col("at") == cut)).select("unit", *names)

    earlier, known = pl.col("at") < cut, pl.col("at") <= cut
    assert_frame_equal(serve(earlier), expected, check_exact=True)
    assert_frame_equal(serve(known), expected, check_exact=True)
    hour = timedelta(hours=1)
    # A window is counted from the newest stored reading, one step before the row, and may exclude its own start.
    less_time = max(stated.duration - 2 * hour - MICROSECOND, timedelta(0))
    shorter = [(LookBack(less_time, stated.readings), earlier)] if stated.duration else []
    # A step is counted from the row: one reading less is missed by a row at the newest stored reading.
    shorter += [(LookBack(stated.duration, stated.readings - 1), known)] if stated.readings else []
    for less, kept in shorter:
        with monkeypatch.context() as patched:
            patched.setattr(type(kind), "look_back", lambda self, spec, less=less: less)
            assert not serve(kept).equals(expected), f"{key}: {stated} is more than its values read"
