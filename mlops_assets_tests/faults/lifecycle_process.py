"""Processes of the lifecycle's fault tests. One JSON job per line in, one JSON answer per line out.

settle: promote one challenger here. approve, rollback: what a person does, here. make: in a forked child that may be
killed after `delay` seconds, make challengers from the model of `source` and promote them, one after the other: bundle,
ledger row, evidence, promotion.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlops_assets import promotion, training
from mlops_assets.artifacts import ChampionRef, Evidence, from_json, to_json
from mlops_assets.errors import MlopsError
from mlops_assets.lifecycle.approvals.verdicts import give_verdict
from mlops_assets.lifecycle.model_loading import load_version
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.lifecycle.recovery.rollback import roll_back
from mlops_assets.lifecycle.stages.promote import apply_decision
from mlops_assets.model_file import ModelSpec
from mlops_assets.settings import Settings, Stores

AT = datetime(2026, 3, 1, tzinfo=UTC)


def run() -> Run:
    return Run("race", AT, lambda: datetime.now(UTC), "racer", "abc", lambda _: None)


def challenger(platform: Platform, spec: ModelSpec, source: int, champion: ChampionRef) -> tuple[int, str]:
    """One more version with the model of `source`, whole, with evidence of its own against `champion`."""
    ledger = platform.ledger
    predictor, _ = load_version(platform, spec.name, source)
    row = ledger.model_version(spec.name, source)
    files = Path(str(row.bundle_path))
    version = ledger.new_version(spec.name, AT).version
    folder = platform.settings.model_root / spec.name / str(version)
    manifest = training.save_bundle(
        folder,
        algorithm=predictor.estimator,
        preparation=json.loads((files / "preparation.json").read_text()),
        spec=spec.model_dump(mode="json"),
        profile=json.loads((files / "profile.json").read_text()),
        sample=predictor.matrix(SAMPLE),
        data=[],
        code_commit="abc",
        seed=1,
    )
    ledger.record_bundle(spec.name, version, bundle_path=str(folder), manifest_sha256=manifest)
    before = from_json(Evidence, ledger.evidence_of(spec.name, source)[0].body)
    evidence = replace(before, version=version, manifest_sha256=manifest, champion=champion, gates=())
    evidence = replace(evidence, gates=promotion.evaluate_gates(spec, evidence))
    return version, ledger.record_evidence(spec.name, version, to_json(evidence), AT)


def make(platform: Platform, spec: ModelSpec, job: dict[str, Any]) -> None:
    for _ in range(job["repeat"]):
        champion_state = platform.ledger.champion_state(spec.name)
        champion = ChampionRef(
            champion_state.champion.version if champion_state.champion else None, champion_state.revision
        )
        version, hash_ = challenger(platform, spec, job["source"], champion)
        apply_decision(spec, platform, run(), version, hash_)


def killed(settings: Settings, stores: Stores, spec: ModelSpec, job: dict[str, Any]) -> dict[str, Any]:
    """Fork, let it promote, kill it after the delay when there is one."""
    done_in, done_out = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(2, 1)
        status = 1
        try:
            make(Platform.open(settings, stores), spec, job)
            os.write(done_out, b".")
            status = 0
        finally:
            os._exit(status)
    os.close(done_out)
    select.select([done_in], [], [], job.get("delay"))
    if "delay" in job:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    os.close(done_in)
    return {"exit": os.waitstatus_to_exitcode(status)}


def settled(platform: Platform, spec: ModelSpec, job: dict[str, Any]) -> dict[str, Any]:
    """Promote, approve or roll back; the answer is what came of it."""
    try:
        if job["verb"] == "rollback":
            return {
                "came": "rollback",
                "champion": roll_back(platform, spec.name, None, run(), "race").version,
            }
        if job["verb"] == "approve":
            record = give_verdict(spec, platform, run(), "approve", "", evidence_hash=job["hash"]).record
        else:
            record = apply_decision(spec, platform, run(), job["version"], job["hash"])
    except MlopsError as error:
        return {"came": type(error).__name__}
    return {"came": record.decision.outcome, "champion": record.champion}


if __name__ == "__main__":
    import polars as pl

    settings = Settings.from_environment(os.environ)
    stores = Stores.from_environment(os.environ)
    spec = ModelSpec.model_validate_json(sys.argv[1])
    SAMPLE = pl.DataFrame({"x": [0.5, 1.0], "z": [0.0, 2.0]})
    opened: Platform | None = None
    for line in sys.stdin:
        job = json.loads(line)
        if job["verb"] == "make":
            reply = killed(settings, stores, spec, job)
        else:
            opened = opened or Platform.open(settings, stores)
            reply = settled(opened, spec, job)
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()
