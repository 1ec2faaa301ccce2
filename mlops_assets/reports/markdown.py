"""The gate report as Markdown for code review, and the folder that holds it with page, pictures and evidence.

Comes in: evidence, decision, pictures. Goes out: text and files. What it says is `contents`' business, the HTML page
`page`'s.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlops_assets.artifacts import Candidate, Decision, Evidence, to_json
from mlops_assets.model_file import ModelSpec
from mlops_assets.reports import tables
from mlops_assets.reports.html import html


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
    """A report that fits a pull-request comment. plots are addresses of pictures to show as images; candidates are all
    that were to be trained, the challenger among them, chosen by the metric `primary`."""
    who = f"{evidence.model} v{evidence.version} against {tables.champion_words(evidence)}"
    lines = [
        f"## {tables.headline(evidence, decision)}: {who}",
        "",
        _cell(decision.reason),
        "",
        *(line for said in evidence.evaluation.warnings for line in (f"> **Warning:** {_cell(said)}", "")),
        "### Gates",
        "",
        *_table(
            ("gate", "verdict", "why"),
            [
                (f"`{gate.gate}`", words if gate.verdict == "pass" else f"**{words}**", gate.reason)
                for gate, words in tables.gate_rows(evidence)
            ],
        ),
    ]
    if not evidence.gates:
        lines += ["", "The model file has no gates, so it never promotes by itself."]
    lines += [f"- {_cell(waiver)}" for waiver in waivers]
    lines += ["", "### Metrics on the holdout", "", *_metrics(evidence), ""]
    lines += [f"_{_cell(note)}_  " for note in tables.method_notes(evidence)]
    if rows := tables.class_rows(evidence):
        lines += ["", "### Class by class on the holdout", "", *_table(tables.class_head(evidence), rows)]
    if rows := tables.slice_rows(evidence):
        lines += ["", "<details><summary>By slice</summary>", "", *_table(tables.SLICE_HEAD, rows)]
        lines += ["", "</details>"]
    if candidates:
        lines += ["", "### Candidates", ""]
        lines += _table(tables.candidate_head(primary), tables.candidate_rows(candidates, primary))
    lines += [
        "",
        "### Data",
        "",
        *_table(("table", "version", "rows", "content"), tables.data_rows(evidence)),
    ]
    if ranked := tables.importance_rows(evidence):
        lines += ["", "### What moves the predictions", ""]
        lines += _table(("rank", "feature", "mean abs. SHAP", "champion's rank"), ranked)
        lines += ["", f"_{_cell(tables.importance_note(evidence))}_"]
    if plots:
        images = [f"![{Path(plot).stem}]({plot})" for plot in plots]
        lines += ["", "<details><summary>Pictures</summary>", "", *images, "", "</details>"]
    if history:
        lines += ["", "### Earlier decisions", ""]
        lines += _table(("at", "action", "version", "by", "why"), tables.history_rows(history))
    facts = tables.fact_rows(evidence, evidence_hash)
    lines += ["", "<details><summary>Circumstances</summary>", ""]
    lines += _table(("", ""), [(key, f"`{_cell(value)}`") for key, value in facts])
    lines += ["", "</details>", "", f"Evidence `{evidence_hash}`. Next:", "", "```"]
    lines += [f"{command}  # {why}" for why, command in tables.commands(evidence, decision, evidence_hash)]
    return "\n".join([*lines, "```", ""])


def _metrics(evidence: Evidence) -> list[str]:
    rows = [
        (
            f"{row.metric} ({row.direction})",
            row.challenger,
            row.champion,
            f"**{row.change}**" if row.sign else row.change,
            row.interval,
            row.baseline,
        )
        for row in tables.metric_rows(evidence)
    ]
    return _table(("metric", "challenger", "champion", "change", "interval", "naive baseline"), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]


def _cell(text: str) -> str:
    """Text that cannot break out of its cell or its line, nor start markup."""
    one_line = " ".join(text.split())
    return one_line.replace("|", "\\|").replace("<", "&lt;").replace("@", "&#64;")


def write_report(
    folder: Path,
    spec: ModelSpec,
    evidence: Evidence,
    decision: Decision,
    evidence_hash: str,
    plots: Mapping[str, bytes],
    history: Sequence[Any] = (),
    recorded: Evidence | None = None,
    candidates: Sequence[Candidate] = (),
) -> Path:
    """Write report.md, report.html, evidence.json and the pictures into `folder`; give the page's path.

    recorded is the evidence under its hash, where `evidence` shows the answers as they stand after people spoke.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in plots.items():
        (folder / f"{name}.png").write_bytes(picture)
    (folder / "evidence.json").write_text(
        json.dumps(to_json(recorded or evidence), indent=1, sort_keys=True), encoding="utf-8"
    )
    text = markdown(
        evidence,
        decision,
        evidence_hash,
        history=history,
        plots=[f"{name}.png" for name in plots],
        candidates=candidates,
        primary=spec.evaluation.primary,
    )
    (folder / "report.md").write_text(text, encoding="utf-8")
    page = folder / "report.html"
    page.write_text(
        html(spec, evidence, decision, evidence_hash, plots, history, candidates=candidates), encoding="utf-8"
    )
    return page
