"""The `gates:` section: the questions a challenger must answer before it may become champion.

Each gate is one class here for its parameters and one function in `promotion.gates` for its answer; a test
holds the two lists together.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, JsonValue

from mlops_assets.model_file.evaluation import MetricName
from mlops_assets.model_file.section import Section, unfold
from mlops_assets.model_file.values import Column, Duration, Share

Part = Literal["train", "validation", "test"]


class BeatsChampion(Section):
    """Better than the champion by more than `by`, both scored on the same rows; not applicable while there is none."""

    kind: Literal["beats_champion"] = "beats_champion"
    metric: MetricName
    by: Share = 0.02
    """Relative and strict: 2% asks for less than 0.98 times the champion's error."""
    confidence: Annotated[float, Field(gt=0.5, lt=1.0)] | None = 0.95
    """How sure a paired test must be that the challenger is better at all; null leaves the bare rule, which
    promotes equally good models 8 to 46 % of the time on small or autocorrelated holdouts."""
    on: Part = "test"


class MetricAtMost(Section):
    """The challenger's metric is finite and not above `limit`."""

    kind: Literal["metric_at_most"] = "metric_at_most"
    metric: MetricName
    limit: float
    on: Part = "test"


class MetricAtLeast(Section):
    """The challenger's metric is finite and not below `limit`."""

    kind: Literal["metric_at_least"] = "metric_at_least"
    metric: MetricName
    limit: float
    on: Part = "test"


class NoMissingPredictions(Section):
    """Every prediction on the holdout is a finite number."""

    kind: Literal["no_missing_predictions"] = "no_missing_predictions"


class MinRows(Section):
    """At least `rows` valid readings went in; unset means `validation.min_rows`."""

    kind: Literal["min_rows"] = "min_rows"
    rows: Annotated[int, Field(ge=1)] | None = None


class TimeLimit(Section):
    """Training ended within `limit`; unset means `training.time_limit`."""

    kind: Literal["time_limit"] = "time_limit"
    limit: Duration | None = None


class RegressionGuard(Section):
    """No secondary metric is worse than the champion's by more than `tolerance` (relative)."""

    kind: Literal["regression_guard"] = "regression_guard"
    metrics: Annotated[tuple[MetricName, ...], Field(strict=False)] = ()
    tolerance: Share = 0.02
    on: Part = "test"


class BeatsBaseline(Section):
    """Better than the naive baseline, which `evaluation.baseline` and `evaluation.seasons` choose."""

    kind: Literal["beats_baseline"] = "beats_baseline"
    metric: MetricName
    by: Share = 0.0
    on: Part = "test"


class Latency(Section):
    """Predicting one row takes less than `limit_ms` milliseconds (median)."""

    kind: Literal["latency"] = "latency"
    limit_ms: Annotated[float, Field(gt=0)] = 100.0


class SliceGuard(Section):
    """No slice of `evaluation.slices` is too bad: beyond `limit`, or worse than the champion by more than `tolerance`.

    Slices with fewer than `least_rows` holdout rows say nothing and are left out.
    """

    kind: Literal["slice_guard"] = "slice_guard"
    metric: MetricName
    limit: float | None = None
    """Worst value allowed: a most for errors, a least for metrics where higher is better."""
    tolerance: Share | None = 0.10
    least_rows: Annotated[int, Field(ge=1)] = 30
    column: Column | None = None
    """Only slices by this column; unset means all of them."""


class ImportanceShift(Section):
    """The SHAP ranking has not turned over: its rank correlation with the champion's is at least `least`."""

    kind: Literal["importance_shift"] = "importance_shift"
    least: Annotated[float, Field(ge=-1.0, le=1.0)] = 0.5
    escalate: bool = True
    """A shift is a question for a person (an `approval` may settle it), not a failure."""


class Fairness(Section):
    """Groups of `evaluation.sensitive` are treated alike; not applicable without them or where they are too small."""

    kind: Literal["fairness"] = "fairness"
    measure: Literal["selection_rate", "equal_opportunity", "equalised_odds", "group_accuracy"] = (
        "equalised_odds"
    )
    max_difference: Share | None = 0.10
    """Largest difference between two groups."""
    min_ratio: Share | None = None
    """Smallest ratio of the worst group to the best."""
    min_value: Share | None = None
    """Smallest value of any group, such as an accuracy of 0.93."""
    column: Column | None = None


class DataQuality(Section):
    """No critical check of the data is open."""

    kind: Literal["data_quality"] = "data_quality"


class Leakage(Section):
    """Nothing of the answer leaks into the features, as far as the leakage checks can see."""

    kind: Literal["leakage"] = "leakage"


class Reproducible(Section):
    """Data versions, code commit, split, seed and environment are recorded, and the code was committed."""

    kind: Literal["reproducible"] = "reproducible"


class Approval(Section):
    """A person has approved exactly this evidence."""

    kind: Literal["approval"] = "approval"


class PythonGate(Section):
    """A gate of your own: `function` is called with (evidence, params) and gives True, False or (answer, reason)."""

    kind: Literal["python"] = "python"
    function: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
    """Import path, `package.module:name`."""
    params: dict[str, JsonValue] = {}


GateSpec = Annotated[
    BeatsChampion
    | MetricAtMost
    | MetricAtLeast
    | NoMissingPredictions
    | MinRows
    | TimeLimit
    | RegressionGuard
    | BeatsBaseline
    | Latency
    | SliceGuard
    | ImportanceShift
    | Fairness
    | DataQuality
    | Leakage
    | Reproducible
    | Approval
    | PythonGate,
    Field(discriminator="kind"),
]


def _unfold(value: Any) -> Any:
    return unfold(value, "kind")


Gate = Annotated[GateSpec, BeforeValidator(_unfold)]


ABOUT = ("metric", "measure", "function")


def check_names(gates: tuple[Section, ...]) -> tuple[str, ...]:
    """A unique name per gate, in order: the kind, what it is about, then a number when still not unique."""
    names: list[str] = []
    for gate in gates:
        kind = str(getattr(gate, "kind", ""))
        about = next((found for key in ABOUT if (found := getattr(gate, key, None))), None)
        name = f"{kind}_{str(about).rpartition(':')[2]}" if about else kind
        names.append(f"{name}_{len(names)}" if name in names else name)
    return tuple(names)
