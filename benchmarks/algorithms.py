"""Algorithms on real data: the measured error of each compared with the baseline's, and what the gates made of it.

    python -m benchmarks.algorithms [--data ../shared/data] [--only orange_juice vic_elec ...]

Every line is one lifecycle run: a model file with one algorithm goes through `mlops run`'s own graph in its own home,
and the numbers are those of its evidence on the holdout. Data sets that are not in the folder are named and left out;
the models that ship bring their own data, and all their algorithms compete. Known is what a careless person's boosting
reached on the same rows and split, or what the literature says; it is no target.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl
import yaml

from benchmarks.algorithm_data import SETS, DataSet
from mlops_assets.lifecycle.platform import Platform, known_record
from mlops_assets.lifecycle.records import ReportRecord
from mlops_assets.local.environment import environment
from mlops_assets.local.postgres import prepare
from mlops_assets.model_file import ModelSpec
from mlops_assets.settings import Settings
from mlops_assets.stages import EVALUATION_REPORT

ROOT: Final = Path(__file__).resolve().parent.parent
SHIPPED: Final = (
    "pump_efficiency",
    "tank_forecasting",
    "wine_classifier",
    "ad_sales_forecasting",
    "cloud_workload",
    "cloud_scaling_event",
)


def model_files(name: str, chosen: DataSet, data: Path, folder: Path) -> list[ModelSpec]:
    """One model file per algorithm, over rows that are written below `folder`."""
    plain = "".join(letter if letter.isalnum() else "_" for letter in name.split(",")[0])
    rows = chosen.rows(pl.read_parquet(data / f"{chosen.file}.parquet"))
    path = folder / f"{plain}.parquet"
    rows.write_parquet(path)
    specs = []
    for algorithm in chosen.algorithms:
        body = {
            "name": f"{plain}_{next(iter(algorithm))}",
            "description": name,
            "owners": ["team:benchmarks"],
            "source": {"kind": "file", "path": str(path)}
            | ({"window": "4000d"} if "timestamp" in chosen.body else {}),
            **chosen.body,
            "training": {**chosen.body.get("training", {}), "algorithms": [algorithm], "time_limit": "3m"},
        }
        specs.append(ModelSpec.model_validate_json(json.dumps(body)))
    return specs


def line(spec: ModelSpec, platform: Platform, shown: str, known: str, as_of: datetime) -> str:
    """Run one lifecycle and return its row of the table."""
    from mlops_assets.defs.execution import materialize

    began, message = time.monotonic(), list[str]()
    finished = materialize(spec, as_of=as_of, actor="benchmark", progress=message.append, reuse=False)
    seconds = time.monotonic() - began
    record = known_record(platform, spec, EVALUATION_REPORT, ReportRecord)
    if record is None:
        why = "; ".join(f"{stage}: {sentence}" for stage, sentence in finished.failures)
        return f"| {shown} | - | - | - | {known} | no report: {why[:300]} | {seconds:.0f} s |"
    primary = spec.evaluation.primary
    [row] = [one for one in record.metrics if (one["part"], one["metric"]) == ("test", primary)]
    evidence = platform.ledger.evidence_of(spec.name, record.version)[0].body
    ours, theirs = (f"{row[who]:.4g}" if row[who] is not None else "-" for who in ("challenger", "baseline"))
    reason = record.decision.reason.replace("|", "/")[:120]
    return (
        f"| {shown} | {evidence['algorithm']} | {primary} {ours} | {theirs} | {known} "
        f"| {record.decision.outcome}: {reason}{_fairness(evidence)} | {seconds:.0f} s |"
    )


def _fairness(evidence: Mapping[str, Any]) -> str:
    """The largest differences between groups, per column."""
    rows = [one for one in evidence["evaluation"]["fairness"] if one["difference"] is not None]
    worst = [f"{one['column']} {one['measure']} {one['difference']:.2f}" for one in rows]
    return f"; apart by {', '.join(worst)}" if worst else ""


def main() -> None:
    """Print a Markdown table."""
    names = [*SETS, *SHIPPED]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--only", nargs="+", default=names, help=f"beginnings of: {', '.join(names)}")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    wanted = [name for name in names if name.startswith(tuple(chosen.only))]
    with tempfile.TemporaryDirectory(prefix="ml-", dir="/tmp", ignore_cleanup_errors=True) as home:
        platform = _platform(Path(home))
        print("| data set | algorithm | holdout | baseline | known | the gates say | took |")
        print("|---|---|---|---|---|---|---|", flush=True)
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        for name in wanted:
            if name in SHIPPED:
                spec = ModelSpec.model_validate_json(
                    json.dumps(yaml.safe_load((ROOT / "models" / f"{name}.yaml").read_text()))
                )
                print(line(spec, platform, name, "", now), flush=True)
            elif not (chosen.data / f"{SETS[name].file}.parquet").exists():
                print(
                    f"| {name} | skipped: {SETS[name].file} is not in {chosen.data} | | | | | |", flush=True
                )
            else:
                for spec in model_files(name, SETS[name], chosen.data, Path(home)):
                    as_of = _end(spec) or now
                    print(line(spec, platform, name, SETS[name].known, as_of), flush=True)
        platform.ledger.close()


def _end(spec: ModelSpec) -> datetime | None:
    """Just after the last of the rows that have a time."""
    if spec.timestamp is None:
        return None
    path = spec.source.model_dump()["path"]
    last = pl.scan_parquet(path).select(pl.col(spec.timestamp).max()).collect().item()
    return datetime.fromisoformat(last.isoformat()) + timedelta(minutes=1)


def _platform(home: Path) -> Platform:
    """Every store, open, in a home of its own; whoever asks the environment finds it too."""
    mine = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MLOPS_", "MLFLOW_", "DAGSTER_"))
    }
    settings = Settings.from_environment(
        {**mine, "MLOPS_HOME": str(home / "home"), "MLOPS_MODELS": str(ROOT / "models")}
    )
    stores = prepare(settings)
    os.environ.update(environment(settings, stores))
    return Platform.open(Settings.from_environment(os.environ), stores)


if __name__ == "__main__":
    main()
