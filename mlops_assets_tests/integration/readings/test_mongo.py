"""The MongoDB source: the real client over a real socket, talking to a small server written here.

No MongoDB server can be installed from a wheel, so a few commands of its wire protocol (OP_MSG) stand in: hello, find
with the filters this source sends, getMore in small batches, listCollections.
"""

from __future__ import annotations

import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from mlops_assets.errors import SourceError
from mlops_assets_tests.unit.readings.reading_factory import AS_OF, read_model

pymongo = pytest.importorskip("pymongo")
bson = pytest.importorskip("bson")
pytestmark = pytest.mark.integration

BATCH = 7


def matches(document: dict[str, Any], wanted: dict[str, Any]) -> bool:
    tests: dict[str, Callable[[Any, Any], bool]] = {
        "$gt": lambda value, limit: value is not None and value > limit,
        "$lte": lambda value, limit: value is not None and value <= limit,
        "$ne": lambda value, limit: value != limit,
    }
    for key, rule in wanted.items():
        if key == "$and":
            if not all(matches(document, each) for each in rule):
                return False
        elif isinstance(rule, dict):
            if not all(tests[name](document.get(key), limit) for name, limit in rule.items()):
                return False
        elif document.get(key) != rule:
            return False
    return True


class Database:
    """Collections by name, open cursors, and the filters that were asked."""

    def __init__(self) -> None:
        self.collections: dict[str, list[dict[str, Any]]] = {}
        self.cursors: dict[int, list[dict[str, Any]]] = {}
        self.filters: list[dict[str, Any]] = []
        self.numbers = count(1)

    def response(self, command: dict[str, Any]) -> dict[str, Any]:
        name = next(iter(command))
        if name in ("hello", "ismaster", "isMaster"):
            return {
                "ok": 1,
                "isWritablePrimary": True,
                "ismaster": True,
                "minWireVersion": 0,
                "maxWireVersion": 21,
                "maxBsonObjectSize": 16_777_216,
                "maxMessageSizeBytes": 48_000_000,
                "maxWriteBatchSize": 100_000,
            }
        if name == "find":
            self.filters.append(command.get("filter", {}))
            rows = [
                row
                for row in self.collections.get(command["find"], [])
                if matches(row, command.get("filter", {}))
            ]
            wanted = command.get("projection")
            rows = [{key: row[key] for key in row if wanted.get(key)} for row in rows] if wanted else rows
            limit = abs(command.get("limit", 0))
            return self.page(
                f"{command['$db']}.{command['find']}", rows[:limit] if limit else rows, "firstBatch"
            )
        if name == "getMore":
            return self.page("plant.readings", self.cursors.pop(command["getMore"]), "nextBatch")
        if name == "listCollections":
            return self.page(
                "plant.$cmd.listCollections",
                [{"name": each, "type": "collection"} for each in self.collections],
                "firstBatch",
            )
        return {"ok": 1}

    def page(self, name: str, rows: list[dict[str, Any]], key: str) -> dict[str, Any]:
        identifier = next(self.numbers) if len(rows) > BATCH else 0
        if identifier:
            self.cursors[identifier] = rows[BATCH:]
        return {"ok": 1, "cursor": {"id": bson.Int64(identifier), "ns": name, key: rows[:BATCH]}}


@pytest.fixture
def database() -> Iterator[tuple[Database, str]]:
    documents = Database()
    options = bson.CodecOptions(tz_aware=True)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while header := self.rfile.read(16):
                length, request, _, operation = struct.unpack("<iiii", header)
                content = self.rfile.read(length - 16)
                if operation == 2013:  # OP_MSG: flags, then one section of kind 0
                    reply = documents.response(bson.decode(content[5:], options))
                    message = struct.pack("<IB", 0, 0) + bson.encode(reply)
                    responses = 2013
                else:  # OP_QUERY, the first hello of an old handshake
                    end = content.index(b"\0", 4)
                    reply = documents.response(bson.decode(content[end + 9 :], options))
                    message = struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(reply)
                    responses = 1
                self.wfile.write(struct.pack("<iiii", len(message) + 16, 1, request, responses) + message)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield documents, f"mongodb://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()
    thread.join()


SOURCE = {"kind": "mongo", "url_env": "MONGO_URL", "database": "plant", "collection": "readings"}


def test_documents_of_the_window(database: tuple[Database, str]) -> None:
    documents, url = database
    documents.collections["readings"] = [
        {
            "_id": bson.ObjectId(),
            "t": AS_OF - timedelta(hours=hour),
            "y": bson.Int64(hour),
            "n": {"x": bson.Decimal128("1.5")},
        }
        for hour in range(-5, 60)
    ]
    read = read_model(SOURCE | {"window": "2d"}, timestamp="t", environ={"MONGO_URL": url})
    assert sorted(read.frame["y"].to_list()) == list(range(48))
    assert read.frame["n.x"].to_list() == [1.5] * 48
    assert read.frame["t"].dtype.time_zone == "UTC"  # type: ignore[attr-defined]
    assert documents.filters[-1]["$and"][1]["t"]["$lte"].replace(tzinfo=UTC) <= AS_OF
    assert read.source.endswith(url.removeprefix("mongodb://").rstrip("/"))


def test_text_timestamps_are_cut_after_reading(database: tuple[Database, str]) -> None:
    documents, url = database
    documents.collections["readings"] = [
        {"_id": day, "t": f"2026-02-{day:02d}", "y": day, "kind": "a" if day % 2 else "b"}
        for day in range(1, 29)
    ]
    source = SOURCE | {"window": "7d", "filter": {"kind": "a"}, "fields": ["t", "y"]}
    read = read_model(source, timestamp="t", environ={"MONGO_URL": url})
    assert read.frame.columns == ["t", "y"]
    assert read.frame["y"].to_list() == [23, 25, 27]


def test_refusals(database: tuple[Database, str]) -> None:
    documents, url = database
    documents.collections["readings"] = [{"_id": 1, "t": datetime(2026, 1, 1, tzinfo=UTC), "y": 1}]
    with pytest.raises(SourceError, match=r"empty or does not exist; did you mean 'readings'"):
        read_model(SOURCE | {"collection": "reading"}, environ={"MONGO_URL": url})
    with pytest.raises(SourceError, match="MONGO_URL"):
        read_model(SOURCE)
    with pytest.raises(SourceError, match="gave no rows"):
        read_model(SOURCE | {"window": "1s"}, timestamp="t", environ={"MONGO_URL": url})
