"""Equally good models are promoted at most one time in twenty, truly better ones are found; the bare rule fails.

A short form of `benchmarks/promotion_simulation.py`, with room for the chance in few repeats.
"""

from __future__ import annotations

import pytest

from benchmarks.promotion_simulation import tally, year

REPEATS = 150
ALLOWED = 0.05 + 3 * (0.05 * 0.95 / REPEATS) ** 0.5


@pytest.mark.parametrize(("rows", "phi", "shared"), [(200, 0.0, 0.0), (200, 0.9, 0.9), (1_000, 0.9, 0.0)])
def test_equally_good_models_are_kept(rows: int, phi: float, shared: float) -> None:
    share = tally("A/A", rows, phi, shared, 0.0, REPEATS)
    assert share.tested <= ALLOWED
    assert share.bare > 0.3


def test_a_model_that_is_a_tenth_better_is_promoted() -> None:
    assert tally("A/B", 7_200, 0.9, 0.9, 0.10, 20).tested >= 0.95


@pytest.mark.slow
def test_a_year_of_weekly_looks_spends_one_allowance() -> None:
    share = year(0.9, 0.9, 60, corrected=True, weekly=300, holdout=600)
    assert share.tested <= 0.05 + 3 * (0.05 * 0.95 / 60) ** 0.5
    assert share.bare > 0.5
