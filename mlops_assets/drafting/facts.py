"""The facts about a table that a draft needs, and what follows from them for the model.

Comes in: numbers and names measured by `profile`. Goes out: `TableFacts`, and what follows from it alone: whether the
rows are a series, how far ahead a forecast looks, which seasons the table holds. No text is written here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from mlops_assets.model_file.algorithms import Problem

Kind = Literal["number", "text", "boolean", "time", "other"]
Unit = Literal["s", "ms", "us", "ns", "h", "d", "week", "year"]
Writing = Literal["decimal_comma", "thousands"]
Role = Literal["input", "target", "timestamp", "entity", "left out"]

MANY_MISSING: Final = 0.5
"""Columns that miss more than this are left out."""
FEW_INPUTS: Final = 3
"""A regular series with fewer inputs than this is taken for a forecast."""
MANY_REPEATED: Final = 0.2
"""Share of repeated rows above which they are no copies: the table has few columns of few values."""
BEYOND_CHANCE: Final = 3.0
"""How many times more rows than by chance must repeat another before they are copies."""
LONGEST_NAME: Final = 128
STEADY: Final = 0.4
"""Share of equal steps below which rows are events: two at one instant are then two, not one twice."""
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
SEASONS: Final = (DAY, 7 * DAY)


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """One column after its repairs. missing is a share; span is the observed range in words.

    why says why a column is left out, note what a person should know of one that stays.
    """

    name: str
    kind: Kind
    role: Role
    missing: float
    distinct: int
    span: str = ""
    why: str = ""
    note: str = ""
    sentinels: tuple[str | int | float, ...] = ()
    absurd: tuple[tuple[int, float], ...] = ()
    """Row (from 1) and value of the few that nothing else in the column comes near; they are among the sentinels."""
    cast: Literal["number", "text"] | None = None
    writing: Writing | None = None
    flagged_by: str | None = None
    """The column that looks like this one's quality flag."""


@dataclass(frozen=True, slots=True)
class TimeFacts:
    """The timestamp column. step is the usual time between readings of an entity, regular the share that keep to it."""

    column: str
    span: str
    length: timedelta
    """From the first reading to the last."""
    step: timedelta | None
    regular: float
    zoned: bool
    sorted: bool
    missing: int
    repeated: int
    """Rows whose entity and timestamp stood in an earlier row."""
    format: str | None = None
    unit: Unit | None = None
    months: int | None = None
    """The usual step in months, where readings keep to the calendar."""
    instants: int = 0
    """Different instants of all entities."""
    future: int = 0
    """Rows dated after the moment of drafting: no run sees them before their time."""
    last: str = ""
    """The day after the newest reading."""
    made_of: tuple[str, ...] = ()
    """Columns that make this one, side by side."""
    unreadable: tuple[tuple[int, str], ...] = ()
    """Row (from 1) and text of the few values that are no times."""
    days_first: str | None = None
    """The format that reads every value as well, with day and month changed about."""

    @property
    def lost(self) -> int:
        """Return how many rows a run today would leave out."""
        return self.missing + self.repeated + self.future


@dataclass(frozen=True, slots=True)
class TableFacts:
    """A table as far as a first model file needs to know it.

    classes are (value, rows) of the target, most frequent first, when it has few values; rare those too rare to learn.
    repeated: rows equal to an earlier row.
    """

    rows: int
    target: str
    problem: Problem
    columns: tuple[ColumnFacts, ...]
    time: TimeFacts | None
    entity: str | None
    entity_of: tuple[str, ...]
    """Columns that make the entity, side by side; empty where it is a column of the table."""
    group: str | None
    """In a table without time: the unit whose rows stand together and are counted."""
    classes: tuple[tuple[str, int], ...]
    rare: tuple[str, ...]
    missing_text: tuple[str, ...]
    repeated: int
    renamed: tuple[tuple[str, str], ...] = ()
    """Old and new names of columns that are called like a computed feature."""

    def of(self, role: Role) -> tuple[ColumnFacts, ...]:
        """Return the columns with a role, in the order of the table.

        Args:
            role: Role of a column in the draft.

        Returns:
            Facts of the columns.
        """
        return tuple(column for column in self.columns if column.role == role)

    @property
    def horizon(self) -> timedelta | None:
        """Return how far ahead a forecast looks (one step, or about an hour for faster readings); else None."""
        if self.problem != "forecasting" or self.time is None or self.time.step is None:
            return None
        near = min(HOUR, self.time.length / 20)
        return self.time.step * max(1, math.ceil(near / self.time.step))

    @property
    def drops_repeated(self) -> bool:
        """Return whether rows that repeat another are dropped: few of them, in a table without time, are copies."""
        few = self.time is None and 0 < self.repeated <= MANY_REPEATED * self.rows
        return few and self.repeated > BEYOND_CHANCE * self.repeated_by_chance

    @property
    def repeated_by_chance(self) -> float:
        """Return how many rows would repeat another if the columns were independent: few columns of few values do."""
        cells = math.prod(float(max(1, column.distinct)) for column in self.columns)
        return self.rows**2 / (2 * cells)

    @property
    def is_series(self) -> bool:
        """Return whether time (with the entity) identifies nearly all rows, in steps of mostly one length."""
        time = self.time
        steady = time is not None and (time.regular >= STEADY or time.months is not None)
        return time is not None and steady and time.repeated <= 0.02 * self.rows

    @property
    def own_past(self) -> bool:
        """Return whether a number is predicted from its own earlier values, reading by reading.

        That is so for a series whose step has no fixed length (months), or is shorter than a second.
        """
        few = len(self.of("input")) < FEW_INPUTS
        return self.problem == "regression" and self.time is not None and few and self.is_series

    @property
    def seasons(self) -> tuple[timedelta, ...]:
        """Return day and week for a forecast, where they are whole steps and the table holds two of them."""
        if self.problem != "forecasting" or self.time is None or self.time.step is None:
            return ()
        step, length = self.time.step, self.time.length
        return tuple(one for one in SEASONS if one > step and not one % step and length >= 2 * one)
