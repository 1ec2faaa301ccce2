"""Which policy is recommended: a cheaper one only where its error is nearly the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from mlops_assets.backtest.measure import Measurements
from mlops_assets.backtest.recommendation import recommend
from mlops_assets.backtest.records import PolicyResult
from mlops_assets.evaluation.clusters import Dependence
from mlops_assets.metrics import METRICS, Scored

STEPS, ROWS = 40, 20


class Residuals:
    """Measurements of policies whose fits have these residuals."""

    def __init__(self, **residuals: NDArray[np.float64]) -> None:
        self._residuals = residuals

    def loss(self, value: float) -> float:
        """The error itself."""
        return value

    def joined(self, fits: Sequence[str | None], steps: Sequence[int]) -> Scored:
        """All rows of the first fit."""
        residual = self._residuals[str(fits[0])]
        return Scored(np.zeros(residual.size), residual, None, None)

    def dependence(self, steps: Sequence[int]) -> Dependence:
        """Steps are drawn together."""
        return Dependence(np.repeat(np.arange(STEPS), ROWS), ordered=True)


def policy(name: str, error: float, trainings: int) -> PolicyResult:
    return PolicyResult(name, error, (), trainings, float(trainings), 0, 0, 0, 0, 0.0, 0.0, 0.0, None, (), ())


@pytest.mark.parametrize(
    "bad_steps, factor, chosen, sentence",
    [
        (range(0, STEPS, 2), 1.02, "rare", "% better, which is within chance (95 % interval"),
        ([7], 5.0, "often", "that often beats rare by 19.2% may be chance: more steps would tell"),
        (range(STEPS), 1.5, "often", "beyond chance often beats rare by 33.3%"),
    ],
    ids=["negligible", "large within chance", "beyond chance"],
)
def test_a_cheaper_policy_is_chosen_only_where_its_error_is_nearly_the_same(
    bad_steps: Sequence[int], factor: float, chosen: str, sentence: str
) -> None:
    generator = np.random.default_rng(1)
    often = generator.standard_normal(STEPS * ROWS)
    worse = np.isin(np.repeat(np.arange(STEPS), ROWS), list(bad_steps))
    noise = 1 + 0.05 * generator.standard_normal(STEPS).repeat(ROWS)
    rare = often * np.where(worse, factor, 1.0) * (noise if factor < 1.1 else 1.0)
    rmse = METRICS["rmse"].measure
    errors = {
        name: rmse(Scored(0 * one, one, None, None)) for name, one in (("often", often), ("rare", rare))
    }
    results = [policy("often", errors["often"], 40), policy("rare", errors["rare"], 1)]
    champions = {name: [name] for name in errors}
    measured = cast(Measurements, Residuals(often=often, rare=rare))
    recommended, _, text = recommend(results, champions, measured, range(STEPS), "rmse", "")
    assert recommended == chosen, text
    assert sentence in text
