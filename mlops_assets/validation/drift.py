"""How far a batch has moved from the champion's training data, column by column.

Comes in: the reference profile and the usable rows. Goes out: PSI and KL per column, largest PSI first, and a sentence
for each column that could not be measured. Watching production is `monitoring`'s business.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from mlops_assets.artifacts import Profile
from mlops_assets.binning import actual_bins, expected_bins
from mlops_assets.drift_methods import kl, psi


@dataclass(frozen=True, slots=True)
class Moved:
    """One column's divergence."""

    name: str
    psi: float
    kl: float


def measure(reference: Profile, frame: pl.DataFrame) -> tuple[list[Moved], list[str]]:
    """Measure how far each column moved from its training distribution.

    Features that are computed later are not in a batch and are omitted.

    Args:
        reference: The champion's training profile.
        frame: The readings.

    Returns:
        Columns with PSI and Kullback-Leibler divergence, largest first; sentences about columns that could
        not be measured.
    """
    measured: list[Moved] = []
    failed: list[str] = []
    present = set(frame.columns)
    for name, profile in reference.columns.items():
        if name not in present:
            continue
        try:
            expected, actual = expected_bins(profile), actual_bins(profile, frame[name])
            measured.append(Moved(name, psi(expected, actual), kl(expected, actual)))
        except ValueError as error:
            failed.append(str(error))
    return sorted(measured, key=lambda column: -column.psi), failed
