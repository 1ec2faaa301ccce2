"""Predictions of one version for every stored reading of a window, in parts that fit into memory.

Comes in: a model, a window, a version. Goes out: `WindowScores`; in the ledger and in the table `predictions` one row
per reading and version, however often the call is repeated or killed. Features are those that the API computes: by the
model file that the version was trained with. Readings come from the stored, validated table versions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

from mlops_assets import features, predictions, stages
from mlops_assets.artifacts import TableVersion, from_json
from mlops_assets.errors import DataError
from mlops_assets.features.kinds import LookBack
from mlops_assets.lifecycle.model_loading import load_version, spec_of_bundle
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.lifecycle.predictor import BundlePredictor
from mlops_assets.lifecycle.records import ValidatedRecord
from mlops_assets.lifecycle.stages.predict import store_scored
from mlops_assets.model_file import ModelSpec

PART_ROWS: Final = 50_000
UTC_TIME: Final = pl.Datetime("us", "UTC")


@dataclass(frozen=True, slots=True)
class WindowScores:
    """How many readings of a window there are, and how many of their predictions are new.

    first, last: instants of the first and last reading. tables: numbers of the validated table versions that were read.
    """

    model: str
    version: int
    rows: int
    new_rows: int
    first: datetime
    last: datetime
    tables: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """The readings of one table version that belong to start <= instant < end."""

    table: TableVersion
    readings: pl.LazyFrame
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Part:
    """Readings that are scored together, behind those that their features look back at. rows: without the latter."""

    readings: pl.DataFrame
    start: datetime
    end: datetime
    rows: int


def score_window(
    platform: Platform,
    model: str,
    start: datetime,
    end: datetime,
    run: Run,
    version: int | None = None,
    part_rows: int = PART_ROWS,
) -> WindowScores:
    """Predict every stored reading with start <= instant < end that the version has not predicted.

    Args:
        platform: The open stores and settings.
        model: Name of the model.
        start: First instant, with a zone.
        end: End, exclusive, with a zone.
        run: The run: id, actor, clock, `as_of` and progress callback.
        version: Number of the version; None for the champion.
        part_rows: Readings that are scored together, about; those of one hour are never separated.

    Returns:
        What was predicted.

    Raises:
        DataError: There is no champion, the model has no timestamp, the window is empty, or a prediction is not finite.
        LedgerError: There is no such version.
    """
    if start >= end:
        raise DataError(f"the window ends at {end.isoformat()}, before or at its start {start.isoformat()}")
    champion = platform.ledger.champion(model)
    if version is None and champion is None:
        raise DataError(f"{model}: no champion yet, nothing can predict; name a version with --version")
    number = version if version is not None else champion.version if champion is not None else 0
    predictor, bundle = load_version(platform, model, number)
    spec = spec_of_bundle(bundle)
    if spec.timestamp is None:
        raise DataError(f"{model} has no timestamp, so that no window of its readings can be named")
    segments = _segments(platform, spec, start, end)
    totals = [_hours(spec, one) for one in segments]
    rows = sum(int(total["rows"].sum()) for total in totals)
    if not rows:
        raise DataError(_nothing(platform, spec, start, end))
    run.progress(
        f"version {number} predicts {rows:,} readings from {start.astimezone(UTC):%Y-%m-%d %H:%M} UTC on"
    )
    done = new_rows = 0
    for segment, hours in zip(segments, totals, strict=True):
        for part in _parts(spec, segment, hours, part_rows):
            new_rows += _score(platform, spec, predictor, number, part, run)
            done += part.rows
            run.progress(f"{done:,} of {rows:,} readings, {new_rows:,} predictions are new")
    instants = pl.concat(totals)
    return WindowScores(
        model=model,
        version=number,
        rows=rows,
        new_rows=new_rows,
        first=instants["first"][0],
        last=instants["last"][-1],
        tables=tuple(sorted({one.table.version for one in segments})),
    )


def _score(
    platform: Platform,
    spec: ModelSpec,
    predictor: BundlePredictor,
    version: int,
    part: Part,
    run: Run,
) -> int:
    ahead = spec.features.horizon or timedelta(0)
    since, until = part.start + ahead, part.end + ahead
    predicted = platform.ledger.predictions(spec.name, since=since, until=until, version=version)
    assert spec.timestamp is not None
    within = _within(spec.timestamp, part.start, part.end)
    if predictions.pending(spec, part.readings.filter(within), since, predicted).is_empty():
        return 0  # without computing features
    frame = features.build(spec, part.readings).filter(within)
    frame = predictions.with_occurrence(spec, frame)
    pending = predictions.pending(spec, frame, since, predicted)
    return store_scored(spec, platform, run, predictor, version, pending)[1] if pending.height else 0


def _segments(platform: Platform, spec: ModelSpec, start: datetime, end: datetime) -> list[Segment]:
    """Divide the window among the stored table versions, oldest first.

    The newest version that has an instant decides what was read there. The first readings of a version look back at
    readings that it does not have: where an older version has them, that one is read.
    """
    segments: list[Segment] = []
    reach = features.look_back(spec)
    earliest: tuple[datetime, TableVersion] | None = None
    until = end
    for commit in platform.datasets.log(spec.name, stages.VALIDATED_DATA):
        if until <= start:
            break
        table = commit.version
        if not _passed(platform, spec, commit.by.run_id):
            continue
        try:
            first = _first_instants(spec, platform.datasets.scan(table, verify=False), reach.readings + 1)
        except DataError:  # retention has removed its rows
            continue
        if not first:
            continue
        if earliest is None or first[0] < earliest[0]:
            earliest = (first[0], table)
        complete = max(first[-1], first[0] + reach.duration) if reach != LookBack() else first[0]
        if complete < until:
            segments.append(Segment(table, platform.datasets.scan(table), max(start, complete), until))
            until = segments[-1].start
    if until > start and earliest is not None:
        segments.append(Segment(earliest[1], platform.datasets.scan(earliest[1]), start, until))
    return segments[::-1]


def _passed(platform: Platform, spec: ModelSpec, run_id: str) -> bool:
    body = platform.ledger.get_record(f"{spec.name}/{stages.VALIDATED_DATA}", run_id, exact=True)
    return body is None or from_json(ValidatedRecord, body).passed


def _first_instants(spec: ModelSpec, readings: pl.LazyFrame, count: int) -> list[datetime]:
    """Return the first different instants, in their order."""
    instants = readings.select(pl.col(str(spec.timestamp)).unique().bottom_k(count)).collect().to_series()
    return [one for one in instants.sort().to_list() if one is not None]


def _within(timestamp: str, start: datetime, end: datetime) -> pl.Expr:
    instant = pl.col(timestamp)
    return (instant >= pl.lit(start).cast(UTC_TIME)) & (instant < pl.lit(end).cast(UTC_TIME))


def _hours(spec: ModelSpec, segment: Segment) -> pl.DataFrame:
    """Return the number of readings, the first and the last instant of every hour of a segment, in their order."""
    timestamp = str(spec.timestamp)
    instant = pl.col(timestamp)
    return (
        segment.readings.filter(_within(timestamp, segment.start, segment.end))
        .group_by(instant.dt.truncate("1h").alias("hour"))
        .agg(pl.len().cast(pl.Int64).alias("rows"), instant.min().alias("first"), instant.max().alias("last"))
        .sort("hour")
        .collect()
    )


def _parts(spec: ModelSpec, segment: Segment, hours: pl.DataFrame, part_rows: int) -> Iterator[Part]:
    """Yield the readings of a segment part by part, each behind the readings that its features look back at."""
    timestamp = str(spec.timestamp)
    number = (pl.col("rows").cum_sum() - pl.col("rows")) // part_rows
    bounds = hours.group_by(number.alias("part"), maintain_order=True).agg(
        pl.col("hour").first(), pl.col("rows").sum()
    )
    before = _before(spec, segment, part_rows)
    ends = [*bounds["hour"].to_list()[1:], segment.end]
    for first, end, rows in zip(bounds["hour"], ends, bounds["rows"], strict=True):
        start = max(first, segment.start)
        own = segment.readings.filter(_within(timestamp, start, end)).collect()
        readings = pl.concat([before, own])
        yield Part(readings, start, end, rows)
        before = features.recent(spec, readings)


def _before(spec: ModelSpec, segment: Segment, part_rows: int) -> pl.DataFrame:
    """Return the readings before a segment that its rows look back at, however large the table is."""
    timestamp = pl.col(str(spec.timestamp))
    reach = features.look_back(spec)
    earlier = segment.readings.filter(timestamp < pl.lit(segment.start).cast(UTC_TIME))
    if reach == LookBack():
        return earlier.clear().collect()
    recent = earlier.clear().collect()
    rows = earlier.select(pl.len()).collect().item()
    for offset in range(0, rows, part_rows):
        recent = features.recent(spec, pl.concat([recent, earlier.slice(offset, part_rows).collect()]))
    return recent


def _nothing(platform: Platform, spec: ModelSpec, start: datetime, end: datetime) -> str:
    newest = platform.datasets.latest(spec.name, stages.VALIDATED_DATA)
    window = (
        f"{spec.name}: no stored reading with {start.isoformat()} <= {spec.timestamp} < {end.isoformat()}"
    )
    if newest is None:
        return f"{window}; 'mlops run {spec.name}' reads some"
    instant = pl.col(str(spec.timestamp))
    first, last = (
        platform.datasets.scan(newest, verify=False)
        .select(instant.min().alias("first"), instant.max().alias("last"))
        .collect()
        .row(0)
    )
    if first is None:
        return f"{window}; the newest table has none at all"
    return (
        f"{window}; the newest table has those from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC. "
        f"'mlops run {spec.name}' reads newer ones, with --as-of those that were known at an earlier instant"
    )
