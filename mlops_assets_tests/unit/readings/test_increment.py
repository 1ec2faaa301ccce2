"""Reading only what is new: whatever the order of arrival and whatever crashed, every row once."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mlops_assets.datasets import content_hash
from mlops_assets.errors import SourceError
from mlops_assets.readings import read, read_new
from mlops_assets_tests.unit.readings.reading_factory import counted, model, settings

START = datetime(2026, 1, 1, tzinfo=UTC)


def write(path: Path, rows: list[tuple[int, str]]) -> None:
    lines = [f"{(START + timedelta(minutes=minute)).isoformat()},{who},{minute}" for minute, who in rows]
    path.write_text("\n".join(["t,who,y", *lines]) + "\n")


@pytest.mark.parametrize("seed", range(5))
def test_late_rows_and_crashes_between_reading_and_storing(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    path = tmp_path / "log.csv"
    spec = model({"kind": "file", "path": str(path)}, timestamp="t", entity="who")
    everything = [(minute, who) for minute in range(300) for who in ("a", "b")]
    arrival = sorted(everything, key=lambda row: row[0] + rng.uniform(0, 45))  # up to 45 minutes late
    stored = pl.DataFrame(schema={"t": pl.Datetime("us", "UTC"), "who": pl.String, "y": pl.Int64})
    for arrived in range(60, len(arrival) + 1, 60):
        write(path, arrival[:arrived])
        fresh = read_new(spec, stored, as_of=START + timedelta(days=2), settings=settings())
        if rng.random() < 0.3:
            continue  # killed before the rows were stored
        stored = pl.concat([stored, fresh.frame])
    final = read_new(spec, stored, as_of=START + timedelta(days=2), settings=settings())
    stored = pl.concat([stored, final.frame])
    assert stored.height == len(everything)
    assert stored.n_unique(["t", "who"]) == len(everything)
    assert final.watermark == START + timedelta(minutes=299)
    again = read_new(spec, stored, as_of=START + timedelta(days=2), settings=settings())
    assert again.frame.is_empty()
    assert counted(again)["stored_already_left_out", None] == 122  # the last hour, both ends included, twice


def test_changed_columns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    write(path, [(0, "a"), (1, "a")])
    spec = model({"kind": "file", "path": str(path)}, timestamp="t", entity="who")
    stored = read_new(spec, pl.DataFrame(), as_of=START + timedelta(days=1), settings=settings()).frame
    with pytest.raises(SourceError, match="other columns than the rows stored: z"):
        read_new(spec, stored.with_columns(z=1), as_of=START + timedelta(days=1), settings=settings())


def test_a_timestamp_is_needed(tmp_path: Path) -> None:
    spec = model({"kind": "sample", "name": "diabetes"}, target="target")
    with pytest.raises(SourceError, match="needs a 'timestamp'"):
        read_new(spec, pl.DataFrame(), as_of=START, settings=settings())


def full(path: Path) -> tuple[pl.DataFrame, Any]:
    """A full read of a source in the order of time, and its model file."""
    spec = model(
        {"kind": "file", "path": str(path)},
        timestamp="t",
        entity="who",
        repairs={"sort": "time", "duplicates": "first"},
    )
    return read(spec, as_of=START + timedelta(days=2), settings=settings()).frame, spec


@pytest.mark.parametrize("seed", range(3))
def test_pieces_add_up_to_a_full_read_while_rows_are_only_added(tmp_path: Path, seed: int) -> None:
    """The condition under which reading what is new is exact: rows come late by less than `late`, none is changed."""
    rng = random.Random(seed)
    path = tmp_path / "log.csv"
    rows = [(minute, who) for minute in range(200) for who in ("a", "b")]
    arrival = sorted(rows, key=lambda row: row[0] + rng.uniform(0, 45))
    stored = pl.DataFrame()
    for arrived in (100, 230, 231, 400):
        write(path, arrival[:arrived])
        whole, spec = full(path)
        fresh = read_new(spec, stored, as_of=START + timedelta(days=2), settings=settings()).frame
        stored = pl.concat([stored, fresh]) if stored.height else fresh
        assert content_hash(stored.sort("t", "who")) == content_hash(whole)


def test_what_only_a_full_read_sees(tmp_path: Path) -> None:
    """Why runs read their whole window: a corrected value, a removed row, and a row later than `late`."""
    path = tmp_path / "log.csv"
    write(path, [(minute, "a") for minute in (0, *range(2, 200))])
    stored, spec = full(path)
    write(path, [(minute, "a") for minute in range(199)])
    path.write_text(path.read_text().replace("a,198\n", "a,-198\n"))
    fresh = read_new(spec, stored, as_of=START + timedelta(days=2), settings=settings()).frame
    assert fresh.is_empty()
    whole, _ = full(path)
    assert set(whole["y"]) ^ set(stored["y"]) == {1, 198, -198, 199}
