"""Small champions without a ledger: a real table of columns and a predictor that doubles, behind a real server."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import polars as pl
import uvicorn

from mlops_assets.errors import DataError
from mlops_assets.serving.payload import Row
from mlops_assets.serving.table import Columns


class FakeServed:
    """Predicts 2 x + z, as a loaded champion would; `kind` is text."""

    version, revision, is_quick, since = 3, 1, True, None
    spec = SimpleNamespace(name="double", description="Doubles", timestamp=None, entity=None)
    predictor = SimpleNamespace(
        algorithm="double", classes=(), preparation=SimpleNamespace(numbers=(), categories=(), groups=())
    )
    history = SimpleNamespace(recent=pl.DataFrame())
    columns = Columns(("x", "z", "kind"), frozenset({"kind"}), frozenset(), pl.String())

    def describe(self) -> dict[str, Any]:
        return {"model": "double", "version": 3, "columns": list(self.columns.needed)}

    def respond(self, rows: list[Row]) -> dict[str, Any]:
        for number, row in enumerate(rows, start=1):
            if missing := [name for name in self.columns.needed if name not in row]:
                raise DataError(f"row {number}: column {missing[0]!r} is missing")
        predictions = [2 * float(row["x"] or 0) + float(row["z"] or 0) for row in rows]
        low = [value - 1 for value in predictions]
        return {"model": "double", "version": 3, "revision": 1, "predictions": predictions, "low": low}


class FakeChampions:
    """One champion, and a model that is known without one."""

    is_cached = False

    def parities(self) -> dict[str, Any]:
        return {}

    def start(self) -> None: ...
    def stop(self) -> None: ...

    def served(self, model: str) -> FakeServed | None:
        return FakeServed() if model == "double" else None

    def known(self) -> tuple[str, ...]:
        return ("double", "pump")

    def is_known(self, model: str) -> bool:
        return model in self.known()

    def why_not(self, model: str) -> str:
        return f"{model} has no champion yet"

    def loops(self) -> dict[str, Any]:
        return {"champions": {"alive": True, "seconds": 0.1}}

    def status(self) -> dict[str, Any]:
        return {"models": {"double": {"version": 3, "revision": 1}}, "problems": {}, "ledger": "ok"}


@contextmanager
def server(app: Any, **settings: Any) -> Iterator[int]:
    """Run an ASGI application on a free port of this machine, in a thread; the port."""
    instance = uvicorn.Server(uvicorn.Config(app, log_level="critical", **settings))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=instance.run, args=([listener],))
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        instance.should_exit = True
        thread.join(30)
        listener.close()
