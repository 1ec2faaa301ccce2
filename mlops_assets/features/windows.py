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

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Parts = dict[str, Floats]
"""By name, as in NOTHING: one number per cell or row."""

CELLS: Final = 2**13
"""Numbers worked on together: several arrays of them fit a cache."""
PIECE: Final = 2**18
"""Rows of a table built together: enough to make calls cheap, few enough to keep working memory small."""
NEEDS: Final = {
    "count": ("count",),
    "sum": ("sum",),
    "mean": ("sum",),
    "std": ("sum", "squares"),
    "min": ("min",),
    "max": ("max",),
}
"""What must be kept of a block's head or tail for each statistic; squares are distances from the mean, squared."""
NOTHING: Final = {"count": 0.0, "sum": 0.0, "squares": 0.0, "min": np.inf, "max": -np.inf}
RUNNING: Final = frozenset(NEEDS)
"""Statistics computed here. The median is polars' own: it is picked from the window's values, nothing accumulates."""


@dataclass(frozen=True, slots=True)
class Line:
    """Readings on a line: rows sorted by entity, then time (microseconds), and where each entity begins."""

    times: Ints
    starts: Ints
    """First row of each entity, and the number of rows as the last entry."""


@dataclass(frozen=True, slots=True)
class Window:
    """For each row the first and last reading of its window (last < first: empty), and the cells that sums run in.

    Cells are the rows again, block next to block: shelves are index matrices (blocks, rows of a block) of blocks of
    like length, padded with -1, and cells are counted along the shelves. head is the cell where the part of a row's
    window ends that lies in the row's own block, tail the cell where the part begins that lies in the block before;
    one cell beyond the last stands for a part that is not there. head_rows and tail_rows count their readings.
    """

    first: Ints
    last: Ints
    shelves: tuple[Ints, ...]
    head: Ints
    tail: Ints
    head_rows: Floats
    tail_rows: Floats


def line(times: Ints, entities: pl.Series | None) -> Line:
    """Return the entities' boundaries and instants of a sorted table.

    Args:
        times: Instants in microseconds since 1970, int64, shape (rows,).
        entities: Entity of each row, sorted; None where there is only one series.

    Returns:
        The line.
    """
    rows = len(times)
    if entities is None or rows == 0:
        return Line(times, np.array([0, rows], dtype=np.int64))
    starts = np.flatnonzero(np.diff(entities.rle_id().to_numpy().astype(np.int64))) + 1
    return Line(times, np.concatenate([[0], starts, [rows]]).astype(np.int64))


def pieces(on: Line) -> Iterator[tuple[slice, Line]]:
    """Cut the line between entities into parts of about `PIECE` rows; an entity is never cut.

    Args:
        on: The line.

    Yields:
        Slice of rows and the line of that slice; at least one.
    """
    first, ends = 0, on.starts[1:]
    while first == 0 or first < len(ends):
        begin = on.starts[first]
        stop = min(max(int(np.searchsorted(ends, begin + PIECE, side="right")), first + 1), len(ends))
        rows = slice(int(begin), int(on.starts[stop]))
        yield rows, Line(on.times[rows], on.starts[first : stop + 1] - begin)
        first = stop


def window(on: Line, length: timedelta, *, including: bool) -> Window:
    """Return for each row the range of rows in its window.

    Args:
        on: The line.
        length: Length of the window.
        including: True: (t - length, t], with the row's own instant; False: [t - length, t).

    Returns:
        First and last index per row.
    """
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
    starts = np.flatnonzero(fresh)
    return _with_cells(first, last, np.cumsum(fresh) - 1, starts, np.diff(starts, append=rows))


def _with_cells(first: Ints, last: Ints, block: Ints, starts: Ints, lengths: Ints) -> Window:
    """Return a window begins in the block before the row's own, or at the start of that.

    It ends in the row's own block, or at the end of the one before. So it is the tail of one block, the head
    of the next, or both.
    """
    shelves = _shelves(starts, lengths)
    cell = np.empty(len(first) + 1, dtype=np.int64)
    begin = 0
    for shelf in shelves:
        kept = shelf >= 0
        cell[shelf[kept]] = begin + np.flatnonzero(kept)
        begin += shelf.size
    filled = last >= first
    end, start = np.maximum(last, 0), np.minimum(first, len(first) - 1)
    has_head, has_tail = filled & (block[end] == block), filled & (block[start] != block)
    return Window(
        first=first,
        last=last,
        shelves=shelves,
        head=np.where(has_head, cell[end], begin),
        tail=np.where(has_tail, cell[start], begin),
        head_rows=np.where(has_head, end - starts[block] + 1.0, 0.0),
        tail_rows=np.where(has_tail, (starts + lengths)[block[start]] - start + 0.0, 0.0),
    )


def _shelves(starts: Ints, lengths: Ints) -> tuple[Ints, ...]:
    """Blocks by length, so that padding never more than doubles the work, cut into matrices that fit a cache."""
    classes = np.ceil(np.log2(np.maximum(lengths, 1))).astype(np.int64)
    shelves = []
    for size in np.unique(classes).tolist():
        chosen = np.flatnonzero(classes == size)
        steps = np.arange(lengths[chosen].max())
        together = max(1, CELLS // len(steps))
        for some in np.array_split(chosen, max(1, -(-len(chosen) // together))):
            shelf = starts[some][:, None] + steps
            shelf[steps >= lengths[some][:, None]] = -1
            shelves.append(shelf)
    return tuple(shelves)


def running(over: Window, values: Floats, wanted: Collection[str]) -> dict[str, Floats]:
    """Compute the running statistics of each window. Missing values (NaN) do not count.

    Args:
        over: Windows of `window`.
        values: Values, float64, shape (rows,).
        wanted: Names of statistics; those outside `RUNNING` are ignored.

    Returns:
        Shape (rows,) per statistic; NaN for an empty window (count: 0). std is the sample standard deviation,
        NaN below two values.
    """
    requested = RUNNING.intersection(wanted)
    result: dict[str, Floats] = {name: np.empty(len(values)) for name in sorted(requested)}
    if not len(values):
        return result
    present = np.isfinite(values)
    whole = bool(present.all())
    kept = {part for name in requested for part in NEEDS[name]} | (set() if whole else {"count"})
    heads = _scan(over, values, present, kept, backwards=False)
    tails = _scan(over, values, present, kept, backwards=True)
    for begin in range(0, len(values), CELLS):
        rows = slice(begin, begin + CELLS)
        head: Parts = {name: cells[over.head[rows]] for name, cells in heads.items()}
        tail: Parts = {name: cells[over.tail[rows]] for name, cells in tails.items()}
        if whole:
            head["count"], tail["count"] = over.head_rows[rows], over.tail_rows[rows]
        for name, column in _joined(head, tail, requested):
            result[name][rows] = column
    return result


def _joined(head: Parts, tail: Parts, statistics: frozenset[str]) -> Iterator[tuple[str, Floats]]:
    """Two parts as one window.

    Their spread together is their own spreads and the distance between their means (Chan et al.).
    """
    count = head["count"] + tail["count"]
    if "count" in statistics:
        yield "count", count
    with np.errstate(invalid="ignore", divide="ignore"):
        if "sum" in statistics:
            yield "sum", np.where(count > 0.0, head["sum"] + tail["sum"], np.nan)
        if "mean" in statistics:
            yield "mean", (head["sum"] + tail["sum"]) / count
        if "std" in statistics:
            difference = head["sum"] / np.maximum(head["count"], 1.0) - tail["sum"] / np.maximum(
                tail["count"], 1.0
            )
            squares = (
                head["squares"]
                + tail["squares"]
                + difference * difference * (head["count"] * tail["count"] / count)
            )
            yield "std", np.where(count > 1.0, np.sqrt(squares / (count - 1.0)), np.nan)
        if "min" in statistics:
            yield "min", np.where(count > 0.0, np.minimum(head["min"], tail["min"]), np.nan)
        if "max" in statistics:
            yield "max", np.where(count > 0.0, np.maximum(head["max"], tail["max"]), np.nan)


def _scan(
    over: Window, values: Floats, present: NDArray[np.bool_], kept: Collection[str], *, backwards: bool
) -> Parts:
    """For every cell, what is `kept` of it and all cells before it in its block (after it when `backwards`).

    The cell beyond the last stands for no reading at all.
    """
    size = sum(shelf.size for shelf in over.shelves) + 1
    made: Parts = {name: np.full(size, NOTHING[name]) for name in kept}
    turn = slice(None, None, -1) if backwards else slice(None)
    begin = 0
    for shelf in over.shelves:
        region = slice(begin, begin + shelf.size)
        begin += shelf.size
        holdout_part = present[shelf]
        holdout_part &= shelf >= 0
        result = values[shelf]
        for name, scanned in _scanned(result[:, turn], holdout_part[:, turn], kept):
            made[name][region].reshape(shelf.shape)[:, turn] = scanned
    return made


def _scanned(
    numbers: Floats, present: NDArray[np.bool_], kept: Collection[str]
) -> Iterator[tuple[str, Floats]]:
    """Along the second axis, from the first column to each; what is not `present` does not count."""
    if "sum" in kept:
        sums = np.cumsum(np.where(present, numbers, 0.0), axis=1)
        yield "sum", sums
        if "squares" in kept:
            yield "squares", _squares(numbers, sums, present)
    if "count" in kept:
        yield "count", np.cumsum(present, axis=1, dtype=np.float64)
    if "min" in kept:
        yield "min", np.minimum.accumulate(np.where(present, numbers, np.inf), axis=1)
    if "max" in kept:
        yield "max", np.maximum.accumulate(np.where(present, numbers, -np.inf), axis=1)


def _squares(numbers: Floats, sums: Floats, present: NDArray[np.bool_]) -> Floats:
    """Compute sums of squared distances from the mean so far.

    Each number adds d^2 n / (n + 1), where d is its distance from the mean of the n before it (Welford 1962).
    """
    counts = np.cumsum(present, axis=1, dtype=np.float64)
    before = counts - present
    growth = np.zeros_like(sums)
    np.divide(sums[:, :-1], np.maximum(before[:, 1:], 1.0), out=growth[:, 1:])
    np.subtract(numbers, growth, out=growth)
    growth *= growth
    growth *= before / np.maximum(counts, 1.0)
    growth[~present] = 0.0
    summed: Floats = np.cumsum(growth, axis=1)
    return summed
