"""The Great Expectations suite that a model file implies: run on pandas, with data docs as a static page.

Comes in: a model file, readings and a folder. Goes out: one result per rule under the rule's own name, and the page.
Questions Great Expectations can ask of the rows it asks itself; the rest (days, drift, shares set aside) it judges from
one row of measurements that `batch` took. Verdicts that stop a run come from `batch`; the two are compared with each
other by a test. Importing the library takes seconds, so it happens inside `run`; nothing is sent anywhere.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from mlops_assets.artifacts import Profile, RuleResult
from mlops_assets.model_file import ModelSpec
from mlops_assets.validation.batch import validate
from mlops_assets.validation.documentation import write_docs
from mlops_assets.validation.rows import Batch, comparable, floats, instant
from mlops_assets.validation.rules import Rule, missing_limit, named_columns, rules, used_columns
from mlops_assets.validation.types import kind_of, misfits

if TYPE_CHECKING:
    import pandas as pd

MAX_ROWS: Final = 1_000_000
SAMPLES: Final = 5
_FLOAT_MAX: Final = 1.7976931348623157e308
_MEASURED: Final[Mapping[str, str]] = {
    "column_types": "max_value",
    "types_as_trained": "max_value",
    "min_rows": "min_value",
    "time_order": "max_value",
    "freshness": "max_value",
    "completeness": "min_value",
    "quarantined": "max_value",
    "drift": "max_value",
}
"""Rules judged from one number that `batch` measured, and on which side of the number their limit lies."""


@dataclass(frozen=True, slots=True)
class Question:
    """One expectation: the rule it belongs to, its name in Great Expectations, and its arguments."""

    rule: str
    expectation: str
    arguments: Mapping[str, Any]


def run(
    spec: ModelSpec,
    frame: pl.DataFrame,
    docs_dir: Path,
    *,
    as_of: datetime,
    reference: Profile | None = None,
    max_rows: int = MAX_ROWS,
) -> tuple[RuleResult, ...]:
    """Evaluate every rule of the model file with Great Expectations. A rule that was not evaluated fails.

    Above `max_rows` the rows are a sample of that size, always the same for the same table, and every message
    says so.

    Args:
        spec: The model file.
        frame: The readings.
        docs_dir: Folder of the pages; `index.html` is the first.
        as_of: Time of the batch, with a zone.
        reference: The champion's training profile; None without a champion.
        max_rows: Largest number of rows that are evaluated.

    Returns:
        One result per rule, in order.
    """
    declared = rules(spec)
    sample = frame if frame.height <= max_rows else frame.sample(max_rows, seed=0)
    measured = {
        response.rule: response for response in validate(spec, frame, as_of=as_of, reference=reference).rules
    }
    batch = Batch(spec, sample, as_of, used_columns(spec, frame.columns), misfits(spec, frame.schema))
    requested = [
        question for rule in declared if rule.kind not in _MEASURED for question in questions(rule, batch)
    ]
    numbers = {name: response for name, response in measured.items() if name in _MEASURED}
    results, reports = _ask(spec.name, _pandas(batch), requested, numbers)
    note = "" if sample is frame else f" (on a sample of {max_rows:,} of {frame.height:,} rows)"
    responses = tuple(
        _judged(measured[rule.name], results.get(rule.name, []))
        if rule.kind in _MEASURED
        else _answer(rule, results.get(rule.name, []), frame.height, note)
        for rule in declared
    )
    write_docs(spec.name, as_of, responses, reports, docs_dir)
    return responses


def questions(rule: Rule, batch: Batch) -> Iterator[Question]:
    """Yield the expectations that together check what the rule checks.

    Args:
        rule: The rule.
        batch: Readings with the facts that several rules share.

    Yields:
        Expectations; none when a column is absent or of a wrong type, which is a failure.
    """
    if rule.kind in _BATCH_QUESTIONS:
        requested = _BATCH_QUESTIONS[rule.kind](batch)
    elif rule.column is None or batch.why_not(rule.column):
        return
    else:
        requested = iter([_column_question(rule.kind, rule.column, batch)])
    for expectation, arguments in requested:
        yield Question(rule.name, expectation, arguments)


_Asked = Iterator[tuple[str, dict[str, Any]]]


def _columns_present(batch: Batch) -> _Asked:
    for name in named_columns(batch.spec):
        yield "ExpectColumnToExist", {"column": name}


def _target_present(batch: Batch) -> _Asked:
    yield "ExpectColumnUniqueValueCountToBeBetween", {"column": batch.spec.target, "min_value": 2}


def _empty_columns(batch: Batch) -> _Asked:
    for name in batch.used:
        yield "ExpectColumnValuesToNotBeNull", {"column": name, "mostly": 1e-12}


def _missing(batch: Batch) -> _Asked:
    """`mostly` is the smallest share present that leaves less than the limit missing."""
    for name in batch.used:
        limit = missing_limit(batch.spec, name)
        mostly = 1.0 if limit == 0.0 else 0.0 if limit >= 1.0 else math.nextafter(1.0 - limit, 2.0)
        yield "ExpectColumnValuesToNotBeNull", {"column": name, "mostly": mostly}


def _finite(batch: Batch) -> _Asked:
    """Return a row count stands in where no column could hold an infinity, so that something is checked."""
    names = floats(batch)
    for name in names:
        yield (
            "ExpectColumnValuesToBeBetween",
            {"column": name, "min_value": -_FLOAT_MAX, "max_value": _FLOAT_MAX},
        )
    if not names:
        yield "ExpectTableRowCountToBeBetween", {"min_value": 1}


def _keys_present(batch: Batch) -> _Asked:
    if not batch.why_not(*batch.keys):
        for name in batch.keys:
            yield "ExpectColumnValuesToNotBeNull", {"column": name}


def _time_not_future(batch: Batch) -> _Asked:
    if not batch.why_not(batch.spec.timestamp):
        latest = batch.as_of.astimezone(UTC).replace(tzinfo=None)
        yield "ExpectColumnValuesToBeBetween", {"column": batch.spec.timestamp, "max_value": latest}


def _unique_rows(batch: Batch) -> _Asked:
    keys = batch.keys
    if batch.why_not(*keys):
        return
    if len(keys) == 1:
        yield "ExpectColumnValuesToBeUnique", {"column": keys[0]}
    else:
        arguments = {"column_list": list(keys), "ignore_row_if": "any_value_is_missing"}
        yield "ExpectCompoundColumnsToBeUnique", arguments


_BATCH_QUESTIONS: Final[Mapping[str, Callable[[Batch], _Asked]]] = {
    "columns_present": _columns_present,
    "target_present": _target_present,
    "empty_columns": _empty_columns,
    "missing": _missing,
    "finite": _finite,
    "keys_present": _keys_present,
    "time_not_future": _time_not_future,
    "unique_rows": _unique_rows,
}


def _column_question(kind: str, column: str, batch: Batch) -> tuple[str, dict[str, Any]]:
    declared = batch.spec.validation.columns[column]
    if kind == "required":
        return "ExpectColumnValuesToNotBeNull", {"column": column}
    if kind == "unique":
        return "ExpectColumnValuesToBeUnique", {"column": column}
    if kind == "range":
        bounds = {"min_value": declared.min, "max_value": declared.max}
        return "ExpectColumnValuesToBeBetween", {"column": column, **bounds}
    if kind == "pattern":
        return "ExpectColumnValuesToMatchRegex", {"column": column, "regex": rf"\A(?:{declared.pattern})\Z"}
    kept = kind_of(batch.schema[column])
    allowed = [value for value in declared.values or () if comparable(value, kept)]
    return "ExpectColumnValuesToBeInSet", {"column": column, "value_set": allowed}


def _pandas(batch: Batch) -> pd.DataFrame:
    """Columns any rule looks at; times as UTC without a zone, because bounds with a zone compare with nothing."""
    names = dict.fromkeys((*named_columns(batch.spec), *batch.used))
    frame = batch.frame.select(name for name in names if name in batch.frame.columns)
    for name, dtype in frame.schema.items():
        if isinstance(dtype, pl.Datetime | pl.Date):
            frame = frame.with_columns(instant(name, dtype).dt.replace_time_zone(None))
        elif isinstance(dtype, pl.Null):
            frame = frame.with_columns(pl.col(name).cast(pl.Float64))
    return frame.to_pandas()


def _measurements(numbers: Mapping[str, RuleResult]) -> tuple[pd.DataFrame, list[Question]]:
    """One row of numbers, and what is required of each: to exist, and to satisfy its limit."""
    import pandas as pd

    requested = []
    known = {
        name: response
        for name, response in numbers.items()
        if response.observed is not None or not response.passed
    }
    for name, response in known.items():
        requested.append(Question(name, "ExpectColumnValuesToNotBeNull", {"column": name}))
        arguments = {"column": name, _MEASURED[name]: response.limit}
        if response.limit is not None:
            requested.append(Question(name, "ExpectColumnValuesToBeBetween", arguments))
    return pd.DataFrame(
        {name: [response.observed] for name, response in known.items()}, dtype="float64"
    ), requested


def _ask(
    model: str, rows: pd.DataFrame, questions: Sequence[Question], numbers: Mapping[str, RuleResult]
) -> tuple[dict[str, list[Any]], dict[str, Any]]:
    """Run the suite over the rows and the one over the measurements: results by rule, and the two reports."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    facts, judged = _measurements(numbers)
    matches: dict[str, list[Any]] = {}
    reports: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own use of pandas
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        source = context.data_sources.add_pandas(model)
        for title, table, suite in (("readings", rows, questions), ("measurements", facts, judged)):
            name = f"{model} {title}"
            expectations = [
                getattr(gx.expectations, item.expectation)(**item.arguments, meta={"rule": item.rule})
                for item in suite
            ]
            definition = context.validation_definitions.add(
                gx.ValidationDefinition(
                    name=name,
                    data=source.add_dataframe_asset(title).add_batch_definition_whole_dataframe(title),
                    suite=context.suites.add(gx.ExpectationSuite(name=name, expectations=expectations)),
                )
            )
            reports[title] = definition.run(batch_parameters={"dataframe": table}, result_format="SUMMARY")
            for result in reports[title].results:
                matches.setdefault(result.expectation_config.meta["rule"], []).append(result)
    return matches, reports


def _judged(measured: RuleResult, results: Sequence[Any]) -> RuleResult:
    """Great Expectations' result for a measured number; a rule that does not apply keeps its result."""
    if measured.passed and measured.observed is None:
        return measured
    passed = bool(results) and all(bool(result.success) for result in results)
    return replace(measured, passed=passed)


def _answer(rule: Rule, results: Sequence[Any], rows: int, note: str) -> RuleResult:
    """All expectations of one rule as one result."""
    failed = [result for result in results if not result.success]
    empty = rows == 0 and rule.kind != "columns_present"
    broken = sum(int(result.result.get("unexpected_count") or 0) for result in failed)
    if empty or not results:
        message = "Nothing was checked: " + (
            "there are no rows" if empty else "a column is absent or of the wrong type"
        )
    elif failed:
        message = "; ".join(_in_words(result) for result in failed[:5]) + note
    else:
        message = f"{rule.description}{note}"
    samples = [value for result in failed for value in result.result.get("partial_unexpected_list") or ()]
    return RuleResult(
        rule=rule.name,
        column=rule.column,
        passed=bool(results) and not failed and not empty,
        critical=rule.critical,
        observed=float(broken) if results else None,
        limit=None,
        failed_rows=broken,
        message=message,
        samples=tuple({"value": str(value)} for value in samples[:SAMPLES]),
    )


def _in_words(result: Any) -> str:
    config = result.expectation_config
    reported = ", ".join(
        f"{key} {value}" for key, value in config.kwargs.items() if key != "batch_id" and value is not None
    )
    count = result.result.get("unexpected_count")
    return f"{config.type} ({reported}) failed" + (f" for {count:,} values" if count else "")
