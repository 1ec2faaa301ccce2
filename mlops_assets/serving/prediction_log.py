"""The prediction log: what was predicted from what, written to the ledger off the request's path.

Comes in: a response and its records, in a microsecond. Goes out: rows in the ledger, some at a time, from a thread. The
queue is bounded: what does not fit while the ledger does not respond is counted as lost, never waited for. At a clean
shutdown the queue is written first.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

from mlops_assets.errors import ServiceError
from mlops_assets.ledger import ServedPrediction
from mlops_assets.serving import table
from mlops_assets.serving.payload import Row
from mlops_assets.serving.served import Served

MOST_ROWS: Final = 100_000
BATCH_ROWS: Final = 2_000
FLUSH_SECONDS: Final = 0.5
LONGEST_PAUSE: Final = 10.0
"""Seconds between two attempts while the ledger does not respond."""
STOP_SECONDS: Final = 20.0
"""How long a shutdown waits for a ledger that does not respond."""

_LOGGER: Final = logging.getLogger(__name__)
Store = Callable[[Sequence[ServedPrediction]], int]


@dataclass(frozen=True, slots=True)
class Entry:
    """One response on its way to the ledger."""

    served: Served
    rows: Sequence[Row]
    document: dict[str, Any]
    predicted_at: datetime


class PredictionLog:
    """A bounded queue and the thread that empties it.

    Args:
        store: Writes rows; raises ServiceError while the ledger does not respond.
        most_rows: Rows that wait at most.
        flush_seconds: Seconds between two writes.
    """

    def __init__(
        self, store: Store, most_rows: int = MOST_ROWS, flush_seconds: float = FLUSH_SECONDS
    ) -> None:
        self._store, self._most, self._flush = store, most_rows, flush_seconds
        self._queue: deque[Entry] = deque()
        self._lock = threading.Lock()
        self._queued = self._written = self._lost = 0
        self._problem: str | None = None
        self._last_tick = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)

    def start(self) -> None:
        """Start writing."""
        self._thread.start()

    def add(self, served: Served, rows: Sequence[Row], document: dict[str, Any]) -> None:
        """Queue a response; when the queue is full it is counted as lost.

        Args:
            served: The champion that predicted.
            rows: The records of the request.
            document: The response, with `id`.
        """
        entry = Entry(served, rows, document, datetime.now(UTC))
        with self._lock:
            if self._queued + len(rows) > self._most:
                self._lost += len(rows)
                return
            self._queued += len(rows)
            self._queue.append(entry)

    def stop(self, seconds: float = STOP_SECONDS) -> int:
        """Write what is queued, for at most so many seconds, and end the thread.

        Args:
            seconds: How long to wait for a ledger that does not respond.

        Returns:
            How many rows were lost since the start.
        """
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(seconds)
        with self._lock:
            self._lost += self._queued
            self._queued = 0
            self._queue.clear()
        if self._lost:
            _LOGGER.error("%d predictions are not in the log: %s", self._lost, self._problem or "queue full")
        return self._lost

    def status(self) -> dict[str, Any]:
        """Return rows queued, written and lost, and what is wrong."""
        return {
            "queued": self._queued,
            "written": self._written,
            "lost": self._lost,
            "problem": self._problem,
        }

    def loops(self) -> dict[str, Any]:
        """Return whether the writing thread runs, and the seconds since it last wrote or looked."""
        alive = self._thread.is_alive() or self._thread.ident is None
        return {"prediction_log": {"alive": alive, "seconds": round(time.monotonic() - self._last_tick, 1)}}

    def _run(self) -> None:
        pause = self._flush
        while True:
            stopping = self._stop.wait(pause)
            pause = self._flush
            self._last_tick = time.monotonic()
            while (entries := self._next()) and self._write(entries):
                self._last_tick = time.monotonic()
            if self._problem is not None:
                pause = min(max(2 * pause, 1.0), LONGEST_PAUSE)
                if stopping:
                    time.sleep(0.1)  # the event is set: do not turn in a circle
            elif stopping and not self._queue:
                return

    def _next(self) -> list[Entry]:
        """Return the oldest entries without taking them off the queue."""
        entries: list[Entry] = []
        rows = 0
        with self._lock:
            oldest = list(islice(self._queue, BATCH_ROWS))
        for entry in oldest:
            if rows and rows + len(entry.rows) > BATCH_ROWS:
                break
            entries.append(entry)
            rows += len(entry.rows)
        return entries

    def _write(self, entries: list[Entry]) -> bool:
        """Write entries and take them off the queue; False where the ledger does not respond."""
        try:
            self._store([row for entry in entries for row in served_rows(entry)])
            self._problem, refused = None, 0
        except (ServiceError, OSError, MemoryError) as error:
            self._problem = str(error) or type(error).__name__
            return False
        except BaseException as error:
            if len(entries) > 1:
                return all(self._write([entry]) for entry in entries)
            refused, self._problem = len(entries[0].rows), None
            _LOGGER.exception("a prediction cannot be logged: %s", type(error).__name__)
        with self._lock:
            rows = sum(len(entry.rows) for entry in entries)
            if not self._queue:  # a shutdown that waited long enough has counted them as lost
                return False
            self._queued -= rows
            self._lost += refused
            self._written += rows - refused
            for _ in entries:
                self._queue.popleft()
        return True


def served_rows(entry: Entry) -> list[ServedPrediction]:
    """Return a row of the ledger for each row of a response.

    Args:
        entry: The response.

    Returns:
        Rows in the order of the response.
    """
    document, spec = entry.document, entry.served.spec
    instants = table.instants(spec, entry.rows)
    entities = [str(row.get(spec.entity, "")) if spec.entity else "" for row in entry.rows]
    if instants is not None and spec.features.horizon is not None:
        instants = [at + spec.features.horizon for at in instants]
    probabilities = document.get("probabilities")
    history = document.get("history")
    nothing = [None] * len(entry.rows)
    versions = document.get("versions")
    return [
        ServedPrediction(
            id=document["id"],
            row=index + 1,
            model=spec.name,
            version=versions[index] if versions else entry.served.version,
            revision=entry.served.revision,
            entity=entities[index],
            at=entry.predicted_at if instants is None else instants[index],
            predicted_at=entry.predicted_at,
            value=prediction if probabilities is None else max(probabilities[index]),
            low=document.get("low", nothing)[index],
            high=document.get("high", nothing)[index],
            label=None if probabilities is None else str(prediction),
            readings={name: row[name] for name in entry.served.columns.needed if name in row},
            history_version=history["table_version"] if history else None,
            rung=document.get("rungs", nothing)[index],
        )
        for index, (row, prediction) in enumerate(zip(entry.rows, document["predictions"], strict=True))
    ]
