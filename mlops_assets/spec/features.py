"""The `features:` section: one definition used by training, batch predictions and the prediction API."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mlops_assets.spec.section import Section
from mlops_assets.spec.values import Column, Duration

CalendarPart = Literal["hour", "minute_of_day", "day_of_week", "day_of_month", "day_of_year", "week", "month", "quarter", "year", "weekend"]
Statistic = Literal["mean", "std", "min", "max", "sum", "median", "count"]
Step = Annotated[int, Field(ge=1, le=10_000)]


class Lags(Section):
    """Earlier values of columns, counted in readings of the same entity."""

    columns: tuple[Column, ...]
    steps: tuple[Step, ...]


class Rolling(Section):
    """Statistics over true time windows that end at each reading, per entity."""

    columns: tuple[Column, ...]
    windows: tuple[Duration, ...]
    statistics: tuple[Statistic, ...] = ("mean",)


class FeaturesSpec(Section):
    """How readings become the columns a model sees."""

    inputs: tuple[Column, ...] | None = None
    """Columns used as they are; unset means every column but target, timestamp, entity and `exclude`."""
    exclude: tuple[Column, ...] = ()
    """Columns never used as an input."""
    calendar: tuple[CalendarPart, ...] = ()
    cyclical: tuple[Literal["hour", "day_of_week", "month", "day_of_year"], ...] = ()
    """Calendar parts written as sine and cosine."""
    lags: Lags | None = None
    rolling: Rolling | None = None
    scaling: Literal["none", "standard", "min_max"] = "none"
    """Fitted on the training part only and carried inside the model."""
    missing: Literal["median", "mean", "zero", "keep"] = "median"
    """How a missing input is filled; fitted on the training part only."""
