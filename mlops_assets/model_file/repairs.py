"""The `repairs:` section: which defects of the readings are repaired on the way in."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from mlops_assets.model_file.section import Section
from mlops_assets.model_file.values import Column, Timezone


class FlagRule(Section):
    """A sensor's quality flag: which values accept its reading, and what happens to the others."""

    column: Column
    """The flag column."""
    accept: Annotated[tuple[str | int | float | bool, ...], Field(min_length=1)]
    """Compared without spaces, by the code in leading angle brackets if there: 0, "0" and "<0> (CSM)" are equal."""
    otherwise: Literal["missing", "drop_row"] = "missing"
    """What happens to a reading with another flag: its value becomes missing, or its row is dropped."""


class TimezoneRule(Section):
    """The zone of timestamps that carry none, and the two hours a year that are ambiguous or do not exist."""

    name: Annotated[Timezone, Field(examples=["Europe/Berlin"])]
    """IANA name of the zone."""
    ambiguous: Literal["refuse", "earliest", "latest", "missing"] = "refuse"
    """A clock time that happened twice (clocks set back)."""
    nonexistent: Literal["refuse", "missing"] = "refuse"
    """A clock time that never happened (clocks set forward)."""


def _zone(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class RepairsSpec(Section):
    """Cleaning steps that are applied while reading, each counted; what is not declared here is never changed.

    Columns are named as they are after `rename`. Rows whose timestamp a time zone rule makes missing are dropped.
    """

    rename: dict[Column, Column] = Field({}, examples=[{"Flow [m3/h]": "flow_m3h"}])
    """Old name: new name."""
    combine: dict[Column, Annotated[tuple[Column, ...], Field(min_length=2)]] = Field(
        {}, examples=[{"recorded_at": ["day", "clock"]}]
    )
    """New text column: the columns whose values it joins with a space, such as a day and a time of day that make the
    timestamp, or a shop and an item that make the entity. Days are written 2026-01-31; missing where any part is."""
    missing_text: tuple[str, ...] = Field((), examples=[["NA", "-"]])
    """Text that means missing in any column, such as NA, null or '-'; compared without surrounding spaces."""
    decimal_comma: tuple[Column, ...] = Field((), examples=[["price"]])
    """Columns with numbers such as 1.234,5 or 12,50 €; currency and percent signs fall away."""
    thousands: tuple[Column, ...] = Field((), examples=[["revenue"]])
    """Columns with numbers such as 1,234.5, $99 or 45 %; currency and percent signs fall away."""
    cast: dict[Column, Literal["number", "integer", "text", "boolean", "timestamp"]] = Field(
        {}, examples=[{"pump_id": "text"}]
    )
    """Type per column; a value that does not fit refuses the read unless `uncastable: missing`."""
    uncastable: Literal["refuse", "missing"] = "refuse"
    """What happens to a value that does not fit its type: refuse the read, or set the value to missing (counted)."""
    timestamp_format: str | None = Field(None, examples=["%d.%m.%Y %H:%M"])
    """strftime form of a text timestamp, `%q` for a quarter (1 to 4); one without a year reads every time in 1972.
    Unset means ISO 8601."""
    timestamp_unit: Literal["s", "ms", "us", "ns", "h", "d", "week", "year"] | None = None
    """Unit of a numeric timestamp counted from 1970; `year` for decimal years such as 1949.083 (February 1949).
    Counts from an unknown start (week 40, 41 ...) are read the same: distances are true, dates are not."""
    timezone: Annotated[TimezoneRule, BeforeValidator(_zone)] | None = Field(None, examples=["Europe/Berlin"])
    """Zone of timestamps that carry none; unset means UTC (announced)."""
    sentinels: dict[Column, Annotated[tuple[str | int | float, ...], Field(min_length=1)]] = Field(
        {}, examples=[{"flow_m3h": [-99]}]
    )
    """Values that mean missing, per column, such as -99."""
    infinities: Literal["missing"] | None = None
    """Turn +inf and -inf in any column into missing."""
    flags: dict[Column, FlagRule] = {}
    """Sensor column: its quality flag."""
    missing_timestamp: Literal["drop_row"] | None = None
    """Drop rows without a timestamp, which otherwise refuse the read."""
    missing_target: Literal["drop_row"] | None = None
    """Drop rows without a target."""
    duplicates: Literal["first", "last"] | None = None
    """Keep one row per entity and timestamp (per identical row where the model file has no timestamp)."""
    sort: Literal["time"] | None = None
    """Put rows in the order of time (then entity)."""
    select: tuple[Column, ...] | None = Field(None, examples=[["time", "flow_m3h"]])
    """Keep only these columns; applied last, so that flags may be used above and dropped here."""
    drop: tuple[Column, ...] = Field((), examples=[["comment"]])
    """Remove these columns; applied last."""
