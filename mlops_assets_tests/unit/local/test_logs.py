from __future__ import annotations

import os
from pathlib import Path

from mlops_assets.local import logs


def test_a_log_is_cut_under_a_writer_who_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "a.log"
    descriptor = logs.open_append(path)
    os.write(descriptor, b"x" * 100)
    logs.trim(path, limit=50)
    os.write(descriptor, b"after")
    os.close(descriptor)
    assert path.read_bytes() == b"after"
    assert (tmp_path / "logs" / "a.log.1").read_bytes() == b"x" * 100


def test_a_small_log_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"x" * 50)
    logs.trim(path, limit=50)
    assert path.stat().st_size == 50
    assert not (tmp_path / "a.log.1").exists()


def test_logs_are_private(tmp_path: Path) -> None:
    os.close(logs.open_append(tmp_path / "a.log"))
    assert (tmp_path / "a.log").stat().st_mode & 0o077 == 0


def test_tail_shows_the_end_of_this_life_only(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("old\n")
    since = logs.size(path)
    with path.open("a") as file:
        file.write("one\ntwo\nthree\n")
    assert logs.tail(path, lines=2, since=since) == "    two\n    three"
    assert logs.tail(path, since=since).splitlines()[0] == "    one"
    path.write_text("cut\n")
    assert logs.tail(path, since=10_000) == "    cut"
    assert logs.tail(tmp_path / "none") == ""
