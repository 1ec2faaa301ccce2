"""Planted leaks are found, each kind on a public table, and clean public tables are neither refused nor flagged.

The long tables are those of `benchmarks/leakage.py`, over more packages.
"""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from benchmarks.leakage import (
    CLASSES,
    NUMBERS,
    OF_CLASSES,
    OF_NUMBERS,
    OF_ROWS,
    OF_SERIES,
    Table,
    as_table,
    planted,
)
from mlops_assets.leakage import findings

DIABETES, CANCER = NUMBERS[0], CLASSES[0]
RNG = np.random.default_rng(3)
SERIES = pl.DataFrame(
    {
        "y": np.convolve(RNG.normal(size=1_010), 0.7 ** np.arange(11), mode="valid"),
        "a": RNG.normal(size=1_000),
        "b": RNG.normal(size=1_000),
    }
)
"""Autocorrelation 0.7 from row to row, and two inputs of noise."""
PROOFS = {"copy", "another unit, rounded", "code of the class", "several codes of a class"}


@pytest.mark.parametrize("kind", [*OF_NUMBERS, *OF_CLASSES, *OF_SERIES, *OF_ROWS])
def test_a_planted_leak_is_found_and_only_a_copy_is_a_proof(kind: str) -> None:
    table = CANCER if kind in OF_CLASSES else DIABETES
    if kind in OF_SERIES:
        result = findings(planted(kind, Table("none", "series", "y"), SERIES))
    else:
        frame = table.read()
        assert frame is not None
        result = findings(planted(kind, table, frame))
    assert result, kind
    assert any(one.strength == "proof" for one in result) == (kind in PROOFS)
    if kind not in OF_ROWS:
        assert any("leak" in one.columns for one in result)


def test_a_column_that_is_gone_one_step_earlier_is_asked_about() -> None:
    """Its share of the target alone is below what one column is suspected by."""
    noise = RNG.normal(size=1_000)
    frame = SERIES.with_columns(
        y=pl.Series(noise), written_later=pl.Series(noise + 0.5 * RNG.normal(size=1_000))
    )
    [finding] = findings(as_table(frame, "y", classes=False, ordered=True))
    assert finding.columns == ("written_later",)
    assert "as of the previous step" in finding.predicate


def test_the_past_of_a_series_and_what_drives_it_are_no_leaks() -> None:
    driver = RNG.normal(size=1_000)
    level = np.convolve(driver, 0.8 ** np.arange(20))[:1_000] + RNG.normal(size=1_000)
    clean = {
        "before": np.roll(level, 1),
        "trailing": np.convolve(level, np.ones(5) / 5)[:1_000],
        "driver": driver,
    }
    frame = pl.DataFrame({"y": level, **clean})
    assert findings(as_table(frame, "y", classes=False, ordered=True)) == ()


def test_an_encoding_of_other_rows_is_no_leak() -> None:
    """Means of the first half, given to the second: as a pipeline learns them from its training rows."""
    member = RNG.integers(0, 60, 2_000)
    target = RNG.normal(size=60)[member] + RNG.normal(size=2_000)
    means = np.bincount(member[:1_000], target[:1_000]) / np.maximum(np.bincount(member[:1_000]), 1)
    later = slice(1_000, None)
    frame = pl.DataFrame({"y": target[later], "encoded": means[member[later]], "a": RNG.normal(size=1_000)})
    assert findings(as_table(frame, "y", classes=False, ordered=False)) == ()


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits", "diabetes"])
def test_a_clean_table_is_not_flagged(name: str) -> None:
    frame = Table("sklearn", name, "target").read()
    assert frame is not None
    assert findings(as_table(frame, "target", classes=name != "diabetes", ordered=False)) == ()


def test_a_few_discrete_columns_and_a_rounded_target_are_not_flagged() -> None:
    """Equal rows, and columns in the same order, are what a few steps of a scale give by chance."""
    dose = RNG.integers(1, 6, 400)
    frame = pl.DataFrame({"dose": dose, "site": RNG.integers(0, 3, 400), "y": 10 * dose})
    noisy = frame.with_columns(y=((pl.col("y") + pl.Series(5 * RNG.normal(size=400))) / 10).round())
    assert findings(as_table(noisy, "y", classes=False, ordered=False)) == ()


PERSON = np.repeat(np.arange(150), 6)


def test_individuals_whose_rows_are_in_both_parts_are_asked_about_and_ages_are_not() -> None:
    """The mean of the same person predicts the test rows, the means of the next persons do not; of an age they do."""
    noise = 0.5 * RNG.normal(size=900)
    frame = pl.DataFrame(
        {"y": RNG.normal(size=150)[PERSON] + noise, "person": PERSON, "a": RNG.normal(size=900)}
    )
    [finding] = findings(as_table(frame, "y", classes=False, ordered=False))
    assert finding.columns == ("person",)
    assert "split by group" in finding.predicate
    age = frame.with_columns(y=pl.col("person") / 50 + pl.Series(noise))
    assert findings(as_table(age, "y", classes=False, ordered=False)) == ()


def test_rows_that_share_target_and_inputs_are_of_one_individual_without_an_id() -> None:
    """Too far from each other for near duplicates, and each person has one target."""
    people = RNG.normal(size=(150, 3))
    inputs = people[PERSON, :2] + 0.5 * RNG.normal(size=(900, 2))
    frame = pl.DataFrame({"y": people[PERSON, 2], "a": inputs[:, 0], "b": inputs[:, 1]})
    [finding] = findings(as_table(frame, "y", classes=False, ordered=False))
    assert "exactly the same target" in finding.predicate
