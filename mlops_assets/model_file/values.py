"""Values with a syntax of their own: durations (`30d`, `6h`), shares (`2%` or `0.02`), column names, cron lines.

Each is an annotated type that pydantic parses, writes back in the same form, and describes in the JSON schema.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION: Final = re.compile(r"([1-9]\d{0,8})([smhdw])")
LONGEST: Final = timedelta(days=36_525)
_CRON_FIELD: Final = re.compile(r"(\*|\d{1,2}(-\d{1,2})?)(/\d{1,2})?(,(\*|\d{1,2}(-\d{1,2})?)(/\d{1,2})?)*")
_PERCENT: Final = re.compile(r"(\d{1,3}(?:\.\d+)?)\s?%")


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit of a numeric key, as an annotation of its type; the reference of the model file shows it."""

    name: str


def parse_duration(value: Any) -> timedelta:
    """Read a duration such as `90s`, `30m`, `6h`, `14d` or `2w`.

    Args:
        value: A text, or a timedelta, which is returned unchanged.

    Returns:
        The duration.

    Raises:
        ValueError: the value has another form or is longer than 100 years.
    """
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(
            f"{value!r} is not a duration; write a whole number and a unit such as 90s, 30m, 6h, 14d or 2w"
        )
    seconds = int(match[1]) * _UNITS[match[2]]
    if seconds > LONGEST.total_seconds():
        raise ValueError(f"{value} is longer than 100 years; write a shorter duration")
    return timedelta(seconds=seconds)


def format_duration(value: timedelta) -> str:
    """Return a duration in its largest whole unit: `timedelta(hours=48)` is `2d`.

    Args:
        value: A duration of whole seconds.

    Returns:
        Text that `parse_duration` reads.
    """
    seconds = int(value.total_seconds())
    for unit in ("d", "h", "m"):
        if seconds and seconds % _UNITS[unit] == 0:
            return f"{seconds // _UNITS[unit]}{unit}"
    return f"{seconds}s"


def parse_share(value: Any) -> Any:
    """Read a share: `2%` is 0.02; numbers are returned unchanged.

    Args:
        value: A text or a number.

    Returns:
        The share; its range is checked by the key.

    Raises:
        ValueError: When a text is not a percentage.
    """
    if isinstance(value, str):
        match = _PERCENT.fullmatch(value)
        if match is None:
            raise ValueError(f"{value!r} is not a share; write 2% or 0.02")
        return float(match[1]) / 100
    return value


def _known_timezone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"unknown time zone {value!r}; use an IANA name such as UTC or Europe/Berlin"
        ) from None
    return value


def _matching(pattern: str, wanted: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"{value!r} is not {wanted}")
        return value

    return check


def _cron(value: str) -> str:
    """Accept the cron lines that every scheduler reads alike: five fields of numbers, `*`, ranges, steps and lists.

    Dagster refuses extensions such as `5L` and days that no month has, for all models at once.
    """
    try:
        fields = value.split(" ")
        if len(fields) != 5 or not all(_CRON_FIELD.fullmatch(field) for field in fields):
            raise CronSimError(value)
        next(CronSim(value, datetime(2025, 1, 1, tzinfo=UTC)))
    except CronSimError:
        raise ValueError(
            f"{value!r} is not a cron line of five fields, such as '0 2 * * 0' (Sundays at 02:00)"
        ) from None
    except StopIteration:
        raise ValueError(f"{value!r} never occurs: no month has that day") from None
    return value


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(
        {"type": "string", "pattern": "^[1-9][0-9]{0,8}[smhdw]$", "examples": ["30m", "6h", "14d"]}
    ),
]
Share = Annotated[
    float,
    BeforeValidator(parse_share),
    Field(ge=0.0, le=1.0),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 1},
                {"type": "string", "pattern": r"^\d{1,3}(\.\d+)?\s?%$"},
            ]
        }
    ),
]
_NAME: Final = "[a-z][a-z0-9_]{0,62}"
# The e-mail addresses that Dagster accepts as owners: it refuses others for all models at once.
_OWNER: Final = r"team:[A-Za-z0-9_-]+|[A-Za-z0-9_%+-][A-Za-z0-9._%+-]*@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}"
Name = Annotated[
    str,
    AfterValidator(
        _matching(_NAME, "a name of lower-case letters, digits and underscores, such as pump_efficiency")
    ),
    WithJsonSchema({"type": "string", "pattern": f"^{_NAME}$"}),
]
Owner = Annotated[
    str,
    AfterValidator(_matching(_OWNER, "an e-mail address or a team as team:name")),
    WithJsonSchema({"type": "string", "pattern": f"^({_OWNER})$"}),
]
Column = Annotated[str, Field(min_length=1, max_length=128)]
Timezone = Annotated[str, AfterValidator(_known_timezone)]
Cron = Annotated[str, AfterValidator(_cron)]
