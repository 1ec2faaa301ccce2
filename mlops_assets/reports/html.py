"""The gate report as one self-contained HTML page: no scripts, no outside addresses, light and dark, readable aloud.

Comes in: evidence, decision, plots. Goes out: text. Rows come from `tables`, sentences from
`summary`, markup and style from `templates/`.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mlops_assets.artifacts import Candidate, Decision, Evidence, Part
from mlops_assets.model_file import ModelSpec
from mlops_assets.reports import summary, tables
from mlops_assets.reports.flips import FLIP_HEAD, flip_note, flip_rows
from mlops_assets.reports.numbers import NOTHING
from mlops_assets.reports.rendering import render
from mlops_assets.reports.sensor_failures import FAILURE_HEAD, failure_rows

ALT_TEXTS: Final = {
    "metrics": "Bars of every holdout metric of challenger, champion and baseline; the numbers are in the table above",
    "predicted_vs_actual": "Scatter of predicted against actual values on the holdout with the diagonal of perfection",
    "residuals": "Errors on the holdout over time with their running mean",
    "forecast": "Lines of actual, predicted and naive values for the newest holdout rows",
    "confusion_matrix": "Counts of true against predicted classes on the holdout",
    "calibration": "Observed share against predicted probability",
    "suspected_columns": "Each column that the leakage gate asks about, against the target",
    "error_by_slice": "Bars of the primary metric per slice of the holdout and of the whole; numbers in the table",
    "feature_importance": "Bars of mean absolute SHAP value per feature; the numbers are in the table",
    "shap_summary": "One point per row and feature: SHAP value, colored by the value of the feature",
    "shap_waterfall": "One prediction as the sum of the contributions of its features",
    "shap_force": "One prediction as the balance of features that raise and lower it",
}

TONES: Final = {"pass": "good", "fail": "bad", "not_enough_evidence": "wait", "not_applicable": "none"}


def html(
    spec: ModelSpec,
    evidence: Evidence,
    decision: Decision,
    evidence_hash: str,
    plots: Mapping[str, bytes],
    history: Sequence[Any] = (),
    *,
    actions: str = "",
    candidates: Sequence[Candidate] = (),
) -> str:
    """Return the whole page.

    Args:
        spec: The model file.
        evidence: What was measured, with the gate results.
        decision: The promotion decision.
        evidence_hash: Hash of the recorded evidence.
        plots: PNG files by name.
        history: Earlier decisions, newest first.
        actions: Trusted HTML below the header, such as the buttons of the review page.
        candidates: All candidates of the training.

    Returns:
        HTML with style sheet and plots inside.
    """
    from markupsafe import Markup

    return render(
        "report.html",
        title=f"{summary.headline(evidence, decision)}: {evidence.model} v{evidence.version}",
        spec=spec,
        evidence=evidence,
        decision=decision,
        champion=summary.champion_name(evidence),
        tiles=_tiles(evidence),
        actions=Markup(actions),  # noqa: S704 - written by the review page, which escapes what it shows
        gates=[
            (gate, verdict, TONES.get(gate.verdict, "bad")) for gate, verdict in tables.gate_rows(evidence)
        ],
        metrics=_metrics(evidence),
        method_notes=summary.method_notes(evidence),
        baseline_head=tables.BASELINE_HEAD,
        baselines=tables.baseline_rows(evidence),
        class_head=tables.class_head(evidence),
        classes=tables.class_rows(evidence),
        slice_head=tables.SLICE_HEAD,
        slices=tables.slice_rows(evidence),
        flip_head=FLIP_HEAD,
        flips=flip_rows(evidence.evaluation.flips),
        flip_note=flip_note(evidence.evaluation.flips) if evidence.evaluation.flips else "",
        failure_head=FAILURE_HEAD,
        failures=failure_rows(evidence.evaluation.sensor_failures),
        candidate_head=tables.candidate_head(spec.evaluation.primary),
        candidates=tables.candidate_rows(candidates, spec.evaluation.primary),
        plots=[
            (ALT_TEXTS.get(name, name.replace("_", " ")), f"data:image/png;base64,{b64encode(png).decode()}")
            for name, png in plots.items()
        ],
        importances=tables.importance_rows(evidence),
        importance_note=summary.importance_note(evidence),
        data=tables.data_rows(evidence),
        history=tables.history_rows(history),
        commands=summary.commands(evidence, decision, evidence_hash),
        facts=summary.facts(evidence, evidence_hash),
    )


def _tiles(evidence: Evidence) -> list[tuple[str, str]]:
    """Return the numbers below the headline, each with its label."""
    rows = tables.metric_rows(evidence)
    tiles = [(row.challenger, f"{row.metric}, champion {row.champion}") for row in rows[:2]]
    if rows and rows[0].change != NOTHING:
        tiles.append((rows[0].change, f"{rows[0].metric}, {rows[0].interval}"))
    passed = sum(gate.verdict == "pass" for gate in evidence.gates)
    tiles.append((f"{passed} of {len(evidence.gates)}", "gates passed"))
    tiles.append((f"{evidence.evaluation.holdout_rows:,}", "holdout rows"))
    return tiles


def _metrics(evidence: Evidence) -> list[tuple[tables.MetricRow, str, str]]:
    """Each metric of the holdout, with its value on the train and on the validation part."""
    parts: tuple[Part, ...] = ("train", "validation")
    on_train, on_validation = (
        {row.metric: row.challenger for row in tables.metric_rows(evidence, part)} for part in parts
    )
    return [
        (row, on_train.get(row.metric, NOTHING), on_validation.get(row.metric, NOTHING))
        for row in tables.metric_rows(evidence)
    ]
