"""The feature store: what the model file implies is registered, online and offline answers equal the feature table."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mlops_assets.artifacts import TableVersion
from mlops_assets.errors import DataError, MissingExtraError
from mlops_assets.features import build, catalogue, feature_names, profile
from mlops_assets.features.store import FeatureStore, online_store
from mlops_assets.readings.sources.asof_join import asof_join
from mlops_assets_tests.unit.features.feature_factory import model, readings, wine
from mlops_assets_tests.unit.features.test_build import EVERYTHING

MADE_FROM = TableVersion("pump", "features", 3, "abcdef" * 4, 240, ("at",))
SPEC = model(features={**EVERYTHING, "inputs": ["a", "b", "kind"]})


def test_the_catalogue_names_family_lineage_and_statistics() -> None:
    table = build(SPEC, readings(50))
    names = feature_names(SPEC, table.columns)
    result = {one.name: one for one in catalogue(SPEC, table.columns, profile(table, names))}
    assert tuple(result) == names
    assert result["a_mean_6h"].sources == ("a",)
    assert result["a_mean_6h"].description == "mean of a over 6h"
    assert result["a_per_b"].family == "pairs"
    assert result["at_hour_sin"].description == "hour sin of at in Europe/Berlin"
    assert result["kind"].family == "inputs"
    assert result["a"].mean == pytest.approx(50, abs=2)


def test_a_store_needs_time_and_entity(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="needs 'timestamp' and 'entity'"):
        FeatureStore(wine(), tmp_path)


def test_without_feast_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "feast", None)
    with pytest.raises(MissingExtraError, match=r"mlops-assets\[feast\]"):
        FeatureStore(SPEC, tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Feast's own use of its libraries
def test_feast_answers_what_the_table_says(tmp_path: Path) -> None:
    pytest.importorskip("feast", reason="the extra 'feast' is not installed")
    table = build(SPEC, readings(80))
    names = feature_names(SPEC, table.columns)
    store = FeatureStore(SPEC, tmp_path)
    with pytest.raises(DataError, match="nothing was applied yet; run 'mlops features apply pump'"):
        store.materialize(table)
    with pytest.raises(DataError, match="nothing was applied yet"):
        store.get(["u0"])
    assert [one.name for one in store.apply(table, [MADE_FROM], profile(table, names))] == list(names)
    listed = {one["name"]: one for one in store.listed()}
    assert set(listed) == set(names)
    assert listed["a_mean_6h"]["description"] == "mean of a over 6h"
    assert listed["a_mean_6h"]["sources"] == ["a"]
    assert listed["a_mean_6h"]["mean"] == pytest.approx(table["a_mean_6h"].mean())
    assert listed["a_mean_6h"]["data"] == "features 3 (abcdefabcdef)"

    assert store.materialize(table) == 3
    online = store.get(["u2", "u0", "stranger"])
    assert online["unit"].to_list() == ["u2", "u0", "stranger"]
    newest = table.sort("at").unique("unit", keep="last", maintain_order=True)
    expected = pl.DataFrame({"unit": ["u2", "u0"]}).join(newest, on="unit", how="left", maintain_order="left")
    assert_frame_equal(
        online.head(2).select(names), expected.select(names), check_exact=True, check_dtypes=False
    )
    assert all(value is None for value in online.select(names).row(2))

    later = table.select(pl.col("at") + timedelta(minutes=20), "unit").sample(40, seed=1)
    before_any = table.select(pl.col("at").min() - timedelta(days=1), pl.col("unit").first())
    requested = pl.concat([later, before_any])
    theirs = store.historical(requested)
    assert theirs.height == 41
    ours = asof_join(requested, table.select("at", "unit", *names), on="at", by=["unit"]).sort("at", "unit")
    assert_frame_equal(theirs.select(names), ours.select(names), check_dtypes=False, check_exact=True)

    changed = model(features={**EVERYTHING, "inputs": ["a", "b", "kind"], "timezone": "UTC"})
    with pytest.raises(DataError, match="another state of the model file was applied"):
        FeatureStore(changed, tmp_path).materialize(table)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Feast's own use of its libraries
def test_hostile_names_and_values_are_registered_and_returned_as_they_are(tmp_path: Path) -> None:
    pytest.importorskip("feast", reason="the extra 'feast' is not installed")
    column, text = '<img src=x onerror="run()"> {{7*7}}', "\"'><script>run()</script>"
    spec = model(features={"inputs": [column, "kind"]})
    rows = readings(20).rename({"b": column}).with_columns(kind=pl.lit(text), unit=text + pl.col("unit"))
    table = build(spec, rows)
    store = FeatureStore(spec, tmp_path)
    store.apply(table, [MADE_FROM], profile(table, feature_names(spec, table.columns)))
    assert {one["name"]: one["sources"] for one in store.listed()} == {column: [column], "kind": ["kind"]}
    store.materialize(table)
    newest = table.sort("at").filter(unit=f"{text}u0").tail(1).select("unit", column, "kind")
    assert_frame_equal(store.get([f"{text}u0"]).select(newest.columns), newest, check_dtypes=False)


def test_addresses_of_online_stores_become_feasts_sections() -> None:
    assert online_store("redis://cache/2")["connection_string"] == "cache:6379,db=2"
    secret = online_store("rediss://me:p%40ss@cache:7000")
    assert secret["connection_string"] == "cache:7000,db=0,username=me,password=p@ss,ssl=true"
    assert online_store("postgresql+psycopg2://me:p%40ss@db:5433/online?sslmode=require") == {
        "type": "postgres",
        "host": "db",
        "port": 5433,
        "database": "online",
        "user": "me",
        "password": "p@ss",
        "sslmode": "require",
    }
    assert online_store("postgresql://me@/online?host=/run/pg")["host"] == "/run/pg"
    with pytest.raises(DataError, match="'mysql'") as refused:
        online_store("mysql://me:secret@db/online")
    assert "secret" not in str(refused.value)
