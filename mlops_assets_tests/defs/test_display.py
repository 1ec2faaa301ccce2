"""Records as Dagster shows them: a table takes rows that do not have every column."""

from __future__ import annotations

import dagster as dg

from mlops_assets.defs.display import rows_table


def test_a_row_may_lack_columns() -> None:
    table = rows_table([{"name": "failed", "note": "why"}, {"name": "trained", "rmse": 0.5, "path": [1]}])
    assert isinstance(table, dg.TableMetadataValue)
    assert [record.data for record in table.records] == [
        {"name": "failed", "note": "why", "rmse": None, "path": None},
        {"name": "trained", "note": None, "rmse": 0.5, "path": "[1]"},
    ]
    assert {column.name: column.type for column in table.schema.columns} == {
        "name": "string",
        "note": "string",
        "rmse": "float",
        "path": "string",
    }
