"""The top of a drafted model file: name, problem, target, time, entity and source, each with its reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from mlops_assets.drafting.facts import TableFacts
from mlops_assets.drafting.scalars import duration, scalar
from mlops_assets.model_file.source import FileSource

MANY_CLASSES: Final = 100
"""A number with fewer different values may name classes."""


def header_section(name: str, owner: str, source: FileSource, facts: TableFacts) -> Iterator[str]:
    """Yield the lines down to the source.

    Args:
        name: Name of the model.
        owner: An e-mail address or team:name.
        source: The source that reads the table.
        facts: What the table looks like.

    Yields:
        Lines of YAML.
    """
    yield "# yaml-language-server: $schema=schema.json"
    yield f"# Drafted by 'mlops new' from {facts.rows:,} rows and {len(facts.columns)} columns: yours to change."
    yield f"name: {name}"
    yield f"description: {scalar(f'Predicts {facts.target} from the other columns of the table')}"
    yield f"owners: [{scalar(owner)}] # an e-mail address or team:name"
    yield f"problem: {facts.problem} # {_why_problem(facts)}"
    yield f"target: {scalar(facts.target)}"
    if facts.time is not None:
        how_often = "irregular" if facts.time.step is None else f"mostly every {duration(facts.time.step)}"
        if facts.time.months:
            how_often = _calendar_step(facts.time.months)
        yield f"timestamp: {scalar(facts.time.column)} # {facts.time.span}; {how_often}"
    if facts.entity is not None:
        yield f"entity: {scalar(facts.entity)} # time and this column identify a row; lags and windows never cross it"
    if facts.time is not None and facts.time.future:
        yield f"# {facts.time.future:,} rows are dated after today: only --as-of {facts.time.last} sees all of them"
    yield ""
    yield from _source(source)


def _calendar_step(months: int) -> str:
    years, rest = divmod(months, 12)
    named = {1: "every month", 3: "every quarter", 12: "every year"}
    return named.get(months, f"every {months} months" if rest else f"every {years} years")


def _source(source: FileSource) -> Iterator[str]:
    settings = source.model_dump(mode="json", exclude_defaults=True)
    names = settings.pop("names", None)
    values = {
        key: value if key == "kind" else json.dumps(value, ensure_ascii=False)
        for key, value in settings.items()
    }
    inline = ", ".join(f"{key}: {value}" for key, value in values.items())
    if source.encoding is not None:
        yield "# The encoding is a guess: look at letters with accents."
    if source.skip_footer:
        yield f"# The last {source.skip_footer} rows of the file are totals or notes, and left out."
    if names is None:
        yield f"source: {{{inline}}}"
        return
    yield "source:"
    yield from (f"  {key}: {value}" for key, value in values.items())
    yield "  names: # in place of the file's own header, which has blank, repeated or two lines of names"
    yield from (f"    - {scalar(name)}" for name in names)


def _why_problem(facts: TableFacts) -> str:
    if facts.problem == "classification":
        shown = ", ".join(f"{value} {rows:,}" for value, rows in facts.classes[:4])
        return f"{len(facts.classes)} classes ({shown}{' ...' if len(facts.classes) > 4 else ''})"
    if facts.problem == "forecasting":
        return "a regular series with few other columns"
    if facts.own_past:
        return "one reading ahead, from earlier ones; a forecast needs steps of one length, from 1s"
    if facts.is_series:
        ahead = "" if facts.time is None or facts.time.months else "; ahead of it: --problem forecasting"
        return f"from columns known at the row's own time, and earlier readings{ahead}"
    whole = facts.of("target")[0].distinct <= MANY_CLASSES
    return "the target is a number" + ("; if each names a class: --problem classification" if whole else "")
