"""Going back: differences told in numbers, tags that stay, restore and checkout proven by hash."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.datasets import (
    Datasets,
    Provenance,
    checkout,
    content_hash,
    diff,
    restore,
    tag,
    tagged,
    tags,
    verify,
)
from mlops_assets.errors import DataError

AT = datetime(2025, 3, 1, 12, 30, tzinfo=UTC)
BY = Provenance("someone", AT, "run-1", "abc123")
FRAME = pl.DataFrame({"at": [AT, AT, AT], "v": [1.0, 2.0, None], "s": ["a", "b", "b"]})


@pytest.fixture
def datasets(tmp_path: Path) -> Datasets:
    return Datasets(str(tmp_path / "root"))


def test_a_difference_names_rows_columns_and_values(datasets: Datasets) -> None:
    before = datasets.write("m", "t", FRAME, BY)
    changed = (
        FRAME.with_columns(pl.col("v").fill_null(6.0))
        .with_columns(n=pl.lit(1))
        .drop("at")
        .vstack(pl.DataFrame({"v": [9.0], "s": ["c"], "n": pl.Series([1], dtype=pl.Int32)}))
    )
    after = datasets.write("m", "t", changed, BY)
    result = diff(datasets, before, after)
    assert (result.columns_removed, result.columns_added) == (("at",), ("n",))
    assert (result.rows_removed, result.rows_added, result.same, result.reordered) == (1, 2, False, False)
    [value, text] = result.changed
    assert (value.name, value.missing_before, value.missing_after) == ("v", 1 / 3, 0.0)
    assert (value.mean_before, value.mean_after) == (1.5, 4.5)
    assert (text.name, text.mean_before) == ("s", None)


def test_rows_that_only_moved_are_told_apart_from_new_rows(datasets: Datasets) -> None:
    before = datasets.write("m", "t", FRAME, BY)
    result = diff(datasets, before, datasets.write("m", "t", FRAME.reverse(), BY))
    assert (result.reordered, result.rows_added, result.rows_removed, result.same) == (True, 0, 0, False)
    assert diff(datasets, before, before).same
    doubled = datasets.write("m", "t", pl.concat([FRAME, FRAME.head(1)]), BY)
    assert diff(datasets, before, doubled).rows_added == 1


def test_a_changed_type_is_a_change(datasets: Datasets) -> None:
    before = datasets.write("m", "t", pl.DataFrame({"a": [1, 2]}), BY)
    after = datasets.write("m", "t", pl.DataFrame({"a": ["1", "3"]}), BY)
    result = diff(datasets, before, after)
    assert (result.rows_removed, result.rows_added, result.changed[0].type_after) == (1, 1, "String")


def test_tags_stay_where_they_were_put(datasets: Datasets) -> None:
    first = datasets.write("m", "t", FRAME, BY)
    other = datasets.write("m", "u", FRAME.head(1), BY)
    provided = tag(datasets, "m", "dataset-v1.0", [first, other], Provenance("someone", AT))
    second = datasets.write("m", "t", FRAME.head(2), BY)
    tag(datasets, "m", "dataset-v1.1", [second], Provenance("another", AT))
    assert tagged(datasets, "m", "dataset-v1.0") == provided
    assert [entry.name for entry in tags(datasets, "m")] == ["dataset-v1.0", "dataset-v1.1"]
    assert tag(datasets, "m", "dataset-v1.0", [first, other], Provenance("late", AT)) == provided
    with pytest.raises(DataError, match=r"made by someone on 2025-03-01; tags never move"):
        tag(datasets, "m", "dataset-v1.0", [second], Provenance("late", AT))
    with pytest.raises(DataError, match=r"did you mean 'dataset-v1\.0'"):
        tagged(datasets, "m", "dataset-v10")
    with pytest.raises(DataError, match="cannot be a tag"):
        tag(datasets, "m", "../x", [first], Provenance("late", AT))
    with pytest.raises(DataError, match="needs versions"):
        tag(datasets, "m", "empty", [], Provenance("late", AT))
    assert tags(datasets, "nobody") == ()


def test_restore_makes_the_old_rows_the_newest(datasets: Datasets) -> None:
    old = datasets.write("m", "t", FRAME, BY)
    datasets.write("m", "t", FRAME.head(1), BY)
    restored = restore(datasets, old, BY)
    assert (restored.version, restored.content_hash) == (2, old.content_hash)
    assert [commit.operation for commit in datasets.log("m", "t")] == ["restore 0", "write", "write"]
    assert restore(datasets, old, BY) == restored, "already the newest"


def test_checkout_writes_the_data_set_out_equal_by_hash(datasets: Datasets, tmp_path: Path) -> None:
    versions = [datasets.write("m", "t", FRAME, BY), datasets.write("m", "u", FRAME.head(1), BY)]
    datasets.write("m", "t", FRAME.clear(), BY)
    files = checkout(datasets, versions, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "dataset.json",
        "t.parquet",
        "u.parquet",
    ]
    assert [content_hash(pl.read_parquet(file)) for file in files] == [
        version.content_hash for version in versions
    ]
    assert verify(tmp_path / "out") == tuple(versions)
    with pytest.raises(DataError, match="not empty"):
        checkout(datasets, versions, tmp_path / "out")
    FRAME.reverse().write_parquet(files[0])
    with pytest.raises(DataError, match="other rows"):
        verify(tmp_path / "out")
    with pytest.raises(DataError, match="one version of each"):
        checkout(datasets, [versions[0], versions[0]], tmp_path / "new")


def test_a_checkout_that_fails_leaves_nothing(datasets: Datasets, tmp_path: Path) -> None:
    versions = [datasets.write("m", "t", FRAME, BY), datasets.write("m", "u", FRAME.head(1), BY)]
    shutil.rmtree(tmp_path / "root" / "m" / "u")
    with pytest.raises(DataError, match="m/u version 0"):
        checkout(datasets, versions, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


def test_rows_are_added_below_those_that_are_there(datasets: Datasets) -> None:
    datasets.append("m", "t", FRAME.head(1), BY)
    both = datasets.append("m", "t", FRAME.tail(2), BY)
    assert datasets.read(both).equals(FRAME)
    assert datasets.append("m", "t", FRAME.clear(), BY) == both
    with pytest.raises(DataError, match="cannot be added"):
        datasets.append("m", "t", FRAME.drop("v"), BY)
