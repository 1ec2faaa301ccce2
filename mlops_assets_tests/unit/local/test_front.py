"""The sign-in before Dagster and MLflow: who is let through, over real sockets."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer

import pytest
import yaml

from mlops_assets.local import front
from mlops_assets.local.ports import HOST, listen, port_of
from mlops_assets.local.probes import responds
from mlops_assets_tests.waiting import patience, wait_until

KEY = "the-session-key"


class Backend(ThreadingMixIn, UnixStreamServer):
    """A server on a unix socket that counts what reaches it."""

    daemon_threads = True
    requests: list[tuple[str, dict[str, str], bytes]]
    page = "from the server"
    left = 0
    """Responses that nobody read to the end."""


class Handler(BaseHTTPRequestHandler):
    """Keeps what it receives."""

    server: Backend

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        try:
            self.wfile.write(getattr(self.server, "page", "from the server").encode())
        except ConnectionError:
            self.server.left += 1

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
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
        # a link to Dagster's GraphQL carries out what it says
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
    ],
)
def test_pages_of_other_sites_are_refused_with_the_key_too(
    port: int, backend: Backend, headers: dict[str, str]
) -> None:
    assert ask(port, {"Authorization": f"Bearer {KEY}", **headers})[0] == 403
    assert backend.requests == []


def test_a_link_from_another_page_opens_one_of_ours(port: int, backend: Backend) -> None:
    followed = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert ask(port, {"Authorization": f"Bearer {KEY}", **followed}, "/runs")[0] == 200
    assert ask(port, {"Authorization": f"Bearer {KEY}", **followed}, "/runs", "POST")[0] == 403


class Pages(BaseHTTPRequestHandler):
    """A page of a stranger on another port of this machine, which the browser takes for the same site."""

    html = ""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(self.html.encode())

    def log_message(self, *_: object) -> None: ...


HOSTILE = """<!doctype html><title>loading</title><img src="{url}/graphql?query=image">
<script src="{url}/graphql?query=script"></script>
<iframe name=f src="{url}/graphql?query=frame"></iframe>
<form method=post target=f action="{url}/graphql?query=form" enctype="text/plain"><input name=a value=b></form>
<script>
document.forms[0].submit()
const requests = [fetch("{url}/graphql?query=get", {credentials: "include", mode: "no-cors"}),
  fetch("{url}/graphql?query=post", {method: "POST", body: "{}", credentials: "include", mode: "no-cors"}),
  fetch("{url}/graphql?query=json", {method: "POST", body: "{}", credentials: "include",
    headers: {"Content-Type": "application/json"}})]
new WebSocket("{url}/graphql?query=socket".replace("http", "ws"))
Promise.allSettled(requests).then(() => setTimeout(() => document.title = "done", 1000))
</script>"""


@pytest.mark.slow
def test_a_page_of_a_stranger_does_nothing_in_a_browser_that_is_signed_in(
    port: int, backend: Backend, tmp_path: Path
) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium on this machine")
    with ThreadingHTTPServer((HOST, 0), Pages) as stranger:
        threading.Thread(target=stranger.serve_forever, daemon=True).start()
        url = f"http://{HOST}:{port}"
        Pages.html = HOSTILE.replace("{url}", url)
        backend.page = f"<script>location = 'http://{HOST}:{stranger.server_port}/'</script>"
        command = [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'p'}",
        ]
        command += ["--virtual-time-budget=20000", "--dump-dom", f"{url}/start?{front.PARAMETER}={KEY}"]
        result = subprocess.run(command, capture_output=True, text=True, timeout=patience(100), check=False)
        stranger.shutdown()
    assert "<title>done</title>" in result.stdout, result.stderr[-500:]
    arrived = [path for path, _, _ in backend.requests]
    assert "/start" in arrived, "the browser is signed in"
    assert [path for path in arrived if "graphql" in path] == []


def test_in_a_container_it_listens_by_itself_and_reaches_servers_by_name(backend: Backend) -> None:
    with ThreadingHTTPServer((HOST, 0), Handler) as server, listen(0) as chosen:
        server.requests = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = port_of(chosen)
        chosen.close()
        plan = front.Plan("", (front.Gate(None, port, f"localhost:{server.server_port}", "Dagster"),))
        command = [sys.executable, "-m", front.__name__, plan.as_argument()]
        with subprocess.Popen(command, env={**os.environ, front.KEY_VARIABLE: KEY}) as process:
            wait_until(lambda: responds(f"http://{HOST}:{port}{front.HEALTH}"))
            assert ask(port, {})[0] == 401
            assert ask(port, {"Authorization": f"Bearer {KEY}"})[::2] == (200, "from the server")
            process.terminate()
        server.shutdown()


def test_compose_opens_dagster_mlflow_and_the_review_page_through_the_front_only() -> None:
    file = Path(front.__file__).parents[2] / "deploy" / "compose" / "compose.yaml"
    services = yaml.safe_load(file.read_text())["services"]
    opened = {name for name, service in services.items() if "ports" in service}
    assert opened == {"front", "proxy", "api", "grafana"}, (
        "the last two ask for a key or a password themselves"
    )
    gates = [front.Gate(**gate) for gate in json.loads(services["front"]["command"][-1])["gates"]]
    assert (
        {gate.backend.split(":")[0] for gate in gates} == {"webserver", "mlflow", "review"} <= set(services)
    )
    assert services["front"]["ports"] == [f"127.0.0.1:{gate.port}:{gate.port}" for gate in gates]


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


def test_a_client_that_leaves_within_its_request_occupies_nothing(port: int, backend: Backend) -> None:
    head = f"POST /x HTTP/1.1\r\nHost: {HOST}:{port}\r\nAuthorization: Bearer {KEY}\r\nContent-Length: 100\r\n\r\n"
    for _ in range(3):
        with socket.create_connection((HOST, port)) as client:
            client.sendall(f"{head}only the beginning".encode())
    wait_until(lambda: len(backend.requests) == 3)  # the server has seen the end of each body
    assert {body for _, _, body in backend.requests} == {b"only the beginning"}
    assert ask(port, {"Authorization": f"Bearer {KEY}"})[0] == 200


def test_a_client_that_leaves_within_its_response_occupies_nothing(port: int, backend: Backend) -> None:
    page, backend.page = backend.page, "x" * 20_000_000
    head = f"GET /x HTTP/1.1\r\nHost: {HOST}:{port}\r\nAuthorization: Bearer {KEY}\r\n\r\n"
    for _ in range(3):
        with socket.create_connection((HOST, port)) as client:
            client.sendall(head.encode())
            assert client.recv(100)
    wait_until(lambda: backend.left == 3)
    backend.page = page
    assert ask(port, {"Authorization": f"Bearer {KEY}"})[0] == 200
