"""Several sources joined: rows of the first, columns of the others by equal keys or by the last reading before.

Comes in: a `joined` source. Goes out: one frame with as many rows as the first source gave (fewer with `how: inner`,
never more). Each part is cleaned by its own rules before; rows without a partner are counted.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import polars as pl

from mlops_assets.artifacts import Repair
from mlops_assets.errors import SourceError
from mlops_assets.model_file.repairs import RepairsSpec
from mlops_assets.model_file.source import Join, JoinedSource, Single
from mlops_assets.readings.cleaning.rows import choose, drop_duplicates, to_utc_timestamps
from mlops_assets.readings.cleaning.step import need
from mlops_assets.readings.cleaning.steps import apply_steps
from mlops_assets.readings.cleaning.timestamps import to_instants
from mlops_assets.readings.request import Fetched, Request, text_columns
from mlops_assets.readings.sources.asof_join import asof_join
from mlops_assets.readings.sources.registry import fetch

_ROW = "_row_of_first"


def read_joined(source: JoinedSource, request: Request) -> Fetched:
    """Read several sources and join them to the rows of the first.

    Args:
        source: The first source and the joins.
        request: The window.

    Returns:
        The readings with their origin.

    Raises:
        SourceError: Keys do not fit or are not unique, or columns would collide.
    """
    frame, names, repairs, inferred = _part(source.first, source.repairs, request, [])
    for join in source.join:
        reach = request.start - join.asof if request.start and join.asof else request.start
        time = join.timestamp or request.timestamp
        keys = [*join.on, *([time] if join.asof and time else [])]
        timeless = join.timestamp is None and time not in keys  # a table of facts that hold at any time
        part_request = replace(
            request, start=None if timeless else reach, timestamp=None if timeless else time
        )
        other, name, step_repairs, texts = _part(join.source, join.repairs, part_request, keys)
        if join.available is not None:
            other, noted = _known_from(other, join.available, join.repairs, name)
            step_repairs = [*step_repairs, *noted]
        inferred |= {column if column in keys else f"{join.prefix}{column}" for column in texts}
        frame, unmatched = _match(frame, other, join, request, f"model {request.model!r}: joining {name}")
        repairs += [*step_repairs, *([Repair("without_partner", name, unmatched)] if unmatched else [])]
        names = f"{names}, {name}"
    return Fetched(frame, f"joined: {names}", tuple(repairs), frozenset(inferred & set(frame.columns)))


def _known_from(
    frame: pl.DataFrame, available: str, rules: RepairsSpec, where: str
) -> tuple[pl.DataFrame, tuple[Repair, ...]]:
    """Return the frame with the instant from which each row is known in UTC."""
    need(frame, available, "join.available", where)
    instants, repairs = to_instants(frame[available], rules, where)
    return frame.with_columns(instants.alias(available)), repairs


def _part(
    source: Single, rules: RepairsSpec, request: Request, keys: list[str]
) -> tuple[pl.DataFrame, str, list[Repair], set[str]]:
    """One source, cleaned, with its time column in UTC if it has one; and its text columns of inferred type."""
    start, timestamp = request.start, request.timestamp
    window: timedelta | None = getattr(source, "window", None)
    if window is not None:
        start = max(request.as_of - window, start) if start else request.as_of - window
    named = {new: old for old, new in rules.rename.items()}
    zone = rules.timezone.name if rules.timezone else request.zone
    part_request = replace(
        request,
        start=start,
        timestamp=named.get(timestamp, timestamp) if timestamp else None,
        zone=zone,
        as_text=text_columns(rules, timestamp),
    )
    fetched = fetch(source, part_request)
    where = f"model {request.model!r}: {fetched.source}"
    frame, step_repairs = apply_steps(fetched.frame, rules, where)
    repairs = [*fetched.repairs, *step_repairs]
    if timestamp is not None and timestamp in frame.columns:
        frame, step_repairs = to_utc_timestamps(frame, timestamp, rules, where)
        repairs += step_repairs
        frame = frame.filter(pl.col(timestamp) <= request.as_of)
    for key in keys:
        need(frame, key, "join", where)
    frame, step_repairs = drop_duplicates(frame, rules, keys)
    inferred = {rules.rename.get(name, name) for name in fetched.inferred}
    return choose(frame, rules, where), fetched.source, [*repairs, *step_repairs], inferred


def _match(
    frame: pl.DataFrame, other: pl.DataFrame, join: Join, request: Request, who: str
) -> tuple[pl.DataFrame, int]:
    left_time, right_time = request.timestamp, join.timestamp or request.timestamp
    for column in join.on:
        need(frame, column, "join.on", f"{who}: the first source")
        need(other, column, "join.on", f"{who}: it")
    keys = list(join.on)
    if join.asof is not None:
        if left_time is None or right_time is None:
            raise SourceError(f"{who}: 'asof' needs a 'timestamp' in the model file")
        need(frame, left_time, "timestamp", f"{who}: the first source")
        need(other, right_time, "timestamp", f"{who}: it")
        other = other.rename({right_time: left_time}) if right_time != left_time else other
        keys.append(left_time)
    other = _same_types(frame, other, keys, who)
    other = other.rename({column: f"{join.prefix}{column}" for column in other.columns if column not in keys})
    collisions = sorted((set(frame.columns) & set(other.columns)) - set(keys))
    if collisions:
        raise SourceError(
            f"{who}: both sides have a column {collisions[0]!r}; declare a 'prefix' or drop it in the join's repairs"
        )
    _refuse_repeated(other, keys, who)
    marked = other.with_columns(pl.lit(True).alias(_ROW))
    if join.asof is not None and left_time is not None:
        available = f"{join.prefix}{join.available}" if join.available else None
        matched = asof_join(frame, marked, on=left_time, by=join.on, available=available, max_age=join.asof)
    else:
        matched = frame.join(marked, on=keys, how="left", maintain_order="left")
    unmatched = matched[_ROW].null_count()
    if join.how == "inner":
        matched = matched.filter(pl.col(_ROW).is_not_null())
    return matched.drop(_ROW), unmatched


def _same_types(frame: pl.DataFrame, other: pl.DataFrame, keys: list[str], who: str) -> pl.DataFrame:
    for key in keys:
        left, right = frame.schema[key], other.schema[key]
        if left == right:
            continue
        if left.is_integer() and right.is_integer():
            other = other.with_columns(pl.col(key).cast(left))
        else:
            raise SourceError(
                f"{who}: the key {key!r} is {left} on one side and {right} on the other; "
                "declare repairs.cast on one side"
            )
    return other


def _refuse_repeated(other: pl.DataFrame, keys: list[str], who: str) -> None:
    repeated = other.height - other.n_unique(keys) if other.height else 0
    if repeated:
        raise SourceError(
            f"{who}: {repeated} of its rows repeat a key ({', '.join(keys)}); "
            "aggregate it at the source, or declare duplicates: last in the join's repairs"
        )
