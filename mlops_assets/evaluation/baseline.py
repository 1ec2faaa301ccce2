"""What a person without any learning would have said: the floor that every model must beat.

Regression: the mean and the median of the training part. Forecasting: the last known value, or the value of the season
before, where `evaluation.seasons` names seasons. Classification: the most frequent class, or, where rows follow each
other in time, what most often follows the previous class. The best on the validation part is the baseline, and never
by the test part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from mlops_assets.artifacts import PARTS, Part, Split
from mlops_assets.evaluation import naive
from mlops_assets.evaluation.scoring import codes, in_order, numbers, truth_column
from mlops_assets.matching import season_reach
from mlops_assets.metrics import METRICS, Scored
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.values import format_duration


@dataclass(frozen=True, slots=True)
class Baseline:
    """The naive predictions and the true values of every part; `name` says in words where they come from.

    tried: every naive baseline that was tried, with its `metric` on the validation part.
    """

    name: str
    metric: str
    tried: Mapping[str, float]
    parts: Mapping[Part, Scored]
    rivals: Mapping[str, Mapping[Part, Scored]]

    @property
    def note(self) -> str:
        """One sentence for the report: which it is, and what the others were worth."""
        if len(self.tried) == 1:
            return f"naive baseline: {self.name}"
        others = ", ".join(f"{name} {value:.4g}" for name, value in self.tried.items() if name != self.name)
        ours = f"{self.metric} {self.tried[self.name]:.4g}"
        return f"naive baseline: {self.name}, the best on the validation part ({ours}; {others})"


def baseline(spec: ModelSpec, split: Split, classes: tuple[str, ...] = ()) -> Baseline:
    """Return the best naive baseline on the validation part; the simplest one when none has a finite value.

    Baselines of numbers are ranked by MAE, those of classes by the primary metric.

    Args:
        spec: The model file.
        split: Train, validation and test rows.
        classes: Names of the classes, in the order of their codes.

    Returns:
        The baseline with its predictions by part, and those of all others.
    """
    metric = spec.evaluation.primary if spec.problem == "classification" else "mae"
    by_name = {
        name: _with_truth(spec, split, classes, make()) for name, make in _makers(spec, classes, split)
    }
    tried = {name: METRICS[metric].measure(parts["validation"]) for name, parts in by_name.items()}
    sign = -1.0 if METRICS[metric].direction == "higher" else 1.0
    name = min(tried, key=lambda one: sign * tried[one] if math.isfinite(tried[one]) else math.inf)
    return Baseline(name, metric, tried, by_name[name], by_name)


def _makers(
    spec: ModelSpec, classes: tuple[str, ...], split: Split
) -> list[tuple[str, Callable[[], naive.Naive]]]:
    """Names and functions of the naive baselines that apply here, the simplest first."""
    plain = spec.evaluation.baseline == "simple"
    if spec.problem == "classification":
        makers = [("the most frequent class", lambda: naive.majority(spec, split, classes))]
        if not plain and spec.timestamp is not None and split.strategy == "temporal":
            follows = "what most often follows the previous class"
            makers.append((follows, lambda: naive.previous_label(spec, split, classes)))
        return makers
    mean = ("the mean of the training rows", lambda: naive.mean(spec, split))
    # One absurd value in the training rows moves their mean and not their median.
    constants = [mean, ("the median of the training rows", lambda: naive.median(spec, split))]
    if spec.problem == "regression" and plain:
        return [mean]
    if spec.timestamp is None:
        return constants
    back = {
        season_reach(season, spec.features.horizon): season
        for season in (() if plain else spec.evaluation.seasons)
    }
    # A season that is as long as the horizon says what the last value says.
    same = back.pop(spec.features.horizon, None) if spec.features.horizon else None
    last = "the last known value" + (f", which is that of {format_duration(same)} before" if same else "")
    return [
        *(constants if spec.problem == "regression" else []),
        (last, lambda: naive.last_value(spec, split)),
        *(
            (f"the value {format_duration(reach)} before", _season(spec, split, season))
            for reach, season in back.items()
        ),
    ]


def _season(spec: ModelSpec, split: Split, season: timedelta) -> Callable[[], naive.Naive]:
    return lambda: naive.season_before(spec, split, season)


def _with_truth(
    spec: ModelSpec, split: Split, classes: tuple[str, ...], predictions: naive.Naive
) -> dict[Part, Scored]:
    parts: dict[Part, Scored] = {}
    for part in PARTS:
        target = truth_column(spec, in_order(spec, split.part(part)))
        prediction = predictions[part]
        if spec.problem == "classification":
            parts[part] = Scored(
                codes(target, classes), prediction.predicted, prediction.shares, None, classes
            )
        else:
            parts[part] = Scored(numbers(target), prediction.predicted, None, prediction.predicted)
    return parts
