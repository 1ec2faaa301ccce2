"""The sections about a model in production: monitoring, schedules, alerts."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, Self

from pydantic import AfterValidator, Field, model_validator

from mlops_assets.drift_methods import DRIFT_METHODS
from mlops_assets.model_file.section import Section
from mlops_assets.model_file.suggestion import did_you_mean
from mlops_assets.model_file.values import Column, Cron, Duration, Name, Share, Timezone, Unit


def _known_method(name: str) -> str:
    if name not in DRIFT_METHODS:
        raise ValueError(f"unknown drift method {name!r}{did_you_mean(name, DRIFT_METHODS)}")
    return name


class AlarmBudget(Section):
    """How many false drift alarms a model's owner accepts."""

    at_most: Annotated[int, Field(ge=1, le=1_000), Unit("alarms")] = 1
    """False alarms in `per`, over all features together."""
    per: Duration = Field(default="13w", validate_default=True)
    """The period of the budget; a quarter unless set."""


def _sql_expression(text: str) -> str:
    """Return an expression that polars reads; the import costs only files that use one."""
    import polars as pl

    try:
        pl.sql_expr(text)
    except (pl.exceptions.PolarsError, ValueError) as error:
        raise ValueError(
            f"not an SQL expression ({str(error).splitlines()[0]}); write one such as AVG(ABS(prediction - label))"
        ) from None
    return text


class DriftSpec(Section):
    """How far a feature may move from the training data.

    Below a first limit it is stable, up to a second moderate, above that significant. The limits keep a budget of false
    alarms (`alarms`, the default), or are fixed (`warn`, `act`).
    """

    method: Annotated[str, AfterValidator(_known_method)] = "psi"
    """How movement is measured: `psi`, `kl`, `jensen_shannon`, `kolmogorov_smirnov` or `wasserstein`. Categories are
    measured by `psi` where the method needs numbers."""
    alarms: AlarmBudget | None = Field(None, examples=[{"at_most": 1, "per": "13w"}])
    """The budget that the limits follow from. Unset means one false alarm in 13 weeks, or fixed limits if `warn` or
    `act` is set."""
    warn: Annotated[float, Field(gt=0), Unit("the method's")] | None = Field(None, examples=[0.1])
    """A fixed limit of a moderate movement. Unset with `act` means the usual limit of the method, 0.1 for `psi`."""
    act: Annotated[float, Field(gt=0), Unit("the method's")] | None = Field(None, examples=[0.25])
    """A fixed limit of a significant movement. Unset with `warn` means the method's usual one, 0.25 for `psi`."""


class PsiLimits(Section):
    """The old form of `drift`, with the method `psi`."""

    warn: Annotated[float, Field(gt=0), Unit("PSI")] = 0.10
    """Limit of a moderate movement."""
    act: Annotated[float, Field(gt=0), Unit("PSI")] = 0.25
    """Limit of a significant movement."""


class DriftLimits(NamedTuple):
    """The drift method of a model and its limits, with the method's own where the model file sets none."""

    method: str
    warn: float
    act: float


class MonitoringSpec(Section):
    """What is monitored in production, and when a retrain is requested."""

    drift: DriftSpec | None = None
    """The drift method and its limits. Unset means `psi`, with limits for one false alarm in 13 weeks."""
    psi: Annotated[PsiLimits | None, Field(json_schema_extra={"deprecated": True})] = Field(
        None, examples=[{"warn": 0.1, "act": 0.25}]
    )
    """The old name of `drift` with the method `psi`; read until the next release."""
    window: Duration = Field(default="7d", validate_default=True)
    """How much of the newest readings is compared with the training data."""
    expected: tuple[Column, ...] = ()
    """Inputs that change by nature (wear, weather, season): their drift is reported and requests no retrain."""
    stale_after: Duration | None = Field(default="14d", validate_default=True)
    """Age since the last comparison with a challenger after which a retrain is requested."""
    rise: Share = Field(default=0.15, validate_default=True)
    """Relative rise of the primary metric's error above that of the holdout that counts as worse, in windows whose
    labels have arrived."""
    label_delay: Duration | None = Field(default=None, examples=["2d"])
    """How late labels arrive; until then the metrics of a window are provisional. Unset means learned from the share of
    labels that older windows reached."""
    kpis: Annotated[dict[Name, Annotated[str, AfterValidator(_sql_expression)]], Unit("SQL expressions")] = (
        Field(default={}, examples=[{"lost_kwh": "SUM(ABS(prediction - label)) * 0.12"}])
    )
    """Business figures of every window, by name: an SQL expression that gives one number, over the columns
    `prediction`, `probability`, `label`, `low`, `high`, `naive`, `entity`, `at` and those of the readings."""
    cooldown: Duration = Field(default="1d", validate_default=True)
    """Shortest time between two retrain requests, whatever their causes."""

    @property
    def alarm_budget(self) -> AlarmBudget | None:
        """The budget of false alarms that the limits follow from; None where they are fixed."""
        if self.drift is None:
            return AlarmBudget() if self.psi is None else None
        if self.drift.warn is not None or self.drift.act is not None:
            return None
        return self.drift.alarms or AlarmBudget()

    @property
    def drift_limits(self) -> DriftLimits:
        """The drift method in force and its fixed limits."""
        if self.drift is None:
            limits = self.psi or PsiLimits()
            return DriftLimits("psi", limits.warn, limits.act)
        usual = DRIFT_METHODS[self.drift.method]
        warn, act = self.drift.warn, self.drift.act
        return DriftLimits(
            self.drift.method, usual.warn if warn is None else warn, usual.act if act is None else act
        )

    def act_limit(self, method: str) -> float:
        """Return the limit above which a movement is significant by that method.

        Args:
            method: Name of the drift method.

        Returns:
            The model file's limit for its own method, else the method's default.
        """
        limits = self.drift_limits
        return limits.act if limits.method == method else DRIFT_METHODS[method].act


class SchedulesSpec(Section):
    """When the graph runs on its own, as cron lines; a line set to null is off."""

    retrain: Cron | None = "0 2 * * 0"
    """Runs the whole lifecycle."""
    data_quality: Cron | None = "30 0 * * *"
    """Reads and validates the readings."""
    drift: Cron | None = "0 1 * * *"
    """Compares the newest readings with the training data."""
    predictions: Cron | None = Field(None, examples=["0 * * * *"])
    """Scores new rows with the champion."""
    timezone: Timezone = "UTC"
    """IANA name of the zone of the cron lines."""


class WaiversSpec(Section):
    """Who may set a failed gate aside."""

    owner_may_waive: bool = False
    """Whether an owner may record a waiver that the same owner is responsible for; otherwise a second person does."""


class ReadingRule(Section):
    """A condition of the readings that people must know about, for each entity by itself.

    It is true for a value above `above`, below `below`, one of `equals`, or missing where `missing` is set. Rules read
    the rows after `repairs`, where a value that a quality flag refuses is missing. A missing value neither begins nor
    ends a condition, unless `missing` is set.
    """

    column: Column
    """The column to watch, such as a measured value or a flag."""
    above: Annotated[float, Unit("the column's")] | None = Field(None, examples=[75])
    """True for values larger than this."""
    below: Annotated[float, Unit("the column's")] | None = Field(None, examples=[0.5])
    """True for values smaller than this."""
    equals: Annotated[tuple[str | int | float | bool, ...], Field(min_length=1)] | None = Field(
        None, examples=[[4]]
    )
    """True for these values, such as the codes of a flag."""
    missing: bool = False
    """True for missing values."""
    sustained: Duration | None = Field(None, examples=["10m"])
    """How long the condition must be true without a reading that says otherwise; unset means one reading is enough."""
    clear_after: Duration | None = Field(default="15m", validate_default=True)
    """How long no reading may meet the condition until it counts as over; one that returns before is the same condition
    once more, one alert and one line. Null means over at the first reading that says otherwise."""
    severity: Literal["info", "warning", "error", "critical"] = "warning"
    """How urgent the alert is."""
    notify: tuple[str, ...] = Field((), examples=[["PUMP_NIGHT_SHIFT"]])
    """Environment variables with Apprise addresses for this rule; unset means those of `alerts.notify`."""

    @model_validator(mode="after")
    def _has_a_condition(self) -> Self:
        if self.above is None and self.below is None and self.equals is None and not self.missing:
            raise ValueError("has no condition: set 'above', 'below', 'equals' or 'missing: true'")
        return self


class AlertsSpec(Section):
    """Where alerts go besides the log and the ledger, and which conditions of the readings are alerts."""

    notify: tuple[str, ...] = Field((), examples=[["PUMP_TEAM_ALERTS"]])
    """Names of environment variables that hold Apprise addresses; the addresses are secrets and do not belong here."""
    rules: dict[Name, ReadingRule] = Field(
        {}, examples=[{"hot_motor": {"column": "motor_temperature_c", "above": 75, "sustained": "10m"}}]
    )
    """Conditions of the readings by name, swept every five minutes."""
