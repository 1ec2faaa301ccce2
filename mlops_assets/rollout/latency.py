"""Latencies in buckets of equal ratio: counts of several processes add up, and percentiles follow from them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

SHORTEST: Final = 1e-5
"""Upper edge of the first bucket, in seconds."""
PER_DOUBLING: Final = 4
BUCKETS: Final = 96
"""The last one begins above two minutes."""


def bucket(seconds: float) -> int:
    """Return the index of the bucket of a latency.

    Args:
        seconds: The latency.

    Returns:
        0 to `BUCKETS` - 1.
    """
    if seconds <= SHORTEST:
        return 0
    return min(BUCKETS - 1, math.ceil(PER_DOUBLING * math.log2(seconds / SHORTEST)))


def upper_edge(index: int) -> float:
    """Return the longest latency of a bucket.

    Args:
        index: Index of the bucket.

    Returns:
        Seconds.
    """
    return float(SHORTEST * 2 ** (index / PER_DOUBLING))


def total(counts: Iterable[Sequence[int]]) -> list[int]:
    """Return the sum of several histograms.

    Args:
        counts: Requests by bucket, of each process.

    Returns:
        Requests by bucket.
    """
    summed = [0] * BUCKETS
    for histogram in counts:
        for index, count in enumerate(histogram[:BUCKETS]):
            summed[index] += count
    return summed


def percentile(histogram: Sequence[int], share: float) -> float:
    """Return a percentile, rounded up to the edge of its bucket.

    Args:
        histogram: Requests by bucket, at least one request.
        share: Between 0 and 1.

    Returns:
        Seconds.
    """
    needed, reached = share * sum(histogram), 0
    for index, count in enumerate(histogram):
        reached += count
        if reached >= needed and count:
            return upper_edge(index)
    return upper_edge(BUCKETS - 1)


def slower_than(histogram: Sequence[int], seconds: float) -> int:
    """Return how many requests certainly took longer than a limit.

    Args:
        histogram: Requests by bucket.
        seconds: The limit.

    Returns:
        Requests of the buckets that begin at or above the limit.
    """
    return sum(count for index, count in enumerate(histogram) if index and upper_edge(index - 1) >= seconds)
