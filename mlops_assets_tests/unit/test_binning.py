"""Bins: their ends, values that training did not have, and what cannot be measured."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from mlops_assets.artifacts import ColumnProfile
from mlops_assets.binning import actual_bins, expected_bins


def number(*edges: float, shares: tuple[float, ...] = ()) -> ColumnProfile:
    return ColumnProfile("number", edges, (), shares, 0.0, None, None)


def category(values: tuple[str, ...], shares: tuple[float, ...]) -> ColumnProfile:
    return ColumnProfile("category", (), values, shares, 0.0, None, None)


def test_bins_are_closed_on_the_left_and_open_at_both_ends() -> None:
    column = pl.Series("v", [-1e9, 0.999, 1.0, 1.999, 2.0, float("inf"), None, float("nan")])
    assert actual_bins(number(1.0, 2.0), column).proportions == (2 / 6, 2 / 6, 2 / 6)
    values = np.random.default_rng(0).normal(size=1_000)
    edges = (-0.5, 0.0, 0.5)
    counted, _ = np.histogram(values, bins=[-np.inf, *edges, np.inf])
    assert actual_bins(number(*edges), pl.Series("v", values)).proportions == tuple(counted / 1_000)


def test_values_that_training_did_not_have_share_a_bin_of_their_own() -> None:
    profile = category(("a", "b"), (0.75, 0.25))
    column = pl.Series("c", ["a", "new", None, "a", "b"])
    assert actual_bins(profile, column).proportions == (0.5, 0.25, 0.25)
    assert expected_bins(profile).proportions == (0.75, 0.25, 0.0)
    assert expected_bins(category(("a",), (0.75,))).proportions == (0.75, 0.25)
    assert actual_bins(category(("true",), (1.0,)), pl.Series("b", [True, False])).proportions == (0.5, 0.5)


def test_a_column_without_values_or_of_another_kind_cannot_be_measured() -> None:
    with pytest.raises(ValueError, match="no value"):
        actual_bins(number(1.0), pl.Series("v", [None, float("nan")], dtype=pl.Float64))
    with pytest.raises(ValueError, match="profile has numbers"):
        actual_bins(number(1.0), pl.Series("v", ["1"]))


def test_one_bin_with_room_for_others_is_unmeasurable() -> None:
    """As in profiles of older versions, where the quantiles of many zeros were all 0."""
    for profile in (number(shares=(1.0,)), number(0.0, shares=(0.0, 1.0)), number(2.0, shares=(1.0, 0.0))):
        with pytest.raises(ValueError, match="one bin holds all training values"):
            expected_bins(profile)
    constant = number(3.0, float(np.nextafter(3.0, np.inf)), shares=(0.0, 1.0, 0.0))
    assert expected_bins(constant).proportions == (0.0, 1.0, 0.0)
    for empty in (number(), category((), ())):
        with pytest.raises(ValueError, match="no value"):
            expected_bins(empty)
