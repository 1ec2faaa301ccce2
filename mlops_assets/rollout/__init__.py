"""Roll-outs: which transition a roll-out makes next, from what serving processes observed.

Comes in: a `Rollout`, observations of requests, the comparison of both versions on labels, the time. Goes out: a
verdict with its reasons, and at most one `Transition`. Everything here is pure: `ledger` carries a transition out in
one transaction with the champion's move, `lifecycle.rollouts` reads and writes, `serving` splits the requests.

    machine     the states, what leads from one to the next, what a person may request
    checks      loaded, errors, latency, quality: the questions of each strategy
    statistics  the test of a share that may be read at any time
    latency     buckets of latencies, and their percentile
    split       which requests belong to the challenger
"""

from mlops_assets.rollout.checks import judge
from mlops_assets.rollout.latency import BUCKETS, bucket
from mlops_assets.rollout.machine import PERSON_ACTIONS, next_transition, requested
from mlops_assets.rollout.split import is_challengers

__all__ = [
    "BUCKETS",
    "PERSON_ACTIONS",
    "bucket",
    "is_challengers",
    "judge",
    "next_transition",
    "requested",
]
