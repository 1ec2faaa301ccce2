"""Garbage after an instant, at twenty instants: do readings, validated rows and features of a replay stay the same?

For each model file, every value after an instant is replaced, and the data stages of that instant are carried out on
both histories. Equal hashes mean that no decision can differ: the stages after them read nothing else. The tests replay
whole decisions at a few instants.

    python -m benchmarks.point_in_time MODEL_FILE ... [--from 2026-01-01] [--to 2026-03-01] [--instants 20]
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from mlops_assets import features, readings, validation
from mlops_assets.backtest.span import fetch, span_of
from mlops_assets.datasets import content_hash, storable
from mlops_assets.model_file import ModelSpec, load_model
from mlops_assets.model_file.values import parse_duration
from mlops_assets.settings import Settings


def poisoned(history: readings.History, after: datetime) -> readings.History:
    """Return the history with every value after an instant replaced; rows without an instant count as later."""
    frame, later = history.fetched.frame, (history.instants > after).fill_null(True)
    garbage = {pl.String: pl.lit("garbage"), pl.Boolean: pl.lit(False)}
    values = [
        pl.when(~later)
        .then(pl.col(name))
        .otherwise(garbage.get(kind.base_type(), pl.lit(97)))
        .cast(kind)
        .alias(name)
        for name, kind in frame.schema.items()
        if not kind.is_temporal()
    ]
    return replace(history, fetched=replace(history.fetched, frame=frame.with_columns(values)))


def hashes(spec: ModelSpec, history: readings.History, at: datetime, settings: Settings) -> tuple[str, ...]:
    """Return the hashes of readings, usable rows and features at an instant."""
    raw = storable(readings.read(spec, as_of=at, settings=settings, history=history).frame)
    usable = storable(validation.validate(spec, raw, as_of=at, reference=None).valid)
    return tuple(map(content_hash, (raw, usable, storable(features.build(spec, usable)))))


def main() -> None:
    """Print one line per model; exit with 1 when a hash differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--from", dest="start", type=datetime.fromisoformat)
    parser.add_argument("--to", dest="end", type=datetime.fromisoformat)
    parser.add_argument("--step", default="1d", type=parse_duration)
    parser.add_argument("--instants", type=int, default=20)
    arguments = parser.parse_args()
    start, end = (at.replace(tzinfo=UTC) if at else None for at in (arguments.start, arguments.end))
    settings, different = Settings.from_environment({"MLOPS_EMBEDDED": "1"}), 0
    for file in arguments.files:
        spec = load_model(file)
        history = fetch(spec, settings, start, end or datetime.now(UTC))
        instants = span_of(spec, history, start, end, arguments.step).instants[:-1]
        count = min(arguments.instants, len(instants))
        chosen = [instants[index * len(instants) // count] for index in range(count)]
        equal = sum(
            hashes(spec, history, at, settings) == hashes(spec, poisoned(history, at), at, settings)
            for at in chosen
        )
        different += count - equal
        print(
            f"{spec.name}: {equal} of {count} instants equal, {chosen[0]:%Y-%m-%d} to {chosen[-1]:%Y-%m-%d}"
        )
    raise SystemExit(1 if different else 0)


if __name__ == "__main__":
    main()
