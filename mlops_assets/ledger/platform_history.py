"""The platform's own history: samples of the exporter's series for two weeks, and every action of healing.

Samples lie in a ring: a slot of five minutes is written again two weeks later, so that the table stops growing and
nothing has to be removed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from mlops_assets.ledger.engine import Store, utc
from mlops_assets.ledger.schema import healing_actions, platform_samples

EVERY: Final = timedelta(minutes=5)
KEPT: Final = timedelta(days=14)
SLOTS: Final = KEPT // EVERY


@dataclass(frozen=True, slots=True)
class HealingAction:
    """What was done about a cause. helped: None until it was verified; id: None before it is stored."""

    at: datetime
    component: str
    remedy: str
    step: str
    sentence: str
    reasons: tuple[str, ...]
    helped: bool | None = None
    id: int | None = None


class PlatformHistory(Store):
    """Writing and reading samples and actions."""

    def put_samples(self, at: datetime, values: Mapping[tuple[str, str], float]) -> None:
        """Store the values of one instant; another sample of the same five minutes is replaced.

        Args:
            at: Time of the sample, with a zone.
            values: Finite values by metric and label.
        """
        slot = int(utc(at).timestamp() // EVERY.total_seconds()) % SLOTS
        rows = [
            {"metric": metric, "label": label, "slot": slot, "at": utc(at), "value": value}
            for (metric, label), value in values.items()
        ]
        if not rows:
            return
        statement = upsert(platform_samples).values(rows)
        with self._transaction() as connection:
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["metric", "label", "slot"],
                    set_={"at": statement.excluded.at, "value": statement.excluded.value},
                )
            )

    def samples(
        self, since: datetime, before: datetime
    ) -> dict[tuple[str, str], list[tuple[datetime, float]]]:
        """Return the samples of a period, oldest first.

        Args:
            since: Start, with a zone.
            before: End, exclusive, with a zone.

        Returns:
            Time in UTC and value, by metric and label.
        """
        columns = platform_samples.c
        query = (
            select(columns.metric, columns.label, columns.at, columns.value)
            .where(columns.at >= utc(since), columns.at < utc(before))
            .order_by(columns.at)
        )
        series: dict[tuple[str, str], list[tuple[datetime, float]]] = {}
        with self._transaction() as connection:
            for row in connection.execute(query):
                series.setdefault((row.metric, row.label), []).append((utc(row.at), row.value))
        return series

    def actions(self, since: datetime) -> Sequence[HealingAction]:
        """Return the actions since an instant, oldest first.

        Args:
            since: Start, with a zone.

        Returns:
            The actions.
        """
        query = (
            select(healing_actions).where(healing_actions.c.at >= utc(since)).order_by(healing_actions.c.id)
        )
        with self._transaction() as connection:
            return tuple(_action(row) for row in connection.execute(query))

    def record_action(self, action: HealingAction) -> None:
        """Add an action.

        Args:
            action: What was done.
        """
        values = {
            "at": utc(action.at),
            "component": action.component,
            "remedy": action.remedy,
            "step": action.step,
            "sentence": action.sentence,
            "reasons": list(action.reasons),
        }
        with self._transaction() as connection:
            connection.execute(insert(healing_actions).values(**values))

    def record_verification(self, action: HealingAction, *, helped: bool, at: datetime) -> None:
        """Record whether an action helped; the first verification stays.

        Args:
            action: A stored action.
            helped: Whether the symptom was gone.
            at: Time of the verification, with a zone.
        """
        columns = healing_actions.c
        with self._transaction() as connection:
            connection.execute(
                update(healing_actions)
                .where(columns.id == action.id, columns.helped.is_(None))
                .values(helped=helped, verified_at=utc(at))
            )


def _action(row: Any) -> HealingAction:
    return HealingAction(
        at=utc(row.at),
        component=row.component,
        remedy=row.remedy,
        step=row.step,
        sentence=row.sentence,
        reasons=tuple(row.reasons),
        helped=row.helped,
        id=row.id,
    )
