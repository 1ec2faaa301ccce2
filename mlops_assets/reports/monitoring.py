"""The monitoring report of one model as an HTML page: what is wrong, its error, its inputs, in pictures and tables.

Comes in: a `MonitoringReport` and the newest predictions with their labels. Goes out: text and PNG files. What the
numbers mean was decided in `monitoring`.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import isclose
from typing import Final

from mlops_assets.artifacts import DriftReport, Fact, MonitoringReport, PerformanceReport
from mlops_assets.metrics import METRICS, Scored
from mlops_assets.model_file import ModelSpec
from mlops_assets.reports.numbers import NOTHING, count, number
from mlops_assets.reports.rendering import render

TONES: Final = {
    "healthy": "promote",
    "early_warning": "keep",
    "ageing": "keep",
    "ageing_or_concept_drift": "keep",
    "concept_drift": "refuse",
    "broken_data": "refuse",
}
"""Color of the header by diagnosis; every other diagnosis is 'keep', which is never green."""
STATES: Final = {"good": "good", "bad": "bad", "unknown": "none"}
LEVELS: Final = {"stable": "good", "moderate": "wait", "significant": "bad", "unmeasurable": "none"}
WINDOW_STATES: Final = {"provisional": "labels are arriving", "mature": "complete", "restated": "restated"}
TITLES: Final = {
    "error_over_time": "Line of the primary metric by window, with the naive forecast and the holdout; numbers below",
    "predictions": "Newest predictions with the labels that have arrived",
    "coverage_over_time": "Line of the share of labels inside the prediction interval; numbers below",
    "drift_over_time": "One row per feature, one column per report, shaded by movement; the newest numbers are below",
}
UNBROKEN: Final = str.maketrans({" ": "\N{NO-BREAK SPACE}", "-": "\N{NON-BREAKING HYPHEN}"})
"""Keeps a window on one line of a narrow column."""
Named = Sequence[tuple[str, str]]


def monitoring_plots(
    spec: ModelSpec,
    report: MonitoringReport,
    scored: Scored | None,
    when: Sequence[object] = (),
    entity: str = "",
) -> dict[str, bytes]:
    """Draw the plots for which there is something to show.

    Args:
        spec: The model file.
        report: The newest reports.
        scored: The newest predictions with their labels; None without any.
        when: Their instants.
        entity: The entity they are about, where the model has several.

    Returns:
        PNG files by name, in the order of the page.
    """
    from mlops_assets.reports.plots.classes import confusion
    from mlops_assets.reports.plots.monitoring import coverage_over_time, drift_over_time, error_over_time
    from mlops_assets.reports.plots.numbers import forecast

    plots: dict[str, bytes] = {}
    performance = report.performance
    if performance is not None and any(
        performance.primary in one.metrics or one.estimated is not None for one in performance.windows
    ):
        plots["error_over_time"] = error_over_time(performance, error_limit(spec, performance))
    if scored is not None and spec.problem == "classification":
        plots["predictions"] = confusion(scored, "newest predictions with a label")
    elif scored is not None:
        plots["predictions"] = forecast(scored, when, spec.target, entity=entity, rows_of="predictions")
    if performance is not None and any(one.coverage is not None for one in performance.windows):
        plots["coverage_over_time"] = coverage_over_time(performance, spec.training.interval or 0.9)
    if report.drift and report.drift[0].features:
        plots["drift_over_time"] = drift_over_time(report.drift)
    return plots


def monitoring_html(
    spec: ModelSpec, report: MonitoringReport, plots: Mapping[str, bytes], links: Named = ()
) -> str:
    """Return the page.

    Args:
        spec: The model file.
        report: The newest reports.
        plots: Result of `monitoring_plots`.
        links: Names and addresses of related pages.

    Returns:
        HTML with style sheet and plots inside.
    """
    health, performance = report.health, report.performance
    return render(
        "monitoring.html",
        title=f"{health.diagnosis.replace('_', ' ').capitalize()}: {report.model}",
        spec=spec,
        health=health,
        tone=TONES.get(health.diagnosis, "keep"),
        tiles=_tiles(report),
        facts=[(fact, STATES[fact.state], _minute(fact)) for fact in health.facts],
        plots=[
            (TITLES[name], f"data:image/png;base64,{b64encode(png).decode()}") for name, png in plots.items()
        ],
        performance=performance,
        window_head=_window_head(performance),
        windows=_window_rows(performance),
        estimate_note=_estimate_note(performance),
        restatements=[
            [window.translate(UNBROKEN), at.translate(UNBROKEN), *rest]
            for window, at, *rest in _restatement_rows(performance)
        ],
        slices=[
            (one.column or spec.entity or "", one.name, count(one.rows), number(one.value))
            for one in (performance.slices if performance else ())
        ],
        drift=report.drift[0] if report.drift else None,
        features=_feature_rows(report.drift[0]) if report.drift else [],
        links=links,
        commands=_commands(spec),
    )


def restatement_lines(report: MonitoringReport) -> list[str]:
    """Return one line for each value of a window that was measured more than once.

    Args:
        report: The newest reports.

    Returns:
        Lines, the newest window and value first; empty where nothing changed.
    """
    primary = report.performance.primary if report.performance else ""
    return [
        f"  {window}: {primary} {value} by {labels} labels at {at} UTC, {state}"
        for window, at, value, labels, state in _restatement_rows(report.performance)
    ]


def error_limit(spec: ModelSpec, performance: PerformanceReport) -> float | None:
    """Return the value of the primary metric from which the champion counts as worse.

    Args:
        spec: The model file, with `monitoring.rise`.
        performance: The performance, with the value on the holdout.

    Returns:
        The value; None without a holdout, and for a metric whose best value is 0 from both sides.
    """
    direction = METRICS[performance.primary].direction
    if performance.baseline is None or direction == "zero":
        return None
    change = spec.monitoring.rise * abs(performance.baseline)
    return performance.baseline + (change if direction == "lower" else -change)


def _tiles(report: MonitoringReport) -> list[tuple[str, str]]:
    tiles = [(f"version {report.version}" if report.version else "none", "champion")]
    performance = report.performance
    if performance is not None:
        newest = performance.newest_mature
        value = newest.metrics.get(performance.primary) if newest else None
        tiles.append(
            (number(value), f"{performance.primary} in production, holdout {number(performance.baseline)}")
        )
        if performance.rise is not None:
            side = "worse" if performance.rise > 0 else "better"
            tiles.append((f"{abs(performance.rise):.0%} {side}", "than on the holdout"))
        if newest is not None and newest.coverage is not None:
            tiles.append((f"{newest.coverage:.0%}", "labels inside the interval"))
        if performance.windows:
            tiles.append(
                (f"{performance.windows[0].maturity:.0%}", "labels of the newest window have arrived")
            )
    if report.drift:
        tiles.append((report.drift[0].level, "drift of the inputs"))
    return tiles


def _window_head(performance: PerformanceReport | None) -> list[str]:
    names = _metric_names(performance)
    head = ["window", "state", "labels", "predictions"]
    for name in names:
        head += [name, f"naive {name}"]
    if _is_estimated(performance):
        head.append("estimated before the labels")
    return [*head, *_kpi_names(performance), "coverage"]


def _window_rows(performance: PerformanceReport | None) -> list[list[str]]:
    names = _metric_names(performance)
    rows = []
    for window in performance.windows if performance else ():
        state = WINDOW_STATES[window.state]
        if window.restated_from is not None:
            state += f", {number(window.restated_from)} before"
        row = [
            f"{_instant(window.start)} to {_instant(window.end)}".translate(UNBROKEN),
            state,
            f"{window.maturity:.0%}",
            count(window.predictions),
        ]
        for name in names:
            row += [number(window.metrics.get(name)), number(window.naive.get(name))]
        if _is_estimated(performance):
            row.append(number(window.estimated))
        row += [number(window.kpis.get(name)) for name in _kpi_names(performance)]
        rows.append([*row, NOTHING if window.coverage is None else f"{window.coverage:.1%}"])
    return rows


def _restatement_rows(performance: PerformanceReport | None) -> list[list[str]]:
    """Return what was measured about each window with more than one value, newest first."""
    rows = []
    for window in performance.windows if performance else ():
        measured = [(one.at, one.value, one.labelled, one.state) for one in window.recorded]
        now = window.metrics.get(performance.primary) if performance else None
        if performance and now is not None and (not measured or not isclose(measured[-1][1], now)):
            measured.append((performance.as_of, now, window.labelled, window.state))
        if len(measured) > 1:
            rows += [
                [
                    f"{_instant(window.start)} to {_instant(window.end)}",
                    f"{at:%Y-%m-%d %H:%M}",
                    number(value),
                    count(labelled),
                    WINDOW_STATES[state],
                ]
                for at, value, labelled, state in reversed(measured)
            ]
    return rows


def _metric_names(performance: PerformanceReport | None) -> list[str]:
    windows = performance.windows if performance else ()
    return list(dict.fromkeys(name for window in windows for name in window.metrics))


def _kpi_names(performance: PerformanceReport | None) -> list[str]:
    windows = performance.windows if performance else ()
    return list(dict.fromkeys(name for window in windows for name in window.kpis))


def _is_estimated(performance: PerformanceReport | None) -> bool:
    return performance is not None and any(one.estimated is not None for one in performance.windows)


def _estimate_note(performance: PerformanceReport | None) -> str:
    """Return what the estimates were worth where labels have arrived since."""
    if performance is None or performance.estimate_error is None:
        return ""
    return (
        f"Estimates of {performance.primary} from labels of earlier windows were off by "
        f"{performance.estimate_error:.0%} on average, by the labels that have arrived since. They decide nothing."
    )


def _feature_rows(drift: DriftReport) -> list[tuple[str, str, str, str, str, str]]:
    return [
        (
            feature.feature,
            feature.method,
            number(feature.value),
            number(feature.statistics[feature.method].act if feature.method in feature.statistics else None),
            feature.level if feature.decides else f"{feature.level} (decides nothing)",
            LEVELS[feature.level],
        )
        for feature in drift.features
    ]


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}".removesuffix(" 00:00")


def _minute(fact: Fact) -> str:
    return f"{fact.at:%Y-%m-%d %H:%M}" if fact.at else "never"


def _commands(spec: ModelSpec) -> Named:
    return [
        ("the diagnosis and its facts", f"mlops health {spec.name}"),
        ("why it is or is not retrained", f"mlops why {spec.name}"),
        ("this report as JSON", f"mlops monitoring {spec.name} --json"),
    ]
