"""Processes are killed in the middle of the ledger's verbs: what is left is the state before or the state after.

Every verb is killed at each of its points (around each statement and each commit) and repeated; then at random
moments. MLOPS_FAULT_KILLS sets the number of random kills (default 60).
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from mlops_assets.errors import LedgerError, LostRaceError
from mlops_assets.ledger import Ledger, engine, invariants, migrate
from mlops_assets.ledger.migrating import HEAD, schema_revision
from mlops_assets.ledger.schema import metadata
from mlops_assets_tests.earlier_ledger import load_earlier_ledger
from mlops_assets_tests.faults.ledger_victim import DECODED

pytestmark = pytest.mark.faults

AT = datetime(2026, 3, 1, tzinfo=UTC)
KILLS = int(os.environ.get("MLOPS_FAULT_KILLS", "60"))
SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT", "SIGQUIT")
M = "pump"
POINTS_APART = int(os.environ.get("MLOPS_FAULT_POINTS_APART", "4"))
"""An upgrade is killed at every point with 1, at every fourth without the variable."""

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def victims() -> Iterator[Run]:
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("ledger_victim.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    stdin, stdout = process.stdin, process.stdout
    assert stdin is not None
    assert stdout is not None

    def run(**job: Any) -> dict[str, Any]:
        stdin.write(json.dumps(job) + "\n")
        stdin.flush()
        reply: dict[str, Any] = json.loads(stdout.readline())
        return reply

    yield run
    process.communicate()


def challenger(ledger: Ledger) -> tuple[int, str]:
    version = ledger.new_version(M, AT).version
    ledger.record_bundle(M, version, bundle_path=f"b/{version}", manifest_sha256=f"{version:064x}")
    return version, ledger.record_evidence(M, version, {}, AT)


def promote(ledger: Ledger) -> None:
    version, hash_ = challenger(ledger)
    ledger.promote(
        M,
        version,
        expected_revision=ledger.champion_state(M).revision,
        evidence_hash=hash_,
        actor="a",
        reason="",
        at=AT,
    )


def arguments_of(ledger: Ledger, verb: str) -> dict[str, Any]:
    """What to call `verb` with now, so that a call that is repeated means the same."""
    version, hash_ = challenger(ledger)
    attribution = {"actor": "a", "reason": ""}
    revision = ledger.champion_state(M).revision
    match verb:
        case "promote":
            return {
                "model": M,
                "version": version,
                "expected_revision": revision,
                "evidence_hash": hash_,
                **attribution,
            }
        case "rollback":
            return {"model": M, "expected_revision": revision, **attribution}
        case "keep" | "refuse":
            return {"model": M, "version": version, "evidence_hash": hash_, **attribution}
        case "record_verdict":
            return {"evidence_hash": hash_, "verdict": "approve", "actor": "ann", "comment": ""}
        case "start_rollout":
            return {
                "model": M,
                "version": version,
                "plan": "canary",
                "expected_revision": revision,
                "evidence_hash": hash_,
                **attribution,
            }
        case "retire":
            return {"model": M, **attribution}
        case _:
            raise ValueError(verb)


def decoded(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a verb in this process."""
    return {key: DECODED.get(key, lambda same: same)(value) for key, value in arguments.items()}


def look(ledger: Ledger, arguments: dict[str, Any]) -> tuple[object, ...]:
    """Everything the verbs change."""
    hash_ = arguments.get("evidence_hash")
    return (
        ledger.champion_state(M),
        len(ledger.history(M, limit=None)),
        tuple(version.status for version in ledger.versions(M)),
        None if hash_ is None else ledger.approval(hash_),
        ledger.active_rollouts(),
    )


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize(
    "verb", ["promote", "rollback", "keep", "refuse", "retire", "record_verdict", "start_rollout"]
)
def test_killed_at_every_point(ledger: Ledger, ledger_url: str, victims: Run, verb: str, signal: str) -> None:
    for _ in range(3):
        promote(ledger)
    points = victims(url=ledger_url, verb=verb, arguments=arguments_of(ledger, verb))["points"]
    assert points >= 12
    every = range(1, points + 1)  # other signals end the process at the same places: a few of them are enough
    for point in every if signal == "SIGKILL" else random.Random(7).sample(every, 4):
        for _ in range(2):
            promote(ledger)
        arguments = arguments_of(ledger, verb)
        before = look(ledger, arguments)
        ended = victims(url=ledger_url, verb=verb, arguments=arguments, point=point, signal=signal)
        assert ended["points"] is None, f"point {point} was not reached"
        between = look(ledger, arguments)
        assert invariants(ledger) == []
        try:  # the restart: the same again, no manual step
            getattr(ledger, verb)(**decoded(arguments), at=AT)
        except (LostRaceError, LedgerError):
            assert verb in ("rollback", "retire")  # done already, and said so
            assert between != before
        after = look(ledger, arguments)
        assert invariants(ledger) == []
        assert between in (before, after)
        assert after != before
        if verb != "start_rollout":
            assert after[1] == before[1] + (verb != "record_verdict")  # type: ignore[operator]


def to(state: str, step: int = 0, champion: str | None = None) -> dict[str, Any]:
    return {"state": state, "step": step, "reason": "", "champion": champion}


TRANSITIONS: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "next step": ([], to("running", 1)),
    "pause": ([], to("paused")),
    "resume": ([to("paused")], to("running")),
    "abort": ([], to("aborted")),
    "abort while paused": ([to("paused")], to("aborted")),
    "promote": ([], to("finished", 3, "promote")),
    "switch": ([], to("switched", 0, "promote")),
    "switch back": ([to("switched", 0, "promote")], to("aborted", 0, "roll_back")),
    "end after the switch": ([to("switched", 0, "promote")], to("finished")),
}
"""Transitions of a roll-out: those before it, and itself."""


@pytest.mark.parametrize("name", TRANSITIONS)
def test_a_rollout_is_killed_at_every_point(ledger: Ledger, ledger_url: str, victims: Run, name: str) -> None:
    earlier, transition = TRANSITIONS[name]

    def prepared() -> dict[str, Any]:
        """A roll-out before its transition; the one before it ends."""
        promote(ledger)
        rollout = ledger.start_rollout(**decoded(arguments_of(ledger, "start_rollout")), at=AT)
        for sequence, one in enumerate(earlier):
            arguments = {"transition": one, "expected_sequence": sequence, "actor": "a"}
            ledger.move_rollout(rollout.id, **decoded(arguments), at=AT)
        sequence = len(earlier)
        return {
            "rollout_id": rollout.id,
            "transition": transition,
            "expected_sequence": sequence,
            "actor": "a",
        }

    def state() -> tuple[object, ...]:
        newest = ledger.rollouts_of(M)[0]
        return (newest, ledger.rollout_events(newest.id), *look(ledger, {}))

    points = victims(url=ledger_url, verb="move_rollout", arguments=prepared())["points"]
    assert points >= 12
    every = range(
        1, points + 1
    )  # without a champion's move there is one statement less: a few points are enough
    for point in every if transition["champion"] else random.Random(7).sample(every, 6):
        arguments = prepared()
        before = state()
        ended = victims(url=ledger_url, verb="move_rollout", arguments=arguments, point=point)
        assert ended["points"] is None, f"point {point} was not reached"
        between = state()
        assert invariants(ledger) == []
        ledger.move_rollout(**decoded(arguments), at=AT)
        after = state()
        assert invariants(ledger) == []
        assert between in (before, after)
        assert after != before


def test_killed_at_random_moments(ledger: Ledger, ledger_url: str, victims: Run) -> None:
    chance = random.Random(20260301)
    promote(ledger)

    def twenty_promotions() -> dict[str, Any]:
        challengers = [challenger(ledger) for _ in range(20)]
        revision = ledger.champion_state(M).revision
        return {
            "model": M,
            "version": [version for version, _ in challengers],
            "evidence_hash": [hash_ for _, hash_ in challengers],
            "expected_revision": list(range(revision, revision + 20)),
            "actor": "a",
            "reason": "",
        }

    takes = 0.0
    for _ in range(2):  # the first one pays for imports
        whole = twenty_promotions()
        began = time.monotonic()
        victims(url=ledger_url, verb="promote", arguments=whole, repeat=20)
        takes = time.monotonic() - began
    moved: list[int] = []
    hits = 0
    while len(moved) < KILLS or (hits < KILLS / 4 and len(moved) < 8 * KILLS):
        arguments = twenty_promotions()
        delay = chance.uniform(0, takes)
        victims(url=ledger_url, verb="promote", arguments=arguments, repeat=20, delay=delay)
        assert invariants(ledger) == [], f"round {len(moved)}, killed after {delay:.4f} s"
        assert ledger.champion(M) is not None
        moved.append(ledger.champion_state(M).revision - arguments["expected_revision"][0])
        hits += 0 < moved[-1] < 20
        # how long a run takes changes with what else the machine does: follow it
        takes *= 1.05 if moved[-1] == 0 else 0.9 if moved[-1] == 20 else 1.0
    assert hits >= KILLS / 4, f"too few kills hit a promotion: {moved}"
    promote(ledger)  # no lock was left behind


def test_a_promotion_in_two_transactions_fails_this_test(
    ledger: Ledger, ledger_url: str, victims: Run
) -> None:
    """The negative control: the champion row in one transaction, the history in the next."""
    promote(ledger)
    broken = 0
    arguments = arguments_of(ledger, "promote")
    points = victims(url=ledger_url, verb="torn", arguments=arguments)["points"]
    assert invariants(ledger) == []
    for point in range(1, points + 1):
        victims(url=ledger_url, verb="torn", arguments=arguments_of(ledger, "promote"), point=point)
        broken += invariants(ledger) != []
    assert broken


def test_a_killed_migration_leaves_nothing_or_everything(postgres_url: str, victims: Run) -> None:
    probe = create_engine(postgres_url)

    def schema_state() -> tuple[str | None, int]:
        with probe.connect() as connection:
            tables = text("select count(*) from pg_tables where schemaname = 'public'")
            return schema_revision(connection), connection.execute(tables).scalar_one()

    point = 0
    while schema_state()[0] is None:
        assert schema_state() == (None, 0)
        point += 1
        assert point < 200
        victims(url=postgres_url, verb="migrate", arguments={}, point=point)
    assert point > 12
    assert migrate(postgres_url) == HEAD
    assert schema_state() == (HEAD, len(metadata.tables) + 1)  # and the table of the revision
    with Ledger.open(postgres_url) as ledger:
        promote(ledger)
        assert invariants(ledger) == []
    probe.dispose()


def test_a_frozen_promoter_delays_but_does_not_hang_the_others(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, ledger_url: str
) -> None:
    promote(ledger)
    arguments = arguments_of(ledger, "promote")
    monkeypatch.setattr(engine, "LOCK_TIMEOUT", "50ms")
    with Ledger.open(ledger_url) as other, ledger._transaction() as frozen:
        frozen.execute(text("select pg_advisory_xact_lock(hashtextextended('pump', 2))"))
        with pytest.raises(LedgerError, match="locked this part of the ledger for over 50ms"):
            other.promote(**arguments, at=AT)
    ledger.promote(**arguments, at=AT + timedelta(minutes=1))
    assert invariants(ledger) == []


def test_connections_that_died_are_replaced(ledger: Ledger, ledger_url: str) -> None:
    promote(ledger)
    killer = create_engine(ledger_url)
    with killer.begin() as connection:
        connection.execute(
            text(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() "
                "and application_name = 'mlops_ledger'"
            )
        )
    killer.dispose()
    promote(ledger)
    assert ledger.champion_state(M).revision == 2


def test_an_upgrade_killed_at_every_point_keeps_every_row(postgres_url: str, victims: Run) -> None:
    """A ledger of the first release: each kill leaves it whole under the old schema, the last try upgrades it."""
    load_earlier_ledger(postgres_url)
    probe = create_engine(postgres_url)

    def contents() -> tuple[str | None, dict[str, list[tuple[Any, ...]]]]:
        with probe.connect() as connection:
            tables = connection.execute(
                text("select tablename from pg_tables where schemaname = 'public' order by 1")
            ).scalars()
            rows = {
                table: [
                    tuple(row)
                    for row in connection.execute(text(f"select {table}::text from {table} order by 1"))
                ]
                for table in tables.all()
            }
            return schema_revision(connection), rows

    before, point = contents(), 0
    assert before[0] == "0001"
    while schema_state := contents():
        if schema_state[0] == HEAD:
            break
        assert schema_state == before, f"killed at point {point}"
        point += POINTS_APART
        assert point < 1_000
        victims(url=postgres_url, verb="migrate", arguments={}, point=point)
    assert point > 48
    with Ledger.open(postgres_url) as ledger:
        assert invariants(ledger) == []
        assert ledger.champion_state(M).revision == 2
        promote(ledger)
    probe.dispose()
