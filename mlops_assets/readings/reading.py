"""`read`: one model file's readings, fetched, cleaned as declared, and cut to the window.

Comes in: a `ModelSpec`, the instant to look from, and the settings. Goes out: `Readings`. Fetching is one file per kind
of source (`SOURCES`); whether the rows are good enough is decided in `validation`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl

from mlops_assets.artifacts import Readings, Repair
from mlops_assets.errors import SourceError
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.features import keys_and_columns
from mlops_assets.model_file.source import JoinedSource, SimulatedSource, SqlSource
from mlops_assets.readings.cleaning import rows, steps
from mlops_assets.readings.cleaning.step import need
from mlops_assets.readings.failures import reported_as_source_error
from mlops_assets.readings.history import History
from mlops_assets.readings.mixed_types import refuse_mixed_types
from mlops_assets.readings.request import Fetched, Request, examples, text_columns
from mlops_assets.readings.sources.joined import read_joined
from mlops_assets.readings.sources.registry import fetch
from mlops_assets.settings import Settings

_ROW: Final = "_row"
"""Column that numbers rows while they are cleaned."""


def read(spec: ModelSpec, *, as_of: datetime, settings: Settings, history: History | None = None) -> Readings:
    """Read the rows of a model: fetched, cleaned as declared, and cut to the window.

    Args:
        spec: The model file.
        as_of: The instant the run looks from; rows after it are left out.
        settings: Addresses and secrets.
        history: Rows that were fetched before, in place of the source; labels that had not arrived are hidden.

    Returns:
        Rows with timestamp <= as_of within the source's window, the counted repairs, a description of the source.

    Raises:
        SourceError: The source cannot be read as declared; the message says what, where, and how to correct it.
        MissingExtraError: A library is not installed.
    """
    if as_of.tzinfo is None:
        raise ValueError("as_of needs a time zone")
    as_of = as_of.astimezone(UTC)
    source = spec.source
    start = _start(source, spec, as_of)
    request = _request(spec, start, as_of, settings)
    fetched = history.known_at(request) if history is not None else _fetched(spec, request)
    where = f"model {spec.name!r}: {fetched.source}"
    if not fetched.frame.width:
        raise SourceError(f"{where} gave no rows")
    with reported_as_source_error(where):
        return _cleaned(fetched, spec, request, where, history)


def fetch_history(
    spec: ModelSpec,
    *,
    start: datetime | None,
    until: datetime,
    settings: Settings,
    arrival: str | None = None,
) -> History:
    """Fetch the rows of a span once, as the source has them, for reads from many instants within it.

    A table that a simulator keeps filled is not read: the simulator itself returns the rows.

    Args:
        spec: The model file; it names a timestamp.
        start: Rows after this instant; None for everything that the source has.
        until: Rows up to this instant.
        settings: Addresses and secrets.
        arrival: Column with the instant at which a row's label arrived; None for `monitoring.label_delay`.

    Returns:
        Rows before cleaning, with their instants.

    Raises:
        SourceError: The source cannot be read as declared.
        MissingExtraError: A library is not installed.
    """
    source = spec.source
    if isinstance(source, SqlSource) and source.simulate and settings.embedded:
        source = SimulatedSource(kind="simulated", simulator=source.simulate, window=source.window)
        spec = spec.model_copy(update={"source": source})
    request = _request(spec, start, until.astimezone(UTC), settings)
    fetched = _fetched(spec, request)
    where = f"model {spec.name!r}: {fetched.source}"
    with reported_as_source_error(where):
        frame = fetched.frame.with_row_index(_ROW)
        frame, _ = steps.apply_steps(frame, spec.repairs, where)
        need(frame, str(spec.timestamp), "timestamp", where)
        frame, _ = rows.to_utc_timestamps(frame, spec.timestamp, spec.repairs, where)
    if arrival is not None:
        need(frame, arrival, "--label-arrival", where)
    known = frame.select(_ROW, at=pl.col(str(spec.timestamp)))
    numbers = fetched.frame.with_row_index(_ROW).select(_ROW)
    instants = numbers.join(known.unique(_ROW), on=_ROW, how="left", maintain_order="left")["at"]
    return History(fetched, instants, spec.monitoring.label_delay, arrival)


def read_span(spec: ModelSpec, *, start: datetime, until: datetime, settings: Settings) -> pl.DataFrame:
    """Read the cleaned rows of a span as they were measured, those without a target included.

    Args:
        spec: The model file; it names a timestamp.
        start: Rows after this instant, with a zone.
        until: Rows up to this instant, with a zone.
        settings: Addresses and secrets.

    Returns:
        Rows in the order of the source; none where nothing was measured.

    Raises:
        SourceError: The source cannot be read as declared.
        MissingExtraError: A library is not installed.
    """
    request = _request(spec, start.astimezone(UTC), until.astimezone(UTC), settings)
    fetched = _fetched(spec, request)
    where = f"model {spec.name!r}: {fetched.source}"
    with reported_as_source_error(where):
        frame, _ = steps.apply_steps(fetched.frame, spec.repairs, where)
        for column, named_as in _watched(spec):
            need(frame, column, named_as, where)
        frame, _ = rows.to_utc_timestamps(frame, spec.timestamp, spec.repairs, where)
        return rows.cut(frame, str(spec.timestamp), request.start, request.as_of)[0]


def _watched(spec: ModelSpec) -> Iterator[tuple[str, str]]:
    """Every column that the rules of alerts need, and the key that names it."""
    yield str(spec.timestamp), "timestamp"
    if spec.entity is not None:
        yield spec.entity, "entity"
    yield from ((rule.column, f"alerts.rules.{name}.column") for name, rule in spec.alerts.rules.items())


def _fetched(spec: ModelSpec, request: Request) -> Fetched:
    source = spec.source
    with reported_as_source_error(f"model {spec.name!r}: source {source.kind}"):
        return read_joined(source, request) if isinstance(source, JoinedSource) else fetch(source, request)


def _cleaned(
    fetched: Fetched, spec: ModelSpec, request: Request, where: str, history: History | None
) -> Readings:
    rules, start, as_of = spec.repairs, request.start, request.as_of
    frame, repairs = steps.apply_steps(fetched.frame, rules, where)
    for column, named_as in _named(spec):
        need(frame, column, named_as, where)
    frame, step_repairs = rows.to_utc_timestamps(frame, spec.timestamp, rules, where)
    repairs += step_repairs
    if spec.timestamp is not None:
        frame, step_repairs = rows.cut(frame, spec.timestamp, start, as_of)
        repairs += step_repairs
        if history is not None:
            frame = history.without_late_labels(frame, spec.timestamp, spec.target, as_of)
    frame, step_repairs = _with_target(frame, spec, where)
    repairs += step_repairs
    inferred = frozenset(rules.rename.get(name, name) for name in fetched.inferred)
    refuse_mixed_types(frame, inferred, tuple(repairs), spec, where)
    keys = [column for column in (spec.timestamp, spec.entity) if column] if spec.timestamp else []
    for step in (rows.drop_duplicates, rows.sort):
        frame, step_repairs = step(frame, rules, keys)
        repairs += step_repairs
    frame = rows.choose(frame, rules, where)
    for column, named_as in _named(spec):
        need(frame, column, f"{named_as}, but removed by repairs.select or repairs.drop", where)
    if frame.is_empty():
        span = f" between {start} and {as_of}" if start else f" up to {as_of}"
        raise SourceError(
            f"{where} gave no rows{span if spec.timestamp else ''}; {fetched.frame.height} rows were fetched"
        )
    return Readings(frame, (*fetched.repairs, *repairs), fetched.source)


def _start(source: Any, spec: ModelSpec, as_of: datetime) -> datetime | None:
    window = getattr(source.first if isinstance(source, JoinedSource) else source, "window", None)
    if spec.timestamp is None:
        if window is not None:
            raise SourceError(
                f"model {spec.name!r}: a window needs a 'timestamp' in the model file; name it or remove source.window"
            )
        return None
    return as_of - window if window else None


def _request(spec: ModelSpec, start: datetime | None, as_of: datetime, settings: Settings) -> Request:
    original = {new: old for old, new in spec.repairs.rename.items()}
    made = spec.timestamp in spec.repairs.combine  # the source does not have it, so cannot filter by it
    timestamp = original.get(spec.timestamp, spec.timestamp) if spec.timestamp and not made else None
    zone = spec.repairs.timezone.name if spec.repairs.timezone else "UTC"
    return Request(
        spec.name, timestamp, start, as_of, zone, settings, text_columns(spec.repairs, spec.timestamp)
    )


def _named(spec: ModelSpec) -> Iterator[tuple[str, str]]:
    """Every column the model file needs, and the key that names it."""
    yield spec.target, "target"
    for column, key in ((spec.timestamp, "timestamp"), (spec.entity, "entity")):
        if column is not None:
            yield column, key
    yield from ((column, "validation.columns") for column in spec.validation.columns)
    yield from ((column, f"features.{key}") for key, column in keys_and_columns(spec.features))


def _with_target(frame: pl.DataFrame, spec: ModelSpec, where: str) -> tuple[pl.DataFrame, list[Repair]]:
    step_repairs: list[Repair] = []
    if spec.repairs.missing_target:
        frame, step_repairs = rows.drop_missing(frame, spec.target, "row_without_target_dropped")
    target = frame[spec.target]
    if len(target) and target.null_count() == len(target):
        raise SourceError(
            f"{where}: the target {spec.target!r} is missing in all {len(target)} rows; nothing can be learned from it"
        )
    if spec.problem != "classification" and not target.dtype.is_numeric() and len(target):
        odd = target.cast(pl.String).filter(
            target.cast(pl.String).cast(pl.Float64, strict=False).is_null() & target.is_not_null()
        )
        shown = examples(odd.unique(maintain_order=True) if len(odd) else target)
        raise SourceError(
            f"{where}: the target {spec.target!r} of a {spec.problem} holds {target.dtype}, such as {shown}; "
            "for numbers declare repairs.cast, repairs.decimal_comma or repairs.missing_text"
        )
    return frame, step_repairs
