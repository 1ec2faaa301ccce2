"""The `rollout:` section: how a promoted challenger takes over the traffic of the prediction API."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from mlops_assets.model_file.section import Section
from mlops_assets.model_file.values import Duration, Share, Unit

Strategy = Literal["instant", "canary", "blue_green", "shadow"]
STEPS: Final = (0.05, 0.25, 0.5, 1.0)
SHADOW_LABELS: Final = 100

READ_BY: Final[dict[str, frozenset[str]]] = {
    "steps": frozenset({"canary"}),
    "step_time": frozenset({"canary", "blue_green", "shadow"}),
    "patience": frozenset({"canary", "blue_green", "shadow"}),
    "min_requests": frozenset({"canary", "shadow"}),
    "max_errors": frozenset({"canary", "blue_green", "shadow"}),
    "max_slowdown": frozenset({"canary", "shadow"}),
    "min_labels": frozenset({"canary", "shadow"}),
    "tolerance": frozenset({"canary", "shadow"}),
}
"""Key -> the strategies that read it."""


class RolloutSpec(Section):
    """How a promoted model takes over in the prediction API."""

    strategy: Strategy = "instant"
    """`instant`: the new champion serves all requests from the moment of its promotion. `canary`: the challenger serves
    a growing share of the requests and becomes champion after the last step. `blue_green`: both versions are loaded
    first, then all requests switch at once, and back as fast. `shadow`: the challenger's predictions are stored, not
    returned, until labels show that it is not worse."""
    steps: tuple[Share, ...] | None = Field(None, examples=[["5%", "25%", "50%", "100%"]])
    """Shares of the requests that a canary serves, one after the other. Unset means 5 %, 25 %, 50 % and 100 %."""
    step_time: Duration = timedelta(minutes=10)
    """Shortest time of one step of a canary, shortest time of a shadow, and how long a blue-green roll-out keeps the
    earlier version loaded after the switch."""
    patience: Duration = timedelta(days=1)
    """A step without a clear result for so long pauses the roll-out until a person decides."""
    min_requests: Annotated[int, Field(ge=1), Unit("requests")] = 100
    """Requests that the challenger serves in a step before it may advance."""
    max_errors: Share = 0.01
    """Share of requests that the challenger may fail although the champion can serve them. More, with significance,
    aborts the roll-out."""
    max_slowdown: Annotated[float, Field(ge=1), Unit("times")] = 2.0
    """How many times the champion's 95th percentile of latency the challenger's may be."""
    min_labels: Annotated[int, Field(ge=0), Unit("labels")] | None = Field(None, examples=[200])
    """Predictions with a label that the comparison of the two versions needs. Unset means 100 for `shadow`; a canary
    then advances without labels and is aborted when those that came show that it is worse."""
    tolerance: Share = 0.02
    """How much worse than the champion's the challenger's metric may be, relative, with 95 % confidence; 0 means that
    it must be better."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        fields = type(self).model_fields
        for key, strategies in READ_BY.items():
            if self.strategy not in strategies and getattr(self, key) != fields[key].get_default():
                names = ", ".join(sorted(strategies))
                raise ValueError(f"{key!r} belongs to {names}; remove it, or change 'strategy'")
        steps = self.shares
        if any(before >= after for before, after in pairwise(steps)) or steps[0] <= 0 or steps[-1] != 1:
            raise ValueError(
                "'steps' must rise from above 0 % and end with 100 %, such as [5%, 25%, 50%, 100%]"
            )
        if self.strategy == "canary" and len(steps) < 2:
            raise ValueError("'steps' of a canary needs a share below 100 % first; or write 'instant'")
        return self

    @property
    def shares(self) -> tuple[float, ...]:
        """The shares of a canary, in their order."""
        return STEPS if self.steps is None else self.steps or (0.0,)

    @property
    def labels_needed(self) -> int:
        """Labels without which the roll-out does not advance."""
        if self.min_labels is not None:
            return self.min_labels
        return SHADOW_LABELS if self.strategy == "shadow" else 0
