"""One roll-out in this process: both versions loaded, each request served by exactly one, everything counted.

Comes in: a request's records and its key. Goes out: the response of one version, and which. A challenger that fails a
request costs no caller a response: the champion serves it, and the failure is counted.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from mlops_assets.artifacts.rollouts import Arm, Observation, Rollout
from mlops_assets.rollout import BUCKETS, bucket, is_challengers
from mlops_assets.serving.fallback import CHAMPION
from mlops_assets.serving.payload import Row
from mlops_assets.serving.served import Served

KEY_HEADER: Final = b"x-rollout-key"
"""A caller that sends it always gets the same version for the same value."""


class Counts:
    """Requests, errors and latencies by step and arm since the process followed the roll-out."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[int, Arm], tuple[list[int], list[int]]] = {}

    def add(self, step: int, arm: Arm, seconds: float | None) -> None:
        """Count a request.

        Args:
            step: Index of the step.
            arm: Who served it, or should have.
            seconds: Its latency; None for a failure.
        """
        with self._lock:
            totals, latencies = self._counts.setdefault((step, arm), ([0, 0], [0] * BUCKETS))
            totals[0] += 1
            if seconds is None:
                totals[1] += 1
            else:
                latencies[bucket(seconds)] += 1

    def observations(
        self, process: str, step: int, at: datetime, *, loaded: bool, problem: str | None = None
    ) -> list[Observation]:
        """Return what was counted; the challenger's present step always, so that the process is known to live.

        Args:
            process: Name of this process.
            step: Index of the present step.
            at: Present time, with a zone.
            loaded: Whether the challenger is in memory.
            problem: Why it cannot be loaded.

        Returns:
            An observation per step and arm.
        """
        with self._lock:
            counted = {
                key: (totals[0], totals[1], tuple(latencies))
                for key, (totals, latencies) in self._counts.items()
            }
        present: tuple[int, Arm] = (step, "challenger")
        counted.setdefault(present, (0, 0, ()))
        return [
            Observation(process, number, arm, requests, errors, latencies, loaded, problem, at)
            for (number, arm), (requests, errors, latencies) in counted.items()
        ]


@dataclass(frozen=True)
class Split:
    """A roll-out whose versions are loaded. champion: the champion of its start."""

    rollout: Rollout
    challenger: Served
    champion: Served
    counts: Counts = field(default_factory=Counts)

    @property
    def is_quick(self) -> bool:
        """Return whether a few rows take so little time that other requests may wait for them."""
        return self.challenger.is_quick and self.champion.is_quick

    def respond(
        self, current: Served, rows: Sequence[Row], key: bytes | None
    ) -> tuple[Served, dict[str, Any]]:
        """Return the version that serves these records, and its response.

        Args:
            current: The champion that this process follows.
            rows: Records of the request.
            key: What the caller's requests have in common; None: the entity of the first row, else its readings.

        Returns:
            The version and the response's document, all of it by that version.

        Raises:
            DataError: As `Served.respond` of the champion.
        """
        began = time.perf_counter()
        step, share = self.rollout.step, self.rollout.share
        # the champion may have moved before or after this process learns of the roll-out's new state
        is_champion = current.version == self.challenger.version
        if not is_champion and (
            not share or not is_challengers(self.rollout.id, key or self._key(rows), share)
        ):
            document = current.respond(rows)
            self.counts.add(step, "champion", time.perf_counter() - began)
            return current, document
        own = attempt(self.challenger, rows)
        if own is not None:
            self.counts.add(step, "challenger", time.perf_counter() - began)
            return self.challenger, own
        other = self.champion if current.version == self.challenger.version else current
        document = other.respond(
            rows
        )  # a request that nobody can serve is the caller's mistake, and no count
        if _is_own(document):
            self.counts.add(step, "challenger", None)
        return other, document

    def counterpart(self, serving: Served) -> Served | None:
        """Return the version whose prediction of the same rows is stored, for a comparison on labels.

        Args:
            serving: The version that served the request.

        Returns:
            The champion for requests of a canary's challenger, the challenger for requests during a shadow.
        """
        if self.rollout.state not in ("running", "paused"):
            return None
        strategy = self.rollout.plan.strategy
        if strategy == "shadow" and serving.version != self.challenger.version:
            return self.challenger
        if strategy == "canary" and serving.version == self.challenger.version:
            return self.champion
        return None

    def predict_counterpart(self, version: Served, rows: Sequence[Row]) -> dict[str, Any] | None:
        """Return the response of the version that did not serve, and count it if it is a shadow.

        Args:
            version: Result of `counterpart`.
            rows: Records of the request.

        Returns:
            The document, or None where it fails.
        """
        began = time.perf_counter()
        document = attempt(version, rows)
        if self.rollout.plan.strategy == "shadow":
            seconds = None if document is None else time.perf_counter() - began
            self.counts.add(self.rollout.step, "challenger", seconds)
        return document

    def _key(self, rows: Sequence[Row]) -> bytes:
        row, entity = rows[0], self.challenger.spec.entity
        value: object = row.get(entity) if entity is not None else None
        return json.dumps(row if value is None else value, sort_keys=True, default=str).encode()


def attempt(version: Served, rows: Sequence[Row]) -> dict[str, Any] | None:
    """Return the response of a version that may fail.

    Args:
        version: The version.
        rows: Records of the request.

    Returns:
        The document; None where it fails, however it fails, or would step down its fallback ladder.
    """
    try:
        document = version.respond(rows)
    except BaseException as error:  # polars' PanicException is no Exception
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            return None
        raise
    return document if _is_own(document) else None


def _is_own(document: dict[str, Any]) -> bool:
    """Return whether every row was predicted by the version itself, not by a rung below it."""
    return all(rung == CHAMPION for rung in document.get("rungs", ()))
