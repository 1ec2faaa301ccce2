"""Columns of a table that are called like a column the features compute: the draft gives them another name.

Comes in: the text of a draft and the facts behind it. Goes out: facts with the columns renamed, which the draft writes
as `repairs.rename`. Without it the first run would end with two columns of one name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from mlops_assets.drafting.facts import ColumnFacts, TableFacts
from mlops_assets.features import computed_names
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.document import parse


def without_computed_names(text: str, facts: TableFacts) -> TableFacts:
    """Return the facts with a new name for every column that the drafted features compute.

    Args:
        text: The draft, a valid model file.
        facts: The facts it was written from.

    Returns:
        The facts, unchanged where no name collides.
    """
    spec = ModelSpec.model_validate_json(json.dumps(parse(text).value))
    computed = {*computed_names(spec), *computed_names(spec, "grid")}
    names = {column.name for column in facts.columns}
    new_names: dict[str, str] = {}
    for name in sorted(computed & names):
        chosen = f"{name}_given"
        while chosen in names | computed | set(new_names.values()):
            chosen += "_"
        new_names[name] = chosen
    return _renamed(facts, new_names) if new_names else facts


def _renamed(facts: TableFacts, new_names: Mapping[str, str]) -> TableFacts:
    def new(name: str) -> str:
        return new_names.get(name, name)

    def column(one: ColumnFacts) -> ColumnFacts:
        flag = None if one.flagged_by is None else new(one.flagged_by)
        return replace(one, name=new(one.name), flagged_by=flag)

    time = facts.time
    if time is not None:
        time = replace(time, column=new(time.column), made_of=tuple(map(new, time.made_of)))
    return replace(
        facts,
        target=new(facts.target),
        columns=tuple(map(column, facts.columns)),
        time=time,
        entity=None if facts.entity is None else new(facts.entity),
        entity_of=tuple(map(new, facts.entity_of)),
        group=None if facts.group is None else new(facts.group),
        renamed=(*facts.renamed, *new_names.items()),
    )
