"""How often dependent rows decide by chance, and how often a better model is recognized: clocks x rho x rows x metrics.

Two equally good models: the interval must exclude 0, on either side, in at most 5 % of the repeats. Then the
challenger's errors are smaller by a share, and the table shows how often the interval lies above 0.

Clocks: one series; a panel whose entities report at one instant; one whose entities report at a second of their own;
rows drawn at random from such a panel (random split). Errors are a part that all rows of an instant share (AR(1) with
coefficient rho), a part of each entity's own on the last clock, and noise.

    python -m benchmarks.dependence_simulation [--repeats 400] [--metric rmse] [--clock panel]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.promotion_simulation import Floats, errors
from mlops_assets.evaluation.clusters import Dependence, dependence_of
from mlops_assets.evaluation.comparison import compare
from mlops_assets.metrics import Scored

CLOCKS = ("series", "panel", "own second", "random rows")
RHOS = (0.0, 0.5, 0.9)
ROWS = (400, 2_000, 8_000)
METRICS = ("rmse", "mae", "log_loss", "roc_auc")
ENTITIES = {"series": 1, "panel": 10, "own second": 10, "random rows": 20}
KEPT = 0.25
"""Share of the panel's rows that a random split puts into the test part."""
BETTER = 0.15
START = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Layout:
    """Instant and entity of each row, and how the product says that they depend on each other."""

    instant: NDArray[np.int64]
    entity: NDArray[np.int64]
    dependence: Dependence
    of_entity: float


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares of repeats in which equally good models were told apart, and in which the better one was recognized."""

    clock: str
    rho: float
    rows: int
    metric: str
    wrong: float
    power: float


def layout(rng: np.random.Generator, clock: str, rows: int) -> Layout:
    """Rows of one clock, in order of time, about as many as asked for."""
    entities, random = ENTITIES[clock], clock == "random rows"
    steps = max(int(rows / entities / (KEPT if random else 1.0)), 2)
    entity, step = np.tile(np.arange(entities), steps), np.repeat(np.arange(steps), entities)
    kept = rng.random(entity.size) < KEPT if random else np.ones(entity.size, dtype=bool)
    entity, step = entity[kept], step[kept]
    second = 7 * entity if clock == "own second" else 0 * entity
    at = [START + timedelta(minutes=5 * int(k), seconds=int(s)) for k, s in zip(step, second, strict=True)]
    frame = pl.DataFrame({"at": at, "e": entity})
    dependence = dependence_of(
        frame,
        "random" if random else "temporal",
        timestamp="at",
        group=None,
        entity="e" if entities > 1 else None,
    )
    return Layout(step, entity, dependence, 0.3 if random else 0.0)


def model_errors(rng: np.random.Generator, rows: Layout, rho: float) -> Floats:
    """Errors of one model: shared by instant, of each entity's own, and noise."""
    shared = errors(rng, int(rows.instant.max()) + 1, rho)[rows.instant]
    own = rows.of_entity * rng.normal(size=int(rows.entity.max()) + 1)[rows.entity]
    total: Floats = shared + own + 0.7 * rng.normal(size=rows.instant.size)
    return total


def predictions(metric: str, error: Floats, truth: Floats) -> Scored:
    """Predictions of numbers whose error is given, or of two classes by a score with that error."""
    if metric in ("rmse", "mae"):
        return Scored(truth, truth + error, None, None)
    positive = 1.0 / (1.0 + np.exp(-(2.0 * (truth - 0.5) + error)))
    shares = np.column_stack([1.0 - positive, positive])
    return Scored(truth, (positive > 0.5).astype(np.float64), shares, None, ("no", "yes"))


def rates(clock: str, rho: float, rows: int, metric: str, repeats: int) -> Rates:
    """Many independent pairs of models on one clock."""
    rng = np.random.default_rng([CLOCKS.index(clock), int(10 * rho), rows, METRICS.index(metric)])
    wrong = power = 0
    rows_of = layout(rng, clock, rows)
    for seed in range(repeats):
        if clock == "random rows":
            rows_of = layout(rng, clock, rows)
        truth = (rng.random(rows_of.instant.size) < 0.4).astype(np.float64)
        ours, theirs = (model_errors(rng, rows_of, rho) for _ in range(2))
        champion = predictions(metric, theirs, truth)
        equal, better = (
            compare(
                metric,
                predictions(metric, size * ours, truth),
                champion,
                dependence=rows_of.dependence,
                seed=seed,
            )
            for size in (1.0, 1.0 - BETTER)
        )
        wrong += equal.low > 0 or equal.high < 0
        power += better.low > 0
    return Rates(clock, rho, rows, metric, wrong / repeats, power / repeats)


def table(repeats: int, clocks: tuple[str, ...], metrics: tuple[str, ...]) -> Iterator[Rates]:
    """Every line of the table."""
    for clock in clocks:
        for metric in metrics:
            for rho in RHOS:
                for rows in ROWS:
                    yield rates(clock, rho, rows, metric, repeats)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=400)
    parser.add_argument("--clock", choices=CLOCKS, action="append")
    parser.add_argument("--metric", choices=METRICS, action="append")
    options = parser.parse_args()
    print(f"{'clock':<13}{'metric':<10}{'rho':>5}{'rows':>7}{'wrong':>9}{'power':>9}")
    for one in table(options.repeats, tuple(options.clock or CLOCKS), tuple(options.metric or METRICS)):
        line = (
            f"{one.clock:<13}{one.metric:<10}{one.rho:>5.1f}{one.rows:>7,}{one.wrong:>9.1%}{one.power:>9.1%}"
        )
        print(line, flush=True)


if __name__ == "__main__":
    main()
