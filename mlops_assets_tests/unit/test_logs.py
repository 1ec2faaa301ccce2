"""What services log, and that a line, a response and a caller name the same request."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import pytest

from mlops_assets import logs
from mlops_assets.serving.guard import Guard
from mlops_assets.serving.keys import Keys


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """What went to the standard error; the logging of pytest comes back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []
    yield lambda: capsys.readouterr().err
    root.handlers, root.level = handlers, level


def call(headers: dict[str, str], path: str = "/predict/x", **settings: Any) -> dict[str, str]:
    """Headers of the response to a request, whose application logs a warning."""
    sent: list[MutableMapping[str, Any]] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        logging.getLogger("mlops_assets.x").warning("about %s", "it")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "path": path, "method": "POST", "headers": encoded}
    asyncio.run(Guard(app, Keys("secret"), **settings)(scope, receive, send))
    return {name.decode(): value.decode() for name, value in sent[0]["headers"]}


def test_a_request_keeps_the_id_of_its_caller_in_the_response_and_in_json_lines(
    lines: Callable[[], str],
) -> None:
    logs.configure({"MLOPS_LOG_FORMAT": "json"})
    headers = call({"x-api-key": "secret", "x-request-id": "order-7"}, log_requests=True)
    assert headers == {"a": "b", "x-request-id": "order-7"}
    warning, request = (json.loads(line) for line in lines().splitlines())
    assert (warning["message"], warning["level"], warning["request_id"]) == ("about it", "warning", "order-7")
    assert (request["request_id"], request["path"], request["status"]) == ("order-7", "/predict/x", 200)
    assert request["seconds"] >= 0
    assert request["at"].endswith("+00:00")


@pytest.mark.parametrize("sent", [None, "", "a b", "x" * 129, "\x7f"])
def test_an_id_that_is_missing_or_odd_is_replaced(lines: Callable[[], str], sent: str | None) -> None:
    logs.configure({"MLOPS_LOG_FORMAT": "json"})
    headers = {"x-api-key": "secret"} | ({} if sent is None else {"x-request-id": sent})
    first, second = call(headers)["x-request-id"], call(headers)["x-request-id"]
    assert first != second
    assert len(first) == 16
    assert [json.loads(line)["request_id"] for line in lines().splitlines()] == [first, second]


def test_a_refused_request_has_an_id_and_a_line_too(lines: Callable[[], str]) -> None:
    logs.configure({"MLOPS_LOG_FORMAT": "json"})
    headers = call({"x-request-id": "r1"}, log_requests=True)
    assert headers["x-request-id"] == "r1"
    assert json.loads(lines())["status"] == 401


def test_text_is_a_sentence_and_no_request_has_a_line_unless_it_is_on(lines: Callable[[], str]) -> None:
    logs.configure({})
    call({"x-api-key": "secret", "x-request-id": "r1"})
    assert lines() == "WARNING: about it request_id=r1\n"
    assert not logs.logs_requests({})
    assert logs.logs_requests({"MLOPS_LOG_REQUESTS": "on"})


def test_a_path_writes_no_line_of_its_own(lines: Callable[[], str]) -> None:
    logs.configure({})
    call({"x-request-id": "r1"}, "/x\nERROR: forged", log_requests=True)
    [line] = lines().splitlines()
    assert line.startswith("INFO: request request_id=r1 method=POST path='/x\\nERROR: forged' status=401")


def test_an_exception_stays_on_one_line_of_json(lines: Callable[[], str]) -> None:
    logs.configure({"MLOPS_LOG_FORMAT": "json"})
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logging.getLogger("mlops_assets.x").exception("failed")
    [line] = lines().splitlines()
    assert "ValueError: two\nlines" in json.loads(line)["exception"]


def test_an_unknown_format_is_a_warning_and_text(lines: Callable[[], str]) -> None:
    logs.configure({"MLOPS_LOG_FORMAT": "xml"})
    assert lines() == "WARNING: MLOPS_LOG_FORMAT is 'xml'; write text or json\n"
