"""One of several processes that race to promote. Reads a JSON command per line, answers a JSON line.

look: read the champion state. promote: promote under the revision that was seen. naive: what a registry without
compare-and-swap does, read and then write. loop: promote own versions one after the other, retrying lost races.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text

from mlops_assets.errors import LostRaceError
from mlops_assets.ledger import Ledger

AT = datetime(2026, 3, 1, tzinfo=UTC)


def promote(ledger: Ledger, model: str, version: int, hash_: str, expected: int) -> str:
    try:
        ledger.promote(
            model,
            version,
            expected_revision=expected,
            evidence_hash=hash_,
            actor="racer",
            reason="race",
            at=AT,
        )
    except LostRaceError:
        return "lost"
    return "won"


def naive(ledger: Ledger, model: str, version: int, hash_: str, expected: int) -> str:
    """The order that loses updates: the champion was looked at before, now it is overwritten."""
    with ledger._transaction() as connection:
        connection.execute(
            text(
                "update champion set version = :version, revision = :revision, evidence_hash = :hash "
                "where model = :model"
            ),
            {"version": version, "revision": expected + 1, "hash": hash_, "model": model},
        )
    return "won"


def loop(ledger: Ledger, model: str, challengers: list[tuple[int, str]]) -> int:
    """Promote each of `challengers`, however often that takes; answers the races lost on the way."""
    lost = 0
    for version, hash_ in challengers:
        while promote(ledger, model, version, hash_, ledger.champion_state(model).revision) == "lost":
            lost += 1
    return lost


def reply(ledger: Ledger, command: dict[str, Any]) -> Any:
    match command.pop("do"):
        case "look":
            return ledger.champion_state(command["model"]).revision
        case "promote":
            return promote(ledger, **command)
        case "naive":
            return naive(ledger, **command)
        case "loop":
            return loop(ledger, **command)
        case unknown:
            raise ValueError(unknown)


if __name__ == "__main__":
    with Ledger.open(sys.argv[1]) as opened:
        for line in sys.stdin:
            sys.stdout.write(json.dumps(reply(opened, json.loads(line))) + "\n")
            sys.stdout.flush()
