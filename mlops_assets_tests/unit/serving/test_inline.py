"""Requests that are served as soon as they are read: what a caller receives is what the application sends."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from typing_extensions import override

from mlops_assets import logs
from mlops_assets.serving.app import PredictionApi, create_app
from mlops_assets.serving.connections import protocol
from mlops_assets.serving.inline import inline_protocol
from mlops_assets.serving.keys import Keys
from mlops_assets.serving.payload import Row
from mlops_assets_tests.unit.serving.served_models import FakeChampions, FakeServed, server
from mlops_assets_tests.unit.serving.test_keys import issued

ROW = {"x": 1.5, "z": 2, "kind": "a"}
BODY = json.dumps({"readings": [ROW]}).encode()


class Inlined:
    """An API whose requests are counted where they are served at once, and where the application serves them."""

    def __init__(self, keys: Keys | None = None) -> None:
        champions: Any = FakeChampions()
        self.app: PredictionApi = create_app(champions, keys or Keys("secret"))
        self.at_once = 0

    def serve(self, path: str, headers: list[tuple[bytes, bytes]], body: bytes) -> Any:
        response = self.app.inline(path, headers, body)
        self.at_once += response is not None
        return response


def request(
    body: bytes = BODY,
    path: str = "/predict/double",
    key: str = "secret",
    extra: str = "",
    version: str = "1.1",
) -> bytes:
    """A whole HTTP request."""
    head = f"POST {path} HTTP/{version}\r\nHost: x\r\nX-API-Key: {key}\r\n{extra}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def exchange(port: int, *parts: bytes, responses: int = 1) -> list[bytes]:
    """Send parts over one connection, each after the server has read the one before; the responses, as they came."""
    received = b""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.settimeout(30)
        for part in parts:
            client.sendall(part)
            with socket.create_connection(
                ("127.0.0.1", port)
            ) as other:  # the server reads in the order of arrival
                other.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
                assert other.recv(100).startswith(b"HTTP/1.1 200")
        while len(complete := whole(received)) < responses and (data := client.recv(65_536)):
            received += data
    return complete


def whole(received: bytes) -> list[bytes]:
    """The complete responses in what a connection has received, without what differs from one to the next."""
    complete: list[bytes] = []
    while match := re.match(rb"(HTTP/1\.1 .*?\r\n\r\n)", received, re.DOTALL):
        length = int(re.search(rb"content-length: (\d+)", match[1])[1])  # type: ignore[index]
        end = match.end() + length
        if len(received) < end:
            break
        complete.append(
            re.sub(rb"[0-9a-f]{28}|(?<=x-request-id: )[0-9a-f]{16}|date: [^\r]*", b"*", received[:end])
        )
        received = received[end:]
    return complete


@pytest.fixture
def inlined() -> Inlined:
    return Inlined()


@pytest.fixture
def ports(inlined: Inlined) -> Iterator[tuple[int, int]]:
    """The same application served at once where possible, and by ASGI alone."""
    with (
        server(inlined.app, http=inline_protocol(inlined.serve), lifespan="off") as at_once,
        server(inlined.app, http=protocol(), lifespan="off") as asgi,
    ):
        yield at_once, asgi


CASES = {
    "records": request(),
    "matrix": request(json.dumps({"features": [[1, 2, "a"], [3, None, "b"]]}).encode()),
    "mlflow": request(json.dumps({"dataframe_records": [ROW]}).encode(), "/models/double/invocations"),
    "open inference": request(
        b'{"inputs": [{"name": "x", "shape": [1], "datatype": "FP64", "data": [1.5]}]}',
        "/v2/models/double/infer",
    ),
    "an id of the caller": request(extra="X-Request-Id: order-7\r\n"),
    "an odd id of the caller": request(extra="X-Request-Id: a b\r\n"),
    "unreadable": request(b'{"readings": [{"x": NaN}]}'),
    "missing column": request(b'{"readings": [{"x": 1}]}'),
    "empty": request(b""),
}
OTHERS = {
    "wrong key": request(key="wrong"),
    "unknown model": request(path="/predict/other"),
    "no champion": request(path="/predict/pump"),
    "query": request(json.dumps({"instances": [ROW]}).encode(), "/invocations?model=double"),
    "quoted": request(path="/predict/%64ouble"),
    "version": request(b"{}", "/v2/models/double/versions/9/infer"),
    "closing": request(extra="Connection: close\r\n"),
    "old": request(version="1.0"),
    "long": request(json.dumps({"readings": [ROW] * 500}).encode()),
    "larger than the headers may be": request(json.dumps({"readings": [ROW] * 3000}).encode()),
    "other route": request(path="/nowhere"),
    "get": b"GET /models/double HTTP/1.1\r\nHost: x\r\nx-api-key: secret\r\n\r\n",
}


@pytest.mark.parametrize("case", CASES | OTHERS)
def test_a_response_has_the_same_bytes(case: str, inlined: Inlined, ports: tuple[int, int]) -> None:
    sent = (CASES | OTHERS)[case]
    at_once, asgi = (exchange(port, sent) for port in ports)
    assert at_once == asgi
    assert inlined.at_once == (case in CASES)


def test_lines_of_the_log_name_the_request_as_its_response_does() -> None:
    ids: list[str | None] = []

    class Noting(FakeServed):
        @override
        def respond(self, rows: list[Row]) -> dict[str, Any]:
            ids.append(logs.request_id.get())
            return super().respond(rows)

    champions: Any = FakeChampions()
    champions.served = lambda _: Noting()
    app = create_app(champions, Keys("secret"))
    headers = [(b"x-api-key", b"secret")]
    response = app.inline("/predict/double", headers, BODY)
    assert response is not None
    assert [str(dict(response.headers)[b"x-request-id"], "ascii")] == ids
    assert logs.request_id.get() is None


def test_requests_that_arrive_together_are_served_in_their_order(
    inlined: Inlined, ports: tuple[int, int]
) -> None:
    one, two = request(), request(json.dumps({"readings": [{**ROW, "x": 9}]}).encode())
    slow = b"GET /models/double HTTP/1.1\r\nHost: x\r\nx-api-key: secret\r\n\r\n"
    for sent in (one + two + one, one + slow + two, slow + one + two):
        at_once, asgi = (exchange(port, sent, responses=3) for port in ports)
        assert len(at_once) == 3
        assert at_once == asgi
    assert inlined.at_once >= 4


@pytest.mark.parametrize("cut", [10, 60, len(request()) - len(BODY), len(request()) - 5])
def test_a_request_in_two_parts_is_served(cut: int, ports: tuple[int, int]) -> None:
    sent = request()
    for port in ports:
        assert exchange(port, sent[:cut], sent[cut:]) == exchange(ports[1], sent)


def test_a_connection_in_use_stays_open_and_an_unused_one_is_closed(inlined: Inlined) -> None:
    http = inline_protocol(inlined.serve, header_seconds=0.3)
    with (
        server(inlined.app, http=http, lifespan="off") as port,
        socket.create_connection(("127.0.0.1", port)) as client,
    ):
        client.settimeout(30)
        loops = 0
        while inlined.at_once < 3 or loops < 200:
            client.sendall(request())
            assert client.recv(65_536).startswith(b"HTTP/1.1 200")
            loops += 1
        assert client.recv(100) == b""


def test_a_request_counts_once_against_the_limit_of_its_key() -> None:
    key, stored = issued("predict", per_minute=2)
    keys = Keys("secret", lambda: [stored])
    keys.refresh()
    inlined = Inlined(keys)
    with server(inlined.app, http=inline_protocol(inlined.serve), lifespan="off") as port:
        statuses = [exchange(port, request(key=key))[0][9:12] for _ in range(3)]
    assert statuses == [b"200", b"200", b"429"]
    assert inlined.at_once == 2


def test_a_failure_is_the_application_s_to_report(inlined: Inlined) -> None:
    def broken(*_: object) -> Any:
        raise RuntimeError("broken")

    with server(inlined.app, http=inline_protocol(broken), lifespan="off") as port:
        assert exchange(port, request())[0].startswith(b"HTTP/1.1 200")
