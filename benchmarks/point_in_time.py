"""Garbage after an instant, at twenty instants: do readings, validated rows and features of a replay stay the same?

For each model file, every value after an instant is replaced, and the data stages of that instant are carried out on
both histories. Equal hashes mean that no decision can differ: the stages after them read nothing else. With --decisions
the policy of the file is replayed twice, as it is and with garbage after every instant, and whole steps are compared.

    python -m benchmarks.point_in_time MODEL_FILE ... [--from 2026-01-01] [--to 2026-03-01] [--instants 20]
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import polars as pl
from typing_extensions import override

from mlops_assets import features, readings, validation
from mlops_assets.backtest import Policy, Request, Scratch, Span, backtest, policies_of
from mlops_assets.backtest import run as replaying
from mlops_assets.backtest.data_steps import DataSteps
from mlops_assets.backtest.span import fetch, span_of
from mlops_assets.datasets import content_hash, storable
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.lifecycle.records import FeaturesRecord
from mlops_assets.local.scratch_databases import ScratchLedgers
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


class Garbage(DataSteps):
    """The data stages on a history in which every value after the present instant is garbage."""

    @override
    def prepare(self, policy: Policy, platform: Platform, run: Run, champion: str | None) -> FeaturesRecord:
        """Replace what is later, and carry out the data stages."""
        clean = self._history
        self._history = poisoned(clean, run.as_of)
        try:
            return super().prepare(policy, platform, run, champion)
        finally:
            self._history = clean


def equal_steps(spec: ModelSpec, history: readings.History, span: Span, settings: Settings) -> int:
    """Return at how many steps a replay decides the same with garbage after each of its instants."""
    request = Request(spec, policies_of({"own": spec}), history, span, None, "benchmark")
    ledgers, steps = ScratchLedgers(settings, "poison"), {}
    with tempfile.TemporaryDirectory(prefix="mlb", dir="/tmp") as name:
        for steps_of in (DataSteps, Garbage):
            folder = Path(name) / steps_of.__name__
            if steps:
                shutil.copytree(Path(name) / DataSteps.__name__ / "fits", folder / "fits")
            with patch.object(replaying, "DataSteps", steps_of):
                backtest(
                    request, settings, Scratch(folder, lambda label, fresh: ledgers.open(label, fresh=fresh))
                )
            lines = (folder / replaying.STEPS).read_text(encoding="utf-8").splitlines()
            steps[steps_of] = [re.sub(r'"cpu_seconds": [^,}]*', "", line) for line in lines]
        ledgers.drop()
    return sum(one == other for one, other in zip(steps[DataSteps], steps[Garbage], strict=True))


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
    parser.add_argument("--decisions", action="store_true")
    arguments = parser.parse_args()
    start, end = (at.replace(tzinfo=UTC) if at else None for at in (arguments.start, arguments.end))
    settings, different = Settings.from_environment({"MLOPS_EMBEDDED": "1", **os.environ}), 0
    for file in arguments.files:
        spec = load_model(file)
        history = fetch(spec, settings, start, end or datetime.now(UTC))
        span = span_of(spec, history, start, end, arguments.step)
        instants = span.instants[:-1]
        if arguments.decisions:
            equal = equal_steps(spec, history, span, settings)
            different += len(instants) - equal
            print(f"{spec.name}: {equal} of {len(instants)} steps equal, {span.sentence}", flush=True)
            continue
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
