"""A small model file, predictors that answer from a column, and evidence to alter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlops_assets.artifacts import (
    Bounds,
    ChampionRef,
    Comparison,
    Evaluation,
    Evidence,
    FeatureMatrix,
    Metrics,
    Part,
    Rival,
    Split,
    TableVersion,
)
from mlops_assets.model_file import ModelSpec

START = datetime(2025, 1, 1, tzinfo=UTC)


def spec_with(gates: list[Any], **changes: Any) -> ModelSpec:
    """A regression over two pumps, with these gates."""
    body: dict[str, Any] = {
        "name": "pump",
        "description": "Efficiency of a pump <b>&</b> its neighbor",
        "owners": ["team:water"],
        "problem": "regression",
        "target": "y",
        "timestamp": "at",
        "entity": "pump_id",
        "source": {"kind": "sample", "name": "wine"},
        "training": {"algorithms": ["ridge"]},
        "evaluation": {"primary": "rmse", "also": ["mae", "r2"]},
        "gates": gates,
    }
    return ModelSpec.model_validate_json(json.dumps(body | changes))


@dataclass(frozen=True)
class ColumnPredictor:
    """Answers with a column of the features."""

    column: str = "x"
    classes: tuple[str, ...] = ()
    shares: NDArray[np.float64] | None = None
    estimator: Any = None
    algorithm: str = "column"
    spread: float | None = None
    level: float = 0.9

    @property
    def feature_names(self) -> tuple[str, ...]:
        return (self.column,)

    def matrix(self, features: pl.DataFrame) -> FeatureMatrix:
        return FeatureMatrix((self.column,), features.select(pl.col(self.column).cast(pl.Float64)).to_numpy())

    def predict(self, features: pl.DataFrame) -> NDArray[Any]:
        return features[self.column].to_numpy()

    def probabilities(self, features: pl.DataFrame) -> NDArray[np.float64] | None:
        return None if self.shares is None else self.shares[: features.height]

    def bounds(self, features: pl.DataFrame, predictions: NDArray[Any]) -> Bounds | None:
        return (
            None
            if self.spread is None
            else Bounds(self.level, predictions - self.spread, predictions + self.spread)
        )


def pump_frame(rows: int = 1_000, seed: int = 0) -> pl.DataFrame:
    """Two pumps: `x` is off by noise of 0.5, `worse` by noise of 1, `same` equals `x`."""
    rng = np.random.default_rng(seed)
    truth = 60 + 5 * np.sin(np.arange(rows) / 50) + rng.normal(size=rows)
    near = truth + 0.5 * rng.normal(size=rows)
    return pl.DataFrame(
        {
            "at": [START + timedelta(minutes=5 * (i // 2)) for i in range(rows)],
            "pump_id": [f"p{i % 2}" for i in range(rows)],
            "y": truth,
            "x": near,
            "same": near,
            "worse": truth + rng.normal(size=rows),
        }
    )


def split_of(frame: pl.DataFrame, strategy: str = "temporal") -> Split:
    """First 60 % train, then 20 % and 20 %."""
    first, second = int(0.6 * frame.height), int(0.8 * frame.height)
    return Split(frame[:first], frame[first:second], frame[second:], strategy, "d" * 64)


def evaluation_of(
    challenger: Any, champion: Any, *, metric: str = "rmse", low: float = 0.01, **changes: Any
) -> Evaluation:
    """An evaluation in which only one metric was measured, on every part."""
    parts: tuple[Part, ...] = ("train", "validation", "test")
    improvement = 0.05
    fields: dict[str, Any] = {
        "challenger": {part: _metric(metric, challenger) for part in parts},
        "champion": {part: _metric(metric, champion) for part in parts},
        "baseline": {part: {metric: 10.0} for part in parts},
        "comparisons": (
            Comparison(
                metric, "test", challenger, champion, improvement, low, 0.09, 0.95, "paired bootstrap", 7200
            ),
        ),
        "holdout_rows": 7_200,
        "missing_predictions": 0,
        "latency_ms": 1.0,
        "size_bytes": 1_000,
        "explanation": None,
    }
    fields |= changes
    fields.setdefault("rivals", (rival_of(fields["challenger"], fields["baseline"], fields["champion"]),))
    return Evaluation(**fields)


def rival_of(
    challenger: Any, baseline: Any, champion: Any = None, name: str = "the mean", low: float = 0.01
) -> Rival:
    """A naive baseline that every metric of it was compared with, on every part."""

    def compared(model: Any) -> tuple[Comparison, ...]:
        return tuple(
            Comparison(
                metric, part, model[part].get(metric), value, 0.5, low, 0.9, 0.95, "paired bootstrap", 7200
            )
            for part, values in baseline.items()
            for metric, value in values.items()
        )

    return Rival(name, compared(challenger), compared(champion) if champion else ())


MISSING = object()


def _metric(name: str, value: Any) -> Metrics:
    return {} if value is MISSING else {name: value}


def evidence_of(evaluation: Evaluation, spec: ModelSpec | None = None, **changes: Any) -> Evidence:
    """Sound evidence around an evaluation."""
    fields: Mapping[str, Any] = {
        "model": "pump",
        "version": 2,
        "algorithm": "ridge",
        "spec_digest": spec.digest() if spec else "s" * 64,
        "manifest_sha256": "m" * 64,
        "data": (TableVersion("pump", "features", 3, "c" * 64, 36_000, ("x", "y")),),
        "champion": ChampionRef(1, 4),
        "split": {
            "strategy": "temporal",
            "digest": "d" * 64,
            "train": 25_200,
            "validation": 5_400,
            "test": 5_400,
        },
        "evaluation": evaluation,
        "training_rows": 36_000,
        "min_rows": 36_000,
        "training_seconds": 12.0,
        "time_limit_seconds": 1_800.0,
        "critical_quality_failures": 0,
        "gates": (),
        "environment": {"python": "3.11"},
        "code_commit": "abc",
        "seed": 42,
        "as_of": START,
    }
    return Evidence(**(dict(fields) | changes))
