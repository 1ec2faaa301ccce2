"""The `split:` section: which rows train, which choose the candidate, which test the challenger."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mlops_assets.model_file.section import Section
from mlops_assets.model_file.values import Column, Duration, Share, Unit


class CrossValidationSpec(Section):
    """Candidates are ranked by the mean of the primary metric over folds of the training and validation rows.

    Every candidate is fitted once more per fold. The test part stays separate: it judges the winner alone.
    """

    method: Literal["k_fold", "expanding", "sliding"] = "k_fold"
    """k_fold: every row validates once. expanding: train on all rows before each block of time. sliding: train on a
    window of constant length before it."""
    folds: Annotated[int, Field(ge=2, le=20), Unit("folds")] = 5
    """How many folds; each costs one more fit per candidate."""


class SplitSpec(Section):
    """Shares of rows per part; by time wherever there is a timestamp."""

    strategy: Literal["temporal", "random", "stratified", "group"] | None = None
    """Unset means temporal where a timestamp is declared, else stratified for classes and random for numbers."""
    train: Share = 0.70
    """Share of rows that fit the candidates."""
    validation: Share = 0.15
    """Share of rows that rank the candidates and stop their training early."""
    test: Share = 0.15
    """Share of rows (the holdout) that compare the challenger with the champion; the three shares sum to 1."""
    group: Column | None = Field(None, examples=["patient_id"])
    """Column whose values are never divided between two parts (strategy: group)."""
    cross_validation: CrossValidationSpec | None = Field(None, examples=[{"method": "expanding", "folds": 5}])
    """Rank candidates over several folds; unset means by the one validation part."""
    gap: Duration | None = Field(None, examples=["24h"])
    """Time left out between the parts, so that windows do not overlap; a forecast's horizon is always left out."""
    key: Annotated[tuple[Column, ...], Field(strict=False, examples=[["order_id"]])] = ()
    """Columns that say which row a row is (random and stratified); unset means timestamp and entity, else the whole
    row. A row always keeps its part, whatever rows are added."""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1), Unit("none")] = 42
    """Seed that assigns rows to parts (random, stratified and group)."""
