"""Runs what is due, keeps what is not, and turns rows into Prometheus's text."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from threading import Lock
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from mlops_assets.ledger.reader import Reader
from mlops_assets.operations.exporter.families import OWN, Family
from mlops_assets.operations.exporter.queries import QUERIES, Database

Rows = list[dict[str, Any]]
MOST_SERIES: Final = 50_000
"""Series of one family from which the rest is left out: a label that grows without limit must not fill Prometheus."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where rows come from. read: returns them, one per series; every: seconds for which they are kept."""

    name: str
    families: tuple[Family, ...]
    every: float
    read: Callable[[], Rows]


def database_sources(readers: Mapping[Database, Reader]) -> tuple[Source, ...]:
    """Return the queries on the databases as sources.

    Args:
        readers: A reader for each database.

    Returns:
        One source per query.
    """

    def reading(reader: Reader, sql: str) -> Callable[[], Rows]:
        return lambda: reader.rows(sql)

    return tuple(
        Source(one.name, one.families, one.every, reading(readers[one.database], one.sql)) for one in QUERIES
    )


def values_of(sources: Iterable[Source]) -> dict[tuple[str, str], float]:
    """Read what is about the platform and not about one model, by metric and first label.

    Args:
        sources: What is read; one that fails is left out.

    Returns:
        Finite values.
    """
    values: dict[tuple[str, str], float] = {}
    for source in sources:
        if any("model" in family.labels for family in source.families):
            continue
        with suppress(Exception):
            for row in source.read():
                for family in source.families:
                    number = _number(row[family.column]) if family.column else None
                    if number is not None:
                        values[family.name, str(row[family.labels[0]]) if family.labels else ""] = number
    return values


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a source gave: its text in Prometheus's format, None when it failed, and how long it took."""

    at: float
    text: bytes | None
    seconds: float


class PlatformCollector:
    """Reads all sources; one that fails has no series and `mlops_exporter_source_up` 0.

    Args:
        sources: What is read; no two fill the same family.
        clock: Seconds that only grow.
    """

    def __init__(self, sources: Iterable[Source], clock: Callable[[], float] = time.monotonic) -> None:
        self._sources = tuple(sources)
        self._clock = clock
        self._kept: dict[str, _Reading] = {}
        self._lock = Lock()

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        with self._lock:
            readings = {source.name: self._read(source) for source in self._sources}
        own: Rows = [
            {"source": name, "up": int(one.text is not None), "seconds": one.seconds}
            for name, one in readings.items()
        ]
        return b"".join([*(one.text or b"" for one in readings.values()), _text(OWN, own)])

    def _read(self, source: Source) -> _Reading:
        now = self._clock()
        kept = self._kept.get(source.name)
        if kept is not None and now - kept.at < source.every:
            return kept
        begin = time.perf_counter()
        try:
            text: bytes | None = _text(source.families, source.read())
        except Exception:  # noqa: BLE001 - one source that fails must not hide the others; it has its own metric
            text = None
        reading = self._kept[source.name] = _Reading(now, text, time.perf_counter() - begin)
        return reading


class _Gauges(Collector):
    """Rows as prometheus_client wants them."""

    def __init__(self, families: Iterable[Family], rows: Rows) -> None:
        self._families, self._rows = families, rows

    @override
    def collect(self) -> Iterator[Metric]:
        """Yield a gauge per family."""
        for family in self._families:
            gauge = GaugeMetricFamily(family.name, family.help, labels=family.labels)
            _fill(gauge, family, self._rows)
            yield gauge


def _text(families: Iterable[Family], rows: Rows) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Gauges(families, rows))
    return generate_latest(registry)


def _fill(gauge: GaugeMetricFamily, family: Family, rows: Iterable[Mapping[str, Any]]) -> None:
    for row in rows:
        value = 1.0 if family.column is None else _number(row[family.column])
        if value is not None and len(gauge.samples) < MOST_SERIES:
            gauge.add_metric([str(row[label]) for label in family.labels], value)


def _number(value: object) -> float | None:
    """Return a finite number, or None: a missing value must not look like a measured one."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    number = float(value)
    return number if math.isfinite(number) else None
