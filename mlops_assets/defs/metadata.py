"""Values in the forms that Dagster draws: tables, column schemas, column lineage, pictures, numbers by name.

Comes in: plain rows, table versions, evidence. Goes out: metadata values. Which record shows what is in `display`.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import dagster as dg

from mlops_assets import features
from mlops_assets.artifacts import Comparison, TableVersion
from mlops_assets.datasets import Datasets
from mlops_assets.errors import DataError
from mlops_assets.lifecycle import page_links
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.model_file import ModelSpec
from mlops_assets.reports.markdown_text import plain_markdown

Metadata = dict[str, Any]
DIGITS: Final = 4
"""Significant digits of a number in a table: more cannot be compared by eye."""


@dataclass(frozen=True, slots=True)
class Display:
    """Metadata and data version of one materialization; not materialized when the stage changed nothing by design."""

    metadata: Metadata
    data_version: str
    materialized: bool = True


def rounded(value: float) -> float:
    """Return a number with DIGITS significant digits.

    Args:
        value: Any number; NaN and infinity stay what they are.

    Returns:
        The number.
    """
    return float(f"{value:.{DIGITS}g}")


def rows_table(rows: Iterable[Mapping[str, Any]]) -> dg.MetadataValue:
    """Return rows as a table: numbers rounded, values that are not plain shown as text, missing ones empty.

    Args:
        rows: Each a mapping from column to value; a row may lack columns.

    Returns:
        A table; the column types come from the values.
    """
    records = [{key: _cell(value) for key, value in row.items()} for row in rows]
    columns: dict[str, str] = {}
    for record in records:
        for key, value in record.items():
            if value is not None:
                columns.setdefault(key, dg.TableMetadataValue.infer_column_type(value))
    names = list(dict.fromkeys(key for record in records for key in record))
    schema = dg.TableSchema(columns=[dg.TableColumn(name, columns.get(name, "string")) for name in names])
    filled = [dg.TableRecord({name: record.get(name) for name in names}) for record in records]
    return dg.MetadataValue.table(filled, schema)


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return rounded(value)
    return value if isinstance(value, str | int | bool | None) else str(value)


def table_version(table: TableVersion, datasets: Datasets, spec: ModelSpec) -> Metadata:
    """Return what Dagster's catalog shows of a Delta table: address, rows, columns with types and meaning.

    Args:
        table: The version that was written.
        datasets: Where it lies.
        spec: The model file, which says what its columns are for.

    Returns:
        Metadata by name.
    """
    metadata: Metadata = {
        "dagster/row_count": table.rows,
        "dagster/uri": datasets.location(table.model, table.table),
        "dagster/table_name": f"{table.model}.{table.table}",
        "columns": len(table.columns),
        "table_version": table.version,
        "content_hash": table.content_hash,
    }
    try:
        types = datasets.schema(table)
    except DataError:  # shown, not decided on: the stage that reads the table refuses it with the reason
        return metadata
    meaning = {
        feature.name: plain_markdown(feature.description)
        for feature in features.catalogue(spec, table.columns)
    }
    roles = {spec.timestamp: "timestamp", spec.entity: "entity", spec.target: "target"}
    columns = [
        dg.TableColumn(name, types[name], description=roles.get(name) or meaning.get(name))
        for name in table.columns
    ]
    return metadata | {"dagster/column_schema": dg.TableSchema(columns=columns)}


def feature_lineage(spec: ModelSpec, columns: Sequence[str], upstream: dg.AssetKey) -> dg.TableColumnLineage:
    """Return for each feature the columns of the validated readings it is computed from.

    Args:
        spec: The model file.
        columns: The columns of the feature table.
        upstream: The asset with the validated readings.

    Returns:
        Source columns by feature.
    """
    made = {
        feature.name: [dg.TableColumnDep(upstream, source) for source in feature.sources]
        for feature in features.catalogue(spec, columns)
    }
    same = {name: [dg.TableColumnDep(upstream, name)] for name in columns if name not in made}
    return dg.TableColumnLineage({**same, **made})


def metric_numbers(
    rows: Iterable[Mapping[str, Any]], comparisons: Iterable[Comparison], primary: str
) -> Metadata:
    """Return the holdout metrics as numbers by name, which Dagster plots over the versions of a model.

    Args:
        rows: Rows with part, metric, challenger, champion and baseline.
        comparisons: Paired comparisons with the champion.
        primary: The metric whose improvement and interval are shown.

    Returns:
        `<metric>`, `champion_<metric>` and `baseline_<metric>`; `improvement`, `improvement_low`, `improvement_high`
        (shares, above 0 is better) and `compared_rows` of the primary metric. What is not a number is left out.
    """
    numbers: Metadata = {}
    for row in rows:
        if row["part"] == "test":
            names = {"challenger": "", "champion": "champion_", "baseline": "baseline_"}
            numbers |= {f"{prefix}{row['metric']}": row[who] for who, prefix in names.items()}
    for one in comparisons:
        if one.metric == primary and one.part == "test":
            numbers |= {
                "improvement": one.improvement,
                "improvement_low": one.low,
                "improvement_high": one.high,
                "compared_rows": one.rows,
            }
            break
    return {name: value for name, value in numbers.items() if isinstance(value, int | float)}


def page_link(platform: Platform, path: str) -> dg.MetadataValue:
    """Return a link to a page of the review page's application.

    Args:
        platform: The open stores and settings.
        path: Path of the page, from `lifecycle.page_links`.

    Returns:
        A URL, or a sentence where no address is known: the path of a file opens nowhere but on one machine.
    """
    url = page_links.link(platform.settings, path)
    return dg.MetadataValue.text(page_links.NO_ADDRESS) if url is None else dg.MetadataValue.url(url)


def inlined_report(folder: Path, plots: Sequence[str]) -> dg.MetadataValue:
    """Return the Markdown report with its pictures inside, as one page.

    Args:
        folder: The folder of the report.
        plots: Names of the pictures.

    Returns:
        Markdown with data URLs.
    """
    text = (folder / "report.md").read_text(encoding="utf-8")
    for name in plots:
        encoded = base64.b64encode((folder / f"{name}.png").read_bytes()).decode()
        text = text.replace(f"({name}.png)", f"(data:image/png;base64,{encoded})")
    return dg.MetadataValue.md(text)


def version_row(table: TableVersion) -> dict[str, Any]:
    """Return what identifies a table's version, as a row of a table.

    Args:
        table: The version.

    Returns:
        Cells by column.
    """
    return {
        "table": table.table,
        "version": table.version,
        "rows": table.rows,
        "content": table.content_hash[:12],
    }
