"""Performance in production: predictions compared with the labels that have arrived, window by window.

Comes in: predictions of one version, labels, the metric of the holdout. Goes out: a `PerformanceReport`. Windows end at
multiples of `monitoring.window` counted from a Monday, so that every report speaks of the same windows. A window whose
labels are still arriving is provisional and decides nothing; without a mature window the report is unmeasurable.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import polars as pl

from mlops_assets.artifacts import PerformanceReport, SlicePerformance, TableVersion, WindowPerformance
from mlops_assets.artifacts.performance import PerformanceLevel, RecordedValue
from mlops_assets.metrics import METRICS, Scored
from mlops_assets.model_file import ModelSpec
from mlops_assets.monitoring.bias import bias_of
from mlops_assets.monitoring.estimate import estimate
from mlops_assets.monitoring.kpis import kpis_of
from mlops_assets.monitoring.labels import SLICE

MONDAY: Final = datetime(1970, 1, 5, tzinfo=UTC)
MOST_WINDOWS: Final = 8
MATURE_SHARE: Final = 0.95
"""A window is mature when this part of the share that older windows reached has its label."""
MIN_LABELS: Final = 30
"""Below this a metric says more about chance than about the model."""
WEEK_OVER_WEEK: Final = 0.15
"""Relative rise above the window before that people are told about."""


def performance(
    spec: ModelSpec,
    version: int,
    rows: pl.DataFrame,
    as_of: datetime,
    *,
    baseline: float | None,
    recorded: Mapping[datetime, Sequence[RecordedValue]],
    table: TableVersion | None = None,
) -> PerformanceReport:
    """Measure the windows of one version.

    Args:
        spec: The model file: metrics, window, `monitoring.rise`, how late labels come.
        version: The champion's version.
        rows: Result of `labels.labeled`: predictions, actual (null without a label), naive (the value known when the
            prediction was made; null where there is none), and columns with slices.
        as_of: Instant of the report; windows that end later are left out.
        baseline: The primary metric on the holdout; None if it is not recorded.
        recorded: What earlier reports measured about windows of this length, oldest first, by the end of the window.
        table: The table version of the labels.

    Returns:
        The report.
    """
    ends = _ends(as_of, spec.monitoring.window)
    parts = {end: _between(rows, end - spec.monitoring.window, end) for end in ends}
    shares = {end: _share(part) for end, part in parts.items()}
    windows = tuple(
        _window(
            spec,
            part,
            end,
            mature=_is_mature(spec, end, as_of, shares),
            recorded=recorded.get(end, ()),
            estimated=estimate(
                spec.evaluation.primary,
                rows.filter((pl.col("at") < end - spec.monitoring.window) & pl.col("actual").is_not_null()),
                part,
            ),
        )
        for end, part in parts.items()
        if part.height
    )
    mature = [window for window in windows if window.is_mature]
    primary = spec.evaluation.primary
    values = [window.metrics[primary] for window in mature if primary in window.metrics]
    newest = parts[mature[0].end].filter(pl.col("actual").is_not_null()) if mature else rows.clear()
    rise = _rise(primary, values[0], baseline) if values and baseline is not None else None
    bias = bias_of(newest) if mature and spec.problem != "classification" else None
    level: PerformanceLevel = (
        "unmeasurable" if rise is None else "worse" if rise > spec.monitoring.rise else "as_trained"
    )
    return PerformanceReport(
        model=spec.name,
        version=version,
        as_of=as_of,
        level=level,
        sentence=_sentence(spec, windows, values, baseline, rise),
        primary=primary,
        baseline=baseline,
        rise=rise,
        week_over_week=_rise(primary, values[0], values[1]) if len(values) > 1 else None,
        bias=bias,
        windows=windows,
        slices=_slices(spec, newest),
        labels=table,
    )


def _ends(as_of: datetime, length: timedelta) -> list[datetime]:
    """Return the ends of the newest complete windows, newest first."""
    newest = MONDAY + ((as_of - MONDAY) // length) * length
    return [newest - index * length for index in range(MOST_WINDOWS)]


def _between(frame: pl.DataFrame, start: datetime, end: datetime) -> pl.DataFrame:
    return frame.filter((pl.col("at") >= start) & (pl.col("at") < end))


def _share(part: pl.DataFrame) -> float:
    return 1.0 - part["actual"].null_count() / part.height if part.height else 0.0


def _is_mature(spec: ModelSpec, end: datetime, as_of: datetime, shares: Mapping[datetime, float]) -> bool:
    """Return whether the labels of a window have arrived.

    With `monitoring.label_delay`, when it has passed. Else learned: the window has nearly the share of labels that
    older windows reached, or nearly all of them.
    """
    if spec.monitoring.label_delay is not None:
        return as_of >= end + spec.monitoring.label_delay
    older = [share for other, share in shares.items() if other < end and share > 0]
    usual = float(np.median(older)) if older else 1.0
    return shares[end] >= MATURE_SHARE * usual


def _window(
    spec: ModelSpec,
    part: pl.DataFrame,
    end: datetime,
    *,
    mature: bool,
    recorded: Sequence[RecordedValue],
    estimated: float | None,
) -> WindowPerformance:
    labelled = part.filter(pl.col("actual").is_not_null())
    metrics = _metrics(spec, labelled) if labelled.height >= MIN_LABELS else {}
    now = metrics.get(spec.evaluation.primary)
    mature = mature and bool(metrics)
    others = [
        one.value
        for one in recorded
        if now is not None and one.state != "provisional" and not math.isclose(now, one.value, rel_tol=1e-9)
    ]
    restated = mature and bool(others)
    inside = labelled.filter(pl.col("low").is_not_null() & pl.col("high").is_not_null())
    coverage = None
    if inside.height and spec.problem != "classification":
        actual = pl.col("actual")
        coverage = (
            inside.filter((actual >= pl.col("low")) & (actual <= pl.col("high"))).height / inside.height
        )
    return WindowPerformance(
        start=end - spec.monitoring.window,
        end=end,
        predictions=part.height,
        labelled=labelled.height,
        state="restated" if restated else "mature" if mature else "provisional",
        metrics=metrics,
        naive=_naive(spec, labelled),
        coverage=coverage,
        restated_from=others[-1] if restated else None,
        estimated=estimated,
        kpis=kpis_of(spec, labelled) if labelled.height >= MIN_LABELS else {},
        recorded=tuple(recorded),
    )


def _metrics(spec: ModelSpec, rows: pl.DataFrame) -> dict[str, float]:
    """Return the metrics of the model file that rows with labels alone can measure."""
    names = dict.fromkeys((spec.evaluation.primary, *spec.evaluation.also))
    scored = _scored(spec, rows)
    values = {name: METRICS[name].measure(scored) for name in names if METRICS[name].needs == "predictions"}
    return {name: value for name, value in values.items() if math.isfinite(value)}


def _naive(spec: ModelSpec, rows: pl.DataFrame) -> dict[str, float]:
    known = rows.filter(pl.col("naive").is_not_null())
    if spec.problem == "classification" or known.height < MIN_LABELS:
        return {}
    return _metrics(spec, known.with_columns(value=pl.col("naive").cast(pl.Float64)))


def _scored(spec: ModelSpec, rows: pl.DataFrame) -> Scored:
    if spec.problem != "classification":
        truth, predicted = (rows[name].to_numpy() for name in ("actual", "value"))
        return Scored(truth, predicted, None, None)
    actual, label = rows["actual"], rows["label"]
    classes = tuple(sorted({*actual.to_list(), *label.to_list()} - {None}))
    codes = {name: float(index) for index, name in enumerate(classes)}
    truth, predicted = (
        np.array([codes.get(name, -1.0) for name in column.to_list()]) for column in (actual, label)
    )
    return Scored(truth, predicted, None, None, classes)


def _rise(metric: str, value: float, reference: float) -> float | None:
    """Return how much worse a value is, relative to the reference; None where that has no meaning."""
    if METRICS[metric].direction == "zero" or not reference or not math.isfinite(reference):
        return None
    worse = value - reference if METRICS[metric].direction == "lower" else reference - value
    return worse / abs(reference)


def _slices(spec: ModelSpec, rows: pl.DataFrame) -> tuple[SlicePerformance, ...]:
    """Measure each entity, and each value of the columns in `evaluation.slices`, worst first."""
    primary = METRICS[spec.evaluation.primary]
    if primary.needs != "predictions":
        return ()
    columns = {name.removeprefix(SLICE): name for name in rows.columns if name.startswith(SLICE)}
    if spec.entity is not None:
        columns = {spec.entity: "entity"} | columns
    result = []
    for column, name in columns.items():
        known = rows.filter(pl.col(name).is_not_null())
        for (value,), part in known.group_by(name, maintain_order=True):
            measured = primary.measure(_scored(spec, part)) if part.height >= MIN_LABELS else math.nan
            if math.isfinite(measured):
                result.append(SlicePerformance(str(value), part.height, measured, column))
    return tuple(sorted(result, key=lambda one: one.value, reverse=primary.direction != "higher"))


def _sentence(
    spec: ModelSpec,
    windows: Sequence[WindowPerformance],
    values: Sequence[float],
    baseline: float | None,
    rise: float | None,
) -> str:
    primary = spec.evaluation.primary
    if not windows and spec.timestamp is None:
        return "no predictions of the API in the last windows; without a timestamp, only posted labels can be measured"
    if not windows:
        return "no predictions in the last windows: nothing can be measured"
    mature = next((window for window in windows if window.is_mature), None)
    if mature is None or not values:
        newest = windows[0]
        guess = "" if newest.estimated is None else f"; estimated {newest.estimated:.4g}"
        return (
            f"labels of {newest.maturity:.0%} of the newest window have arrived: too few to measure "
            f"{primary}{guess}"
        )
    day = "%Y-%m-%d" if spec.monitoring.window % timedelta(days=1) == timedelta(0) else "%Y-%m-%d %H:%M"
    period = f"{mature.start:{day}} to {mature.end:{day}}"
    if baseline is None or rise is None:
        return f"{primary} was {values[0]:.4g} from {period}; the holdout has no value to compare with"
    comparison = "worse" if rise > 0 else "better"
    compared = f"{abs(rise):.0%} {comparison} than {baseline:.4g} on the holdout"
    return f"{primary} was {values[0]:.4g} from {period}, {compared}"
