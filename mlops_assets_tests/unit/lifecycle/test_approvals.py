from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mlops_assets.errors import EvidenceError, LedgerError, LostRaceError, MlopsError
from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle import reports
from mlops_assets.lifecycle.approvals import files, verdicts, waivers
from mlops_assets.lifecycle.approvals.files import alert_about, folder, verdicts_from_files
from mlops_assets.lifecycle.approvals.hold import hold_on
from mlops_assets.lifecycle.platform import keep_record
from mlops_assets.lifecycle.recovery.rollback import roll_back
from mlops_assets.lifecycle.stages import train
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import GATES, Station, begin

ASKING: tuple[Any, ...] = (*GATES, "approval")
GATE = "beats_champion_rmse"


@pytest.fixture
def station(tmp_path: Path, ledger: Ledger) -> Station:
    """A first champion that needed nobody, and an approval asked for from then on."""
    station = begin(tmp_path, ledger)
    station.challenge()
    station.with_gates(*ASKING)
    return station


def give(
    station: Station, verdict: Any = "approve", comment: str = "seen", by: str = "ann", **more: Any
) -> Any:
    return verdicts.give_verdict(station.spec, station.platform, station.run(by), verdict, comment, **more)


def test_a_challenger_that_waits_stays_a_challenger_until_somebody_answers(station: Station) -> None:
    version, evidence_hash, record = station.challenge()
    assert record.decision.outcome == "keep"
    assert "waits for a person" in record.decision.reason
    assert station.statuses() == {1: "champion", 2: "challenger"}
    assert station.history() == [("promoted", 1)]
    assert (
        station.apply_decision(version, evidence_hash).decision == record.decision
    )  # asking twice writes nothing either
    assert [
        one.evidence_hash for one in verdicts.waiting([station.spec], station.platform, station.run())
    ] == [evidence_hash]


def test_an_approval_promotes_at_once_and_says_who(station: Station) -> None:
    version, evidence_hash, _ = station.challenge()
    done = give(station, comment="plots look right", evidence_hash=evidence_hash[:12])
    assert (done.record.decision.outcome, station.champion()) == ("promote", version)
    assert "approved by ann: plots look right" in station.platform.ledger.history("station")[0].reason
    assert done.approval.evidence_hash == evidence_hash
    assert station.registry.mirrored[-1] == (version, {version: True})
    assert verdicts.waiting([station.spec], station.platform, station.run()) == ()
    assert station.platform.ledger.alerts("station", open_only=True) == ()
    assert give(station, evidence_hash=evidence_hash).record.decision.reason == "already the champion"


@pytest.mark.parametrize("verdict, word", [("reject", "rejected"), ("defer", "deferred")])
def test_a_no_keeps_the_champion_for_good(station: Station, verdict: str, word: str) -> None:
    version, evidence_hash, _ = station.challenge()
    with pytest.raises(LedgerError, match="needs a comment"):
        give(station, verdict, " ")
    done = give(station, verdict, "noise at night")
    assert done.record.decision.outcome == "keep"
    assert station.history()[-1] == ("kept", version)
    assert f"{word} by ann: noise at night" in station.platform.ledger.history("station")[0].reason
    assert station.registry.mirrored[-1] == (1, {version: False})
    with pytest.raises(LostRaceError, match=f"ann decided '{verdict}'"):
        give(station, "approve", by="bob", evidence_hash=evidence_hash)
    assert station.apply_decision(version, evidence_hash).decision.outcome == "keep"
    assert station.champion() == 1


def test_a_deferral_asks_for_one_retrain_that_carries_the_comment(station: Station) -> None:
    station.challenge()
    done = give(station, "defer", "wait for the new sensor")
    assert done.request is not None
    assert give(station, "defer", "wait for the new sensor").request is None
    [retrain] = station.platform.ledger.open_requests("station")
    assert "ann deferred version 2: wait for the new sensor" in retrain.detail["reason"]


def test_a_no_counts_where_no_gate_asked_for_a_person(tmp_path: Path, ledger: Ledger) -> None:
    station = begin(tmp_path, ledger)
    station.challenge()
    trained = station.train()
    evidence_hash = station.judge(trained)
    give(station, "reject", "not this week")
    assert station.apply_decision(trained.version, evidence_hash).decision.outcome == "keep"
    assert station.champion() == 1


def test_an_approval_lapses_when_anything_changed(station: Station) -> None:
    version, evidence_hash, _ = station.challenge()
    trained = replace(life_version(station, version), version=version)
    newer = station.judge(trained, rmse=0.8)
    with pytest.raises(EvidenceError, match=f"evaluated again since; its newest evidence is {newer[:16]}"):
        give(station, evidence_hash=evidence_hash)
    before = station.spec
    station.with_gates(*ASKING, "no_missing_predictions")
    with pytest.raises(EvidenceError, match="the model file has changed"):
        give(station, evidence_hash=newer)
    station.spec = before
    with pytest.raises(EvidenceError, match=r"holds no evidence f{64}"):
        give(station, evidence_hash="f" * 64)
    with pytest.raises(EvidenceError, match="too short"):
        give(station, evidence_hash=newer[:6])
    assert station.platform.ledger.approvals_of("station") == {}
    station.with_gates(*GATES)
    _, other, _ = station.challenge()
    assert station.champion() == 3
    station.spec = before
    with pytest.raises(MlopsError, match="lapsed"):
        give(station, evidence_hash=newer)
    assert station.statuses()[version] == "archived"  # version 3 took its place
    assert other != newer


def life_version(station: Station, version: int) -> Any:
    from mlops_assets import stages
    from mlops_assets.artifacts import TrainedModel
    from mlops_assets.lifecycle.platform import known_record

    trained_record = known_record(station.platform, station.spec, stages.TRAINED_MODEL, TrainedModel)
    assert trained_record is not None
    assert trained_record.version == version
    return trained_record


def test_an_approval_that_would_change_nothing_is_not_recorded(station: Station) -> None:
    _, evidence_hash, _ = station.challenge(rmse=1.2)
    with pytest.raises(EvidenceError, match="would not promote station version 2: beats_champion_rmse"):
        give(station, evidence_hash=evidence_hash)
    assert station.platform.ledger.approval(evidence_hash) is None


def test_an_expired_approval_is_refused(station: Station) -> None:
    version, evidence_hash, _ = station.challenge()
    station.platform.ledger.record_verdict(
        evidence_hash,
        "approve",
        actor="ann",
        comment="",
        at=station.now,
        expires_at=station.now + timedelta(days=7),
    )
    station.now += timedelta(days=8)
    record = station.apply_decision(version, evidence_hash)
    assert record.decision.outcome == "keep"
    assert "the verdict of ann has expired" in record.decision.reason
    assert station.champion() == 1


def test_a_newer_challenger_takes_the_place_of_one_that_waits(station: Station) -> None:
    first, _, _ = station.challenge()
    second, _, _ = station.challenge()
    assert station.statuses() == {1: "champion", first: "archived", second: "challenger"}
    entry = station.platform.ledger.history("station")[0]
    assert (entry.version, entry.reason) == (first, "version 3 took its place before a person decided")
    [waiting] = verdicts.waiting([station.spec], station.platform, station.run())
    assert waiting.evidence.version == second
    third, _, _ = station.challenge(
        rmse=1.2
    )  # one that is kept does not: the one before may still be approved
    assert station.statuses()[second] == "challenger"
    assert give(station, version=second).record.champion == second
    assert third == 4


def test_sixteen_people_answer_at_once_and_one_counts(station: Station, ledger_url: str) -> None:
    _, evidence_hash, _ = station.challenge()
    outcomes: list[str] = []

    def speak(number: int) -> None:
        with Ledger.open(ledger_url) as own:
            platform = replace(station.platform, ledger=own)
            run = replace(station.run(), actor=f"person {number}")
            try:
                verdicts.give_verdict(
                    station.spec,
                    platform,
                    run,
                    "approve" if number % 2 else "reject",
                    "x",
                    evidence_hash=evidence_hash,
                )
                outcomes.append("won")
            except MlopsError:
                outcomes.append("lost")

    threads = [threading.Thread(target=speak, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("won") == 1
    verdict = station.platform.ledger.approvals_of("station")[2].verdict
    assert station.champion() == (2 if verdict == "approve" else 1)


def test_an_answer_whose_process_died_is_acted_on_later(station: Station) -> None:
    version, evidence_hash, _ = station.challenge()
    station.platform.ledger.record_verdict(evidence_hash, "approve", actor="ann", comment="", at=station.now)
    assert station.champion() == 1
    [applied] = verdicts.apply_verdicts(station.spec, station.platform, station.run("sensor"))
    assert station.champion() == version
    assert "approved by ann" in applied
    assert station.platform.ledger.history("station")[0].actor == "ann"
    assert verdicts.apply_verdicts(station.spec, station.platform, station.run()) == ()


def test_a_waived_gate_promotes_and_is_shown(station: Station) -> None:
    station.with_gates(*GATES)
    version, evidence_hash, record = station.challenge(rmse=1.0)
    assert record.decision.outcome == "keep"
    until = station.now + timedelta(days=14)

    def waive(gate: str, reason: str = "new sensor") -> Any:
        return waivers.waive(
            station.spec,
            station.platform,
            station.run(),
            gate,
            owner="team:water",
            reason=reason,
            expires_at=until,
        )

    with pytest.raises(LedgerError, match="did you mean 'beats_champion_rmse'"):
        waive("beats_champion_rms")
    with pytest.raises(LedgerError, match="needs an owner and a reason"):
        waive("beats_champion_rmse", " ")
    waive("beats_champion_rmse")
    assert station.apply_decision(version, evidence_hash).decision.outcome == "promote"
    assert (
        "waived by team:water until 2026-03-16: new sensor"
        in station.platform.ledger.history("station")[0].reason
    )
    station.with_gates(*ASKING)
    with pytest.raises(LedgerError, match="cannot be waived"):
        waive("approval")


def test_an_expired_waiver_counts_for_nothing(station: Station) -> None:
    station.with_gates(*GATES)
    version, evidence_hash, _ = station.challenge(rmse=1.0)
    waivers.waive(
        station.spec,
        station.platform,
        station.run(),
        "beats_champion_rmse",
        owner="team:water",
        reason="new sensor",
        expires_at=station.now + timedelta(days=14),
    )
    station.now += timedelta(days=15)
    assert station.apply_decision(version, evidence_hash).decision.outcome == "keep"


@pytest.mark.parametrize(
    "gate, owner, actor, days, message",
    [
        ("leakage", "team:water", "ann", 7, "never waived"),
        ("data_quality", "team:water", "ann", 7, "never waived"),
        ("reproducible", "team:water", "ann", 7, "never waived"),
        ("no_missing_predictions", "team:water", "ann", 7, "never waived"),
        ("beats_champion_rmse", "ann", "ann", 7, "'ann' is not an owner of station"),
        ("beats_champion_rmse", "bob@example.org", "ann", 7, "did you mean 'bob@example.com'"),
        ("beats_champion_rmse", "bob@example.com", "bob", 7, "a second person does"),
        ("beats_champion_rmse", "bob@example.com", "Bob@Example.com", 7, "a second person does"),
        ("beats_champion_rmse", "team:water", "ann", 31, "at most 30 days"),
        ("beats_champion_rmse", "team:water", "ann", 2_900_000, "at most 30 days"),
    ],
)
def test_waivers_are_bounded(
    station: Station, gate: str, owner: str, actor: str, days: int, message: str
) -> None:
    station.with_gates(*GATES, "leakage", "data_quality", "reproducible", "no_missing_predictions")
    until = station.now + timedelta(days=days)
    with pytest.raises(LedgerError, match=message):
        waivers.waive(
            station.spec,
            station.platform,
            station.run(actor),
            gate,
            owner=owner,
            reason="x",
            expires_at=until,
        )
    assert station.platform.ledger.waivers("station") == ()


def test_an_owner_may_waive_alone_where_the_model_file_allows_it(station: Station) -> None:
    station.with_gates(*GATES, waivers={"owner_may_waive": True})
    run = replace(station.run("bob"), uid=1001)
    until = station.now + timedelta(days=7)
    waivers.waive(
        station.spec, station.platform, run, GATE, owner="bob@example.com", reason="x", expires_at=until
    )
    [waiver] = station.platform.ledger.waivers("station")
    assert (waiver.owner, waiver.actor, waiver.uid) == ("bob@example.com", "bob", 1001)


def test_a_waiver_in_force_is_in_the_report(station: Station) -> None:
    station.with_gates(*GATES)
    station.challenge(rmse=1.0)
    until = station.now + timedelta(days=7)
    waivers.waive(
        station.spec, station.platform, station.run(), GATE, owner="team:water", reason="x", expires_at=until
    )
    run = station.run()
    text, _ = reports.report(
        station.spec, station.platform, run, verdicts.subject(station.spec, station.platform, run)
    )
    assert f"{GATE} is waived by team:water until" in text
    station.now += timedelta(days=8)
    run = station.run()
    text, _ = reports.report(
        station.spec, station.platform, run, verdicts.subject(station.spec, station.platform, run)
    )
    assert "is waived by" not in text


def test_a_rollback_puts_the_model_on_hold(station: Station) -> None:
    station.with_gates(*GATES)
    second, _, _ = station.challenge()
    assert station.champion() == second
    roll_back(station.platform, "station", None, station.run("ops"), "spike")
    hold = hold_on(station.platform, "station")
    assert hold is not None
    assert (hold.version, hold.actor, hold.reason) == (second, "ops", "spike")
    assert any("on hold since ops rolled back" in sentence for sentence in station.sentences)

    twin, evidence_hash, record = station.challenge()
    assert (record.decision.outcome, record.decision.by, record.champion) == ("keep", "hold", 1)
    assert "on hold since ops rolled back from version 2" in record.decision.reason
    assert station.apply_decision(twin, evidence_hash).champion == 1  # asked again, nothing changes
    [waiting] = verdicts.waiting([station.spec], station.platform, station.run())
    assert waiting.evidence.version == twin
    assert "on hold" in station.platform.ledger.alerts("station", open_only=True)[0].message

    assert give(station).record.champion == twin
    assert hold_on(station.platform, "station") is None
    after, _, _ = station.challenge()
    assert station.champion() == after


def test_a_changed_model_file_ends_the_hold(station: Station) -> None:
    station.with_gates(*GATES)
    station.challenge()
    roll_back(station.platform, "station", None, station.run("ops"), "spike")
    station.with_gates(*GATES, description="Fixed after the spike")
    third, _, record = station.challenge()
    assert (record.decision.outcome, station.champion()) == ("promote", third)


def test_two_rollbacks_hold_the_model_files_of_both(station: Station) -> None:
    station.with_gates(*GATES)
    station.challenge()
    old = station.spec
    station.with_gates(*GATES, description="Another model file")
    station.challenge()
    roll_back(station.platform, "station", None, station.run("ops"), "spike")
    roll_back(station.platform, "station", 1, station.run("ops"), "spike again")
    _, _, record = station.challenge()
    assert record.decision.outcome == "keep"
    station.spec = old
    _, _, record = station.challenge()
    assert record.decision.outcome == "keep"
    assert station.champion() == 1


def test_an_expired_approval_does_not_end_the_hold(station: Station) -> None:
    station.with_gates(*GATES)
    station.challenge()
    roll_back(station.platform, "station", None, station.run("ops"), "spike")
    version, evidence_hash, _ = station.challenge()
    station.platform.ledger.record_verdict(
        evidence_hash,
        "approve",
        actor="ann",
        comment="",
        at=station.now,
        expires_at=station.now + timedelta(hours=1),
    )
    station.now += timedelta(hours=2)
    assert station.apply_decision(version, evidence_hash).decision.outcome == "keep"
    assert station.champion() == 1


def test_reviewers_are_told_once_and_an_unset_address_is_said(station: Station) -> None:
    station.with_gates(*ASKING, alerts={"notify": ["REVIEWERS"]})
    version, evidence_hash, _ = station.challenge()
    station.apply_decision(version, evidence_hash)
    assert sum("REVIEWERS is not set" in sentence for sentence in station.sentences) == 1
    unsent, alert = station.platform.ledger.alerts("station", open_only=True)
    assert evidence_hash[:16] in alert.message
    assert (unsent.kind, alert.kind, alert.delivery) == ("alert_unsent", "approval", "pending")


def test_a_waiting_challenger_is_not_trained_again_on_the_same_data(station: Station) -> None:
    from mlops_assets import stages

    _, _, record = station.challenge()
    run = station.run()
    keep_record(station.platform, station.spec, stages.PRODUCTION_MODEL, run, record)
    assert train.train_model(station.spec, station.platform, replace(run, reuse=True)) is None


def write(station: Station, **content: str) -> Path:
    approvals_folder = folder(station.platform.settings)
    approvals_folder.mkdir(exist_ok=True)
    file = approvals_folder / "station.yaml"
    file.write_text("\n".join(f"{key}: {value}" for key, value in content.items()))
    return file


def test_an_approval_file_answers_once(station: Station) -> None:
    version, evidence_hash, _ = station.challenge()
    write(
        station, evidence=evidence_hash, verdict="approve", by="ann@example.com", comment="merged in review"
    )
    [read] = verdicts_from_files([station.spec], station.platform, station.run("sensor"))
    assert (read.accepted, station.champion()) == (True, version)
    assert station.platform.ledger.history("station")[0].actor == "ann@example.com"
    [again] = verdicts_from_files([station.spec], station.platform, station.run("sensor"))
    assert (again.accepted, again.news) == (True, False)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"evidence": "f" * 64}, "holds no evidence"),
        ({"evidence": "abc"}, "evidence: String should match"),
        ({"verdict": "yes"}, "verdict: Input should be 'approve'"),
        ({"comments": "x"}, "unknown key; did you mean 'comment'"),
        ({"by": ""}, "by: "),
        ({"comment": "!!python/object:os.system x"}, "line 4"),
    ],
)
def test_an_approval_file_is_read_strictly_and_complained_about_once(
    station: Station, changes: dict[str, str], message: str
) -> None:
    _, evidence_hash, _ = station.challenge()
    content = {"evidence": evidence_hash, "verdict": "approve", "by": "ann", "comment": "x"}
    write(station, **(content | changes))
    [read] = verdicts_from_files([station.spec], station.platform, station.run("sensor"))
    assert not read.accepted
    assert message in read.sentence
    assert alert_about(read, station.platform, station.run())
    assert not alert_about(read, station.platform, station.run())
    assert station.champion() == 1


def test_a_file_that_breaks_its_reader_keeps_no_other_from_being_read(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    version, evidence_hash, _ = station.challenge()
    good = write(station, evidence=evidence_hash, verdict="approve", by="ann@example.com")
    broken = good.with_suffix(".yml")
    broken.write_text("deep")
    original = files.read

    def read(file: Path) -> files.ApprovalFile:
        if file == broken:
            raise RecursionError("maximum recursion depth exceeded")
        return original(file)

    monkeypatch.setattr(files, "read", read)
    results = {one.file: one for one in verdicts_from_files([station.spec], station.platform, station.run())}
    assert results[broken].sentence == "RecursionError: maximum recursion depth exceeded"
    assert (results[good].accepted, station.champion()) == (True, version)


def test_an_approval_file_of_no_model_is_named(station: Station) -> None:
    write(station, evidence="a" * 64, verdict="approve", by="ann").rename(
        folder(station.platform.settings) / "stations.yaml"
    )
    [read] = verdicts_from_files([station.spec], station.platform, station.run())
    assert "did you mean 'station'" in read.sentence
