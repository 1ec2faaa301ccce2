"""`trained_model` as a graph: a step opens the training, one step per candidate fits, the last one chooses.

The same asset as the one-step form (`model_assets`): key, checks, metadata, data version, retries. Nothing passes
between the steps but their order, so that they need no common storage of Dagster's: what they know of each other
stands in the ledger. A candidate that fails is a step that succeeded in finding that out.
"""

from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg

from mlops_assets import stages
from mlops_assets.artifacts import Candidate, TrainedModel
from mlops_assets.defs.failures import plain_failures
from mlops_assets.defs.placement import step_tags
from mlops_assets.defs.resources import mlflow_key, pool_of, run_of
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.lifecycle.stages import train_distributed
from mlops_assets.lifecycle.stages.candidates import Task, tasks_of
from mlops_assets.model_file import ModelSpec

OPEN, CHOOSE = "open", "choose"
Body = Callable[[Platform, Run], Iterator[dg.Output[None]]]
Finish = Callable[[TrainedModel, Platform], dg.Output[None]]


def in_steps(
    spec: ModelSpec,
    retries: dg.RetryPolicy | None,
    resources: dict[str, dg.ResourceDefinition],
    finish: Finish,
    **asset: Any,
) -> dg.AssetsDefinition:
    """Return the asset.

    Args:
        spec: The model.
        retries: How failed steps are retried.
        resources: The model's MLflow run.
        finish: How its record is materialized.
        **asset: What every form of the asset declares.

    Returns:
        A graph asset with one step per candidate.
    """

    def opened(platform: Platform, run: Run) -> Iterator[dg.Output[None]]:
        if train_distributed.open_training(spec, platform, run) is not None:
            yield dg.Output(None)

    def fitted(task: Task) -> Body:
        def fit(platform: Platform, run: Run) -> Iterator[dg.Output[None]]:
            yield dg.Output(None, metadata=_metadata(train_distributed.fit_one(spec, platform, run, task)))

        return fit

    def chosen(platform: Platform, run: Run) -> Iterator[dg.Output[None]]:
        yield finish(train_distributed.finish_training(spec, platform, run), platform)

    begin = _step(
        spec, OPEN, opened, retries, (stages.FEATURES, stages.RETRAIN_REQUEST), mlflow_key(spec.name)
    )
    fits = [(task.name, _step(spec, task.name, fitted(task), retries, (OPEN,))) for task in tasks_of(spec)]
    end = _step(spec, CHOOSE, chosen, retries, ("fits",))
    nothing = {
        name: dg.AssetIn(dg.AssetKey([spec.name, name]), dagster_type=dg.Nothing)
        for name in (stages.FEATURES, stages.RETRAIN_REQUEST)
    }

    @dg.graph_asset(ins=nothing, resource_defs=resources, **asset)
    def trained_model(features: Any, retrain_request: Any) -> Any:
        ready = begin.alias(OPEN)(features=features, retrain_request=retrain_request)
        return end.alias(CHOOSE)(fits=[fit.alias(name)(open=ready) for name, fit in fits])

    return trained_model


def _step(
    spec: ModelSpec,
    name: str,
    body: Body,
    retries: dg.RetryPolicy | None,
    after: tuple[str, ...],
    mlflow: str | None = None,
) -> dg.OpDefinition:
    """Return one step. mlflow: key of the resource whose run the training nests below."""

    @dg.op(
        name=f"{spec.name}__{stages.TRAINED_MODEL}__{name}",
        ins={one: dg.In(dg.Nothing) for one in after},
        out=dg.Out(dg.Nothing, is_required=False),
        required_resource_keys={"platform", *([mlflow] if mlflow else [])},
        retry_policy=retries,
        pool=pool_of(spec.name),
        tags={"mlops/stage": stages.TRAINED_MODEL, "mlops/step": name, **step_tags(spec)},
    )
    def run_step(context: dg.OpExecutionContext) -> Iterator[dg.Output[None]]:
        platform: Platform = context.resources.platform.open()
        parent = str(getattr(context.resources, mlflow).active_run().info.run_id) if mlflow else None
        with plain_failures():
            yield from body(platform, run_of(context, parent))

    return run_step


def _metadata(candidate: Candidate) -> dict[str, Any]:
    """Return a candidate as its step shows it."""
    numbers = {
        f"{name} ({part})": value
        for part, metrics in candidate.metrics.items()
        for name, value in metrics.items()
    }
    note = {"note": candidate.message} if candidate.message else {}
    return {"status": candidate.status, "seconds": round(candidate.seconds, 2), **numbers, **note}
