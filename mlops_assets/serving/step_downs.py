"""Alerts about models whose rows step down the fallback ladder.

Comes in: rungs and reasons of responses, counted off the ledger's path. Goes out: one alert per model, rung, reason and
hour, closed when no row has stepped down for a while.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from mlops_assets.lifecycle.alerts import close_alert, send_alert
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.model_file import ModelSpec

CLOSE_AFTER: Final = timedelta(minutes=10)
"""Time without a step down after which the cause counts as ended."""
MOST_REASONS: Final = 20
"""Different reasons that are counted until the next report."""


@dataclass
class StepDowns:
    """The rows of one model that were not predicted by the champion, since the last alert.

    last: when a row stepped down last; None while no alert is open.
    """

    last: datetime | None = None
    _rows: Counter[tuple[str, str]] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, rungs: Iterable[str], reasons: Iterable[str | None]) -> None:
        """Count the rows of a response.

        Args:
            rungs: Rung of each row.
            reasons: Why each row stepped down, None for the champion's rows.
        """
        with self._lock:
            for rung, reason in zip(rungs, reasons, strict=True):
                key = (rung, reason or "")
                if reason is not None and (key in self._rows or len(self._rows) < MOST_REASONS):
                    self._rows[key] += 1

    def report(self, platform: Platform, spec: ModelSpec, now: datetime | None = None) -> None:
        """Send an alert for each reason since the last call, or close the alerts when there was none for a while.

        Args:
            platform: The stores.
            spec: The model file.
            now: Present time, with a zone; None for the clock's.
        """
        now = now or datetime.now(UTC)
        with self._lock:
            rows, self._rows = self._rows, Counter()
        for (rung, reason), count in rows.items():
            self.last = now
            send_alert(
                platform,
                "serving_fallback",
                f"rung '{rung}' in place of the champion for {count:,} rows: {reason}",
                key=f"serving_fallback-{spec.name}-{rung}-{reason}-{now:%Y-%m-%dT%H}",
                at=now,
                spec=spec,
                group=f"serving_fallback/{spec.name}/{rung}/{reason}",
            )
        if self.last is not None and now - self.last > CLOSE_AFTER:
            close_alert(platform, "serving_fallback", spec.name, now)
            self.last = None
