"""Records as Dagster shows them: tables, numbers by name, column schemas and column lineage."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import dagster as dg
import polars as pl
import pytest

from mlops_assets.artifacts import Comparison
from mlops_assets.datasets import Datasets, Provenance
from mlops_assets.defs import monitoring_display
from mlops_assets.defs.metadata import feature_lineage, metric_numbers, rows_table, table_version
from mlops_assets.features import FEATURE_KINDS
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.lifecycle.records import QualityRecord
from mlops_assets.model_file import load_model
from mlops_assets.settings import Settings

MODELS = Path(__file__).parents[2] / "models"
SPEC = load_model(MODELS / "pump_efficiency.yaml")
QUALITY = QualityRecord((), 10, "/srv/home/docs/pump_efficiency", datetime(2026, 1, 1, tzinfo=UTC))


def platform_at(**environ: str) -> Platform:
    """A platform of which only the settings are read."""
    return cast(Platform, SimpleNamespace(settings=Settings.from_environment(environ)))


@pytest.mark.parametrize("address", ["http://127.0.0.1:8001", "https://models.example/review/"])
def test_links_are_addresses_that_a_browser_opens(address: str) -> None:
    shown = monitoring_display.quality(QUALITY, SPEC, platform_at(MLOPS_REVIEW_URL=address))
    page = shown.metadata["data_docs"]
    assert isinstance(page, dg.UrlMetadataValue)
    assert page.url == f"{address.rstrip('/')}/pump_efficiency/data_quality/index.html"


def test_without_an_address_a_sentence_says_where_one_comes_from() -> None:
    shown = monitoring_display.quality(QUALITY, SPEC, platform_at())
    assert isinstance(shown.metadata["data_docs"], dg.TextMetadataValue)
    assert "MLOPS_REVIEW_URL" in (shown.metadata["data_docs"].text or "")
    assert not [one for one in shown.metadata.values() if isinstance(one, dg.PathMetadataValue)]


def test_a_row_may_lack_columns() -> None:
    table = rows_table([{"name": "failed", "note": "why"}, {"name": "trained", "rmse": 0.5, "path": [1]}])
    assert isinstance(table, dg.TableMetadataValue)
    assert [record.data for record in table.records] == [
        {"name": "failed", "note": "why", "rmse": None, "path": None},
        {"name": "trained", "note": None, "rmse": 0.5, "path": "[1]"},
    ]
    assert {column.name: column.type for column in table.schema.columns} == {
        "name": "string",
        "note": "string",
        "rmse": "float",
        "path": "string",
    }


def test_numbers_in_a_table_have_four_significant_digits() -> None:
    table = rows_table([{"rmse": 12.3456789, "rows": 123_456, "passed": True}, {"rmse": 0.000123456}])
    assert isinstance(table, dg.TableMetadataValue)
    assert [record.data["rmse"] for record in table.records] == [12.35, 0.0001235]
    assert table.records[0].data["rows"] == 123_456
    assert table.records[0].data["passed"] is True


def test_holdout_metrics_are_numbers_by_name_that_dagster_plots() -> None:
    rows = [
        {"part": "test", "metric": "rmse", "challenger": 1.5, "champion": 2.0, "baseline": None},
        {"part": "train", "metric": "rmse", "challenger": 0.1, "champion": None, "baseline": None},
    ]
    improvement = Comparison("rmse", "test", 1.5, 2.0, 0.25, 0.1, 0.4, 0.95, "blocks", 300)
    other = Comparison("mae", "test", 1.0, 1.0, 0.0, -0.1, 0.1, 0.95, "blocks", 300)
    assert metric_numbers(rows, [other, improvement], "rmse") == {
        "rmse": 1.5,
        "champion_rmse": 2.0,
        "improvement": 0.25,
        "improvement_low": 0.1,
        "improvement_high": 0.4,
        "compared_rows": 300,
    }


def test_a_table_shows_its_address_and_the_type_and_meaning_of_each_column(tmp_path: Path) -> None:
    datasets = Datasets(str(tmp_path))
    spec = load_model(MODELS / "wine_classifier.yaml")
    target, alcohol = spec.target, "alcohol"
    frame = pl.DataFrame({alcohol: [13.2, 12.9], target: ["a", "b"]})
    version = datasets.write(spec.name, "features", frame, Provenance("a", datetime.now(UTC), "1", "c"))
    metadata = table_version(version, datasets, spec)
    schema = metadata["dagster/column_schema"]
    assert [(column.name, column.type, column.description) for column in schema.columns] == [
        (alcohol, "Float64", "alcohol as read"),
        (target, "String", "target"),
    ]
    assert metadata["dagster/row_count"] == 2
    assert metadata["dagster/uri"] == f"{tmp_path}/{spec.name}/features"
    gone = replace(version, version=7)
    assert "dagster/column_schema" not in table_version(gone, datasets, spec)


def test_the_lineage_of_a_feature_is_what_its_kind_reads() -> None:
    spec = load_model(MODELS / "pump_efficiency.yaml")
    upstream = dg.AssetKey([spec.name, "validated_data"])
    described = [feature for kind in FEATURE_KINDS.values() for feature in kind.describe(spec)]
    columns = [*(feature.name for feature in described), spec.timestamp or ""]
    lineage = feature_lineage(spec, columns, upstream).deps_by_column
    for feature in described:
        if feature.name in lineage:
            assert {dep.column_name for dep in lineage[feature.name]} >= set(feature.sources) - {spec.target}
    assert lineage[spec.timestamp or ""] == [dg.TableColumnDep(upstream, spec.timestamp or "")]
    assert any(len(deps) == 1 and deps[0].column_name != name for name, deps in lineage.items())
