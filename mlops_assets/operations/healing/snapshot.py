"""One reading of the platform's series, by name and first label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


class Series(NamedTuple):
    """A series of the exporter: the metric, and the value of its first label ('' without labels)."""

    metric: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Values of all series at an instant in UTC; what could not be read is absent."""

    at: datetime
    values: Mapping[Series, float]

    def get(self, metric: str, label: str = "") -> float | None:
        """Return a value.

        Args:
            metric: Name of the metric.
            label: Value of its first label.

        Returns:
            The value; None when it could not be read.
        """
        return self.values.get(Series(metric, label))

    def all(self, metric: str) -> Iterator[tuple[str, float]]:
        """Yield label and value of every series of a metric.

        Args:
            metric: Name of the metric.

        Yields:
            The value of the first label, and the value.
        """
        for series, value in sorted(self.values.items()):
            if series.metric == metric:
                yield series.label, value
