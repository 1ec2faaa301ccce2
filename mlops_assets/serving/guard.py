"""What a request must pass before any of its body is read: the key; then limits of size and of time.

An ASGI application around another. It responds to every refused request itself, without reading the body.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from starlette.exceptions import HTTPException

from mlops_assets import logs
from mlops_assets.serving.keys import Keys, Refusal, action_of

MAX_BODY: Final = 1024 * 1024
BODY_SECONDS: Final = 30.0
OPEN_PATHS: Final = frozenset({"/health", "/ready"})
PAGES: Final = frozenset({"/docs", "/openapi.json", "/metrics"})
"""Read by browsers and by Prometheus, which can send the key as the password of HTTP's own sign-in."""

REQUEST_ID: Final = b"x-request-id"
_REQUEST_ID: Final = re.compile(rb"[!-~]{1,128}")
_REQUESTS: Final = logging.getLogger(logs.REQUEST_LOGGER)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


def request_id_of(sent: bytes | None) -> str:
    """Return the id of a request.

    Args:
        sent: The id that its caller sent; None for none.

    Returns:
        What was sent, if it is short and printable, else a new one.
    """
    if sent is not None and _REQUEST_ID.fullmatch(sent):
        return sent.decode()
    return secrets.token_hex(8)


class Guard:
    """Key first, then a bounded body.

    Args:
        app: The application behind it.
        keys: The keys that callers must send.
        max_body: Bytes of a body at most.
        body_seconds: Seconds in which a body must have arrived.
        refused: Called with the status of each refusal.
        log_requests: Write a line for each request.
    """

    def __init__(
        self,
        app: App,
        keys: Keys,
        max_body: int = MAX_BODY,
        body_seconds: float = BODY_SECONDS,
        refused: Callable[[int], None] | None = None,
        log_requests: bool = False,
    ) -> None:
        self._app, self._keys, self._refused = app, keys, refused
        self._max_body, self._body_seconds = max_body, body_seconds
        self._log_requests = log_requests

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request; its id is that of the caller, else a new one, and is in the response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = scope["mlops.headers"] = {name.lower(): value for name, value in scope["headers"]}
        request_id = request_id_of(headers.get(REQUEST_ID))
        logs.request_id.set(request_id)
        began, status = time.perf_counter(), 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (REQUEST_ID, request_id.encode())]
            await send(message)

        try:
            await self._admit(scope, headers, receive, send_with_id)
        finally:
            if self._log_requests:
                fields = {
                    "method": scope["method"],
                    "path": scope["path"],
                    "status": status,
                    "seconds": round(time.perf_counter() - began, 6),
                }
                _REQUESTS.info("request", extra={logs.FIELDS: fields})

    async def _admit(
        self, scope: MutableMapping[str, Any], headers: dict[bytes, bytes], receive: Receive, send: Send
    ) -> None:
        path = scope["path"].rstrip("/") or "/"
        refusal = None if path in OPEN_PATHS else self._refusal(scope["method"], headers, path)
        if refusal is not None:
            extra = []
            if refusal.status == 401 and path in PAGES:
                extra.append((b"www-authenticate", b'Basic realm="mlops_assets"'))
            if refusal.retry_seconds is not None:
                extra.append((b"retry-after", str(refusal.retry_seconds).encode()))
            await self._refuse(send, refusal.status, refusal.reason, extra)
            return
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length[:20]) > self._max_body:
            await self._refuse(send, 413, self._too_large(), [(b"connection", b"close")])
            return
        if self._is_complete(receive):
            await self._app(scope, receive, send)
            return
        await self._serve(scope, receive, send)

    def _is_complete(self, receive: Receive) -> bool:
        """Return whether the HTTP server has the whole body already, so that nothing has to be limited or timed."""
        cycle = getattr(receive, "__self__", None)
        if getattr(cycle, "more_body", True) is not False:
            return False
        return len(getattr(cycle, "body", b"")) <= self._max_body

    async def _serve(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        received, complete = 0, False
        loop = asyncio.get_running_loop()
        end = loop.time() + self._body_seconds

        async def bounded() -> Message:
            nonlocal received, complete
            if complete:
                return await receive()
            try:
                async with asyncio.timeout_at(end):
                    message = await receive()
            except TimeoutError:
                reason = f"the body did not arrive in {self._body_seconds:.0f} s"
                raise HTTPException(408, reason, {"connection": "close"}) from None
            received += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if received > self._max_body:
                raise HTTPException(413, self._too_large(), {"connection": "close"})
            return message

        await self._app(scope, bounded, send)

    def _too_large(self) -> str:
        return f"the body is larger than {self._max_body:,} bytes; send fewer rows at a time"

    def _refusal(self, method: str, headers: dict[bytes, bytes], path: str) -> Refusal | None:
        action = action_of(method, path)
        scheme, _, credentials = headers.get(b"authorization", b"").partition(b" ")
        if b"x-api-key" in headers or path not in PAGES or scheme.lower() != b"basic":
            return self._keys.refusal(headers.get(b"x-api-key", b""), action)
        try:
            _, _, password = base64.b64decode(credentials, validate=True).partition(b":")
        except binascii.Error:
            password = b""
        return self._keys.refusal(password, action)

    async def _refuse(self, send: Send, status: int, reason: str, extra: list[tuple[bytes, bytes]]) -> None:
        if self._refused is not None:
            self._refused(status)
        # `detail` here, `error` in the Open Inference Protocol, `message` in MLflow's: the path may be of any of them
        body = json.dumps({"detail": reason, "error": reason, "message": reason}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            *extra,
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
