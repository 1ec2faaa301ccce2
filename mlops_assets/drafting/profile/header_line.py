"""The header line of a text file nobody has described: where it is, its names, and the settings that read it.

Comes in: the records at the start of a file, and the column to predict. Goes out: a `Header`, and keys of a `file`
source.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from mlops_assets.drafting import LONGEST_NAME

HEADER_LINES: Final = 60
"""Lines at the top among which the header may be."""
Rows = list[tuple[int, list[str]]]
"""Per record: physical lines up to its end, and its fields."""


@dataclass(frozen=True, slots=True)
class Header:
    """A header line found: lines above it, lines up to its end, its names, and how well the rest agrees with it."""

    above: int
    until: int
    names: tuple[str, ...]
    below: tuple[tuple[str, ...], ...]
    agreement: float


def header_of(rows: Rows, target: str) -> Header | None:
    """Return the first row at the top that names the target.

    Args:
        rows: Records at the top: physical lines up to the record's end, and its fields.
        target: Name of the target column.

    Returns:
        The header, or None.
    """
    for index, (until, fields) in enumerate(rows[:HEADER_LINES]):
        names = tuple(field.strip().strip('"') for field in fields)
        if target in (*names, *fields, *unique_names(names)):
            below = tuple(tuple(row) for _, row in rows[index + 1 :] if row)
            above = rows[index - 1][0] if index else 0
            return Header(above, until, tuple(fields), below, _agreement(below, len(names)))
    return None


def headerless(rows: Rows, target: str) -> Header | None:
    """Return the header of a table whose first line is data, for a target such as column_3.

    Args:
        rows: Records at the top: physical lines up to the record's end, and its fields.
        target: Name of the target column.

    Returns:
        The header without names, or None when the target is not one of these columns.
    """
    below = tuple(tuple(row) for _, row in rows if row)
    widths = Counter(map(len, below))
    width = widths.most_common(1)[0][0] if widths else 0
    if width < 2 or target not in [f"column_{number}" for number in range(1, width + 1)]:
        return None
    return Header(0, 0, (), below, _agreement(below, width))


def _agreement(below: tuple[tuple[str, ...], ...], width: int) -> float:
    """Share of lines as wide as the header; blank fields at the end aside."""
    if not below:
        return 0.0
    return sum(len(row) == width or (len(row) > width and not any(row[width:])) for row in below) / len(below)


def header_settings(header: Header, separator: str) -> dict[str, Any]:
    """Return the source's settings for the lines above the data, with names where the file's cannot be used.

    Args:
        header: Result of `header_of` or `headerless`.
        separator: Separator of the columns.

    Returns:
        Keys of the section `source`.
    """
    if not header.names:
        padded = any(row[0] != row[0].strip() for row in header.below) and separator != " "
        return {"header": False} | ({"trim": True} if padded else {})
    stripped_names = tuple(name.strip().strip('"') for name in header.names)
    width = len(stripped_names)
    filled = [any(len(row) > index and row[index].strip() for row in header.below) for index in range(width)]
    nameless = [not name and used for name, used in zip(stripped_names, filled, strict=True)]
    units = _units(header)
    padded = separator != " " and (
        any(name != name.strip() for name in header.names)
        or not all(map(any, zip(stripped_names, filled, strict=True)))
        or any(field != field.strip() for row in header.below for field in row)
    )
    trim = {"trim": True} if padded and not units else {}
    encoding_setting = [name for name in stripped_names if name]
    if not any(nameless) and len(set(encoding_setting)) == len(encoding_setting) and not units:
        return ({"skip_lines": header.above} if header.above else {}) | trim
    below = header.until + units
    return {"header": False, "skip_lines": below, "names": unique_names(stripped_names)} | trim


def unique_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names, shortened to what a model file allows.

    Blank ones are numbered by column, repeated ones from 2.

    Args:
        names: Names as in the file.

    Returns:
        Names without repetition.
    """
    unique: dict[str, None] = {}
    counts: Counter[str] = Counter()
    for index, name in enumerate(names, start=1):
        base = name[: LONGEST_NAME - 8] or f"column_{index}"
        counts[base] += 1
        chosen = base if counts[base] == 1 else f"{base}_{counts[base]}"
        while chosen in unique:
            counts[base] += 1
            chosen = f"{base}_{counts[base]}"
        unique[chosen] = None
    return tuple(unique)


def _units(header: Header) -> int:
    """1 where the line below the header holds no number and the lines below it do: units, or a second header."""
    if len(header.below) < 6:
        return 0
    first, rest = header.below[0], header.below[1:50]
    numeric = [
        index
        for index in range(min(map(len, rest)))
        if all(_is_number(row[index]) for row in rest if row[index].strip()) and rest[0][index].strip()
    ]
    labels = [index for index in numeric if index < len(first) and not _is_number(first[index])]
    return int(
        len(numeric) >= 2 and len(labels) == len(numeric) and any(first[index].strip() for index in labels)
    )


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True
