"""Rare rows decide in a large table too: what a glance cannot settle, all rows are asked."""

from __future__ import annotations

import numpy as np
import polars as pl

from mlops_assets.drafting import ColumnFacts, TableFacts
from mlops_assets.drafting.profile import profile_table
from mlops_assets.drafting.profile.sampling import SAMPLE_ROWS, more_than, sample

ROWS = 4 * SAMPLE_ROWS
RARE = 2 * SAMPLE_ROWS + 3
"""A row between those that a glance falls on."""
RNG = np.random.default_rng(4)


def profiled(**columns: object) -> tuple[TableFacts, dict[str, ColumnFacts]]:
    frame = pl.DataFrame({"y": RNG.normal(size=ROWS), "z": RNG.normal(size=ROWS), **columns})
    facts = profile_table(frame, "y")
    return facts, {column.name: column for column in facts.columns}


def numbers_but(value: str) -> list[str]:
    texts = [f"{number:.3f}" for number in RNG.normal(size=ROWS)]
    texts[RARE] = value
    assert value not in sample(pl.Series(texts))
    return texts


def test_one_word_among_numbers_is_a_gap() -> None:
    facts, columns = profiled(level=numbers_but("broken"))
    assert facts.missing_text == ("broken",)
    assert columns["level"].kind == "number"


def test_a_word_that_a_text_uses_once_is_no_gap() -> None:
    names = [f"n{number}" for number in range(ROWS)]
    names[RARE] = "broken"
    facts, columns = profiled(level=numbers_but("broken"), name=names)
    assert facts.missing_text == ()
    assert (columns["level"].kind, columns["name"].kind) == ("text", "text")


def test_a_known_marker_in_a_text_of_many_values_means_missing() -> None:
    names = [f"n{number}" for number in range(ROWS)]
    names[RARE] = "N/A"
    assert profiled(name=names)[0].missing_text == ("N/A",)


def test_one_sentinel_is_enough() -> None:
    level = RNG.normal(size=ROWS)
    level[RARE] = -999.0
    assert profiled(level=level)[1]["level"].sentinels == (-999,)


def test_a_column_of_times_with_many_other_values_is_no_time() -> None:
    times = pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2025, 1, 1), "1m", eager=True).dt.strftime(
        "%d/%m/%Y %H:%M"
    )[:ROWS]
    assert profiled(when=times)[0].time is not None
    one_bad = profiled(when=times.scatter(RARE, "soon"))[0].time
    assert one_bad is not None
    assert one_bad.unreadable == ((RARE + 1, "soon"),), "a few are set aside, row by row"
    assert profiled(when=times.scatter(range(RARE, RARE + ROWS // 50), "soon"))[0].time is None


def test_more_values_than_a_glance_sees() -> None:
    column = pl.Series([0.0] * ROWS).scatter(RARE, 1.0)
    assert sample(column).n_unique() == 1
    assert more_than(column, 1)
    assert not more_than(column, 2)
