"""The metrics of several processes as those of one service.

Comes in: a file of Prometheus's text per process, written again and again. Goes out: counters and histograms added up,
also those of processes that have ended, so that they never go down; gauges of the processes that run.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

Combine = Callable[[float, float], float]


def _sum(one: float, other: float) -> float:
    return one + other


ADDED: Final = frozenset({"counter", "histogram"})
GAUGES: Final[dict[str, Combine]] = {"mlops_prediction_log_queued": _sum, "mlops_ledger_up": min}
"""How gauges of several processes become one; the largest where it is not here."""


def store(folder: Path, text: bytes) -> None:
    """Write the metrics of this process.

    Args:
        folder: Where the processes of the service write.
        text: Its metrics in Prometheus's text format.
    """
    temporary = folder / f".{os.getpid()}"
    temporary.write_bytes(text)
    temporary.replace(folder / f"{os.getpid()}.running")


def retire(folder: Path, process: int) -> None:
    """Note that a process has ended: of its metrics only the counters still count.

    Args:
        folder: Where the processes of the service write.
        process: Its process id.
    """
    with contextlib.suppress(FileNotFoundError):  # it never wrote
        path = folder / f"{process}.running"
        path.replace(path.with_name(f"{process}-{path.stat().st_mtime_ns}.ended"))


def combined(folder: Path) -> bytes:
    """Return the metrics of all processes as one text.

    Args:
        folder: Where the processes of the service write.

    Returns:
        Prometheus's text format.
    """
    registry = CollectorRegistry()
    registry.register(Combined(folder))
    return generate_latest(registry)


class Combined:
    """A collector over the files of a folder.

    Args:
        folder: Where the processes of the service write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def describe(self) -> Iterable[Metric]:
        """Return no names: they are in the files, which may not be there yet."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield the present values; prometheus_client calls this."""
        families: dict[str, Metric] = {}
        values: dict[tuple[str, str, tuple[tuple[str, str], ...]], float] = {}
        for path in sorted(self._folder.glob("*.*")):
            if path.suffix not in (".running", ".ended"):
                continue
            try:
                text = path.read_text()
            except FileNotFoundError:  # its process has just ended
                continue
            for family in text_string_to_metric_families(text):
                if family.type not in ADDED and path.suffix == ".ended":
                    continue
                known = families.setdefault(
                    family.name, Metric(family.name, family.documentation, family.type)
                )
                combine = _sum if known.type in ADDED else GAUGES.get(family.name, max)
                for sample in family.samples:
                    key = (family.name, sample.name, tuple(sorted(sample.labels.items())))
                    values[key] = combine(values[key], sample.value) if key in values else sample.value
        for (family_name, name, labels), value in values.items():
            families[family_name].add_sample(name, dict(labels), value)
        yield from families.values()
