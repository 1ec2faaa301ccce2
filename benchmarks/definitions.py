"""How long Dagster takes to load the graph: the shipped models and 200 generated ones.

    python -m benchmarks.definitions [--models 200] [--rounds 3]

Generated models are copies of the shipped files under other names, which is what a plant with many pumps has. Measured,
each in a fresh process and in turn: the import of `mlops_assets.definitions`, and `dagster definitions validate`, which
starts a code server as the webserver does. Medians of wall time and of CPU time of the process and its children.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.lifecycle import ROOT, Taken, machine, timed

LIMIT = 15.0
"""Seconds of wall time that validating the generated models may take on a quiet machine."""
SHIPPED = ("pump_efficiency", "wine_classifier")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlops-bench-") as name:
        folder = Path(name)
        sizes = (len(SHIPPED), chosen.models)
        for size in sizes:
            generate(folder / str(size), size)
        (folder / "home").mkdir()
        cases = [(what, size) for what in COMMANDS for size in sizes]
        print(machine(), flush=True)
        taken: dict[tuple[str, int], list[Taken]] = {case: [] for case in cases}
        for number in range(chosen.rounds + 1):
            for what, size in cases:
                one = timed(COMMANDS[what], _environment(folder, size), folder / "home")
                if number:  # the first compiles what is imported
                    taken[what, size].append(one)
        for (what, size), result in taken.items():
            wall, cpu = (statistics.median(getattr(one, part) for one in result) for part in ("wall", "cpu"))
            print(f"{what:32}{size:>5} models{wall:>8.2f} s wall{cpu:>8.2f} s CPU")
        slowest = statistics.median(one.wall for one in taken[VALIDATE, chosen.models])
        print(f"{chosen.models} models {'within' if slowest < LIMIT else 'OVER'} {LIMIT:.0f} s")
        sys.exit(0 if slowest < LIMIT else 1)


def generate(folder: Path, count: int) -> None:
    """Copies of the shipped model files, each with a name of its own; the first ones keep theirs."""
    folder.mkdir()
    for number in range(count):
        shipped = SHIPPED[number % len(SHIPPED)]
        name = shipped if number < len(SHIPPED) else f"{shipped}_{number}"
        text = (ROOT / "models" / f"{shipped}.yaml").read_text(encoding="utf-8")
        (folder / f"{name}.yaml").write_text(
            text.replace(f"name: {shipped}", f"name: {name}"), encoding="utf-8"
        )


def _environment(folder: Path, size: int) -> dict[str, str]:
    # An instance that needs no database, so that only loading is measured.
    (folder / "home" / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    return {
        **os.environ,
        "DAGSTER_HOME": str(folder / "home"),
        "MLOPS_MODELS": str(folder / str(size)),
        "PYTHONPATH": str(ROOT),
    }


IMPORT, VALIDATE = "import mlops_assets.definitions", "dagster definitions validate"
COMMANDS: dict[str, Sequence[str]] = {
    IMPORT: [sys.executable, "-c", IMPORT],
    VALIDATE: [sys.executable, "-m", "dagster", "definitions", "validate", "-m", "mlops_assets.definitions"],
}

if __name__ == "__main__":
    main()
