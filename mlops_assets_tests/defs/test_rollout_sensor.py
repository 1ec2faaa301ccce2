"""The sensor of roll-outs shows each transition once, and pauses a canary that nobody calls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from mlops_assets.artifacts.rollouts import Transition
from mlops_assets.defs.resources import PlatformResource
from mlops_assets.defs.rollouts import rollout_sensor
from mlops_assets_tests.local_platform import LocalPlatform


def test_transitions_are_shown_at_the_production_model(local_platform: LocalPlatform) -> None:
    spec = local_platform.model(rollout={"strategy": "canary", "patience": "1m"})
    ledger, at = local_platform.platform.ledger, datetime.now(UTC) - timedelta(minutes=2)
    for number in (1, 2):
        version = ledger.new_version(spec.name, at).version
        ledger.record_bundle(
            spec.name, version, bundle_path=f"{spec.name}/{number}", manifest_sha256=f"{number:064x}"
        )
        hash_ = ledger.record_evidence(spec.name, version, {"gates": []}, at)
        decided: dict[str, Any] = {
            "expected_revision": number - 1,
            "evidence_hash": hash_,
            "actor": "ann",
            "reason": "",
            "at": at,
        }
        if number == 1:
            ledger.promote(spec.name, version, **decided)
        else:
            ledger.start_rollout(spec.name, version, plan=spec.rollout, **decided)
    cursor = None
    with dg.DagsterInstance.ephemeral() as instance:

        def tick() -> dg.SensorResult | dg.SkipReason:
            nonlocal cursor
            with dg.build_sensor_context(
                instance=instance, cursor=cursor, resources={"platform": PlatformResource()}
            ) as context:
                result = rollout_sensor([spec])(context)
                cursor = context.cursor
            assert isinstance(result, dg.SensorResult | dg.SkipReason)
            return result

        paused = tick()
        assert isinstance(paused, dg.SensorResult)
        [event] = paused.asset_events
        assert isinstance(event, dg.AssetObservation)
        assert event.metadata["state"].value == "paused"
        assert isinstance(tick(), dg.SkipReason)  # shown once
        [current] = [one for one in ledger.active_rollouts() if one.model == spec.name]
        ledger.move_rollout(
            current.id, Transition("finished", 3, "", "promote"), expected_sequence=1, actor="ann", at=at
        )
        finished = tick()
        assert isinstance(finished, dg.SensorResult)
        [event] = finished.asset_events
        assert isinstance(event, dg.AssetMaterialization)
        assert event.metadata["champion"].value == 2
