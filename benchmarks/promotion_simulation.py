"""How often `beats_champion` promotes a model that is no better, and how often it finds one that is.

A/A: two equally good models on holdouts of 200, 1,000 and 7,200 rows, with independent and with autocorrelated
errors (AR(1), phi 0.9), 2 % asked for. A/B: the challenger's RMSE is truly 10 % lower. Year: 52 weekly looks at one
stream whose holdouts overlap. The bare rule `new < champion x 0.98` is compared with the test in the same run.

    python -m benchmarks.promotion_simulation [--repeats 1000]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlops_assets.evaluation.clusters import Dependence
from mlops_assets.evaluation.comparison import compare
from mlops_assets.evaluation.sequential import spent_confidence
from mlops_assets.metrics import Scored

Floats = NDArray[np.float64]
BY = 0.02


@dataclass(frozen=True, slots=True)
class Tally:
    """Shares of repeats in which each rule promoted."""

    case: str
    rows: int
    phi: float
    shared: float
    bare: float
    tested: float


def errors(rng: np.random.Generator, rows: int, phi: float) -> Floats:
    """A stationary AR(1) series with variance 1."""
    from scipy.signal import lfilter

    noise = rng.normal(size=rows) * np.sqrt(1 - phi**2)
    noise[0] = rng.normal()
    series: Floats = lfilter([1.0], [1.0, -phi], noise)
    return series


def pair(
    rng: np.random.Generator, rows: int, phi: float, shared: float, better: float
) -> tuple[Floats, Floats]:
    """Errors of challenger and champion; `shared` is the share of variance both have in common."""
    common = errors(rng, rows, phi) * np.sqrt(shared)
    own = [errors(rng, rows, phi) * np.sqrt(1 - shared) for _ in range(2)]
    return (common + own[0]) * (1 - better), common + own[1]


def verdict(
    challenger: Floats, champion: Floats, *, ordered: bool, seed: int, look: int = 1
) -> tuple[bool, bool]:
    """Whether the bare rule promotes, and whether rule and test together do."""
    truth = np.zeros(challenger.size)
    ours, theirs = (Scored(truth, counts, None, None) for counts in (challenger, champion))
    test = compare(
        "rmse",
        ours,
        theirs,
        confidence=spent_confidence(0.95, look),
        dependence=Dependence(ordered=ordered),
        seed=seed,
    )
    bare = test.challenger < test.champion * (1 - BY)
    return bare, bare and test.low > 0


def tally(case: str, rows: int, phi: float, shared: float, better: float, repeats: int) -> Tally:
    """Many independent pairs of one kind."""
    rng = np.random.default_rng([rows, int(10 * phi), int(100 * shared), int(100 * better)])
    counts = [
        verdict(*pair(rng, rows, phi, shared, better), ordered=phi > 0, seed=repeat)
        for repeat in range(repeats)
    ]
    return Tally(case, rows, phi, shared, *(float(share) for share in np.mean(counts, axis=0)))


def year(
    phi: float, shared: float, repeats: int, *, corrected: bool, weekly: int = 1680, holdout: int = 1080
) -> Tally:
    """Share of years in which an equally good challenger was promoted at any of 52 looks at one champion.

    Four readings an hour of ten pumps would be 6,720 a week; a quarter of that keeps the benchmark short.
    Every week brings a challenger of its own; champion and stream stay. Holdouts overlap when `holdout` exceeds
    `weekly`.
    """
    rng = np.random.default_rng([int(10 * phi), int(100 * shared), corrected])
    promoted = np.zeros((repeats, 2), dtype=bool)
    for repeat in range(repeats):
        stream = errors(rng, weekly * 52 + holdout, phi) * np.sqrt(shared)
        champion = stream + errors(rng, stream.size, phi) * np.sqrt(1 - shared)
        for week in range(52):
            rows = slice(week * weekly, week * weekly + holdout)
            challenger = stream[rows] + errors(rng, holdout, phi) * np.sqrt(1 - shared)
            look = week + 1 if corrected else 1
            promoted[repeat] |= verdict(challenger, champion[rows], ordered=phi > 0, seed=week, look=look)
            if promoted[repeat].all():
                break
    bare, tested = promoted.mean(axis=0)
    return Tally(
        f"year, {'corrected' if corrected else 'uncorrected'}",
        holdout,
        phi,
        shared,
        float(bare),
        float(tested),
    )


def cases(repeats: int) -> Iterator[Tally]:
    """Every line of the table."""
    for rows in (200, 1_000, 7_200):
        for phi in (0.0, 0.9):
            for shared in (0.0, 0.9):
                yield tally("A/A", rows, phi, shared, 0.0, repeats)
    for rows in (200, 1_000, 7_200):
        for phi in (0.0, 0.9):
            for shared in (0.0, 0.9):
                yield tally("A/B 10 %", rows, phi, shared, 0.10, repeats)
    for phi in (0.0, 0.9):
        for corrected in (False, True):
            yield year(phi, 0.9, max(repeats // 5, 10), corrected=corrected, holdout=2_400)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=200)
    repeats = parser.parse_args().repeats
    print(f"{'case':<18}{'rows':>7}{'phi':>6}{'shared':>8}{'bare rule':>12}{'with test':>12}")
    for one in cases(repeats):
        print(
            f"{one.case:<18}{one.rows:>7,}{one.phi:>6.1f}{one.shared:>8.1f}{one.bare:>12.1%}{one.tested:>12.1%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
