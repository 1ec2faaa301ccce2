"""PSI and KL: worked examples, the bins' ends, and what cannot be measured."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from mlops_assets.artifacts import ColumnProfile
from mlops_assets.divergence import ZERO_FILL, expected_shares, kl, psi, shares


def number(*edges: float, shares: tuple[float, ...] = ()) -> ColumnProfile:
    return ColumnProfile("number", edges, (), shares, 0.0, None, None)


def category(values: tuple[str, ...], shares: tuple[float, ...]) -> ColumnProfile:
    return ColumnProfile("category", (), values, shares, 0.0, None, None)


def test_worked_examples() -> None:
    e, a = (0.5, 0.3, 0.2), (0.4, 0.4, 0.2)
    assert psi(e, a) == pytest.approx(-0.1 * math.log(0.8) + 0.1 * math.log(4 / 3), rel=1e-12)
    assert kl(e, a) == pytest.approx(0.4 * math.log(0.8) + 0.4 * math.log(4 / 3), rel=1e-12)
    assert psi(e, a) == pytest.approx(psi(a, e), rel=1e-12)
    assert psi(e, e) == kl(e, e) == 0.0


def test_empty_bins_count_as_the_stated_share() -> None:
    expected = (1.0 - ZERO_FILL) * math.log(1.0 / ZERO_FILL)
    assert psi((1.0, 0.0), (0.0, 1.0)) == pytest.approx(2 * expected)


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ((0.5, 0.5), (1.0,)),
        ((float("nan"), 1.0), (0.5, 0.5)),
        ((-0.5, 1.5), (0.5, 0.5)),
        ((0.0, 0.0), (0.5, 0.5)),
        ((), ()),
    ],
)
def test_what_are_no_shares_is_refused(expected: tuple[float, ...], actual: tuple[float, ...]) -> None:
    for measure in (psi, kl):
        with pytest.raises(ValueError, match="shares"):
            measure(expected, actual)


def test_bins_are_closed_on_the_left_and_open_at_both_ends() -> None:
    column = pl.Series("v", [-1e9, 0.999, 1.0, 1.999, 2.0, float("inf"), None, float("nan")])
    assert shares(number(1.0, 2.0), column) == (2 / 6, 2 / 6, 2 / 6)
    values = np.random.default_rng(0).normal(size=1_000)
    edges = (-0.5, 0.0, 0.5)
    counted, _ = np.histogram(values, bins=[-np.inf, *edges, np.inf])
    assert shares(number(*edges), pl.Series("v", values)) == tuple(counted / 1_000)


def test_values_nobody_has_seen_have_a_bin_of_their_own() -> None:
    profile = category(("a", "b"), (0.75, 0.25))
    column = pl.Series("c", ["a", "new", None, "a", "b"])
    assert shares(profile, column) == (0.5, 0.25, 0.25)
    assert expected_shares(profile) == (0.75, 0.25, 0.0)
    assert expected_shares(category(("a",), (0.75,))) == (0.75, 0.25)
    assert shares(category(("true",), (1.0,)), pl.Series("b", [True, False])) == (0.5, 0.5)


def test_a_column_without_values_or_of_another_kind_cannot_be_measured() -> None:
    with pytest.raises(ValueError, match="no value"):
        shares(number(1.0), pl.Series("v", [None, float("nan")], dtype=pl.Float64))
    with pytest.raises(ValueError, match="profile has numbers"):
        shares(number(1.0), pl.Series("v", ["1"]))
