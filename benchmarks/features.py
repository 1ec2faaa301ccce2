"""Features of 50 series, this project compared with hand-written polars per series and with pandas.

`python -m benchmarks.features [rows] [way ...]`: 24 lags per metric and windows of 6 h, 24 h and 7 d over four metrics,
160 columns and more. Every way runs in a process of its own, one after the other, on the same file; its own work is
timed, not its imports. The best of ROUNDS counts (pandas has one); ways take turns, because a machine has moods. Peak
memory is that of the whole process, input included.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

METRICS: Final = ("cpu", "memory", "network", "disk")
LAGS: Final = tuple(range(1, 25))
WINDOWS: Final = ("6h", "24h", "7d")
STATISTICS: Final = ("mean", "std", "min", "max")
SERIES: Final = 50
ROUNDS: Final = 3
CALENDAR: Final = ("hour", "day_of_week", "day_of_month", "month", "weekend", "week")
CYCLICAL: Final = ("hour", "day_of_week", "month")


def make(rows: int, file: Path) -> None:
    """`rows` readings, every five minutes, of SERIES services; rows in the order of time."""
    import numpy as np
    import polars as pl

    chance = np.random.default_rng(0)
    each = rows // SERIES
    start = datetime(2024, 1, 1, tzinfo=UTC)
    times = pl.datetime_range(
        start, start + timedelta(minutes=5 * (each - 1)), "5m", time_unit="us", eager=True
    )
    frames = [
        pl.DataFrame(
            {"timestamp": times, "service": f"s{number:02d}", "target": chance.normal(size=each)}
            | {name: 50 + chance.normal(size=each).cumsum() / 10 for name in METRICS}
        )
        for number in range(SERIES)
    ]
    pl.concat(frames).sort("timestamp", "service").write_parquet(file)


def ours(file: Path, precision: str = "float64") -> Callable[[], Any]:
    """`features.build` with a model file that asks for all of it."""
    import polars as pl

    from mlops_assets.features import build
    from mlops_assets.model_file import ModelSpec

    spec = ModelSpec.model_validate(
        {
            "name": "cloud",
            "description": "benchmark",
            "owners": ["team:benchmarks"],
            "problem": "regression",
            "target": "target",
            "timestamp": "timestamp",
            "entity": "service",
            "source": {"kind": "simulated", "simulator": "cloud_workload"},
            "features": {
                "inputs": METRICS,
                "calendar": CALENDAR,
                "cyclical": CYCLICAL,
                "lags": {"columns": METRICS, "steps": LAGS},
                "rolling": {"columns": METRICS, "windows": WINDOWS, "statistics": STATISTICS},
                "precision": precision,
            },
            "training": {"algorithms": [{"name": "ridge"}]},
            "evaluation": {"primary": "rmse"},
        },
        strict=False,
    )
    frame = pl.read_parquet(file)
    return lambda: build(spec, frame)


def polars_by_hand(file: Path) -> Callable[[], Any]:
    """What a careful person writes: sort, one expression list per series, stack."""
    import math

    import polars as pl

    frame = pl.read_parquet(file)
    parts = {
        "hour": pl.col("timestamp").dt.hour(),
        "day_of_week": pl.col("timestamp").dt.weekday() - 1,
        "day_of_month": pl.col("timestamp").dt.day(),
        "month": pl.col("timestamp").dt.month(),
        "weekend": pl.col("timestamp").dt.weekday() >= 6,
        "week": pl.col("timestamp").dt.week(),
    }
    periods = {"hour": 24.0, "day_of_week": 7.0, "month": 12.0}
    wanted = [value.cast(pl.Float64).alias(f"timestamp_{name}") for name, value in parts.items()]
    for name, period in periods.items():
        angle = parts[name].cast(pl.Float64) * (2 * math.pi / period)
        wanted += [angle.sin().alias(f"timestamp_{name}_sin"), angle.cos().alias(f"timestamp_{name}_cos")]
    wanted += [pl.col(name).shift(lag).alias(f"{name}_lag_{lag}") for name in METRICS for lag in LAGS]
    wanted += [
        getattr(pl.col(name), f"rolling_{statistic}_by")("timestamp", window_size=window).alias(
            f"{name}_{statistic}_{window}"
        )
        for name in METRICS
        for window in WINDOWS
        for statistic in STATISTICS
    ]

    def run() -> Any:
        series = frame.sort("service", "timestamp").partition_by("service", maintain_order=True)
        return pl.concat([one.with_columns(wanted) for one in series])

    return run


def pandas_by_hand(file: Path) -> Callable[[], Any]:
    """The usual pandas way: groupby, shift, rolling over time."""
    import numpy as np
    import pandas as pd

    frame = pd.read_parquet(file)

    def run() -> Any:
        ordered = frame.sort_values(["service", "timestamp"]).reset_index(drop=True)
        at = ordered["timestamp"].dt
        weekday = at.weekday
        made: dict[str, Any] = {
            "timestamp_hour": at.hour,
            "timestamp_day_of_week": weekday,
            "timestamp_day_of_month": at.day,
            "timestamp_month": at.month,
            "timestamp_weekend": (weekday >= 5).astype(float),
            "timestamp_week": at.isocalendar().week.astype(float),
        }
        for name, period in (("hour", 24.0), ("day_of_week", 7.0), ("month", 12.0)):
            angle = made[f"timestamp_{name}"] * (2 * np.pi / period)
            made |= {f"timestamp_{name}_sin": np.sin(angle), f"timestamp_{name}_cos": np.cos(angle)}
        groups = ordered.groupby("service", sort=False)
        for name in METRICS:
            made |= {f"{name}_lag_{lag}": groups[name].shift(lag) for lag in LAGS}
            for window in WINDOWS:
                rolling = ordered.groupby("service", sort=False).rolling(window, on="timestamp")[name]
                for statistic in STATISTICS:
                    made[f"{name}_{statistic}_{window}"] = getattr(rolling, statistic)().to_numpy()
        return pd.concat([ordered, pd.DataFrame(made)], axis=1)

    return run


WAYS: Final[dict[str, Callable[[Path], Callable[[], Any]]]] = {
    "features": ours,
    "features (float32)": lambda file: ours(file, "float32"),
    "polars by hand": polars_by_hand,
    "pandas": pandas_by_hand,
}


def measure(method: str, file: Path) -> dict[str, float]:
    """Wall and CPU seconds of one way, and peak memory of this process in GB."""
    run = WAYS[method](file)
    wall, cpu = time.perf_counter(), time.process_time()
    made = run()
    spent = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return spent | {"peak_gb": peak, "rows": float(made.shape[0]), "columns": float(made.shape[1])}


def main() -> None:
    """Run every way (or those named) and print the table."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    ways = sys.argv[2:] or list(WAYS)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "readings.parquet"
        subprocess.run(
            [sys.executable, "-m", "benchmarks.features", "--make", str(rows), str(file)], check=True
        )
        result: dict[str, dict[str, float]] = {}
        for turn in range(ROUNDS):
            for method in ways if turn == 0 else [method for method in ways if method != "pandas"]:
                one = _in_a_process(method, file)
                result[method] = {key: min(value, result.get(method, one)[key]) for key, value in one.items()}
        for method, one in result.items():
            ratios = {key: one[key] / result[ways[0]][key] for key in ("wall", "cpu")}
            print(
                f"{method:20} {one['columns']:4.0f} columns x {one['rows']:,.0f} rows  "
                f"wall {one['wall']:7.2f} s ({ratios['wall']:5.2f})  cpu {one['cpu']:7.2f} s ({ratios['cpu']:5.2f})  "
                f"peak {one['peak_gb']:5.2f} GB",
                flush=True,
            )


def _in_a_process(method: str, file: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.features", "--measure", method, str(file)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    response: dict[str, float] = json.loads(done.stdout)
    return response


if __name__ == "__main__":
    if sys.argv[1:2] == ["--make"]:
        make(int(sys.argv[2]), Path(sys.argv[3]))
    elif sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(sys.argv[2], Path(sys.argv[3]))))
    else:
        main()
