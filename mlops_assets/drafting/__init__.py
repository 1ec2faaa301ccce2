"""A first model file for a table nobody has described yet: facts about the table in, commented YAML out.

Comes in: `TableFacts`, as `profile` measures them. Goes out: the text of a model file that is valid and runs as it is,
with the reason next to every choice a person may want to change. Only `profile` looks at data.

Read `facts` first; each other module writes the sections it is named after.
"""

from __future__ import annotations

from mlops_assets.drafting.cleaning import repairs_section, validation_section
from mlops_assets.drafting.computed_names import without_computed_names
from mlops_assets.drafting.evaluation import evaluation_section, gates_section
from mlops_assets.drafting.facts import (
    FEW_INPUTS,
    LONGEST_NAME,
    MANY_MISSING,
    ColumnFacts,
    Kind,
    Role,
    TableFacts,
    TimeFacts,
    Unit,
    Writing,
)
from mlops_assets.drafting.header import header_section
from mlops_assets.drafting.training import features_section, split_section, training_section
from mlops_assets.model_file.source import FileSource

__all__ = [
    "FEW_INPUTS",
    "LONGEST_NAME",
    "MANY_MISSING",
    "ColumnFacts",
    "Kind",
    "Role",
    "TableFacts",
    "TimeFacts",
    "Unit",
    "Writing",
    "draft",
]


def draft(name: str, owner: str, source: FileSource, facts: TableFacts) -> str:
    """Return the text of a model file that is valid and runs as it is.

    Args:
        name: Name of the model.
        owner: An e-mail address or team:name.
        source: The source that reads the table.
        facts: What the table looks like.

    Returns:
        YAML with comments.
    """
    text = _text(name, owner, source, facts)
    distinct = without_computed_names(text, facts)
    return text if distinct is facts else _text(name, owner, source, distinct)


def _text(name: str, owner: str, source: FileSource, facts: TableFacts) -> str:
    sections = [
        header_section(name, owner, source, facts),
        repairs_section(facts),
        validation_section(facts),
        features_section(facts),
        split_section(facts),
        training_section(facts),
        evaluation_section(facts),
        gates_section(facts),
    ]
    return "\n".join(line for section in sections for line in (*section, ""))
