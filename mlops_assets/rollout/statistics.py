"""Is a share above its limit? A test that may be read after every request without more false alarms.

Requests of one caller depend on each other, so that the test is a guard against frequent failures, not a measurement.
"""

from __future__ import annotations

import math
from typing import Final

ALPHA: Final = 0.01
"""Probability of aborting a roll-out whose true share is at the limit, over its whole time."""


def log_evidence_above(events: int, trials: int, limit: float) -> float:
    """Return the logarithm of the e-value against 'the share is at most the limit'.

    It is the likelihood ratio of shares spread evenly between the limit and 1. Under the hypothesis its expectation is
    at most 1 at every time, so that it exceeds 1 / alpha at any time with probability at most alpha (Ville 1939;
    Robbins 1970, Annals of Mathematical Statistics 41, "Statistical methods related to the law of the iterated
    logarithm").

    Args:
        events: How often it happened.
        trials: How often it could have happened.
        limit: The largest share that is accepted, below 1.

    Returns:
        The logarithm; minus infinity for no evidence at all.
    """
    from scipy.special import betainc, betaln

    if limit <= 0:
        return math.inf if events else -math.inf
    failures = trials - events
    above = float(betainc(failures + 1, events + 1, 1 - limit))
    if above <= 0:
        return -math.inf
    likelihood = float(betaln(events + 1, failures + 1)) + math.log(above) - math.log1p(-limit)
    return likelihood - events * math.log(limit) - failures * math.log1p(-limit)


def is_above(events: int, trials: int, limit: float) -> bool:
    """Return whether the share is significantly above the limit.

    Args:
        events: How often it happened.
        trials: How often it could have happened.
        limit: The largest share that is accepted.

    Returns:
        False without trials and for a limit of 1.
    """
    if not trials or limit >= 1:
        return False
    return log_evidence_above(events, trials, limit) >= -math.log(ALPHA)
