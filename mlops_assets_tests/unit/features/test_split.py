"""Splits: time never straddles, labels do not reach over, every strategy is repeatable, and leaks are found."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from mlops_assets.artifacts import PARTS, Split
from mlops_assets.errors import DataError
from mlops_assets.features import build, leakage, leakage_findings, split
from mlops_assets_tests.unit.features.feature_factory import START, model, readings, wine


def classes(rows: int = 60) -> pl.DataFrame:
    return pl.DataFrame({"y": [f"c{i % 3}" for i in range(rows)], "a": [float(i) for i in range(rows)]})


def test_by_time_no_instant_straddles_and_shares_hold() -> None:
    result = split(model(), build(model(), readings(100)))
    assert result.strategy == "temporal"
    assert [result.part(name).height for name in PARTS] == [210, 45, 45]
    assert result.train["at"].max() < result.validation["at"].min()  # type: ignore[operator]
    assert result.validation["at"].max() < result.test["at"].min()  # type: ignore[operator]


@pytest.mark.parametrize(
    "changes",
    [{"split": {"gap": "5h"}}, {"problem": "forecasting", "features": {"inputs": ["a"], "horizon": "5h"}}],
)
def test_a_gap_and_a_horizon_are_left_out(changes: dict[str, Any]) -> None:
    spec = model(**changes)
    result = split(spec, build(spec, readings(100)))
    for one, other in (("train", "validation"), ("validation", "test")):
        reach, begin = result.part(one)["at"].max(), result.part(other)["at"].min()  # type: ignore[arg-type]
        assert begin - reach == timedelta(hours=6)  # type: ignore[operator]
    assert leakage(spec, result) == ()


def test_rows_without_target_are_in_no_part() -> None:
    frame = build(model(), readings(100)).with_columns(
        y=pl.when(pl.int_range(pl.len()) % 3 == 0)
        .then(None)
        .when(pl.int_range(pl.len()) % 3 == 1)
        .then(float("nan"))
        .otherwise("y")
    )
    result = split(model(), frame)
    assert sum(result.part(name).height for name in PARTS) == 100
    with pytest.raises(DataError, match="no row has a value of the target 'y'"):
        split(model(), frame.with_columns(y=pl.lit(None, dtype=pl.Float64)))


@pytest.mark.parametrize("strategy", ["random", "stratified", "group", "temporal"])
def test_the_same_rows_fall_alike_in_any_order(strategy: str) -> None:
    if strategy in ("temporal", "group"):
        spec = model(split={"strategy": strategy, "group": "unit"})
        frame = build(spec, readings(100, units=9))
    else:
        spec, frame = wine(split={"strategy": strategy}), classes()
    one = split(spec, frame)
    other = split(spec, frame.sample(fraction=1.0, shuffle=True, seed=1))
    assert one.digest == other.digest
    assert one.test.equals(other.test)
    reseeded = split(spec.model_copy(update={"split": spec.split.model_copy(update={"seed": 7})}), frame)
    assert (reseeded.digest == one.digest) == (strategy == "temporal")


def test_the_digest_knows_a_changed_target_and_a_moved_row() -> None:
    frame = build(model(), readings(100))
    digests = {
        split(model(), frame).digest,
        split(model(split={"gap": "1h"}), frame).digest,
        split(
            model(), frame.with_columns(y=pl.when(pl.int_range(pl.len()) == 5).then(0.0).otherwise("y"))
        ).digest,
    }
    assert len(digests) == 3


def test_stratified_keeps_shares_and_gives_each_part_a_rare_class() -> None:
    rare = pl.concat([classes(), pl.DataFrame({"y": ["rare"] * 3, "a": [0.1, 0.2, 0.3]})])
    result = split(wine(), rare)
    assert result.strategy == "stratified"
    for name in PARTS:
        assert result.part(name).filter(y="rare").height == 1


def test_groups_stay_whole() -> None:
    spec = model(split={"strategy": "group", "group": "unit"})
    result = split(spec, build(spec, readings(50, units=10)))
    units = [set(result.part(name)["unit"].to_list()) for name in PARTS]
    assert not units[0] & units[1] | units[0] & units[2] | units[1] & units[2]
    many = split(spec, build(spec, readings(2, units=2_000)))
    shares = [many.part(name)["unit"].n_unique() / 2_000 for name in PARTS]
    assert shares == pytest.approx([0.70, 0.15, 0.15], abs=0.03)
    three = split(spec, build(spec, readings(50, units=3)))
    assert {three.part(name)["unit"].n_unique() for name in PARTS} == {1}


def test_an_empty_part_and_an_unknown_class_are_refused() -> None:
    with pytest.raises(DataError, match="the validation part is empty: 2 rows"):
        split(model(), build(model(), readings(2, units=1)))
    late = build(
        spec := model(
            problem="classification",
            training={"algorithms": [{"name": "logistic"}]},
            evaluation={"primary": "f1"},
        ),
        readings(100).with_columns(
            y=pl.when(pl.col("at") > START + timedelta(hours=95)).then(pl.lit("new")).otherwise(pl.lit("old"))
        ),
    )
    with pytest.raises(DataError, match="no row of class new"):
        split(spec, late)


def leaky(split_: Split, **changes: pl.DataFrame) -> Split:
    parts = {name: changes.get(name, split_.part(name)) for name in PARTS}
    return Split(parts["train"], parts["validation"], parts["test"], split_.strategy, split_.digest)


def test_leaks_are_found() -> None:
    spec = model()
    result = split(spec, build(spec, readings(100)))
    assert leakage(spec, result) == ()
    shared = leakage(spec, leaky(result, train=pl.concat([result.train, result.test.head(2)])))
    assert any("2 rows of train are in test too" in sentence for sentence in shared)
    assert any("train reaches to" in sentence for sentence in shared)
    disguised = leaky(
        result, **{name: result.part(name).with_columns(b=pl.col("y").exp() / 3) for name in PARTS}
    )
    assert leakage(spec, disguised) == ()
    questions = [one.sentence for one in leakage_findings(spec, disguised)]
    assert any("column 'b' is 'y' in another unit" in sentence for sentence in questions)
    copied = leaky(result, **{name: result.part(name).with_columns(b=3 - 2 * pl.col("y")) for name in PARTS})
    assert any("column 'b' is a copy of 'y'" in sentence for sentence in leakage(spec, copied))
    grouped = model(split={"strategy": "group", "group": "unit"})
    assert any("3 values of 'unit'" in sentence for sentence in leakage(grouped, result))


def test_a_feature_that_names_the_class_is_found() -> None:
    frame = classes().with_columns(code=pl.col("y").replace_strict({"c0": 7, "c1": 8, "c2": 9}))
    spec = wine()
    assert any(
        "column 'code' names the class of 'y'" in one
        for one in leakage(spec, split(spec, build(spec, frame)))
    )
    assert leakage(spec, split(spec, build(spec, classes()))) == ()
