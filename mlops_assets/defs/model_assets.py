"""The seven assets of one model, each a thin wrapper of one `lifecycle` function."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import dagster as dg

from mlops_assets import __version__, stages
from mlops_assets.artifacts import TrainedModel, digest
from mlops_assets.defs import catalog, checks, display
from mlops_assets.defs.failures import plain_failures
from mlops_assets.defs.metadata import Display
from mlops_assets.defs.placement import step_tags
from mlops_assets.defs.resources import mlflow_key, mlflow_parent, pool_of, run_of
from mlops_assets.defs.training_steps import in_steps
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.lifecycle.records import (
    FeaturesRecord,
    PredictionsRecord,
    PromotionRecord,
    ReadingsRecord,
    ReportRecord,
    StageRecord,
    ValidatedRecord,
)
from mlops_assets.lifecycle.stages import data, evaluate, predict, promote, train
from mlops_assets.model_file import ModelSpec

Record = TypeVar("Record", bound=StageRecord)


@dataclass(frozen=True, slots=True)
class Stage(Generic[Record]):
    """How one stage appears in Dagster.

    run: the stage; None means that there was nothing to do, downstream is skipped and the run stays green.
    """

    run: Callable[[ModelSpec, Platform, Run], Record | None]
    show: Callable[[Record, ModelSpec, Platform], Display]
    description: str
    kinds: frozenset[str]
    upstream: tuple[str, ...]
    tracked: bool = False

    def execute(self, spec: ModelSpec, platform: Platform, run: Run) -> tuple[Record, Display] | None:
        """Run the stage and create the display of its record.

        Args:
            spec: The model file.
            platform: The open stores and settings.
            run: The run: id, actor, clock and progress callback.

        Returns:
            Record and display; None when the stage did nothing.
        """
        record = self.run(spec, platform, run)
        return None if record is None else (record, self.show(record, spec, platform))


AnyStage = (
    Stage[ReadingsRecord]
    | Stage[ValidatedRecord]
    | Stage[FeaturesRecord]
    | Stage[TrainedModel]
    | Stage[ReportRecord]
    | Stage[PromotionRecord]
    | Stage[PredictionsRecord]
)


TRAINED_MODEL = Stage(
    train.train_model,
    display.trained,
    "The challenger: the best of the candidates on the validation part.",
    frozenset({"mlflow"}),
    (stages.FEATURES, stages.RETRAIN_REQUEST),
    tracked=True,
)

STAGES: dict[str, AnyStage] = {
    stages.RAW_READINGS: Stage(
        data.read_readings,
        display.readings,
        "Readings as the source gave them, after the repairs the model file declares.",
        frozenset({"deltalake"}),
        (),
    ),
    stages.VALIDATED_DATA: Stage(
        data.validate_readings,
        display.validated,
        "Readings that satisfy every row rule; the others are in quarantine with the reason.",
        frozenset({"polars", "deltalake"}),
        (stages.RAW_READINGS,),
    ),
    stages.FEATURES: Stage(
        data.build_features,
        display.features,
        "What the model sees, built by the same definition that batch predictions and the prediction API use.",
        frozenset({"polars", "deltalake"}),
        (stages.VALIDATED_DATA,),
    ),
    stages.TRAINED_MODEL: TRAINED_MODEL,
    stages.EVALUATION_REPORT: Stage(
        evaluate.evaluate_model,
        display.evaluated,
        "The challenger compared with the champion on the same rows; every gate is a check here.",
        frozenset({"mlflow", "shap"}),
        (stages.TRAINED_MODEL, stages.FEATURES),
        tracked=True,
    ),
    stages.PRODUCTION_MODEL: Stage(
        promote.promote_model,
        display.promoted,
        "The champion. Moves only when the recorded evidence for exactly this challenger says so.",
        frozenset({"mlflow", "postgres"}),
        (stages.EVALUATION_REPORT,),
    ),
    stages.PREDICTIONS: Stage(
        predict.predict_batch,
        display.predicted,
        "The champion's predictions for every reading it has not predicted yet.",
        frozenset({"deltalake", "postgres"}),
        (stages.PRODUCTION_MODEL, stages.FEATURES),
    ),
}


RETRIES = dg.RetryPolicy(max_retries=2, delay=300)


def model_assets(
    spec: ModelSpec,
    retries: dg.RetryPolicy | None,
    *,
    file: Path | None = None,
    candidate_steps: bool = False,
) -> list[dg.AssetsDefinition]:
    """Return one asset per stage, in one group named after the model.

    Those that need the model's MLflow run bring it along: among the resources of all models, Dagster would offer each
    model's run to each asset, which takes time quadratic in the models.

    Args:
        spec: The model.
        retries: How failed steps are retried.
        file: The model file, linked in the catalog.
        candidate_steps: A training has a step per candidate.

    Returns:
        Assets, in the order of the stages.
    """
    mlflow = mlflow_parent(spec.name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=dg.BetaWarning)  # resource_defs
        return [
            _in_steps(spec, retries, mlflow, file)
            if candidate_steps and name == stages.TRAINED_MODEL
            else _asset(spec, name, stage, retries, mlflow, file)
            for name, stage in STAGES.items()
        ]


def _common(spec: ModelSpec, name: str, stage: AnyStage, file: Path | None) -> dict[str, Any]:
    """Return what an asset declares, in however many steps it is made."""
    return {
        "name": name,
        "key_prefix": spec.name,
        "group_name": spec.name,
        "description": f"{stage.description}\n\n{spec.description}.",
        "owners": list(spec.owners),
        "kinds": catalog.kinds_of(spec, name, stage.kinds),
        "tags": catalog.tags_of(spec),
        "metadata": catalog.reference_to(file),
        "code_version": _code_version(spec, name),
        "check_specs": checks.specs(spec, name),
    }


def _in_steps(
    spec: ModelSpec, retries: dg.RetryPolicy | None, mlflow: dg.ResourceDefinition, file: Path | None
) -> dg.AssetsDefinition:
    def finish(record: TrainedModel, platform: Platform) -> dg.Output[None]:
        shown = display.trained(record, spec, platform)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category=dg.BetaWarning)  # data_version
            version = dg.DataVersion(shown.data_version)
            return dg.Output(None, metadata=shown.metadata, data_version=version)

    common = _common(spec, stages.TRAINED_MODEL, TRAINED_MODEL, file)
    return in_steps(spec, retries, {mlflow_key(spec.name): mlflow}, finish, **common)


def _asset(
    spec: ModelSpec,
    name: str,
    stage: AnyStage,
    retries: dg.RetryPolicy | None,
    mlflow: dg.ResourceDefinition,
    file: Path | None,
) -> dg.AssetsDefinition:
    tracked = {mlflow_key(spec.name): mlflow} if stage.tracked else {}

    asset: Callable[[Any], dg.AssetsDefinition] = dg.asset(
        **_common(spec, name, stage, file),
        freshness_policy=catalog.freshness_of(spec, name),
        deps=[dg.AssetKey([spec.name, upstream]) for upstream in stage.upstream],
        required_resource_keys={"platform"},
        resource_defs=tracked,
        retry_policy=retries,
        output_required=False,
        pool=pool_of(spec.name),
        op_tags={"mlops/stage": name, **step_tags(spec)},
    )

    def materialize(context: dg.AssetExecutionContext) -> Iterator[Any]:
        platform: Platform = context.resources.platform.open()
        parent = (
            str(getattr(context.resources, mlflow_key(spec.name)).active_run().info.run_id)
            if tracked
            else None
        )
        with plain_failures():
            result = stage.execute(spec, platform, run_of(context, parent))
        if result is None:
            return
        record, shown = result
        if shown.materialized:
            yield dg.MaterializeResult(
                metadata=shown.metadata, data_version=dg.DataVersion(shown.data_version)
            )
        yield from checks.results(spec, name, record)

    return asset(materialize)


def _code_version(spec: ModelSpec, stage: str) -> str:
    body = spec.model_dump(mode="json", include=set(stages.SECTIONS[stage]), exclude_defaults=True)
    return f"{__version__}-{digest(body)[:12]}"
