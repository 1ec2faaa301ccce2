"""Statistics of columns over the training rows that share a value, learned from them: `flow_mean_by_site`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import polars as pl
from typing_extensions import override

from mlops_assets.features.encoding import Group
from mlops_assets.features.kinds.kind import Feature, FeatureKind, LookBack, Rows
from mlops_assets.model_file import ModelSpec


class Grouped(FeatureKind):
    """One number per value of `by`; a value that is not in the training part gets the number of all rows together."""

    role = "fitted"
    example: ClassVar[Any] = ({"by": "kind", "columns": ("b",), "statistics": ("mean", "count")},)

    @override
    def describe(self, spec: ModelSpec) -> Iterator[Feature]:
        """Yield one feature per section, column and statistic."""
        for section in spec.features.grouped:
            for column in section.columns:
                for statistic in section.statistics:
                    description = f"{statistic} of {column} over training rows with the same {section.by}"
                    sources = (section.by, column)
                    yield Feature(f"{column}_{statistic}_by_{section.by}", "pairs", sources, description)

    @override
    def look_back(self, spec: ModelSpec) -> LookBack:
        """Return nothing: the numbers are learned once."""
        return LookBack()

    @override
    def build(self, spec: ModelSpec, rows: Rows) -> Iterator[pl.Expr]:
        """Yield nothing: the preparation adds these columns."""
        return iter(())

    @override
    def fit(self, spec: ModelSpec, train: pl.DataFrame) -> Iterator[Group]:
        """Yield every statistic of `features.grouped`, learned from the training part."""
        for section in spec.features.grouped:
            rows = train.with_columns(pl.col(section.by).cast(pl.String).alias("__by"))
            for name in section.columns:
                value = pl.col(name).cast(pl.Float64)
                statistics = {
                    "mean": value.mean(),
                    "std": value.std(),
                    "count": value.count().cast(pl.Float64),
                }
                for statistic in section.statistics:
                    by_value = rows.group_by("__by").agg(statistics[statistic].alias("number"))
                    by_value = by_value.drop_nulls().sort("__by")
                    overall = rows.select(statistics[statistic])[name].item()
                    yield Group(
                        section.by,
                        f"{name}_{statistic}_by_{section.by}",
                        tuple(by_value["__by"].to_list()),
                        tuple(by_value["number"].to_list()),
                        0.0 if statistic == "count" or overall is None else overall,
                    )
