"""Facts that ask for a retrain, from the reports and dates that show them.

Comes in: a drift report, dates. Goes out: a `Trigger`, or None where there is no reason. Whether a
reason suffices is the governor's to say.
"""

from __future__ import annotations

from datetime import datetime

from mlops_assets.artifacts import DriftReport
from mlops_assets.drift_methods import DRIFT_METHODS
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.values import format_duration
from mlops_assets.retraining.request import Trigger


def drift_trigger(report: DriftReport) -> Trigger | None:
    """Return a trigger for features that moved significantly against the training data of one champion.

    The same features are one subject as long as they stay moved; another feature is another subject.

    Args:
        report: The latest drift report.

    Returns:
        The trigger, or None.
    """
    if report.level != "significant" or report.version is None:
        return None
    # Missing and impossible values are broken data, which a retrain would only learn.
    moved = [feature for feature in report.features if feature.decides and feature.has_moved]
    if not moved:
        return None
    worst = moved[0]
    more = f" and {len(moved) - 1} more" if len(moved) > 1 else ""
    return Trigger(
        cause="drift",
        subject=f"version {report.version}: {', '.join(sorted(feature.feature for feature in moved))}",
        reason=(
            f"drift: {worst.feature} moved by {DRIFT_METHODS[worst.method].label} {worst.value:.2f}{more} "
            f"(limit {worst.statistics[worst.method].act:g}) from the training data of version {report.version}"
        ),
        at=report.as_of,
        detail={"features": [feature.feature for feature in moved[:20]], "mean_value": report.mean_value},
    )


def staleness_trigger(
    spec: ModelSpec, *, champion: int | None, last_compared: datetime | None, now: datetime
) -> Trigger | None:
    """Return a trigger for a champion whose last comparison is older than `monitoring.stale_after`.

    Age counts from the last comparison, promoted or kept, not from the champion's training: a champion that
    nothing beats would otherwise cause a request every day. Each overdue comparison is one subject.

    Args:
        spec: The model file.
        champion: Version of the champion; None without one.
        last_compared: Time of the last comparison, with a zone; None without one.
        now: Present time, with a zone.

    Returns:
        The trigger, or None.
    """
    limit = spec.monitoring.stale_after
    if limit is None or champion is None or last_compared is None or now - last_compared <= limit:
        return None
    days = (now - last_compared).days
    return Trigger(
        cause="staleness",
        subject=f"version {champion} since {last_compared.isoformat()}",
        reason=(
            f"stale: version {champion} was last compared with a challenger {days} days ago "
            f"(limit {format_duration(limit)})"
        ),
        at=now,
        detail={"last_compared": last_compared.isoformat()},
    )
