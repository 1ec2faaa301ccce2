from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from mlops_assets.errors import EvidenceError, LedgerError, LostRaceError
from mlops_assets.ledger import Champion, Ledger

AT = datetime(2026, 3, 1, 2, tzinfo=UTC)
M = "pump"


def challenger(ledger: Ledger, model: str = M) -> tuple[int, str]:
    made = ledger.new_version(model, AT)
    ledger.record_bundle(
        model, made.version, bundle_path=f"{model}/{made.version}", manifest_sha256=f"{made.version:064x}"
    )
    return made.version, ledger.record_evidence(model, made.version, {"rmse": 1.0}, AT)


def promote(ledger: Ledger, version: int, hash_: str, expected: int | None = None) -> Champion:
    revision = ledger.champion_state(M).revision if expected is None else expected
    return ledger.promote(
        M, version, expected_revision=revision, evidence_hash=hash_, actor="ann", reason="better", at=AT
    )


def promote_new(ledger: Ledger) -> Champion:
    return promote(ledger, *challenger(ledger))


def rollback(ledger: Ledger, to_version: int | None = None) -> int:
    return ledger.rollback(M, actor="ann", reason="spike", at=AT, to_version=to_version).version


def statuses(ledger: Ledger) -> dict[int, str]:
    return {version.version: version.status for version in ledger.versions(M)}


def test_first_promotion_and_the_next(ledger: Ledger) -> None:
    assert ledger.champion(M) is None
    assert ledger.champion_state(M).revision == 0
    first = promote_new(ledger)
    assert (first.version, first.revision, first.since) == (1, 1, AT)
    second = promote_new(ledger)
    assert ledger.champion(M) == second
    assert (second.version, second.revision) == (2, 2)
    assert statuses(ledger) == {1: "archived", 2: "champion"}
    assert [(e.action, e.from_version, e.to_version, e.revision) for e in ledger.history(M)] == [
        ("promoted", 1, 2, 2),
        ("promoted", None, 1, 1),
    ]
    assert ledger.champions() == (second,)


def test_an_old_revision_loses_and_changes_nothing(ledger: Ledger) -> None:
    promote_new(ledger)
    expected = ledger.champion_state(M).revision
    winner = promote_new(ledger)
    late = challenger(ledger)
    with pytest.raises(LostRaceError, match="revision 1 was expected, it is now 2"):
        promote(ledger, *late, expected=expected)
    assert ledger.champion(M) == winner
    assert len(ledger.history(M)) == 2
    assert statuses(ledger)[late[0]] == "challenger"


def test_a_retried_promotion_is_answered_once(ledger: Ledger) -> None:
    version, hash_ = challenger(ledger)
    assert promote(ledger, version, hash_, expected=0) == promote(ledger, version, hash_, expected=0)
    assert len(ledger.history(M)) == 1


def test_old_evidence_does_not_undo_a_rollback(ledger: Ledger) -> None:
    promote_new(ledger)
    bad = promote_new(ledger)
    rollback(ledger)
    with pytest.raises(LedgerError, match=r"already promoted on this evidence .* decide on the new evidence"):
        promote(ledger, bad.version, bad.evidence_hash)
    fresh = ledger.record_evidence(M, bad.version, {"rmse": 0.9}, AT)
    assert promote(ledger, bad.version, fresh).version == bad.version
    assert rollback(ledger) == 1


def test_a_decision_has_an_actor(ledger: Ledger) -> None:
    version, hash_ = challenger(ledger)
    with pytest.raises(LedgerError, match="needs the name"):
        ledger.keep(M, version, evidence_hash=hash_, actor=" ", reason="", at=AT)


def test_evidence_must_exist_and_be_about_this_version(ledger: Ledger) -> None:
    one, two = challenger(ledger), challenger(ledger)
    with pytest.raises(EvidenceError, match="holds no evidence"):
        promote(ledger, one[0], "0" * 64)
    with pytest.raises(EvidenceError, match="is about pump version 2, not pump version 1"):
        promote(ledger, one[0], two[1])
    assert ledger.champion(M) is None


def test_a_version_without_a_bundle_is_not_promoted(ledger: Ledger) -> None:
    version = ledger.new_version(M, AT).version
    hash_ = ledger.record_evidence(M, version, {}, AT)
    with pytest.raises(LedgerError, match="no recorded bundle"):
        promote(ledger, version, hash_)


def test_keep_archives_and_refuse_is_for_ever(ledger: Ledger) -> None:
    champion = promote_new(ledger)
    kept, hash_kept = challenger(ledger)
    entry = ledger.keep(M, kept, evidence_hash=hash_kept, actor="gates", reason="not better", at=AT)
    assert (entry.action, entry.version, entry.from_version, entry.to_version) == ("kept", kept, 1, 1)
    again = ledger.keep(M, kept, evidence_hash=hash_kept, actor="gates", reason="not better", at=AT)
    assert again == entry
    bad, hash_bad = challenger(ledger)
    ledger.refuse(M, bad, evidence_hash=hash_bad, actor="gates", reason="NaN", at=AT)
    with pytest.raises(LedgerError, match="was refused and is never promoted"):
        promote(ledger, bad, hash_bad)
    ledger.keep(M, bad, evidence_hash=hash_bad, actor="gates", reason="again", at=AT)
    assert statuses(ledger) == {1: "champion", kept: "archived", bad: "refused"}
    assert ledger.champion(M) == champion
    with pytest.raises(LedgerError, match="is the champion and cannot be refused"):
        ledger.refuse(M, 1, evidence_hash=champion.evidence_hash, actor="gates", reason="?", at=AT)


def test_rollback_goes_to_the_last_that_served_not_to_the_number_before(ledger: Ledger) -> None:
    first = promote_new(ledger)
    kept, hash_kept = challenger(ledger)
    ledger.keep(M, kept, evidence_hash=hash_kept, actor="gates", reason="no", at=AT)
    promote_new(ledger)
    assert ledger.rollback_target(M) == 1
    back = ledger.rollback(M, actor="ann", reason="spike", at=AT + timedelta(hours=1))
    assert (back.version, back.revision, back.evidence_hash) == (1, 3, first.evidence_hash)
    assert statuses(ledger) == {1: "champion", 2: "archived", 3: "archived"}
    assert ledger.history(M)[0].action == "rolled_back"


def test_two_rollbacks_go_further_back_and_then_say_so(ledger: Ledger) -> None:
    for _ in range(3):
        promote_new(ledger)
    assert (rollback(ledger), rollback(ledger)) == (2, 1)
    with pytest.raises(LedgerError, match="no earlier version that served"):
        rollback(ledger)


def test_after_a_rollback_and_a_promotion_the_bad_version_is_skipped(ledger: Ledger) -> None:
    for _ in range(3):
        promote_new(ledger)
    assert rollback(ledger) == 2
    promote_new(ledger)
    assert rollback(ledger) == 2
    assert rollback(ledger) == 1


def test_rollback_to_a_named_version(ledger: Ledger) -> None:
    for _ in range(4):
        promote_new(ledger)
    never = challenger(ledger)[0]
    with pytest.raises(LedgerError, match=r"never served.*\(1, 2, 3\)"):
        rollback(ledger, to_version=never)
    with pytest.raises(LedgerError, match="is the champion already"):
        rollback(ledger, to_version=4)
    assert rollback(ledger, to_version=2) == 2
    assert rollback(ledger, to_version=3) == 3  # an operator may insist on a version left behind
    assert rollback(ledger) == 1  # 2 was left as bad


def test_two_people_roll_back_once(ledger: Ledger) -> None:
    for _ in range(3):
        promote_new(ledger)
    expected = ledger.champion_state(M).revision
    ledger.rollback(M, actor="ann", reason="spike", at=AT, expected_revision=expected)
    with pytest.raises(LostRaceError):
        ledger.rollback(M, actor="bob", reason="spike", at=AT, expected_revision=expected)


def test_retire_and_come_back(ledger: Ledger) -> None:
    promote_new(ledger)
    promote_new(ledger)
    entry = ledger.retire(M, actor="ann", reason="pump sold", at=AT)
    assert (entry.version, entry.to_version) == (2, None)
    assert ledger.champion(M) is None
    assert ledger.champions() == ()
    with pytest.raises(LedgerError, match="no champion to retire"):
        ledger.retire(M, actor="ann", reason="again", at=AT)
    late = challenger(ledger)
    with pytest.raises(LostRaceError, match="champion: none"):
        promote(ledger, *late, expected=0)
    assert rollback(ledger) == 2
    assert rollback(ledger) == 1


def test_nothing_to_roll_back(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="no earlier version"):
        rollback(ledger)


@pytest.mark.parametrize(
    "statement",
    [
        "delete from history",
        "update history set reason = 'nicer'",
        "delete from evidence",
        "update evidence set at = now()",
        "delete from model_versions",
        "delete from champion",
        "truncate history cascade",
        "truncate evidence cascade",
        "update model_versions set bundle_path = 'elsewhere'",
        "update model_versions set data_versions = '{\"x\": 1}'",
        "update model_versions set status = 'champion' where version = 1",
        "insert into evidence values ('aa', 'pump', 1, '{\"model\":\"pump\",\"version\":1}', now())",
    ],
)
def test_the_database_itself_refuses(ledger: Ledger, statement: str) -> None:
    promote_new(ledger)
    promote_new(ledger)
    with pytest.raises(LedgerError, match="the ledger refused"), ledger._transaction() as connection:
        connection.execute(text(statement.replace(":", "\\:")))
    assert len(ledger.history(M)) == 2
