"""Signals from the reports and dates that show them.

Comes in: a drift report, dates. Goes out: `Signal` records, active or not. Whether a signal suffices is decided by the
governor.
"""

from __future__ import annotations

from datetime import datetime

from mlops_assets.artifacts import DriftReport, ImportanceReport, PerformanceReport, Signal
from mlops_assets.drift_methods import DRIFT_METHODS
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.values import format_duration


def drift_signal(spec: ModelSpec, report: DriftReport) -> Signal | None:
    """Return what a drift report says about one champion; None without a champion.

    Missing and impossible values are broken data, which a retrain would only learn: features with these alone do not
    make the signal active.

    Args:
        spec: The model file, with the length of the window.
        report: The report.

    Returns:
        The signal, or None.
    """
    if report.version is None:
        return None
    moved = [feature for feature in report.features if feature.decides and feature.has_moved]
    reason = ""
    if moved:
        worst = moved[0]
        more = f" and {len(moved) - 1} more" if len(moved) > 1 else ""
        reason = (
            f"drift: {worst.feature} moved by {DRIFT_METHODS[worst.method].label} {worst.value:.2f}{more} "
            f"(limit {worst.statistics[worst.method].act:.3g}) from the training data of version {report.version}"
        )
    return Signal(
        model=spec.name,
        cause="drift",
        at=report.as_of,
        active=bool(moved),
        version=report.version,
        features=tuple(sorted(feature.feature for feature in moved)),
        start=report.as_of - spec.monitoring.window,
        reason=reason,
    )


def staleness_signal(
    spec: ModelSpec, *, champion: int | None, last_compared: datetime | None, now: datetime
) -> Signal | None:
    """Return a champion that has not been compared with a challenger for longer than `monitoring.stale_after`.

    Counted from the last comparison, promoted or kept, and not from the champion's promotion: a champion that nothing
    beats would otherwise request a retrain every day. Each comparison that is overdue is one fact.

    Args:
        spec: The model file.
        champion: The champion's version.
        last_compared: When a challenger was last promoted or kept.
        now: The present instant.

    Returns:
        The signal, or None.
    """
    limit = spec.monitoring.stale_after
    if limit is None or champion is None or last_compared is None or now - last_compared <= limit:
        return None
    days = (now - last_compared).days
    return Signal(
        model=spec.name,
        cause="staleness",
        at=last_compared + limit,
        active=True,
        subject=f"since {last_compared.isoformat()}",
        version=champion,
        reason=(
            f"stale: version {champion} was last compared with a challenger {days} days ago "
            f"(limit {format_duration(limit)})"
        ),
    )


def error_signal(spec: ModelSpec, report: PerformanceReport) -> Signal | None:
    """Return whether the error of the newest mature window is worse than `monitoring.rise` allows.

    Args:
        spec: The model file.
        report: The performance of the champion.

    Returns:
        None without a mature window, or without a holdout to compare with.
    """
    window = report.newest_mature
    if window is None or report.rise is None:
        return None
    return Signal(
        model=spec.name,
        cause="error",
        at=window.end,
        active=report.level == "worse",
        version=report.version,
        subject=report.primary,
        start=window.start,
        reason=f"error: {report.sentence} (limit {spec.monitoring.rise:.0%})",
    )


def importance_signal(spec: ModelSpec, report: ImportanceReport) -> Signal | None:
    """Return whether other features move the champion's predictions than on its holdout.

    Args:
        spec: The model file, with the length of the window.
        report: The report.

    Returns:
        The signal; None where it could not be measured.
    """
    if report.version is None or report.level == "unmeasurable":
        return None
    active = report.level == "changed"
    return Signal(
        model=spec.name,
        cause="importance",
        at=report.as_of,
        active=active,
        version=report.version,
        features=tuple(sorted(one.feature for one in report.features if one.has_moved)) if active else (),
        start=report.as_of - spec.monitoring.window,
        reason=f"importance: {report.sentence}" if active else "",
    )


def bias_signal(spec: ModelSpec, report: PerformanceReport) -> Signal | None:
    """Return whether the predictions of the newest mature window are too high or too low on average.

    Args:
        spec: The model file.
        report: The performance of the champion.

    Returns:
        None without a mature window with enough rows.
    """
    window, bias = report.newest_mature, report.bias
    if window is None or bias is None:
        return None
    direction = "high" if bias.mean > 0 else "low"
    return Signal(
        model=spec.name,
        cause="bias",
        at=window.end,
        active=bias.significant,
        version=report.version,
        start=window.start,
        reason=f"bias: predictions were {abs(bias.mean):.4g} too {direction} on average (p {bias.p:.2g})",
    )


def data_volume_signal(spec: ModelSpec, *, champion: int, new_rows: int, now: datetime) -> Signal | None:
    """Return whether `retraining.new_rows` arrived since the champion's training; None without such a limit.

    Args:
        spec: The model file.
        champion: The champion's version.
        new_rows: Rows that arrived since.
        now: The present instant.

    Returns:
        The signal, or None.
    """
    limit = spec.retraining.new_rows
    if limit is None:
        return None
    return Signal(
        model=spec.name,
        cause="data_volume",
        at=now,
        active=new_rows >= limit,
        version=champion,
        reason=f"data volume: {new_rows:,} rows arrived since the training of version {champion} (limit {limit:,})",
    )


def upstream_signal(
    spec: ModelSpec, *, champion: int, trained_with: tuple[str, str], present: tuple[str, str], now: datetime
) -> Signal:
    """Return whether code or model file changed since the champion's training.

    Args:
        spec: The model file.
        champion: The champion's version.
        trained_with: Commit of the code and digest of the model file at the training.
        present: The same of today.
        now: The present instant.

    Returns:
        The signal.
    """
    pairs = zip(("code", "model file"), trained_with, present, strict=True)
    changed = [what for what, before, after in pairs if before != after]
    return Signal(
        model=spec.name,
        cause="upstream",
        at=now,
        active=bool(changed),
        subject="",
        version=champion,
        features=tuple(f"{what} {after[:12]}" for what, after in zip(("code", "file"), present, strict=True)),
        reason=f"upstream: {' and '.join(changed)} changed since the training of version {champion}"
        if changed
        else "",
    )
