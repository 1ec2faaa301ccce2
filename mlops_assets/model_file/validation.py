"""The `validation:` section: what readings must satisfy before anything is built on them."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from mlops_assets.model_file.section import Section
from mlops_assets.model_file.values import Column, Duration, Share, Unit


def _pattern(value: str) -> str:
    """Both engines that will read it must accept it: Python's, and that of polars, which has no look-around."""
    import polars as pl

    try:
        re.compile(value)
        pl.Series([""]).str.contains(rf"\A(?:{value})\z")
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    except pl.exceptions.ComputeError as error:
        message = [line for line in str(error).splitlines() if line.startswith("error: ")]
        reason = message[0].removeprefix("error: ") if message else "the engine of polars refuses it"
        raise ValueError(f"not a regular expression we can use: {reason}") from None
    return value


class ColumnRules(Section):
    """Rules for one column; a null satisfies every rule but `required`. NaN counts as missing."""

    type: Literal["number", "integer", "text", "boolean", "timestamp"] | None = None
    """The type of value that the column must contain."""
    required: bool = False
    """Quarantine rows where the column is missing."""
    min: Annotated[float, Unit("the column's")] | None = None
    """Smallest value allowed; smaller ones are quarantined."""
    max: Annotated[float, Unit("the column's")] | None = None
    """Largest value allowed; larger ones are quarantined."""
    values: Annotated[tuple[str | int | float | bool, ...], Field(min_length=1)] | None = Field(
        None, examples=[["open", "closed"]]
    )
    """The only values allowed."""
    pattern: Annotated[str, AfterValidator(_pattern)] | None = Field(None, examples=["P-[0-9]{3}"])
    """A regular expression that text must match from start to end."""
    unique: bool = False
    """Quarantine rows whose value was in an earlier row."""
    max_missing: Share | None = Field(None, examples=["20%"])
    """Share of missing values this column must stay below (0%: none, 100%: any); overrides the section's."""

    @model_validator(mode="after")
    def _not_empty_range(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min ({self.min:g}) is above max ({self.max:g}): no value could pass")
        return self


class ValidationSpec(Section):
    """Limits on the whole batch and rules per column.

    A row that breaks a rule about rows is quarantined with its reason; the batch fails when too many are.
    """

    min_rows: Annotated[int, Field(ge=1), Unit("rows")] = 100
    """With fewer valid rows than this nothing is trained."""
    max_missing: Share = 0.05
    """Share of missing values that every column used must stay below (0%: none); the worst column decides."""
    freshness: Duration | None = None
    """Largest age of the newest reading at `as_of`."""
    unique_rows: bool = True
    """Quarantine a second row with the same entity and timestamp."""
    completeness: Share | None = Field(None, examples=["90%"])
    """Smallest share of expected readings on any whole day, per entity."""
    every: Duration | None = Field(None, examples=["1m"])
    """Time between two readings of an entity, for completeness; unset means the usual step in the data."""
    max_quarantined: Share = 0.05
    """Largest share of rows that may break row rules and be quarantined."""
    max_drift: Annotated[float, Field(gt=0), Unit("PSI")] | None = Field(None, examples=[0.25])
    """Largest PSI of any column against the champion's training data; unset means drift is reported, not enforced."""
    columns: dict[Column, ColumnRules] = {}
    """Rules by column."""
