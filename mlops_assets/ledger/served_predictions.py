"""What the API predicted, with the readings it was made from, and the labels that arrive later.

Comes in: records of the prediction log. Goes out: how many were new, one prediction by its id, and predictions with
their newest label. Their table is not `predictions`, by which a batch knows what it still has to predict.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import polars as pl
from pydantic_core import PydanticSerializationError, to_json
from sqlalchemy import select, text

from mlops_assets.ledger.engine import Store, utc
from mlops_assets.ledger.records import PostedLabel, ServedPrediction
from mlops_assets.ledger.schema import served_predictions as table

INSERT = text(
    """
    insert into served_predictions (id, row, model, version, revision, entity, at, predicted_at, value, low, high,
                                    label, readings, history_version, rung)
    select id, row, model, version, revision, entity, at, predicted_at, value, low, high, label,
           readings::json, history_version, rung
    from json_to_recordset(cast(:rows as json))
        as row_of (id text, row integer, model text, version integer, revision integer, entity text, at timestamptz,
                   predicted_at timestamptz, value double precision, low double precision, high double precision,
                   label text, readings text, history_version bigint, rung text)
    on conflict do nothing
    """
)
LABELS = text(
    """
    insert into posted_labels (model, prediction_id, row, value, received_at)
    select :model, prediction_id, row, value, :received_at
    from unnest(cast(:id as text[]), cast(:row as integer[]), cast(:value as text[]))
        as label_of (prediction_id, row, value)
    on conflict do nothing
    """
)
LABELED = text(
    """
    select p.id, p.row, p.version, p.entity, p.at, p.predicted_at, p.value, p.low, p.high, p.label, p.rung,
           l.value as truth, l.received_at
    from served_predictions p
    left join lateral (
        select value, received_at from posted_labels
        where model = p.model and prediction_id = p.id and row = p.row order by received_at desc limit 1
    ) l on true
    where p.model = :model and p.predicted_at >= :since and p.predicted_at < :until
    order by p.predicted_at desc, p.id desc, p.row desc
    limit :limit
    """
)
INPUTS = text(
    """
    select version, value, label, rung, cast(readings as text) as readings from served_predictions
    where model = :model and predicted_at >= :since and predicted_at < :until
    order by predicted_at desc, id, row limit :limit
    """
)
TIME = pl.Datetime("us", "UTC")
LABELED_SCHEMA: dict[str, Any] = {
    "id": pl.String(),
    "row": pl.Int64(),
    "version": pl.Int64(),
    "entity": pl.String(),
    "at": TIME,
    "predicted_at": TIME,
    "value": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "label": pl.String(),
    "rung": pl.String(),
    "truth": pl.String(),
    "received_at": TIME,
}

INPUTS_SCHEMA: dict[str, Any] = {
    "version": pl.Int64(),
    "value": pl.Float64(),
    "label": pl.String(),
    "rung": pl.String(),
    "readings": pl.String(),
}


class ServedPredictions(Store):
    """The log of the API's predictions, and labels."""

    def store_served(self, rows: Sequence[ServedPrediction]) -> int:
        """Insert predictions in one transaction; rows that exist stay as they are, so that a retry doubles nothing.

        Args:
            rows: The predictions.

        Returns:
            How many are new.

        Raises:
            ServiceError: The database does not respond.
            LedgerError: The database refuses a row; none is stored.
        """
        if not rows:
            return 0
        body = _encode([_record(row) for row in rows])
        with self._transaction() as connection:
            return int(connection.execute(INSERT, {"rows": body}).rowcount)

    def served_prediction(self, model: str, prediction_id: str) -> tuple[ServedPrediction, ...]:
        """Return the rows of one prediction of the API, in their order.

        Args:
            model: Name of the model.
            prediction_id: What the response called it.

        Returns:
            The rows; none for an unknown id.

        Raises:
            ServiceError: The database does not respond.
        """
        query = select(table).where(table.c.id == prediction_id, table.c.model == model).order_by(table.c.row)
        with self._transaction() as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
        return tuple(
            ServedPrediction(**row | {"at": utc(row["at"]), "predicted_at": utc(row["predicted_at"])})
            for row in rows
        )

    def store_labels(self, model: str, labels: Sequence[PostedLabel], received_at: datetime) -> int:
        """Insert labels in one transaction; a later label of the same row corrects the earlier one.

        Args:
            model: Name of the model.
            labels: The labels.
            received_at: When they arrived, with a zone.

        Returns:
            How many are new.

        Raises:
            ServiceError: The database does not respond.
        """
        if not labels:
            return 0
        parameters = {
            "model": model,
            "received_at": utc(received_at),
            "id": [_text(label.prediction_id) for label in labels],
            "row": [label.row for label in labels],
            "value": [_text(label.value) for label in labels],
        }
        with self._transaction() as connection:
            return int(connection.execute(LABELS, parameters).rowcount)

    def labeled_predictions(
        self, model: str, *, since: datetime, until: datetime, limit: int | None = None
    ) -> pl.DataFrame:
        """Return the API's predictions with since <= predicted_at < until, each with its newest label.

        Args:
            model: Name of the model.
            since: First time of prediction.
            until: First time of prediction after the window.
            limit: Largest number of rows, the newest; None for all.

        Returns:
            A row per prediction, oldest first: id, row, version, entity, at, predicted_at, value, low, high, label,
            rung, and truth (text) and received_at of the label, null while there is none.

        Raises:
            ServiceError: The database does not respond.
        """
        parameters = {"model": model, "since": utc(since), "until": utc(until), "limit": limit}
        with self._transaction() as connection:
            rows = [tuple(row) for row in connection.execute(LABELED, parameters)]
        return pl.DataFrame(rows[::-1], schema=LABELED_SCHEMA, orient="row")

    def served_inputs(self, model: str, *, since: datetime, until: datetime, limit: int) -> pl.DataFrame:
        """Return what the API predicted from, with since <= predicted_at < until.

        Args:
            model: Name of the model.
            since: First time of prediction.
            until: First time of prediction after the window.
            limit: Largest number of rows; the newest are returned.

        Returns:
            A row per prediction, newest first: version, value, label, rung, and readings (JSON).

        Raises:
            ServiceError: The database does not respond.
        """
        parameters = {"model": model, "since": utc(since), "until": utc(until), "limit": limit}
        with self._transaction() as connection:
            rows = [tuple(row) for row in connection.execute(INPUTS, parameters)]
        return pl.DataFrame(rows, schema=INPUTS_SCHEMA, orient="row")


def _record(row: ServedPrediction) -> dict[str, Any]:
    """Return a row as JSON values. Readings are JSON in text, which may hold what PostgreSQL's text does not."""
    return {
        "id": row.id,
        "row": row.row,
        "model": row.model,
        "version": row.version,
        "revision": row.revision,
        "entity": _text(row.entity),
        "at": utc(row.at),
        "predicted_at": utc(row.predicted_at),
        "value": row.value,
        "low": row.low,
        "high": row.high,
        "label": None if row.label is None else _text(row.label),
        "readings": _encode(row.readings),
        "history_version": row.history_version,
        "rung": row.rung,
    }


def _encode(value: Any) -> str:
    """Return a JSON text. The standard library takes five times as long, but writes lone surrogates too."""
    try:
        return to_json(value).decode()
    except PydanticSerializationError:
        return json.dumps(value, default=datetime.isoformat)


def _text(value: str) -> str:
    """Return text without the one character that PostgreSQL does not store."""
    return value.replace("\x00", "\N{REPLACEMENT CHARACTER}")
