"""The policies of a backtest: whole model files that differ in gates, triggers, cadence or recipe.

Comes in: the model file, and variants from a policies file. Goes out: policies that can be replayed. `oracle` is no
policy that runs: it is computed from the versions of all others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mlops_assets.artifacts import digest
from mlops_assets.metrics import METRICS
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.gates import Approval, MetricAtLeast, MetricAtMost, NoMissingPredictions
from mlops_assets.model_file.operations import AlertsSpec
from mlops_assets.model_file.retraining import ReactionsSpec

OWN: Final = "own"
NEVER: Final = "never_retrain"
ALWAYS: Final = "always_promote"
ORACLE: Final = "oracle"
BUILT_IN: Final = (OWN, NEVER, ALWAYS, ORACLE)

_GOVERNANCE: Final = {
    "alerts",
    "description",
    "gates",
    "monitoring",
    "owners",
    "retraining",
    "rollout",
    "schedules",
    "waivers",
}
"""Sections that decide about models and make none."""
_RECIPE: Final = {"evaluation", "split", "training"}
_ANY: Final = 1e300
_QUIET: Final = ReactionsSpec(
    drift="nothing",
    error="nothing",
    bias="nothing",
    importance="nothing",
    staleness="nothing",
    data_volume="nothing",
    upstream="nothing",
)


@dataclass(frozen=True, slots=True)
class Policy:
    """A model file to replay under a name; source_digest is that of the file with its alerts and approvals."""

    name: str
    spec: ModelSpec
    source_digest: str

    @property
    def data_digest(self) -> str:
        """Digest of what readings, validation and features depend on."""
        return digest(self.spec.model_dump(mode="json", exclude=_GOVERNANCE | _RECIPE))

    @property
    def recipe_digest(self) -> str:
        """Digest of what a fit depends on, besides its rows."""
        return digest(self.spec.model_dump(mode="json", exclude=_GOVERNANCE))


def built_in_policies(spec: ModelSpec) -> tuple[Policy, ...]:
    """Return the policies that need no file: the model file's own, `never_retrain`, and `always_promote`.

    Args:
        spec: The model file.

    Returns:
        Policies in that order.
    """
    quiet = spec.retraining.model_copy(update={"reactions": _QUIET})
    never = spec.model_copy(
        update={"retraining": quiet, "schedules": spec.schedules.model_copy(update={"retrain": None})}
    )
    always = spec.model_copy(
        update={"retraining": quiet, "gates": (_any_value(spec), NoMissingPredictions())}
    )
    return policies_of({OWN: spec, NEVER: never, ALWAYS: always})


def _any_value(spec: ModelSpec) -> MetricAtMost | MetricAtLeast:
    """Return a gate that every finite value passes: a first champion has to pass one that judges it by itself."""
    metric = spec.evaluation.primary
    if METRICS[metric].direction == "higher":
        return MetricAtLeast(metric=metric, limit=-_ANY, confidence=None)
    return MetricAtMost(metric=metric, limit=_ANY, confidence=None)


def policies_of(specs: Mapping[str, ModelSpec]) -> tuple[Policy, ...]:
    """Return policies as they are replayed: nobody receives their alerts, and an `approval` gate counts as approved.

    Args:
        specs: Model file by name.

    Returns:
        One policy per entry.
    """
    return tuple(
        Policy(
            name,
            spec.model_copy(
                update={
                    "alerts": AlertsSpec(),
                    "gates": tuple(gate for gate in spec.gates if not isinstance(gate, Approval)),
                }
            ),
            spec.digest(),
        )
        for name, spec in specs.items()
    )
