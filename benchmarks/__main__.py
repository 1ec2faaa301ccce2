"""`make bench`: every benchmark, one after the other, each in a process of its own.

`python -m benchmarks [name ...]` runs those named. Sizes and ways of one alone: `python -m benchmarks.<name> --help` or
its docstring.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

NAMES = (
    "alert_sweep",
    "algorithms",
    "backtest",
    "commands",
    "definitions",
    "detection",
    "drift",
    "features",
    "first_promotion_simulation",
    "joins",
    "leakage",
    "lifecycle",
    "promotion_simulation",
    "scaling",
    "serving",
    "tracking",
    "training",
    "validation",
    "weekly_decisions",
)


def main() -> None:
    """Exits with 1 when a benchmark fails, after the others ran."""
    here = Path(__file__).parent
    unknown = [name for name in sys.argv[1:] if name not in NAMES]
    if unknown:
        sys.exit(f"no benchmark {unknown[0]!r}; there are {', '.join(NAMES)}")
    failed = []
    for name in sys.argv[1:] or NAMES:
        print(f"\n== {name}", flush=True)
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], cwd=here.parent, check=False)
        if done.returncode:
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
