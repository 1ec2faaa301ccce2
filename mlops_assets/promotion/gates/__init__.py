"""Gates by kind: functions from (parameters, evidence) to a `GateResult`. Nothing here decides; `decision` does.

A new gate is a class with its parameters in `model_file.gates` (and its entry in the dict there), a function here, and
its entry in `GATES`. A test holds the two dicts together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from mlops_assets.artifacts import Evidence, GateResult
from mlops_assets.promotion.gates.champion import beats_champion, regression_guard
from mlops_assets.promotion.gates.evidence_checks import (
    approval,
    data_quality,
    importance_shift,
    leakage,
    python,
    reproducible,
)
from mlops_assets.promotion.gates.flips import max_flips
from mlops_assets.promotion.gates.sensor_failures import degrades_gracefully
from mlops_assets.promotion.gates.slices_and_fairness import fairness, slice_guard
from mlops_assets.promotion.gates.thresholds import (
    beats_baseline,
    latency,
    metric_at_least,
    metric_at_most,
    min_rows,
    no_missing_predictions,
    time_limit,
)

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
    "max_flips": max_flips,
    "degrades_gracefully": degrades_gracefully,
    "importance_shift": importance_shift,
    "fairness": fairness,
    "data_quality": data_quality,
    "leakage": leakage,
    "reproducible": reproducible,
    "approval": approval,
    "python": python,
}
