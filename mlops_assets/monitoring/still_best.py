"""Is the champion still the best model available? Yes, no, or not known, with the reason.

Comes in: what is known about one champion. Goes out: a verdict and a reason. `yes` needs a comparison with a challenger
that is recent and decided; what is missing, old or undecided is not known, and never reads as yes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from mlops_assets.artifacts import Delivery, HealthReport, PerformanceReport, StillBest
from mlops_assets.artifacts.health import Diagnosis
from mlops_assets.metrics import METRICS
from mlops_assets.model_file import ModelSpec

RECENT: Final = timedelta(days=14)
"""How long a comparison counts where the model file sets no `monitoring.stale_after`."""
ERROR_ROSE: Final = frozenset[Diagnosis]({"ageing", "concept_drift", "ageing_or_concept_drift"})
"""Diagnoses with an error above the holdout's: a victory before says nothing about what recent data would bring."""
WINDOWS: Final = 2
"""Mature windows in a row in which the naive forecast must be better: one may be chance."""


@dataclass(frozen=True, slots=True)
class LastComparison:
    """The newest decision about a challenger: promoted, kept or refused; `decided` when there was enough evidence."""

    version: int
    at: datetime
    action: str
    reason: str
    decided: bool


def still_best(
    spec: ModelSpec,
    health: HealthReport,
    performance: PerformanceReport | None,
    delivery: Delivery | None,
    compared: LastComparison | None,
    waiting: int | None,
    now: datetime,
) -> tuple[StillBest, str]:
    """Return whether the champion is the best model available, and why.

    Args:
        spec: The model file.
        health: The diagnosis of the champion.
        performance: Its performance in production; None where it was not measured.
        delivery: What its promotion delivered; None where it was not measured.
        compared: The newest decision about a challenger; None without one.
        waiting: The version of a challenger that only waits for an approval; None without one.
        now: Present instant, with a zone.

    Returns:
        The verdict, and the reason as the end of a sentence that begins with 'because'.
    """
    if health.version is None:
        return "not_known", "there is no champion"
    if waiting is not None:
        return "no", f"version {waiting} passed every other gate and waits for an approval"
    if delivery is not None and delivery.version == health.version and delivery.delivered.high < 0:
        return "no", f"the former champion was better on later labels: {delivery.sentence}"
    if (
        performance is not None
        and performance.version == health.version
        and (reason := _worse_than_naive(spec, performance))
    ):
        return "no", reason
    if health.diagnosis == "broken_data":
        return "not_known", health.sentence
    return _by_comparison(spec, health, compared, now)


def _by_comparison(
    spec: ModelSpec, health: HealthReport, compared: LastComparison | None, now: datetime
) -> tuple[StillBest, str]:
    if compared is None:
        return "not_known", "no challenger was ever compared with it"
    limit = spec.monitoring.stale_after or RECENT
    day = f"{compared.at:%Y-%m-%d}"
    if now - compared.at > limit:
        return "not_known", f"it was last compared with a challenger on {day}"
    if compared.action == "refused":
        return (
            "not_known",
            f"the newest challenger, version {compared.version}, was refused: {compared.reason}",
        )
    if compared.action == "promoted" or compared.version == health.version:
        if health.diagnosis in ERROR_ROSE:
            return "not_known", f"its error rose and no challenger was compared since it won on {day}"
        return "yes", f"it won on {day}: {compared.reason}"
    if not compared.decided:
        return (
            "not_known",
            f"the rows did not decide between it and version {compared.version}: {compared.reason}",
        )
    return "yes", f"version {compared.version} was not better on {day}: {compared.reason}"


def _worse_than_naive(spec: ModelSpec, report: PerformanceReport) -> str:
    """Return in which windows the naive forecast was better; empty unless it was in all of the newest mature ones.

    Where labels come late, the reading before is not known in time, and nobody could predict with it.
    """
    if spec.monitoring.label_delay is not None or spec.evaluation.baseline == "simple":
        return ""
    name = report.primary
    both = [
        (one, one.metrics[name], one.naive[name])
        for one in report.windows
        if one.is_mature and name in one.metrics and name in one.naive
    ][:WINDOWS]
    direction = METRICS[name].direction
    better = [
        naive < value
        if direction == "lower"
        else naive > value
        if direction == "higher"
        else abs(naive) < abs(value)
        for _, value, naive in both
    ]
    if len(both) < WINDOWS or not all(better):
        return ""
    window, value, naive = both[0]
    return (
        f"the naive forecast was better in the last {WINDOWS} windows: {name} {naive:.4g} against {value:.4g} from "
        f"{window.start:%Y-%m-%d} to {window.end:%Y-%m-%d}"
    )
