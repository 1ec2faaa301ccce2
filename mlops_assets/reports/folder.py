"""The folder of a gate report: Markdown, HTML page, plots and evidence."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlops_assets.artifacts import Candidate, Decision, Evidence, to_json
from mlops_assets.model_file import ModelSpec
from mlops_assets.reports.html import html
from mlops_assets.reports.markdown import markdown


def write_report(  # noqa: PLR0913
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
    """Write report.md, report.html, evidence.json and the plots.

    Args:
        folder: Created if missing.
        spec: The model file.
        evidence: What was measured, with the gate results after approvals and waivers.
        decision: The promotion decision.
        evidence_hash: Hash of the recorded evidence.
        plots: PNG files by name.
        history: Earlier decisions, newest first.
        recorded: The evidence under its hash, where `evidence` differs from it by approvals and waivers.
        candidates: All candidates of the training.

    Returns:
        The path of the HTML page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, png in plots.items():
        (folder / f"{name}.png").write_bytes(png)
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
