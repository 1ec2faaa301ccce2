"""What one metric is: its name, its direction, its bound and the function that computes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from mlops_assets.lazy_numpy import np
from mlops_assets.metrics.influence import Influence
from mlops_assets.metrics.scored import Scored

Direction: TypeAlias = Literal["lower", "higher", "zero"]
Needs: TypeAlias = Literal["predictions", "probabilities", "interval"]

NAN: Final = float("nan")
NUMBERS: Final = ("regression", "forecasting")
"""Problems whose target is a number."""
CLASSES: Final = ("classification",)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. `function` receives complete rows only: `measure` returns NaN for all others.

    Attributes:
        name: As written in the model file.
        direction: Which way is better; `zero` means closest to 0.
        problems: The problems for which the metric has a meaning.
        function: Computes the metric of at least one row; NaN where it has no meaning for these rows.
        bound: The best value that any model can have: 0 for errors, 1 for accuracy; None if there is none.
        needs: What each row must have before `function` is called.
        influence: How the metric is computed from sums over rows. Without it, models are compared by resampling
            rows in blocks, which is slower and works for every metric.
        won_by: What wins the metric without any skill; such a metric may have a limit but never chooses a model.
        sample: For a proportion, 0 to 1: how many rows its value rests on where no row differs from the others, as
            without a single error.
    """

    name: str
    direction: Direction
    problems: tuple[str, ...]
    function: Callable[[Scored], float]
    bound: float | None = None
    needs: Needs = "predictions"
    influence: Influence | None = None
    won_by: str | None = None
    sample: Callable[[Scored], float] | None = None

    @property
    def of_interval(self) -> bool:
        """Whether the metric is measured on `training.interval`."""
        return self.needs == "interval"

    @property
    def description(self) -> str:
        """The first paragraph of the function's docstring."""
        return " ".join((self.function.__doc__ or "").strip().split("\n\n")[0].split())

    def measure(self, scored: Scored) -> float:
        """Compute the metric.

        Args:
            scored: Truth and predictions of the same rows.

        Returns:
            The value; NaN without rows, with a missing or infinite value, or where the metric has no meaning.
        """
        complete = {
            "predictions": scored.has_predictions,
            "probabilities": scored.has_probabilities,
            "interval": scored.has_interval,
        }
        if not complete[self.needs]:
            return NAN
        with np.errstate(all="ignore"):
            return float(self.function(scored))
