"""One odd value turns a column of numbers into text: the batch is refused, with the value and the repair."""

from __future__ import annotations

from time import process_time

import polars as pl
import pytest

from mlops_assets.features import profile
from mlops_assets.validation import validate
from mlops_assets_tests.unit.validation.test_batch import END, check, failed, model, readings

ODD = pl.when(pl.col("i") == 7).then(pl.lit("oops")).otherwise(pl.col("flow").cast(pl.String))
FREE = model(validation={"columns": {}})
"""Nothing is declared about single columns."""


def test_text_that_is_nearly_all_numbers_is_refused_with_the_repair() -> None:
    result = failed(check(readings(flow=ODD), FREE))["column_types"]
    assert result.critical
    assert (
        "'flow' holds text, and nearly all of it is numbers: 1 of 196 values are no numbers" in result.message
    )
    assert "the first is 'oops' in row 7" in result.message
    assert "repairs: {cast: {flow: number}, uncastable: missing}" in result.message


@pytest.mark.parametrize(
    "codes",
    [
        pl.Series([f"{number:05d}" for number in range(196)]),
        pl.Series([f"{number:05d}" if number % 10 else f"X{number}" for number in range(196)]),
        pl.Series(["red", "green"] * 98),
        pl.Series([None] * 196, dtype=pl.String),
    ],
    ids=["leading zeros", "a tenth with letters", "words", "empty"],
)
def test_codes_and_words_stay_text(codes: pl.Series) -> None:
    assert "column_types" not in failed(check(readings().with_columns(extra=codes), FREE))


@pytest.mark.parametrize(
    "declared",
    [{"validation": {"columns": {"flow": {"type": "text"}}}}, {"features": {"exclude": ["flow"]}}],
)
def test_a_declared_text_and_an_excluded_column_are_accepted(declared: dict[str, object]) -> None:
    spec = model(**{"validation": {"columns": {}}, **declared})
    assert "column_types" not in failed(check(readings(flow=ODD), spec))


def test_numbers_of_the_champion_are_not_text_now() -> None:
    reference = profile(readings(), ["flow", "code"])
    mostly_odd = pl.col("flow").cast(pl.String) + "x"
    result = failed(check(readings(flow=mostly_odd), FREE, reference))["types_as_trained"]
    assert result.critical
    assert result.observed == 1.0
    assert "'flow' had numbers in the champion's training and has text now: 196 of 196" in result.message
    result = failed(check(readings(code=pl.lit(5)), FREE, reference))["types_as_trained"]
    assert "'code' had text in the champion's training and has Int32 now" in result.message
    assert "repairs: {cast: {code: text}}" in result.message
    assert "types_as_trained" not in failed(check(readings(), FREE, reference))
    assert "types_as_trained" not in failed(check(readings(flow=pl.lit(None)), FREE, reference))
    assert "types_as_trained" not in failed(check(readings(flow=pl.col("flow") > 3), FREE, reference))


def test_the_work_grows_with_the_number_of_columns_not_with_its_square() -> None:
    def seconds(columns: int) -> float:
        names = [f"c{number}" for number in range(columns)]
        frame = readings().with_columns(pl.col("flow").alias(name) for name in names)
        spec = model(validation={"columns": {name: {"min": 0, "required": True} for name in names}})
        reference = profile(frame.head(20), names)
        times = []
        for _ in range(3):
            start = process_time()
            validate(spec, frame, as_of=END, reference=reference)
            times.append(process_time() - start)
        return min(times)

    assert seconds(800) < 9 * seconds(200), "4 times the columns took more than twice 4 times as long"
