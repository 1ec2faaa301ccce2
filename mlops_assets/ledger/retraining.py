"""What retrains are decided on, and every decision: signals, decisions, and the state of all models in a few queries.

A tick of the retrain governor reads all models at once: its cost is a handful of queries, whatever their number.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Text, cast, func, insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from mlops_assets.artifacts import Signal, from_json, to_json
from mlops_assets.ledger import canonical
from mlops_assets.ledger.engine import Store, utc
from mlops_assets.ledger.schema import champion, history, retrain_decisions, retrain_requests, signals


@dataclass(frozen=True, slots=True)
class RetrainDecision:
    """A decision of the retrain governor: retrain, wait or no, by which rule, because of which signals."""

    model: str
    at: datetime
    verdict: Literal["retrain", "wait", "no"]
    rule: str
    reason: str
    signals: tuple[Mapping[str, Any], ...] = ()
    request_key: str | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The outcome of a challenger: promoted, kept or refused."""

    at: datetime
    action: str


class RetrainLog(Store):
    """Writing signals and decisions, and reading the state of all models."""

    def record_signals(self, records: Iterable[Signal], recorded_at: datetime) -> None:
        """Store observations; one of the same model, cause, subject and instant is replaced.

        Args:
            records: Signals of any models.
            recorded_at: Time of recording, with a zone.
        """
        with self._transaction() as connection:
            for record in records:
                body = text("cast(:body as json)").bindparams(body=canonical.canonical_text(to_json(record)))
                statement = upsert(signals).values(
                    model=record.model,
                    cause=record.cause,
                    subject=record.subject,
                    at=utc(record.at),
                    active=record.active,
                    body=body,
                    recorded_at=utc(recorded_at),
                )
                connection.execute(
                    statement.on_conflict_do_update(
                        index_elements=["model", "cause", "subject", "at"],
                        set_={name: statement.excluded[name] for name in ("active", "body", "recorded_at")},
                    )
                )

    def newest_signals(self, models: Collection[str], windows: int) -> dict[str, list[Signal]]:
        """Return the newest windows of every cause and subject, by model, newest first.

        Args:
            models: The models.
            windows: Windows per model, cause and subject.

        Returns:
            Signals by model; models without one are absent.
        """
        rank = func.row_number().over(
            partition_by=(signals.c.model, signals.c.cause, signals.c.subject), order_by=signals.c.at.desc()
        )
        ranked = (
            select(
                signals.c.model, signals.c.at, cast(signals.c.body, Text).label("body"), rank.label("rank")
            )
            .where(signals.c.model.in_(models))
            .subquery()
        )
        query = select(ranked).where(ranked.c.rank <= windows).order_by(ranked.c.model, ranked.c.at.desc())
        by_model: dict[str, list[Signal]] = {}
        with self._transaction() as connection:
            for row in connection.execute(query):
                by_model.setdefault(row.model, []).append(from_json(Signal, canonical.parse(row.body)))
        return by_model

    def champion_versions(self, models: Collection[str]) -> dict[str, int]:
        """Return the champion's version of each model that has one.

        Args:
            models: Names of the models.

        Returns:
            Version by model.
        """
        query = select(champion.c.model, champion.c.version).where(
            champion.c.model.in_(models), champion.c.version.is_not(None)
        )
        with self._transaction() as connection:
            return {row.model: row.version for row in connection.execute(query)}

    def champions_since(self, models: Collection[str]) -> dict[str, datetime]:
        """Return since when each model has its champion.

        Args:
            models: Names of the models.

        Returns:
            Time in UTC by model; models without a champion are absent.
        """
        query = select(champion.c.model, champion.c.since).where(
            champion.c.model.in_(models), champion.c.version.is_not(None)
        )
        with self._transaction() as connection:
            return {row.model: utc(row.since) for row in connection.execute(query)}

    def last_comparisons(self, models: Collection[str]) -> dict[str, datetime]:
        """Return when a challenger of each model was last promoted or kept.

        Args:
            models: Names of the models.

        Returns:
            Time in UTC by model; models without a comparison are absent.
        """
        query = (
            select(history.c.model, func.max(history.c.at).label("at"))
            .where(history.c.model.in_(models), history.c.action.in_(("promoted", "kept")))
            .group_by(history.c.model)
        )
        with self._transaction() as connection:
            return {row.model: utc(row.at) for row in connection.execute(query)}

    def comparisons_since(self, models: Collection[str], since: datetime) -> dict[str, list[Comparison]]:
        """Return the outcomes of challengers since an instant, by model, oldest first.

        Args:
            models: Names of the models.
            since: Start of the period, with a zone.

        Returns:
            Comparisons by model; models without one are absent.
        """
        query = (
            select(history.c.model, history.c.at, history.c.action)
            .where(
                history.c.model.in_(models),
                history.c.at >= utc(since),
                history.c.action.in_(("promoted", "kept", "refused")),
            )
            .order_by(history.c.id)
        )
        by_model: dict[str, list[Comparison]] = {}
        with self._transaction() as connection:
            for row in connection.execute(query):
                by_model.setdefault(row.model, []).append(Comparison(utc(row.at), row.action))
        return by_model

    def record_decision(self, decision: RetrainDecision) -> None:
        """Append a decision that requests nothing.

        Args:
            decision: A decision without a request.
        """
        self._decide(decision, None)

    def grant_retrain(self, decision: RetrainDecision, cause: str, detail: Mapping[str, Any]) -> bool:
        """Record a decision to retrain together with its request, in one transaction.

        Args:
            decision: The decision to retrain, with the key of the request.
            cause: Trigger that made the request.
            detail: Measurements behind the request.

        Returns:
            False, and nothing is written, if the key was requested before or a retrain of the model is in flight.
        """
        return self._decide(decision, (cause, detail))

    def retrain_decisions(self, model: str, limit: int = 50) -> tuple[RetrainDecision, ...]:
        """Return the newest decisions about one model, newest first.

        Args:
            model: Name of the model.
            limit: Largest number of decisions.

        Returns:
            Decisions, newest first.
        """
        query = self._decisions().where(retrain_decisions.c.model == model)
        with self._transaction() as connection:
            rows = connection.execute(query.order_by(retrain_decisions.c.id.desc()).limit(limit))
            return tuple(_decision(row) for row in rows)

    def newest_decisions(self, models: Collection[str]) -> dict[str, RetrainDecision]:
        """Return the newest decision about each model.

        Args:
            models: Names of the models.

        Returns:
            Decision by model; models without one are absent.
        """
        newest = (
            select(func.max(retrain_decisions.c.id))
            .where(retrain_decisions.c.model.in_(models))
            .group_by(retrain_decisions.c.model)
        )
        with self._transaction() as connection:
            rows = connection.execute(self._decisions().where(retrain_decisions.c.id.in_(newest)))
            return {row.model: _decision(row) for row in rows}

    @staticmethod
    def _decisions() -> Any:
        columns = [column for column in retrain_decisions.c if column.name != "signals"]
        return select(*columns, cast(retrain_decisions.c.signals, Text).label("signals"))

    def _decide(self, decision: RetrainDecision, request: tuple[str, Mapping[str, Any]] | None) -> bool:
        with self._transaction() as connection:
            if request is not None:
                cause, detail = request
                body = text("cast(:detail as json)").bindparams(detail=canonical.canonical_text(detail))
                inserted = connection.execute(
                    upsert(retrain_requests)
                    .values(
                        model=decision.model,
                        key=decision.request_key,
                        cause=cause,
                        detail=body,
                        requested_at=utc(decision.at),
                        state="open",
                    )
                    .on_conflict_do_nothing()
                )
                if inserted.rowcount != 1:
                    return False
            evidence = text("cast(:signals as json)").bindparams(
                signals=canonical.canonical_text({"signals": _list(decision.signals)})
            )
            connection.execute(
                insert(retrain_decisions).values(
                    model=decision.model,
                    at=utc(decision.at),
                    verdict=decision.verdict,
                    rule=decision.rule,
                    reason=decision.reason,
                    signals=evidence,
                    request_key=decision.request_key,
                    until=None if decision.until is None else utc(decision.until),
                )
            )
        return True


def _list(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [dict(record) for record in records]


def _decision(row: Any) -> RetrainDecision:
    return RetrainDecision(
        model=row.model,
        at=utc(row.at),
        verdict=row.verdict,
        rule=row.rule,
        reason=row.reason,
        signals=tuple(canonical.parse(row.signals)["signals"]),
        request_key=row.request_key,
        until=None if row.until is None else utc(row.until),
    )
