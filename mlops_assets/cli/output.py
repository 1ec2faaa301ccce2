"""Printing: lists of records as a table for people, or as JSON for programs.

A table is never cut or wrapped when the output goes to a pipe or a file: `mlops status | grep NAME` finds every name.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import click

Record = Mapping[str, Any]
PIPE_WIDTH = 10_000


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: its heading, and how a record becomes the text of its cell."""

    heading: str
    text: Callable[[Record], object]

    @classmethod
    def of(cls, heading: str, key: str | None = None) -> Column:
        """Create the column that shows one value of the record unchanged.

        Args:
            heading: Heading of the column.
            key: Key of the record; None: the heading with underscores.

        Returns:
            The column.
        """
        name = key or heading.replace(" ", "_")
        return cls(heading, lambda record: record.get(name))


def print_records(
    records: Sequence[Record],
    columns: Sequence[Column],
    *,
    as_json: bool,
    title: str | None = None,
    empty: str = "nothing yet; run 'mlops run MODEL' first",
) -> None:
    """Print one row for each record.

    Args:
        records: what to print; JSON has every key, a table only the columns.
        columns: the columns of the table.
        as_json: print JSON in place of a table.
        title: heading of the table.
        empty: the sentence in place of a table without rows.
    """
    if as_json:
        print_json(records)
    elif not records:
        click.echo(empty)
    else:
        _print_table(records, columns, title)


def print_json(value: object) -> None:
    """Print a value as indented JSON; instants become ISO 8601, durations seconds.

    Args:
        value: Records, dataclasses' dictionaries, or plain values.
    """
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


def age(duration: timedelta) -> str:
    """Return a duration as people say it: `5 min ago`, `3 h ago`, `4 days ago`.

    Args:
        duration: Time since the event.

    Returns:
        Text in whole minutes, hours or days.
    """
    minutes = int(duration.total_seconds() // 60)
    if minutes < 60:
        return f"{minutes} min ago"
    return f"{minutes // 60} h ago" if minutes < 2 * 24 * 60 else f"{minutes // (24 * 60)} days ago"


def minute(instant: datetime | None) -> str:
    """Return an instant to the minute, or an empty text.

    Args:
        instant: Instant in UTC; None for none.

    Returns:
        Text such as '2026-01-31 12:00'.
    """
    return f"{instant:%Y-%m-%d %H:%M}" if instant else ""


def number(value: float | None) -> str:
    """Return a number with four significant digits, or an empty text.

    Args:
        value: The number; None for none.

    Returns:
        Text such as '0.1235'.
    """
    return "" if value is None else f"{value:.4g}"


def _print_table(records: Sequence[Record], columns: Sequence[Column], title: str | None) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*(column.heading for column in columns), title=title)
    for record in records:
        # Text and not str: a value such as '[red]' is no markup
        cells = [column.text(record) for column in columns]
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in cells))
    Console(width=None if sys.stdout.isatty() else PIPE_WIDTH).print(table)


def _plain(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
