"""A backtest decides what the platform decided: the real graph lives weeks with a set clock, then they are replayed.

The graph reads Delta tables, records in MLflow and runs in Dagster; the backtest has tables in memory and no MLflow.
Versions, decisions with their reasons and predictions must be equal.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mlops_assets.artifacts import Signal
from mlops_assets.backtest import Span, policies_of
from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle import governing
from mlops_assets.local.scratch_databases import ScratchLedgers
from mlops_assets.model_file import ModelSpec
from mlops_assets_tests.backtest_platform import DAY, START, hourly, model, request_of, run, settings_of
from mlops_assets_tests.local_platform import LocalPlatform

WEEKS = int(os.environ.get("MLOPS_FIDELITY_WEEKS", "4"))
FIRST = START + 21 * DAY
WEEK = 7 * DAY


class Clock(datetime):
    """The clock of the graph's processes: it shows the simulated instant."""

    instant = FIRST

    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        """The simulated instant."""
        return cls.instant.astimezone(tz or UTC)


@pytest.fixture
def ledgers(tmp_path: Path, postgres_server: str) -> Iterator[ScratchLedgers]:
    opened = ScratchLedgers(settings_of(tmp_path / "home", postgres_server), "fidelity")
    yield opened
    opened.drop()


def live(spec: ModelSpec, local_platform: LocalPlatform) -> None:
    """One simulated week after another through Dagster's graph, in the order of the schedules."""
    from mlops_assets.defs.execution import materialize

    platform = local_platform.platform

    def job(name: str) -> bool:
        sentences: list[str] = []
        return materialize(
            spec, as_of=Clock.instant, actor="live", progress=sentences.append, reuse=False, job=name
        ).success

    for week in range(WEEKS):
        Clock.instant = FIRST + week * WEEK
        at = Clock.instant
        if platform.ledger.champion(spec.name) is not None:
            assert job("predictions")
            assert job("drift")
        cause = "schedule" if week else "manual"
        signal = Signal(
            spec.name,
            "schedule" if week else "manual",
            at,
            active=True,
            reason=f"schedule: {spec.schedules.retrain} at {at:%Y-%m-%d %H:%M}"
            if week
            else "the model goes live",
        )
        ruling = governing.request_retrain(spec, platform, signal, at)
        assert ruling.request is not None, (cause, ruling.reason)
        succeeded = job("lifecycle")
        governing.finish_request(platform, spec.name, ruling.request.key, succeeded=succeeded, now=at)


def story(ledger: Ledger, spec: ModelSpec) -> dict[str, Any]:
    """What a ledger holds about the model, without run ids, hashes and names of actors."""
    history = [
        (one.at, one.action, one.version, one.from_version, one.to_version, one.reason)
        for one in reversed(ledger.history(spec.name, None))
    ]
    evidence = []
    for row in reversed(ledger.versions(spec.name)):
        [stored] = ledger.evidence_of(spec.name, row.version)
        gates = [(gate["gate"], gate["verdict"], gate["reason"]) for gate in stored.body["gates"]]
        measured = stored.body["evaluation"]
        evidence.append(
            (
                row.version,
                gates,
                measured["challenger"],
                measured["champion"],
                measured["comparisons"],
                measured["sequential"],
            )
        )
    predictions = ledger.predictions(spec.name, since=START, until=START + 400 * DAY)
    return {
        "history": history,
        "evidence": evidence,
        "decisions": [
            (one.at, one.verdict, one.rule, one.reason) for one in ledger.retrain_decisions(spec.name, 100)
        ],
        "predictions": predictions.drop("predicted_at", strict=False).sort(pl.all()).rows(),
    }


@pytest.mark.slow
@pytest.mark.integration
def test_the_replay_decides_what_the_graph_decided(
    tmp_path: Path,
    local_platform: LocalPlatform,
    ledgers: ScratchLedgers,
    postgres_server: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = model(
        tmp_path / "readings.parquet",
        hourly(21 + 7 * WEEKS, moves_at=29),
        name="fidelity",
        monitoring={"window": "7d"},
    )
    monkeypatch.setattr("mlops_assets.defs.resources.datetime", Clock)
    live(spec, local_platform)
    happened = story(local_platform.platform.ledger, spec)
    actions = [action for _, action, *_ in happened["history"]]
    assert len(actions) == WEEKS
    assert actions.count("promoted") >= 2
    assert happened["predictions"]

    settings = settings_of(tmp_path / "home", postgres_server)
    span = Span(FIRST, FIRST + WEEKS * WEEK - timedelta(hours=1), WEEK)
    request = request_of(spec, settings, span, policies_of({"own": spec}))
    assert run(request, settings, ledgers, tmp_path / "scratch") is not None
    with Ledger.open(ledgers.open("p0", fresh=False)) as ledger:
        replayed = story(ledger, spec)
    for part, expected in happened.items():
        assert replayed[part] == expected, part
