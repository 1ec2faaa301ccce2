"""Writers that are killed or race: readers meet whole versions only, no write is lost, nobody has to clean up.

MLOPS_TEST_KILLS sets how many writers die (8 unless told).
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.datasets import Datasets, Provenance, content_hash, tag, tags

KILLS = int(os.environ.get("MLOPS_TEST_KILLS", "8"))
AT = datetime(2025, 3, 1, tzinfo=UTC)
BY = Provenance("a", AT, "r", "c")
ROWS = 20_000

WRITER = """
import sys
from datetime import UTC, datetime
import polars as pl
from mlops_assets.datasets import Datasets, Provenance
root, start = sys.argv[1], int(sys.argv[2])
datasets = Datasets(root)
print("ready", flush=True)
at = datetime(2025, 3, 1, tzinfo=UTC)
for number in range(start, start + 1_000):
    frame = pl.DataFrame({"writer": [number] * %d, "row": range(%d)})
    datasets.write("m", "t", frame, Provenance("a", at, str(number), "c"))
""" % (ROWS, ROWS)  # noqa: UP031

pytestmark = pytest.mark.faults


def test_readers_see_whole_versions_while_writers_are_killed(tmp_path: Path) -> None:
    datasets = Datasets(str(tmp_path))
    chance = random.Random(7)
    total = 0
    for kill in range(KILLS):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(kill * 10_000)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        first = total
        deadline = time.monotonic() + chance.uniform(0.0, 0.4)
        # At least once a reader looks at what this writer wrote, however slow the machine is.
        while time.monotonic() < deadline or (kill == 0 and total == first and writer.poll() is None):
            total += _whole(datasets)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        _whole(datasets)
    log = datasets.log("m", "t")
    assert [commit.version.version for commit in log] == list(range(len(log) - 1, -1, -1))
    for commit in random.Random(7).sample(log, min(20, len(log))):
        assert datasets.read(commit.version)["writer"].unique().to_list() == [int(commit.by.run_id)]
    assert total, "a reader looked while a writer wrote"
    after = datasets.write("m", "t", pl.DataFrame({"writer": [-1]}), BY)
    assert after.version == len(log)


def _whole(datasets: Datasets) -> int:
    newest = datasets.latest("m", "t")
    if newest is None:
        return 0
    frame = datasets.read(newest)
    assert (frame.height, frame["writer"].n_unique()) == (ROWS, 1)
    return 1


def test_racing_writers_lose_no_write_and_never_mix(tmp_path: Path) -> None:
    datasets = Datasets(str(tmp_path))

    def write(number: int) -> str:
        frame = pl.DataFrame({"writer": [number] * 50})
        return Datasets(str(tmp_path)).write("m", "t", frame, replace(BY, run_id=str(number))).content_hash

    with ThreadPoolExecutor(4) as pool:
        written = list(pool.map(write, range(24)))
    log = datasets.log("m", "t")
    assert sorted(int(commit.by.run_id) for commit in log) == list(range(24))
    assert {commit.version.content_hash for commit in log} == set(written)
    for commit in log:
        assert datasets.read(commit.version)["writer"].to_list() == [int(commit.by.run_id)] * 50


def test_equal_writers_make_one_version(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": range(1_000)})
    with ThreadPoolExecutor(4) as pool:
        versions = set(pool.map(lambda _: Datasets(str(tmp_path)).write("m", "t", frame, BY), range(12)))
    assert len(versions) == 1
    assert next(iter(versions)).content_hash == content_hash(frame)


def test_racing_additions_and_tags_are_all_kept(tmp_path: Path) -> None:
    datasets = Datasets(str(tmp_path))
    first = datasets.write("m", "t", pl.DataFrame({"n": [-1]}), BY)

    def add(number: int) -> None:
        Datasets(str(tmp_path)).append("m", "t", pl.DataFrame({"n": [number]}), BY)
        tag(Datasets(str(tmp_path)), "m", f"tag-{number}", [first], Provenance("a", AT))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(12)))
    newest = datasets.latest("m", "t")
    assert newest is not None
    assert sorted(datasets.read(newest)["n"]) == list(range(-1, 12))
    assert sorted(entry.name for entry in tags(datasets, "m")) == sorted(f"tag-{n}" for n in range(12))
