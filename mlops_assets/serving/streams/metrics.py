"""What Prometheus reads of a stream: messages by outcome, and how far the scorer is behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, start_http_server
from prometheus_client.core import GaugeMetricFamily

Outcome = Literal["predicted", "dead_letter", "repeated", "empty"]
OUTCOMES: Final[tuple[Outcome, ...]] = ("predicted", "dead_letter", "repeated", "empty")


class StreamMetrics:
    """The metrics of one scorer, in a registry of its own.

    Args:
        model: Name of the model.
        topic: The input topic.
    """

    def __init__(self, model: str, topic: str) -> None:
        self.registry = CollectorRegistry()
        self.topic = topic
        self._labels = {"model": model, "topic": topic}
        names = tuple(self._labels)
        self._messages = Counter(
            "mlops_stream_messages",
            "Messages by what became of them",
            (*names, "outcome"),
            registry=self.registry,
        )
        # Gauges of the library keep a partition for ever where a program has switched on its mode of many processes.
        self._lag: dict[int, int] = {}
        self.registry.register(self)
        self._unlogged = Counter(
            "mlops_stream_unlogged", "Predictions that the ledger refused", names, registry=self.registry
        )
        for outcome in OUTCOMES:
            self._messages.labels(**self._labels, outcome=outcome)

    def count(self, outcome: Outcome) -> None:
        """Count a message.

        Args:
            outcome: What became of it.
        """
        self._messages.labels(**self._labels, outcome=outcome).inc()

    def refuse(self) -> None:
        """Count a prediction that the ledger refused."""
        self._unlogged.labels(**self._labels).inc()

    def lag(self, partition: int, messages: int) -> None:
        """Report how many messages of a partition are not predicted yet.

        Args:
            partition: Number of the partition.
            messages: Their number.
        """
        self._lag[partition] = messages

    def revoke(self, partition: int) -> None:
        """Forget a partition that another scorer reads now.

        Args:
            partition: Number of the partition.
        """
        self._lag.pop(partition, None)  # it may not have been reported yet

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield how far the scorer is behind in each of its partitions."""
        family = GaugeMetricFamily(
            "mlops_stream_lag_messages",
            "Messages of a partition that are not predicted yet",
            labels=[*self._labels, "partition"],
        )
        for partition, messages in tuple(self._lag.items()):
            family.add_metric([*self._labels.values(), str(partition)], messages)
        yield family

    def serve(self, host: str, port: int) -> None:
        """Serve the metrics on a port, in a thread that ends with the process.

        Args:
            host: The address to listen on.
            port: The port.

        Raises:
            OSError: The port is taken.
        """
        start_http_server(port, host, registry=self.registry)
