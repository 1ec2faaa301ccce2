"""The same daily refits by a backtest and by skforecast: equal errors, and the processor time of both.

Half-hourly demand of Victoria: ridge regression on the demand 1, 2 and 7 days before, the temperature and holidays,
fitted again each day on all earlier rows. A fold of 48 half-hours is predicted from values that are known.
skforecast needs an environment of its own, whose Python is the first argument.

    python -m benchmarks.backtest_peer PYTHON [--folds 14] [--data FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from mlops_assets.backtest import Request, Scratch, Span, backtest, built_in_policies
from mlops_assets.backtest.processor_time import processor_seconds
from mlops_assets.backtest.span import fetch
from mlops_assets.local.postgres import release
from mlops_assets.local.scratch_databases import ScratchLedgers
from mlops_assets.model_file import ModelSpec
from mlops_assets.settings import Settings

LAGS: Final = (48, 96, 336)
START: Final = datetime(2012, 6, 1, tzinfo=UTC)
DAY: Final = timedelta(days=1)
PEER: Final = """
import json, sys, time, warnings
import pandas as pd
warnings.simplefilter("ignore")
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skforecast.model_selection import TimeSeriesFold, backtesting_forecaster
from skforecast.recursive import ForecasterRecursive

data = pd.read_csv(sys.argv[1], parse_dates=["at"], index_col="at").asfreq("30min")
first, folds = int(sys.argv[2]), int(sys.argv[3])
data = data.iloc[: first + 48 * folds]
began = time.process_time()
forecaster = ForecasterRecursive(make_pipeline(StandardScaler(), Ridge()), lags=[48, 96, 336])
fold = TimeSeriesFold(steps=48, initial_train_size=first, refit=True, fixed_train_size=False, verbose=False)
_, predicted = backtesting_forecaster(
    forecaster, y=data["Demand"], exog=data[["Temperature", "Holiday"]], cv=fold,
    metric="mean_squared_error", n_jobs=1, show_progress=False,
)
seconds = time.process_time() - began
print(json.dumps({"seconds": seconds, "predicted": predicted["pred"].tolist()}))
"""


def rows_of(file: Path) -> pl.DataFrame:
    """Return the readings with the lags as columns; null where the series has not begun."""
    stored = pl.read_parquet(file).sort("Time")
    return stored.select(
        pl.col("Time").cast(pl.Datetime("us", "UTC")).alias("at"),
        "Demand",
        "Temperature",
        pl.col("Holiday").cast(pl.Int8),
        *(pl.col("Demand").shift(lag).alias(f"before_{lag}") for lag in LAGS),
    )


def spec_of(file: Path) -> ModelSpec:
    """Return a model file of one ridge regression that is fitted each day."""
    body = {
        "name": "demand",
        "description": "Half-hourly demand",
        "owners": ["people@example.com"],
        "problem": "regression",
        "target": "Demand",
        "timestamp": "at",
        "source": {"kind": "file", "path": str(file)},
        "features": {"inputs": ["Temperature", "Holiday", *(f"before_{lag}" for lag in LAGS)]},
        "training": {"algorithms": [{"ridge": {}}], "interval": None},
        "evaluation": {"primary": "rmse"},
        "gates": [{"metric_at_most": {"metric": "rmse", "limit": 1e9}}, "no_missing_predictions"],
        "schedules": {"retrain": "0 0 * * *"},
    }
    return ModelSpec.model_validate_json(json.dumps(body))


def main() -> None:
    """Print the largest difference of a fold's error, and both processor times."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("python", type=Path)
    parser.add_argument("--folds", type=int, default=14)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MLOPS_PUBLIC_DATA", "data")))
    options = parser.parse_args()
    rows = rows_of(options.data / "vic_elec_halfhour.parquet").filter(
        pl.col("at") <= START + options.folds * DAY
    )
    with tempfile.TemporaryDirectory(prefix="mlb", dir="/tmp") as name:
        home = Path(name)
        rows.write_csv(home / "rows.csv", datetime_format="%Y-%m-%d %H:%M:%S")
        rows.filter(pl.col("before_336").is_not_null()).write_parquet(home / "rows.parquet")
        first = rows.filter(pl.col("at") <= START).height
        done = subprocess.run(
            [options.python, "-c", PEER, home / "rows.csv", str(first), str(options.folds)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        peer = json.loads(done.stdout)
        spec = spec_of(home / "rows.parquet")
        settings = Settings.from_environment({"MLOPS_HOME": name, "MLOPS_MODELS": name})
        span = Span(START, START + options.folds * DAY, DAY)
        history = fetch(spec, settings, span.start, span.end)
        ledgers = ScratchLedgers(settings, "peer")
        always = built_in_policies(spec)[2:]
        request = Request(spec, always, history, span, None, "benchmark")
        began = processor_seconds()
        result = backtest(
            request,
            settings,
            Scratch(home / "scratch", lambda label, fresh: ledgers.open(label, fresh=fresh)),
        )
        seconds = processor_seconds() - began
        assert result is not None
        ledgers.drop()
        release(settings)
    truth = rows["Demand"].to_numpy()[first:].reshape(options.folds, 48)
    predicted = np.array(peer["predicted"]).reshape(options.folds, 48)
    errors = np.sqrt(((truth - predicted) ** 2).mean(axis=1))
    difference = np.abs(np.array(result.policies[0].errors) / errors - 1).max()
    print(f"{options.folds} folds of 48 rows: the errors differ by at most {difference:.1e} of their size")
    print(
        f"{seconds:.1f} CPU s, of which {result.distinct_cpu_seconds:.1f} in trainings; skforecast "
        f"{peer['seconds']:.1f}: {seconds / peer['seconds']:.1f} times"
    )


if __name__ == "__main__":
    main()
