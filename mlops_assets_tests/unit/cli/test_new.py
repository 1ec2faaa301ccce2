"""Drafting a model file: what is found in a table, and that the draft is valid whatever the table."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from mlops_assets.cli.main import cli
from mlops_assets.drafting import draft
from mlops_assets.drafting.profile import profile_table
from mlops_assets.errors import MlopsError, SourceError
from mlops_assets.features import build
from mlops_assets.model_file import ModelSpec, examine
from mlops_assets.model_file.gates import BeatsBaseline, Latency
from mlops_assets.model_file.source import FileSource
from mlops_assets.readings import read
from mlops_assets.settings import Settings

START = datetime(2026, 1, 1, tzinfo=UTC)
RNG = np.random.default_rng(0)
TABLE = FileSource(kind="file", path="table.parquet")


def series(rows: int = 400, **columns: Any) -> pl.DataFrame:
    when = [START + timedelta(minutes=10 * row) for row in range(rows)]
    return pl.DataFrame({"when": when, "level": RNG.normal(3, 1, rows), **columns})


def drafted(folder: Path, frame: pl.DataFrame, target: str, **options: Any) -> ModelSpec:
    """The parsed draft for a table; fails with the draft's problems."""
    file = folder / "drafted.yaml"
    file.write_text(draft("drafted", "team:a", TABLE, profile_table(frame, target, **options)))
    spec, problems = examine(file)
    assert spec is not None, [str(problem) for problem in problems]
    return spec


def test_a_regular_series_becomes_a_forecast(tmp_path: Path) -> None:
    spec = drafted(tmp_path, series(), "level")
    assert (spec.problem, spec.timestamp, spec.entity) == ("forecasting", "when", None)
    assert spec.features.horizon == timedelta(hours=1)
    assert spec.features.lags is not None
    assert spec.features.lags.steps == (1, 2, 3, 144)  # a day of ten minutes


def test_a_clean_table_without_time_zone_gives_a_valid_draft(tmp_path: Path) -> None:
    tidy = series(x=RNG.random(400), z=RNG.random(400), v=RNG.random(400))
    spec = drafted(tmp_path, tidy.with_columns(pl.col("when").dt.replace_time_zone(None)), "level")
    assert spec.repairs.model_dump(exclude_defaults=True) == {}, "only a comment about the zone stands there"


@pytest.mark.parametrize(
    ("step", "rows", "seasons"),
    [
        (timedelta(hours=1), 24 * 20, [1, 7]),
        (timedelta(hours=1), 24 * 5, [1]),
        (timedelta(minutes=10), 200, []),
        (timedelta(days=1), 60, [7]),
        (timedelta(days=7), 60, []),
        (timedelta(minutes=7), 5_000, [7]),  # a day is no whole number of these, a week is
    ],
)
def test_seasons_are_proposed_where_the_table_spans_two(
    tmp_path: Path, step: timedelta, rows: int, seasons: list[int]
) -> None:
    frame = pl.DataFrame(
        {"when": [START + step * row for row in range(rows)], "level": RNG.normal(3, 1, rows)}
    )
    spec = drafted(tmp_path, frame, "level")
    assert spec.evaluation.seasons == tuple(timedelta(days=days) for days in seasons)


def test_classes_must_beat_the_baseline_with_their_probabilities_too(tmp_path: Path) -> None:
    table = series(x=RNG.random(400)).with_columns(level=pl.Series(RNG.choice(["up", "down"], 400)))
    options = [
        gate.metric for gate in drafted(tmp_path, table, "level").gates if isinstance(gate, BeatsBaseline)
    ]
    assert options == ["roc_auc", "log_loss"]
    options = [
        gate.metric
        for gate in drafted(tmp_path, table.drop("when"), "level").gates
        if isinstance(gate, BeatsBaseline)
    ]
    assert options == ["roc_auc", "log_loss"], (
        "without a time as well: one metric of order alone lets noise pass"
    )


def test_the_draft_leaves_latency_to_whoever_needs_it(tmp_path: Path) -> None:
    """It judged the machine: 15 of 36 drafted models were kept out on a busy one."""
    assert not [gate for gate in drafted(tmp_path, series(), "level").gates if isinstance(gate, Latency)]


@pytest.mark.parametrize(
    ("labels", "positive"),
    [
        (["no"] * 160 + ["yes"] * 40, "yes"),
        (["yes"] * 160 + ["no"] * 40, "no"),
        (["no"] * 99 + ["yes"] * 101, "yes"),
        (["no"] * 101 + ["yes"] * 99, "yes"),
        (["up"] * 99 + ["down"] * 101, "up"),
        (["up"] * 101 + ["down"] * 99, "up"),
    ],
)
def test_of_two_classes_of_equal_size_the_name_decides(
    tmp_path: Path, labels: list[str], positive: str
) -> None:
    frame = pl.DataFrame(
        {name: np.random.default_rng(seed).random(200) for seed, name in enumerate("ab")}
    ).with_columns(label=pl.Series(labels).shuffle(seed=1))
    assert drafted(tmp_path, frame, "label").evaluation.positive == positive


def test_an_irregular_series_does_not(tmp_path: Path) -> None:
    frame = series().with_columns(
        pl.col("when") + pl.duration(seconds=pl.lit(pl.Series(RNG.integers(0, 599, 400)))),
        x=pl.lit(1.0).add(pl.col("level")),
    )
    assert (
        drafted(tmp_path, frame.with_columns(x=pl.Series(RNG.random(400))), "level").problem == "regression"
    )
    with pytest.raises(SourceError, match="regular step"):
        profile_table(frame, "level", problem="forecasting")


def test_two_series_in_one_table_need_an_entity(tmp_path: Path) -> None:
    one = series()
    both = pl.concat([one.with_columns(pump=pl.lit("a")), one.with_columns(pump=pl.lit("b"))])
    spec = drafted(tmp_path, both, "level")
    assert spec.entity == "pump"
    assert spec.repairs.sort is None, "in order per entity"


@pytest.mark.parametrize(
    "form",
    [
        "%d/%m/%Y %H:%M", "%m/%d/%Y %I:%M %p", "%d-%m-%Y %H:%M:%S", "%Y/%m/%d %H:%M", "%d %b %Y %H:%M", "%Y%m%dT%H%M%S",
        "%B %d, %Y %H:%M", "%a, %d %b %Y %H:%M:%S", "%d/%m/%y %H:%M", "%Y-%m-%d %H",
    ],
)  # fmt: skip
def test_time_formats(tmp_path: Path, form: str) -> None:
    hours = [(START + timedelta(hours=row)).strftime(form) for row in range(400)]
    spec = drafted(tmp_path, series().with_columns(when=pl.Series(hours)), "level")
    assert (spec.problem, spec.timestamp, spec.repairs.timestamp_format) == ("forecasting", "when", form)


def test_a_time_in_several_columns_is_put_together(tmp_path: Path) -> None:
    when = [START + timedelta(hours=row) for row in range(400)]
    level = series()["level"]
    parts = {"year": "%Y", "month": "%m", "day": "%d", "hour": "%H"}
    split = pl.DataFrame({name: [int(f"{one:{code}}") for one in when] for name, code in parts.items()})
    split = split.with_columns(level)
    spec = drafted(tmp_path, split, "level")
    assert spec.repairs.combine == {"timestamp": ("year", "month", "day", "hour")}
    assert (spec.timestamp, spec.problem, spec.features.inputs) == ("timestamp", "forecasting", ())
    clock = pl.DataFrame(
        {
            "Date": [f"{one:%d/%m/%Y}" for one in when],
            "Time": [f"{one:%H.%M.%S}" for one in when],
            "level": level,
        }
    )
    spec = drafted(tmp_path, clock, "level")
    assert spec.repairs.combine == {"timestamp": ("Date", "Time")}
    assert spec.repairs.timestamp_format == "%d/%m/%Y %H.%M.%S"


def test_numbers_that_count_time(tmp_path: Path) -> None:
    since = pl.Series([START + timedelta(hours=row) for row in range(400)]).dt.epoch("ms")
    assert drafted(tmp_path, series().with_columns(when=since), "level").repairs.timestamp_unit == "ms"
    seconds = since.cast(pl.Float64) / 1_000
    assert drafted(tmp_path, series().with_columns(when=seconds), "level").repairs.timestamp_unit == "s"
    born = series(x=RNG.random(400)).rename({"when": "birth_date"})
    assert drafted(tmp_path, born, "level").timestamp is None, "nobody's birthday says when a row was taken"


@pytest.mark.parametrize("every, steps", [("1mo", (1, 2, 3, 12)), ("1q", (1, 2, 3, 4)), ("1y", (1, 2, 3))])
def test_months_are_predicted_reading_by_reading(tmp_path: Path, every: str, steps: tuple[int, ...]) -> None:
    days = pl.date_range(date(1950, 1, 1), date(2049, 12, 1), every, eager=True)[:90]
    spec = drafted(tmp_path, pl.DataFrame({"day": days, "level": RNG.random(len(days))}), "level")
    assert spec.problem == "regression", "no duration is the length of every month"
    assert spec.features.lags is not None
    assert (spec.features.lags.columns, spec.features.lags.steps) == (("level",), steps)


def test_two_columns_may_say_what_a_row_is_about(tmp_path: Path) -> None:
    parts = [
        series(100).with_columns(store=pl.lit(store), item=pl.lit(item))
        for store in (1, 2)
        for item in (1, 2)
    ]
    spec = drafted(tmp_path, pl.concat(parts), "level")
    assert (spec.entity, spec.repairs.combine) == ("store_item", {"store_item": ("store", "item")})


def test_rows_of_the_future_do_not_count(tmp_path: Path) -> None:
    spec = drafted(tmp_path, series(400), "level", now=START + timedelta(days=1))
    assert spec.validation.min_rows == 110, "four fifths of the 145 rows that a run would see"


def test_columns_named_like_a_computed_feature_get_another_name(tmp_path: Path) -> None:
    frame = series(200).with_columns(
        level_lag_1=pl.Series(RNG.random(200)), when_hour=pl.Series(RNG.random(200))
    )
    spec = drafted(tmp_path, frame, "level")
    assert spec.repairs.rename == {"level_lag_1": "level_lag_1_given", "when_hour": "when_hour_given"}
    assert set(spec.features.inputs or ()) == {"level_lag_1_given", "when_hour_given"}
    frame.write_parquet(tmp_path / "t.parquet")
    source = FileSource(kind="file", path=str(tmp_path / "t.parquet"))
    readings = read(
        spec.model_copy(update={"source": source}),
        as_of=START + timedelta(days=9),
        settings=Settings.from_environment({}),
    )
    assert build(spec, readings.frame).height == 200


def test_a_combined_entity_takes_no_name_of_a_column(tmp_path: Path) -> None:
    parts = [
        series(100).with_columns(store=pl.lit(store), item=pl.lit(item))
        for store in (1, 2)
        for item in (1, 2)
    ]
    frame = pl.concat(parts).with_columns(store_item=pl.Series(RNG.random(400)))
    spec = drafted(tmp_path, frame, "level")
    assert spec.repairs.combine == {"store_item_": ("store", "item")}


def test_long_ids_and_mostly_numeric_text_are_declared_as_text(tmp_path: Path) -> None:
    ids = [2**60 + row % 3 for row in range(400)]
    codes = ["A1" if row % 40 == 0 else str(row % 7) for row in range(400)]
    frame = pl.DataFrame({"y": RNG.random(400), "device": ids, "code": codes, "x": RNG.random(400)})
    text = "\n".join(["y,device,code,x", *(",".join(map(str, row)) for row in frame.rows())]) + "\n"
    (tmp_path / "t.csv").write_text(text)
    facts = profile_table(frame.with_columns(code=pl.Series(codes)), "y")
    columns = {column.name: column for column in facts.columns}
    assert (columns["device"].distinct, columns["device"].role) == (3, "input"), "three ids, not one constant"
    spec = drafted(tmp_path, frame, "y")
    assert spec.repairs.cast["device"] == "text"
    source = FileSource(kind="file", path=str(tmp_path / "t.csv"))
    readings = read(
        spec.model_copy(update={"source": source}), as_of=START, settings=Settings.from_environment({})
    )
    assert readings.frame["device"].n_unique() == 3


def test_an_entity_is_a_name_rather_than_a_measure(tmp_path: Path) -> None:
    grades = {"alpha": 2.0, "beta": 4.0, "gamma": 6.0, "delta": 7.0}
    parts = [
        series(100).with_columns(grade=pl.lit(grade), line=pl.lit(line)) for line, grade in grades.items()
    ]
    assert drafted(tmp_path, pl.concat(parts), "level").entity == "line"


def test_a_timestamp_with_a_zone_wins_over_a_local_clock(tmp_path: Path) -> None:
    local = series(400, x=RNG.random(400)).select(
        pl.col("when").dt.replace_time_zone(None).alias("clock"), pl.col("when").alias("utc"), "level", "x"
    )
    assert drafted(tmp_path, local, "level").timestamp == "utc"


def test_a_series_with_other_columns_keeps_its_own_past(tmp_path: Path) -> None:
    frame = series(400, **{name: RNG.random(400) for name in "abcd"})
    spec = drafted(tmp_path, frame, "level")
    assert spec.problem == "regression"
    assert spec.features.lags is not None
    assert spec.features.lags.columns == ("level",)


def test_a_few_bad_times_are_set_aside_with_their_lines(tmp_path: Path) -> None:
    times = [(START + timedelta(minutes=10 * row)).strftime("%d.%m.%Y %H:%M") for row in range(4_032)]
    times[0], times[2_000], times[2_001] = "unknown", "31.02.2026 10:00", "unknown"
    rows = [f"{time},{row % 7}.5,{row % 11}" for row, time in enumerate(times)]
    (tmp_path / "t.csv").write_text("\n".join(["when,level,x", *rows]) + "\n")
    made = invoke(tmp_path, "t", "--data", str(tmp_path / "t.csv"), "--target", "level")
    assert made.exit_code == 0, made.output
    shown = "'unknown' in line 2, '31.02.2026 10:00' in line 2002, 'unknown' in line 2003"
    assert f"3 rows without a readable time are set aside: {shown}" in made.output
    spec, problems = examine(tmp_path / "models" / "t.yaml")
    assert spec is not None, problems
    assert (spec.timestamp, spec.repairs.timestamp_format) == ("when", "%d.%m.%Y %H:%M")
    assert spec.repairs.sentinels["when"] == ("unknown", "31.02.2026 10:00")
    readings = read(spec, as_of=START + timedelta(days=60), settings=Settings.from_environment({}))
    assert readings.frame.height == 4_029
    counts = {(repair.name, repair.column): repair.count for repair in readings.repairs}
    assert counts["row_without_timestamp_dropped", "when"] == 3


def test_a_few_rows_at_one_instant_make_no_entity(tmp_path: Path) -> None:
    seconds = sorted(RNG.integers(0, 400_000, 2_000).tolist())
    frame = pl.DataFrame(
        {
            "picked_up": [START + timedelta(seconds=second) for second in seconds],
            "VendorID": RNG.integers(1, 3, 2_000),
            **{name: RNG.random(2_000) for name in ("a", "b", "c", "y")},
        }
    )
    spec = drafted(tmp_path, frame, "y")
    assert (spec.entity, spec.validation.unique_rows, spec.repairs.duplicates) == (None, False, None)


def test_odd_markers_among_numbers_are_gaps(tmp_path: Path) -> None:
    values = [f"{value:.3f}" for value in RNG.random(400)]
    values[::50] = ["err"] * 8
    frame = pl.DataFrame({"y": RNG.random(400), "x": values, "state": ["on", "err"] * 200})
    assert drafted(tmp_path, frame, "y").repairs.missing_text == (), "elsewhere the word is a value"
    spec = drafted(tmp_path, frame.drop("state"), "y")
    assert (spec.repairs.missing_text, spec.repairs.cast) == (("err",), {"x": "number"})


def test_a_comma_is_read_as_the_file_uses_it() -> None:
    frame = pl.DataFrame({"y": [f"{value:,}" for value in range(1_000, 1_400)], "x": RNG.random(400)})
    [y, _] = profile_table(frame, "y").columns
    assert y.writing == "thousands"
    [y, _] = profile_table(frame, "y", comma_splits=False).columns
    assert y.writing == "decimal_comma"
    money = frame.with_columns(y=pl.Series([f"${value:,}.50" for value in range(1_000, 1_400)]))
    assert profile_table(money, "y").columns[0].writing == "thousands"


def test_a_sentinel_of_one_column_is_one_of_others_too(tmp_path: Path) -> None:
    quiet, wide = RNG.normal(5, 1, 400), RNG.uniform(100, 2_000, 400)
    quiet[::7] = wide[::9] = -200.0
    spec = drafted(tmp_path, pl.DataFrame({"co": quiet, "nox": wide, "y": RNG.random(400)}), "y")
    assert spec.repairs.sentinels == {"co": (-200,), "nox": (-200,)}


def test_columns_no_table_keeps_are_dropped(tmp_path: Path) -> None:
    frame = pl.DataFrame({"y": RNG.random(400), "x": RNG.random(400), "tags": [[1]] * 400})
    assert drafted(tmp_path, frame, "y").repairs.drop == ("tags",)
    spec = drafted(tmp_path, frame.rename({"tags": "t" * 200}), "y")
    assert spec.repairs.select == ("y", "x"), "a name too long to be written cannot be dropped by name"


@pytest.mark.parametrize(
    "value, taken",
    [(-99.0, True), (9_999.0, True), (-9_999.0, True), (99.0, True), (-1.0, False), (0.0, False)],
)
def test_values_that_stand_alone_are_sentinels(value: float, taken: bool) -> None:
    levels = RNG.normal(3, 1, 400)
    levels[[7, 90]] = value
    facts = profile_table(series(depth=levels), "level")
    [depth] = [column for column in facts.columns if column.name == "depth"]
    assert depth.sentinels == ((int(value),) if taken else ())


def test_values_among_others_are_not() -> None:
    facts = profile_table(series(depth=RNG.integers(90, 110, 400).astype(float)), "level")
    assert all(not column.sentinels for column in facts.columns)


def test_columns_that_are_no_inputs_are_left_out_with_a_reason() -> None:
    level = series()["level"]
    frame = pl.DataFrame(
        {
            "id": range(400),
            "level": level,
            "twin": level * 2 + 1,
            "constant": "x",
            "empty": pl.Series([None] * 400, dtype=pl.Float64),
            "mostly": [None, None, 1.0, 2.0] * 100,
            "name": [f"guest {row}" for row in range(400)],
            "nested": [[1, 2]] * 400,
            "predicted_level": RNG.random(400),
            "day": ["2026-01-05", "2026-01-06"] * 200,
            "x": RNG.random(400),
            "f_x": ["<0>", "<1>"] * 200,
        }
    )
    columns = {column.name: column for column in profile_table(frame, "level").columns}
    assert [name for name, column in columns.items() if column.role == "input"] == ["mostly", "x"]
    reasons = {
        "id": "an id",
        "twin": "a copy of 'level'",
        "constant": "in every row",
        "empty": "missing in every row",
        "name": "a name or an id",
        "nested": "List",
        "predicted_level": "prediction",
        "day": "date",
        "f_x": "quality flag",
    }
    for name, reason in reasons.items():
        assert reason in columns[name].why
    assert columns["x"].flagged_by == "f_x"


def format_missing(frame: pl.DataFrame, target: str) -> dict[str, str]:
    return {column.name: column.why for column in profile_table(frame, target).of("left out")}


def test_parts_of_the_targets_sum_are_left_out() -> None:
    casual, registered = RNG.integers(0, 90, 400), RNG.integers(0, 300, 400)
    frame = pl.DataFrame(
        {"casual": casual, "registered": registered, "x": RNG.random(400), "cnt": casual + registered}
    )
    why = "one of 'casual' and 'registered', which add up to the target (or differ by it): known only with it"
    assert format_missing(frame, "cnt") == {"casual": why, "registered": why}
    noisy = frame.with_columns(pl.col("cnt") + pl.Series(RNG.integers(0, 3, 400)))
    assert format_missing(noisy, "cnt") == {}
    alone = profile_table(frame.drop("x"), "cnt").of("input")
    assert [column.name for column in alone] == ["casual", "registered"], "with nothing else it is a note"
    assert all("add up" in column.note for column in alone)


def test_columns_that_are_known_only_with_the_class_are_left_out() -> None:
    amount, x = RNG.normal(size=1_000), RNG.random(1_000)
    late = amount > 0
    frame = pl.DataFrame(
        {
            "late": late,
            "lost": np.where(late, amount, 0.0),
            "closed": ["yes" if one else None for one in late],
            "x": x,
        }
    )
    reasons = format_missing(frame, "late")
    assert "without a miss" in reasons["lost"]
    assert reasons["closed"]
    near = np.where(RNG.random(1_000) < 0.02, -amount, amount)
    assert format_missing(pl.DataFrame({"late": late, "near": near}), "late") == {}
    rare = x < 0.05
    cause = np.where(rare & (RNG.random(1_000) < 0.7), "heat", "none")
    reasons = format_missing(
        pl.DataFrame({"failed": rare, "cause": cause, "kind": RNG.choice(["a", "b"], 1_000)}), "failed"
    )
    assert list(reasons) == ["cause"]
    assert "a consequence of it" in reasons["cause"]


def test_a_column_missing_in_one_class_names_it() -> None:
    late = RNG.random(1_000) > 0.4
    code = [f"r{RNG.integers(3)}" if one else None for one in late]
    frame = pl.DataFrame({"late": late, "code": code, "x": RNG.random(1_000)})
    assert "is missing in some classes" in format_missing(frame, "late")["code"]


def test_units_counted_to_their_failure_are_split_whole(tmp_path: Path) -> None:
    unit_cycles = [(unit, cycle, RNG.random()) for unit in range(12) for cycle in range(1, 60 + unit)]
    frame = pl.DataFrame(unit_cycles, schema=["unit", "cycle", "heat"], orient="row")
    frame = frame.with_columns(left=90 - pl.col("cycle") + pl.Series(RNG.random(len(unit_cycles)) * 9))
    spec = drafted(tmp_path, frame, "left")
    assert (spec.split.strategy, spec.split.group) == ("group", "unit")
    assert spec.features.inputs == ("cycle", "heat")
    assert drafted(tmp_path, frame.sample(fraction=1.0, shuffle=True, seed=1), "left").split.group is None


def test_numbers_with_rare_ends_are_no_classes(tmp_path: Path) -> None:
    grades = [3] * 4 + [4] * 50 + [5] * 300 + [6] * 200 + [7] * 8
    frame = pl.DataFrame({"quality": grades, "x": RNG.random(len(grades))})
    assert drafted(tmp_path, frame, "quality").problem == "regression"
    options = drafted(tmp_path, frame, "quality", problem="classification")
    assert sorted(options.repairs.sentinels["quality"]) == ["3", "7"]


def test_a_shuffled_number_per_row_is_an_id() -> None:
    frame = pl.DataFrame({"order_id": RNG.permutation(400) + 7, "y": RNG.random(400), "x": RNG.random(400)})
    assert format_missing(frame, "y") == {"order_id": "a number per row: an id"}


@pytest.mark.parametrize(
    "values, problem",
    [
        (["a", "b"] * 100, "classification"),
        ([True, False] * 100, "classification"),
        ([0, 1, 2, 3] * 50, "classification"),
        ([1.0, 0.0] * 100, "classification"),
        (list(range(200)), "regression"),
        (["1.234,5", "2,0", "3,5", "4,5"] * 50, "regression"),
    ],
)
def test_the_problem_follows_from_the_target(tmp_path: Path, values: list[Any], problem: str) -> None:
    frame = pl.DataFrame({"y": values, "x": RNG.random(200)})
    assert drafted(tmp_path, frame, "y").problem == problem


def test_classes_too_rare_to_learn_are_set_aside(tmp_path: Path) -> None:
    frame = pl.DataFrame({"y": ["yes"] * 120 + ["no"] * 76 + ["yxs"] * 4, "x": RNG.random(200)})
    spec = drafted(tmp_path, frame, "y")
    assert spec.repairs.sentinels == {"y": ("yxs",)}
    assert spec.repairs.missing_target == "drop_row"
    assert spec.evaluation.positive == "no"


def test_equal_rows_do_not_cost_the_leakage_gate(tmp_path: Path) -> None:
    """A few discrete columns make equal rows by chance, which the gate knows."""
    frame = pl.DataFrame({"id": range(200), "y": [0, 1] * 100, "z": [1, 2, 2, 1] * 50})
    for x in ([0.5, 1.5] * 100, RNG.random(200)):
        spec = drafted(tmp_path, frame.with_columns(x=pl.Series(x)), "y")
        assert "leakage" in {gate.kind for gate in spec.gates}


@pytest.mark.parametrize(
    "name",
    [
        "no",
        "Water flow [l/s]",
        "a: b",
        "# x",
        "ünïcode",
        '"quoted"',
        "- item",
        "1.5",
        "null",
        "a,b",
        "{x}",
        " pad ",
    ],
)
def test_any_column_name_survives_the_file(tmp_path: Path, name: str) -> None:
    frame = pl.DataFrame({"y": RNG.random(100), name: RNG.random(100), "z": RNG.random(100)})
    assert drafted(tmp_path, frame, "y").features.inputs == (name, "z")
    assert drafted(tmp_path, frame, name).target == name


@pytest.mark.parametrize(
    "frame, target, message",
    [
        (pl.DataFrame({"y": [1] * 50, "x": range(50)}), "y", "only the value"),
        (pl.DataFrame({"y": [None] * 50, "x": range(50)}), "y", "no value"),
        (pl.DataFrame({"y": [f"t{i}" for i in range(50)], "x": range(50)}), "y", "50 different texts"),
        (pl.DataFrame({"y": RNG.random(50), "x": "a"}), "y", "no column is left"),
        (pl.DataFrame({"y": [[1]] * 50, "x": range(50)}), "y", "neither a number nor a class"),
        (pl.DataFrame({"price": [1.0, 2.0], "x": [1, 2]}), "prize", "did you mean 'price'"),
    ],
)
def test_a_target_that_cannot_be_learned_says_why(frame: pl.DataFrame, target: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        profile_table(frame, target)


def invoke(folder: Path, *arguments: str) -> Any:
    return CliRunner().invoke(cli, ["new", *arguments], env={"MLOPS_MODELS": str(folder / "models")})


def test_the_command_writes_a_valid_file_once(tmp_path: Path) -> None:
    data = tmp_path / "wines.csv"
    frame = pl.DataFrame({"acid": RNG.random(100), "sugar": RNG.random(100), "grower": ["a", "b"] * 50})
    data.write_text(frame.write_csv(separator=";"))
    arguments = ("wines", "--data", str(data), "--target", "grower")
    first = invoke(tmp_path, *arguments)
    assert first.exit_code == 0, first.output
    file = tmp_path / "models" / "wines.yaml"
    spec, problems = examine(file)
    assert spec is not None, problems
    assert isinstance(spec.source, FileSource)
    assert (spec.source.separator, spec.problem) == (";", "classification")
    file.write_text("mine")
    again = invoke(tmp_path, *arguments)
    assert again.exit_code == 1
    assert "never overwritten" in again.output
    assert file.read_text() == "mine"
    assert [path.name for path in file.parent.iterdir()] == ["wines.yaml"], "no draft is left lying about"


def test_errors_are_sentences_and_leave_no_file(tmp_path: Path) -> None:
    data = tmp_path / "t.parquet"
    pl.DataFrame({"price": RNG.random(50), "x": RNG.random(50)}).write_parquet(data)
    wrong = invoke(tmp_path, "t", "--data", str(data), "--target", "prise")
    assert isinstance(wrong.exception, MlopsError)
    assert "did you mean 'price'?" in str(wrong.exception)
    absent = invoke(tmp_path, "t", "--data", str(tmp_path / "u.parquet"), "--target", "price")
    assert "did you mean 't.parquet'?" in str(absent.exception)
    assert (
        "lower-case letters" in invoke(tmp_path, "My Model", "--data", str(data), "--target", "price").output
    )
    assert not (tmp_path / "models").exists()


TARGETS = {
    "acs_employment_ma_2015_2016": "employed",
    "azure_vm_noise_long_eastus": "value",
    "elec2_nsw": "class",
    "estuary_drybar_wq": "depth",
    "estuary_met": "atemp",
    "german_credit": "Credit_risk",
    "holoclean_hospital": "EmergencyService",
    "nab_ad_exchange": "value",
    "nab_cloud_a": "value",
    "nab_machine_temperature": "value",
    "nycflights13_jan_jun": "arr_delay",
    "orange_juice_stores_a": "logmove",
    "skab_pump_valve1": "Volume Flow RateRMS",
    "tcpd_annotations": "changepoint_index",
    "tcpd_series": "value",
    "vic_elec_halfhour": "Demand",
    "water_flow_pipeline": "Water flow [l/s]",
    "wine_uci_178": "target",
}


def test_every_public_table_gives_a_valid_draft(public_data: Path, tmp_path: Path) -> None:
    drafts = {
        name: drafted(tmp_path, pl.read_parquet(public_data / f"{name}.parquet"), target)
        for name, target in TARGETS.items()
    }
    assert {path.stem for path in public_data.glob("*.parquet")} <= set(drafts), (
        "a new table needs a target here"
    )
    assert drafts["estuary_drybar_wq"].repairs.sentinels == {"depth": (-99,)}
    assert drafts["vic_elec_halfhour"].problem == "forecasting"
    assert drafts["nab_cloud_a"].entity == "file"
    assert drafts["nycflights13_jan_jun"].validation.unique_rows is False
    assert "predicted_probability" not in (drafts["acs_employment_ma_2015_2016"].features.inputs or ())
