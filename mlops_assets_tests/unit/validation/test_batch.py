"""Validating a batch: each defect is found by its rule, by no other, and an empty batch passes nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from mlops_assets.artifacts import ColumnProfile, Profile, RuleResult, Validation, from_json, to_json
from mlops_assets.model_file import ModelSpec
from mlops_assets.validation import rules, validate

START = datetime(2025, 3, 1, tzinfo=UTC)
END = START + timedelta(days=4)
STEPS = 4 * 24  # hourly


def model(**changes: Any) -> ModelSpec:
    body: dict[str, Any] = {
        "name": "pump",
        "description": "a pump",
        "owners": ["a@example.com"],
        "problem": "regression",
        "target": "y",
        "timestamp": "at",
        "entity": "unit",
        "source": {"kind": "simulated", "simulator": "pump_station"},
        "validation": {
            "min_rows": 50,
            "freshness": "2h",
            "completeness": 0.9,
            "columns": {
                "flow": {"min": 0, "max": 100, "type": "number"},
                "code": {"pattern": "[A-Z]{2}\\d"},
                "state": {"values": ["on", "off"], "required": True},
                "serial no": {"unique": True, "type": "integer"},
            },
        },
        "training": {"algorithms": [{"name": "ridge"}]},
        "evaluation": {"primary": "rmse"},
    }
    for key, value in changes.items():
        body[key] = (
            {**body[key], **value} if isinstance(value, dict) and isinstance(body.get(key), dict) else value
        )
    return ModelSpec.model_validate(body, strict=False)


def readings(**columns: pl.Expr) -> pl.DataFrame:
    """Two units, four whole days of hours and one hour more on either side, without a defect."""
    times = [START + timedelta(hours=hour) for hour in range(-1, STEPS + 1)]
    count = 2 * len(times)
    frame = pl.DataFrame(
        {
            "at": [time for time in times for _ in range(2)],
            "unit": ["a", "b"] * len(times),
            "y": [float(i % 17) for i in range(count)],
            "flow": [float(i % 100) for i in range(count)],
            "code": ["AB1"] * count,
            "state": ["on", "off"] * len(times),
            "serial no": list(range(count)),
        }
    ).with_row_index("i")
    return frame.with_columns(**columns).drop("i")


def at(position: int) -> pl.Expr:
    return pl.col("i") == position


def check(frame: pl.DataFrame, spec: ModelSpec | None = None, reference: Profile | None = None) -> Validation:
    validation = validate(spec or model(), frame, as_of=END + timedelta(hours=1), reference=reference)
    assert [rule.rule for rule in validation.rules] == [rule.name for rule in rules(spec or model())]
    assert validation.valid.height + validation.quarantine.height == frame.height
    return validation


def failed(validation: Validation) -> dict[str, RuleResult]:
    return {rule.rule: rule for rule in validation.rules if not rule.passed}


def test_good_readings_pass_every_rule() -> None:
    validation = check(readings())
    assert failed(validation) == {}
    assert validation.passed
    assert validation.valid.equals(readings())
    assert validation.quarantine.columns == [*readings().columns, "_reason"]


@pytest.mark.parametrize("frame", [readings().clear(), pl.DataFrame()])
def test_nothing_evaluated_is_a_failure(frame: pl.DataFrame) -> None:
    validation = check(frame)
    assert not validation.passed
    passed = {rule.rule for rule in validation.rules if rule.passed}
    assert passed <= {"columns_present", "column_types"}


ROW_DEFECTS = [
    ("range_flow", {"flow": pl.when(at(7)).then(100.5).otherwise("flow")}, 100.5),
    ("range_flow", {"flow": pl.when(at(7)).then(-3.0).otherwise("flow")}, -3.0),
    ("pattern_code", {"code": pl.when(at(7)).then(pl.lit("AB12")).otherwise("code")}, 1.0),
    ("pattern_code", {"code": pl.when(at(7)).then(pl.lit("AB1\n")).otherwise("code")}, 1.0),
    ("values_state", {"state": pl.when(at(7)).then(pl.lit("ON")).otherwise("state")}, 1.0),
    ("required_state", {"state": pl.when(at(7)).then(None).otherwise("state")}, 1.0),
    ("unique_serial_no", {"serial no": pl.when(at(7)).then(3).otherwise("serial no")}, 1.0),
    ("finite", {"y": pl.when(at(7)).then(float("-inf")).otherwise("y")}, 1.0),
    ("keys_present", {"unit": pl.when(at(7)).then(None).otherwise("unit")}, 1.0),
    ("keys_present", {"at": pl.when(at(7)).then(None).otherwise("at")}, 1.0),
]


@pytest.mark.parametrize(("rule", "defect", "observed"), ROW_DEFECTS)
def test_a_broken_row_is_set_aside_with_its_reason(
    rule: str, defect: dict[str, pl.Expr], observed: float
) -> None:
    frame = readings(**defect)
    validation = check(frame)
    result = failed(validation)
    assert list(result) == [rule]
    assert (result[rule].failed_rows, result[rule].observed, result[rule].critical) == (1, observed, False)
    assert result[rule].samples[0]["row"] == 7
    assert validation.quarantine["_reason"].to_list() == [rule]
    assert validation.quarantine.drop("_reason").equals(frame[7:8])
    assert validation.passed, "one bad row in two hundred is set aside, not a reason to stop"
    assert from_json(RuleResult, to_json(result[rule])) == result[rule]


def test_an_infinite_value_out_of_range_has_both_reasons() -> None:
    validation = check(readings(flow=pl.when(at(7)).then(float("inf")).otherwise("flow")))
    assert validation.quarantine["_reason"].to_list() == ["finite; range_flow"]


def test_too_many_broken_rows_fail_the_batch() -> None:
    validation = check(readings(flow=pl.when(pl.col("i") < 20).then(-1.0).otherwise("flow")))
    assert list(failed(validation)) == ["range_flow", "quarantined"]
    assert not validation.passed


def test_a_repeated_reading_is_set_aside_and_the_first_kept() -> None:
    frame = readings()
    frame = pl.concat([frame, frame[10:11].with_columns(pl.lit(9999).alias("serial no").cast(pl.Int64))])
    validation = check(frame)
    assert set(failed(validation)) == {"unique_rows", "time_order"}
    assert validation.valid.equals(readings())
    assert validation.passed


def test_readings_from_the_future_are_set_aside_and_never_make_data_fresh() -> None:
    late = pl.when(at(7)).then(pl.lit(END + timedelta(days=400))).otherwise("at")
    stale = validate(model(), readings(at=late), as_of=END + timedelta(hours=9))
    assert {"time_not_future", "freshness", "time_order"} <= set(failed(stale))
    assert failed(stale)["freshness"].observed == 9 * 3600
    assert not stale.passed


def test_exactly_as_old_as_allowed_is_fresh() -> None:
    assert "freshness" not in failed(validate(model(), readings(), as_of=END + timedelta(hours=2)))
    assert "freshness" in failed(validate(model(), readings(), as_of=END + timedelta(hours=2, seconds=1)))


def test_missing_is_judged_by_the_worst_column_and_the_total_is_told() -> None:
    frame = readings(y=pl.when(pl.col("i") % 19 == 0).then(float("nan")).otherwise("y"))
    [missing] = failed(check(frame)).values()
    assert (missing.rule, missing.critical, missing.failed_rows) == ("missing", True, 11)
    assert "'y' misses 5.61%" in missing.message
    assert "all columns together 0.80%" in missing.message


def test_five_percent_is_not_below_five_percent() -> None:
    spec = model(validation={"completeness": None, "min_rows": 1})
    frame = readings(y=pl.when(pl.col("i") < 5).then(None).otherwise("y")).head(100)
    exact = validate(spec, frame, as_of=END + timedelta(hours=1))
    assert "missing" in failed(exact)
    below = validate(spec, frame.tail(99), as_of=END + timedelta(hours=1))
    assert "missing" not in failed(below)


def test_a_column_of_nothing_fails_by_name() -> None:
    result = failed(check(readings(flow=pl.lit(None, dtype=pl.Float64))))
    assert set(result) == {"empty_columns", "missing"}
    assert "'flow'" in result["empty_columns"].message


def test_a_target_that_never_varies_or_is_absent() -> None:
    assert set(failed(check(readings(y=pl.lit(1.0))))) == {"target_present"}
    result = failed(check(readings().rename({"y": "yy"})))
    assert set(result) == {"columns_present", "target_present"}
    assert "near: 'yy'" in result["columns_present"].message


def test_a_wrong_type_fails_its_column_and_every_rule_that_needs_it() -> None:
    result = failed(check(readings(flow=pl.col("flow").cast(pl.String), at=pl.col("at").cast(pl.String))))
    assert {
        "column_types",
        "range_flow",
        "time_not_future",
        "unique_rows",
        "freshness",
        "completeness",
    } <= set(result)
    assert "'flow' holds String, not numbers" in result["column_types"].message


def test_whole_numbers_may_come_as_floats_but_not_broken() -> None:
    assert failed(check(readings(**{"serial no": pl.col("serial no").cast(pl.Float64)}))) == {}
    result = failed(check(readings(**{"serial no": pl.col("serial no") + 0.5})))
    assert set(result) == {"column_types"}


def test_a_silent_day_of_one_unit_shows_in_completeness() -> None:
    frame = readings().filter(
        ~((pl.col("unit") == "b") & (pl.col("at").dt.date() == (START + timedelta(days=1)).date()))
    )
    [result] = failed(check(frame)).values()
    assert (result.rule, result.observed, result.critical) == ("completeness", 0.0, True)
    assert "2025-03-02 of b: 0 of 24" in result.message


def test_drift_is_measured_against_the_reference_and_only_then() -> None:
    shares = tuple([0.01] * 100)
    profile = ColumnProfile("number", tuple(float(i) for i in range(1, 100)), (), shares, 0.0, None, None)
    reference = Profile(1_000, {"flow": profile, "built later": profile})
    assert failed(check(readings(), reference=reference)) == {}
    [moved] = failed(check(readings(flow=pl.col("flow") * 0.25), reference=reference)).values()
    assert (moved.rule, moved.critical) == ("drift", False)
    enforced = model(validation={"max_drift": 0.3})
    assert not check(readings(flow=pl.col("flow") * 0.25), enforced, reference).passed
    assert "drift" in failed(check(readings(), enforced, Profile(1_000, {"built later": profile})))


def test_names_are_plain_unique_and_known_before_data() -> None:
    spec = model(validation={"columns": {"a b": {"min": 0}, "a-b": {"min": 0}, "a_b": {"max": 1}}})
    names = tuple(rule.name for rule in rules(spec))
    assert [name for name in names if name.startswith("range")] == ["range_a_b", "range_a_b_2", "range_a_b_3"]
    assert len(set(names)) == len(names)
    assert [rule.name for rule in rules(spec)] == list(names)


def test_without_a_timestamp_there_are_no_rules_about_time() -> None:
    spec = model(timestamp=None, entity=None, validation={"freshness": None, "completeness": None})
    assert not {"freshness", "time_order", "unique_rows", "keys_present"} & {
        rule.name for rule in rules(spec)
    }
    assert check(readings(), spec).passed


def test_time_is_an_argument_with_a_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        validate(model(), readings(), as_of=END.replace(tzinfo=None))


def _odd_columns(count: int) -> list[pl.Series]:
    plain = [
        pl.Series([Decimal("1.5")] * count),
        pl.Series([START.date()] * count),
        pl.Series(["on"] * count, dtype=pl.Categorical),
        pl.Series([None] * count),
        pl.Series([True, False] * (count // 2)),
        pl.Series([2**63] * count, dtype=pl.UInt64),
        pl.Series(["x"] * count),
        pl.Series(range(count)),
    ]
    nested = [
        pl.Series([[1]] * count),
        pl.Series([{"a": 1}] * count),
        pl.Series([timedelta(1)] * count),
        pl.Series([b"a"] * count),
        pl.Series([object()] * count, dtype=pl.Object),
    ]
    return [*plain, *nested]


@pytest.mark.parametrize("column", _odd_columns(readings().height), ids=lambda series: str(series.dtype))
def test_any_type_in_any_column_is_answered_not_raised(column: pl.Series) -> None:
    for name in (*readings().columns, "extra"):
        validation = check(readings().with_columns(column.alias(name)))
        if column.dtype in (pl.List, pl.Struct, pl.Duration, pl.Binary, pl.Object):
            assert not validation.passed
            assert repr(name) in failed(validation)["column_types"].message
