"""The `gates:` section: the checks that a challenger must pass before it may become champion.

A gate is one class here (its parameters, its docstring for the schema and the docs table) with its entry in `GATES`,
and one function in `promotion.gates`. The union of the model file, the JSON schema and the table in docs/gates.md are
built from the dict. The function is there because it reads an evidence record, which this layer does not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, TypeAlias, Union

from pydantic import BeforeValidator, Field, JsonValue

from mlops_assets.model_file.evaluation import MetricName
from mlops_assets.model_file.section import Section, unfold
from mlops_assets.model_file.values import Column, Duration, Share, Unit

Part = Literal["train", "validation", "test"]


class GateParameters(Section):
    """What every gate has: a kind, and whether it judges a model without a champion."""

    kind: str
    absolute: ClassVar[bool] = False
    """Judges how good a model is by itself; a first champion must pass at least one such gate."""


class AbsoluteGate(GateParameters):
    """A gate that judges how good a model is by itself."""

    absolute: ClassVar[bool] = True
    protect_failing_champion: bool = False
    """Whether this gate keeps a champion that fails it too, on the same rows. By default it does not: a challenger
    that is proven better than such a champion replaces it."""


class BeatsChampion(GateParameters):
    """Better than the champion by more than `by`, both scored on the same rows; not applicable while there is none."""

    kind: Literal["beats_champion"] = "beats_champion"
    metric: MetricName
    """Name of the metric; docs/metrics.md lists all."""
    by: Share = 0.02
    """Relative and strict: 2% requires less than 0.98 times the champion's error."""
    confidence: Annotated[float, Field(gt=0.5, lt=1.0), Unit("probability")] | None = 0.95
    """How sure a paired test must be that the challenger is better at all; null leaves the bare rule, which
    promotes equally good models 8 to 46 % of the time on small or autocorrelated holdouts."""
    on: Part = "test"
    """The part whose values are compared."""
    refresh: bool = True
    """Also pass when the champion has the same model file and only older rows, and newer rows help: of two fits as
    served, the newer one is better by more than `by` on the rows that came after both, and the shared holdout does
    not speak against the challenger. Weaker than `confidence`, because only the rows differ; for models that are fitted
    again on all rows (`training.refit`)."""


class MetricAtMost(AbsoluteGate):
    """The challenger's metric is finite and not above `limit`."""

    kind: Literal["metric_at_most"] = "metric_at_most"
    metric: MetricName
    """Name of the metric; docs/metrics.md lists all."""
    limit: Annotated[float, Unit("the metric's")]
    """The limit itself passes."""
    confidence: Annotated[float, Field(gt=0.5, lt=1.0), Unit("probability")] | None = 0.95
    """Of the metric's interval, which must not contain the limit: a value that other rows would have moved across it is
    not enough evidence. null leaves the bare rule."""
    on: Part = "test"
    """The part whose values are compared."""


class MetricAtLeast(AbsoluteGate):
    """The challenger's metric is finite and not below `limit`."""

    kind: Literal["metric_at_least"] = "metric_at_least"
    metric: MetricName
    """Name of the metric; docs/metrics.md lists all."""
    limit: Annotated[float, Unit("the metric's")]
    """The limit itself passes."""
    confidence: Annotated[float, Field(gt=0.5, lt=1.0), Unit("probability")] | None = 0.95
    """Of the metric's interval, which must not contain the limit: a value that other rows would have moved across it is
    not enough evidence. null leaves the bare rule."""
    on: Part = "test"
    """The part whose values are compared."""


class NoMissingPredictions(GateParameters):
    """Every prediction on the holdout is a finite number."""

    kind: Literal["no_missing_predictions"] = "no_missing_predictions"


class MinRows(GateParameters):
    """At least `rows` valid readings went in; unset means `validation.min_rows`."""

    kind: Literal["min_rows"] = "min_rows"
    rows: Annotated[int, Field(ge=1), Unit("rows")] | None = Field(None, examples=[36_000])
    """Smallest number of valid readings."""


class TimeLimit(GateParameters):
    """Training ended within `limit`; unset means `training.time_limit`."""

    kind: Literal["time_limit"] = "time_limit"
    limit: Duration | None = Field(None, examples=["30m"])
    """Longest time of the training."""


class RegressionGuard(GateParameters):
    """No secondary metric is worse than the champion's by more than `tolerance` (relative)."""

    kind: Literal["regression_guard"] = "regression_guard"
    metrics: Annotated[tuple[MetricName, ...], Field(strict=False, examples=[["mae", "r2"]])] = ()
    """Metrics to compare; empty means every measured one that has a scale."""
    tolerance: Share = 0.02
    """How much worse a metric may be, relative to the champion's."""
    on: Part = "test"
    """The part whose values are compared."""


class BeatsBaseline(AbsoluteGate):
    """Better than every naive baseline of `evaluation.baseline` and `evaluation.seasons`, and not by chance."""

    kind: Literal["beats_baseline"] = "beats_baseline"
    metric: MetricName
    """Name of the metric; docs/metrics.md lists all."""
    by: Share = 0.0
    """Relative and strict: 2% requires less than 0.98 times the baseline's error."""
    confidence: Annotated[float, Field(gt=0.5, lt=1.0), Unit("probability")] | None = 0.95
    """Of the paired interval of model minus baseline, which must exclude 0; null leaves the bare rule, which promotes
    a model of pure noise 40 to 80 % of the time."""
    on: Part = "test"
    """The part whose values are compared."""


class Latency(GateParameters):
    """Predicting one row takes less than `limit_ms` milliseconds (best of several rounds; not on a busy machine)."""

    kind: Literal["latency"] = "latency"
    limit_ms: Annotated[float, Field(gt=0), Unit("ms")] = 100.0
    """The time itself fails: one row must take less."""


class SliceGuard(GateParameters):
    """No slice of `evaluation.slices` is too bad: beyond `limit`, or worse than the champion by more than `tolerance`.

    Slices with fewer than `least_rows` holdout rows are left out.
    """

    kind: Literal["slice_guard"] = "slice_guard"
    metric: MetricName
    """Name of the metric; docs/metrics.md lists all."""
    limit: Annotated[float, Unit("the metric's")] | None = Field(None, examples=[0.1])
    """Worst value allowed: the largest for errors, the smallest for metrics where higher is better."""
    tolerance: Share | None = 0.10
    """How much worse a slice may be than the champion's, relative; null for no comparison."""
    least_rows: Annotated[int, Field(ge=1), Unit("rows")] = 30
    """Smaller slices are not judged."""
    column: Column | None = Field(None, examples=["pump_id"])
    """Only slices by this column; unset means all of them."""


class MaxFlips(GateParameters):
    """Few predictions that were right become wrong: at most the share `limit` of the rows, overall and in large slices.

    A class is right when it is the true one, a number when its error is at most the champion's root mean square error.
    """

    kind: Literal["max_flips"] = "max_flips"
    limit: Share = 0.05
    """Largest share of rows that may become wrong."""
    slice_limit: Share | None = Field(None, examples=["10%"])
    """The same within each slice of `evaluation.slices` that has `least_rows`; unset means slices are not looked at."""
    least_rows: Annotated[int, Field(ge=1), Unit("rows")] = 30
    """Smaller slices are not judged."""


class DegradesGracefully(GateParameters):
    """No failing input makes the model worse than the naive baseline, unless the API notices it and steps down.

    Each input is missing, frozen, shifted by three standard deviations and ten readings late in turn.
    """

    kind: Literal["degrades_gracefully"] = "degrades_gracefully"
    by: Share = Field(0.0, examples=["10%"])
    """How much worse than the naive baseline the primary metric may become, as a share of the baseline's size."""
    noticed: Share = Field(0.9, examples=["90%"])
    """Share of the rows in which the checks of `serving.when` must notice a failure for `serving.fallback` to count."""


class ImportanceShift(GateParameters):
    """The SHAP ranking has not turned over: its rank correlation with the champion's is at least `least`."""

    kind: Literal["importance_shift"] = "importance_shift"
    least: Annotated[float, Field(ge=-1.0, le=1.0), Unit("rank correlation")] = 0.5
    """Smallest Spearman correlation of the two rankings that passes."""
    escalate: bool = True
    """A shift needs a person (an `approval` passes it) and is not a failure."""


class Fairness(GateParameters):
    """Groups of `evaluation.sensitive` are treated alike; not applicable without them or where they are too small."""

    kind: Literal["fairness"] = "fairness"
    measure: Literal["selection_rate", "equal_opportunity", "equalised_odds", "group_accuracy"] = (
        "equalised_odds"
    )
    """What is compared between groups; selection_rate is demographic parity."""
    max_difference: Share | None = 0.10
    """Largest difference between two groups."""
    min_ratio: Share | None = Field(None, examples=["80%"])
    """Smallest ratio of the worst group to the best."""
    min_value: Share | None = Field(None, examples=[0.93])
    """Smallest value of any group, such as an accuracy of 0.93."""
    column: Column | None = Field(None, examples=["gender"])
    """Only this sensitive column; unset means all of them."""


class DataQuality(GateParameters):
    """No critical check of the data is open."""

    kind: Literal["data_quality"] = "data_quality"


class Leakage(GateParameters):
    """No proof that the target leaks into the features (refuses), and no suspicion (a person must approve)."""

    kind: Literal["leakage"] = "leakage"


class Reproducible(GateParameters):
    """Data versions, code commit, split, seed and environment are recorded, and the code was committed."""

    kind: Literal["reproducible"] = "reproducible"


class Approval(GateParameters):
    """A person has approved exactly this evidence."""

    kind: Literal["approval"] = "approval"


class PythonGate(GateParameters):
    """A gate of your own: `function` is called with (evidence, params) and returns True, False or (result, reason)."""

    kind: Literal["python"] = "python"
    function: Annotated[
        str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$", examples=["plant.gates:is_safe"])
    ]
    """Import path, `package.module:name`."""
    params: dict[str, JsonValue] = Field({}, examples=[{"least": 0.9}])
    """Parameters that `function` receives."""


GATES: Final[dict[str, type[GateParameters]]] = {
    str(gate.model_fields["kind"].default): gate
    for gate in (
        BeatsChampion,
        MetricAtMost,
        MetricAtLeast,
        NoMissingPredictions,
        MinRows,
        TimeLimit,
        RegressionGuard,
        BeatsBaseline,
        Latency,
        SliceGuard,
        MaxFlips,
        DegradesGracefully,
        ImportanceShift,
        Fairness,
        DataQuality,
        Leakage,
        Reproducible,
        Approval,
        PythonGate,
    )
}
"""Every gate by the kind that a model file writes."""


def gate_union(gates: Mapping[str, type[GateParameters]]) -> Any:
    """Return the type that pydantic reads a gate with: the member whose `kind` fits, written short or long.

    Args:
        gates: Parameter classes by kind.

    Returns:
        An annotated union of the gates' classes.
    """
    members: Any = Union[tuple(gates.values())]  # noqa: UP007 - built at run time
    return Annotated[members, Field(discriminator="kind"), BeforeValidator(_unfold)]


def _unfold(value: Any) -> Any:
    return unfold(value, "kind")


if TYPE_CHECKING:
    Gate: TypeAlias = GateParameters
else:
    Gate = gate_union(GATES)


def gate_table(gates: Mapping[str, type[GateParameters]]) -> str:
    """Return the Markdown table of docs/gates.md: kind, what it asks, parameters with their defaults.

    Args:
        gates: Parameter classes by kind.

    Returns:
        Markdown.
    """
    rows = [
        f"| `{kind}` | {(gate.__doc__ or '').strip().splitlines()[0].rstrip('.')} | {_parameters(gate)} |"
        for kind, gate in gates.items()
    ]
    return "\n".join(["| gate | asks | parameters (defaults) |", "|---|---|---|", *rows]) + "\n"


def _parameters(gate: type[GateParameters]) -> str:
    named = {name: field for name, field in gate.model_fields.items() if name != "kind"}
    return ", ".join(
        f"`{name}`" if field.is_required() or field.default is None else f"`{name}: {_plain(field.default)}`"
        for name, field in named.items()
    )


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else "[]" if value == () else str(value)


ABOUT = ("metric", "measure", "function")


def check_names(gates: Iterable[GateParameters]) -> tuple[str, ...]:
    """Return a unique name per gate, in order: the kind, its subject, then a number when still not unique.

    Args:
        gates: The gates of one model file.

    Returns:
        One name per gate.
    """
    names: list[str] = []
    for gate in gates:
        subject = next((value for key in ABOUT if (value := getattr(gate, key, None))), None)
        base = name = f"{gate.kind}_{str(subject).rpartition(':')[2]}" if subject else gate.kind
        number = len(names)
        while name in names:
            name, number = f"{base}_{number}", number + 1
        names.append(name)
    return tuple(names)
