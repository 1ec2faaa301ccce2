"""Promotion as the lifecycle does it, raced by processes and killed at random moments, with real bundles.

MLOPS_FAULT_ROUNDS sets the rounds of each race, MLOPS_FAULT_KILLS the kills, MLOPS_FAULT_SWAPS the swaps under load
(defaults: 10, 20 and 5).
"""

from __future__ import annotations

import http.client
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mlops_assets.artifacts import ChampionRef
from mlops_assets.ledger import invariants
from mlops_assets.lifecycle.model_loading import load_version
from mlops_assets.lifecycle.stages import data, evaluate, promote, train
from mlops_assets.local.probes import responds
from mlops_assets.model_file import ModelSpec
from mlops_assets.serving.app import create_app
from mlops_assets.serving.champions import Champions
from mlops_assets.serving.keys import Keys
from mlops_assets_tests.faults import lifecycle_process
from mlops_assets_tests.local_platform import LocalPlatform
from mlops_assets_tests.unit.serving.served_models import server
from mlops_assets_tests.waiting import patience, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.slow]

ROUNDS = int(os.environ.get("MLOPS_FAULT_ROUNDS", "10"))
KILLS = int(os.environ.get("MLOPS_FAULT_KILLS", "20"))
SWAPS = int(os.environ.get("MLOPS_FAULT_SWAPS", "5"))
RACERS = 4
CALLERS = 64
GATES = ["no_missing_predictions", {"metric_at_most": {"metric": "rmse", "limit": 2.0}}]


@dataclass
class Helper:
    """A process of lifecycle_process.py."""

    process: subprocess.Popen[str]

    def tell(self, **job: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()

    def reply(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the helper has died"
        message: dict[str, Any] = json.loads(line)
        return message


@contextmanager
def helper(spec: ModelSpec) -> Iterator[Helper]:
    process = subprocess.Popen(
        [sys.executable, str(Path(lifecycle_process.__file__)), spec.model_dump_json()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        yield Helper(process)
    finally:
        process.communicate()


@pytest.fixture
def spec(local_platform: LocalPlatform, monkeypatch: pytest.MonkeyPatch) -> ModelSpec:
    """A model with a champion, made by the stages themselves."""
    made = local_platform.model(gates=GATES)
    run = local_platform.run(f"first-{made.name}")
    for run_lifecycle in (data.read_readings, data.validate_readings, data.build_features, train.train_model):
        run_lifecycle(made, local_platform.platform, run)
    evaluate.evaluate_model(made, local_platform.platform, run)
    promote.promote_model(made, local_platform.platform, run)
    assert local_platform.champion(made) == 1
    sample = pl.DataFrame({"x": [0.5, 1.0], "z": [0.0, 2.0]})
    monkeypatch.setattr(lifecycle_process, "SAMPLE", sample, raising=False)
    return made


def test_one_winner_of_every_race(local_platform: LocalPlatform, spec: ModelSpec) -> None:
    came: Counter[str] = Counter()
    with ExitStack() as stack:
        racers = [stack.enter_context(helper(spec)) for _ in range(RACERS)]
        for round_ in range(1, ROUNDS + 1):
            champion_state = local_platform.platform.ledger.champion_state(spec.name)
            assert champion_state.champion is not None
            reference = ChampionRef(champion_state.champion.version, champion_state.revision)
            runners = [
                lifecycle_process.challenger(local_platform.platform, spec, 1, reference) for _ in racers
            ]
            for racer, (version, hash_) in zip(racers, runners, strict=True):
                racer.tell(verb="settle", version=version, hash=hash_)
            replies = [racer.reply() for racer in racers]
            winners = [reply["champion"] for reply in replies if reply["came"] == "promote"]
            came.update(reply["came"] for reply in replies)
            assert len(winners) == 1, (round_, replies)
            assert local_platform.champion(spec) == winners[0]
            assert local_platform.platform.ledger.champion_state(spec.name).revision == reference.revision + 1
    assert set(came) <= {"promote", "EvidenceError", "LostRaceError"}, came
    assert invariants(local_platform.platform.ledger) == []
    assert local_platform.status(spec).count("champion") == 1
    print_numbers(f"{ROUNDS} rounds of {RACERS} processes: {dict(came)}")


def test_run_rollback_and_approval_race(local_platform: LocalPlatform, spec: ModelSpec) -> None:
    """Two runs promote, a person approves one of them and another rolls back, all at once: nothing is half done."""
    ledger, came = local_platform.platform.ledger, Counter[str]()
    with ExitStack() as stack:
        racers = [stack.enter_context(helper(spec)) for _ in range(RACERS)]
        for round_ in range(1, ROUNDS + 1):
            before = ledger.champion_state(spec.name)
            assert before.champion is not None
            reference = ChampionRef(before.champion.version, before.revision)
            first, second = (
                lifecycle_process.challenger(local_platform.platform, spec, 1, reference) for _ in range(2)
            )
            jobs: list[dict[str, Any]] = [
                {"verb": "settle", "version": first[0], "hash": first[1]},
                {"verb": "settle", "version": second[0], "hash": second[1]},
                {"verb": "approve", "hash": first[1]},
                {"verb": "rollback"},
            ]
            for racer, job in zip(racers, jobs, strict=True):
                racer.tell(**job)
            replies = [racer.reply() for racer in racers]
            came.update(f"{job['verb']}: {reply['came']}" for job, reply in zip(jobs, replies, strict=True))
            # A run and the person who approves its version make one move together.
            moves = {
                (reply["came"], reply["champion"])
                for reply in replies
                if reply["came"] in {"promote", "rollback"}
            }
            assert moves, (round_, replies)  # who wins depends on the machine; somebody always does
            assert ledger.champion_state(spec.name).revision == before.revision + len(moves), (
                round_,
                replies,
            )
            assert invariants(ledger) == [], round_
            assert local_platform.status(spec).count("champion") == 1
            champion = local_platform.champion(spec)
            assert champion is not None
            load_version(local_platform.platform, spec.name, champion)
        state = ledger.champion_state(spec.name)
        assert state.champion is not None
        reference = ChampionRef(state.champion.version, state.revision)
        _, hash_ = lifecycle_process.challenger(local_platform.platform, spec, 1, reference)
        for job in ({"verb": "approve", "hash": hash_}, {"verb": "rollback"}):  # with nobody else at it
            racers[-1].tell(**job)
            assert racers[-1].reply()["came"] == {"approve": "promote"}.get(job["verb"], job["verb"])
    assert {one.partition(": ")[2] for one in came} <= {
        *("promote", "keep", "rollback"),
        *("EvidenceError", "LostRaceError", "LedgerError"),
    }
    print_numbers(f"{ROUNDS} races of two runs, an approval and a rollback: {dict(came)}")


def test_callers_while_the_champion_swaps(local_platform: LocalPlatform, spec: ModelSpec) -> None:
    """Every caller gets a prediction, and version and revision of it belong together."""
    platform, ledger = local_platform.platform, local_platform.platform.ledger
    reference = ChampionRef(1, ledger.champion_state(spec.name).revision)
    version, hash_ = lifecycle_process.challenger(platform, spec, 1, reference)
    promote.apply_decision(spec, platform, lifecycle_process.run(), version, hash_)
    body = json.dumps({"readings": [{"at": "2026-01-01T00:00:00Z", "x": 1.0, "z": 2.0}]}).encode()
    done, lock, responses = threading.Event(), threading.Lock(), Counter[tuple[int, int, int]]()
    champions = Champions(platform, poll_seconds=0.01)

    def call(port: int) -> None:
        while not done.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience(60))
            connection.request("POST", f"/predict/{spec.name}", body, {"x-api-key": "secret"})
            response = connection.getresponse()
            document = json.loads(response.read())
            connection.close()
            with lock:
                responses[response.status, document.get("version", 0), document.get("revision", 0)] += 1

    with server(create_app(champions, Keys("secret"))) as port, ThreadPoolExecutor(CALLERS) as callers:
        wait_until(lambda: responds(f"http://127.0.0.1:{port}/ready"), 60)
        calls = [callers.submit(call, port) for _ in range(CALLERS)]
        try:
            for swap in range(SWAPS):
                moved = ledger.rollback(
                    spec.name,
                    actor="ann",
                    reason="swap",
                    at=datetime.now(UTC),
                    to_version=(1, version)[swap % 2],
                    expected_revision=ledger.champion_state(spec.name).revision,
                )
                revision = ledger.champion_state(spec.name).revision

                def serves(version: int = moved.version, revision: int = revision) -> bool:
                    return any(key == (200, version, revision) for key in tuple(responses))

                wait_until(serves, 60)
        finally:
            done.set()
        for one in calls:
            one.result()
    moves = {(entry.to_version, entry.revision) for entry in ledger.history(spec.name, None)}
    assert {(version, revision) for _, version, revision in responses} <= moves
    assert {status for status, _, _ in responses} == {200}
    assert invariants(ledger) == []
    print_numbers(f"{CALLERS} callers, {SWAPS} swaps: {responses.total()} predictions, every one whole")


def test_killed_at_random_moments_of_a_promotion(local_platform: LocalPlatform, spec: ModelSpec) -> None:
    chance = random.Random(20260301)
    moved = []
    with helper(spec) as victim:
        takes = 0.0
        for _ in range(2):  # the first pays for imports
            began = time.monotonic()
            victim.tell(verb="make", source=1, repeat=3)
            assert victim.reply()["exit"] == 0
            takes = time.monotonic() - began
        for round_ in range(KILLS):
            before = local_platform.platform.ledger.champion_state(spec.name)
            delay = chance.uniform(0, takes)
            began = time.monotonic()
            victim.tell(verb="make", source=1, repeat=3, delay=delay)
            if (
                victim.reply()["exit"] == 0
            ):  # done before the kill: the machine is faster now than when it was measured
                takes = min(takes, time.monotonic() - began)
            assert invariants(local_platform.platform.ledger) == [], (
                f"round {round_}, killed after {delay:.3f} s"
            )
            champion = local_platform.champion(spec)
            assert champion is not None
            predictor, _ = load_version(
                local_platform.platform, spec.name, champion
            )  # whole, and its sample replays
            assert predictor.algorithm == "ridge"
            moved.append(local_platform.platform.ledger.champion_state(spec.name).revision - before.revision)
        victim.tell(verb="make", source=1, repeat=1)  # nothing has to be cleared away by hand
        assert victim.reply()["exit"] == 0
    assert sum(moves < 3 for moves in moved) > KILLS / 4, moved
    assert any(moved)
    unfinished = [
        row for row in local_platform.platform.ledger.versions(spec.name) if row.bundle_path is None
    ]
    print_numbers(
        f"{KILLS} kills within {takes:.2f} s of three promotions: {sum(moved)} promotions done, "
        f"{sum(moves < 3 for moves in moved)} cut short, {len(unfinished)} versions left without a bundle"
    )


def print_numbers(line: str) -> None:
    """For the record, where MLOPS_FAULT_NUMBERS names a file."""
    if name := os.environ.get("MLOPS_FAULT_NUMBERS"):
        with Path(name).open("a", encoding="utf-8") as file:
            file.write(line + "\n")
