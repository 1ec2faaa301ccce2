"""Target leakage: columns and rows that know more about the target than a prediction will.

Comes in: a `LeakageTable`, rows with their target. Goes out: `Finding`s. The `leakage` gate and `mlops new` call the
same functions. A proof is a copy of the target; everything else a person must judge, because physics looks the same.
"""

from mlops_assets.leakage.find import findings
from mlops_assets.leakage.record import Finding, LeakageTable

__all__ = ["Finding", "LeakageTable", "findings"]
