"""Explaining never takes longer than the training did, the champion's explanation included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from mlops_assets.artifacts import FeatureMatrix, Split
from mlops_assets.lifecycle.stages.shap_budget import (
    LEAST_SECONDS,
    MOST_SECONDS,
    explain_both,
    seconds_for_shap,
)
from mlops_assets_tests.unit.promotion.evidence_factory import spec_with

NAMES = ("a", "b", "c")


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Slow:
    """The sum of its columns, a millisecond per row."""

    clock: Clock
    algorithm: str = "sum"
    classes: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = NAMES

    @property
    def estimator(self) -> Any:
        return self

    def matrix(self, features: pl.DataFrame) -> FeatureMatrix:
        return FeatureMatrix(NAMES, features.select(NAMES).to_numpy())

    def predict(self, features: Any) -> NDArray[Any]:
        self.clock.now += 0.001 * len(features.values)
        return np.asarray(features.values.sum(axis=1))

    def probabilities(self, features: pl.DataFrame) -> None:
        return None

    def bounds(self, features: pl.DataFrame, predictions: NDArray[Any]) -> None:
        return None


@pytest.fixture
def split() -> Split:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({name: rng.normal(size=600) for name in NAMES})
    return Split(frame[:300], frame[:0], frame[300:], "random", "digest")


@pytest.mark.parametrize("seconds", [0.02, 5.0, 40.0, 3_000.0])
@pytest.mark.parametrize("both", [True, False])
def test_together_no_longer_than_the_training(seconds: float, both: bool, split: Split) -> None:
    clock = Clock()
    ours, theirs = explain_both(
        spec_with([]), Slow(clock), Slow(clock) if both else None, split, seconds, clock
    )
    assert clock.now - 100.0 <= max(LEAST_SECONDS, min(seconds, MOST_SECONDS))
    assert (theirs is not None) == both
    if theirs is not None:
        shared = min(len(ours.inputs), len(theirs.inputs))
        np.testing.assert_array_equal(ours.inputs[:shared], theirs.inputs[:shared])


def test_a_quick_training_is_explained_all_the_same() -> None:
    assert seconds_for_shap(0.02) == LEAST_SECONDS
    assert seconds_for_shap(7.5) == 7.5
    assert seconds_for_shap(86_400.0) == MOST_SECONDS
