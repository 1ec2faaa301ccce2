"""Alerts, recorded exactly once per key, and `alerts_log`, the flag conditions in the readings.

Comes in: what happened, as plain values. Goes out: `Alert` and `SensorAlert`. The kinds, their severity and
their recipients are in `lifecycle.alerts`, which is also the only caller that records an alert.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert

from mlops_assets.ledger.engine import Store, utc
from mlops_assets.ledger.records import Alert, Delivery, SensorAlert
from mlops_assets.ledger.schema import alerts, alerts_log

OPEN = alerts.c.acknowledged_at.is_(None) & alerts.c.closed_at.is_(None)


class Alerts(Store):
    """The verbs on both tables."""

    def raise_alert(
        self,
        key: str,
        *,
        model: str | None,
        kind: str,
        severity: str,
        message: str,
        at: datetime,
        group: str | None = None,
    ) -> bool:
        """Record an alert, to be delivered.

        Args:
            key: The event; the second alert with the same key is not recorded.
            model: Name of the model, None for the platform.
            kind: A key of `lifecycle.alerts.ALERT_KINDS`.
            severity: info, warning, error or critical.
            message: What people read.
            at: When it happened.
            group: Events that repeat share a group; default the key.

        Returns:
            True for the first alert with this key.
        """
        values = {"key": key, "model": model, "kind": kind, "severity": severity, "message": message}
        with self._transaction() as connection:
            result = connection.execute(
                insert(alerts)
                .values(**values, at=utc(at), group_key=group or key, delivery="pending")
                .on_conflict_do_nothing(index_elements=["key"])
            )
            return result.rowcount == 1

    def claim_alert(self, key: str) -> bool:
        """Take a pending alert for delivery.

        Args:
            key: Key of the alert.

        Returns:
            False when another process took it first.
        """
        return self._update(alerts.c.key == key, alerts.c.delivery == "pending", delivery="sending") == 1

    def record_delivery(self, key: str, delivery: Delivery) -> None:
        """Record the result of delivering an alert.

        Args:
            key: Key of the alert.
            delivery: New state; `pending` when it must be tried again.
        """
        self._update(alerts.c.key == key, delivery=delivery)

    def acknowledge_alert(self, key: str, actor: str, at: datetime) -> bool:
        """Record that a person read an alert.

        Args:
            key: Key of the alert.
            actor: Name of the person.
            at: Time of reading, with a zone.

        Returns:
            False when the alert is unknown or was acknowledged before.
        """
        unread = alerts.c.acknowledged_at.is_(None)
        return self._update(alerts.c.key == key, unread, acknowledged_at=utc(at), acknowledged_by=actor) == 1

    def acknowledge_groups(self, groups: Collection[str], actor: str, at: datetime) -> int:
        """Acknowledge every open alert of these groups.

        Args:
            groups: Group keys; alerts of one group share model, kind and cause.
            actor: Name of the person.
            at: Time of reading, with a zone.

        Returns:
            How many alerts were open in these groups.
        """
        return self._update(
            alerts.c.group_key.in_(groups), OPEN, acknowledged_at=utc(at), acknowledged_by=actor
        )

    def close_alerts(self, kind: str, model: str | None, at: datetime) -> int:
        """Close the open alerts of a type, because their cause ended.

        Args:
            kind: Type of the alerts, a name of the alert table.
            model: Model of the alerts; None closes only those about the platform.
            at: Time at which the cause ended, with a zone.

        Returns:
            How many alerts were open.
        """
        return self._update(
            alerts.c.kind == kind, alerts.c.model.is_not_distinct_from(model), OPEN, closed_at=utc(at)
        )

    def alerts(
        self, model: str | None = None, *, open_only: bool = False, limit: int = 100
    ) -> tuple[Alert, ...]:
        """Return the newest alerts.

        Args:
            model: Only alerts of this model; None for all, the platform's included.
            open_only: Only alerts that are neither acknowledged nor closed.
            limit: Largest number of alerts.

        Returns:
            Alerts, newest first.
        """
        conditions = ([alerts.c.model == model] if model is not None else []) + ([OPEN] if open_only else [])
        return self._alerts(*conditions, limit=limit)

    def open_alerts_of(self, kind: str) -> tuple[Alert, ...]:
        """Return the open alerts of one type.

        Args:
            kind: Type of the alerts.

        Returns:
            Alerts of all models, newest first, at most 1,000.
        """
        return self._alerts(alerts.c.kind == kind, OPEN, limit=1_000)

    def pending_alerts(self, since: datetime, limit: int = 100) -> tuple[Alert, ...]:
        """Return alerts that nobody received yet.

        Args:
            since: Only alerts from this time on, with a zone.
            limit: Largest number of alerts.

        Returns:
            Alerts whose delivery is pending, newest first.
        """
        return self._alerts(alerts.c.delivery == "pending", alerts.c.at >= utc(since), limit=limit)

    def is_repetition(self, group: str, since: datetime) -> bool:
        """Return whether an alert of this group was delivered recently and is still open.

        Args:
            group: Group key.
            since: Start of the period that counts, with a zone.

        Returns:
            True when a delivered (or just being sent) open alert of the group exists from `since` on.
        """
        delivered = alerts.c.delivery.in_(("sending", "sent"))
        return bool(
            self._alerts(alerts.c.group_key == group, OPEN, delivered, alerts.c.at >= utc(since), limit=1)
        )

    def known_alerts(self, keys: Collection[str]) -> frozenset[str]:
        """Return those of the keys that are recorded.

        Args:
            keys: Keys of alerts.

        Returns:
            The subset that the ledger holds, delivered or not.
        """
        with self._transaction() as connection:
            return frozenset(connection.scalars(select(alerts.c.key).where(alerts.c.key.in_(keys))))

    def _update(self, *conditions: Any, **values: Any) -> int:
        with self._transaction() as connection:
            return connection.execute(update(alerts).where(*conditions).values(**values)).rowcount

    def _alerts(self, *conditions: Any, limit: int) -> tuple[Alert, ...]:
        query = select(alerts).where(*conditions).order_by(alerts.c.id.desc()).limit(limit)
        with self._transaction() as connection:
            return tuple(_alert(row) for row in connection.execute(query))

    def log_sensor_alerts(self, conditions: Sequence[SensorAlert]) -> int:
        """Write flag conditions to `alerts_log`.

        A condition that is still true at the next sweep has the same key: its end and reading count grow.

        Args:
            conditions: Sustained conditions of one sweep; both times need a zone.

        Returns:
            How many keys are new.
        """
        if not conditions:
            return 0
        rows = [
            asdict(one) | {"started_at": utc(one.started_at), "ended_at": utc(one.ended_at)}
            for one in conditions
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
                )
                for row in connection.execute(query.order_by(alerts_log.c.started_at.desc()).limit(limit))
            )


def _alert(row: Row[Any]) -> Alert:
    return Alert(
        id=row.id,
        key=row.key,
        model=row.model,
        kind=row.kind,
        severity=row.severity,
        message=row.message,
        at=utc(row.at),
        acknowledged_at=None if row.acknowledged_at is None else utc(row.acknowledged_at),
        acknowledged_by=row.acknowledged_by,
        group=row.group_key,
        closed_at=None if row.closed_at is None else utc(row.closed_at),
        delivery=row.delivery,
    )
