"""Limits of connections: how many at once, and how long one may take to send a request's headers.

uvicorn's own limits begin when a request is whole: connections that stay half open would use up all file descriptors.
"""

from __future__ import annotations

import asyncio
import resource
from typing import Any, Final

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

HEADER_SECONDS: Final = 10.0
MOST_CONNECTIONS: Final = 512
HEADER_BYTES: Final = 65_536
"""The longest headers of a request, as the usual servers accept them."""


def most_connections() -> int:
    """Return how many connections may be open: at most half of the file descriptors of this process."""
    return max(16, min(MOST_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2))


class BoundedProtocol(HttpToolsProtocol):
    """HTTP connections that end when no whole request has arrived in time, or when too many are open.

    The parser is the one in C, which takes a fifth of the time of the one in Python but limits no headers.
    """

    header_seconds = HEADER_SECONDS
    limit = most_connections()
    header_bytes = HEADER_BYTES

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept the connection, unless too many are open."""
        self._header_timer: asyncio.TimerHandle | None = None
        self._unread = 0
        self._last_response = 0.0
        super().connection_made(transport)
        if len(self.connections) > self.limit:
            transport.abort()
            return
        self._await_request()

    @override
    def data_received(self, data: bytes) -> None:
        """Pass data on, and time and count what is not a whole request yet."""
        self._unread += len(data)
        super().data_received(data)
        if self._in_headers() and self._unread > self.header_bytes and not self.transport.is_closing():
            self.send_400_response(f"The headers are longer than {self.header_bytes} bytes.")
        self._await_request()

    @override
    def on_headers_complete(self) -> None:
        """Start the request, and count the headers of the next one."""
        self._unread = 0
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Time the next request of the same connection."""
        super().on_response_complete()
        self._await_request()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Stop timing."""
        self._cancel_timer()
        super().connection_lost(exc)

    def _await_request(self) -> None:
        if not self._in_headers():
            self._cancel_timer()
        elif self._header_timer is None:
            self._header_timer = self.loop.call_later(self.header_seconds, self._close_unused)

    def _in_headers(self) -> bool:
        """Return whether the next thing to arrive is a request's headers."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def _close_unused(self) -> None:
        self._header_timer = None
        if self.transport.is_closing():
            return
        # a timer that is moved with each response costs more than one that looks again
        left = self._last_response + self.header_seconds - self.loop.time()
        if left > 0.0:
            self._header_timer = self.loop.call_later(left, self._close_unused)
        else:
            self.transport.abort()

    def _cancel_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None


def protocol(**settings: Any) -> type[BoundedProtocol]:
    """Return the protocol with other limits, for a test.

    Args:
        **settings: Class attributes, such as `header_seconds` and `limit`.

    Returns:
        A subclass of the protocol.
    """
    return type("Protocol", (BoundedProtocol,), settings)
