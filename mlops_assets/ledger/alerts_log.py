"""`alerts_log`: how long each rule of a model file was true in the readings of each entity.

Comes in: conditions of a sweep, as `SensorAlert`. Goes out: the same.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from mlops_assets.ledger.engine import Store, utc
from mlops_assets.ledger.records import SensorAlert
from mlops_assets.ledger.schema import alerts_log

CHANGING: Final = ("ended_at", "readings", "message", "closed_at", "times")


class AlertsLog(Store):
    """The verbs on the table."""

    def log_sensor_alerts(self, conditions: Sequence[SensorAlert]) -> int:
        """Write conditions to `alerts_log`.

        A condition that is still true at the next sweep has the same key: its end and reading count grow. One that was
        closed stays closed.

        Args:
            conditions: Sustained conditions of one sweep; both times need a zone.

        Returns:
            How many keys are new.
        """
        if not conditions:
            return 0
        rows = [
            asdict(one)
            | {
                "started_at": utc(one.started_at),
                "ended_at": utc(one.ended_at),
                "closed_at": None if one.closed_at is None else utc(one.closed_at),
            }
            for one in conditions
        ]
        by_key = {row["key"]: row for row in rows}
        with self._transaction() as connection:
            known = set(connection.scalars(select(alerts_log.c.key).where(alerts_log.c.key.in_(by_key))))
            statement = insert(alerts_log).values(list(by_key.values()))
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["key"],
                    set_={name: statement.excluded[name] for name in CHANGING},
                    where=alerts_log.c.closed_at.is_(None)
                    & (
                        (alerts_log.c.ended_at < statement.excluded.ended_at)
                        | statement.excluded.closed_at.is_not(None)
                    ),
                )
            )
            return len(by_key.keys() - known)

    def close_sensor_alerts(self, model: str, rules: Collection[str], at: datetime) -> tuple[str, ...]:
        """Close the open lines of rules that the model file no longer has.

        Args:
            model: Name of the model, as in its model file.
            rules: Names of the rules it has.
            at: Present time, with a zone.

        Returns:
            Keys of the closed lines.
        """
        log = alerts_log.c
        statement = update(alerts_log).where(
            log.model == model, log.closed_at.is_(None), log.flag.not_in(rules)
        )
        with self._transaction() as connection:
            return tuple(connection.scalars(statement.values(closed_at=utc(at)).returning(log.key)))

    def models_with_open_lines(self) -> frozenset[str]:
        """Return the models that have a line which is not closed.

        Returns:
            Names of models.
        """
        query = select(alerts_log.c.model).where(alerts_log.c.closed_at.is_(None)).distinct()
        with self._transaction() as connection:
            return frozenset(connection.scalars(query))

    def sensor_alerts(self, model: str, limit: int = 100) -> tuple[SensorAlert, ...]:
        """Return the newest lines of `alerts_log` of one model.

        Args:
            model: Name of the model, as in its model file.
            limit: Largest number of lines.

        Returns:
            Conditions, latest start first.
        """
        query = select(alerts_log).where(alerts_log.c.model == model)
        with self._transaction() as connection:
            return tuple(
                SensorAlert(
                    key=row.key,
                    model=row.model,
                    entity=row.entity,
                    flag=row.flag,
                    started_at=utc(row.started_at),
                    ended_at=utc(row.ended_at),
                    readings=row.readings,
                    message=row.message,
                    severity=row.severity,
                    closed_at=None if row.closed_at is None else utc(row.closed_at),
                    times=row.times,
                )
                for row in connection.execute(query.order_by(alerts_log.c.started_at.desc()).limit(limit))
            )
