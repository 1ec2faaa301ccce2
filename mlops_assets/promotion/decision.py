"""Asking the gates and deciding: promote, keep the champion, or refuse the challenger.

Comes in: an `Evidence` record. Goes out: answers and a `Decision`. Moving the champion is `ledger`'s business.
Each answer carries the question as it was asked (`numbers["asked"]`), so that a record can be asked again years later.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from mlops_assets.artifacts import ChampionRef, Decision, Evidence, GateResult, to_json
from mlops_assets.errors import EvidenceError
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.gates import GateSpec, check_names
from mlops_assets.model_file.section import Section
from mlops_assets.promotion.approvals import Answer, SetAside, with_people
from mlops_assets.promotion.gates import ABSOLUTE, GATES

BY: Final = "gates"
VERDICTS: Final = ("pass", "fail", "not_enough_evidence", "not_applicable")


def ask(spec: ModelSpec, evidence: Evidence) -> tuple[GateResult, ...]:
    """Every gate's answer, named as in `check_names`. A gate that fails to answer has answered no, hard."""
    return _ask(spec.gates, check_names(spec.gates), evidence)


def _ask(gates: Sequence[Section], names: Sequence[str], evidence: Evidence) -> tuple[GateResult, ...]:
    return tuple(_answer(name, gate, evidence) for name, gate in zip(names, gates, strict=True))


def _answer(name: str, gate: Section, evidence: Evidence) -> GateResult:
    kind = str(getattr(gate, "kind", ""))
    asked = gate.model_dump(mode="json")
    try:
        result = GATES[kind](gate, evidence)
        return replace(result, gate=name, kind=kind, numbers={**result.numbers, "asked": asked})
    except Exception as error:  # noqa: BLE001 - a gate that breaks, of ours or a user's, must never let anything through
        reason = f"the gate could not answer: {type(error).__name__}: {error}"
        return GateResult(name, kind, "fail", reason, {"asked": asked}, hard=True)


def decide(
    spec: ModelSpec,
    gates: Iterable[GateResult],
    champion: ChampionRef,
    *,
    approval: Answer | None = None,
    waivers: Iterable[SetAside] = (),
    now: datetime | None = None,
) -> Decision:
    """What follows from the answers. An answer that is missing, doubled or not asked for refuses.

    approval and waivers are what people said about exactly this evidence and model; `now` is when they are read, and is
    needed for those that expire.
    """
    results = tuple(gates)
    expected, given = check_names(spec.gates), tuple(result.gate for result in results)
    if sorted(expected) != sorted(given):
        absent = (
            sorted(set(expected) - set(given)) or sorted(set(given) - set(expected)) or ["one of them twice"]
        )
        return Decision("refuse", f"the answers do not fit the model file's gates: {', '.join(absent)}", BY)
    return _decide(results, champion, approval, tuple(waivers), now)


def _decide(
    results: tuple[GateResult, ...],
    champion: ChampionRef,
    approval: Answer | None,
    waivers: tuple[SetAside, ...],
    now: datetime | None,
) -> Decision:
    if not results:
        return Decision(
            "keep", "the model file has no gates; a model without gates never promotes by itself", BY
        )
    wrong = [one for one in results if (one.verdict == "fail" and one.hard) or one.verdict not in VERDICTS]
    if wrong:
        return Decision("refuse", _sentence(wrong), BY)
    results, said = with_people(results, approval, waivers, now)
    short = [result for result in results if result.verdict in ("fail", "not_enough_evidence")]
    if short:
        return Decision("keep", _sentence(short), BY)
    passed = [result for result in results if result.verdict == "pass"]
    who = f"{approval.actor}, after the gates" if said and approval is not None else BY
    if champion.version is None:
        if not any(result.kind in ABSOLUTE for result in passed):
            return Decision(
                "keep",
                "a first champion must pass a gate that judges it by itself; "
                f"add one of {', '.join(sorted(ABSOLUTE))} to the model file",
                BY,
            )
        return Decision("promote", f"first champion; {_count(passed, results)}{said}", who)
    if not passed:
        return Decision("keep", "no gate applied, so nothing speaks for the challenger", BY)
    against = next((result.reason for result in passed if result.kind == "beats_champion"), "")
    return Decision("promote", f"{_count(passed, results)}{'; ' + against if against else ''}{said}", who)


def _count(passed: Sequence[GateResult], results: Sequence[GateResult]) -> str:
    rest = len(results) - len(passed)
    return f"{len(passed)} of {len(results)} gates passed" + (f", {rest} not applicable" if rest else "")


def _sentence(results: Sequence[GateResult]) -> str:
    return "; ".join(f"{result.gate}: {result.reason}" for result in results)


@cache
def _reader() -> TypeAdapter[Any]:
    return TypeAdapter(GateSpec)


def recheck(
    spec: ModelSpec | None,
    evidence: Evidence,
    *,
    approval: Answer | None = None,
    waivers: Iterable[SetAside] = (),
    now: datetime | None = None,
) -> Decision:
    """Ask every recorded question again of the stored evidence and decide anew.

    Raises EvidenceError when an answer differs from the stored one, when a question is missing, or when the model file
    has changed since; None asks only what was asked then, whatever the model file says today.
    """
    whose = f"{evidence.model} v{evidence.version}"
    if spec is not None and (spec.name != evidence.model or spec.digest() != evidence.spec_digest):
        raise EvidenceError(
            f"{whose}: the model file has changed since this evidence was gathered; evaluate again"
        )
    questions: Sequence[Section]
    try:
        questions = [
            _reader().validate_json(json.dumps(result.numbers["asked"])) for result in evidence.gates
        ]
    except (ValidationError, KeyError, TypeError) as error:
        raise EvidenceError(
            f"{whose}: the evidence does not say what its gates were asked: {error}"
        ) from error
    again = (
        ask(spec, evidence)
        if spec is not None
        else _ask(questions, [one.gate for one in evidence.gates], evidence)
    )
    if [one.gate for one in evidence.gates] != [one.gate for one in again]:
        raise EvidenceError(
            f"{whose}: the recorded answers are not those of the model file's gates; evaluate again"
        )
    for old, new in zip(evidence.gates, again, strict=True):
        if to_json(old) != to_json(new):
            raise EvidenceError(
                f"{whose}: gate {old.gate} answered '{old.verdict}' when recorded and '{new.verdict}' now "
                f"({new.reason}); the evidence was altered or the gate's code changed; evaluate again"
            )
    return _decide(again, evidence.champion, approval, tuple(waivers), now)
