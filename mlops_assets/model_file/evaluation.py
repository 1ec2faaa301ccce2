"""The `evaluation:` section. Metric names are those of `mlops_assets.metrics.METRICS`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from mlops_assets.metrics import METRICS
from mlops_assets.model_file.section import Section
from mlops_assets.model_file.suggestion import did_you_mean
from mlops_assets.model_file.values import Column, Duration, Unit


def _known_metric(name: str) -> str:
    if name not in METRICS:
        raise ValueError(f"unknown metric {name!r}{did_you_mean(name, METRICS)}")
    return name


MetricName = Annotated[str, AfterValidator(_known_metric), Field(examples=["rmse"])]


class EvaluationSpec(Section):
    """What is measured on every part, for the challenger, the champion and the baseline alike."""

    primary: MetricName
    """The metric that chooses among candidates."""
    also: tuple[MetricName, ...] = ()
    """Further metrics, for gates and reports."""
    positive: str | None = None
    """The class that counts as positive where there are two; unset means the one that sorts last. `mlops new` writes
    the rarer class below 40 % of the rows; nearer to balance the one named 1, true, yes or positive, else the one
    that sorts last."""
    baseline: Literal["auto", "simple"] = "auto"
    """What a model must beat, each of them. `auto`: for forecasts the last known value and the seasons; for other
    numbers the mean and, with a timestamp, the entity's last value and the seasons; for classes the most frequent one
    and, split by time, what most often follows the entity's previous class. `simple`: last known value for forecasts,
    mean, most frequent class. Choose it where labels arrive so late that the previous one is not known when the next
    prediction is made."""
    seasons: tuple[Duration, ...] = ()
    """Numbers with a timestamp: lengths of seasons, such as 1d, 7d; the value one season before is a baseline too."""
    slices: tuple[Column, ...] = ()
    """Columns whose values get metrics of their own."""
    sensitive: tuple[Column, ...] = Field((), examples=[["gender"]])
    """Columns by which fairness is measured; they are never inputs unless named in `features.inputs`."""
    shap_rows: Annotated[int, Field(ge=10, le=10_000), Unit("rows")] = 500
    """Rows sampled for the SHAP explanation, or as many of them as there is time for: it takes no longer than the
    training."""
