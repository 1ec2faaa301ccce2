"""How good every fit was on the rows that came after it, by the labels that have arrived at the end.

Comes in: the feature tables of the whole span, and fits. Goes out: the primary metric of any fit over any steps. The
future is used here and only here: after all decisions were made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlops_assets import evaluation, features, readings, validation
from mlops_assets.backtest.fit_store import FitStore
from mlops_assets.backtest.records import BacktestError
from mlops_assets.evaluation.clusters import Dependence
from mlops_assets.metrics import METRICS, Bounds, Scored
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.source import JoinedSource
from mlops_assets.settings import Settings


def whole_table(
    spec: ModelSpec, history: readings.History, until: datetime, settings: Settings
) -> pl.DataFrame:
    """Return the feature rows of the whole history that have labels, in order of time.

    Args:
        spec: A policy's model file.
        history: The rows of the whole span.
        until: End of the span.
        settings: The platform's settings.

    Returns:
        Feature rows with targets.
    """
    whole = _without_window(spec)
    raw = readings.read(whole, as_of=until, settings=settings, history=history).frame
    usable = validation.validate(whole, raw, as_of=until, reference=None).valid
    return evaluation.in_order(spec, features.labeled(spec, features.build(whole, usable)))


def _without_window(spec: ModelSpec) -> ModelSpec:
    source = spec.source
    if isinstance(source, JoinedSource):
        first = source.first.model_copy(update={"window": None})
        return spec.model_copy(update={"source": source.model_copy(update={"first": first})})
    return spec.model_copy(update={"source": source.model_copy(update={"window": None})})


class Measurements:
    """The rows of all steps, and what every fit predicted for them.

    Args:
        spec: The model file, whose primary metric counts.
        instants: Instants of decisions, and the end.
        tables: Feature rows with labels, by `Policy.data_digest`.
        fits: The fits.
        made: For each fit the `data_digest` of its policy and the step at which it was made.

    Raises:
        BacktestError: Policies keep different rows, or no label arrived.
    """

    def __init__(
        self,
        spec: ModelSpec,
        instants: Sequence[datetime],
        tables: Mapping[str, pl.DataFrame],
        fits: FitStore,
        made: Mapping[str, tuple[str, int]],
    ) -> None:
        self._spec = spec
        self._fits = fits
        self._metric = METRICS[spec.evaluation.primary]
        self._scored: dict[str, Scored] = {}
        self._made = made
        self._values: dict[tuple[str, int, int], float] = {}
        self._tables = {}
        self._edges: NDArray[np.int64] | None = None
        name = str(spec.timestamp)
        for key, table in tables.items():
            rows = table.filter((pl.col(name) > instants[0]) & (pl.col(name) <= instants[-1]))
            edges = np.array([int((rows[name] <= instant).sum()) for instant in instants])
            if self._edges is not None and not np.array_equal(edges, self._edges):
                raise BacktestError(
                    f"{spec.name}: two policies keep different rows (validation or features); their errors cannot be "
                    "compared on the same rows. Let all policies keep the same rows"
                )
            self._edges, self._tables[key] = edges, rows
        self._classes: tuple[str, ...] = ()
        if spec.problem == "classification":
            targets = next(iter(self._tables.values()))[spec.target]
            self._classes = evaluation.known_classes(spec, targets, *(fits.get(fit).served for fit in made))
        if not self.rows:
            raise BacktestError(f"{spec.name}: no label arrived between {instants[0]} and {instants[-1]}")

    @property
    def rows(self) -> int:
        """Number of rows with labels."""
        return int(self.edges[-1])

    @property
    def edges(self) -> NDArray[np.int64]:
        """Index of the first row of each step, and the number of rows."""
        assert self._edges is not None
        return self._edges

    def value(self, fit: str, start: int, end: int) -> float:
        """Return the primary metric of a fit over steps.

        Args:
            fit: Key of the fit.
            start: First step.
            end: Step after the last.

        Returns:
            The metric; NaN without rows.
        """
        known = self._values.get((fit, start, end))
        if known is None:
            known = self._metric.measure(self.scored(fit, start, end))
            self._values[fit, start, end] = known
        return known

    def loss(self, value: float) -> float:
        """Return a value of the primary metric so that less is better.

        Args:
            value: The metric.

        Returns:
            The loss.
        """
        return {"lower": value, "higher": -value, "zero": abs(value)}[self._metric.direction]

    def gain(self, fit: str, other: str, start: int, end: int) -> float:
        """Return how much better a fit was than another, as a share of what the other could gain.

        Args:
            fit: Key of the fit.
            other: Key of the fit that it is compared with.
            start: First step.
            end: Step after the last.

        Returns:
            The relative improvement; NaN without rows.
        """
        values = (self.value(one, start, end) for one in (fit, other))
        return evaluation.relative_improvement(self._metric.name, *values)

    def scored(self, fit: str, start: int, end: int) -> Scored:
        """Return truth and predictions of a fit over steps.

        Args:
            fit: Key of the fit.
            start: First step, not before the fit was made.
            end: Step after the last.

        Returns:
            Arrays in order of time.
        """
        table, born = self._made[fit]
        first = int(self.edges[born])  # no policy has it before it is made
        if fit not in self._scored:
            rows, served = self._tables[table].slice(first), self._fits.get(fit).served
            self._scored[fit] = evaluation.score(
                self._spec, served, rows, classes=self._classes, model_name=f"the fit {fit}"
            )
        return self._scored[fit].subset(np.arange(self.edges[start] - first, self.edges[end] - first))

    def joined(self, fits: Sequence[str | None], steps: Sequence[int]) -> Scored:
        """Return truth and predictions over steps, each by its own fit.

        Args:
            fits: Key of the fit of every step of the span.
            steps: The steps to join; each has a fit.

        Returns:
            Arrays in order of time.
        """
        return concat([self.scored(str(fits[step]), step, step + 1) for step in steps])

    def dependence(self, steps: Sequence[int]) -> Dependence:
        """Return that the rows of a step are drawn together, and steps in blocks.

        Args:
            steps: The steps that were joined.

        Returns:
            The dependence.
        """
        counts = np.diff(self.edges)[list(steps)]
        filled = counts[counts > 0]
        return Dependence(np.repeat(np.arange(filled.size), filled), ordered=True)


def concat(parts: Sequence[Scored]) -> Scored:
    """Return the rows of several parts one after the other.

    Args:
        parts: At least one part, all with the same classes.

    Returns:
        All rows.
    """
    first = parts[0]
    bounds = [part.bounds for part in parts]
    known = [one for one in bounds if one is not None]
    probabilities = [part.probabilities for part in parts if part.probabilities is not None]
    return replace(
        first,
        truth=np.concatenate([part.truth for part in parts]),
        predicted=np.concatenate([part.predicted for part in parts]),
        probabilities=np.concatenate(probabilities) if len(probabilities) == len(parts) else None,
        bounds=Bounds(
            known[0].level,
            np.concatenate([one.low for one in known]),
            np.concatenate([one.high for one in known]),
        )
        if known and len(known) == len(parts)
        else None,
    )
