"""The result of a backtest as tables of text, for the terminal and the page alike."""

from __future__ import annotations

import math

from mlops_assets.backtest.records import BacktestResult, Pair, PolicyResult

PAIR_HEAD = ("policy", "worse by", "95 % interval", "method")
TRAINING_HEAD = ("instant", "policy", "cause", "outcome", "reason")


def policy_head(result: BacktestResult) -> tuple[str, ...]:
    """Return the heading of the table of policies.

    Args:
        result: The result.

    Returns:
        One heading per cell of `policy_rows`.
    """
    head = (
        "policy",
        result.metric,
        "regret",
        "trainings",
        "CPU s",
        "promotions",
        "wrong",
        "missed",
        "false alarms",
        "days worse",
        "days without",
    )
    return (*head, f"cost {result.currency}".strip()) if _priced(result) else head


def policy_rows(result: BacktestResult) -> list[tuple[str, ...]]:
    """Return one row per policy.

    Args:
        result: The result.

    Returns:
        Cells as text.
    """
    return [_cells(result, one) for one in result.policies]


def pair_rows(result: BacktestResult) -> list[tuple[str, ...]]:
    """Return the policy with the lowest error compared with each other one.

    Args:
        result: The result.

    Returns:
        Cells as text.
    """
    return [
        (
            one.other,
            f"{one.improvement:.1%}" + (", within chance" if one.within_chance else ""),
            _interval(one),
            one.method,
        )
        for one in result.pairs
    ]


def training_rows(result: BacktestResult) -> list[tuple[str, ...]]:
    """Return every training of every policy in order of time.

    Args:
        result: The result.

    Returns:
        Cells as text.
    """
    rows = [
        (one.step, policy.policy, one.cause, one.outcome, one.reason)
        for policy in result.policies
        for one in policy.history
    ]
    return [
        (f"{result.instants[step]:%Y-%m-%d %H:%M}", *rest)
        for step, *rest in sorted(rows, key=lambda row: row[0])
    ]


def _priced(result: BacktestResult) -> bool:
    return any(one.money is not None for one in result.policies)


def _cells(result: BacktestResult, one: PolicyResult) -> tuple[str, ...]:
    cells = (
        one.policy,
        _number(one.total),
        _number(one.regret),
        str(one.trainings),
        f"{one.cpu_seconds:.1f}",
        str(one.promotions),
        str(one.wrong_promotions),
        str(one.missed_promotions),
        str(one.false_alarms),
        f"{one.days_worse:.1f}",
        f"{one.days_without:.1f}",
    )
    if not _priced(result):
        return cells
    return (*cells, "" if one.money is None else f"{one.money:,.0f}")


def _number(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "-"


def _interval(pair: Pair) -> str:
    return "-" if pair.unknown else f"{pair.low:+.1%} to {pair.high:+.1%}"
