"""Backtest: replays the governance of a model over its history, policy by policy.

Comes in: a model file, variants of it, a `History`, and scratch ledgers. Goes out: a `BacktestResult`: per policy the
error over time, trainings, promotions, and what they cost. Reading, validation, training, gates, governor, monitoring
and predictions are the stages of `lifecycle`, called with the clock of each step; nothing here repeats them.
"""

from mlops_assets.backtest.policies import Policy, built_in_policies, policies_of
from mlops_assets.backtest.records import BacktestError, BacktestResult, PolicyResult, Span
from mlops_assets.backtest.run import Request, Scratch, backtest

__all__ = [
    "BacktestError",
    "BacktestResult",
    "Policy",
    "PolicyResult",
    "Request",
    "Scratch",
    "Span",
    "backtest",
    "built_in_policies",
    "policies_of",
]
