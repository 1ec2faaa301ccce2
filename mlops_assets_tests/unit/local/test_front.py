"""The sign-in before Dagster and MLflow: who is let through, over real sockets."""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer

import pytest

from mlops_assets.local import front
from mlops_assets.local.ports import HOST, listen, port_of
from mlops_assets.local.probes import responds
from mlops_assets_tests.waiting import wait_until

KEY = "the-session-key"


class Backend(ThreadingMixIn, UnixStreamServer):
    """A server on a unix socket that counts what reaches it."""

    daemon_threads = True
    requests: list[tuple[str, dict[str, str], bytes]]


class Handler(BaseHTTPRequestHandler):
    """Keeps what it receives."""

    server: Backend

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"from the server")

    do_POST = do_GET  # noqa: N815

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Backend]:
    server = Backend(str(tmp_path / "s"), Handler)
    server.requests = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def port(tmp_path: Path, backend: Backend) -> Iterator[int]:
    (tmp_path / "front_key").write_text(KEY)
    with listen(0) as listener:
        gate = front.Gate(listener.fileno(), port_of(listener), str(tmp_path / "s"), "Dagster")
        plan = front.Plan(str(tmp_path / "front_key"), (gate,))
        with subprocess.Popen(
            [sys.executable, "-m", front.__name__, plan.as_argument()], pass_fds=[listener.fileno()]
        ) as process:
            wait_until(lambda: responds(f"http://{HOST}:{gate.port}{front.HEALTH}"))
            yield gate.port
            process.terminate()


def ask(
    port: int, headers: dict[str, str], path: str = "/graphql", method: str = "GET", body: bytes | None = None
) -> tuple[int, http.client.HTTPMessage, str]:
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, response.headers, text


def test_nobody_is_let_through_without_the_key(port: int, backend: Backend) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic ###"},
        {"Cookie": f"{front.COOKIE}="},
        {"Cookie": f"{front.COOKIE}={KEY}"},
    ):
        for method in ("GET", "POST"):
            assert ask(port, headers, method=method, body=b"{}")[0] == 401
    assert ask(port, {}, f"/?{front.PARAMETER}=wrong")[0] == 401
    assert ask(port, {}, f"/?{front.PARAMETER}={KEY}", "POST")[0] == 401
    assert backend.requests == []


def test_the_link_signs_a_browser_in(port: int, backend: Backend) -> None:
    status, headers, _ = ask(port, {}, f"/runs?a=1&{front.PARAMETER}={KEY}")
    assert (status, headers["location"]) == (303, "/runs?a=1")
    cookie = headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert KEY not in cookie
    status, _, text = ask(port, {"Cookie": f"other=1; {cookie.partition(';')[0]}"}, "/runs")
    assert (status, text) == (200, "from the server")
    assert [path for path, _, _ in backend.requests] == ["/runs"]


def test_a_program_sends_the_key(port: int, backend: Backend) -> None:
    status, _, text = ask(port, {"Authorization": f"Bearer {KEY}"}, "/api", "POST", b"x" * 300_000)
    assert (status, text) == (200, "from the server")
    [(path, headers, body)] = backend.requests
    assert (path, len(body)) == ("/api", 300_000)
    assert "authorization" not in headers
    assert headers["connection"] == "close"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
    ],
)
def test_pages_of_other_sites_are_refused_with_the_key_too(
    port: int, backend: Backend, headers: dict[str, str]
) -> None:
    assert ask(port, {"Authorization": f"Bearer {KEY}", **headers})[0] == 403
    assert backend.requests == []


def test_a_connection_carries_one_request(port: int, backend: Backend) -> None:
    """A browser would use it again for a page of another site, without the cookie."""
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    connection.request("GET", "/", headers={"Authorization": f"Bearer {KEY}"})
    response = connection.getresponse()
    response.read()
    assert response.headers["connection"] == "close" or response.will_close


def test_a_server_that_is_down_is_named(port: int, backend: Backend, tmp_path: Path) -> None:
    (tmp_path / "s").unlink()
    status, _, text = ask(port, {"Authorization": f"Bearer {KEY}"})
    assert (status, text.strip()) == (502, "Dagster is not running.")
