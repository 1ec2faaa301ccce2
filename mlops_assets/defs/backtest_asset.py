"""The asset `backtest_report` of each model: the policies of its file replayed, whenever somebody materializes it.

No job and no schedule selects it. It works in a process of its own, in scratch ledgers, as `mlops backtest` does.
"""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg

from mlops_assets.defs import catalog
from mlops_assets.defs.metadata import inlined_report
from mlops_assets.model_file import ModelSpec

BACKTEST_REPORT = "backtest_report"


class BacktestConfig(dg.Config):
    """What the launchpad offers: the same as the options of `mlops backtest`."""

    start: str | None = None
    """First decision, such as 2026-01-04; unset: one window after the first row."""
    end: str | None = None
    """End of the simulated time; unset: the last row."""
    step: str = "7d"
    """Time between two decisions."""
    policies: str | None = None
    """Path of a policies file; unset: the built-in policies."""


def backtest_report(spec: ModelSpec) -> dg.AssetsDefinition:
    """Return the asset with the backtest of the model's policies.

    Args:
        spec: The model file; it names a timestamp.

    Returns:
        The asset.
    """

    @dg.asset(
        name=BACKTEST_REPORT,
        key_prefix=spec.name,
        group_name=spec.name,
        description="What the policies of the model file would have led to over its history, compared with never "
        "retraining, promoting every challenger, and the best version of each step. Materialize it on demand.",
        owners=list(spec.owners),
        kinds={"polars"},
        tags=catalog.tags_of(spec),
    )
    def materialize(context: dg.AssetExecutionContext, config: BacktestConfig) -> dg.MaterializeResult:  # type: ignore[type-arg]
        from mlops_assets.backtest.summary import read_result

        options = {
            "--from": config.start,
            "--to": config.end,
            "--step": config.step,
            "--policies": config.policies,
        }
        command = [sys.executable, "-c", "from mlops_assets.cli import main; main()", "backtest", spec.name]
        for name, value in options.items():
            command += [name, value] if value else []
        done = subprocess.run(command, env={**os.environ}, capture_output=True, text=True, check=False)
        context.log.info(done.stderr)
        if done.returncode:
            raise dg.Failure(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no output")
        folder = Path(done.stdout.strip().splitlines()[-1].removeprefix("report: ")).parent
        result = read_result(folder)
        return dg.MaterializeResult(
            metadata={
                "recommendation": result.sentence,
                "recommended": result.recommended,
                "trainings": result.distinct_trainings,
                "report": inlined_report(folder, [file.stem for file in sorted(folder.glob("*.png"))]),
            },
            data_version=dg.DataVersion(result.digest),
        )

    return materialize
