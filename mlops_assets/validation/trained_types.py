"""Whether columns hold the types of value that the champion was trained on, and whether text is meant as numbers.

Comes in: a batch and the profile of the champion's training data. Goes out: one sentence per column that differs, with
the values at fault and the repair to declare. One odd value turns a column of numbers into text, and the model would
learn a column per value in place of a number.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from mlops_assets.artifacts import Profile
from mlops_assets.validation.rows import Batch
from mlops_assets.validation.types import kind_of

NUMERIC_SHARE: Final = 0.99
"""Share of values that are numbers from which a column of text is meant to be one of numbers."""
SAMPLE_ROWS: Final = 1_000
SAMPLE_SHARE: Final = 0.9
"""Share in a sample below which a column is not read whole: the check stays cheap for ordinary text."""


def type_changes(reference: Profile, batch: Batch) -> list[str]:
    """Return a sentence for each column whose type of value differs from the champion's training data.

    Args:
        reference: The champion's training profile.
        batch: Readings with the facts that several rules share.

    Returns:
        Sentences, in the order of the profile.
    """
    changes = []
    for name, profile in reference.columns.items():
        dtype = batch.schema.get(name)
        if dtype is None or not profile.shares or isinstance(dtype, pl.Null) or name == batch.spec.timestamp:
            continue
        is_text = kind_of(dtype) == "text"
        if is_text and profile.kind == "number":
            odd = _describe_odd_values(batch.frame[name])
            changes.append(f"{name!r} had numbers in the champion's training and has text now: {odd}")
        elif not is_text and profile.kind == "category":
            changes.append(
                f"{name!r} had text in the champion's training and has {dtype} now; "
                f"declare 'repairs: {{cast: {{{name}: text}}}}' where the values are codes"
            )
    return changes


def mostly_numbers(batch: Batch) -> list[str]:
    """Return a sentence for each text column that is used as a feature and is nearly all numbers.

    Entities, groups and classes may be named by numbers; so may a column that the model file declares as text.

    Args:
        batch: Readings with the facts that several rules share.

    Returns:
        Sentences.
    """
    spec = batch.spec
    names = {spec.entity, spec.timestamp, spec.target, spec.split.group}
    names |= {name for name, target in spec.repairs.cast.items() if target == "text"}
    names |= {
        name
        for name, rules in spec.validation.columns.items()
        if rules.type == "text" or rules.values or rules.pattern
    }
    problems = []
    for name in batch.used:
        if name in names or name in batch.misfits or kind_of(batch.schema[name]) != "text":
            continue
        text = batch.frame[name].cast(pl.String).drop_nulls()
        sample = text.gather_every(max(1, len(text) // SAMPLE_ROWS))
        if not len(text) or _numeric_share(sample) < SAMPLE_SHARE:
            continue
        if NUMERIC_SHARE <= _numeric_share(text) < 1.0:
            odd = _describe_odd_values(batch.frame[name])
            problems.append(f"{name!r} holds text, and nearly all of it is numbers: {odd}")
    return problems


def _numeric_share(text: pl.Series) -> float:
    return 1.0 - text.cast(pl.Float64, strict=False).null_count() / len(text)


def _describe_odd_values(column: pl.Series) -> str:
    text = column.cast(pl.String)
    is_odd = text.is_not_null() & text.cast(pl.Float64, strict=False).is_null()
    count = int(is_odd.sum())
    name = column.name
    if not count:
        return f"every value is a number; declare 'repairs: {{cast: {{{name}: number}}}}'"
    row, values = is_odd.arg_true()[0], len(text) - text.null_count()
    return (
        f"{count:,} of {values:,} values are no numbers, the first is {text[row]!r} in row {row}; declare "
        f"'repairs: {{cast: {{{name}: number}}, uncastable: missing}}' or fix the source; where the values are "
        f"codes, declare 'validation: {{columns: {{{name}: {{type: text}}}}}}'"
    )
