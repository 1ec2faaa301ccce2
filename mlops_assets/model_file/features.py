"""The `features:` section: one definition used by training, batch predictions and the prediction API.

Also here: the names of the columns that the section makes, because rooms that never meet must agree on them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from mlops_assets.model_file.section import Section
from mlops_assets.model_file.values import Column, Duration, Timezone, format_duration

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
Step = Annotated[int, Field(ge=1, le=10_000)]
Names = Annotated[tuple[Column, ...], Field(min_length=1)]


def _country(value: str) -> str:
    import holidays

    known = holidays.list_supported_countries()
    country, _, region = value.partition("-")
    if country not in known or (region and region not in known[country]):
        raise ValueError(
            f"no calendar for {value!r}; write a country such as DE, or country and region such as DE-BY"
        )
    return value


Country = Annotated[str, Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$"), AfterValidator(_country)]


class Lags(Section):
    """Earlier values of columns, counted in readings of the same entity."""

    columns: Names
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]


class Rolling(Section):
    """Statistics over true time windows that end at each reading, per entity."""

    columns: Names
    windows: Annotated[tuple[Duration, ...], Field(min_length=1)]
    statistics: Annotated[tuple[Statistic, ...], Field(min_length=1)] = ("mean",)


class Differences(Section):
    """Change since an earlier reading of the same entity."""

    columns: Names
    steps: Annotated[tuple[Step, ...], Field(min_length=1)] = (1,)


class History(Section):
    """The recent past of some columns on an even grid, for algorithms that read sequences; others never see it."""

    every: Duration
    """Distance of two points of the grid; a forecast's horizon is a multiple of it."""
    steps: Annotated[int, Field(ge=2, le=2_000)]
    """Points of the grid, the row's own instant included."""
    columns: tuple[Column, ...] = ()
    """What is looked back at, next to the target of a forecast, which always is."""


class Grouped(Section):
    """Statistics of columns over all training rows that share a value of `by`; fitted on the training part only."""

    by: Column
    columns: Names
    statistics: Annotated[tuple[GroupStatistic, ...], Field(min_length=1)] = ("mean",)


class FeaturesSpec(Section):
    """How readings become the columns a model sees."""

    inputs: tuple[Column, ...] | None = None
    """Columns used as they are; unset means every column but target, timestamp, entity and `exclude`."""
    exclude: tuple[Column, ...] = ()
    """Columns never used as an input."""
    horizon: Duration | None = None
    """For `problem: forecasting`: how far after a reading the value lies that is predicted from it."""
    timezone: Timezone = "UTC"
    """Time zone in which hours, days and holidays are counted."""
    calendar: tuple[CalendarPart, ...] = ()
    cyclical: tuple[CyclicalPart, ...] = ()
    """Calendar parts written as sine and cosine."""
    holidays: Country | None = None
    """Country (and region) whose public holidays are flagged: DE, DE-BY, US."""
    lags: Lags | None = None
    rolling: Rolling | None = None
    differences: Differences | None = None
    history: History | None = None
    ratios: tuple[tuple[Column, Column], ...] = ()
    """Pairs of columns, the first divided by the second; missing where the second is 0."""
    interactions: tuple[tuple[Column, Column], ...] = ()
    """Pairs of columns that are multiplied."""
    grouped: tuple[Grouped, ...] = ()
    categories: Literal["one_hot", "ordinal", "target"] = "one_hot"
    """How text becomes numbers: a column per value, its rank, or the mean target of training rows with that value.
    A value that training has not seen gives 0, -1, or the overall mean."""
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
    """The column that holds, for forecasting, the target's value at the reading itself (persistence predicts it)."""
    return f"{target}_now"


TIME: Final = "@time"
"""The row's own instant in seconds since 1970, as a column of the matrix that sequence algorithms see."""


def past_column(column: str, back: int) -> str:
    """The column that holds a value `back` grid steps before the row: `sales@-7`; `sales@0` is the row's own."""
    return f"{column}@{-back}"


def past_of(name: str) -> tuple[str, int] | None:
    """Column and steps back that a name of `past_column` was made of, None for any other name."""
    column, mark, back = name.rpartition("@")
    if not mark or not column or not (back == "0" or (back[:1] == "-" and back[1:].isdigit())):
        return None
    return column, -int(back)


def channels(features: FeaturesSpec, target: str) -> tuple[str, ...]:
    """Columns whose recent past is kept, the target of a forecast first."""
    if features.history is None:
        return ()
    first = (target,) if features.horizon is not None else ()
    return tuple(dict.fromkeys((*first, *features.history.columns)))


def past_columns(features: FeaturesSpec, target: str) -> tuple[str, ...]:
    """Names of every column of the grid, channel by channel, newest first."""
    steps = features.history.steps if features.history else 0
    return tuple(past_column(name, back) for name in channels(features, target) for back in range(steps))


def calendar_columns(features: FeaturesSpec, timestamp: str | None) -> tuple[str, ...]:
    """Columns computed from the timestamp alone: they move by themselves, which is no drift."""
    if timestamp is None:
        return ()
    plain = tuple(f"{timestamp}_{part}" for part in features.calendar)
    round_ = tuple(f"{timestamp}_{part}_{wave}" for part in features.cyclical for wave in ("sin", "cos"))
    return (*plain, *round_, *((f"{timestamp}_holiday",) if features.holidays else ()))


def computed_columns(features: FeaturesSpec, target: str, timestamp: str | None) -> tuple[str, ...]:
    """Names of every column that `features.build` adds, in its order."""
    names = [*calendar_columns(features, timestamp)]
    if features.horizon is not None:
        names.append(now_column(target))
    if features.lags is not None:
        names += [f"{column}_lag_{step}" for column in features.lags.columns for step in features.lags.steps]
    if features.differences is not None:
        spread = features.differences
        names += [f"{column}_diff_{step}" for column in spread.columns for step in spread.steps]
    if features.rolling is not None:
        rolling = features.rolling
        names += [
            rolling_column(column, statistic, window)
            for column in rolling.columns
            for window in rolling.windows
            for statistic in rolling.statistics
        ]
    names += [f"{above}_per_{below}" for above, below in features.ratios]
    names += [f"{one}_times_{other}" for one, other in features.interactions]
    return tuple(names)


def rolling_column(column: str, statistic: str, window: timedelta) -> str:
    """Name of one statistic over one window, such as `power_kw_mean_6h`; a day is 24h, two days are 2d."""
    hours, rest = divmod(int(window.total_seconds()), 3_600)
    name = f"{hours}h" if rest == 0 and hours < 48 else format_duration(window)
    return f"{column}_{statistic}_{name}"


def source_columns(features: FeaturesSpec) -> tuple[str, ...]:
    """Every column of the readings that the section names, each once, `exclude` aside."""
    names = [*(features.inputs or ())]
    for section in (features.lags, features.differences, features.rolling, features.history):
        names += section.columns if section is not None else ()
    names += [name for pair in (*features.ratios, *features.interactions) for name in pair]
    names += [name for group in features.grouped for name in (group.by, *group.columns)]
    return tuple(dict.fromkeys(names))
