from __future__ import annotations

import socket
from pathlib import Path

import pytest

from mlops_assets.errors import ServiceError
from mlops_assets.local import sockets
from mlops_assets.local.ports import HOST, listen, port_of


def test_a_free_port_is_taken_and_a_used_one_passed_over() -> None:
    with listen(0) as first, listen(port_of(first)) as second:
        assert port_of(second) > port_of(first)
        assert first.getsockname()[0] == HOST


def test_a_port_is_ours_from_the_moment_it_is_chosen() -> None:
    with listen(0) as ours, socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            other.bind((HOST, port_of(ours)))


def test_the_end_of_the_numbers_is_an_error() -> None:
    with listen(65535), pytest.raises(ServiceError, match="no free port between 65535 and 65535"):
        listen(65535)


def test_a_short_plain_folder_is_used_as_it_is() -> None:
    assert sockets.folder(Path("/srv/home/run"), "code.sock") == Path("/srv/home/run")


@pytest.mark.parametrize("folder", ["/srv/" + "x" * 100, "/srv/a b", "/srv/a%20b", "/srv/é"])
def test_other_folders_get_a_short_one_that_depends_on_them_alone(folder: str) -> None:
    result = sockets.folder(Path(folder), "code.sock")
    assert result.parent == Path("/tmp")
    assert result == sockets.folder(Path(folder), "other.sock")
    assert result != sockets.folder(Path(folder + "2"), "code.sock")


def test_a_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    sockets.make(tmp_path / "mine")
    sockets.make(tmp_path / "mine")
    open_folder = tmp_path / "open"
    open_folder.mkdir()
    open_folder.chmod(0o777)
    with pytest.raises(ServiceError, match="somebody else"):
        sockets.make(open_folder)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "mine")
    with pytest.raises(ServiceError, match="somebody else"):
        sockets.make(link)
