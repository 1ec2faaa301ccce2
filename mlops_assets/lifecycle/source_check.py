"""Whether a model's readings can be read and used now, before anything is stored or trained."""

from __future__ import annotations

from mlops_assets import readings, validation
from mlops_assets.errors import MlopsError
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.lifecycle.stages.data import feed_simulated
from mlops_assets.model_file import ModelSpec


def check_source(spec: ModelSpec, platform: Platform, run: Run) -> list[str]:
    """Read a model's source as a run would and validate the rows; store nothing.

    Simulated tables of the embedded database are filled up to `run.as_of`, as a run does.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        run: The run: its `as_of` is the instant to look from.

    Returns:
        One sentence for each problem that would stop a run; empty when a run could go on to training.
    """
    try:
        feed_simulated(spec, platform, run)
        fetched = readings.read(spec, as_of=run.as_of, settings=platform.settings)
    except MlopsError as error:
        return [str(error)]
    result = validation.validate(spec, fetched.frame, as_of=run.as_of, reference=None)
    return [f"{rule.rule}: {rule.message}" for rule in result.rules if rule.critical and not rule.passed]
