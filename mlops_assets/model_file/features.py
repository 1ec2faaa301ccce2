"""The `features:` section: one definition used by training, batch predictions and the prediction API.

Also here: the names of columns that packages which never import each other must agree on.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from types import UnionType
from typing import Annotated, Any, Final, Literal, Self, Union, get_args, get_origin, get_type_hints

from pydantic import AfterValidator, Field, model_validator

from mlops_assets.model_file.section import Section
from mlops_assets.model_file.values import Column, Duration, Timezone, Unit, format_duration

CalendarPart = Literal[
    "hour",
    "minute_of_day",
    "day_of_week",
    "day_of_month",
    "day_of_year",
    "week",
    "month",
    "quarter",
    "year",
    "weekend",
]
CyclicalPart = Literal["hour", "minute_of_day", "day_of_week", "month", "day_of_year"]
Statistic = Literal["mean", "std", "min", "max", "sum", "median", "count"]
GroupStatistic = Literal["mean", "std", "count"]
Step = Annotated[int, Field(ge=1, le=10_000), Unit("readings")]
DaysBack = Annotated[int, Field(ge=1, le=3_660), Unit("days")]
Names = Annotated[tuple[Column, ...], Field(min_length=1)]

NEEDS_NUMBER: Final = "the column must hold numbers"
NumberColumn = Annotated[Column, NEEDS_NUMBER]
"""A column that a kind of feature computes with; packages ask for the type (`number_columns`), not for kinds."""
NumberNames = Annotated[tuple[NumberColumn, ...], Field(min_length=1)]
NEEDS_TIMESTAMP: Final = "the model file must name a timestamp"
"""Marks a key of the section whose values come from a row's instant or from earlier rows."""


def _country(value: str) -> str:
    import holidays

    country, _, region = value.partition("-")
    # not `list_supported_countries`, which imports the calendars of all countries
    calendar = getattr(holidays, country, None)
    if calendar is None or (region and region not in calendar.subdivisions):
        raise ValueError(
            f"no calendar for {value!r}; write a country such as DE, or country and region such as DE-BY"
        )
    return value


Country = Annotated[str, Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$"), AfterValidator(_country)]


class Lags(Section):
    """Earlier values of columns of the same entity, counted in readings or in days."""

    columns: Names
    """Columns to look back at; they may be text."""
    steps: tuple[Step, ...] = Field((), examples=[[1, 24]])
    """How many readings back; one feature per column and step."""
    days: tuple[DaysBack, ...] = Field((), examples=[[1, 7]])
    """How many days back by the clock of `features.timezone`, 1 for the same time yesterday; one feature per column and
    day. The reading is the one nearest to that time within `features.tolerance` (unset: just below half a day)."""

    @model_validator(mode="after")
    def _looks_back(self) -> Self:
        if not self.steps and not self.days:
            raise ValueError("name 'steps' (readings back), 'days' (days back by the clock) or both")
        return self


class Rolling(Section):
    """Statistics over true time windows that end at each reading, per entity."""

    columns: NumberNames
    """Numeric columns."""
    windows: Annotated[tuple[Duration, ...], Field(min_length=1)]
    """Lengths of the windows; one feature per column, window and statistic."""
    day: Literal["24h", "local"] = Field("24h", examples=["local"])
    """What a day of `windows` is: 24 hours, or a day of the clock of `features.timezone`, of which one has 23 and one
    25 hours. With `24h` and one reading per local day, a window over the start of summer time has one reading more."""
    statistics: Annotated[tuple[Statistic, ...], Field(min_length=1)] = ("mean",)
    """What is computed over each window."""

    @model_validator(mode="after")
    def _whole_days(self) -> Self:
        part = next((length for length in self.windows if length % timedelta(days=1)), None)
        if self.day == "local" and part is not None:
            raise ValueError(
                f"'day: local' counts whole days, and the window {format_duration(part)} is none: "
                "write windows such as 1d and 7d"
            )
        return self


class Differences(Section):
    """Change since an earlier reading of the same entity."""

    columns: NumberNames = Field(examples=[["pressure_bar"]])
    """Numeric columns."""
    steps: Annotated[tuple[Step, ...], Field(min_length=1)] = (1,)
    """How many readings back; one feature per column and step."""


class History(Section):
    """The recent past of some columns on an even grid, for algorithms that read sequences; others never see it."""

    every: Duration
    """Distance of two points of the grid; a forecast's horizon is a multiple of it."""
    steps: Annotated[int, Field(ge=2, le=2_000), Unit("grid points")]
    """Points of the grid, the row's own instant included."""
    columns: tuple[NumberColumn, ...] = ()
    """What is looked back at, next to the target of a forecast, which always is."""


class Grouped(Section):
    """Statistics of columns over all training rows that share a value of `by`; fitted on the training part only."""

    by: Column = Field(examples=["shop"])
    """Column whose values make the groups; it may be text."""
    columns: NumberNames = Field(examples=[["sales"]])
    """Numeric columns."""
    statistics: Annotated[tuple[GroupStatistic, ...], Field(min_length=1)] = ("mean",)
    """What is computed per group; one feature per column and statistic."""


class FeaturesSpec(Section):
    """How readings become the columns a model sees."""

    inputs: tuple[Column, ...] | None = None
    """Columns used as they are; unset means every column but target, timestamp, entity and `exclude`."""
    exclude: tuple[Column, ...] = Field((), examples=[["comment"]])
    """Columns never used as an input."""
    horizon: Annotated[Duration | None, NEEDS_TIMESTAMP] = None
    """For `problem: forecasting`: how far after a reading the value lies that is predicted from it."""
    tolerance: Annotated[Duration | None, NEEDS_TIMESTAMP] = Field(None, examples=["30s"])
    """How far a reading may lie from the instant at which a label, `history` or a season looks for it; the nearest
    that is not after the instant counts, else the nearest after it. Unset means just below half the usual step between
    readings (of `history.every` for its grid)."""
    timezone: Timezone = "UTC"
    """Time zone in which hours, days and holidays are counted."""
    calendar: Annotated[tuple[CalendarPart, ...], NEEDS_TIMESTAMP] = ()
    """Parts of the local time of a row that become features; Monday is 0."""
    cyclical: Annotated[tuple[CyclicalPart, ...], NEEDS_TIMESTAMP] = ()
    """Calendar parts written as sine and cosine."""
    holidays: Annotated[Country | None, NEEDS_TIMESTAMP] = None
    """Country (and region) whose public holidays are flagged: DE, DE-BY, US."""
    lags: Annotated[Lags | None, NEEDS_TIMESTAMP] = None
    """Earlier values of columns."""
    rolling: Annotated[Rolling | None, NEEDS_TIMESTAMP] = None
    """Statistics over time windows."""
    differences: Annotated[Differences | None, NEEDS_TIMESTAMP] = Field(
        None, examples=[{"columns": ["pressure_bar"], "steps": [1]}]
    )
    """Changes since earlier readings."""
    history: Annotated[History | None, NEEDS_TIMESTAMP] = None
    """The recent past on an even grid, for algorithms that read sequences."""
    ratios: tuple[tuple[NumberColumn, NumberColumn], ...] = ()
    """Pairs of columns, the first divided by the second; missing where the second is 0."""
    interactions: tuple[tuple[NumberColumn, NumberColumn], ...] = ()
    """Pairs of columns that are multiplied."""
    grouped: tuple[Grouped, ...] = Field((), examples=[[{"by": "shop", "columns": ["sales"]}]])
    """Statistics per group of training rows."""
    categories: Literal["one_hot", "ordinal", "target"] = "one_hot"
    """How text becomes numbers: a column per value, its rank, or the mean target of training rows with that value.
    A value that is not in the training part gives 0, -1, or the overall mean."""
    scaling: Literal["none", "standard", "min_max"] = "none"
    """Fitted on the training part only and carried inside the model."""
    missing: Literal["median", "mean", "zero", "keep"] = "median"
    """How a missing input is filled; fitted on the training part only."""
    precision: Literal["float64", "float32"] = "float64"
    """Storage of computed features; float32 halves memory and tables."""

    @model_validator(mode="after")
    def _inputs_not_excluded(self) -> Self:
        if both := sorted(set(self.inputs or ()) & set(self.exclude)):
            raise ValueError(f"{both[0]!r} is in 'inputs' and in 'exclude'")
        return self


def now_column(target: str) -> str:
    """Return the column that holds, for forecasting, the target at the reading itself (persistence predicts it).

    Args:
        target: Name of the target column.

    Returns:
        Name of the column.
    """
    return f"{target}_now"


TIME: Final = "@time"
"""The row's own instant in seconds since 1970, as a column of the matrix that sequence algorithms see."""


def history_column(column: str, back: int) -> str:
    """Return the column that holds a value `back` grid steps before the row: `sales@-7`; `sales@0` is the row's own.

    Args:
        column: Name of the source column.
        back: Steps before the row, from 0.

    Returns:
        Name of the column.
    """
    return f"{column}@{-back}"


def parse_history_column(name: str) -> tuple[str, int] | None:
    """Return the column and the steps back that a name of `history_column` consists of, None for any other name.

    Args:
        name: Any column name.

    Returns:
        Source column and steps back.
    """
    column, mark, back = name.rpartition("@")
    if not mark or not column or not (back == "0" or (back[:1] == "-" and back[1:].isdigit())):
        return None
    return column, -int(back)


def channels(features: FeaturesSpec, target: str) -> tuple[str, ...]:
    """Return the columns of the history grid, the target of a forecast first.

    Args:
        features: The section `features` of the model file.
        target: Name of the target column.

    Returns:
        Names without repetition; empty without a history.
    """
    if features.history is None:
        return ()
    first = (target,) if features.horizon is not None else ()
    return tuple(dict.fromkeys((*first, *features.history.columns)))


def source_columns(features: FeaturesSpec) -> tuple[str, ...]:
    """Return every column of the readings that the section names, each once; `exclude` is left out.

    Columns are recognized by their type, so that a new key is covered without being listed here.

    Args:
        features: The section `features` of the model file.

    Returns:
        Names in the order of the file.
    """
    return tuple(dict.fromkeys(column for _, column in keys_and_columns(features)))


def keys_and_columns(features: FeaturesSpec) -> Iterator[tuple[str, str]]:
    """Yield each column of the readings that the section names, with the key that names it; without `exclude`.

    Args:
        features: The section.

    Yields:
        Pairs of key and column.
    """
    return ((key, column) for key, column, _ in _columns(features) if key != "exclude")


def number_columns(features: FeaturesSpec) -> Iterator[tuple[str, str]]:
    """Yield each column that a kind of feature computes with and that must hold numbers, with the key that names it.

    Args:
        features: The section.

    Yields:
        Pairs of key and column.
    """
    return ((key, column) for key, column, hint in _columns(features) if hint == NumberColumn)


def keys_that_need_a_timestamp(features: FeaturesSpec) -> Iterator[str]:
    """Yield the keys in use whose values come from a row's instant or from earlier rows.

    Args:
        features: The section.

    Yields:
        Names of keys.
    """
    for key, field in type(features).model_fields.items():
        if NEEDS_TIMESTAMP in field.metadata and getattr(features, key):
            yield key


def _columns(section: Section) -> Iterator[tuple[str, str, Any]]:
    """Every value of the type Column: the key of the section below which it stands, the value, its type."""
    for key, hint in _hints(type(section)).items():
        for name, as_typed in _typed_as_column(hint, getattr(section, key)):
            yield key, name, as_typed


@cache
def _hints(section: type[Section]) -> dict[str, Any]:
    hints = get_type_hints(section, include_extras=True)
    return {key: hints[key] for key in section.model_fields}


def _typed_as_column(hint: Any, value: Any) -> Iterator[tuple[str, Any]]:
    if hint in (Column, NumberColumn):
        yield value, hint
    elif isinstance(value, Section):
        yield from ((name, as_typed) for _, name, as_typed in _columns(value))
    elif get_origin(hint) is Annotated:
        yield from _typed_as_column(get_args(hint)[0], value)
    elif get_origin(hint) in (Union, UnionType) and value is not None:
        for option in get_args(hint):
            yield from _typed_as_column(option, value)
    elif get_origin(hint) is tuple and isinstance(value, tuple):
        options = get_args(hint)
        for index, item in enumerate(value):
            yield from _typed_as_column(options[0] if options[-1] is ... else options[index], item)
