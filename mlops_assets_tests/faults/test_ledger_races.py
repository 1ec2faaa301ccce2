"""Several processes promote at once: exactly one wins, and the same harness sees the naive order fail.

MLOPS_FAULT_ROUNDS sets the number of rounds (default 100 for 4 processes, a tenth of it for 16).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mlops_assets.ledger import Ledger, invariants

pytestmark = pytest.mark.faults

AT = datetime(2026, 3, 1, tzinfo=UTC)
ROUNDS = int(os.environ.get("MLOPS_FAULT_ROUNDS", "100"))
M = "pump"


class Racer:
    """A process that waits for commands."""

    def __init__(self, url: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("ledger_racer.py")), url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )

    def tell(self, **command: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def hear(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())


@contextmanager
def racers(url: str, number: int) -> Iterator[list[Racer]]:
    started = [Racer(url) for _ in range(number)]
    try:
        for racer in started:
            racer.tell(do="look", model=M)
        for racer in started:
            racer.hear()
        yield started
    finally:
        for racer in started:
            racer.process.communicate()


def challenger(ledger: Ledger) -> tuple[int, str]:
    version = ledger.new_version(M, AT).version
    ledger.record_bundle(M, version, bundle_path=f"b/{version}", manifest_sha256=f"{version:064x}")
    return version, ledger.record_evidence(M, version, {}, AT)


def one_round(ledger: Ledger, started: list[Racer], how: str) -> list[str]:
    """All look, then all promote their own challenger under what they saw; answers won or lost for each."""
    challengers = [challenger(ledger) for _ in started]
    for racer in started:
        racer.tell(do="look", model=M)
    revisions = [racer.hear() for racer in started]
    assert len(set(revisions)) == 1
    for racer, (version, hash_), revision in zip(started, challengers, revisions, strict=True):
        racer.tell(do=how, model=M, version=version, hash_=hash_, expected=revision)
    return [racer.hear() for racer in started]


@pytest.mark.parametrize("number, rounds", [(2, ROUNDS // 4), (4, ROUNDS), (16, ROUNDS // 10)])
def test_exactly_one_wins(ledger: Ledger, ledger_url: str, number: int, rounds: int) -> None:
    with racers(ledger_url, number) as started:
        wins = [one_round(ledger, started, "promote").count("won") for _ in range(rounds)]
    assert wins == [1] * rounds
    assert ledger.champion_state(M).revision == rounds
    assert [entry.action for entry in ledger.history(M, limit=None)] == ["promoted"] * rounds
    assert invariants(ledger) == []


def test_the_naive_order_fails_this_test(ledger: Ledger, ledger_url: str) -> None:
    with racers(ledger_url, 4) as started:
        assert one_round(ledger, started, "promote").count("won") == 1
        wins = [one_round(ledger, started, "naive").count("won") for _ in range(10)]
    assert all(winners > 1 for winners in wins)
    assert any("champion row says" in sentence for sentence in invariants(ledger))


def test_everybody_arrives_in_the_end(ledger: Ledger, ledger_url: str) -> None:
    each = max(ROUNDS // 10, 2)
    challengers = [[challenger(ledger) for _ in range(each)] for _ in range(4)]
    with racers(ledger_url, 4) as started:
        for racer, own in zip(started, challengers, strict=True):
            racer.tell(do="loop", model=M, challengers=own)
        for racer in started:
            assert racer.hear() >= 0
    assert ledger.champion_state(M).revision == 4 * each
    assert sorted(entry.version for entry in ledger.history(M, limit=None)) == list(range(1, 4 * each + 1))
    assert invariants(ledger) == []
