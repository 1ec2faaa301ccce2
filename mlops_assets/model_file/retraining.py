"""The section about retraining: what each signal leads to, and the limits of the retrain governor."""

from __future__ import annotations

import re
from datetime import time
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from mlops_assets.model_file.section import Section
from mlops_assets.model_file.values import Duration, Unit

Reaction = Literal["retrain", "revalidate", "alert", "nothing"]

_HOURS: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


def _hours(value: str) -> str:
    match = _HOURS.fullmatch(value)
    if match is None or value[:5] == value[6:]:
        raise ValueError(f"{value!r} is not a span of hours; write two times such as 22:00-06:00")
    return value


class ReactionsSpec(Section):
    """What each signal leads to.

    `retrain` requests a retrain, `revalidate` validates the readings again, `alert` sends an alert, `nothing` records
    the signal only.
    """

    schedule: Reaction = "retrain"
    """The instant of `schedules.retrain`."""
    drift: Reaction = "retrain"
    """Inputs moved significantly from the champion's training data."""
    error: Reaction = "retrain"
    """The error of mature windows rose by `monitoring.rise`."""
    bias: Reaction = "alert"
    """Predictions are too high or too low on average."""
    importance: Reaction = "alert"
    """Other features became important."""
    staleness: Reaction = "retrain"
    """The champion was not compared with a challenger for `monitoring.stale_after`."""
    data_volume: Reaction = "retrain"
    """So many new rows arrived since the champion's training as `new_rows` says."""
    upstream: Reaction = "nothing"
    """Code or model file changed since the champion's training."""


class RetrainingSpec(Section):
    """When reasons to retrain become a run."""

    reactions: ReactionsSpec = ReactionsSpec()
    """What each signal leads to."""
    confirm: Annotated[int, Field(ge=1, le=100), Unit("windows")] = 1
    """So many of the last `out_of` windows must show a movement before it counts."""
    out_of: Annotated[int, Field(ge=1, le=100), Unit("windows")] = 3
    """Windows that `confirm` counts in."""
    back_off: Duration = Field(default="7d", validate_default=True)
    """Wait after a challenger that a report requested did not win; doubles with each further one, up to eight times."""
    runs_per_week: Annotated[int, Field(ge=1), Unit("runs")] = 35
    """Retrains in any seven days."""
    hours_per_week: Annotated[float, Field(gt=0), Unit("hours")] | None = Field(None, examples=[10])
    """Hours of retraining in any seven days, from request to end."""
    quiet_hours: Annotated[str, AfterValidator(_hours)] | None = Field(None, examples=["06:00-18:00"])
    """Hours without a retrain, such as `06:00-18:00`, in the time zone of `schedules`."""
    new_rows: Annotated[int, Field(ge=1), Unit("rows")] | None = Field(None, examples=[100_000])
    """Rows that arrived since the champion's training which request a retrain."""

    @model_validator(mode="after")
    def _confirm_is_possible(self) -> Self:
        if self.confirm > self.out_of:
            raise ValueError(f"confirm: {self.confirm} of the last {self.out_of} windows is never reached")
        return self

    @property
    def quiet_span(self) -> tuple[time, time] | None:
        """Start and end of the quiet hours."""
        if self.quiet_hours is None:
            return None
        return time.fromisoformat(self.quiet_hours[:5]), time.fromisoformat(self.quiet_hours[6:])
