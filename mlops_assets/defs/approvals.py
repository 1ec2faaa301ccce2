"""The sensor of human approvals: approval files that were merged, and verdicts nobody has acted on yet.

Each tick reads the ledger and completes what is missing, so that a lost cursor or a second daemon repeats nothing.
"""

from collections.abc import Sequence
from functools import partial

import dagster as dg

from mlops_assets.defs.resources import PlatformResource
from mlops_assets.defs.sensor_runs import attempt, for_each_model, sensor_run
from mlops_assets.lifecycle.approvals import files, verdicts
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.model_file import ModelSpec


def approval_file_sensor(specs: Sequence[ModelSpec]) -> dg.SensorDefinition:
    """Return the sensor that reads the approvals folder.

    Args:
        specs: All model files.

    Returns:
        The sensor, which evaluates every 30 seconds.
    """

    @dg.sensor(
        name="approval_file_sensor",
        description="Reads verdicts merged into the approvals folder, and acts on verdicts that were left behind.",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def read(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SkipReason:
        opened, run = platform.open(), sensor_run(context.log.info)
        sentences = []
        for file in files.verdicts_from_files(specs, opened, run):
            if not file.accepted:
                alert = partial(files.alert_about, file, opened, run)
                _, problem = attempt(file.file.name, alert, platform=opened, run=run)
                sentences += [problem] if problem else []
            if file.news or not file.accepted:
                sentences.append(f"{file.file.name}: {file.sentence}")
        sentences += for_each_model(specs, opened, run, _act)
        return dg.SkipReason("; ".join(sentences) or "no new verdicts")

    return read


def _act(spec: ModelSpec, platform: Platform, run: Run) -> str:
    return "; ".join(verdicts.apply_verdicts(spec, platform, run))
