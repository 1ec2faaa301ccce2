"""Which policy to choose, in one sentence that says where the difference may be chance.

A difference within chance is no proof that two policies are equal: few steps hide a large one. A cheaper policy is
chosen only where its error is, as measured, not higher by more than `NEGLIGIBLE` either.

Comes in: results and the rows behind them. Goes out: pairs of policies with an interval, by the same paired block
bootstrap that gates use, with the steps as blocks; the recommended policy; a sentence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from mlops_assets import evaluation
from mlops_assets.backtest.measure import Measurements
from mlops_assets.backtest.records import Pair, PolicyResult

NEGLIGIBLE: Final = 0.02
"""Relative difference that nobody has to care for: the margin of `beats_champion` where a model file names none."""


def recommend(
    results: Sequence[PolicyResult],
    champions: Mapping[str, Sequence[str | None]],
    measured: Measurements,
    common: Sequence[int],
    metric: str,
    currency: str,
) -> tuple[str, tuple[Pair, ...], str]:
    """Choose a policy: of the best one and those that differ from it within chance and negligibly, the cheapest.

    Where no interval can be estimated the best one stands, and the sentence says so.

    Args:
        results: The policies, without the oracle.
        champions: Key of the fit of every step, by policy.
        measured: Measurements of all fits.
        common: Steps that count.
        metric: The primary metric.
        currency: Name of the currency where costs are known.

    Returns:
        Name of the policy (empty for none), the best one compared with each other one, and the sentence.
    """
    known = [one for one in results if math.isfinite(one.total)]
    if not known:
        return "", (), "No policy ever had a champion: look at the reasons of the gates before anything else."
    best = min(known, key=lambda one: (measured.loss(one.total), _cost(one)))
    ours = measured.joined(champions[best.policy], common)
    dependence = measured.dependence(common)
    pairs = []
    for other in known:
        if other is best:
            continue
        theirs = measured.joined(champions[other.policy], common)
        same = bool((ours.predicted == theirs.predicted).all())
        one = evaluation.compare(metric, ours, theirs, dependence=dependence)
        method = "the same predictions" if same else one.method.replace("instants", "steps")
        low, high = (0.0, 0.0) if same else (one.low, one.high)
        pairs.append(Pair(best.policy, other.policy, one.improvement, low, high, method))
    close = {pair.other for pair in pairs if _is_equal(pair)}
    chosen = min((one for one in known if one is best or one.policy in close), key=_cost)
    return chosen.policy, tuple(pairs), _sentence(best, chosen, pairs, known, metric, currency)


def frontier(results: Sequence[PolicyResult], losses: Mapping[str, float]) -> tuple[str, ...]:
    """Return the policies that no other one beats in both error and cost.

    Args:
        results: The policies.
        losses: Total by policy, less is better.

    Returns:
        Names, cheapest first.
    """
    known = [one for one in results if math.isfinite(losses[one.policy])]
    ordered = sorted(known, key=lambda one: (_cost(one), losses[one.policy]))
    names: list[str] = []
    lowest = math.inf
    for one in ordered:
        if losses[one.policy] < lowest:
            lowest = losses[one.policy]
            names.append(one.policy)
    return tuple(names)


def _cost(one: PolicyResult) -> tuple[float, float]:
    return (one.cpu_seconds if one.money is None else one.money, one.trainings)


def _is_equal(pair: Pair) -> bool:
    return pair.within_chance and pair.improvement <= NEGLIGIBLE


def _sentence(
    best: PolicyResult,
    chosen: PolicyResult,
    pairs: Sequence[Pair],
    known: Sequence[PolicyResult],
    metric: str,
    currency: str,
) -> str:
    bill = f"{_count(chosen)}" + (
        f", {chosen.money:,.0f} {currency}".rstrip() if chosen.money is not None else ""
    )
    text = f"Choose {chosen.policy}: {metric} {chosen.total:.4g} with {bill}"
    if len(known) == 1:
        return f"{text}; no other policy had a champion."
    if chosen is not best:
        pair = next(one for one in pairs if one.other == chosen.policy)
        text += (
            f"; {best.policy} ({_count(best)}) is {pair.improvement:.1%} better, which is within chance "
            f"(95 % interval {pair.low:+.1%} to {pair.high:+.1%})"
        )
    else:
        equal = [pair.other for pair in pairs if _is_equal(pair)]
        if equal:
            text += f"; {', '.join(equal)} {'differ' if len(equal) > 1 else 'differs'} within chance and cost more"
    beaten = [pair for pair in pairs if not pair.within_chance and not pair.unknown]
    if beaten:
        text += f"; beyond chance {best.policy} beats {_margins(beaten)}"
    close = [pair for pair in pairs if pair.within_chance and not _is_equal(pair)]
    if close:
        text += f"; that {best.policy} beats {_margins(close)} may be chance: more steps would tell"
    unknown = [pair for pair in pairs if pair.unknown]
    if unknown:
        text += (
            f"; whether {best.policy} really beats {_margins(unknown)} cannot be told ({unknown[0].method})"
        )
    return text + "."


def _margins(pairs: Sequence[Pair]) -> str:
    return ", ".join(f"{pair.other} by {pair.improvement:.1%}" for pair in pairs)


def _count(one: PolicyResult) -> str:
    return f"{one.trainings} training{'' if one.trainings == 1 else 's'}"
