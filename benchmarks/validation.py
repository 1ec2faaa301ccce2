"""Validation in one polars pass compared with Great Expectations on pandas: the same rules over the same rows.

    python -m benchmarks.validation [--rows 1000000]

Both get their frame in memory in their own form, and each runs in a process of its own, so that peak memory is its own.
Wall and CPU time are of the rules alone, best of three; the import of Great Expectations and its set-up are told apart.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from mlops_assets.model_file import ModelSpec
from mlops_assets.validation import expectations, rules, validate
from mlops_assets.validation.rows import Batch

END = datetime(2025, 6, 1, tzinfo=UTC)
UNITS = 50
COLUMNS = 8


def model() -> ModelSpec:
    """Ranges, a set, a pattern, required, keys, order, freshness, missing, types, volume."""
    ranges = {f"x{i}": {"min": -6.0, "max": 6.0} for i in range(COLUMNS - 2)}
    return ModelSpec.model_validate(
        {
            "name": "bench",
            "description": "benchmark",
            "owners": ["a@example.com"],
            "problem": "regression",
            "target": "y",
            "timestamp": "at",
            "entity": "unit",
            "source": {"kind": "simulated", "simulator": "pump_station"},
            "validation": {
                "freshness": "1d",
                "columns": {
                    **ranges,
                    "state": {"values": ["on", "off", "idle"], "required": True},
                    "code": {"pattern": r"[A-Z]{2}-\d{3}"},
                },
            },
            "training": {"algorithms": [{"name": "ridge"}]},
            "evaluation": {"primary": "rmse"},
        },
        strict=False,
    )


def readings(rows: int) -> pl.DataFrame:
    """Rows of UNITS units in the order of time, 1 % missing in numbers, about one row in 100,000 out of range."""
    random = np.random.default_rng(1)
    minute = np.arange(rows) // UNITS
    start = END - timedelta(minutes=int(minute[-1]))
    numbers = {
        f"x{i}": np.where(random.random(rows) < 0.01, np.nan, random.normal(size=rows))
        for i in range(COLUMNS)
    }
    return pl.DataFrame(
        {
            "at": pl.Series(minute * 60_000_000).cast(pl.Duration("us")) + pl.Series([start]),
            "unit": pl.Series(np.arange(rows) % UNITS).cast(pl.String),
            "y": random.normal(size=rows),
            "state": pl.Series(np.array(["on", "off", "idle"])[random.integers(0, 3, rows)]),
            "code": pl.Series(np.char.add("AB-", (100 + np.arange(rows) % 900).astype(str))),
            **numbers,
        }
    ).with_columns(pl.when(pl.int_range(pl.len()) % 100_000 == 7).then(9.0).otherwise("x0").alias("x0"))


def ours(rows: int) -> dict[str, Any]:
    frame, spec = readings(rows), model()
    verdicts = lambda: {a.rule: a.passed for a in validate(spec, frame, as_of=END).rules}  # noqa: E731
    return measured(verdicts)


def theirs(rows: int) -> dict[str, Any]:
    """Great Expectations on a pandas frame that is already there; only the expectations about rows, no HTML pages."""
    began = time.process_time()
    import great_expectations  # noqa: F401

    imported = time.process_time() - began
    frame, spec = readings(rows), model()
    batch = Batch(spec, frame, END, tuple(frame.columns), {})
    pandas = expectations._pandas(batch)
    del frame
    requested = [q for rule in rules(spec) for q in expectations.questions(rule, batch)]

    def verdicts() -> dict[str, bool]:
        results, _ = expectations._ask("bench", pandas, requested, {})
        return {name: all(bool(result.success) for result in matches) for name, matches in results.items()}

    return {**measured(verdicts), "import_cpu": imported}


def measured(verdicts: Callable[[], dict[str, bool]]) -> dict[str, Any]:
    walls, cpus = [], []
    result: dict[str, bool] = {}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(3):
        wall, cpu = time.perf_counter(), time.process_time()
        result = verdicts()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "wall": min(walls),
        "cpu": min(cpus),
        "before_mb": before / 1024,
        "peak_mb": peak / 1024,
        "verdicts": result,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--side", choices=("ours", "theirs"))
    chosen = parser.parse_args()
    if chosen.side:
        print(json.dumps({"ours": ours, "theirs": theirs}[chosen.side](chosen.rows)))
        return
    result = {side: _in_a_process(side, chosen.rows) for side in ("ours", "theirs")}
    a, b = result["ours"], result["theirs"]
    print(
        f"validation of {chosen.rows:,} rows, {len(a['verdicts'])} rules ours, {len(b['verdicts'])} of them theirs"
    )
    print(f"{'':26}{'wall s':>9}{'CPU s':>9}{'peak MB':>9}{'above data MB':>15}")
    for name, side in (("one polars pass", a), ("Great Expectations", b)):
        extra = side["peak_mb"] - side["before_mb"]
        print(f"{name:26}{side['wall']:>9.3f}{side['cpu']:>9.3f}{side['peak_mb']:>9.0f}{extra:>15.0f}")
    print(
        f"{'ratio':26}{b['wall'] / a['wall']:>9.1f}{b['cpu'] / a['cpu']:>9.1f}{b['peak_mb'] / a['peak_mb']:>9.1f}"
    )
    print(f"import of Great Expectations: {b['import_cpu']:.1f} s CPU, not counted above")
    difference = {name for name, passed in b["verdicts"].items() if a["verdicts"][name] != passed}
    print("verdicts: " + ("the same" if not difference else f"DIFFERENT for {', '.join(sorted(difference))}"))
    sys.exit(1 if difference else 0)


def _in_a_process(side: str, rows: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.validation", "--side", side, "--rows", str(rows)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    response: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return response


if __name__ == "__main__":
    main()
