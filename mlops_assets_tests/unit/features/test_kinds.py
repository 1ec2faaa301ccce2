"""Every kind of feature passes the conformity suite, and the suite refuses kinds that differ in serving."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import polars as pl
import pytest

from mlops_assets.errors import DataError
from mlops_assets.features import FEATURE_KINDS, Feature, build, fit_preparation
from mlops_assets.features.kinds import FeatureKind, LookBack, Rows
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.features import FeaturesSpec, NumberColumn, number_columns, source_columns
from mlops_assets.validation.types import misfits
from mlops_assets_tests.unit.features import feature_conformity as conformity
from mlops_assets_tests.unit.features.feature_factory import model, readings, wine

CASES = [
    (key, problem)
    for key in FEATURE_KINDS
    for problem in ("regression", "forecasting")
    if (key, problem) != ("horizon", "regression")
]
NO_KIND = {"inputs", "tolerance", "exclude", "timezone", "categories", "scaling", "missing", "precision"}
"""Keys of `features:` that say how inputs are read, not which features are computed."""


def checked(spec: ModelSpec, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    conformity.check_names(spec, key)
    conformity.check_demands(spec, key)
    conformity.check_batch_equals_online(spec, key)
    conformity.check_no_look_ahead(spec, key)
    conformity.check_look_back(spec, key, monkeypatch)


@pytest.mark.parametrize("key, problem", CASES)
def test_every_kind_conforms(key: str, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    checked(conformity.spec_with(key, problem), key, monkeypatch)


def test_every_key_of_the_section_has_a_kind() -> None:
    assert set(FeaturesSpec.model_fields) - NO_KIND == set(FEATURE_KINDS)


class Section(FeaturesSpec):
    """The section of a model file that knows one more key."""

    doubled_lag: tuple[NumberColumn, ...] = ()


class DoubledLag(FeatureKind):
    """Twice the value two readings earlier: a kind that no package module knows."""

    example: ClassVar[Any] = ("b",)
    stated = LookBack(readings=2)
    step = 2

    def describe(self, spec: ModelSpec) -> Iterator[Feature]:
        for column in getattr(spec.features, "doubled_lag", ()):
            yield Feature(f"{column}_doubled", "lags", (column,), f"twice {column}, two readings earlier")

    def look_back(self, spec: ModelSpec) -> LookBack:
        return self.stated if self.names(spec) else LookBack()

    def build(self, spec: ModelSpec, rows: Rows) -> Iterator[pl.Expr]:
        for feature in self.describe(spec):
            shifted = pl.col(feature.sources[0]).shift(self.step).over(spec.entity or pl.lit(0))
            yield (shifted * 2.0).alias(feature.name)


class TooShort(DoubledLag):
    stated = LookBack(readings=1)


class Wasteful(DoubledLag):
    stated = LookBack(readings=3)


class ReadsAhead(DoubledLag):
    step = -1


class NeverBuilt(DoubledLag):
    def build(self, spec: ModelSpec, rows: Rows) -> Iterator[pl.Expr]:
        return iter(())


def with_fixture(kind: FeatureKind, monkeypatch: pytest.MonkeyPatch) -> ModelSpec:
    monkeypatch.setitem(FEATURE_KINDS, "doubled_lag", kind)
    spec = model(features={"inputs": ["a"]})
    return spec.model_copy(update={"features": Section(inputs=("a",), doubled_lag=kind.example)})


def test_a_kind_from_outside_conforms(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = with_fixture(DoubledLag(), monkeypatch)
    checked(spec, "doubled_lag", monkeypatch)
    assert source_columns(spec.features) == ("a", "b")


@pytest.mark.parametrize(
    "kind", [TooShort(), Wasteful(), ReadsAhead(), NeverBuilt()], ids=lambda kind: type(kind).__name__
)
def test_the_suite_refuses_a_kind_that_differs(kind: FeatureKind, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = with_fixture(kind, monkeypatch)
    with pytest.raises((AssertionError, KeyError)):
        checked(spec, "doubled_lag", monkeypatch)


def test_a_kind_must_state_everything() -> None:
    class Half(FeatureKind):
        def describe(self, spec: ModelSpec) -> Iterator[Feature]:
            return iter(())

    abstract: Any = Half
    with pytest.raises(TypeError, match="abstract"):
        abstract()


def test_a_kind_that_needs_time_says_so() -> None:
    with pytest.raises(DataError, match=r"'features.lags' needs a 'timestamp'"):
        build(wine(features={"lags": {"columns": ["a"], "steps": [1]}}), readings(5).drop("at", "unit"))


def test_group_statistics_of_a_column_that_is_no_input() -> None:
    spec = model(features={"inputs": ["a"], "grouped": [{"by": "kind", "columns": ["b"]}]})
    table = build(spec, readings(50))
    assert fit_preparation(spec, table).names == ("a", "b_mean_by_kind")


@pytest.mark.parametrize("key, problem", CASES)
def test_columns_that_are_computed_with_must_hold_numbers(key: str, problem: str) -> None:
    spec = conformity.spec_with(key, problem)
    schema = readings(5).with_columns(pl.col("a", "b").cast(pl.String)).schema
    named = {column for _, column in number_columns(spec.features)} - {spec.target}
    assert {name for name in misfits(spec, schema) if name in ("a", "b")} == named
    for column in named:
        assert f"features.{key} computes with it" in misfits(spec, schema)[column]
