"""What Prometheus reads: requests, latency, refusals by reason, versions, ages, the prediction log.

Comes in: one call per request, and the state of champions and log when somebody reads. Goes out: Prometheus's text. It
is served with a key at `/metrics`, and without one on a port of its own (`MLOPS_METRICS_PORT`), for a scraper in the
same network.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Final
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, generate_latest, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from mlops_assets.serving.worker_metrics import combined, store

if TYPE_CHECKING:
    from mlops_assets.serving.champions import Champions
    from mlops_assets.serving.prediction_log import PredictionLog

LATENCIES: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
WRITE_SECONDS: Final = 1.0
"""Between two writes of the metrics for other processes of the service."""
UNKNOWN: Final = "unknown"
"""The model of a request that names none: names that callers invent must not become series without an end."""


class Metrics:
    """The metrics of one process, in a registry of its own.

    Args:
        champions: The champions that serve.
        log: The prediction log; None for none.
        folder: Where the processes of the service write their metrics; None for a process of its own.
    """

    def __init__(self, champions: Champions, log: PredictionLog | None, folder: Path | None = None) -> None:
        self._folder, self._stop, self._storing = folder, Event(), Lock()
        self._writer = Thread(target=self._write, name="metrics", daemon=True)
        self._registry = CollectorRegistry()
        self._requests = _Requests()
        self._registry.register(self._requests)
        self._refused = Counter(
            "mlops_refused",
            "Requests refused before their body is read",
            ("status",),
            registry=self._registry,
        )
        self._rungs = Counter(
            "mlops_fallback_rows",
            "Rows by the rung of the fallback ladder that predicted them",
            ("model", "rung"),
            registry=self._registry,
        )
        self._registry.register(_State(champions, log))
        self._server: WSGIServer | None = None
        self._thread: Thread | None = None

    def count(self, model: str | None, status: int, seconds: float, rows: int) -> None:
        """Count one request for predictions.

        Args:
            model: A known model, or None.
            status: HTTP status of the response.
            seconds: How long it took.
            rows: Rows that were predicted.
        """
        self._requests.count(UNKNOWN if model is None else model, status, seconds, rows)

    def count_rungs(self, model: str, rungs: Iterable[str]) -> None:
        """Count the rows of a response by their rung.

        Args:
            model: A model with a ladder.
            rungs: Rung of each row.
        """
        for rung in rungs:
            self._rungs.labels(model, rung).inc()

    def refuse(self, status: int) -> None:
        """Count a request that was refused before its body was read.

        Args:
            status: HTTP status of the response.
        """
        self._refused.labels(str(status)).inc()

    def text(self) -> bytes:
        """Return all metrics of the service in Prometheus's text format."""
        if self._folder is None:
            return generate_latest(self._registry)
        self._store()
        return combined(self._folder)

    def start(self) -> None:
        """Write the metrics of this process for the others, where there are others."""
        if self._folder is not None:
            self._writer.start()

    def _write(self) -> None:
        while not self._stop.wait(WRITE_SECONDS):
            self._store()

    def _store(self) -> None:
        if self._folder is not None:
            # one at a time: they share a temporary file; a full disk costs the metrics, not the service
            with self._storing, suppress(OSError):
                store(self._folder, generate_latest(self._registry))

    def serve(self, host: str, port: int) -> None:
        """Serve the metrics on a port of their own, in a thread.

        Args:
            host: The address to listen on.
            port: The port.

        Raises:
            OSError: The port is taken.
        """
        self._server, self._thread = start_http_server(port, host, registry=self._registry)

    def close(self) -> None:
        """Stop serving, and write the last state."""
        self._stop.set()
        self._store()
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()


@dataclass(slots=True)
class _Latency:
    """Requests of one model by bucket of latency, their seconds, and the rows that were predicted."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(LATENCIES) + 1))
    seconds: float = 0.0
    rows: int = 0


class _Requests:
    """Counters of requests, in the place of prometheus_client's: a request costs a tenth of theirs.

    Only the event loop counts, so that there is no lock.
    """

    def __init__(self) -> None:
        self._by_status: dict[tuple[str, int], int] = {}
        self._by_model: dict[str, _Latency] = {}

    def count(self, model: str, status: int, seconds: float, rows: int) -> None:
        """Count one request."""
        key = (model, status)
        self._by_status[key] = self._by_status.get(key, 0) + 1
        latency = self._by_model.get(model)
        if latency is None:
            latency = self._by_model[model] = _Latency()
        latency.buckets[bisect_left(LATENCIES, seconds)] += 1
        latency.seconds += seconds
        latency.rows += rows

    def collect(self) -> Iterator[Metric]:
        """Yield the current values; prometheus_client calls this."""
        requests = CounterMetricFamily(
            "mlops_requests", "Requests for predictions", labels=("model", "status")
        )
        for (model, status), count in list(self._by_status.items()):
            requests.add_metric((model, str(status)), count)
        predictions = CounterMetricFamily("mlops_predictions", "Rows that were predicted", labels=("model",))
        times = HistogramMetricFamily(
            "mlops_request_seconds", "Seconds from the request's headers to its response", labels=("model",)
        )
        for model, latency in list(self._by_model.items()):
            if latency.rows:
                predictions.add_metric((model,), latency.rows)
            cumulated = list(accumulate(latency.buckets))
            bounds = [*map(str, LATENCIES), "+Inf"]
            times.add_metric((model,), list(zip(bounds, cumulated, strict=True)), latency.seconds)
        yield from (requests, predictions, times)


class _State:
    """What is read from champions and log whenever somebody reads the metrics."""

    def __init__(self, champions: Champions, log: PredictionLog | None) -> None:
        self._champions, self._log = champions, log

    def collect(self) -> Iterator[Metric]:
        """Yield the current values; prometheus_client calls this."""
        status = self._champions.status()
        version = InfoMetricFamily("mlops_champion", "The champion that serves", labels=("model",))
        age = GaugeMetricFamily(
            "mlops_champion_age_seconds", "Seconds since it became champion", labels=("model",)
        )
        for model in status["models"]:
            served = self._champions.served(model)
            if served is None:
                continue
            version.add_metric((model,), {"version": str(served.version), "revision": str(served.revision)})
            if served.since is not None:
                age.add_metric((model,), (datetime.now(UTC) - served.since).total_seconds())
        yield version
        yield age
        compared = GaugeMetricFamily(
            "mlops_feature_rows_compared",
            "Newest readings whose features were compared with the batch",
            labels=("model",),
        )
        differing = GaugeMetricFamily(
            "mlops_feature_rows_differing",
            "Those of them whose features differ from the batch",
            labels=("model",),
        )
        for model, parity in self._champions.parities().items():
            compared.add_metric((model,), parity.rows)
            differing.add_metric((model,), parity.differing)
        yield compared
        yield differing
        yield GaugeMetricFamily(
            "mlops_serving_problems", "Models that cannot be followed", len(status["problems"])
        )
        yield GaugeMetricFamily(
            "mlops_ledger_up", "Whether the ledger responds", float(status["ledger"] == "ok")
        )
        if self._log is None:
            return
        log = self._log.status()
        yield GaugeMetricFamily("mlops_prediction_log_queued", "Rows that wait for the ledger", log["queued"])
        yield CounterMetricFamily("mlops_prediction_log_written", "Rows in the ledger", value=log["written"])
        yield CounterMetricFamily("mlops_prediction_log_lost", "Rows that were lost", value=log["lost"])
