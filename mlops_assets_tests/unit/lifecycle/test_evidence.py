"""Evidence is a pure function of the model file, the two models and the rows."""

from __future__ import annotations

import ast
import inspect
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_assets import features
from mlops_assets.artifacts import ChampionRef, Evidence, from_json, to_json
from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle.model_loading import load_version
from mlops_assets.lifecycle.platform import record_of
from mlops_assets.lifecycle.records import FeaturesRecord, ValidatedRecord
from mlops_assets.lifecycle.stages import evidence
from mlops_assets.lifecycle.stages.evaluate import evaluate_model
from mlops_assets.lifecycle.stages.evidence import Contest, build_evidence
from mlops_assets.lifecycle.stages.performance import newest_evidence
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import Station, begin


@pytest.fixture
def station(tmp_path: Path, ledger: Ledger) -> Station:
    return begin(tmp_path, ledger)


def test_the_recorded_evidence_follows_from_the_contest_alone(station: Station) -> None:
    trained = station.train()
    report = evaluate_model(station.spec, station.platform, station.run())
    recorded = from_json(Evidence, station.platform.ledger.evidence(report.evidence_hash).body)
    built = record_of(station.platform, station.spec, "features", None, FeaturesRecord)
    validated = record_of(station.platform, station.spec, "validated_data", None, ValidatedRecord)
    split = features.split(station.spec, station.platform.datasets.read(built.table))
    served, bundle = load_version(station.platform, "station", trained.version)
    judged, _ = load_version(station.platform, "station", trained.version, "judged")
    contest = Contest(
        trained=trained,
        challenger=judged,
        champion=None,
        served=served,
        serving_champion=None,
        reference=ChampionRef(None, 0),
        split=split,
        full_split=split,
        size_bytes=bundle.size_bytes,
        analysis=1,
        accumulated=(),
        later=None,
        freshness=None,
        comparable=None,
        same_recipe=False,
        warnings=recorded.evaluation.warnings,
        critical_quality_failures=0,
        environment=recorded.environment,
        code_commit=recorded.code_commit,
        readings=station.platform.datasets.read(validated.table),
    )
    made, _ = build_evidence(station.spec, contest)
    clock = {name: getattr(recorded.evaluation, name) for name in ("latency_ms", "machine_load")}
    timed = replace(made.evaluation, **clock)
    assert to_json(replace(made, evaluation=timed)) == to_json(recorded)
    assert (
        build_evidence(station.spec, replace(contest, critical_quality_failures=3))[
            0
        ].critical_quality_failures
        == 3
    )


def test_building_evidence_reads_and_writes_nothing() -> None:
    tree = ast.parse(inspect.getsource(evidence))
    imported = {
        node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module is not None
    }
    assert not {"mlops_assets.ledger", "mlops_assets.lifecycle.platform", "mlops_assets.datasets"} & imported


def test_a_version_that_was_judged_again_is_compared_with_the_newest_holdout(station: Station) -> None:
    trained = station.train()
    ledger = station.platform.ledger
    assert newest_evidence(station.platform, "station", trained.version) is None
    first = evaluate_model(station.spec, station.platform, station.run()).evidence_hash
    earlier = from_json(Evidence, ledger.evidence(first).body)
    again = replace(earlier, as_of=station.tick())
    ledger.record_evidence("station", trained.version, to_json(again), station.tick())
    assert len(ledger.evidence_of("station", trained.version)) == 2
    newest = newest_evidence(station.platform, "station", trained.version)
    assert newest is not None
    assert earlier.as_of < newest.as_of == again.as_of
