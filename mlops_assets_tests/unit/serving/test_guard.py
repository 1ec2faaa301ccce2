"""What is refused before a body is read, over bare ASGI and over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from mlops_assets.local.probes import responds
from mlops_assets.serving.connections import protocol
from mlops_assets.serving.guard import Guard
from mlops_assets.serving.keys import Keys
from mlops_assets_tests.unit.serving.served_models import server
from mlops_assets_tests.waiting import wait_until


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    """An application that reads its body and returns nothing."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def ask(headers: dict[str, str], path: str = "/predict/x") -> tuple[int, int]:
    """The status, and how many times the body was read."""
    read, sent = 0, []

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": b"x" * 10, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "path": path,
        "method": "POST",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(Guard(nothing, Keys("secret"), max_body=100)(scope, receive, send))
    return sent[0]["status"], read


def test_no_byte_of_a_body_is_read_before_the_key() -> None:
    assert ask({}) == (401, 0)
    assert ask({"x-api-key": "wrong"}) == (401, 0)
    assert ask({"x-api-key": "secret"}) == (200, 1)


def test_a_body_that_says_it_is_too_large_is_not_read() -> None:
    assert ask({"x-api-key": "secret", "content-length": "101"}) == (413, 0)
    assert ask({"x-api-key": "secret", "content-length": "9" * 5000}) == (413, 0)
    assert ask({"x-api-key": "secret", "content-length": "100"}) == (200, 1)


@pytest.fixture
def port() -> Iterator[int]:
    """A real server that allows two connections, and half a second for a request's headers."""
    config = uvicorn.Config(
        Guard(nothing, Keys("secret"), body_seconds=0.5),
        port=0,
        http=protocol(header_seconds=0.5, limit=2),
        log_level="critical",
        lifespan="off",
    )
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(30)
    listener.close()


def closed_by_server(client: socket.socket) -> bool:
    """Whether the server ends the connection; it does so in half a second."""
    client.settimeout(30)
    try:
        return client.recv(1000) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"G"])
def test_a_connection_that_stays_half_open_is_closed(port: int, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(sent)
        assert closed_by_server(client)


def test_a_connection_that_stays_half_open_after_a_response_is_closed(port: int) -> None:
    request = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(request)
        client.settimeout(30)
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
        client.sendall(request[:10])
        assert closed_by_server(client)


def test_a_body_that_does_not_arrive_is_given_up(port: int) -> None:
    head = b"POST /x HTTP/1.1\r\nHost: x\r\nx-api-key: secret\r\nContent-Length: 10\r\n\r\nabc"
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(head)
        client.settimeout(30)
        assert not client.recv(1000).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("flood", [b"x-a: " + b"a" * 100_000, b"x-a: b\r\n" * 12_000])
def test_headers_without_an_end_are_refused(flood: bytes) -> None:
    """Long before the time for headers is over."""
    patient = protocol(header_seconds=600.0)
    with (
        server(Guard(nothing, Keys("secret")), http=patient, lifespan="off") as port,
        socket.create_connection(("127.0.0.1", port)) as client,
    ):
        with contextlib.suppress(ConnectionError):  # the server may close before all is sent
            client.sendall(b"GET /health HTTP/1.1\r\n" + flood)
        client.settimeout(30)
        with contextlib.suppress(ConnectionError):
            received = client.recv(1000)
            assert received == b"" or received.startswith(b"HTTP/1.1 400")


def test_many_requests_with_usual_headers_share_a_connection(port: int) -> None:
    """The limit is one request's, not the connection's."""
    request = b"GET /health HTTP/1.1\r\nHost: x\r\nx-a: " + b"a" * 30_000 + b"\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.settimeout(30)
        for _ in range(5):
            client.sendall(request)
            assert client.recv(1000).startswith(b"HTTP/1.1 200")


def test_more_connections_than_the_limit_are_closed_at_once(port: int) -> None:
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
    try:
        assert closed_by_server(clients[2])
    finally:
        for client in clients:
            client.close()


def test_clients_that_leave_within_their_request_occupy_nothing(port: int) -> None:
    """The server allows two connections."""
    head = b"POST /x HTTP/1.1\r\nHost: x\r\nx-api-key: secret\r\nContent-Length: 10\r\n\r\nabc"
    for _ in range(6):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(head)
    wait_until(lambda: responds(f"http://127.0.0.1:{port}/health"))
