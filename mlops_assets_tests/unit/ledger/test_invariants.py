from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from mlops_assets.errors import EvidenceError
from mlops_assets.ledger import Ledger, invariants

AT = datetime(2026, 3, 1, 2, tzinfo=UTC)
WITHOUT_CHECK = "alter table evidence drop constraint evidence_has_its_hash"
WITH_CHECK = (
    "alter table evidence add constraint evidence_has_its_hash "
    "check (hash = encode(sha256(convert_to(body::text, 'UTF8')), 'hex')) not valid"
)
ALTERED = "replace(body::text, '.0', '.1')::json"


def tamper(ledger: Ledger, statements: str) -> None:
    """Do what only a superuser can: switch the triggers off."""
    with ledger._transaction() as connection:
        connection.execute(text("set local session_replication_role = replica"))
        connection.execute(text(statements.replace(":", "\\:")))


@pytest.fixture
def used_ledger(ledger: Ledger) -> Iterator[Ledger]:
    """A ledger in which every verb was used; what a test does to its rules is mended afterwards."""
    for number in range(1, 6):
        ledger.new_version("pump", AT, bundle_path=f"b{number}", manifest_sha256=f"{number:064x}")
    hashes = {
        n: ledger.record_evidence("pump", n, {"rmse": float(n), "manifest_sha256": f"{n:064x}"}, AT)
        for n in range(1, 6)
    }

    def promote(version: int) -> None:
        revision = ledger.champion_state("pump").revision
        ledger.promote(
            "pump",
            version,
            expected_revision=revision,
            evidence_hash=hashes[version],
            actor="a",
            reason="",
            at=AT,
        )

    promote(1)
    promote(2)
    ledger.keep("pump", 3, evidence_hash=hashes[3], actor="a", reason="", at=AT)
    ledger.refuse("pump", 4, evidence_hash=hashes[4], actor="a", reason="", at=AT)
    ledger.rollback("pump", actor="a", reason="", at=AT)
    ledger.retire("pump", actor="a", reason="", at=AT)
    promote(5)
    yield ledger
    tamper(
        ledger, "truncate evidence cascade; alter table evidence validate constraint evidence_has_its_hash"
    )


def test_a_sound_ledger_has_nothing_to_say(used_ledger: Ledger) -> None:
    assert invariants(used_ledger) == []


def test_an_empty_one_neither(ledger: Ledger) -> None:
    assert invariants(ledger) == []


@pytest.mark.parametrize(
    "tampering, expected",
    [
        (
            "update champion set version = 1",
            "champion row says version 1, the status champion is on version 5",
        ),
        (
            "update model_versions set status = 'archived' where version = 5",
            "the status champion is on no version",
        ),
        (
            "update champion set revision = 9",
            "revision is 9, the history's moves have the revisions [1, 2, 3, 4, 5]",
        ),
        ("delete from history where revision = 2", "revisions [1, 3, 4, 5]"),
        (
            "update history set from_version = 5 where revision = 3",
            "moves away from version 5, but version 2 stood",
        ),
        (
            "delete from history where action = 'promoted' and revision = 5",
            "the history's last move says None",
        ),
        ("update model_versions set status = 'archived' where version = 4", "was refused but has the status"),
        (
            "update model_versions set status = 'challenger' where version = 3",
            "decided about but is still a challenger",
        ),
        (
            (
                "insert into model_versions select 'fan', 1, 'archived', created_at, null, 'b2', manifest_sha256, "
                "data_versions, null, null from model_versions where version = 2"
            ),
            "pump: version 2 points to a bundle of the model fan",
        ),
        (
            "update model_versions set manifest_sha256 = repeat('f', 64) where version = 2",
            "pump: version 2 was judged as another bundle",
        ),
        ("update history set version = 77 where action = 'kept'", "version 77, which does not exist"),
        (
            "update history set evidence_hash = (select hash from evidence where version = 3) where revision = 1",
            "about something else",
        ),
        (
            f"{WITHOUT_CHECK}; update evidence set body = {ALTERED} where version = 2; {WITH_CHECK}",
            "does not have the hash it is stored under",
        ),
    ],
)
def test_tampering_by_hand_is_seen(used_ledger: Ledger, tampering: str, expected: str) -> None:
    tamper(used_ledger, tampering)
    broken = invariants(used_ledger)
    assert any(expected in sentence for sentence in broken), broken


def test_altered_evidence_decides_nothing(used_ledger: Ledger) -> None:
    one = used_ledger.evidence_of("pump", 3)[0].hash
    tamper(
        used_ledger, f"{WITHOUT_CHECK}; update evidence set body = {ALTERED} where version = 3; {WITH_CHECK}"
    )
    with pytest.raises(EvidenceError, match="it was altered"):
        used_ledger.promote("pump", 3, expected_revision=5, evidence_hash=one, actor="a", reason="", at=AT)
    with pytest.raises(EvidenceError, match="it was altered"):
        used_ledger.record_verdict(one, "approve", actor="ann", comment="", at=AT)
