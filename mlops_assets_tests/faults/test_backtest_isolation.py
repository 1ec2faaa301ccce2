"""A backtest leaves production as it was: databases, tables and files, also when it is killed; and it goes on."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from mlops_assets_tests.backtest_platform import START, body_of, hourly
from mlops_assets_tests.local_platform import LocalPlatform
from mlops_assets_tests.waiting import became_true

DATABASES = ("mlops_ledger", "mlops_dagster", "mlops_mlflow", "mlops_readings")
COMMAND = [sys.executable, "-c", "from mlops_assets.cli import main; main()", "backtest"]


def database_hashes(server: str) -> dict[str, str]:
    """A hash of every row of every table of production."""
    hashes = {}
    for name in DATABASES:
        engine = create_engine(make_url(server).set(database=name))
        with engine.connect() as connection:
            tables = connection.execute(
                text("select table_name from information_schema.tables where table_schema = 'public'")
            ).scalars()
            for table in sorted(tables):
                rows = connection.execute(
                    text(
                        f"select coalesce(md5(string_agg(t::text, ',' order by t::text)), '') from \"{table}\" t"
                    )
                )
                hashes[f"{name}.{table}"] = str(rows.scalar_one())
        engine.dispose()
    return hashes


def file_hashes(home: Path) -> dict[str, str]:
    """A hash of every file of production; backtests have a folder of their own."""
    return {
        str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(home.rglob("*"))
        if path.is_file() and path.relative_to(home).parts[0] != "backtests"
    }


def scratch_databases(server: str) -> list[str]:
    engine = create_engine(server)
    with engine.connect() as connection:
        query = text("select datname from pg_database where datname like 'mlops\\_backtest\\_%'")
        names = list(connection.execute(query).scalars())
    engine.dispose()
    return names


@pytest.mark.slow
@pytest.mark.faults
def test_a_killed_backtest_touches_nothing_and_goes_on(
    local_platform: LocalPlatform, postgres_server: str, tmp_path: Path
) -> None:
    spec = local_platform.model()
    assert local_platform.run_lifecycle(spec).success  # production has something to lose
    home = local_platform.settings.home
    readings = tmp_path / "readings.parquet"
    hourly().write_parquet(readings)
    file = local_platform.settings.models / "replayed.yaml"
    file.write_text(json.dumps(body_of(readings, name="replayed")))
    environ = {**os.environ, "MLOPS_DATABASE_URL": postgres_server}
    span = ["--from", (START.replace(day=25)).isoformat(), "--step", "7d", "--json"]
    before = database_hashes(postgres_server), file_hashes(home)
    try:
        process = subprocess.Popen(
            [*COMMAND, "replayed", *span], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

        def has_begun() -> bool:
            states = (home / "backtests").glob("*/*/steps.jsonl")
            return process.poll() is not None or any(state.read_text().count("\n") >= 2 for state in states)

        assert became_true(has_begun, 60)
        assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert (database_hashes(postgres_server), file_hashes(home)) == before
        assert scratch_databases(postgres_server)

        finished = subprocess.run(
            [*COMMAND, "replayed", *span], env=environ, capture_output=True, text=True, check=False
        )
        assert finished.returncode == 0, finished.stderr
        result = json.loads(finished.stdout)
        assert {one["policy"] for one in result["policies"]} == {
            "own",
            "never_retrain",
            "always_promote",
            "oracle",
        }
        assert (database_hashes(postgres_server), file_hashes(home)) == before
        assert scratch_databases(postgres_server) == []
        [folder] = (home / "backtests" / "replayed").iterdir()
        assert {path.suffix for path in folder.iterdir()} == {".json", ".html", ".md", ".png", ""}
        assert (folder / "lock").is_file()
    finally:
        file.unlink()
