"""The sections `repairs` and `validation` of a drafted model file: what is cleaned, and what later tables must hold.

A repair that the table needs is written; one that only a person can decide (a time zone, the codes of a quality flag)
is a comment to uncomment.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Final

from mlops_assets.drafting.facts import DAY, LONGEST_NAME, TableFacts, TimeFacts, Unit
from mlops_assets.drafting.scalars import listed, scalar


def repairs_section(facts: TableFacts) -> Iterator[str]:
    """Yield one line or more for each repair that the table needs.

    Args:
        facts: What the table looks like.

    Yields:
        Lines of YAML.
    """
    lines = [
        *_names(facts),
        *_texts(facts),
        *_clock(facts.time),
        *_holes(facts),
        *_copies(facts),
        *_kept(facts),
    ]
    if all(line.startswith("#") for line in lines):
        # Only advice, or nothing: a section of comments alone would read as null.
        yield "repairs: {} # the table needs none"
        yield from lines
    else:
        yield "repairs: # each is counted at every run"
        yield from (f"  {line}" for line in lines)


def _names(facts: TableFacts) -> Iterator[str]:
    """Return new names for columns that are called like a computed feature."""
    if facts.renamed:
        pairs = ", ".join(f"{scalar(old)}: {scalar(new)}" for old, new in facts.renamed)
        yield f"rename: {{{pairs}}} # the features compute columns of the old names"


def _texts(facts: TableFacts) -> Iterator[str]:
    """Columns put together, and numbers that were written as words."""
    made = [(facts.time.column, facts.time.made_of)] if facts.time and facts.time.made_of else []
    made += [(facts.entity, facts.entity_of)] if facts.entity and facts.entity_of else []
    if made:
        yield "combine: # columns made of others, side by side"
        yield from (f"  {scalar(name)}: {listed(parts)}" for name, parts in made)
    if facts.missing_text:
        yield f"missing_text: {listed(facts.missing_text)} # words that mean missing"
    for notation in ("decimal_comma", "thousands"):
        if names := [column.name for column in facts.columns if column.writing == notation]:
            yield f"{notation}: {listed(names)}"
    casts = [
        f"{scalar(column.name)}: {column.cast}"
        for column in facts.columns
        if column.cast and not column.writing and column.role != "timestamp"
    ]
    if casts:
        yield f"cast: {{{', '.join(casts)}}} # numbers written as text; text for codes and long ids"


def _clock(time: TimeFacts | None) -> Iterator[str]:
    """How the timestamp is read."""
    if time is None:
        return
    if time.format:
        doubt = f" # a guess: {json.dumps(time.days_first)} reads every value too" if time.days_first else ""
        doubt = doubt or (
            "" if _HAS_YEAR.search(time.format) else " # the table names no year: 1972 stands for it"
        )
        yield f"timestamp_format: {json.dumps(time.format)}{doubt}"
    if time.unit:
        yield f"timestamp_unit: {time.unit} # {_why_unit(time.unit)}"
    if not time.zoned and (time.step is None or time.step < DAY):
        yield "# timezone: Europe/Berlin # if the clock times are local; without it they count as UTC"
    if time.missing:
        yield "missing_timestamp: drop_row"


_HAS_YEAR: Final = re.compile("%[YyGgCsDFxc+]")
_COUNTED: Final = {"h": "hour", "d": "day", "week": "week"}


def _why_unit(unit: Unit) -> str:
    if unit == "year":
        return "decimal years: 1949.083 is February 1949"
    if unit in _COUNTED:
        return f"counted from an unknown start: a step stands for one {_COUNTED[unit]}, dates mean nothing"
    return "since 1970; a guess by their size"


def _holes(facts: TableFacts) -> Iterator[str]:
    """Values that are none, and rows without a target."""
    sentinels = {column.name: column.sentinels for column in facts.columns if column.sentinels}
    if facts.time and facts.time.unreadable:
        sentinels[facts.time.column] = tuple(dict.fromkeys(text for _, text in facts.time.unreadable))
    if facts.rare:
        sentinels[facts.target] = (*sentinels.get(facts.target, ()), *facts.rare)
    if sentinels:
        absurd = facts.of("target")[0].absurd
        also = "; classes with too few rows to learn" if facts.rare else ""
        also += f"; nothing else in {facts.target} comes near the last {len(absurd)}" if absurd else ""
        yield f"sentinels: # values that stand for missing{also}"
        yield from (f"  {scalar(name)}: {listed(values)}" for name, values in sentinels.items())
    flagged = [column for column in facts.columns if column.flagged_by and column.role in ("input", "target")]
    if flagged:
        yield "# flags: # these columns look like quality flags: say which codes let a reading stand"
        for column in flagged[:5]:
            yield f"#   {scalar(column.name)}: {{column: {scalar(column.flagged_by or '')}, accept: [0]}}"
    target = facts.of("target")[0]
    if target.missing or target.sentinels or facts.rare:
        yield "missing_target: drop_row" + (f" # {target.missing:.2%} have none" if target.missing else "")


def _copies(facts: TableFacts) -> Iterator[str]:
    """Rows that stand there twice, and their order."""
    if facts.time and facts.time.repeated and (facts.entity or facts.is_series):
        yield f"duplicates: last # {facts.time.repeated:,} rows repeat an instant"
    elif facts.drops_repeated:
        yield f"duplicates: first # {facts.repeated:,} rows repeat another in every column"
    elif facts.repeated and not facts.time:
        yield f"# duplicates: first # {facts.repeated:,} rows repeat another, as rows of few values do"
    if facts.time and not facts.time.sorted:
        yield "sort: time"


def _kept(facts: TableFacts) -> Iterator[str]:
    """Return what becomes of columns that no table of ours can keep.

    Those are lists and records, and names that nobody could write.
    """
    unwritable = [column.name for column in facts.columns if not 1 <= len(column.name) <= LONGEST_NAME]
    odd = [
        column.name for column in facts.columns if column.kind == "other" and column.name not in unwritable
    ]
    if unwritable:
        made = [name for name in (facts.time and facts.time.column, facts.entity) if name]
        kept = dict.fromkeys(
            [*made, *(c.name for c in facts.columns if c.role != "left out" and c.kind != "other")]
        )
        combined = [
            name for name in kept if (facts.time and name in facts.time.made_of) or name in facts.entity_of
        ]
        yield f"select: {listed([name for name in kept if name not in combined])} # the others have no usable name"
    elif odd:
        yield f"drop: {listed(odd)} # lists and records, which a table cannot keep"


def validation_section(facts: TableFacts) -> Iterator[str]:
    """Yield the rules for later tables, derived from this one.

    Args:
        facts: What the table looks like.

    Yields:
        Lines of YAML.
    """
    yield "validation:"
    keeps_repeated = facts.time is not None and not (facts.entity or facts.is_series)
    unseen = facts.time.lost - (facts.time.repeated if keeps_repeated else 0) if facts.time else 0
    lost = facts.repeated if facts.drops_repeated else unseen
    rows = (facts.rows - lost) * (1 - facts.of("target")[0].missing)
    yield f"  min_rows: {max(10, _round_down(0.8 * rows))}"
    yield "  max_missing: 5%"
    if facts.time:
        yield "  # freshness: 24h # refuse to train when the newest reading is older"
        if not (facts.entity or facts.is_series):
            yield f"  unique_rows: false # events: {facts.time.repeated:,} rows share their instant with another"
    gaps = [c for c in (*facts.of("input"), *facts.of("target")) if c.missing >= 0.04 and c.role != "target"]
    if gaps:
        yield "  columns:"
        for column in gaps:
            yield (
                f"    {scalar(column.name)}: {{max_missing: {min(100, math.ceil(column.missing * 110) + 1)}%}} "
                f"# {column.missing:.1%} are missing"
            )


def _round_down(value: float) -> int:
    """Two digits that mean something: 36,412 is 36,000."""
    whole = int(value)
    dropped = max(0, len(str(whole)) - 2)
    return int(str(whole)[: len(str(whole)) - dropped] + "0" * dropped)
