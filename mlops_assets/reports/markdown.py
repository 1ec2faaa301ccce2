"""The gate report as Markdown for code review.

Comes in: evidence, decision, names of plots. Goes out: text. Rows come from `tables`, sentences from `summary`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlops_assets.artifacts import Candidate, Decision, Evidence
from mlops_assets.reports import summary, tables
from mlops_assets.reports.flips import FLIP_HEAD, flip_note, flip_rows
from mlops_assets.reports.markdown_text import code_markdown, plain_markdown
from mlops_assets.reports.sensor_failures import FAILURE_HEAD, failure_rows


class _Markup(str):
    """Text that is Markdown already: its values were escaped when it was built."""

    __slots__ = ()


def markdown(
    evidence: Evidence,
    decision: Decision,
    evidence_hash: str,
    *,
    history: Sequence[Any] = (),
    plots: Sequence[str] = (),
    waivers: Sequence[str] = (),
    candidates: Sequence[Candidate] = (),
    primary: str = "",
) -> str:
    """Return a report that fits a pull-request comment.

    Args:
        evidence: What was measured, with the gate results.
        decision: The promotion decision.
        evidence_hash: Hash of the recorded evidence.
        history: Earlier decisions, newest first.
        plots: Addresses of plots to show as images.
        waivers: Waivers in force, a sentence each.
        candidates: All candidates of the training, the challenger among them.
        primary: The metric that chose among the candidates.

    Returns:
        GitHub-flavored Markdown.
    """
    title = f"{evidence.model} v{evidence.version} against {summary.champion_name(evidence)}"
    sections = [
        [f"## {summary.headline(evidence, decision)}: {title}"],
        [_cell(decision.reason)],
        *([f"> **Warning:** {_cell(warning)}"] for warning in evidence.evaluation.warnings),
        ["### Gates"],
        _gates(evidence),
        [f"- waived: {_cell(waiver)}" for waiver in waivers],
        ["### Metrics on the holdout"],
        _metrics(evidence),
        [f"_{_cell(note)}_  " for note in summary.method_notes(evidence)],
        *_titled("### Compared with naive baselines", tables.BASELINE_HEAD, tables.baseline_rows(evidence)),
        *_titled(
            "### Class by class on the holdout", tables.class_head(evidence), tables.class_rows(evidence)
        ),
        *_slices(evidence),
        *_flips(evidence),
        *_sensor_failures(evidence),
        *_titled(
            "### Candidates", tables.candidate_head(primary), tables.candidate_rows(candidates, primary)
        ),
        *_titled("### Data", ("table", "version", "rows", "content"), tables.data_rows(evidence)),
        *_importance(evidence),
        *_folded("Plots", [f"![{Path(plot).stem}]({plot})" for plot in plots]),
        *_titled(
            "### Earlier decisions", ("at", "action", "version", "by", "why"), tables.history_rows(history)
        ),
        *_folded("Circumstances", _facts(evidence, evidence_hash)),
        [f"Evidence `{evidence_hash}`. Next:"],
        [
            "```",
            *(f"{command}  # {why}" for why, command in summary.commands(evidence, decision, evidence_hash)),
            "```",
        ],
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def _gates(evidence: Evidence) -> list[str]:
    if not evidence.gates:
        return ["The model file has no gates, so it never promotes by itself."]
    rows = [
        (_code(gate.gate), verdict if gate.verdict == "pass" else _bold(verdict), gate.reason)
        for gate, verdict in tables.gate_rows(evidence)
    ]
    return _table(("gate", "verdict", "why"), rows)


def _metrics(evidence: Evidence) -> list[str]:
    rows = [
        (
            f"{row.metric} ({row.direction})",
            row.challenger,
            row.champion,
            _bold(row.change) if row.sign else row.change,
            row.interval,
            row.baseline,
        )
        for row in tables.metric_rows(evidence)
    ]
    return _table(("metric", "challenger", "champion", "change", "interval", "naive baseline"), rows)


def _flips(evidence: Evidence) -> list[list[str]]:
    counts = evidence.evaluation.flips
    if not counts:
        return []
    table = _table(FLIP_HEAD, flip_rows(counts))
    return _folded("Predictions that flip", [*table, "", flip_note(counts)])


def _sensor_failures(evidence: Evidence) -> list[list[str]]:
    failures = evidence.evaluation.sensor_failures
    return _folded("While an input fails", _table(FAILURE_HEAD, failure_rows(failures))) if failures else []


def _slices(evidence: Evidence) -> list[list[str]]:
    rows = [
        (
            row.column,
            row.value,
            row.rows,
            row.metric,
            row.challenger,
            row.champion,
            _bold(row.change) if row.sign < 0 else row.change,
        )
        for row in tables.slice_rows(evidence)
    ]
    return _folded("By slice, the largest loss first", _table(tables.SLICE_HEAD, rows) if rows else [])


def _importance(evidence: Evidence) -> list[list[str]]:
    rows = tables.importance_rows(evidence)
    if not rows:
        return []
    table = _table(("rank", "feature", "mean abs. SHAP", "champion's rank"), rows)
    return [["### What moves the predictions"], table, [f"_{_cell(summary.importance_note(evidence))}_"]]


def _facts(evidence: Evidence, evidence_hash: str) -> list[str]:
    facts = summary.facts(evidence, evidence_hash)
    return _table(("", ""), [(key, _code(value)) for key, value in facts])


def _titled(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[title], _table(head, rows)] if rows else []


def _folded(title: str, lines: list[str]) -> list[list[str]]:
    return [[f"<details><summary>{title}</summary>"], lines, ["</details>"]] if lines else []


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]


def _cell(text: str) -> str:
    """Text that cannot break out of its cell or its line, nor start markup, a link or an image."""
    return text if isinstance(text, _Markup) else plain_markdown(text)


def _bold(text: str) -> _Markup:
    return _Markup(f"**{plain_markdown(text)}**")


def _code(text: str) -> _Markup:
    return _Markup(code_markdown(text))
