"""The `evaluation:` section, and the catalogue of metric names with the direction that is better.

The functions behind the names live in `evaluation.metrics`; a test holds the two lists together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from mlops_assets.model_file.section import Section
from mlops_assets.model_file.suggestion import did_you_mean
from mlops_assets.model_file.training import Problem
from mlops_assets.model_file.values import Column, Duration


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """Which way is better (`zero` means closest to nought) and for which problems the metric has a meaning."""

    better: Literal["lower", "higher", "zero"]
    problems: tuple[Problem, ...]
    won_by: str | None = None
    """What wins it without any skill, so that it can be held to a limit but never choose between models."""
    of_interval: bool = False
    """Whether it is measured on `training.interval`."""


_NUMBERS: Final[tuple[Problem, ...]] = ("regression", "forecasting")
_CLASSES: Final[tuple[Problem, ...]] = ("classification",)

METRIC_CATALOGUE: Final[dict[str, MetricInfo]] = {
    "rmse": MetricInfo("lower", _NUMBERS),
    "mae": MetricInfo("lower", _NUMBERS),
    "r2": MetricInfo("higher", _NUMBERS),
    "mape": MetricInfo("lower", _NUMBERS),
    "smape": MetricInfo("lower", _NUMBERS),
    "wape": MetricInfo("lower", _NUMBERS),
    "bias": MetricInfo("zero", _NUMBERS),
    "mase": MetricInfo("lower", _NUMBERS),
    "coverage": MetricInfo("higher", _NUMBERS, won_by="the widest interval", of_interval=True),
    "pinball": MetricInfo("lower", _NUMBERS, of_interval=True),
    "interval_width": MetricInfo("lower", _NUMBERS, won_by="the narrowest interval", of_interval=True),
    "accuracy": MetricInfo("higher", _CLASSES),
    "precision": MetricInfo("higher", _CLASSES),
    "recall": MetricInfo("higher", _CLASSES),
    "f1": MetricInfo("higher", _CLASSES),
    "f1_macro": MetricInfo("higher", _CLASSES),
    "f1_weighted": MetricInfo("higher", _CLASSES),
    "precision_macro": MetricInfo("higher", _CLASSES),
    "recall_macro": MetricInfo("higher", _CLASSES),
    "roc_auc": MetricInfo("higher", _CLASSES),
    "pr_auc": MetricInfo("higher", _CLASSES),
    "log_loss": MetricInfo("lower", _CLASSES),
    "brier": MetricInfo("lower", _CLASSES),
}


def _known_metric(name: str) -> str:
    if name not in METRIC_CATALOGUE:
        raise ValueError(f"unknown metric {name!r}{did_you_mean(name, METRIC_CATALOGUE)}")
    return name


MetricName = Annotated[str, AfterValidator(_known_metric)]


class EvaluationSpec(Section):
    """What is measured on every part, for the challenger, the champion and the baseline alike."""

    primary: MetricName
    """The metric that chooses among candidates."""
    also: tuple[MetricName, ...] = ()
    """Further metrics, for gates and reports."""
    positive: str | None = None
    """The class that counts as positive where there are two; unset means the one that sorts last."""
    baseline: Literal["auto", "simple"] = "auto"
    """What a model must beat. `auto`: the best on the validation part of the last known value and the seasons for
    forecasts; of the most frequent class and what most often follows the entity's previous class where classes are
    split by time; the mean for other numbers. `simple`: last known value, most frequent class, mean. Choose it where
    labels arrive so late that the previous one is not known when the next prediction is made."""
    seasons: tuple[Duration, ...] = ()
    """Forecasting: lengths of seasons, such as 1d and 7d; the value of the season before is a baseline too."""
    slices: tuple[Column, ...] = ()
    """Columns whose values get metrics of their own."""
    sensitive: tuple[Column, ...] = ()
    """Columns by which fairness is measured; they are never inputs unless named in `features.inputs`."""
    shap_rows: Annotated[int, Field(ge=10, le=10_000)] = 500
    """Rows sampled for the SHAP explanation, or as many of them as there is time for: it takes no longer than the
    training."""
