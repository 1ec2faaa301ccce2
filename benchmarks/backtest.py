"""A backtest of the pump model, compared with the distinct trainings, predictions and evaluations alone.

The peer is a plain script: it reads each week's window, builds features, fits, chooses, fits again, predicts the
following week and measures, with the same functions and without gates, governor, ledger or bundles. The backtest does
that for several policies with all of those. Processor time of both, in one run; the database server's is not counted.

    python -m benchmarks.backtest [--weeks 12] [--policies 4]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from mlops_assets import evaluation, features, readings, validation
from mlops_assets.backtest import Request, Scratch, Span, backtest, built_in_policies, policies_of
from mlops_assets.backtest.processor_time import processor_seconds
from mlops_assets.backtest.span import fetch
from mlops_assets.lifecycle.platform import Run
from mlops_assets.lifecycle.stages.candidates import Study
from mlops_assets.lifecycle.stages.train import fit_recipe
from mlops_assets.local.postgres import release
from mlops_assets.local.scratch_databases import ScratchLedgers
from mlops_assets.model_file import ModelSpec, load_model
from mlops_assets.model_file.source import SimulatedSource
from mlops_assets.settings import Settings

START = datetime(2026, 2, 1, tzinfo=UTC)
WEEK = timedelta(weeks=1)


def pump() -> ModelSpec:
    """The shipped model file, over the simulator itself."""
    spec = load_model(Path("models/pump_efficiency.yaml"))
    source = SimulatedSource(kind="simulated", simulator="pump_station", window=timedelta(days=30))
    return spec.model_copy(update={"source": source})


def script(spec: ModelSpec, history: readings.History, span: Span, settings: Settings, folder: Path) -> float:
    """Train, predict and evaluate every week; return the processor time in seconds."""
    began = processor_seconds()
    champion = None
    for week, at in enumerate(span.instants[:-1]):
        raw = readings.read(spec, as_of=at, settings=settings, history=history).frame
        valid = validation.validate(spec, raw, as_of=at, reference=None).valid
        frame = features.build(spec, valid)
        if champion is not None:
            champion.predict(frame.filter(pl.col(str(spec.timestamp)) > at - span.step))
        split = features.split(spec, frame)
        run = Run(str(week), at, lambda: START, "script", "", lambda _sentence: None)
        fits = fit_recipe(spec, frame, split, run, Study(folder / "journal", str(week)))
        challenger = fits.again.served if fits.again else fits.best
        for one in (fits.best, challenger, champion):
            if one is not None:
                evaluation.measure(spec, one, split.test)
        champion = challenger
    return processor_seconds() - began


def main() -> None:
    """Print both, and the cost of one more policy."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weeks", type=int, default=12)
    arguments = parser.parse_args()
    spec, span = pump(), Span(START, START + arguments.weeks * WEEK, WEEK)
    with tempfile.TemporaryDirectory(prefix="mlb", dir="/tmp") as name:
        home = Path(name)
        settings = Settings.from_environment({"MLOPS_HOME": name, "MLOPS_MODELS": name})
        history = fetch(spec, settings, span.start, span.end)
        warm = Span(START, START + 2 * WEEK, WEEK)
        script(spec, history, warm, settings, home)  # imports, worker processes
        plain = script(spec, history, span, settings, home)
        bare = policies_of({"bare": spec.model_copy(update={"gates": spec.gates[1:]})})
        measured = {}
        for count, policies in ((3, built_in_policies(spec)), (4, (*built_in_policies(spec), *bare))):
            ledgers = ScratchLedgers(settings, f"b{count}")
            request = Request(spec, policies, history, span, None, "benchmark")
            began, wall = processor_seconds(), time.monotonic()
            result = backtest(
                request,
                settings,
                Scratch(home / str(count), lambda label, fresh, made=ledgers: made.open(label, fresh=fresh)),
            )
            assert result is not None
            measured[count] = processor_seconds() - began
            print(
                f"{count} policies, {arguments.weeks} weeks: {measured[count]:.1f} CPU s "
                f"({time.monotonic() - wall:.0f} s), {result.distinct_trainings} trainings "
                f"{result.distinct_cpu_seconds:.1f} CPU s"
            )
            ledgers.drop()
        release(settings)
    print(f"plain script: {plain:.1f} CPU s; four policies take {measured[4] / plain:.2f} times as long")
    print(f"one policy more: {(measured[4] - measured[3]) / (measured[3] / 3):.1%} of one of the first three")


if __name__ == "__main__":
    main()
