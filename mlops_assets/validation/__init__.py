"""Validation: may these readings be used?

Comes in: readings and a model file. Goes out: the rows that may be used, the rows set aside with the reason, and one
result per rule. Cleaning rows is for `readings`, drift in production for `monitoring`, stopping a run for `defs`.
The verdicts come from one polars pass (`batch`); Great Expectations checks the same rules in `expectations`; `sensors`
looks at single readings.
"""

from mlops_assets.validation.batch import validate
from mlops_assets.validation.rules import Rule, rules
from mlops_assets.validation.sensors import SensorChecks, SensorFault

__all__ = ["Rule", "SensorChecks", "SensorFault", "rules", "validate"]
