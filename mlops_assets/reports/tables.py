"""What a gate report says, as plain rows of text; how it looks is for `report` (Markdown) and `page` (HTML).

Comes in: evidence with answers, and a decision. Goes out: headlines and table rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from mlops_assets.artifacts import Candidate, Comparison, Decision, Evidence, GateResult, Metrics, Part
from mlops_assets.metrics import METRICS
from mlops_assets.promotion.approvals import SETTLED_BY_PEOPLE
from mlops_assets.promotion.gate_results import finite, percent

HEADLINES: Final = {"promote": "Promote", "keep": "Keep the champion", "refuse": "Refuse"}
WAITING: Final = "Waiting for approval"
VERDICT_WORDS: Final = {
    "pass": "pass",
    "fail": "fail",
    "not_enough_evidence": "not enough evidence",
    "not_applicable": "not applicable",
}
BETTER: Final = {"lower": "lower is better", "higher": "higher is better", "zero": "nearer to 0 is better"}
NOTHING: Final = "n/a"


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


def headline(evidence: Evidence, decision: Decision) -> str:
    """The outcome in a few words; a challenger that only a person holds up is waiting, not rejected."""
    short = [gate for gate in evidence.gates if gate.verdict in ("fail", "not_enough_evidence")]
    if decision.outcome == "keep" and short and all(_for_a_person(gate) for gate in short):
        return WAITING
    return HEADLINES[decision.outcome]


def _for_a_person(gate: GateResult) -> bool:
    return gate.kind in SETTLED_BY_PEOPLE and gate.verdict == "not_enough_evidence"


def verdict_words(gate: GateResult) -> str:
    """A verdict as a person says it."""
    words = "asks a person" if _for_a_person(gate) else VERDICT_WORDS.get(gate.verdict, gate.verdict)
    return f"{words} (hard)" if gate.hard else words


def number(value: object) -> str:
    """A number for a table."""
    found = finite(value)
    if found is None:
        return NOTHING if value is None else str(value)
    return f"{found:,.0f}" if found == int(found) and abs(found) >= 1000 else f"{found:.4g}"


def metric_rows(evidence: Evidence, part: Part = "test") -> list[MetricRow]:
    """Challenger, champion and baseline side by side."""
    measured = evidence.evaluation
    champion: Metrics = (measured.champion or {}).get(part) or {}
    tests = {test.metric: test for test in measured.comparisons if test.part == part}
    return [
        MetricRow(
            name,
            BETTER[METRICS[name].direction] if name in METRICS else "",
            number(value),
            number(champion.get(name)),
            *_change(tests.get(name)),
            baseline=number((measured.baseline.get(part) or {}).get(name)),
            sign=_sign(tests.get(name)),
        )
        for name, value in (measured.challenger.get(part) or {}).items()
    ]


PER_CLASS: Final = ("precision", "recall", "f1")


def class_head(evidence: Evidence) -> tuple[str, ...]:
    """Names of the columns of `class_rows`."""
    theirs = [f"champion's {name}" for name in PER_CLASS] if _by_class_too(evidence) else []
    return ("class", "rows", *PER_CLASS, *theirs)


def class_rows(evidence: Evidence) -> list[tuple[str, ...]]:
    """Every class of the holdout: its rows, then precision, recall and F1 of challenger and, if any, champion."""
    theirs = PER_CLASS if _by_class_too(evidence) else ()
    return [
        (
            row.label,
            f"{row.support:,}",
            *(_share(row.challenger.get(name)) for name in PER_CLASS),
            *(_share((row.champion or {}).get(name)) for name in theirs),
        )
        for row in evidence.evaluation.classes
    ]


def _by_class_too(evidence: Evidence) -> bool:
    return any(row.champion is not None for row in evidence.evaluation.classes)


SLICE_HEAD: Final = ("column", "value", "rows", "metric", "challenger", "champion")
MOST_SLICES: Final = 60


def slice_rows(evidence: Evidence) -> list[tuple[str, ...]]:
    """Metrics of the slices of the holdout, the first of very many."""
    slices = evidence.evaluation.slices[:MOST_SLICES]
    return [tuple(number(row.get(name)) for name in SLICE_HEAD) for row in slices]


def _share(value: float | None) -> str:
    found = finite(value)
    return NOTHING if found is None else f"{found:.3f}"


def _change(test: Comparison | None) -> tuple[str, str]:
    if test is None or finite(test.improvement) is None:
        return NOTHING, NOTHING
    word = "better" if test.improvement > 0 else "worse" if test.improvement < 0 else "equal"
    change = "equal" if word == "equal" else f"{percent(abs(test.improvement))} {word}"
    if finite(test.low) is None or finite(test.high) is None:
        return change, NOTHING
    return change, f"{signed(test.low)} to {signed(test.high)}"


def _sign(test: Comparison | None) -> int:
    if test is None or finite(test.low) is None:
        return 0
    return 1 if test.low > 0 else -1 if test.high < 0 else 0


def signed(share: float) -> str:
    """A share with its sign, above 0 for better."""
    return f"{100 * share:+.2f} %"


def gate_rows(evidence: Evidence) -> list[tuple[GateResult, str]]:
    """Every answer with its verdict in words; what blocks comes first."""
    order = {"fail": 0, "not_enough_evidence": 1, "pass": 2, "not_applicable": 3}
    rows = sorted(evidence.gates, key=lambda gate: (order.get(gate.verdict, 0), not gate.hard))
    return [(gate, verdict_words(gate)) for gate in rows]


def candidate_head(metric: str) -> tuple[str, ...]:
    """What stands above `candidate_rows`."""
    return "candidate", f"{metric} on train", f"{metric} on validation", "seconds", "what became of it"


def candidate_rows(candidates: Sequence[Candidate], metric: str) -> list[tuple[str, str, str, str, str]]:
    """Everything that was to be trained, in the order of the model file; the metric is the one that chose."""
    rows = []
    for one in candidates:
        measured = [number(one.metrics.get(part, {}).get(metric)) for part in ("train", "validation")]
        fate = one.status.replace("_", " ") + (f": {one.message}" if one.message else "")
        rows.append((one.algorithm, measured[0], measured[1], f"{one.seconds:.1f}", fate))
    return rows


def data_rows(evidence: Evidence) -> list[tuple[str, str, str, str]]:
    """Table, version, rows, content hash."""
    return [(one.table, str(one.version), f"{one.rows:,}", one.content_hash[:16]) for one in evidence.data]


def importance_rows(evidence: Evidence, most: int = 10) -> list[tuple[str, str, str, str]]:
    """Rank, feature, mean |SHAP|, rank with the champion."""
    ours, theirs = evidence.evaluation.explanation, evidence.evaluation.champion_explanation
    if ours is None:
        return []
    places = {name: str(place) for place, (name, _) in enumerate(theirs.ranking, 1)} if theirs else {}
    absent = "new" if theirs else NOTHING
    return [
        (str(place), name, f"{size:.4g}", places.get(name, absent))
        for place, (name, size) in enumerate(ours.ranking[:most], 1)
    ]


def importance_note(evidence: Evidence) -> str:
    """How the ranking came about, and what it is not."""
    ours = evidence.evaluation.explanation
    if ours is None:
        return "The challenger was not explained."
    note = f"On the holdout: {ours.method}. An association inside the model, not causal."
    if (agreement := finite(evidence.importance_correlation)) is not None:
        note += f" Rank correlation with the champion: {agreement:.2f}."
    return note


def fact_rows(evidence: Evidence, evidence_hash: str) -> list[tuple[str, str]]:
    """The circumstances, for whoever wants to do it again."""
    split = evidence.split
    parts = ", ".join(
        f"{name} {split[name]:,}" for name in ("train", "validation", "test") if _whole(split.get(name))
    )
    latency = finite(evidence.evaluation.latency_ms)
    return [
        ("evidence", evidence_hash),
        ("as of", evidence.as_of.isoformat(timespec="seconds")),
        ("algorithm", evidence.algorithm),
        (
            "split",
            f"{split.get('strategy', NOTHING)}; {parts} rows; digest {str(split.get('digest', NOTHING))[:16]}",
        ),
        (
            "training",
            f"{evidence.training_rows:,} rows, {number(evidence.training_seconds)} s, seed {evidence.seed}",
        ),
        ("size", f"{evidence.evaluation.size_bytes / 1024:,.0f} KiB"),
        ("latency, one row", f"{latency:.3g} ms" if latency is not None else NOTHING),
        ("model file", evidence.spec_digest[:16]),
        ("model bundle", evidence.manifest_sha256[:16]),
        ("code", evidence.code_commit),
        (
            "environment",
            ", ".join(f"{name} {found}" for name, found in evidence.environment.items()) or NOTHING,
        ),
    ]


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def champion_words(evidence: Evidence) -> str:
    """Who stands on the other side."""
    if evidence.champion.version is None:
        return "no champion yet"
    return f"champion v{evidence.champion.version} (revision {evidence.champion.revision})"


def commands(evidence: Evidence, decision: Decision, evidence_hash: str) -> list[tuple[str, str]]:
    """What to type next: (why, command)."""
    name = evidence.model
    if headline(evidence, decision) == WAITING:
        return [
            (why, f"mlops {verb} {name} --evidence {evidence_hash[:16]} --comment '...'")
            for why, verb in (
                ("approve exactly this evidence", "approve"),
                ("or keep the champion", "reject"),
                ("or ask for another training", "defer"),
            )
        ]
    if decision.outcome == "promote":
        return [
            ("see who serves now", f"mlops status {name}"),
            ("take it back if need be", f"mlops rollback {name}"),
        ]
    if decision.outcome == "keep":
        return [
            ("ask again with new readings", f"mlops run {name}"),
            ("earlier decisions", f"mlops history {name}"),
        ]
    return [
        ("after mending what is named above", f"mlops run {name}"),
        ("earlier decisions", f"mlops history {name}"),
    ]


def history_rows(history: Sequence[Any]) -> list[tuple[str, ...]]:
    """Rows of earlier decisions, given as records or mappings with at, action, version, actor, reason."""
    keys = ("at", "action", "version", "actor", "reason")

    def value(one: Any, key: str) -> str:
        return str(one.get(key, "") if isinstance(one, dict) else getattr(one, key, ""))

    return [tuple(value(one, key) for key in keys) for one in history]


def method_notes(evidence: Evidence) -> list[str]:
    """How challenger and champion were compared, and what else was noted while measuring."""
    tests = evidence.evaluation.comparisons
    how = (
        [f"{tests[0].rows:,} rows; {tests[0].method}; {100 * tests[0].confidence:.4g} % confidence"]
        if tests
        else []
    )
    return [*how, *evidence.evaluation.notes]
