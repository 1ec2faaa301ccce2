"""Requests that are served as soon as they are read, without a task and the channels of ASGI.

Comes in: a whole `POST` request that has arrived at once. Goes out: the bytes that the application would have sent, or
the request goes to the application after all: whenever anything about it is unusual, its key is refused, or its model
takes longer than others may wait.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from mlops_assets import logs
from mlops_assets.serving.connections import BoundedProtocol
from mlops_assets.serving.guard import REQUEST_ID, request_id_of
from mlops_assets.serving.keys import Keys
from mlops_assets.serving.routes import PredictionRoutes, Response

Headers = list[tuple[bytes, bytes]]
Inline = Callable[[str, Headers, bytes], Response | None]
"""Takes path, headers in lower case and body of a `POST` request; returns None for one that it leaves to others."""

LONGEST_URL: Final = 256


def inline(routes: PredictionRoutes, keys: Keys) -> Inline:
    """Return the function that serves a request at once.

    Args:
        routes: The routes that predict.
        keys: The keys that callers must send.

    Returns:
        The function; it returns None, without any effect, for a request that the application has to serve.
    """

    def serve(path: str, headers: Headers, body: bytes) -> Response | None:
        work = routes.quick(path, len(body))
        if work is None:
            return None
        named = dict(headers)
        # last: an admitted request counts against the limit of its key
        if keys.refusal(named.get(b"x-api-key", b""), "predict") is not None:
            return None
        request_id = request_id_of(named.get(REQUEST_ID))
        token = logs.request_id.set(request_id)
        try:
            response = routes.serve(work, named, body)
        finally:
            logs.request_id.reset(token)  # the connection has the context, and serves others in it
        response.headers.append((REQUEST_ID, request_id.encode()))
        return response

    return serve


class InlineProtocol(BoundedProtocol):
    """A connection that serves what it can as soon as it is read, by `serve`."""

    serve: Inline
    _parts: list[bytes] | None = None
    """The body of a request that may be served at once, as far as it has arrived."""

    @override
    def on_message_begin(self) -> None:
        """Note what the parser finds; what the application needs besides is made when it gets the request."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._parts = None

    @override
    def on_headers_complete(self) -> None:
        """Wait for the body of a request that may be served at once; others go to the application now."""
        parser = self.parser
        usual = (
            self._in_headers()
            and not self.flow.write_paused
            and not self.expect_100_continue
            and parser.get_method() == b"POST"
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and not parser.should_upgrade()
        )
        if usual:
            self._parts = []
        else:
            self._pass_on()

    @override
    def on_body(self, body: bytes) -> None:
        """Keep the body, or pass it on."""
        if self._parts is None:
            super().on_body(body)
        else:
            self._parts.append(body)

    @override
    def on_message_complete(self) -> None:
        """Serve the request, or pass it on."""
        if self._parts is not None:
            response = self._respond(b"".join(self._parts))
            if response is not None:
                self._parts = None
                self._write(response)
                return
            self._pass_on()
        super().on_message_complete()

    @override
    def data_received(self, data: bytes) -> None:
        """Pass on a request whose body did not arrive with its headers: its time and size have to be watched."""
        super().data_received(data)
        if self._parts is not None and not self.transport.is_closing():
            self._pass_on()

    @override
    def _in_headers(self) -> bool:
        return self._parts is None and super()._in_headers()

    def _respond(self, body: bytes) -> Response | None:
        url = self.url
        if len(url) > LONGEST_URL or url[:1] != b"/" or b"%" in url or b"?" in url or b"#" in url:
            return None
        if not url.isascii() or self.transport.is_closing():
            return None
        try:
            return type(self).serve(url.decode("ascii"), self.headers, body)
        except Exception:  # noqa: BLE001 the application meets it again, and says so as ever
            return None

    def _write(self, response: Response) -> None:
        """Write what uvicorn would write."""
        common = (b"content-type", b"application/json"), (b"content-length", b"%d" % len(response.body))
        parts = [STATUS_LINE[response.status]]
        for name, value in (*self.server_state.default_headers, *common, *response.headers):
            parts += (name, b": ", value, b"\r\n")
        parts += (b"\r\n", response.body)
        self.transport.write(b"".join(parts))
        self.server_state.total_requests += 1
        self._unread = 0
        self._last_response = self.loop.time()

    def _pass_on(self) -> None:
        """Give the request to the application, as if nothing had waited."""
        url, headers, expects, parts = self.url, self.headers, self.expect_100_continue, self._parts
        self._parts = None
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers
        super().on_headers_complete()
        for part in parts or ():
            super().on_body(part)


def inline_protocol(serve: Inline, **settings: Any) -> type[InlineProtocol]:
    """Return the protocol of a server.

    Args:
        serve: What serves requests at once.
        **settings: Limits, as `connections.protocol` takes them.

    Returns:
        A class for uvicorn.
    """
    return type("Protocol", (InlineProtocol,), {"serve": staticmethod(serve), **settings})
