"""Gates by kind: functions from (parameters, evidence) to an answer. Nothing here decides; `decision` does.

A new gate is a class for its parameters in `spec.gates`, a function here, and a line in the dict.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from mlops_assets.artifacts import Evidence, GateResult
from mlops_assets.promotion.gates.absolute import (
    beats_baseline,
    latency,
    metric_at_least,
    metric_at_most,
    min_rows,
    no_missing_predictions,
    time_limit,
)
from mlops_assets.promotion.gates.champion import beats_champion, regression_guard
from mlops_assets.promotion.gates.soundness import (
    approval,
    data_quality,
    importance_shift,
    leakage,
    python,
    reproducible,
)
from mlops_assets.promotion.gates.treatment import fairness, slice_guard

Gate: TypeAlias = Callable[[Any, Evidence], GateResult]

GATES: Final[dict[str, Gate]] = {
    "beats_champion": beats_champion,
    "metric_at_most": metric_at_most,
    "metric_at_least": metric_at_least,
    "no_missing_predictions": no_missing_predictions,
    "min_rows": min_rows,
    "time_limit": time_limit,
    "regression_guard": regression_guard,
    "beats_baseline": beats_baseline,
    "latency": latency,
    "slice_guard": slice_guard,
    "importance_shift": importance_shift,
    "fairness": fairness,
    "data_quality": data_quality,
    "leakage": leakage,
    "reproducible": reproducible,
    "approval": approval,
    "python": python,
}

ABSOLUTE: Final = frozenset({"metric_at_most", "metric_at_least", "beats_baseline"})
"""Gates that judge how good a model is without a champion; the first champion must pass at least one."""
