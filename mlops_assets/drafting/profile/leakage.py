"""Which inputs a draft leaves out, and which it asks about, because they know too much of the target.

Comes in: the table after its repairs. Goes out: reason and note by column. The checks are those of the `leakage` gate;
only rows in two parts cannot be checked before there is a split.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from mlops_assets.leakage import LeakageTable, findings
from mlops_assets.model_file.algorithms import Problem

QUESTION: Final = "known before it?"
AT: Final = "instant of the row"
UNIT: Final = "entity of the row"


def leakage_reasons(
    table: pl.DataFrame, units: pl.DataFrame, target: str, problem: Problem, instants: pl.Series | None
) -> dict[str, tuple[str, str]]:
    """Return why columns are left out, and what is asked about the others, by column.

    Args:
        table: Inputs and target, after the table's repairs.
        units: Columns that make the entity, of the same rows.
        target: The column to predict.
        problem: What is predicted.
        instants: The time of each row, where there is one.

    Returns:
        Reason ('' where the column stays) and note.
    """
    inputs = tuple(name for name in table.columns if name != target)
    keyed = table
    if instants is not None:
        keyed = keyed.with_columns(instants.alias(AT))
    if units.width:
        keyed = keyed.with_columns(
            units.select(pl.concat_str(pl.all().cast(pl.String), separator=" ").alias(UNIT))
        )
    known = keyed.filter(pl.col(target).is_not_null())
    result = findings(
        LeakageTable(
            frame=known,
            inputs=inputs,
            target=target,
            is_classification=problem == "classification",
            timestamp=AT if instants is not None else None,
            entity=UNIT if units.width else None,
        )
    )
    reasons: dict[str, tuple[str, str]] = {}
    for finding in result:
        names = " and ".join(map(repr, finding.columns))
        what = f"one of {names}, which {finding.predicate}" if len(finding.columns) > 1 else finding.predicate
        for name in finding.columns:
            # Where nothing else is left a sum is what there is to learn, and a person has to say.
            leaves = finding.strength != "suspicion" and len(finding.columns) < len(inputs)
            reasons[name] = (f"{what}: known only with it", "") if leaves else ("", f"{what}; {QUESTION}")
    return reasons
