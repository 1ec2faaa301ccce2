"""Evaluate the gates and decide: promote, keep the champion, or refuse the challenger.

Comes in: an `Evidence` record. Goes out: gate results and a `Decision`. Moving the champion is `ledger`'s business.
Each result carries the parameters of its gate (`numbers["asked"]`), so that a record can be evaluated
again years later.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from mlops_assets.artifacts import ChampionRef, Decision, Evaluation, Evidence, GateResult, to_json
from mlops_assets.errors import EvidenceError
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file import gates as gate_parameters
from mlops_assets.model_file.gates import AbsoluteGate, GateParameters, check_names
from mlops_assets.promotion.approvals import PersonVerdict, WaiverRecord, with_people
from mlops_assets.promotion.gate_results import finite, metric_on
from mlops_assets.promotion.gates import GATES

BY: Final = "gates"
CHAMPION_FAILS: Final = "champion_fails"
"""Number of a result that is set aside because the champion fails the gate too."""
VERDICTS: Final = ("pass", "fail", "not_enough_evidence", "not_applicable")


def evaluate_gates(spec: ModelSpec, evidence: Evidence) -> tuple[GateResult, ...]:
    """Return the result of every gate, named as in `check_names`; a gate that raises is a hard failure.

    Args:
        spec: The model file with its gates.
        evidence: What was measured of one challenger.

    Returns:
        One result per gate, in the order of the model file.
    """
    return _evaluate_all(spec.gates, check_names(spec.gates), evidence)


def _evaluate_all(
    gates: Sequence[GateParameters], names: Sequence[str], evidence: Evidence
) -> tuple[GateResult, ...]:
    return tuple(evaluate_gate(name, gate, evidence) for name, gate in zip(names, gates, strict=True))


def evaluate_gate(name: str, gate: GateParameters, evidence: Evidence) -> GateResult:
    """Return the result of one gate under its name in the model file; a gate that raises is a hard failure.

    Args:
        name: As `check_names` gives it.
        gate: The parameters.
        evidence: What was measured of one challenger.

    Returns:
        The result, with the gate's parameters among its numbers.
    """
    kind = gate.kind
    parameters = gate.model_dump(mode="json")
    try:
        result = _without_protection(gate, GATES[kind](gate, evidence), evidence)
        wrong = _without_primary(evidence.evaluation) or _without_refit(evidence)
        if not result.hard and wrong is not None:
            result = replace(result, verdict="fail", reason=wrong, hard=True)
        return replace(result, gate=name, kind=kind, numbers={**result.numbers, "asked": parameters})
    except Exception as error:  # noqa: BLE001 - a gate that breaks, of ours or a user's, must never let anything through
        reason = f"the gate raised {type(error).__name__}: {error}"
        return GateResult(name, kind, "fail", reason, {"asked": parameters}, hard=True)


def _without_primary(measured: Evaluation) -> str | None:
    """Why no gate may pass: a model without its primary metric was not measured, whatever the gates look at."""
    if not measured.primary or metric_on(measured.challenger, "test", measured.primary) is not None:
        return None
    return f"the primary metric {measured.primary} of the challenger is not a finite number"


def _without_refit(evidence: Evidence) -> str | None:
    """Why no gate may pass: the fit that production would serve is missing, or too far from the one that was judged."""
    check = evidence.refit
    if check is None:
        return None
    distance = finite(check.distance)
    if check.problem or distance is None or distance > check.limit:
        return check.problem or "the refit was not compared with the judged fit"
    return None


def _without_protection(gate: GateParameters, result: GateResult, evidence: Evidence) -> GateResult:
    """Return the result, set aside where the champion fails this absolute gate too, on the same rows."""
    measured = evidence.evaluation
    short = result.verdict in ("fail", "not_enough_evidence") and not result.hard
    if (
        not short
        or not isinstance(gate, AbsoluteGate)
        or gate.protect_failing_champion
        or not measured.champion
    ):
        return result
    rivals = tuple(replace(one, comparisons=one.champion_comparisons) for one in measured.rivals)
    swapped = replace(
        measured, challenger=measured.champion, rivals=rivals, comparable_rows=None, intervals=None
    )
    champion = GATES[gate.kind](gate, replace(evidence, evaluation=swapped))
    if champion.verdict != "fail" or champion.hard:
        return result
    reason = f"{result.reason}; the champion fails this gate too ({champion.reason}), so the gate does not protect it"
    return replace(
        result, verdict="not_applicable", reason=reason, numbers={**result.numbers, CHAMPION_FAILS: True}
    )


def failing_champion(results: Iterable[GateResult]) -> tuple[str, ...]:
    """Return the reasons of the absolute gates that the champion fails on the same rows.

    Args:
        results: Gate results of one challenger.

    Returns:
        Sentences; empty when it passes.
    """
    return tuple(result.reason for result in results if result.numbers.get(CHAMPION_FAILS) is True)


def decide(
    spec: ModelSpec,
    gates: Iterable[GateResult],
    champion: ChampionRef,
    *,
    approval: PersonVerdict | None = None,
    waivers: Iterable[WaiverRecord] = (),
    now: datetime | None = None,
) -> Decision:
    """Return the decision that follows from the gate results; a missing, doubled or unknown result refuses.

    Args:
        spec: The model file with its gates.
        gates: The results, in any order.
        champion: The champion that the evidence was compared with.
        approval: A person's verdict on exactly this evidence.
        waivers: Waivers of the model.
        now: When approval and waivers are read; needed for those that expire.

    Returns:
        Promote, keep or refuse, with the reason.
    """
    results = tuple(gates)
    expected, reported = check_names(spec.gates), tuple(result.gate for result in results)
    if sorted(expected) != sorted(reported):
        absent = (
            sorted(set(expected) - set(reported))
            or sorted(set(reported) - set(expected))
            or ["one of them twice"]
        )
        return Decision("refuse", f"the results do not fit the model file's gates: {', '.join(absent)}", BY)
    return _decide(results, champion, approval, tuple(waivers), now)


def _decide(
    results: tuple[GateResult, ...],
    champion: ChampionRef,
    approval: PersonVerdict | None,
    waivers: tuple[WaiverRecord, ...],
    now: datetime | None,
) -> Decision:
    if not results:
        return Decision(
            "keep", "the model file has no gates; a model without gates never promotes by itself", BY
        )
    wrong = [one for one in results if (one.verdict == "fail" and one.hard) or one.verdict not in VERDICTS]
    if wrong:
        return Decision("refuse", _sentence(wrong), BY)
    results, remarks = with_people(results, approval, waivers, now)
    short = [result for result in results if result.verdict in ("fail", "not_enough_evidence")]
    if short:
        return Decision("keep", _sentence(short), BY)
    passed = [result for result in results if result.verdict == "pass"]
    who = f"{approval.actor}, after the gates" if remarks and approval is not None else BY
    if champion.version is None:
        absolute = {kind for kind, gate in gate_parameters.GATES.items() if gate.absolute}
        if not any(result.kind in absolute for result in passed):
            return Decision(
                "keep",
                "a first champion must pass a gate that judges it by itself; "
                f"add one of {', '.join(sorted(absolute))} to the model file",
                BY,
            )
        return Decision("promote", f"first champion; {_count(passed, results)}{remarks}", who)
    if not passed:
        return Decision("keep", "no gate applied, so nothing speaks for the challenger", BY)
    proven = any(result.kind == "beats_champion" for result in passed)
    if failing_champion(results) and not proven:
        return Decision(
            "keep",
            "champion and challenger both fail an absolute gate, and no beats_champion gate says which is better",
            BY,
        )
    against = next((result.reason for result in passed if result.kind == "beats_champion"), "")
    return Decision("promote", f"{_count(passed, results)}{'; ' + against if against else ''}{remarks}", who)


def _count(passed: Sequence[GateResult], results: Sequence[GateResult]) -> str:
    rest = len(results) - len(passed)
    return f"{len(passed)} of {len(results)} gates passed" + (f", {rest} not applicable" if rest else "")


def _sentence(results: Sequence[GateResult]) -> str:
    """Join the reasons; one that several gates share is given once."""
    gates: dict[str, list[str]] = {}
    for result in results:
        gates.setdefault(result.reason, []).append(result.gate)
    return "; ".join(f"{', '.join(names)}: {reason}" for reason, names in gates.items())


@cache
def _reader() -> TypeAdapter[Any]:
    return TypeAdapter(gate_parameters.Gate)


def recorded_decision(evidence: Evidence) -> Decision:
    """Return the decision that follows from the gate results as they were recorded, under the rules of that day.

    Args:
        evidence: The stored record, with its gate results.

    Returns:
        Promote, keep or refuse, with the reason; approvals and waivers are left out.
    """
    return _decide(evidence.gates, evidence.champion, None, (), None)


def recheck(
    spec: ModelSpec | None,
    evidence: Evidence,
    *,
    approval: PersonVerdict | None = None,
    waivers: Iterable[WaiverRecord] = (),
    now: datetime | None = None,
) -> Decision:
    """Evaluate every recorded gate again on the stored evidence and decide anew.

    Args:
        spec: The model file in force; None evaluates the recorded gates, whatever the model file says today.
        evidence: The stored record, with its gate results.
        approval: A person's verdict on exactly this evidence.
        waivers: Waivers of the model.
        now: When approval and waivers are read.

    Returns:
        Promote, keep or refuse, with the reason.

    Raises:
        EvidenceError: A result differs from the stored one, a gate is missing, or the model file has changed since.
    """
    whose = f"{evidence.model} v{evidence.version}"
    if spec is not None and (spec.name != evidence.model or spec.digest() != evidence.spec_digest):
        raise EvidenceError(
            f"{whose}: the model file has changed since this evidence was gathered; evaluate again"
        )
    questions: Sequence[GateParameters]
    try:
        questions = [
            _reader().validate_json(json.dumps(result.numbers["asked"])) for result in evidence.gates
        ]
    except (ValidationError, KeyError, TypeError) as error:
        raise EvidenceError(
            f"{whose}: the evidence does not hold the parameters of its gates: {error}"
        ) from error
    again = (
        evaluate_gates(spec, evidence)
        if spec is not None
        else _evaluate_all(questions, [one.gate for one in evidence.gates], evidence)
    )
    if [one.gate for one in evidence.gates] != [one.gate for one in again]:
        raise EvidenceError(
            f"{whose}: the recorded results are not those of the model file's gates; evaluate again"
        )
    for old, new in zip(evidence.gates, again, strict=True):
        if to_json(old) != to_json(new):
            raise EvidenceError(
                f"{whose}: gate {old.gate} gave '{old.verdict}' when recorded and gives '{new.verdict}' now "
                f"({new.reason}); the evidence was altered or the gate's code changed; evaluate again"
            )
    return _decide(again, evidence.champion, approval, tuple(waivers), now)
