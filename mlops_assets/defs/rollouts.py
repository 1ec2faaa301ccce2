"""The sensor of roll-outs: moves them on where no serving process does, and shows transitions at `production_model`.

The cursor only says which transitions were shown; a lost one shows them again and decides nothing.
"""

import json
from collections.abc import Mapping, Sequence
from functools import partial

import dagster as dg

from mlops_assets import stages
from mlops_assets.artifacts.rollouts import Rollout
from mlops_assets.defs.resources import PlatformResource
from mlops_assets.defs.sensor_runs import for_each_model, sensor_run
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.lifecycle.rollouts import Judge
from mlops_assets.model_file import ModelSpec
from mlops_assets.reports.markdown_text import plain_markdown

Events = list[dg.AssetObservation | dg.AssetMaterialization]


def rollout_sensor(specs: Sequence[ModelSpec]) -> dg.SensorDefinition:
    """Return the sensor that follows roll-outs.

    Args:
        specs: The models.

    Returns:
        The sensor, which evaluates every 30 seconds.
    """
    rolled = [spec for spec in specs if spec.rollout.strategy != "instant"]

    @dg.sensor(
        name="rollout_sensor",
        description="Shows each transition of a roll-out at production_model, and pauses one without traffic.",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def follow(
        context: dg.SensorEvaluationContext, platform: PlatformResource
    ) -> dg.SensorResult | dg.SkipReason:
        if not rolled:
            return dg.SkipReason("no model file declares a roll-out")
        opened, run = platform.open(), sensor_run(context.log.info)
        shown: dict[str, list[int]] = json.loads(context.cursor or "{}")
        events: Events = []
        sentences = for_each_model(rolled, opened, run, partial(_follow, shown, events))
        context.update_cursor(json.dumps(shown))
        if events:
            return dg.SensorResult(asset_events=events)
        return dg.SkipReason("; ".join(sentences) or "no roll-out has moved")

    return follow


def _follow(
    shown: dict[str, list[int]], events: Events, spec: ModelSpec, platform: Platform, run: Run
) -> str | None:
    newest = next(iter(platform.ledger.rollouts_of(spec.name, 1)), None)
    if newest is None:
        return None
    current = Judge(platform).advance(newest, run) if newest.is_active else newest
    state = [current.id, current.sequence]
    if shown.get(spec.name) != state:
        events.append(_event(spec.name, current, platform))
        shown[spec.name] = state
    return current.sentence if current.is_active else None


def _event(model: str, current: Rollout, platform: Platform) -> dg.AssetObservation | dg.AssetMaterialization:
    """Return what shows a transition: a materialization where the challenger has become champion."""
    key = dg.AssetKey([model, stages.PRODUCTION_MODEL])
    champion = platform.ledger.champion_state(model)
    metadata: Mapping[str, str | int | float] = {
        "rollout": plain_markdown(current.sentence),
        "state": current.state,
        "share": current.share,
        "challenger": current.version,
        "champion": champion.champion.version if champion.champion else "none",
        "revision": champion.revision,
    }
    description = plain_markdown(current.sentence)
    if current.state == "finished" and champion.revision == current.base_revision + 1:
        return dg.AssetMaterialization(
            key,
            description=description,
            metadata=metadata,
            tags={"dagster/data_version": f"{current.version}-{champion.revision}"},
        )
    return dg.AssetObservation(key, description=description, metadata=metadata)
