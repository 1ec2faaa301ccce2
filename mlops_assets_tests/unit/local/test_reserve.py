from __future__ import annotations

import errno
import os
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlops_assets.cli.main import main
from mlops_assets.local import reserve

FULL = SimpleNamespace(f_bavail=10, f_frsize=4096, f_blocks=1000, f_files=100, f_favail=50)
ROOMY = SimpleNamespace(f_bavail=10**7, f_frsize=4096, f_blocks=10**8, f_files=100, f_favail=50)


def on(disk: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: disk)


def test_the_reserve_shrinks_slice_by_slice_on_a_full_disk_and_grows_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(ROOMY, monkeypatch)
    reserve.keep(tmp_path)
    path = tmp_path / "reserve"
    assert path.stat().st_size == reserve.SIZE
    assert path.stat().st_blocks * 512 >= reserve.SIZE, "the space is really occupied"
    assert reserve.give_back(tmp_path) is None
    on(FULL, monkeypatch)
    sizes = []
    for _ in range(5):
        sentence = reserve.give_back(tmp_path)
        assert sentence is not None
        assert str(path) in sentence
        sizes.append(path.stat().st_size // reserve.SLICE)
        reserve.keep(tmp_path)
    assert sizes == [3, 2, 1, 0, 0]
    on(ROOMY, monkeypatch)
    reserve.keep(tmp_path)
    assert path.stat().st_size == reserve.SIZE


def test_a_small_disk_gives_a_quarter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on(
        SimpleNamespace(f_bavail=150 * reserve.MIB, f_frsize=1, f_blocks=10**9, f_files=0, f_favail=0),
        monkeypatch,
    )
    reserve.keep(tmp_path)
    assert (tmp_path / "reserve").stat().st_size == 2 * reserve.SLICE


def test_without_a_reserve_nothing_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on(FULL, monkeypatch)
    assert reserve.give_back(tmp_path) is None
    assert not (tmp_path / "reserve").exists()


def test_each_full_disk_is_named_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "b").mkdir()
    on(FULL, monkeypatch)
    (sentence,) = reserve.full_disks((tmp_path, tmp_path / "b", tmp_path / "missing"))
    assert sentence == f"the disk of {tmp_path}, {tmp_path / 'b'} is full: 0 MiB of 4 MiB are free"
    on(SimpleNamespace(**{**vars(ROOMY), "f_favail": 0}), monkeypatch)
    assert "no free inodes" in reserve.full_disks((tmp_path,))[0]
    on(ROOMY, monkeypatch)
    assert reserve.full_disks((tmp_path,)) == ()


def test_a_command_that_meets_a_full_disk_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/x/file")

    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    monkeypatch.setattr(import_module("mlops_assets.cli.main").cli, "main", full)
    monkeypatch.setattr("atexit.register", lambda _: None)
    on(FULL, monkeypatch)
    with pytest.raises(SystemExit, match="1"):
        main()
    message = capsys.readouterr().err
    assert "error: [Errno 28] No space left on device: '/x/file'" in message
    assert f"the disk of {tmp_path}" in message


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_command_that_may_not_write_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int
) -> None:
    def refused(**_: object) -> None:
        raise OSError(code, os.strerror(code), "/x/file")

    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    monkeypatch.setattr(import_module("mlops_assets.cli.main").cli, "main", refused)
    monkeypatch.setattr("atexit.register", lambda _: None)
    with pytest.raises(SystemExit, match="1"):
        main()
    assert capsys.readouterr().err.strip() == f"error: [Errno {code}] {os.strerror(code)}: '/x/file'"
