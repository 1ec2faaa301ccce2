"""What the ledger knows of one model's retrains, as the governor needs it.

Comes in: requests with their outcomes, newest first. Goes out: whether data was tried, how many tries failed or were
kept in a row, what the last week used up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Final, Literal

from mlops_assets.artifacts import Cause, Signal

Outcome = Literal["promoted", "kept", "refused"]

FROM_REPORTS: Final[frozenset[Cause]] = frozenset(
    {"error", "bias", "drift", "importance", "data_volume", "upstream"}
)
"""Causes that a report measures: a challenger that did not win says something about them."""
WEEK: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class PastRequest:
    """An earlier request.

    Attributes:
        key: Its key; `<key>~2` is the second try of `<key>`.
        signals: The evidence that it was made for.
        requested_at: When it was recorded.
        state: open, running, done, failed or dropped.
        finished_at: When its run ended.
        outcome: What became of the challenger; None where there was none.
    """

    key: str
    signals: tuple[Signal, ...]
    requested_at: datetime
    state: str
    finished_at: datetime | None = None
    outcome: Outcome | None = None

    @property
    def in_flight(self) -> bool:
        """Whether its run has not ended."""
        return self.state in ("open", "running")

    @property
    def from_report(self) -> bool:
        """Whether only reports requested it."""
        return bool(self.signals) and all(signal.cause in FROM_REPORTS for signal in self.signals)

    def tried(self, signal: Signal) -> bool:
        """Return whether the request was about this evidence, or about data that includes all of its window.

        Args:
            signal: The signal to compare.

        Returns:
            True when a retrain has already used the evidence.
        """
        if any(signal.repeats(earlier) for earlier in self.signals):
            return True
        includes = signal.start is not None and signal.at <= self.requested_at
        return includes and any(earlier.at >= signal.at for earlier in self.signals)


@dataclass(frozen=True, slots=True)
class RetrainHistory:
    """Requests of one model, newest first, and its present champion."""

    champion: int | None = None
    requests: tuple[PastRequest, ...] = ()

    @property
    def in_flight(self) -> PastRequest | None:
        """The request whose run has not ended."""
        return next((request for request in self.requests if request.in_flight), None)

    @property
    def failures(self) -> tuple[PastRequest, ...]:
        """The newest requests as far back as all failed, newest first."""
        return tuple(takewhile(lambda request: request.state == "failed", self.requests))

    @property
    def unsuccessful(self) -> tuple[PastRequest, ...]:
        """Requests of reports since the last promotion whose challenger did not win, newest first."""
        since = takewhile(lambda request: request.outcome != "promoted", self.requests)
        return tuple(request for request in since if request.from_report and request.state == "done")

    def last_week(self, now: datetime) -> Iterator[PastRequest]:
        """Yield the requests of the last seven days.

        Args:
            now: Present time, with a zone.

        Yields:
            Requests, newest first.
        """
        return (request for request in self.requests if now - request.requested_at < WEEK)

    def tries(self, key: str) -> int:
        """Return how many requests carried this key, with or without the number of a try.

        Args:
            key: Key without the number of a try.

        Returns:
            Number of requests.
        """
        return sum(request.key.partition("~")[0] == key for request in self.requests)
