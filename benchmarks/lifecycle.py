"""One lifecycle run of the pump model compared with a plain script that does the same work without a platform.

    python -m benchmarks.lifecycle [--rounds 3] [--home FOLDER]

Ours is `mlops run pump_efficiency`: Dagster, ledger, MLflow, Delta tables, quality rules, two candidates in processes
that can be ended, champion scored again on the same rows, gates, report, promotion or not, predictions. The script
(`benchmarks/lifecycle_script.py`) reads the same table with the same rules, builds the same features, fits the same
candidates and logs the same things to the same MLflow; once with SHAP values from the closed form and from LightGBM,
as ours, and once from the shap package, as most people write it.

Each is a fresh process in a home that is already prepared, on a database server that already runs; all take turns,
each round with readings that nobody has seen before. Wall time by the clock, CPU time of the process and of all its
children, user and system, as the kernel counts it; the median over the rounds of each, and of the ratios within rounds.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

from mlops_assets.local.environment import environment
from mlops_assets.local.postgres import prepare
from mlops_assets.readings.sources.feed import catch_up
from mlops_assets.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
MODEL = "pump_efficiency"
OURS, LEAN, PACKAGE = "mlops run", "plain script", "plain script with shap"
AIM = 1.5


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds of one process and its children."""

    wall: float
    cpu: float


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--home", type=Path, help="kept, and found prepared the next time; default a temporary one"
    )
    chosen = parser.parse_args()
    with ExitStack() as stack:
        folder = chosen.home or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mlops-bench-")))
        env, now = _home(folder.absolute())
        print(machine(), flush=True)
        # the first run in a home has no champion to compare with, and compiles what is imported
        for name in (OURS, LEAN, PACKAGE):
            timed(_command(name, now - timedelta(hours=chosen.rounds + 1), env), env)
        rounds = []
        for number in range(chosen.rounds, 0, -1):
            as_of = now - timedelta(hours=number)
            rounds.append({name: timed(_command(name, as_of, env), env) for name in (OURS, LEAN, PACKAGE)})
            print(_line(f"round {chosen.rounds - number + 1}", rounds[-1]), flush=True)
    _report(rounds)


def machine() -> str:
    """What the numbers were taken on."""
    libraries = ", ".join(
        f"{name} {version(name)}" for name in ("dagster", "mlflow", "scikit-learn", "lightgbm")
    )
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}, {libraries}"
    )


def timed(command: Sequence[str], env: Mapping[str, str], folder: Path = ROOT) -> Taken:
    """Run to the end, quietly. Raises RuntimeError with what it said when it fails."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{command} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3_000:]}")
    return Taken(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def _home(folder: Path) -> tuple[dict[str, str], datetime]:
    """A prepared home with readings up to now; the environment that children use its server with."""
    here = replace(
        Settings.from_environment(
            {**os.environ, "MLOPS_HOME": str(folder), "MLOPS_MODELS": str(ROOT / "models")}
        ),
        database_url=None,
        readings_url=None,
    )
    stores = prepare(here, print)
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    catch_up(stores.readings_url, "readings_wide", "pump_station", until=now)
    return {**environment(here, stores), "OMP_NUM_THREADS": "1"}, now


def _command(name: str, as_of: datetime, env: Mapping[str, str]) -> list[str]:
    if name == OURS:
        main = "from mlops_assets.cli.main import main; main()"
        return [sys.executable, "-c", main, "run", MODEL, "--force", "--as-of", as_of.isoformat()]
    script = [sys.executable, "-m", "benchmarks.lifecycle_script", env["MLOPS_READINGS_URL"]]
    return [*script, as_of.isoformat(), env["MLOPS_HOME"], "--shap", "own" if name == LEAN else "package"]


def _line(what: str, taken: Mapping[str, Taken]) -> str:
    return f"{what:10}" + "".join(f"{one.wall:>12.1f} s{one.cpu:>8.1f} s CPU" for one in taken.values())


def _report(rounds: list[dict[str, Taken]]) -> None:
    names = list(rounds[0])
    medians = {
        name: Taken(
            statistics.median(taken[name].wall for taken in rounds),
            statistics.median(taken[name].cpu for taken in rounds),
        )
        for name in names
    }
    print(f"{'':10}" + "".join(f"{name:>24}" for name in names))
    print(_line("median", medians))
    for other in names[1:]:
        wall = statistics.median(taken[OURS].wall / taken[other].wall for taken in rounds)
        cpu = statistics.median(taken[OURS].cpu / taken[other].cpu for taken in rounds)
        print(
            f"{OURS} beside the {other}: {wall:.2f} times the wall time, {cpu:.2f} times the CPU time (aim {AIM})"
        )


if __name__ == "__main__":
    main()
