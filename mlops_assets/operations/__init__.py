"""Operations: what the person who runs the platform wants to know about it as a whole.

Comes in: open stores, and probes of services handed in from above. Goes out: findings with the way to fix them. A
single model's state belongs to `lifecycle`.
"""

from mlops_assets.operations.doctor import Finding, State, examine, platform_checks

__all__ = ["Finding", "State", "examine", "platform_checks"]
