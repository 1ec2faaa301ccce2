from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mlops_assets.errors import EvidenceError, LedgerError, LostRaceError, MlopsError
from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle.approvals import answers
from mlops_assets.lifecycle.approvals.files import answer_from_files, complain, folder
from mlops_assets.lifecycle.platform import keep_record
from mlops_assets.lifecycle.stages import train
from mlops_assets_tests.unit.lifecycle.lives import GATES, Life, begin

ASKING: tuple[Any, ...] = (*GATES, "approval")


@pytest.fixture
def life(tmp_path: Path, ledger: Ledger) -> Life:
    """A first champion that needed nobody, and an approval asked for from then on."""
    life = begin(tmp_path, ledger)
    life.challenge()
    life.with_gates(*ASKING)
    return life


def answer(life: Life, verdict: Any = "approve", comment: str = "seen", by: str = "ann", **more: Any) -> Any:
    return answers.answer(life.spec, life.platform, life.run(by), verdict, comment, **more)


def test_a_challenger_that_waits_stays_a_challenger_until_somebody_answers(life: Life) -> None:
    version, evidence_hash, record = life.challenge()
    assert record.decision.outcome == "keep"
    assert "waits for a person" in record.decision.reason
    assert life.statuses() == {1: "champion", 2: "challenger"}
    assert life.history() == [("promoted", 1)]
    assert (
        life.settle(version, evidence_hash).decision == record.decision
    )  # asking twice writes nothing either
    assert [one.evidence_hash for one in answers.waiting([life.spec], life.platform, life.run())] == [
        evidence_hash
    ]


def test_an_approval_promotes_at_once_and_says_who(life: Life) -> None:
    version, evidence_hash, _ = life.challenge()
    done = answer(life, comment="plots look right", evidence_hash=evidence_hash[:12])
    assert (done.record.decision.outcome, life.champion()) == ("promote", version)
    assert "approved by ann: plots look right" in life.platform.ledger.history("station")[0].reason
    assert done.approval.evidence_hash == evidence_hash
    assert life.registry.mirrored[-1] == (version, {version: True})
    assert answers.waiting([life.spec], life.platform, life.run()) == ()
    assert life.platform.ledger.alerts("station", open_only=True) == ()
    assert answer(life, evidence_hash=evidence_hash).record.decision.reason == "already the champion"


@pytest.mark.parametrize("verdict, word", [("reject", "rejected"), ("defer", "deferred")])
def test_a_no_keeps_the_champion_for_good(life: Life, verdict: str, word: str) -> None:
    version, evidence_hash, _ = life.challenge()
    with pytest.raises(LedgerError, match="needs a comment"):
        answer(life, verdict, " ")
    done = answer(life, verdict, "noise at night")
    assert done.record.decision.outcome == "keep"
    assert life.history()[-1] == ("kept", version)
    assert f"{word} by ann: noise at night" in life.platform.ledger.history("station")[0].reason
    assert life.registry.mirrored[-1] == (1, {version: False})
    with pytest.raises(LostRaceError, match=f"ann answered '{verdict}'"):
        answer(life, "approve", by="bob", evidence_hash=evidence_hash)
    assert life.settle(version, evidence_hash).decision.outcome == "keep"
    assert life.champion() == 1


def test_a_deferral_asks_for_one_retrain_that_carries_the_comment(life: Life) -> None:
    life.challenge()
    done = answer(life, "defer", "wait for the new sensor")
    assert done.request is not None
    assert answer(life, "defer", "wait for the new sensor").request is None
    [asked] = life.platform.ledger.open_requests("station")
    assert "ann deferred version 2: wait for the new sensor" in asked.detail["reason"]


def test_a_no_counts_where_no_gate_asked_for_a_person(tmp_path: Path, ledger: Ledger) -> None:
    life = begin(tmp_path, ledger)
    life.challenge()
    trained = life.train()
    evidence_hash = life.judge(trained)
    answer(life, "reject", "not this week")
    assert life.settle(trained.version, evidence_hash).decision.outcome == "keep"
    assert life.champion() == 1


def test_an_approval_lapses_when_anything_changed(life: Life) -> None:
    version, evidence_hash, _ = life.challenge()
    trained = replace(life_version(life, version), version=version)
    newer = life.judge(trained, rmse=0.8)
    with pytest.raises(EvidenceError, match=f"evaluated again since; its newest evidence is {newer[:16]}"):
        answer(life, evidence_hash=evidence_hash)
    before = life.spec
    life.with_gates(*ASKING, "no_missing_predictions")
    with pytest.raises(EvidenceError, match="the model file has changed"):
        answer(life, evidence_hash=newer)
    life.spec = before
    with pytest.raises(EvidenceError, match=r"holds no evidence f{64}"):
        answer(life, evidence_hash="f" * 64)
    with pytest.raises(EvidenceError, match="too short"):
        answer(life, evidence_hash=newer[:6])
    assert life.platform.ledger.answers("station") == {}
    life.with_gates(*GATES)
    _, other, _ = life.challenge()
    assert life.champion() == 3
    life.spec = before
    with pytest.raises(MlopsError, match="lapsed"):
        answer(life, evidence_hash=newer)
    assert life.statuses()[version] == "archived"  # version 3 took its place
    assert other != newer


def life_version(life: Life, version: int) -> Any:
    from mlops_assets import stages
    from mlops_assets.artifacts import TrainedModel
    from mlops_assets.lifecycle.platform import known_record

    found = known_record(life.platform, life.spec, stages.TRAINED_MODEL, TrainedModel)
    assert found is not None
    assert found.version == version
    return found


def test_an_approval_that_would_change_nothing_is_not_recorded(life: Life) -> None:
    _, evidence_hash, _ = life.challenge(rmse=1.2)
    with pytest.raises(EvidenceError, match="would not promote station version 2: beats_champion_rmse"):
        answer(life, evidence_hash=evidence_hash)
    assert life.platform.ledger.approval(evidence_hash) is None


def test_an_expired_approval_is_refused(life: Life) -> None:
    version, evidence_hash, _ = life.challenge()
    life.platform.ledger.answer(
        evidence_hash,
        "approve",
        actor="ann",
        comment="",
        at=life.now,
        expires_at=life.now + timedelta(days=7),
    )
    life.now += timedelta(days=8)
    record = life.settle(version, evidence_hash)
    assert record.decision.outcome == "keep"
    assert "the answer of ann has expired" in record.decision.reason
    assert life.champion() == 1


def test_a_newer_challenger_takes_the_place_of_one_that_waits(life: Life) -> None:
    first, _, _ = life.challenge()
    second, _, _ = life.challenge()
    assert life.statuses() == {1: "champion", first: "archived", second: "challenger"}
    entry = life.platform.ledger.history("station")[0]
    assert (entry.version, entry.reason) == (first, "version 3 took its place before a person answered")
    [waiting] = answers.waiting([life.spec], life.platform, life.run())
    assert waiting.evidence.version == second
    third, _, _ = life.challenge(rmse=1.2)  # one that is kept does not: the one before may still be approved
    assert life.statuses()[second] == "challenger"
    assert answer(life, version=second).record.champion == second
    assert third == 4


def test_sixteen_people_answer_at_once_and_one_counts(life: Life, ledger_url: str) -> None:
    _, evidence_hash, _ = life.challenge()
    outcomes: list[str] = []

    def speak(number: int) -> None:
        with Ledger.open(ledger_url) as own:
            platform = replace(life.platform, ledger=own)
            run = replace(life.run(), actor=f"person {number}")
            try:
                answers.answer(
                    life.spec,
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
    verdict = life.platform.ledger.answers("station")[2].verdict
    assert life.champion() == (2 if verdict == "approve" else 1)


def test_an_answer_whose_process_died_is_acted_on_later(life: Life) -> None:
    version, evidence_hash, _ = life.challenge()
    life.platform.ledger.answer(evidence_hash, "approve", actor="ann", comment="", at=life.now)
    assert life.champion() == 1
    [said] = answers.act_on_answers(life.spec, life.platform, life.run("sensor"))
    assert life.champion() == version
    assert "approved by ann" in said
    assert life.platform.ledger.history("station")[0].actor == "ann"
    assert answers.act_on_answers(life.spec, life.platform, life.run()) == ()


def test_a_waived_gate_promotes_and_is_shown(life: Life) -> None:
    life.with_gates(*GATES)
    version, evidence_hash, record = life.challenge(rmse=1.0)
    assert record.decision.outcome == "keep"
    until = life.now + timedelta(days=14)

    def waive(gate: str, reason: str = "new sensor") -> Any:
        return answers.waive(
            life.spec, life.platform, life.run(), gate, owner="ann", reason=reason, expires_at=until
        )

    with pytest.raises(LedgerError, match="did you mean 'beats_champion_rmse'"):
        waive("beats_champion_rms")
    with pytest.raises(LedgerError, match="needs an owner and a reason"):
        waive("beats_champion_rmse", " ")
    waive("beats_champion_rmse")
    assert life.settle(version, evidence_hash).decision.outcome == "promote"
    assert "waived by ann until 2026-03-16: new sensor" in life.platform.ledger.history("station")[0].reason
    life.with_gates(*ASKING)
    with pytest.raises(LedgerError, match="not waived but given"):
        waive("approval")


def test_an_expired_waiver_counts_for_nothing(life: Life) -> None:
    life.with_gates(*GATES)
    version, evidence_hash, _ = life.challenge(rmse=1.0)
    answers.waive(
        life.spec,
        life.platform,
        life.run(),
        "beats_champion_rmse",
        owner="ann",
        reason="new sensor",
        expires_at=life.now + timedelta(days=14),
    )
    life.now += timedelta(days=15)
    assert life.settle(version, evidence_hash).decision.outcome == "keep"


def test_reviewers_are_told_once_and_an_unset_address_is_said(life: Life) -> None:
    life.with_gates(*ASKING, alerts={"notify": ["REVIEWERS"]})
    version, evidence_hash, _ = life.challenge()
    life.settle(version, evidence_hash)
    assert sum("REVIEWERS is not set" in sentence for sentence in life.said) == 1
    [alert] = life.platform.ledger.alerts("station", open_only=True)
    assert evidence_hash[:16] in alert.message


def test_a_waiting_challenger_is_not_trained_again_on_the_same_data(life: Life) -> None:
    from mlops_assets import stages

    _, _, record = life.challenge()
    run = life.run()
    keep_record(life.platform, life.spec, stages.PRODUCTION_MODEL, run, record)
    assert train.train_model(life.spec, life.platform, replace(run, reuse=True)) is None


def write(life: Life, **content: str) -> Path:
    place = folder(life.platform.settings)
    place.mkdir(exist_ok=True)
    file = place / "station.yaml"
    file.write_text("\n".join(f"{key}: {value}" for key, value in content.items()))
    return file


def test_an_approval_file_answers_once(life: Life) -> None:
    version, evidence_hash, _ = life.challenge()
    write(life, evidence=evidence_hash, verdict="approve", by="ann@example.com", comment="merged in review")
    [read] = answer_from_files([life.spec], life.platform, life.run("sensor"))
    assert (read.accepted, life.champion()) == (True, version)
    assert life.platform.ledger.history("station")[0].actor == "ann@example.com"
    [again] = answer_from_files([life.spec], life.platform, life.run("sensor"))
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
    life: Life, changes: dict[str, str], message: str
) -> None:
    _, evidence_hash, _ = life.challenge()
    content = {"evidence": evidence_hash, "verdict": "approve", "by": "ann", "comment": "x"}
    write(life, **(content | changes))
    [read] = answer_from_files([life.spec], life.platform, life.run("sensor"))
    assert not read.accepted
    assert message in read.sentence
    assert complain(read, life.platform, life.run())
    assert not complain(read, life.platform, life.run())
    assert life.champion() == 1


def test_an_approval_file_of_no_model_is_named(life: Life) -> None:
    write(life, evidence="a" * 64, verdict="approve", by="ann").rename(
        folder(life.platform.settings) / "stations.yaml"
    )
    [read] = answer_from_files([life.spec], life.platform, life.run())
    assert "did you mean 'station'" in read.sentence
