"""Agreement between the sections of a model file: names that must exist, columns that must be declared.

Comes in: a parsed `ModelSpec`. Goes out: every problem with the path of the key to fix. Whether the data agrees is
checked by `readings` and `validation`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mlops_assets.metrics import METRICS
from mlops_assets.model_file.algorithms import ALGORITHM_CATALOGUE, unknown_loss
from mlops_assets.model_file.document import Path
from mlops_assets.model_file.features import keys_that_need_a_timestamp
from mlops_assets.model_file.gates import BeatsBaseline, BeatsChampion, MetricAtLeast, MetricAtMost
from mlops_assets.model_file.model import ModelSpec
from mlops_assets.model_file.training import SearchedChoice
from mlops_assets.model_file.values import format_duration

SMALLEST_TEST_SHARE: Final = 0.01
UNREACHABLE_LIMIT: Final = 1e15
Finding = tuple[Path, str]
NEEDS_HISTORY = "add 'history' to 'features', such as {every: 1d, steps: 56}"


def inconsistencies(spec: ModelSpec) -> Iterator[Finding]:
    """Yield every contradiction in the file, as (path, sentence).

    Args:
        spec: The model file.

    Yields:
        Pairs of the key's path and a sentence with the fix; the file is refused.
    """
    yield from _algorithms(spec)
    yield from _onnx(spec)
    yield from _search(spec)
    yield from _metrics(spec)
    yield from _baseline(spec)
    yield from _interval_metrics(spec)
    yield from _columns(spec)
    yield from _split(spec)
    if spec.alerts.rules and spec.timestamp is None:
        yield ("alerts", "rules"), "need the instants of the readings: name their column in 'timestamp'"
    limits = spec.monitoring.drift_limits
    if limits.act <= limits.warn:
        key = "drift" if spec.monitoring.psi is None else "psi"
        yield ("monitoring", key, "act"), f"must be above 'warn', which is {limits.warn:g}"
    drift = spec.monitoring.drift
    if drift is not None and drift.alarms is not None and spec.monitoring.alarm_budget is None:
        yield (
            ("monitoring", "drift", "alarms"),
            "has no effect next to fixed limits; leave out 'alarms', or both 'warn' and 'act'",
        )
    if spec.monitoring.psi is not None and drift is not None:
        yield ("monitoring", "psi"), "is the old name of 'drift'; leave it out"


def risks(spec: ModelSpec) -> Iterator[Finding]:
    """Yield what the file allows although it is dangerous, as (path, sentence).

    Args:
        spec: The model file.

    Yields:
        Pairs of the key's path and a sentence; the file is accepted with a warning.
    """
    for index, choice in enumerate(spec.training.algorithms):
        if choice.params.get("pickle") is True:
            path: Path = ("training", "algorithms", index, choice.name, "pickle")
            warning = f"{choice.params.get('estimator')} may be stored as a pickle: loading it runs code that is in it"
            yield path, f"{warning}; leave 'pickle' out unless skops cannot store the estimator"
    if (limits := spec.monitoring.psi) is not None:
        key = f"drift: {{method: psi, warn: {limits.warn:g}, act: {limits.act:g}}}"
        yield ("monitoring", "psi"), f"is read until the next release; write '{key}' instead"
    yield from _gates_that_cannot_fail(spec)


def _gates_that_cannot_fail(spec: ModelSpec) -> Iterator[Finding]:
    """Gates that a bad model passes too, and a test part too small to fail anything."""
    if spec.split.test < SMALLEST_TEST_SHARE:
        yield ("split", "test"), f"{spec.split.test:.2%} of the rows judge every model; write 10% or more"
    for index, gate in enumerate(spec.gates):
        path: Path = ("gates", index, gate.kind)
        if getattr(gate, "on", "test") == "train":
            yield (*path, "on"), "the model was fitted on these rows and looks good on them; write 'on: test'"
        if isinstance(gate, BeatsChampion | BeatsBaseline) and gate.confidence is None:
            yield (*path, "confidence"), "null lets chance promote; leave it out for a paired test at 0.95"
        if isinstance(gate, MetricAtMost | MetricAtLeast) and abs(gate.limit) >= UNREACHABLE_LIMIT:
            yield (*path, "limit"), f"no model exceeds {gate.limit:g}; write a limit that a bad model exceeds"
        if (
            (
                isinstance(gate, MetricAtLeast)
                and METRICS[gate.metric].direction == "higher"
                and gate.limit <= 0.0
            )
            and METRICS[gate.metric].bound == 1.0
            and gate.metric != "r2"
        ):
            yield (*path, "limit"), f"{gate.metric} is never below {gate.limit:g}; write a higher limit"


def _algorithms(spec: ModelSpec) -> Iterator[Finding]:
    for index, choice in enumerate(spec.training.algorithms):
        path: Path = ("training", "algorithms", index)
        if spec.problem not in ALGORITHM_CATALOGUE[choice.name].problems:
            supported = [
                name for name, other in ALGORITHM_CATALOGUE.items() if spec.problem in other.problems
            ]
            yield (
                path,
                f"{choice.name!r} does not solve {spec.problem}; these do: {', '.join(sorted(supported))}",
            )
        elif ALGORITHM_CATALOGUE[choice.name].needs_history and spec.features.history is None:
            yield path, f"{choice.name!r} forecasts from the recent past; {NEEDS_HISTORY}"
        elif not ALGORITHM_CATALOGUE[choice.name].many_series and spec.entity is not None:
            yield path, f"{choice.name!r} learns one series, but 'entity' declares several"
        elif "loss" in choice.params and (
            problem := unknown_loss(choice.name, spec.problem, choice.params["loss"])
        ):
            yield path, problem
    if spec.problem == "classification" and spec.training.target_transform != "none":
        yield ("training", "target_transform"), "is for numbers; classes have no logarithm"


def _onnx(spec: ModelSpec) -> Iterator[Finding]:
    searched = spec.training.search.spaces if spec.training.search else {}
    candidates: list[tuple[Path, str, object]] = [
        (("training", "algorithms", index), choice.name, choice.params.get("loss"))
        for index, choice in enumerate(spec.training.algorithms)
    ]
    candidates += [(("training", "search", "spaces", name), name, None) for name in searched]
    for path, name, loss in candidates if spec.training.onnx else ():
        info = ALGORITHM_CATALOGUE[name]
        if not info.onnx:
            supported = ", ".join(other for other, known in ALGORITHM_CATALOGUE.items() if known.onnx)
            yield (
                path,
                f"{name!r} cannot be written as ONNX; these can: {supported}; leave it out, or set 'onnx: false'",
            )
        elif loss in info.losses_without_onnx:
            yield (
                path,
                f"{name!r} with the loss {loss!r} cannot be written as ONNX; take another, or set 'onnx: false'",
            )


def _search(spec: ModelSpec) -> Iterator[Finding]:
    fixed = {choice.name: choice.params for choice in spec.training.algorithms}
    for name, space in (spec.training.search.spaces if spec.training.search else {}).items():
        for param in sorted(set(space) & set(fixed.get(name, {}))):
            path: Path = ("training", "search", "spaces", name, param)
            yield (
                path,
                f"is set to {fixed[name][param]!r} under 'algorithms', so that there is nothing to search for",
            )
        searched_loss = space.get("loss")
        for loss in searched_loss.choices if isinstance(searched_loss, SearchedChoice) else ():
            if problem := unknown_loss(name, spec.problem, loss):
                yield ("training", "search", "spaces", name, "loss"), problem


def _metrics(spec: ModelSpec) -> Iterator[Finding]:
    used: list[tuple[Path, str]] = [(("evaluation", "primary"), spec.evaluation.primary)]
    used += [(("evaluation", "also", i), name) for i, name in enumerate(spec.evaluation.also)]
    measured = {spec.evaluation.primary, *spec.evaluation.also}
    for index, gate in enumerate(spec.gates):
        names = [getattr(gate, "metric", None), *getattr(gate, "metrics", ())]
        used += [(("gates", index, gate.kind, "metric"), str(name)) for name in names if name]
    for path, name in used:
        if spec.problem not in METRICS[name].problems:
            supported = [known for known, other in METRICS.items() if spec.problem in other.problems]
            yield path, f"{name!r} has no meaning for {spec.problem}; these have: {', '.join(supported)}"
        elif name not in measured:
            yield path, f"{name!r} is not measured; add it to evaluation.also"


def _baseline(spec: ModelSpec) -> Iterator[Finding]:
    if not spec.evaluation.seasons:
        return
    path: Path = ("evaluation", "seasons")
    if spec.problem == "classification":
        yield path, "is for numbers only; classes have the previous class as a rival"
    elif spec.timestamp is None:
        yield path, "needs a 'timestamp'"
    elif spec.evaluation.baseline == "simple":
        yield path, "has no effect under 'baseline: simple'; leave out one of the two"


def _interval_metrics(spec: ModelSpec) -> Iterator[Finding]:
    used: list[tuple[Path, str, str]] = [(("evaluation", "primary"), spec.evaluation.primary, "primary")]
    used += [(("evaluation", "also", i), name, "also") for i, name in enumerate(spec.evaluation.also)]
    for index, gate in enumerate(spec.gates):
        if name := getattr(gate, "metric", None):
            used.append((("gates", index, gate.kind, "metric"), str(name), gate.kind))
    for path, name, by in used:
        info = METRICS[name]
        if spec.problem not in info.problems:
            continue
        if info.of_interval and spec.training.interval is None:
            yield (
                path,
                f"{name!r} is measured on an interval, and 'training.interval' is null; write 90%, say",
            )
        elif info.won_by and by in ("primary", "beats_champion"):
            yield path, f"{name!r} cannot say which model is better, {info.won_by} wins it; take 'pinball'"
        elif info.of_interval and by == "beats_baseline":
            limit = "metric_at_least" if info.direction == "higher" else "metric_at_most"
            yield path, f"the naive baseline has no interval; give {name!r} a limit with {limit}"


def _columns(spec: ModelSpec) -> Iterator[Finding]:
    features = spec.features
    if spec.target in (features.inputs or ()):
        yield ("features", "inputs"), f"the target {spec.target!r} cannot be an input of its own model"
    if spec.target in (spec.timestamp, spec.entity):
        yield ("target",), f"{spec.target!r} is also the timestamp or the entity"
    if (features.horizon is not None) != (spec.problem == "forecasting"):
        missing = spec.problem == "forecasting"
        yield (
            ("features", "horizon"),
            "forecasting needs how far ahead to predict, such as 1h"
            if missing
            else "is for 'problem: forecasting' only",
        )
    yield from _history(spec)
    yield from _tolerance(spec)
    if spec.timestamp is None:
        for key in keys_that_need_a_timestamp(features):
            yield ("features", key), "needs a 'timestamp' in the model file"
        if spec.validation.freshness is not None:
            yield ("validation", "freshness"), "needs a 'timestamp' in the model file"


def _tolerance(spec: ModelSpec) -> Iterator[Finding]:
    tolerance, history, horizon = spec.features.tolerance, spec.features.history, spec.features.horizon
    if tolerance is None:
        return
    path: Path = ("features", "tolerance")
    if horizon is None and history is None and not spec.evaluation.seasons:
        yield (
            path,
            "is for features.horizon, features.history and evaluation.seasons, and the file has none of them",
        )
    if horizon is not None and tolerance >= horizon:
        yield (
            path,
            f"must be shorter than the horizon ({format_duration(horizon)}): a row would be its own label",
        )
    if history is not None and tolerance >= history.every:
        yield path, f"must be shorter than features.history.every ({format_duration(history.every)})"


def _history(spec: ModelSpec) -> Iterator[Finding]:
    history, horizon = spec.features.history, spec.features.horizon
    if history is None:
        return
    if horizon is not None and horizon % history.every:
        yield ("features", "history", "every"), "the horizon must be a multiple of this"
    if spec.problem != "forecasting" and not history.columns:
        yield ("features", "history", "columns"), "must name the columns whose history is used"
    if spec.problem != "forecasting" and spec.target in history.columns:
        yield (
            ("features", "history", "columns"),
            f"the target {spec.target!r} is not known at its own instant",
        )


def _split(spec: ModelSpec) -> Iterator[Finding]:
    split = spec.split
    if abs(split.train + split.validation + split.test - 1.0) > 1e-9:
        yield ("split",), "train, validation and test must add up to 1"
    if min(split.train, split.validation, split.test) <= 0:
        yield ("split",), "train, validation and test must each be above 0"
    folds = split.cross_validation
    if folds is not None and folds.method != "k_fold" and spec.timestamp is None:
        yield ("split", "cross_validation", "method"), f"{folds.method} needs a 'timestamp' in the model file"
    if split.strategy == "temporal" and spec.timestamp is None:
        yield ("split", "strategy"), "temporal needs a 'timestamp' in the model file"
    if split.strategy == "stratified" and (spec.timestamp is not None or spec.problem != "classification"):
        yield (
            ("split", "strategy"),
            "stratified is for classes without a timestamp; a time series is split by time",
        )
    if split.strategy == "group" and split.group is None:
        yield ("split", "group"), "the strategy group needs the column to group by"
