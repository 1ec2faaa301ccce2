"""What no gate of a model file judges, and a person would want to know before a challenger is promoted.

Comes in: evidence and the model file. Goes out: sentences for the top of the report. They promote and keep nothing.
"""

from __future__ import annotations

from mlops_assets.artifacts import Evidence
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.gates import BeatsBaseline, SliceGuard
from mlops_assets.promotion.gates.slices_and_fairness import slice_guard
from mlops_assets.promotion.gates.thresholds import beats_baseline


def unjudged(spec: ModelSpec, evidence: Evidence) -> tuple[str, ...]:
    """Return what `beats_baseline` and `slice_guard` with their defaults would fail where the model file has neither.

    Args:
        spec: The model file.
        evidence: The evidence record.

    Returns:
        Sentences about the primary metric.
    """
    kinds = {type(gate) for gate in spec.gates}
    primary, warnings = spec.evaluation.primary, []
    if BeatsBaseline not in kinds and evidence.evaluation.rivals:
        baseline = beats_baseline(BeatsBaseline(metric=primary), evidence)
        if baseline.verdict == "fail" and not baseline.hard:
            warnings.append(f"{baseline.reason}; no gate judges this: add beats_baseline to the gates")
    if SliceGuard not in kinds and evidence.evaluation.slices:
        slices = slice_guard(SliceGuard(metric=primary), evidence)
        if slices.verdict == "fail" and not slices.hard:
            warnings.append(
                f"{slices.reason} (champion's); no gate judges slices: add slice_guard to the gates"
            )
    return tuple(warnings)
