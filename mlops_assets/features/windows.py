"""Statistics over true time windows, whose values depend on nothing but the readings inside the window.

Comes in: readings in the order of entity, then time. Goes out: one column per window and statistic. Which windows are
wanted is for the model file to say.

Running sums (pandas, polars) carry rounding errors from readings long gone, so that the same window gives other
last digits in a long history than in a short one: training and serving would differ. Here time is cut into blocks as
long as the window; each window is then the end of one block and the beginning of the next, and sums run inside blocks
only (van Herk 1992, Gil and Werman 1993, for sums instead of maxima). Spread is merged as in Chan, Golub and LeVeque
(1979), which does not cancel.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RUNNING: Final = frozenset({"mean", "std", "sum", "count"})
"""Statistics computed here; the others are picked from the window's values, where nothing can accumulate."""


@dataclass(frozen=True, slots=True)
class Line:
    """Readings on a line: rows sorted by entity, then time (microseconds), and where each entity begins."""

    times: Ints
    starts: Ints
    """First row of each entity, and the number of rows as the last entry."""


@dataclass(frozen=True, slots=True)
class Window:
    """For each row the first and last reading of its window (last < first: empty), and the blocks that cut the line.

    block numbers the blocks along the line; none holds two entities. shelves are index matrices (blocks, rows) of
    blocks of like length, padded with -1.
    """

    first: Ints
    last: Ints
    block: Ints
    shelves: tuple[Ints, ...]


def line(times: Ints, entities: pl.Series | None) -> Line:
    """The line of a sorted frame; `entities` is None where there is only one series."""
    rows = len(times)
    if entities is None or rows == 0:
        return Line(times, np.array([0, rows], dtype=np.int64))
    starts = np.flatnonzero(np.diff(entities.rle_id().to_numpy().astype(np.int64))) + 1
    return Line(times, np.concatenate([[0], starts, [rows]]).astype(np.int64))


def window(on: Line, length: timedelta, *, including: bool) -> Window:
    """Windows (t - length, t] when `including` the row's own instant, else [t - length, t)."""
    micros = length // timedelta(microseconds=1)
    rows = len(on.times)
    first, last = np.empty(rows, dtype=np.int64), np.empty(rows, dtype=np.int64)
    fresh = np.zeros(rows, dtype=bool)
    side: Literal["left", "right"] = "right" if including else "left"
    for start, stop in zip(on.starts[:-1].tolist(), on.starts[1:].tolist(), strict=True):
        own = on.times[start:stop]
        first[start:stop] = start + np.searchsorted(own, own - micros, side=side)
        last[start:stop] = start + np.searchsorted(own, own, side=side) - 1
        fresh[start + 1 : stop] = np.diff(own // micros) != 0
        fresh[start:stop][:1] = True
    return Window(first, last, np.cumsum(fresh) - 1, _shelves(np.flatnonzero(fresh), rows))


def _shelves(starts: Ints, rows: int) -> tuple[Ints, ...]:
    """Blocks gathered by length, so that padding never more than doubles the work."""
    lengths = np.diff(starts, append=rows)
    classes = np.ceil(np.log2(np.maximum(lengths, 1))).astype(np.int64)
    shelves = []
    for size in np.unique(classes).tolist():
        chosen = classes == size
        steps = np.arange(lengths[chosen].max())
        shelf = starts[chosen][:, None] + steps
        shelf[steps >= lengths[chosen][:, None]] = -1
        shelves.append(shelf)
    return tuple(shelves)


def running(over: Window, values: Floats, wanted: Collection[str]) -> dict[str, Floats]:
    """Those of `wanted` that are in RUNNING. Missing values (NaN) do not count.

    An empty window gives NaN, and 0 for count; std is the sample standard deviation, NaN below two values.
    """
    asked = RUNNING.intersection(wanted)
    present = np.isfinite(values)
    total = np.concatenate([[0], np.cumsum(present)])
    count = np.maximum(total[over.last + 1] - total[over.first], 0)
    found: dict[str, Floats] = {"count": count.astype(np.float64)}
    if asked - {"count"} and len(values):
        sums, squares = _summary(over, values, spread="std" in asked)
        with np.errstate(invalid="ignore", divide="ignore"):
            found["sum"] = np.where(count > 0, sums, np.nan)
            found["mean"] = found["sum"] / count
            found["std"] = np.where(count > 1, np.sqrt(squares / (count - 1)), np.nan)
    return {name: found.get(name, np.empty(0)) for name in asked}


def _summary(over: Window, values: Floats, *, spread: bool) -> tuple[Floats, Floats]:
    """Sum, and sum of squared distances from the mean, of each window.

    A row's window begins in the block before the row's own, or at the start of that; it ends in the row's own block,
    or at the end of the one before. So it is the tail of one block, the head of the next, or both.
    """
    heads, tails = _scans(over.shelves, values, spread)
    filled = over.last >= over.first
    first, last = np.minimum(over.first, len(values) - 1), np.maximum(over.last, 0)
    tail = tails.at(first, filled & (over.block[first] != over.block))
    head = heads.at(last, filled & (over.block[last] == over.block))
    sums = tail.sums + head.sums
    if not spread:
        return sums, sums
    both = (tail.counts > 0) & (head.counts > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = head.sums / head.counts - tail.sums / tail.counts
        weight = head.counts * tail.counts / (head.counts + tail.counts)
    return sums, tail.squares + head.squares + np.where(both, apart * apart * weight, 0.0)


@dataclass(frozen=True, slots=True)
class _Scan:
    """Count, sum and sum of squared distances from the mean, from one end of a block up to each row."""

    counts: Floats
    sums: Floats
    squares: Floats

    def at(self, rows: Ints, where: NDArray[np.bool_]) -> _Scan:
        """The scan at some rows; nothing where `where` is false."""
        return _Scan(*(np.where(where, part[rows], 0.0) for part in (self.counts, self.sums, self.squares)))


def _scans(shelves: Iterable[Ints], values: Floats, spread: bool) -> tuple[_Scan, _Scan]:
    """From the start of each block, and from its end."""
    heads, tails = (_Scan(*(np.zeros(len(values)) for _ in range(3))) for _ in range(2))
    for shelf in shelves:
        held = shelf >= 0
        cells = np.where(held, values[shelf], np.nan)
        present = np.isfinite(cells)
        cells[~present] = 0.0
        rows = shelf[held]
        for scan, turn in ((heads, slice(None)), (tails, slice(None, None, -1))):
            for part, filled in zip(
                (scan.counts, scan.sums, scan.squares),
                _scan(cells[:, turn], present[:, turn], spread),
                strict=False,
            ):
                part[rows] = filled[:, turn][held]
    return heads, tails


def _scan(cells: Floats, present: NDArray[np.bool_], spread: bool) -> Iterator[Floats]:
    """Along the second axis. Squared distances grow by d^2 n / (n + 1), d being the distance from the mean so far
    (Welford 1962)."""
    counts = np.cumsum(present, axis=1, dtype=np.float64)
    sums = np.cumsum(cells, axis=1)
    yield counts
    yield sums
    if spread:
        before, so_far = counts - present, np.zeros_like(sums)
        so_far[:, 1:] = sums[:, :-1]
        distance = cells - so_far / np.maximum(before, 1.0)
        growth = np.where(present, distance * distance * (before / np.maximum(counts, 1.0)), 0.0)
        yield np.cumsum(growth, axis=1)
