"""The health of a model: broken data first, then what error and importance of the features say together.

Comes in: the newest observations of one model. Goes out: a `HealthReport`. The error says that something is wrong, the
importance of the features says what:

| error | importance of the features | diagnosis |
| --- | --- | --- |
| as on the holdout | same | healthy |
| as on the holdout | changed | early warning |
| risen | same | ageing |
| risen | changed | concept drift |

What was not measured, or too long ago, is unknown and never reads as good.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from mlops_assets.artifacts import DriftReport, Fact, FeatureDrift, HealthReport, PerformanceReport, Signal
from mlops_assets.artifacts.health import Diagnosis, FactState
from mlops_assets.model_file import ModelSpec
from mlops_assets.monitoring.feature_drift import MIN_ROWS, MISSING_RISE
from mlops_assets.monitoring.performance import WEEK_OVER_WEEK

LEAST_VALIDITY: Final = timedelta(days=2)
"""An observation counts for `monitoring.window`, and at least for so long: reports are daily."""
COVERAGE_MARGIN: Final = 0.05
"""How far the share of labels inside the interval may fall below what the interval promises."""
MATRIX: Final[Mapping[tuple[FactState, FactState], Diagnosis]] = {
    ("good", "good"): "healthy",
    ("good", "bad"): "early_warning",
    ("bad", "good"): "ageing",
    ("bad", "bad"): "concept_drift",
    ("bad", "unknown"): "ageing_or_concept_drift",
    ("unknown", "bad"): "early_warning",
}
"""Diagnosis by the states of error and importance; every other pair is unknown."""
MEANING: Final[Mapping[Diagnosis, tuple[str, str]]] = {
    "healthy": ("works as promised", ""),
    "early_warning": (
        "decides by other features than it was trained with; the error often rises next",
        "look at what changed in the inputs; a retrain is not needed yet",
    ),
    "ageing": (
        "is ageing: the same features matter, but the error rose",
        "retrain on recent data",
    ),
    "concept_drift": (
        "no longer fits: the relation of inputs and target changed",
        "retrain with other algorithms or features; recent data alone may not suffice",
    ),
    "ageing_or_concept_drift": (
        "makes larger errors; the importance of its features was not measured, so the cause is not known",
        "retrain on recent data, and measure the importance of the features",
    ),
}


@dataclass(frozen=True, slots=True)
class Observations:
    """The newest observations of one model; None for what was never observed.

    Attributes:
        quality: The signal about the rules of the readings.
        performance: The champion's performance in production.
        drift: The inputs compared with the training data.
        importance: The signal about the importance of the features.
    """

    quality: Signal | None
    performance: PerformanceReport | None
    drift: DriftReport | None
    importance: Signal | None


def diagnose(
    spec: ModelSpec, version: int | None, observations: Observations, as_of: datetime
) -> HealthReport:
    """Return what is wrong with the champion.

    Args:
        spec: The model file; `monitoring.window` is how long an observation counts.
        version: The champion's version; None without a champion.
        observations: The newest observations; those about another version do not count.
        as_of: Present instant, with a zone.

    Returns:
        The diagnosis with its facts.
    """
    validity = max(spec.monitoring.window, LEAST_VALIDITY)

    def report(
        diagnosis: Diagnosis, sentence: str, advice: str, facts: tuple[Fact, ...] = ()
    ) -> HealthReport:
        return HealthReport(spec.name, version, as_of, diagnosis, sentence, as_of + validity, advice, facts)

    if version is None:
        return report("no_champion", "there is no champion", f"mlops run {spec.name}")
    measured_after = as_of - validity
    data = _data(observations, version, measured_after)
    error = _error(observations.performance, version, measured_after)
    importance = _importance(observations.importance, version, measured_after)
    others = (
        _drift(observations.drift, version, measured_after),
        _bias(observations.performance, version, measured_after),
        _coverage(spec, observations.performance, version, measured_after),
    )
    facts = (data, error, importance, *(fact for fact in others if fact is not None))
    name = f"version {version}"
    if data.state == "bad":
        sentence = (
            f"the data is broken: {data.sentence}; what {name} makes of it says nothing about the model"
        )
        advice = "fix the source; until then nothing is trained on this data"
        return report("broken_data", sentence, advice, facts)
    diagnosis = MATRIX.get((error.state, importance.state), "unknown")
    if diagnosis == "healthy" and data.state == "unknown":
        diagnosis = "unknown"
    if diagnosis == "unknown":
        missing = [fact.sentence for fact in (data, error, importance) if fact.state == "unknown"]
        known = f" ({error.sentence})" if error.state == "good" else ""
        return report("unknown", f"not known, because {' and '.join(missing)}{known}", "", facts)
    meaning, advice = MEANING[diagnosis]
    reasons = [fact.sentence for fact in (error, importance) if fact.state != "unknown"]
    return report(diagnosis, f"{name} {meaning} ({'; '.join(reasons)})", advice, facts)


def broken_inputs(report: DriftReport | None) -> str:
    """Return which inputs of a drift report are broken: missing, dead or impossible, without having moved.

    Args:
        report: The newest drift report; None without one.

    Returns:
        A sentence; empty where nothing is broken, or where there are too few rows to say so.
    """
    if report is None or report.rows < MIN_ROWS:
        return ""
    broken = [
        f"{feature.feature}: {feature.reason}"
        for feature in report.features
        if feature.decides and _is_broken(feature)
    ]
    more = f" and {len(broken) - 3} more" if len(broken) > 3 else ""
    return "; ".join(broken[:3]) + more


def _is_broken(feature: FeatureDrift) -> bool:
    """Return whether values are missing or impossible; what training data cannot measure is no fault of the source."""
    if feature.level == "unmeasurable":
        rise = feature.details.get("missing", 0.0) - feature.details.get("missing_reference", 0.0)
        return rise > MISSING_RISE[1]
    return feature.level == "significant" and not feature.has_moved


def _data(observations: Observations, version: int, since: datetime) -> Fact:
    quality, drift = observations.quality, observations.drift
    if (
        quality is not None and quality.active
    ):  # a broken state holds until readings pass, however long that takes
        return Fact("data", "bad", quality.reason, quality.at)
    if (
        drift is not None
        and drift.version == version
        and drift.as_of > since
        and (reason := broken_inputs(drift))
    ):
        return Fact("data", "bad", reason, drift.as_of)
    if quality is None:
        return Fact("data", "unknown", "the readings were never validated")
    if quality.at <= since:
        sentence = f"the readings were last validated on {quality.at:%Y-%m-%d}"
        return Fact("data", "unknown", sentence, quality.at)
    return Fact("data", "good", "the readings passed their rules", quality.at)


def _error(report: PerformanceReport | None, version: int, since: datetime) -> Fact:
    if report is None or report.version != version:
        return Fact("error", "unknown", f"the error of version {version} was not measured yet")
    if report.as_of <= since:
        return Fact(
            "error", "unknown", f"the error was last measured on {report.as_of:%Y-%m-%d}", report.as_of
        )
    if report.level not in ("as_trained", "worse"):
        return Fact("error", "unknown", report.sentence, report.as_of)
    jumped = (report.week_over_week or 0.0) > WEEK_OVER_WEEK and (report.rise or 0.0) > 0
    sentence = report.sentence
    if jumped and report.level == "as_trained":
        sentence += f", {report.week_over_week:.0%} worse than in the window before"
    return Fact("error", "bad" if report.level == "worse" or jumped else "good", sentence, report.as_of)


def _importance(signal: Signal | None, version: int, since: datetime) -> Fact:
    if signal is None or signal.version != version:
        return Fact("importance", "unknown", "the importance of the features was not measured yet")
    if signal.at <= since:
        sentence = f"the importance of the features was last measured on {signal.at:%Y-%m-%d}"
        return Fact("importance", "unknown", sentence, signal.at)
    if signal.active:
        return Fact("importance", "bad", signal.reason, signal.at)
    return Fact("importance", "good", "the same features matter as in training", signal.at)


def _drift(report: DriftReport | None, version: int, since: datetime) -> Fact | None:
    if report is None or report.version != version or report.as_of <= since:
        return None
    moved = [feature.feature for feature in report.features if feature.decides and feature.has_moved]
    if moved:
        more = f" and {len(moved) - 2} more" if len(moved) > 2 else ""
        return Fact("drift", "bad", f"the inputs moved: {', '.join(moved[:2])}{more}", report.as_of)
    if report.level == "unmeasurable":
        return Fact(
            "drift", "unknown", "not every input could be compared with the training data", report.as_of
        )
    return Fact("drift", "good", "the inputs are as in the training data", report.as_of)


def _bias(report: PerformanceReport | None, version: int, since: datetime) -> Fact | None:
    if report is None or report.version != version or report.as_of <= since or report.bias is None:
        return None
    bias = report.bias
    direction = "high" if bias.mean > 0 else "low"
    if bias.significant:
        sentence = f"predictions were {abs(bias.mean):.4g} too {direction} on average"
        return Fact("bias", "bad", sentence, report.as_of)
    return Fact("bias", "good", "predictions are right on average", report.as_of)


def _coverage(
    spec: ModelSpec, report: PerformanceReport | None, version: int, since: datetime
) -> Fact | None:
    level = spec.training.interval
    if level is None or report is None or report.version != version or report.as_of <= since:
        return None
    window = report.newest_mature
    if window is None or window.coverage is None:
        return None
    state: FactState = "bad" if window.coverage < level - COVERAGE_MARGIN else "good"
    sentence = f"{window.coverage:.0%} of the labels lie inside the interval of {level:.0%}"
    return Fact("coverage", state, sentence, report.as_of)
