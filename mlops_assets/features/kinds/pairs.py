"""Ratios and products of two columns of the same row; missing where the result is not finite."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import polars as pl
from typing_extensions import override

from mlops_assets.features.kinds.kind import Feature, FeatureKind, LookBack, Rows
from mlops_assets.model_file import ModelSpec


class Ratios(FeatureKind):
    """The first column divided by the second: `power_per_flow`."""

    example: ClassVar[Any] = (("a", "b"),)

    @override
    def describe(self, spec: ModelSpec) -> Iterator[Feature]:
        """Yield one feature per pair of `features.ratios`."""
        for above, below in spec.features.ratios:
            yield Feature(f"{above}_per_{below}", "pairs", (above, below), f"{above} divided by {below}")

    @override
    def look_back(self, spec: ModelSpec) -> LookBack:
        """Return nothing: both values are the row's own."""
        return LookBack()

    @override
    def build(self, spec: ModelSpec, rows: Rows) -> Iterator[pl.Expr]:
        """Yield each quotient."""
        for above, below in spec.features.ratios:
            yield _finite(pl.col(above) / pl.col(below)).alias(f"{above}_per_{below}")


class Interactions(FeatureKind):
    """Two columns multiplied: `flow_times_pressure`."""

    example: ClassVar[Any] = (("a", "b"),)

    @override
    def describe(self, spec: ModelSpec) -> Iterator[Feature]:
        """Yield one feature per pair of `features.interactions`."""
        for one, other in spec.features.interactions:
            yield Feature(f"{one}_times_{other}", "pairs", (one, other), f"{one} times {other}")

    @override
    def look_back(self, spec: ModelSpec) -> LookBack:
        """Return nothing: both values are the row's own."""
        return LookBack()

    @override
    def build(self, spec: ModelSpec, rows: Rows) -> Iterator[pl.Expr]:
        """Yield each product."""
        for one, other in spec.features.interactions:
            yield _finite(pl.col(one) * pl.col(other)).alias(f"{one}_times_{other}")


def _finite(value: pl.Expr) -> pl.Expr:
    return pl.when(value.is_finite()).then(value)
