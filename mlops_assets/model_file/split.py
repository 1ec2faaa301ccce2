"""The `split:` section: which rows train, which choose the candidate, which test the challenger."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mlops_assets.model_file.section import Section
from mlops_assets.model_file.values import Column, Duration, Share


class SplitSpec(Section):
    """Shares of rows per part; by time wherever there is a timestamp."""

    strategy: Literal["temporal", "random", "stratified", "group"] | None = None
    """Unset means temporal where a timestamp is declared, else stratified for classes and random for numbers."""
    train: Share = 0.70
    validation: Share = 0.15
    test: Share = 0.15
    group: Column | None = None
    """Column whose values are never divided between two parts (strategy: group)."""
    gap: Duration | None = None
    """Time left out between the parts, so that windows do not overlap; a forecast's horizon is always left out."""
    key: Annotated[tuple[Column, ...], Field(strict=False)] = ()
    """Columns that say which row a row is (random and stratified); unset means timestamp and entity, else the whole
    row. A row always keeps its part, whatever rows are added."""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 42
