"""Cost per row from 100,000 to 10 million rows: features (160 columns, float32), validation, point-in-time join.

    python -m benchmarks.scaling [--sizes 100000 1000000 10000000] [--work features]

Every size runs in a process of its own, input included in the peak. In brackets: per row, as a multiple of the smallest
size. The peak must stay below 8 GB.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import polars as pl

from benchmarks import features, joins, validation

LIMIT_GB: Final = 8.0


def build(rows: int, folder: Path) -> Callable[[], Any]:
    """The benchmark model of features in float32; the file is written by another process."""
    file = folder / "readings.parquet"
    subprocess.run([sys.executable, "-m", "benchmarks.features", "--make", str(rows), str(file)], check=True)
    return features.ours(file, "float32")


def validate(rows: int, _: Path) -> Callable[[], Any]:
    """The benchmark model of validation."""
    from mlops_assets.validation import validate as run

    frame, spec = validation.readings(rows), validation.model()
    return lambda: run(spec, frame, as_of=validation.END)


def join(rows: int, folder: Path) -> Callable[[], Any]:
    """As many questions as facts."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.joins",
        "--make",
        "--rows",
        str(rows),
        "--folder",
        str(folder),
    ]
    subprocess.run(command, check=True)
    return joins.ours(folder)


WORK: Final[dict[str, Callable[[int, Path], Callable[[], Any]]]] = {
    "features": build,
    "validation": validate,
    "join": join,
}


def measure(work: str, rows: int) -> dict[str, float]:
    """Wall and CPU seconds of one run, peak GB of the process."""
    with tempfile.TemporaryDirectory() as folder:
        run = WORK[work](rows, Path(folder))
        wall, cpu = time.perf_counter(), time.process_time()
        made = run()
        spent = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    columns = made.width if isinstance(made, pl.DataFrame) else 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return spent | {"peak_gb": peak, "columns": columns}


def main() -> None:
    """Print the table; exits with 1 when a peak is above the limit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--work", choices=tuple(WORK), nargs="+", default=list(WORK))
    parser.add_argument("--measure", type=int)
    chosen = parser.parse_args()
    if chosen.measure:
        print(json.dumps(measure(chosen.work[0], chosen.measure)))
        return
    over = False
    for work in chosen.work:
        first = None
        for rows in chosen.sizes:
            one = _in_a_process(work, rows)
            each = {key: one[key] / rows * 1e6 for key in ("wall", "cpu")}
            first = first or each
            over |= one["peak_gb"] > LIMIT_GB
            ratios = {key: each[key] / first[key] for key in each}
            print(
                f"{work:12} {rows:>12,} rows  wall {one['wall']:8.2f} s  "
                f"per row: wall {each['wall']:7.2f} us ({ratios['wall']:4.2f})  "
                f"cpu {each['cpu']:7.2f} us ({ratios['cpu']:4.2f})  peak {one['peak_gb']:5.2f} GB",
                flush=True,
            )
    sys.exit(1 if over else 0)


def _in_a_process(work: str, rows: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.scaling", "--work", work, "--measure", str(rows)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    response: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return response


if __name__ == "__main__":
    main()
