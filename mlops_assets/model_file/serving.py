"""The `serving:` section: what the prediction API does when an input or the champion fails."""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from mlops_assets.model_file.section import Section
from mlops_assets.model_file.values import Duration, Unit

Rung: TypeAlias = Literal["previous", "naive", "refuse"]
Condition: TypeAlias = Literal["missing", "frozen", "out_of_range", "late", "failure"]


class ServingSpec(Section):
    """What the prediction API does when an input sensor or the champion fails on a row."""

    fallback: tuple[Rung, ...] = Field((), examples=[["previous", "naive", "refuse"]])
    """The rungs to try in order: `previous` is the version that a rollback would return to, `naive` the last known
    value of the target (without one the training mean, or the most frequent class), `refuse` an error. Unset means the
    champion predicts whatever it can; after the last rung the row is refused."""
    when: Annotated[tuple[Condition, ...], Field(min_length=1)] = (
        "missing",
        "frozen",
        "out_of_range",
        "late",
        "failure",
    )
    """What makes a row step down: an input is `missing` that training hardly ever missed, `frozen` for `frozen_after`
    readings, `out_of_range` (the column's `min` and `max` under `validation`, else the training range and half its
    width on both sides) or `late` by `late_after`; `failure` is a champion without a finite prediction."""
    frozen_after: Annotated[int, Field(ge=2), Unit("readings")] = 20
    """How many readings of an entity in a row may have the same value; only continuous inputs of a model with a
    timestamp are checked."""
    late_after: Duration | None = Field(None, examples=["2h"])
    """Largest age of the newest reading before a row that looks back; unset means `validation.freshness`."""

    @model_validator(mode="after")
    def _refuse_is_last(self) -> Self:
        if len(set(self.fallback)) < len(self.fallback):
            raise ValueError("'fallback' names a rung twice")
        if "refuse" in self.fallback[:-1]:
            raise ValueError("'refuse' must be the last rung of 'fallback': no row gets beyond it")
        return self
