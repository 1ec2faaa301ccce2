"""The `predictions` table: one row per model, version, entity, instant and occurrence, whatever is retried or overlaps.

Comes in: a frame of predictions. Goes out: how many were new, and frames back. Scoring is done in the package
predictions; monitoring joins labels to them. `occurrence` numbers rows of one entity and instant from 0.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl
from sqlalchemy import func, select, text

from mlops_assets.errors import LedgerError
from mlops_assets.ledger.engine import Store, utc
from mlops_assets.ledger.schema import predictions as table

COLUMNS: dict[str, pl.DataType] = {
    "entity": pl.String(),
    "at": pl.Datetime("us", "UTC"),
    "value": pl.Float64(),
    "label": pl.String(),
}
OPTIONAL: dict[str, pl.DataType] = {"low": pl.Float64(), "high": pl.Float64(), "occurrence": pl.Int32()}
RESULT: dict[str, pl.DataType] = {
    "version": pl.Int64(),
    **COLUMNS,
    "predicted_at": pl.Datetime("us", "UTC"),
    **OPTIONAL,
}
CHUNK = 20_000  # rows per statement: about 2 MB of text each

INSERT = text(
    """
    insert into predictions (model, version, entity, at, predicted_at, value, label, low, high,
                             occurrence)
    select :model, :version, entity, to_timestamp(micros / 1000000) + make_interval(secs => (micros % 1000000) / 1e6),
           :predicted_at, value, label, low, high, occurrence
    from unnest(cast(:entity as text[]), cast(:micros as bigint[]), cast(:value as double precision[]),
                cast(:label as text[]), cast(:low as double precision[]), cast(:high as double precision[]),
                cast(:occurrence as integer[]))
        as given (entity, micros, value, label, low, high, occurrence)
    on conflict do nothing
    """
)


class Predictions(Store):
    """Bulk writing that never doubles, and reading by window."""

    def store_predictions(
        self, model: str, version: int, frame: pl.DataFrame, *, predicted_at: datetime
    ) -> int:
        """Insert predictions in one transaction; rows that exist stay as they are.

        Args:
            model: Name of the model, as in its model file.
            version: Number of the model version, from 1.
            frame: Columns `entity` (text; '' for a model without entities), `at` (UTC), `value` (float; null
                when the model returned none) and optionally `label` (the class, as text), `low` and `high` (the
                interval) and `occurrence` (default: rows of one entity and instant are numbered from 0).
            predicted_at: Time of scoring, with a zone.

        Returns:
            How many rows are new.

        Raises:
            LedgerError: For a missing column, a time without zone, a null entity or time, NaN or infinity.
        """
        rows = _checked(model, version, frame)
        stored = 0
        with self._transaction() as connection:
            for start in range(0, rows.height, CHUNK):
                part = rows.slice(start, CHUNK)
                stored += connection.execute(
                    INSERT,
                    {
                        "model": model,
                        "version": version,
                        "predicted_at": utc(predicted_at),
                        "entity": part["entity"].to_list(),
                        "micros": part["at"].dt.epoch("us").to_list(),
                        "value": part["value"].to_list(),
                        "label": part["label"].to_list(),
                        **{name: part[name].to_list() for name in OPTIONAL},
                    },
                ).rowcount
        return stored

    def predictions(
        self, model: str, *, since: datetime, until: datetime, version: int | None = None
    ) -> pl.DataFrame:
        """Return the predictions for since <= at < until.

        Args:
            model: Name of the model, as in its model file.
            since: First instant, with a zone.
            until: End, exclusive, with a zone.
            version: Only this version's predictions; None for all.

        Returns:
            Columns version, entity, at, value, label, predicted_at, low, high, occurrence, in order of time.
        """
        query = (
            select(*(table.c[name] for name in RESULT))
            .where(table.c.model == model, table.c.at >= utc(since), table.c.at < utc(until))
            .order_by(table.c.at, table.c.entity, table.c.version, table.c.occurrence)
        )
        if version is not None:
            query = query.where(table.c.version == version)
        with self._transaction() as connection:
            rows = [tuple(row) for row in connection.execute(query)]
        return pl.DataFrame(rows, schema=RESULT, orient="row")

    def last_prediction(self, model: str) -> datetime | None:
        """Return the newest instant that any version predicted.

        Args:
            model: Name of the model, as in its model file.

        Returns:
            The instant in UTC, or None when there is no prediction.
        """
        with self._transaction() as connection:
            newest = connection.scalar(select(func.max(table.c.at)).where(table.c.model == model))
        return None if newest is None else utc(newest)


def _checked(model: str, version: int, frame: pl.DataFrame) -> pl.DataFrame:
    what = f"predictions of {model} version {version}"
    if "label" not in frame.columns:
        frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias("label"))
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise LedgerError(f"{what} need the columns {', '.join(COLUMNS)}; missing: {', '.join(missing)}")
    kind = frame.schema["at"]
    if not isinstance(kind, pl.Datetime) or kind.time_zone is None:
        raise LedgerError(f"{what}: column 'at' is {kind}, expected a datetime with a time zone")
    rows = frame.select(
        pl.col("entity").cast(pl.String),
        pl.col("at").dt.convert_time_zone("UTC").cast(COLUMNS["at"]),
        pl.col("value").cast(pl.Float64),
        pl.col("label").cast(pl.String),
        *(_bound(frame, name) for name in ("low", "high")),
        (
            pl.col("occurrence").cast(pl.Int32)
            if "occurrence" in frame.columns
            else pl.int_range(pl.len(), dtype=pl.Int32).over("entity", "at").alias("occurrence")
        ),
    )
    for name in ("entity", "at"):
        if rows[name].null_count():
            raise LedgerError(f"{what}: {rows[name].null_count()} rows have no {name}")
    bad = rows.filter(pl.col("value").is_not_null() & ~pl.col("value").is_finite())
    if bad.height:
        first = bad.row(0, named=True)
        raise LedgerError(
            f"{what}: {bad.height} values are NaN or infinite, the first for entity '{first['entity']}' at "
            f"{first['at'].isoformat()}; write null where the model has no prediction"
        )
    return rows


def _bound(frame: pl.DataFrame, name: str) -> pl.Expr:
    """Return a bound of the interval; NaN and infinite bounds are none."""
    if name not in frame.columns:
        return pl.lit(None, dtype=pl.Float64).alias(name)
    number = pl.col(name).cast(pl.Float64)
    return pl.when(number.is_finite()).then(number).alias(name)
