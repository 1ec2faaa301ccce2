"""What an asset states about itself in Dagster's catalog before it runs: kinds, tags, model file, due time.

Comes in: a model file and the name of an asset. Goes out: arguments of `dagster.asset`. Nothing here reads data.
"""

from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, Final

import dagster as dg
from cronsim import CronSim

from mlops_assets import stages
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.algorithms import ALGORITHM_CATALOGUE

MOST_KINDS: Final = 3
"""Dagster's limit per asset."""
LATE_AFTER: Final = 2
"""An asset fails its freshness policy when this many of its schedule's longest intervals passed without it."""
ALLOWANCE: Final = timedelta(minutes=30)
"""How long after the next scheduled instant a run may end before the asset is shown as late."""


def kinds_of(spec: ModelSpec, asset: str, fixed: frozenset[str]) -> set[str]:
    """Return what an asset is made with: `fixed`, and what the model file chooses.

    Args:
        spec: The model file.
        asset: The name of the asset.
        fixed: What every model uses here.

    Returns:
        At most `MOST_KINDS` kinds.
    """
    chosen: list[str] = []
    if asset == stages.RAW_READINGS:
        chosen = [spec.source.kind]
    elif asset == stages.TRAINED_MODEL:
        libraries = [ALGORITHM_CATALOGUE[name].extra or "scikitlearn" for name in _algorithms(spec)]
        chosen = list(dict.fromkeys(libraries))
    return set(fixed) | set(chosen[: MOST_KINDS - len(fixed)])


def tags_of(spec: ModelSpec) -> dict[str, str]:
    """Return what assets are searched by: the problem, the primary metric and every algorithm.

    Args:
        spec: The model file.

    Returns:
        Value by tag.
    """
    algorithms = {f"mlops/algorithm.{name}": "" for name in _algorithms(spec)}
    return {"mlops/problem": spec.problem, "mlops/primary_metric": spec.evaluation.primary, **algorithms}


def _algorithms(spec: ModelSpec) -> list[str]:
    return [choice.name for choice in spec.training.algorithms]


def reference_to(file: Path | None) -> dict[str, Any]:
    """Return metadata with which Dagster links an asset to its model file; empty where no file is known.

    Args:
        file: The model file.

    Returns:
        Metadata of the asset.
    """
    if file is None:
        return {}
    reference = dg.LocalFileCodeReference(file_path=str(file), line_number=1, label=file.name)
    return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[reference])}


def freshness_of(spec: ModelSpec, asset: str) -> dg.FreshnessPolicy | None:
    """Return when an asset counts as late: half an hour after its next run was due, and failed one interval later.

    Args:
        spec: The model file.
        asset: The name of the asset.

    Returns:
        A policy for assets with a schedule of their own, None for others.
    """
    cron = {
        stages.EVALUATION_REPORT: spec.schedules.retrain,
        stages.DATA_QUALITY_REPORT: spec.schedules.data_quality,
        stages.DRIFT_REPORT: spec.schedules.drift,
        stages.PREDICTIONS: spec.schedules.predictions,
    }.get(asset)
    if cron is None:
        return None
    interval = longest_interval(cron)
    return dg.FreshnessPolicy.time_window(
        fail_window=LATE_AFTER * interval + ALLOWANCE, warn_window=interval + ALLOWANCE
    )


@cache
def longest_interval(cron: str) -> timedelta:
    """Return the longest time between two instants of a cron line.

    Args:
        cron: A line of five fields.

    Returns:
        The longest of the first 400 intervals from the start of a leap year: a year of days. One interval of 366 days
        where the line has a single instant.
    """
    instants = list(islice(CronSim(cron, datetime(2024, 1, 1, tzinfo=UTC)), 401))
    return max((later - earlier for earlier, later in pairwise(instants)), default=timedelta(days=366))
