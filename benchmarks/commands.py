"""CPU seconds of every command that people wait for, from the start of the process.

    python -m benchmarks.commands [--repeat 7] [--runs] [--home FOLDER]

Each command is a fresh process in one prepared home, with bytecode already written; the median over the repetitions of
user and system time of the process and its children. Compared with `python -c pass` and the imports that a command
cannot avoid. `--runs` adds lifecycle runs of the wine model: the first, one with nothing changed, one forced.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MLOPS = ("-c", "from mlops_assets.cli import main; main()")
IMPORTS = ("click", "pydantic.main", "sqlalchemy", "polars", "dagster")
COMMANDS = (
    "--help",
    "validate",
    "list",
    "status",
    "history wine_classifier",
    "waiting",
    "alerts",
    "report wine_classifier",
    "logs wine_classifier",
)
RUNS = ("run wine_classifier", "run wine_classifier", "run wine_classifier --force")


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--runs", action="store_true")
    parser.add_argument("--home", type=Path, help="a prepared home; default a temporary one")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ml-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("MLOPS_")}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        environ |= {
            "MLOPS_HOME": str(chosen.home or Path(folder) / "home"),
            "MLOPS_MODELS": str(ROOT / "models"),
            "PYTHONPYCACHEPREFIX": str(Path(folder) / "bytecode"),
        }
        cpu_seconds((*MLOPS, "status"), environ)  # makes the databases
        print("| command | CPU s |\n|---|---|", flush=True)
        report("python -c pass", ("-c", "pass"), environ, chosen.repeat)
        for name in IMPORTS:
            report(f"import {name.partition('.')[0]}", ("-c", f"import {name}"), environ, chosen.repeat)
        for command in RUNS if chosen.runs else ():
            report(f"mlops {command}", (*MLOPS, *command.split()), environ, 1)
        for command in COMMANDS:
            report(f"mlops {command}", (*MLOPS, *command.split()), environ, chosen.repeat)


def report(title: str, arguments: Sequence[str], environ: Mapping[str, str], repeat: int) -> None:
    """Print one row."""
    if repeat > 1:
        cpu_seconds(arguments, environ)  # writes the bytecode
    median = statistics.median(cpu_seconds(arguments, environ) for _ in range(repeat))
    print(f"| `{title}` | {median:.2f} |", flush=True)


def cpu_seconds(arguments: Sequence[str], environ: Mapping[str, str]) -> float:
    """User and system time of one process and its children; the exit code does not matter."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environ, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
