"""The `gates:` section: the questions a challenger must answer before it may become champion.

Each gate is one class here for its parameters and one function in `promotion.gates` for its answer; a test
holds the two lists together.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from mlops_assets.spec.evaluation import MetricName
from mlops_assets.spec.section import Section, unfold
from mlops_assets.spec.values import Duration, Share

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
    """Better than the naive baseline (last value, mean or majority class)."""

    kind: Literal["beats_baseline"] = "beats_baseline"
    metric: MetricName
    by: Share = 0.0
    on: Part = "test"


class Latency(Section):
    """Predicting one row takes less than `limit_ms` milliseconds (median)."""

    kind: Literal["latency"] = "latency"
    limit_ms: Annotated[float, Field(gt=0)] = 100.0


GateSpec = Annotated[
    BeatsChampion
    | MetricAtMost
    | MetricAtLeast
    | NoMissingPredictions
    | MinRows
    | TimeLimit
    | RegressionGuard
    | BeatsBaseline
    | Latency,
    Field(discriminator="kind"),
]


def _unfold(value: Any) -> Any:
    return unfold(value, "kind")


Gate = Annotated[GateSpec, BeforeValidator(_unfold)]


def check_names(gates: tuple[Section, ...]) -> tuple[str, ...]:
    """A unique name per gate, in order: the kind, then the metric, then a number when still not unique."""
    names: list[str] = []
    for gate in gates:
        kind = str(getattr(gate, "kind", ""))
        metric = getattr(gate, "metric", None)
        name = f"{kind}_{metric}" if metric else kind
        names.append(f"{name}_{len(names)}" if name in names else name)
    return tuple(names)
