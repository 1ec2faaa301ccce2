"""Alerts, recorded exactly once per key, and the queue of those that nobody received yet.

Comes in: what happened, as plain values. Goes out: `Alert`. The kinds, their severity and their recipients are in
`lifecycle.alerts`, which is also the only caller that records an alert.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert

from mlops_assets.ledger.engine import Store, utc
from mlops_assets.ledger.records import Alert, Delivery, NewAlert
from mlops_assets.ledger.schema import alerts

OPEN = alerts.c.acknowledged_at.is_(None) & alerts.c.closed_at.is_(None)


CLAIM_LASTS: Final = timedelta(minutes=10)
"""A delivery that takes longer belongs to a process that died in it."""


class Alerts(Store):
    """The verbs on the table of alerts."""

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
        new = NewAlert(key, model, kind, severity, message, group or key)
        return key in self.raise_alerts([new], at)

    def raise_alerts(self, new: Sequence[NewAlert], at: datetime) -> frozenset[str]:
        """Record many alerts in one statement, to be delivered.

        Args:
            new: The alerts; those whose key is recorded are left out.
            at: When they happened, with a zone.

        Returns:
            The keys that were new.
        """
        if not new:
            return frozenset()
        rows = {
            one.key: {
                "key": one.key,
                "model": one.model,
                "kind": one.kind,
                "severity": one.severity,
                "message": one.message,
                "at": utc(at),
                "group_key": one.group,
                "delivery": "pending",
                "notify": None if one.notify is None else list(one.notify),
            }
            for one in new
        }
        statement = insert(alerts).values(list(rows.values())).on_conflict_do_nothing(index_elements=["key"])
        with self._transaction() as connection:
            return frozenset(connection.scalars(statement.returning(alerts.c.key)))

    def claim_alerts(self, keys: Collection[str], now: datetime) -> frozenset[str]:
        """Take waiting alerts for delivery; those of a process that died in its delivery too.

        Args:
            keys: Keys of alerts.
            now: Present time, with a zone.

        Returns:
            The keys that no other process took first.
        """
        waiting = (alerts.c.delivery == "pending") | _abandoned(now)
        statement = update(alerts).where(alerts.c.key.in_(keys), waiting).returning(alerts.c.key)
        with self._transaction() as connection:
            return frozenset(connection.scalars(statement.values(delivery="sending", claimed_at=utc(now))))

    def expire_alerts(self, before: datetime, now: datetime) -> int:
        """Give up alerts that nobody could be told about for long.

        Args:
            before: Alerts from before this instant, with a zone.
            now: Present time, with a zone.

        Returns:
            How many alerts expired.
        """
        waiting = (alerts.c.delivery == "pending") | _abandoned(now)
        return self._update(waiting, alerts.c.at < utc(before), delivery="expired")

    def record_delivery(self, keys: Collection[str], delivery: Delivery) -> None:
        """Record the result of delivering alerts.

        Args:
            keys: Keys of the alerts.
            delivery: New state; `pending` when they must be tried again.
        """
        self._update(alerts.c.key.in_(keys), delivery=delivery)

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

    def close_alerts(self, kind: str, model: str | None, at: datetime) -> tuple[Alert, ...]:
        """Close the open alerts of a type, because their cause ended.

        Args:
            kind: Type of the alerts, a name of the alert table.
            model: Model of the alerts; None closes only those about the platform.
            at: Time at which the cause ended, with a zone.

        Returns:
            The alerts that were open.
        """
        return self._close(alerts.c.kind == kind, alerts.c.model.is_not_distinct_from(model), OPEN, at=at)

    def close_keys(self, keys: Collection[str], at: datetime) -> tuple[Alert, ...]:
        """Close alerts because the cause of each ended, acknowledged ones too.

        Args:
            keys: Keys of alerts.
            at: Present time, with a zone.

        Returns:
            The alerts that were not closed before.
        """
        return self._close(alerts.c.key.in_(keys), alerts.c.closed_at.is_(None), at=at)

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

    def pending_alerts(self, since: datetime, now: datetime, limit: int = 100) -> tuple[Alert, ...]:
        """Return alerts that nobody received yet.

        Args:
            since: Only alerts from this time on, with a zone.
            now: Present time, with a zone.
            limit: Largest number of alerts.

        Returns:
            Alerts that are pending, or whose process died in their delivery, newest first.
        """
        waiting = (alerts.c.delivery == "pending") | _abandoned(now)
        return self._alerts(waiting, alerts.c.at >= utc(since), limit=limit)

    def repeated_groups(self, groups: Collection[str], since: datetime, now: datetime) -> frozenset[str]:
        """Return the groups of which an alert was delivered recently and is still open.

        Args:
            groups: Group keys.
            since: Start of the period that counts, with a zone.
            now: Present time, with a zone.

        Returns:
            Those with a delivered (or just being sent) open alert from `since` on.
        """
        at_work = (alerts.c.delivery == "sending") & (alerts.c.claimed_at >= utc(now - CLAIM_LASTS))
        delivered = (alerts.c.delivery == "sent") | at_work
        query = select(alerts.c.group_key).where(
            alerts.c.group_key.in_(groups), OPEN, delivered, alerts.c.at >= utc(since)
        )
        with self._transaction() as connection:
            return frozenset(connection.scalars(query.distinct()))

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

    def _close(self, *conditions: Any, at: datetime) -> tuple[Alert, ...]:
        statement = update(alerts).where(*conditions).values(closed_at=utc(at)).returning(alerts)
        with self._transaction() as connection:
            return tuple(_alert(row) for row in connection.execute(statement))

    def _alerts(self, *conditions: Any, limit: int) -> tuple[Alert, ...]:
        query = select(alerts).where(*conditions).order_by(alerts.c.id.desc()).limit(limit)
        with self._transaction() as connection:
            return tuple(_alert(row) for row in connection.execute(query))


def _abandoned(now: datetime) -> Any:
    return (alerts.c.delivery == "sending") & (alerts.c.claimed_at < utc(now - CLAIM_LASTS))


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
        notify=None if row.notify is None else tuple(row.notify),
    )
