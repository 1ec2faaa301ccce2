"""Tables: what is written is what is read, for every version, and equal content is the same version."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.artifacts import TableVersion
from mlops_assets.datasets import Datasets, Provenance, content_hash, storable
from mlops_assets.errors import DataError

AT = datetime(2025, 3, 1, 12, 30, tzinfo=UTC)
BY = Provenance("someone", AT, "run-1", "abc123")


@pytest.fixture
def datasets(tmp_path: Path) -> Datasets:
    return Datasets(str(tmp_path))


FRAME = pl.DataFrame(
    {
        "when": [datetime(2024, 3, 31, 1, 30, tzinfo=UTC), None, datetime(2024, 3, 31, 2, 30, tzinfo=UTC)],
        "local": [AT.replace(tzinfo=None), AT.replace(tzinfo=None, year=1969), None],
        "value": [1.5, float("nan"), None],
        "count": [1, None, -3],
        "name": ["ä", "", None],
        "ok": [True, None, False],
        "raw": [b"\x00\x01", None, b""],
        "day": [date(2024, 1, 1), None, date(2024, 1, 3)],
        "price": [Decimal("1.10"), None, Decimal("-2.25")],
        "Volume Flow, RMS": [1.0, 2.0, 3.0],
    }
)


def test_what_is_written_is_what_is_read(datasets: Datasets) -> None:
    version = datasets.write("pump", "features", FRAME, BY)
    assert version == TableVersion("pump", "features", 0, content_hash(FRAME), 3, tuple(FRAME.columns))
    assert datasets.read(version).equals(FRAME)
    assert datasets.read(version).schema == FRAME.schema
    assert datasets.latest("pump", "features") == version


@pytest.mark.parametrize(
    "folder", ["a b", "50%", "x#y", "grün ß", "q?x", "a+b&c=d", "日本", "{c}*", "it's", '"q"', "~"]
)
def test_any_folder_name_works_or_is_refused(tmp_path: Path, folder: str) -> None:
    datasets = Datasets(str(tmp_path / folder))
    for frame in (FRAME, FRAME.clear(), FRAME.head(1)):
        version = datasets.write("pump", "features", frame, BY)
        assert datasets.read(version).equals(frame)
    assert (tmp_path / folder / "pump" / "features" / "_delta_log").is_dir()
    assert [path.name for path in tmp_path.iterdir()] == [folder]


@pytest.mark.parametrize("folder", ["a%20b", "[x]", "back\\slash", "a|b", "a^b", "a`b"])
def test_a_folder_that_would_be_another_one_is_refused(tmp_path: Path, folder: str) -> None:
    with pytest.raises(DataError, match="means another character in an address; rename the folder"):
        Datasets(str(tmp_path / folder))


def test_unchanged_content_makes_no_new_version(datasets: Datasets) -> None:
    first = datasets.write("pump", "t", FRAME, BY)
    chunked = pl.concat([FRAME.head(1), FRAME.tail(2)], rechunk=False)
    assert datasets.write("pump", "t", chunked, replace(BY, run_id="run-2")) == first
    assert [commit.by.run_id for commit in datasets.log("pump", "t")] == ["run-1"]


def test_every_version_stays_readable_through_changes_of_columns(datasets: Datasets) -> None:
    frames = [FRAME, FRAME.select("value"), FRAME.select(value=pl.lit("text")), FRAME.clear(), FRAME]
    versions = [datasets.write("pump", "t", frame, BY) for frame in frames]
    assert [version.version for version in versions] == [0, 1, 2, 3, 4]
    assert versions[0].content_hash == versions[4].content_hash
    for version, frame in zip(versions, frames, strict=True):
        assert datasets.read(version).equals(frame)


def test_the_log_tells_who_wrote_what_when(datasets: Datasets) -> None:
    datasets.write("pump", "t", FRAME, BY)
    second = datasets.write("pump", "t", FRAME.head(1), replace(BY, author="another"))
    newest, oldest = datasets.log("pump", "t")
    assert (newest.version, newest.by, newest.operation) == (second, replace(BY, author="another"), "write")
    assert (oldest.version.version, oldest.by) == (0, BY)
    assert datasets.log("pump", "t", limit=1) == [newest]
    assert datasets.version("pump", "t", 0) == oldest.version


def test_types_are_widened_never_bent() -> None:
    frame = pl.DataFrame(
        {
            "u": pl.Series([2**32 - 1], dtype=pl.UInt32),
            "c": pl.Series(["a"], dtype=pl.Categorical),
            "n": pl.Series([None], dtype=pl.Null),
            "t": [time(1, 2, 3)],
            "w": pl.Series(["2024-07-01T12:00"])
            .str.to_datetime()
            .dt.replace_time_zone("Australia/Melbourne"),
        }
    )
    row = storable(frame).row(0, named=True)
    assert (row["u"], row["c"], row["n"], row["w"]) == (
        2**32 - 1,
        "a",
        None,
        datetime(2024, 7, 1, 2, tzinfo=UTC),
    )
    assert content_hash(frame) == content_hash(storable(frame))


def test_what_cannot_be_kept_is_refused_by_name(datasets: Datasets) -> None:
    with pytest.raises(DataError, match="'nested' holds List"):
        datasets.write("pump", "t", pl.DataFrame({"nested": [[1]]}), BY)
    with pytest.raises(DataError, match="64 bits"):
        storable(pl.DataFrame({"u": pl.Series([2**64 - 1], dtype=pl.UInt64)}))
    with pytest.raises(DataError, match="cannot name"):
        datasets.write("..", "t", FRAME, BY)
    assert datasets.latest("pump", "t") is None


@pytest.mark.parametrize(
    "other",
    [
        FRAME.rename({"count": "Count"}),
        FRAME.select(reversed(FRAME.columns)),
        FRAME.reverse(),
        FRAME.with_columns(pl.col("count").cast(pl.Int32)),
        FRAME.with_columns(pl.col("value").fill_nan(None)),
        FRAME.with_columns(pl.col("name").fill_null("")),
        FRAME.with_columns(pl.col("ok").fill_null(False)),
        FRAME.with_columns(pl.col("count").fill_null(0)),
        FRAME.head(2),
    ],
)
def test_the_hash_tells_other_content(other: pl.DataFrame) -> None:
    assert content_hash(other) != content_hash(FRAME)


def test_the_hash_is_the_same_in_every_release() -> None:
    """A changed value here means every stored version would read as damaged."""
    assert content_hash(FRAME) == "dbb30e1d2223ca6a6e72957f3b8dec9b9953a50386ea0fcfd113168bc7b78feb"


def test_text_cannot_move_between_neighbors() -> None:
    assert content_hash(pl.DataFrame({"a": ["ab", "c"]})) != content_hash(pl.DataFrame({"a": ["a", "bc"]}))


def test_a_version_that_is_gone_or_altered_is_not_read(datasets: Datasets, tmp_path: Path) -> None:
    version = datasets.write("pump", "t", FRAME, BY)
    [file] = (tmp_path / "pump" / "t").glob("*.parquet")
    FRAME.with_columns(pl.col("value") + 1).write_parquet(file)
    with pytest.raises(DataError, match=r"other rows than were written|cannot be read"):
        datasets.read(version)
    file.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        datasets.read(version)
    with pytest.raises(DataError, match="no version 7; the newest is 0"):
        datasets.version("pump", "t", 7)


def test_two_writers_on_the_same_table_never_mix(datasets: Datasets, tmp_path: Path) -> None:
    """The slower of two writers that saw the same version must start again, not add to what the faster one wrote."""
    datasets.write("pump", "t", FRAME.clear(), BY)
    known = datasets._open("pump", "t")
    assert known is not None
    datasets.write("pump", "t", FRAME.head(1), BY)
    metadata = {"version": "1", "content_hash": "x"}
    assert not datasets._commit("pump", "t", known, FRAME, metadata)
    newest = datasets.latest("pump", "t")
    assert newest is not None
    assert datasets.read(newest).equals(FRAME.head(1))


def test_a_version_keeps_its_number_when_another_writer_comes_in_between(datasets: Datasets) -> None:
    """The table was opened before the second write and its log read after it."""
    from mlops_assets.datasets.commits import commits_of

    first = datasets.write("pump", "t", FRAME, BY)
    opened = datasets._open("pump", "t")
    assert opened is not None
    second = datasets.write("pump", "t", FRAME.head(1), BY)
    assert [commit.version for commit in commits_of("pump", "t", opened)] == [second, first]
