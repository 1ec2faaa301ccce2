"""The tables of a gate report as rows of text, for Markdown and HTML alike.

Comes in: evidence with gate results. Goes out: names of columns and rows. Sentences are in `summary`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from mlops_assets.artifacts import Candidate, Comparison, Evidence, GateResult, Metrics, Part
from mlops_assets.evaluation import relative_improvement
from mlops_assets.metrics import METRICS
from mlops_assets.promotion.gate_results import finite, percent
from mlops_assets.reports.numbers import NOTHING, count, number, share, signed
from mlops_assets.reports.summary import verdict_name

DIRECTIONS: Final = {
    "lower": "lower is better",
    "higher": "higher is better",
    "zero": "nearer to 0 is better",
}
BASELINE_HEAD: Final = ("naive baseline", "metric", "challenger", "baseline", "change", "interval")
CLASS_METRICS: Final = ("precision", "recall", "f1")
SLICE_HEAD: Final = ("column", "value", "rows", "metric", "challenger", "champion", "change")
MAX_SLICES: Final = 60
MAX_FEATURES: Final = 10


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric of the holdout, written out. `sign` is 1 better, -1 worse, 0 undecided or unknown."""

    metric: str
    direction: str
    challenger: str
    champion: str
    change: str
    interval: str
    baseline: str
    sign: int


@dataclass(frozen=True, slots=True)
class SliceRow:
    """One metric of one slice, written out. `sign` is 1 better than the champion, -1 worse, 0 equal or unknown."""

    column: str
    value: str
    rows: str
    metric: str
    challenger: str
    champion: str
    change: str
    sign: int


def metric_rows(evidence: Evidence, part: Part = "test") -> list[MetricRow]:
    """Return the metrics of challenger, champion and baseline.

    Args:
        evidence: The evidence to report.
        part: `train`, `validation` or `test`.

    Returns:
        One row per metric, the primary first: stored evidence has its keys in alphabetical order.
    """
    measured = evidence.evaluation
    champion: Metrics = (measured.champion or {}).get(part) or {}
    comparisons = {
        comparison.metric: comparison for comparison in measured.comparisons if comparison.part == part
    }
    return [
        MetricRow(
            name,
            DIRECTIONS[METRICS[name].direction] if name in METRICS else "",
            number(value),
            number(champion.get(name)),
            *_change(comparisons.get(name)),
            baseline=number((measured.baseline.get(part) or {}).get(name)),
            sign=_sign(comparisons.get(name)),
        )
        for name, value in sorted(
            (measured.challenger.get(part) or {}).items(), key=lambda one: one[0] != measured.primary
        )
    ]


def baseline_rows(evidence: Evidence) -> list[tuple[str, ...]]:
    """Return the comparison of the challenger with every naive baseline.

    Args:
        evidence: The evidence to report.

    Returns:
        One row per baseline and metric: baseline, metric, its value, challenger's value, change and interval.
    """
    return [
        (
            rival.name,
            comparison.metric,
            number(comparison.challenger),
            number(comparison.champion),
            *_change(comparison),
        )
        for rival in evidence.evaluation.rivals
        for comparison in rival.comparisons
    ]


def class_head(evidence: Evidence) -> tuple[str, ...]:
    """Return the names of the columns of `class_rows`.

    Args:
        evidence: The evidence to report.

    Returns:
        Names, in order.
    """
    of_champion = [f"champion's {name}" for name in CLASS_METRICS] if _has_champion_classes(evidence) else []
    return ("class", "rows", *CLASS_METRICS, *of_champion)


def class_rows(evidence: Evidence) -> list[tuple[str, ...]]:
    """Return precision, recall and F1 of every class, of the challenger and of the champion if there is one.

    Args:
        evidence: The evidence to report.

    Returns:
        One row per class, as `class_head` names.
    """
    of_champion = CLASS_METRICS if _has_champion_classes(evidence) else ()
    return [
        (
            row.label,
            f"{row.support:,}",
            *(share(row.challenger.get(name)) for name in CLASS_METRICS),
            *(share((row.champion or {}).get(name)) for name in of_champion),
        )
        for row in evidence.evaluation.classes
    ]


def _has_champion_classes(evidence: Evidence) -> bool:
    return any(row.champion is not None for row in evidence.evaluation.classes)


def slice_rows(evidence: Evidence) -> list[SliceRow]:
    """Return the metrics of the slices, the largest loss against the champion first.

    Slices without a champion's value keep their order, after the others. Only the first of very many are returned.

    Args:
        evidence: The evidence to report.

    Returns:
        Rows of text.
    """
    slices = [(row, _slice_change(row)) for row in evidence.evaluation.slices]
    ordered = sorted(slices, key=lambda pair: math.inf if pair[1] is None else pair[1])
    return [
        SliceRow(
            column=str(row.get("column")),
            value=str(row.get("value")),
            rows=count(row.get("rows")),
            metric=str(row.get("metric")),
            challenger=number(row.get("challenger")),
            champion=number(row.get("champion")),
            change=_change_in_words(change),
            sign=0 if change is None else (change > 0) - (change < 0),
        )
        for row, change in ordered[:MAX_SLICES]
    ]


def _slice_change(row: dict[str, Any]) -> float | None:
    """Relative improvement of a slice, None without two finite numbers."""
    challenger, champion = finite(row.get("challenger")), finite(row.get("champion"))
    metric = str(row.get("metric"))
    if challenger is None or champion is None or metric not in METRICS:
        return None
    return finite(relative_improvement(metric, challenger, champion))


def gate_rows(evidence: Evidence) -> list[tuple[GateResult, str]]:
    """Return every gate with its verdict for display; blocking gates come first.

    Args:
        evidence: The evidence to report.

    Returns:
        Pairs of result and verdict.
    """
    order = {"fail": 0, "not_enough_evidence": 1, "pass": 2, "not_applicable": 3}
    rows = sorted(evidence.gates, key=lambda gate: (order.get(gate.verdict, 0), not gate.hard))
    return [(gate, verdict_name(gate)) for gate in rows]


def candidate_head(metric: str) -> tuple[str, ...]:
    """Return the names of the columns of `candidate_rows`.

    Args:
        metric: The metric that chose among them.

    Returns:
        Names, in order.
    """
    return "candidate", f"{metric} on train", f"{metric} on validation", "seconds", "result"


def candidate_rows(candidates: Sequence[Candidate], metric: str) -> list[tuple[str, str, str, str, str]]:
    """Return every candidate in the order of the model file, also those that failed.

    Args:
        candidates: All candidates of the training.
        metric: The metric that chose among them.

    Returns:
        Rows of text, as `candidate_head` names.
    """
    rows = []
    for candidate in candidates:
        train, validation = (
            number(candidate.metrics.get(part, {}).get(metric)) for part in ("train", "validation")
        )
        result = candidate.status.replace("_", " ")
        if candidate.cross_validation is not None:
            result = f"{result}; {number(candidate.cross_validation.get(metric))} over the folds"
        if candidate.message:
            result = f"{result}: {candidate.message}"
        rows.append((candidate.algorithm, train, validation, f"{candidate.seconds:.1f}", result))
    return rows


def data_rows(evidence: Evidence) -> list[tuple[str, str, str, str]]:
    """Return table, version, rows and content hash of the data.

    Args:
        evidence: The evidence to report.

    Returns:
        One row per table; the hash has 16 characters.
    """
    return [
        (table.table, str(table.version), f"{table.rows:,}", table.content_hash[:16])
        for table in evidence.data
    ]


def importance_rows(evidence: Evidence) -> list[tuple[str, str, str, str]]:
    """Return rank, feature, mean |SHAP| and the champion's rank of the most important features.

    Args:
        evidence: The evidence to report.

    Returns:
        Rows of text; empty when the challenger was not explained.
    """
    challenger, champion = evidence.evaluation.explanation, evidence.evaluation.champion_explanation
    if challenger is None:
        return []
    champion_ranks = (
        {name: str(rank) for rank, (name, _) in enumerate(champion.ranking, 1)} if champion else {}
    )
    absent = "new" if champion else NOTHING
    return [
        (str(rank), name, number(size), champion_ranks.get(name, absent))
        for rank, (name, size) in enumerate(challenger.ranking[:MAX_FEATURES], 1)
    ]


def history_rows(history: Sequence[Any]) -> list[tuple[str, ...]]:
    """Return earlier decisions.

    Args:
        history: Records or mappings with at, action, version, actor and reason.

    Returns:
        Rows of text, newest first.
    """
    keys = ("at", "action", "version", "actor", "reason")

    def value(decision: Any, key: str) -> str:
        cell = decision.get(key, "") if isinstance(decision, dict) else getattr(decision, key, "")
        return f"{cell:%Y-%m-%d %H:%M}" if isinstance(cell, datetime) else str(cell)

    return [tuple(value(decision, key) for key in keys) for decision in history]


def _change(comparison: Comparison | None) -> tuple[str, str]:
    """Return the change in words and its interval."""
    if comparison is None or finite(comparison.improvement) is None:
        return NOTHING, NOTHING
    change = _change_in_words(comparison.improvement)
    if finite(comparison.low) is None or finite(comparison.high) is None:
        return change, NOTHING
    return change, f"{signed(comparison.low)} to {signed(comparison.high)}"


def _change_in_words(improvement: float | None) -> str:
    if improvement is None:
        return NOTHING
    if improvement == 0:
        return "equal"
    return f"{percent(abs(improvement))} {'better' if improvement > 0 else 'worse'}"


def _sign(comparison: Comparison | None) -> int:
    if comparison is None or finite(comparison.low) is None:
        return 0
    return 1 if comparison.low > 0 else -1 if comparison.high < 0 else 0
