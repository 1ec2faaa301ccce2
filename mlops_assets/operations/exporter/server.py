"""`/metrics` on a port of its own, without a key on this machine's own address, with a bearer token on any other."""

from __future__ import annotations

import hmac
import socket
import time
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from socketserver import ThreadingMixIn
from threading import Lock
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CONTENT_TYPE_LATEST
from typing_extensions import override

from mlops_assets.errors import ServiceError

TOKEN: Final = "MLOPS_EXPORTER_TOKEN"  # noqa: S105 - the name of the variable
StartResponse = Callable[[str, list[tuple[str, str]]], object]


class MetricsApp:
    """The WSGI application. `/health` needs no token and reads nothing.

    Args:
        text: Returns the metrics.
        token: What a scraper sends as `Authorization: Bearer`; None for no check.
        keep_seconds: How long a text is served again: many scrapers cost as much as one.
    """

    def __init__(self, text: Callable[[], bytes], token: str | None, keep_seconds: float = 5.0) -> None:
        self._text, self._token, self._keep_seconds = text, token, keep_seconds
        self._lock = Lock()
        self._kept: tuple[float, bytes] | None = None

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Return the response of one request."""
        path = environ.get("PATH_INFO", "")
        if path == "/health":
            return _plain(start_response, "200 OK", b"ok\n")
        if self._token is not None and not self._is_allowed(environ.get("HTTP_AUTHORIZATION", "")):
            return _plain(start_response, "401 Unauthorized", f"send the token of {TOKEN}\n".encode())
        if path != "/metrics":
            return _plain(start_response, "404 Not Found", b"metrics are at /metrics\n")
        start_response("200 OK", [("Content-Type", CONTENT_TYPE_LATEST)])
        return [self._fresh()]

    def _is_allowed(self, authorization: str) -> bool:
        return hmac.compare_digest(authorization.encode(), f"Bearer {self._token}".encode())

    def _fresh(self) -> bytes:
        with self._lock:
            now = time.monotonic()
            if self._kept is None or now - self._kept[0] >= self._keep_seconds:
                self._kept = now, self._text()
            return self._kept[1]


class MetricsServer(ThreadingMixIn, WSGIServer):
    """An HTTP server on a socket that listens already.

    Args:
        listener: The socket.
        app: The application.
    """

    daemon_threads = True

    def __init__(self, listener: socket.socket, app: MetricsApp) -> None:
        address: tuple[str, int] = listener.getsockname()[:2]
        super().__init__(address, _QuietHandler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_name, self.server_port = address
        self.setup_environ()
        self.set_app(app)


class _QuietHandler(WSGIRequestHandler):
    timeout = 10  # a connection that sends nothing holds a thread for so long

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: a scrape every few seconds is no event."""


def token_for(host: str, token: str | None) -> str | None:
    """Return the token that requests to an address must carry.

    Args:
        host: The address to listen on.
        token: The configured token; None or empty for none.

    Returns:
        The token; None on this machine's own address when none is configured.

    Raises:
        ServiceError: The address can be reached from elsewhere, and there is no token.
    """
    if token:
        return token
    try:
        local = ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    if not local:
        raise ServiceError(
            f"others can reach {host}: set {TOKEN} to a long random text and give it to Prometheus "
            "(authorization: credentials), or let the exporter listen on 127.0.0.1"
        )
    return None


def _plain(start_response: StartResponse, status: str, body: bytes) -> list[bytes]:
    start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [body]
