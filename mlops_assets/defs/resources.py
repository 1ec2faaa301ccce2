"""What assets are handed: the open platform, the circumstances of the run, and dagster-mlflow's parent run.

Nothing connects at import; stores open when the first step of a process asks for them.
"""

import os
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import dagster as dg
from pydantic import PrivateAttr
from typing_extensions import override

from mlops_assets.defs.processes import PROCESS_TAG, this_process
from mlops_assets.lifecycle.platform import Platform, Run, code_commit
from mlops_assets.settings import Settings, Stores

AS_OF_TAG = "mlops/as_of"
ACTOR_TAG = "mlops/actor"
MODEL_TAG = "mlops/model"
REUSE_TAG = "mlops/reuse"
PROCESSOR_TAG = "mlops/cpu_seconds"
"""Processor time of a run's steps, with that of processes which they started and which ended; absent after a kill."""
REQUEST_TAG = "mlops/request"
"""Key of the retrain request a run was made for."""


class PlatformResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The stores named by the environment, opened on first use and shared by all steps of a process.

    Attributes:
        as_of: The instant at which a run reads the world, ISO 8601 with offset; now, where it is not set. A tag of the
            run, as schedules and the command line set it, comes first.
        force: Train again although nothing changed since the last evaluated challenger.
    """

    as_of: str | None = None
    force: bool = True
    _platform: Platform | None = PrivateAttr(default=None)
    _processor_seconds: float = PrivateAttr(default=0.0)

    @override
    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        self._processor_seconds = sum(os.times()[:4])

    @override
    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Add the processor time of this process to the run's; with an executor that spawns, each step adds its own."""
        instance, run = context.instance, context.run
        current = instance.get_run_by_id(run.run_id) if instance is not None and run is not None else None
        if instance is None or current is None:
            return
        used = sum(os.times()[:4]) - self._processor_seconds + float(current.tags.get(PROCESSOR_TAG, 0))
        instance.add_run_tags(current.run_id, {PROCESSOR_TAG: f"{used:.2f}"})

    def open(self) -> Platform:
        """Open the platform once."""
        if self._platform is None:
            settings = Settings.from_environment(os.environ)
            self._platform = Platform.open(settings, Stores.from_environment(os.environ))
        return self._platform


def pool_of(model: str) -> str:
    """Return the pool of a model's assets: one run at a time, whoever launched it (`dagster.yaml` sets the limit).

    Args:
        model: Name of the model.

    Returns:
        Name of the pool.
    """
    return f"mlops_{model}"


def mlflow_key(model: str) -> str:
    """Return the resource key of a model's parent MLflow run.

    Args:
        model: Name of the model.

    Returns:
        Key of the resource.
    """
    return f"{model}_mlflow"


def mlflow_parent(model: str) -> dg.ResourceDefinition:
    """Return dagster-mlflow's run of a Dagster run, in the model's experiment; trainings nest below it.

    dagster-mlflow imports mlflow when it is imported, so it is imported when a run first needs it.

    Args:
        model: Name of the model.

    Returns:
        The resource.
    """

    @dg.resource(required_resource_keys={"platform"})
    def parent(context: dg.InitResourceContext) -> Iterator[Any]:
        platform: Platform = context.resources.platform.open()
        config = platform.registry.parent_config(model)
        with warnings.catch_warnings():
            for kind in (dg.BetaWarning, DeprecationWarning):  # about how dagster-mlflow uses Dagster
                warnings.simplefilter("ignore", category=kind)
            from dagster_mlflow import mlflow_tracking

            # not entered as a context: its own ending would call a run FAILED that only lost a race
            run = next(cast(Any, mlflow_tracking.resource_fn)(context.replace_config(config)))
        yield run
        # the run's real end is written by the status sensors and the command line; here it only stops being active
        platform.registry.leave()

    return parent


def run_of(context: dg.AssetExecutionContext | dg.OpExecutionContext, parent: str | None) -> Run:
    """Return the circumstances of this run, from its tags, else from the launchpad, else now and by Dagster.

    Args:
        context: The step.
        parent: The MLflow run that a training nests below.

    Returns:
        The run.
    """
    tags = context.run.tags
    _claim_request(context)
    here = this_process(context.run.run_id)
    # with an executor that spawns, a step's process ends long before its run does
    if context.job_def.executor_def.name == "in_process" and tags.get(PROCESS_TAG) != here:
        context.instance.add_run_tags(context.run.run_id, {PROCESS_TAG: here})
    launched: PlatformResource = context.resources.platform
    return Run(
        id=context.run.root_run_id or context.run.run_id,
        as_of=_instant(tags.get(AS_OF_TAG, launched.as_of)),
        now=lambda: datetime.now(UTC),
        actor=tags.get(ACTOR_TAG, "dagster"),
        code_commit=code_commit(Path(__file__).parent),
        progress=context.log.info,
        parent=parent,
        reuse=tags.get(REUSE_TAG, str(not launched.force).lower()) == "true",
    )


def _instant(text: str | None) -> datetime:
    """Return an instant of run configuration, or now.

    Raises:
        dagster.Failure: The text is no instant, or has no offset from UTC.
    """
    if text is None:
        return datetime.now(UTC)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise dg.Failure(
            f"as_of {text!r} must be an instant with its offset, such as 2026-01-31T02:00:00+00:00",
            allow_retries=False,
        )
    return instant


def _claim_request(context: dg.AssetExecutionContext | dg.OpExecutionContext) -> None:
    """Let one run work on a retrain request: a request launched twice trains once."""
    tags, run_id = context.run.tags, context.run.root_run_id or context.run.run_id
    if REQUEST_TAG not in tags or MODEL_TAG not in tags:
        return
    platform: Platform = context.resources.platform.open()
    if not platform.ledger.claim_request(tags[MODEL_TAG], tags[REQUEST_TAG], run_id):
        raise dg.Failure(
            f"the retrain request {tags[REQUEST_TAG]} belongs to another run; nothing was done twice",
            allow_retries=False,
        )
