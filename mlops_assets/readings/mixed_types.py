"""Columns whose type one odd value has changed: numbers with a word among them.

Comes in: rows after the declared cleaning steps. Goes out: nothing, or a refusal with the step to declare. As text such
a column would become one category per number, pass every rule, and make the model's error hundreds of times larger.
"""

from __future__ import annotations

import json
from typing import Final

import polars as pl

from mlops_assets.artifacts import Repair
from mlops_assets.errors import SourceError
from mlops_assets.model_file import ModelSpec
from mlops_assets.readings.request import examples

MOSTLY_NUMBERS: Final = 0.95
"""Proportion of numbers from which the other values of a column of text are mistakes."""
LEAST_VALUES: Final = 20
_PEEK: Final = 1_000
"""Values that settle whether a column of text is worth reading as numbers."""


def refuse_mixed_types(
    frame: pl.DataFrame, inferred: frozenset[str], repairs: tuple[Repair, ...], spec: ModelSpec, where: str
) -> None:
    """Refuse columns of text that hold numbers but for a few values.

    Only columns that the model uses count, and only those whose type was inferred from the values: a database or a
    Parquet file says itself that a column is text.

    Args:
        frame: Rows after the cleaning steps.
        inferred: Columns, as they are called after `rename`, whose type the reader inferred.
        repairs: What the cleaning steps did.
        spec: The model file.
        where: The source, for the message.

    Raises:
        SourceError: With the column, the odd values, and the cleaning steps that settle it.
    """
    emptied = {repair.column for repair in repairs if repair.name in ("missing_text", "sentinel")}
    for name in sorted(inferred & set(frame.columns)):
        if frame.schema[name] != pl.String or not _is_checked(name, spec):
            continue
        odd = odd_values(frame[name])
        if odd is None or not (len(odd) or (name in emptied and name != spec.target)):
            continue
        distinct = odd.unique(maintain_order=True)
        shown = f" and {len(odd):,} other values: {examples(distinct)}" if len(odd) else ""
        markers = f" and repairs.missing_text: {json.dumps(distinct.head(5).to_list())}" if len(odd) else ""
        raise SourceError(
            f"{where}: the text column {name!r} holds {frame[name].count() - len(odd):,} numbers{shown}; "
            f"declare repairs.cast: {{{name}: number}}{markers}, or repairs.cast: {{{name}: text}} for codes"
        )


def _is_checked(name: str, spec: ModelSpec) -> bool:
    """Whether the model would learn from the column, and nobody has declared it to be text."""
    rule = spec.validation.columns.get(name)
    declared = spec.repairs.cast.get(name) == "text" or name in spec.repairs.combine
    if (
        declared
        or (rule is not None and (rule.values or rule.pattern))
        or name in (spec.timestamp, spec.entity)
    ):
        return False
    if name in spec.repairs.drop or (spec.repairs.select is not None and name not in spec.repairs.select):
        return False
    inputs = spec.features.inputs
    return name == spec.target or (
        name in inputs if inputs is not None else name not in spec.features.exclude
    )


def odd_values(column: pl.Series) -> pl.Series | None:
    """Return the values that are no numbers, if nearly all others are.

    Args:
        column: Text.

    Returns:
        The odd values (none where all are numbers), or None for a column of texts or of codes with leading zeros.
    """
    texts = column.drop_nulls().str.strip_chars()
    if len(texts) < LEAST_VALUES:
        return None
    peek = texts.gather_every(max(1, len(texts) // _PEEK))
    if _numbers(peek).mean() < 0.8:  # type: ignore[operator]
        return None
    numbers = _numbers(texts)
    if numbers.sum() < MOSTLY_NUMBERS * len(texts) or texts.str.contains(r"^[-+]?0\d+$").any():
        return None
    return column.drop_nulls().filter(~numbers)


def _numbers(texts: pl.Series) -> pl.Series:
    return texts.cast(pl.Float64, strict=False).is_not_null()
