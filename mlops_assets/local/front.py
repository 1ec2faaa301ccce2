"""The program in front of Dagster's and MLflow's servers, which have no sign-in of their own, and of the review page.

Comes in: sockets that listen on ports of this machine, and one JSON argument, `Plan`. Goes out: connections to servers
on unix sockets in a folder that only their owner may enter, for those who know the session key. A person opens the
link that `mlops up` prints once and has a cookie from then on; a program sends the key as `Authorization: Bearer`.

Against pages of other sites in the same browser: only our own host names are served, the cookie is not sent from
other sites, and the Origin of a request must be ours. Each connection carries one request, so that each is checked.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hashlib
import json
import os
import secrets
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

COOKIE = "mlops_session"
PARAMETER = "session"
KEY_VARIABLE = "MLOPS_FRONT_KEY"
HEALTH = "/_front/health"
LARGEST_HEAD = 64 * 1024
HEAD_SECONDS = 10.0
MOST_CONNECTIONS = 200


@dataclass(frozen=True, slots=True)
class Gate:
    """One port and the server behind it.

    Attributes:
        descriptor: The socket that listens on the port, inherited; None inside a container, where the front listens
            by itself on every address of the container.
        port: The port that people use.
        backend: The server: the path of its unix socket, or `host:port` on a network of containers.
        title: What people call it.
    """

    descriptor: int | None
    port: int
    backend: str
    title: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to serve. key_file: the file with the session key, which is never on a command line."""

    key_file: str
    gates: tuple[Gate, ...]

    def as_argument(self) -> str:
        """Return the command line argument that `main` reads."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Head:
    """The head of one request."""

    method: str
    target: str
    version: str
    headers: tuple[tuple[str, str], ...]

    def header(self, name: str) -> str:
        """Return a header's value; the last one when it is repeated.

        Args:
            name: Lower-case name of the header.

        Returns:
            The value, '' when it is missing.
        """
        return next((value for key, value in reversed(self.headers) if key.lower() == name), "")

    def forwarded(self) -> bytes:
        """Return the head for the server: one request per connection, without our key."""
        upgrade = "upgrade" in self.header("connection").lower()
        removed = {"authorization"} if upgrade else {"authorization", "connection", "keep-alive"}
        lines = [f"{self.method} {self.target} {self.version}"]
        lines += [f"{name}: {value}" for name, value in self.headers if name.lower() not in removed]
        lines += [] if upgrade else ["Connection: close"]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def parse_head(head: bytes) -> Head | None:
    """Parse the head of an HTTP request.

    Args:
        head: Bytes up to and including the empty line.

    Returns:
        The head, or None when it is malformed.
    """
    lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    request = lines[0].split(" ")
    pairs = [line.partition(":") for line in lines[1:]]
    if len(request) != 3 or any(not colon or name != name.strip() or not name for name, colon, _ in pairs):
        return None
    headers = tuple((name, value.strip()) for name, _, value in pairs)
    return Head(request[0], request[1], request[2], headers)


class Access:
    """Decides about one request after another, knowing only its head."""

    def __init__(self, key: str, port: int) -> None:
        """Remember the key, and the host names that this port accepts."""
        self._key = key.encode()
        self.cookie = hashlib.sha256(b"mlops cookie " + self._key).hexdigest()
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

    def knows_host(self, head: Head) -> bool:
        """Return whether the request names this server and comes from no other site's page.

        Args:
            head: Head of the request.

        Returns:
            True when Host is ours, Origin is missing or ours, and a browser does not say that another page asks for
            more than a document. A page on another port of this machine counts as the same site: the browser sends
            it the cookie, and an image or a script without Origin.
        """
        origin = head.header("origin")
        ours = not origin or origin.removeprefix("http://") in self._hosts
        if head.header("sec-fetch-site") in ("cross-site", "same-site"):
            ours = ours and _opens_a_page(head)
        return head.header("host").lower() in self._hosts and ours

    def admits(self, head: Head) -> bool:
        """Return whether the request carries the cookie or the key.

        Args:
            head: Head of the request.

        Returns:
            False for a wrong or missing credential.
        """
        return self._by_cookie(head) or self._by_key(head)

    def signs_in(self, head: Head) -> str | None:
        """Return the target of the sign-in link that `mlops up` prints.

        Args:
            head: Head of the request.

        Returns:
            Path without the key, or None when the request is not a valid sign-in link.
        """
        parts = urlsplit(head.target)
        fields = parse_qsl(parts.query, keep_blank_values=True)
        keys = [value for name, value in fields if name == PARAMETER]
        if head.method != "GET" or not keys or not self._is_key(keys[-1].encode()):
            return None
        rest = urlencode([pair for pair in fields if pair[0] != PARAMETER])
        path = "/" + parts.path.lstrip("/")  # `//host` would lead elsewhere
        return f"{path}?{rest}" if rest else path

    def _is_key(self, text: bytes) -> bool:
        return secrets.compare_digest(text, self._key)

    def _by_cookie(self, head: Head) -> bool:
        pairs = (pair.strip().partition("=") for pair in head.header("cookie").split(";"))
        return any(
            name == COOKIE and secrets.compare_digest(value.encode(), self.cookie.encode())
            for name, _, value in pairs
        )

    def _by_key(self, head: Head) -> bool:
        scheme, _, credentials = head.header("authorization").partition(" ")
        if scheme.lower() == "bearer":
            return self._is_key(credentials.strip().encode())
        if scheme.lower() != "basic":
            return False
        try:
            _, _, password = base64.b64decode(credentials, validate=True).partition(b":")
        except (binascii.Error, ValueError):
            return False
        return self._is_key(password)


def _opens_a_page(head: Head) -> bool:
    """Return whether a link was followed, and not to the address where Dagster carries out what a link says."""
    is_document = (head.header("sec-fetch-mode"), head.header("sec-fetch-dest")) == ("navigate", "document")
    return head.method == "GET" and is_document and urlsplit(head.target).path.rstrip("/") != "/graphql"


class Front:
    """Serves one gate."""

    def __init__(self, gate: Gate, key: str) -> None:
        """Store the gate, and who may pass it."""
        self._gate, self._access, self._open = gate, Access(key, gate.port), 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection; errors of the connection end it silently.

        Args:
            reader: The client's stream.
            writer: The stream to the client; it is closed at the end.
        """
        self._open += 1
        try:
            if self._open <= MOST_CONNECTIONS:
                await self._request(reader, writer)
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            pass
        finally:
            self._open -= 1
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raw = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HEAD_SECONDS)
        head, access = parse_head(raw), self._access
        if head is None:
            await _respond(writer, HTTPStatus.BAD_REQUEST, "This is not a request.")
        elif not access.knows_host(head):
            await _respond(writer, HTTPStatus.FORBIDDEN, "This host or origin is not served here.")
        elif head.target == HEALTH:
            await _respond(writer, HTTPStatus.OK, "alive")
        elif (target := access.signs_in(head)) is not None:
            cookie = f"{COOKIE}={access.cookie}; HttpOnly; SameSite=Strict; Path=/"
            await _respond(
                writer, HTTPStatus.SEE_OTHER, "Signed in.", f"Location: {target}", f"Set-Cookie: {cookie}"
            )
        elif not access.admits(head):
            sentence = f"{self._gate.title} needs a session: open the link that 'mlops up' printed."
            await _respond(writer, HTTPStatus.UNAUTHORIZED, sentence)
        else:
            await self._forward(head, reader, writer)

    async def _forward(self, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_server, to_server = await _connect(self._gate.backend)
        except OSError:
            await _respond(writer, HTTPStatus.BAD_GATEWAY, f"{self._gate.title} is not running.")
            return
        to_server.write(head.forwarded())
        upload = asyncio.create_task(_upload(reader, to_server))
        try:
            await _copy(from_server, writer)
        finally:
            upload.cancel()
            to_server.close()


async def _connect(backend: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if backend.startswith("/"):
        return await asyncio.open_unix_connection(backend)
    host, _, port = backend.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def _listen(gate: Gate, key: str) -> asyncio.Server:
    serve = Front(gate, key).serve
    if gate.descriptor is not None:
        return await asyncio.start_server(
            serve, sock=socket.socket(fileno=gate.descriptor), limit=LARGEST_HEAD
        )
    return await asyncio.start_server(serve, "0.0.0.0", gate.port, limit=LARGEST_HEAD)  # noqa: S104 a container's own


async def _upload(reader: asyncio.StreamReader, to_server: asyncio.StreamWriter) -> None:
    """Pass the request on; tell the server when the client has left, or it waits for the rest of a body forever."""
    await _copy(reader, to_server)
    with contextlib.suppress(OSError):
        to_server.write_eof()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(64 * 1024):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        return


async def _respond(writer: asyncio.StreamWriter, status: HTTPStatus, text: str, *headers: str) -> None:
    body = f"{text}\n".encode()
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Referrer-Policy: no-referrer",
        "Connection: close",
        *headers,
    ]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body)
    await writer.drain()


async def _run(plan: Plan, key: str) -> None:
    stopped = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stopped.set)
    servers = [await _listen(gate, key) for gate in plan.gates]
    await stopped.wait()
    for server in servers:
        server.close()


def main(arguments: Sequence[str]) -> int:
    """Serve until a signal arrives.

    Args:
        arguments: Command line after the module: one JSON text.

    Returns:
        Exit code: 0, or 3 when the key file is empty.
    """
    document = json.loads(arguments[0])
    plan = Plan(document["key_file"], tuple(Gate(**gate) for gate in document["gates"]))
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not key and plan.key_file:
        key = Path(plan.key_file).read_text(encoding="utf-8").strip()
    if not key:
        sys.stderr.write(f"front: {plan.key_file or KEY_VARIABLE} is empty\n")
        return 3
    asyncio.run(_run(plan, key))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
