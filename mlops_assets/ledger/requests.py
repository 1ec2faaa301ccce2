"""Retrain requests: at most one per model and key, whoever asks and however often.

The unique key decides, not a sensor's cursor: cursors get lost, daemons run twice. Whether to ask is the
retrain governor's decision.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Text, cast, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from mlops_assets.errors import LedgerError
from mlops_assets.ledger import canonical
from mlops_assets.ledger.engine import Store, utc
from mlops_assets.ledger.records import RequestState, RetrainRequest
from mlops_assets.ledger.schema import retrain_requests as requests


class RetrainRequests(Store):
    """The verbs on retrain requests: requested, claimed by one run, finished."""

    def request_retrain(
        self, model: str, key: str, cause: str, detail: Mapping[str, Any], at: datetime
    ) -> bool:
        """Record a retrain request.

        Args:
            model: Name of the model, as in its model file.
            key: Key of the cause; one key makes at most one request of a model.
            cause: Trigger that made the request.
            detail: Measurements behind the request; values that `canonical_text` accepts.
            at: Time of the request, with a zone.

        Returns:
            False when this key was requested before, in whatever state it is, or a retrain of the model is in flight.
        """
        written = text("cast(:detail as json)").bindparams(detail=canonical.canonical_text(detail))
        with self._transaction() as connection:
            done = connection.execute(
                insert(requests)
                .values(model=model, key=key, cause=cause, detail=written, requested_at=utc(at), state="open")
                .on_conflict_do_nothing()
            )
            return done.rowcount == 1

    def claim_request(self, model: str, key: str, run_id: str) -> bool:
        """Let a run work on a request: the first run that asks gets it for good; asking again is harmless.

        Args:
            model: The model.
            key: Key of the request.
            run_id: The run; the root run of a repeated one.

        Returns:
            False if another run has it, or nobody requested it.
        """
        of_key = (requests.c.model == model) & (requests.c.key == key)
        with self._transaction() as connection:
            connection.execute(
                update(requests)
                .where(of_key, requests.c.state == "open", requests.c.run_id.is_(None))
                .values(state="running", run_id=run_id)
            )
            return connection.scalar(select(requests.c.run_id).where(of_key)) == run_id

    def finish_request(
        self, model: str, key: str, state: RequestState, at: datetime, run_id: str | None = None
    ) -> None:
        """Close a request. Closing it again in the same state changes nothing.

        Args:
            model: Name of the model, as in its model file.
            key: Key of the request.
            state: `done`, `failed` or `dropped`.
            at: Time of the end, with a zone.
            run_id: Id of the run that finished it; None leaves the recorded one.

        Raises:
            LedgerError: When the request is unknown, closed in another state, or another run than `run_id` works on it.
        """
        if state not in ("done", "failed", "dropped"):
            raise LedgerError(f"a request is finished as done, failed or dropped, not '{state}'")
        with self._transaction() as connection:
            of_key = (requests.c.model == model) & (requests.c.key == key)
            values: dict[str, Any] = {"state": state, "finished_at": utc(at)}
            if run_id is not None:
                values["run_id"] = run_id
                of_key = of_key & (func.coalesce(requests.c.run_id, run_id) == run_id)
            closed = connection.execute(
                update(requests).where(of_key, requests.c.state.in_(("open", "running"))).values(**values)
            )
            if closed.rowcount == 1:
                return
            current = connection.scalar(
                select(requests.c.state).where(requests.c.model == model, requests.c.key == key)
            )
            if current in ("open", "running"):
                raise LedgerError(f"another run works on the retrain request '{key}' of model '{model}'")
            if current != state:
                state_now = "is unknown" if current is None else f"is already {current}"
                raise LedgerError(f"the retrain request '{key}' of model '{model}' {state_now}")

    def open_requests(self, model: str | None = None) -> tuple[RetrainRequest, ...]:
        """Return requests that are open or running.

        Args:
            model: Only requests of this model; None for all.

        Returns:
            Requests, oldest first.
        """
        return self._select(model, requests.c.state.in_(("open", "running")), newest_first=False, limit=None)

    def retrain_requests(self, model: str, limit: int = 50) -> tuple[RetrainRequest, ...]:
        """Return the newest requests of a model in any state, from which cooldown and budget are counted.

        Args:
            model: Name of the model, as in its model file.
            limit: Largest number of requests.

        Returns:
            Requests, newest first.
        """
        return self._select(model, None, newest_first=True, limit=limit)

    def requests_since(self, models: Collection[str], since: datetime) -> dict[str, list[RetrainRequest]]:
        """Return the requests of several models since an instant, by model, newest first; open ones of any age.

        Args:
            models: Names of the models.
            since: Start of the period, with a zone.

        Returns:
            Requests by model; models without one are absent.
        """
        recent = (requests.c.requested_at >= utc(since)) | requests.c.state.in_(("open", "running"))
        by_model: dict[str, list[RetrainRequest]] = {}
        for record in self._select(
            None, requests.c.model.in_(models) & recent, newest_first=True, limit=None
        ):
            by_model.setdefault(record.model, []).append(record)
        return by_model

    def _select(
        self, model: str | None, condition: Any, *, newest_first: bool, limit: int | None
    ) -> tuple[RetrainRequest, ...]:
        columns = [column for column in requests.c if column.name != "detail"]
        query = select(*columns, cast(requests.c.detail, Text).label("detail"))
        if condition is not None:
            query = query.where(condition)
        if model is not None:
            query = query.where(requests.c.model == model)
        query = query.order_by(requests.c.id.desc() if newest_first else requests.c.id).limit(limit)
        with self._transaction() as connection:
            return tuple(_record(row) for row in connection.execute(query))


def _record(row: Any) -> RetrainRequest:
    return RetrainRequest(
        id=row.id,
        model=row.model,
        key=row.key,
        cause=row.cause,
        detail=canonical.parse(row.detail),
        requested_at=utc(row.requested_at),
        state=row.state,
        run_id=row.run_id,
        finished_at=None if row.finished_at is None else utc(row.finished_at),
    )
