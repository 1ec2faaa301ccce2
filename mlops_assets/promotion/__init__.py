"""May the challenger become champion? Gates are evaluated, a decision follows.

Comes in: an `Evidence` record. Goes out: `GateResult`s, a `Decision`. Measuring happened in
`evaluation`; moving the champion happens in `ledger`.
"""

from mlops_assets.promotion.approvals import NEVER_WAIVED, waiting, with_people
from mlops_assets.promotion.decision import decide, evaluate_gates, failing_champion, recheck
from mlops_assets.promotion.gates import GATES
from mlops_assets.promotion.gates.unjudged import unjudged
from mlops_assets.promotion.what_if import Flip, what_if

__all__ = [
    "GATES",
    "NEVER_WAIVED",
    "Flip",
    "decide",
    "evaluate_gates",
    "failing_champion",
    "recheck",
    "unjudged",
    "waiting",
    "what_if",
    "with_people",
]
