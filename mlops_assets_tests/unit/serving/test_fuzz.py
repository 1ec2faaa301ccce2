"""Bodies that a grammar of JSON makes, valid and broken, to every protocol: no response is a server error.

MLOPS_FUZZ_CASES sets the number of bodies (default 300), MLOPS_FUZZ_SEED the random numbers.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections import Counter
from typing import Any

from mlops_assets.serving.app import create_app
from mlops_assets.serving.keys import Keys
from mlops_assets.serving.served import Served
from mlops_assets_tests.unit.serving.test_direct import served

CASES = int(os.environ.get("MLOPS_FUZZ_CASES", "300"))
SEED = int(os.environ.get("MLOPS_FUZZ_SEED", "1"))
KEY = "secret"
PATHS = (
    "/predict/direct",
    "/models/direct/invocations",
    "/v2/models/direct/infer",
    "/explain/direct",
    "/labels/direct",
)
NUMBERS = (
    "0",
    "-0",
    "1e999",
    "-1e999",
    "1e-400",
    "NaN",
    "Infinity",
    "-Infinity",
    "9" * 400,
    "1.5",
    "01",
    "1.",
    "-",
)
TEXTS = (
    '"x"',
    '""',
    '"\\ud800"',
    '"\\u0000"',
    '"\\uD83D\\uDE00"',
    '"é"',
    '"1"',
    '"\\x"',
    '"',
    '"2026-01-01"',
)
NAMES = ("a", "b", "same", "kind", "other", "", "\\u0061", "\\ud800", "x" * 300, "prédiction")
SHAPES = (
    "readings",
    "features",
    "columns",
    "dataframe_split",
    "dataframe_records",
    "instances",
    "inputs",
    "labels",
    "params",
    "data",
    "index",
    "id",
    "name",
    "shape",
    "datatype",
)


class Grammar:
    """Text that is JSON, or nearly."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def value(self, depth: int = 0) -> str:
        kind = self.random.random()
        if depth > 5 or kind < 0.45:
            return self.random.choice((*NUMBERS, *TEXTS, "true", "false", "null", "nul"))
        if kind < 0.7:
            items = [self.value(depth + 1) for _ in range(self.random.randrange(4))]
            return "[" + ",".join(items) + self.random.choice(("]", "]", "]", ",]", ""))
        return self.members([(self.name(), self.value(depth + 1)) for _ in range(self.random.randrange(5))])

    def name(self) -> str:
        return self.random.choice((*NAMES, *SHAPES))

    def members(self, pairs: list[tuple[str, str]]) -> str:
        return (
            "{"
            + ",".join(f'"{name}":{value}' for name, value in pairs)
            + self.random.choice(("}", "}", "}", ""))
        )

    def row(self) -> str:
        usual = {"a": "1.5", "b": "2", "same": "1", "kind": '"x"'}
        for _ in range(self.random.randrange(3)):
            usual[self.name()] = self.value(3)
        return self.members(list(usual.items()))

    def body(self) -> bytes:
        """A document near the shapes that the protocols read, then sometimes broken."""
        rows = "[" + ",".join(self.row() for _ in range(self.random.randrange(1, 4))) + "]"
        matrix = f"[[{self.value(4)},2,1,{self.value(4)}]]"
        tensor = self.members(
            [
                ("name", '"a"'),
                ("shape", self.random.choice(("[1]", "[1,4]", "[0]", "[-1]", "[1e9]", self.value(4)))),
                ("datatype", self.random.choice(('"FP64"', '"BYTES"', '"INT8"', self.value(5)))),
                ("data", self.value(3)),
            ]
        )
        text = self.random.choice(
            (
                f'{{"readings":{rows}}}',
                f'{{"features":{matrix}}}',
                f'{{"features":{matrix},"columns":{self.value(3)}}}',
                f'{{"dataframe_records":{rows}}}',
                f'{{"dataframe_split":{{"columns":["a","b","same","kind"],"data":{matrix}}}}}',
                f'{{"instances":{rows}}}',
                f'{{"inputs":{self.value(2)}}}',
                f'{{"inputs":[{tensor}]}}',
                f'{{"labels":{self.value(1)}}}',
                self.value(),
                "[" * self.random.randrange(1, 100_000),
            )
        )
        body = text.encode("utf-8", "surrogatepass")
        if self.random.random() < 0.1:
            position = self.random.randrange(len(body) + 1)
            body = body[:position] + bytes([self.random.randrange(256)]) + body[position:]
        return body[: self.random.randrange(len(body))] if body and self.random.random() < 0.05 else body


class OneChampion:
    """What the routes need, with one champion."""

    is_cached = False

    def parities(self) -> dict[str, Any]:
        return {}

    def __init__(self, champion: Served) -> None:
        self.champion = champion

    def served(self, model: str) -> Served | None:
        return self.champion if model == "direct" else None

    def is_known(self, model: str) -> bool:
        return model == "direct"

    def known(self) -> tuple[str, ...]:
        return ("direct",)

    def status(self) -> dict[str, Any]:
        return {"models": {"direct": {"version": 1, "revision": 1}}, "problems": {}, "ledger": "ok"}


async def post(app: Any, path: str, body: bytes) -> tuple[int, bytes]:
    """Status and body of one request, without a server."""
    sent: list[dict[str, Any]] = []
    headers = [(b"x-api-key", KEY.encode()), (b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [*headers, (b"content-length", str(len(body)).encode())],
        "http_version": "1.1",
        "scheme": "http",
        "root_path": "",
        "asgi": {"version": "3.0"},
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


class NoLabels:
    """A ledger that stores no label."""

    def store_labels(self, *_: object) -> int:
        return 0


def test_no_body_is_a_server_error() -> None:
    champions: Any = OneChampion(served("lightgbm"))
    ledger: Any = NoLabels()
    app = create_app(champions, Keys(KEY), ledger)
    grammar, statuses = Grammar(SEED), Counter[int]()

    async def run() -> None:
        for _ in range(CASES):
            path, body = grammar.random.choice(PATHS), grammar.body()
            status, response = await post(app, path, body)
            statuses[status] += 1
            assert status < 500, f"{path} {body[:500]!r} gives {status}: {response[:500]!r}"
            json.loads(response)  # strictly JSON: no NaN
            assert len(response) < 100_000

    asyncio.run(run())
    assert statuses[200], "some bodies are good"
    assert statuses[422], "most are not"
