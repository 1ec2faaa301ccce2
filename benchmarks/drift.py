"""Drift of many rows against a stored profile, in CPU seconds: ours, reading the rows once, and Evidently's PSI.

    python -m benchmarks.drift [--rows 1000000] [--columns 20]

A training also pays once for the null distribution of its windows; it is listed. Evidently runs where it is installed
(it is no dependency of this project), on a pandas frame in memory.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.detection import spec_of
from mlops_assets.features import profile, with_nulls
from mlops_assets.monitoring import drift

START = datetime(2025, 1, 1, tzinfo=UTC)


def cpu(work: Callable[[], object], repeats: int = 3) -> float:
    """Return the least CPU seconds of all threads."""
    seconds = []
    for _ in range(repeats):
        before = time.process_time()
        work()
        seconds.append(time.process_time() - before)
    return min(seconds)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=20)
    options = parser.parse_args()
    names = [f"x{i}" for i in range(options.columns)]
    random = np.random.default_rng(0)
    step = timedelta(days=70) / options.rows
    at = pl.datetime_range(
        START, START + step * (options.rows - 1), interval=step, eager=True, time_zone="UTC"
    )
    train, new = (
        pl.DataFrame({name: random.normal(size=options.rows) for name in names}).with_columns(
            at=at[: options.rows]
        )
        for _ in range(2)
    )
    spec = spec_of(names, timestamp=True, fixed=False)
    bare = profile(train, names)
    reference = with_nulls(bare, train, "at", spec.monitoring.window)
    as_of = START + timedelta(days=70)
    results = {
        "ours, with learned limits": cpu(
            lambda: drift(spec, reference, 1, new, as_of, computed=(), from_clock=())
        ),
        "training, once: the profile": cpu(lambda: profile(train, names), 1),
        "training, once: the null distribution": cpu(
            lambda: with_nulls(bare, train, "at", spec.monitoring.window), 1
        ),
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.parquet"
        new.write_parquet(file)
        results["reading the rows once"] = cpu(lambda: pl.read_parquet(file).sum())
    if importlib.util.find_spec("evidently") is None:
        print("Evidently is not installed here\n")
    else:
        results["Evidently, PSI of each column"] = cpu(lambda: _evidently(train, new, names), 1)
    least = results["ours, with learned limits"]
    print(f"{options.columns} columns x {options.rows:,} rows\n\n| what | CPU s | ratio |\n|---|---|---|")
    for name, seconds in results.items():
        print(f"| {name} | {seconds:.3f} | {seconds / least:.2f} |")


def _evidently(train: pl.DataFrame, new: pl.DataFrame, names: list[str]) -> object:
    from evidently import Report
    from evidently.presets import DataDriftPreset

    reference, current = (frame.select(names).to_pandas() for frame in (train, new))
    return Report([DataDriftPreset(method="psi")]).run(current, reference)


if __name__ == "__main__":
    main()
