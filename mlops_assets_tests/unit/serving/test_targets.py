"""Two targets over one ledger: staging has the challenger that passed, production keeps the champion."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_assets.errors import DataError
from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle.recovery.rollback import roll_back
from mlops_assets.lifecycle.staging import staging_state
from mlops_assets.serving import champions as following
from mlops_assets.serving.champions import Champions
from mlops_assets.serving.targets import serves_staging, staging_champions
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import GATES, Station, begin


def served(champions: Champions) -> int | None:
    champions.refresh()
    current = champions.served("station")
    return None if current is None else current.version


def staged(station: Station) -> int | None:
    """The version that staging would serve, by the ledger alone."""
    champion = staging_state(station.platform, "station", station.run()).champion
    return None if champion is None else champion.version


def test_staging_serves_the_challenger_that_waits_and_production_the_champion(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_try_elsewhere", lambda *_: None)  # nothing here harms who loads it
    station = begin(tmp_path, ledger)
    assert station.challenge()[2].champion == 1
    staging = staging_champions(station.platform, poll_seconds=3600)
    production = Champions(station.platform, poll_seconds=3600)
    assert (served(staging), served(production)) == (1, 1)
    station.with_gates(*GATES, "approval")
    version, evidence_hash, record = station.challenge()
    assert (version, record.champion) == (2, 1)
    assert (served(staging), served(production)) == (2, 1)
    ledger.record_verdict(evidence_hash, "reject", actor="bob", comment="no", at=station.run().now())
    assert (served(staging), served(production)) == (1, 1), "a rejected challenger leaves staging"
    third, evidence_hash, _ = station.challenge()
    assert (served(staging), served(production)) == (third, 1)
    ledger.record_verdict(evidence_hash, "approve", actor="bob", comment="yes", at=station.run().now())
    assert station.apply_decision(third, evidence_hash).champion == third
    assert (served(staging), served(production)) == (third, third)
    roll_back(station.platform, "station", None, station.run("ann"), "spike")
    assert (served(staging), served(production)) == (1, 1)


def test_a_challenger_that_did_not_pass_is_not_in_staging(tmp_path: Path, ledger: Ledger) -> None:
    station = begin(tmp_path, ledger)
    station.challenge()
    trained = station.train()
    assert staged(station) == 1, "without evidence nothing has passed"
    station.judge(trained, rmse=1.2)
    assert staged(station) == 1
    better = station.train()
    station.judge(better, rmse=0.8)
    assert staged(station) == better.version
    station.judge(better, rmse=1.3)
    assert staged(station) == 1, "the newest evidence counts"


def test_a_target_is_production_or_staging() -> None:
    assert not serves_staging({})
    assert serves_staging({"MLOPS_SERVING_TARGET": "staging"})
    with pytest.raises(DataError, match="MLOPS_SERVING_TARGET is 'stage'; write production or staging"):
        serves_staging({"MLOPS_SERVING_TARGET": "stage"})
