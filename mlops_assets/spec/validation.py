"""The `validation:` section: what readings must satisfy before anything is built on them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mlops_assets.spec.section import Section
from mlops_assets.spec.values import Column, Duration, Share


class ColumnRules(Section):
    """Rules for one column; a null satisfies every rule but `required`."""

    type: Literal["number", "integer", "text", "boolean", "timestamp"] | None = None
    """The kind of value the column must hold."""
    required: bool = False
    """Refuse rows where the column is missing."""
    min: float | None = None
    max: float | None = None
    values: tuple[str | int | float | bool, ...] | None = None
    """The only values allowed."""
    pattern: str | None = None
    """A regular expression that text must match from start to end."""
    unique: bool = False
    max_missing: Share | None = None
    """Largest share of missing values in this column; overrides the section's."""


class ValidationSpec(Section):
    """Limits on the whole batch and rules per column."""

    min_rows: Annotated[int, Field(ge=1)] = 100
    """Fewer valid rows than this and nothing is trained."""
    max_missing: Share = 0.05
    """Largest share of missing values in any column used; the worst column decides."""
    freshness: Duration | None = None
    """Oldest that the newest reading may be."""
    unique_rows: bool = True
    """Refuse two rows with the same entity and timestamp."""
    completeness: Share | None = None
    """Smallest share of expected readings per day, where a timestamp is declared."""
    max_quarantined: Share = 0.05
    """Largest share of rows that may break row rules and be set aside."""
    max_drift: float | None = None
    """Largest PSI of any column against the champion's training data; unset means drift is reported, not enforced."""
    columns: dict[Column, ColumnRules] = {}
