"""Alerts, raised exactly once per key, and `alerts_log`, the flag conditions found in the readings.

When to alert is decided in monitoring; sending is done by whoever got True from `raise_alert`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from mlops_assets.ledger.engine import Store, utc
from mlops_assets.ledger.records import Alert, SensorAlert
from mlops_assets.ledger.schema import alerts, alerts_log


class Alerts(Store):
    """The verbs on both tables."""

    def raise_alert(
        self, key: str, *, model: str | None, kind: str, severity: str, message: str, at: datetime
    ) -> bool:
        """Write the alert down. True for the first with this key: the caller then sends it; False ever after.

        severity: info, warning, error or critical.
        """
        with self._transaction() as connection:
            done = connection.execute(
                insert(alerts)
                .values(key=key, model=model, kind=kind, severity=severity, message=message, at=utc(at))
                .on_conflict_do_nothing(index_elements=["key"])
            )
            return done.rowcount == 1

    def acknowledge_alert(self, key: str, actor: str, at: datetime) -> bool:
        """Somebody has seen it. False when it is unknown or was acknowledged before."""
        with self._transaction() as connection:
            done = connection.execute(
                update(alerts)
                .where(alerts.c.key == key, alerts.c.acknowledged_at.is_(None))
                .values(acknowledged_at=utc(at), acknowledged_by=actor)
            )
            return done.rowcount == 1

    def alerts(
        self, model: str | None = None, *, open_only: bool = False, limit: int = 100
    ) -> tuple[Alert, ...]:
        """The newest alerts, of one model when given, only those nobody acknowledged when asked."""
        query = select(alerts).order_by(alerts.c.id.desc()).limit(limit)
        if model is not None:
            query = query.where(alerts.c.model == model)
        if open_only:
            query = query.where(alerts.c.acknowledged_at.is_(None))
        with self._transaction() as connection:
            return tuple(
                Alert(
                    id=row.id,
                    key=row.key,
                    model=row.model,
                    kind=row.kind,
                    severity=row.severity,
                    message=row.message,
                    at=utc(row.at),
                    acknowledged_at=None if row.acknowledged_at is None else utc(row.acknowledged_at),
                    acknowledged_by=row.acknowledged_by,
                )
                for row in connection.execute(query)
            )

    def log_sensor_alerts(self, found: Sequence[SensorAlert]) -> int:
        """Write flag conditions to `alerts_log`; answers how many are new.

        A condition that still holds at the next sweep has the same key: its end and reading count grow.
        """
        if not found:
            return 0
        rows = [
            asdict(one) | {"started_at": utc(one.started_at), "ended_at": utc(one.ended_at)} for one in found
        ]
        by_key = {row["key"]: row for row in rows}
        with self._transaction() as connection:
            known = set(connection.scalars(select(alerts_log.c.key).where(alerts_log.c.key.in_(by_key))))
            statement = insert(alerts_log).values(list(by_key.values()))
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["key"],
                    set_={name: statement.excluded[name] for name in ("ended_at", "readings", "message")},
                    where=alerts_log.c.ended_at < statement.excluded.ended_at,
                )
            )
            return len(by_key.keys() - known)

    def sensor_alerts(self, model: str, limit: int = 100) -> tuple[SensorAlert, ...]:
        """The newest lines of `alerts_log` of one model."""
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
                )
                for row in connection.execute(query.order_by(alerts_log.c.started_at.desc()).limit(limit))
            )
