"""Validation: may these readings be used?

Comes in: readings and a model file. Goes out: the rows that may be used, the rows set aside with the reason, and one
answer per rule. Mending rows is for `readings`, drift in production for `monitoring`, stopping a run for `defs`.
The verdicts come from one polars pass (`batch`); Great Expectations answers the same questions in `expectations`.
"""

from mlops_assets.validation.batch import validate
from mlops_assets.validation.rules import Rule, rules

__all__ = ["Rule", "rules", "validate"]
