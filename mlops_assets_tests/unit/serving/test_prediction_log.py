"""Every prediction is in the ledger with its readings; labels join it by its id; losses are counted."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from mlops_assets.errors import LedgerError, ServiceError
from mlops_assets.ledger import Ledger, ServedPrediction
from mlops_assets.serving.app import create_app
from mlops_assets.serving.keys import Keys
from mlops_assets.serving.payload import Row
from mlops_assets.serving.prediction_log import PredictionLog
from mlops_assets_tests.unit.serving.served_models import FakeChampions, FakeServed
from mlops_assets_tests.waiting import became_true

KEY = {"x-api-key": "secret"}
READING: Row = {"x": 1.5, "z": 1, "kind": "a"}
LONG_AGO, LATER = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


class FakeStore:
    """Keeps rows as the ledger would; `down` and `refuses` make it fail."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, int], ServedPrediction] = {}
        self.down = threading.Event()
        self.refuses = ""
        self.raises: BaseException = LedgerError("refused")
        self.problem: BaseException = ServiceError("the ledger does not respond")

    def __call__(self, rows: Sequence[ServedPrediction]) -> int:
        if self.down.is_set():
            raise self.problem
        if any(row.id == self.refuses for row in rows):
            raise self.raises
        self.rows |= {(row.id, row.row): row for row in rows}
        return len(rows)


def document(prediction_id: str, rows: int = 1) -> dict[str, Any]:
    return {"id": prediction_id, "predictions": [4.0] * rows}


def add(log: PredictionLog, prediction_id: str, rows: int = 1) -> None:
    served: Any = FakeServed()
    log.add(served, [READING] * rows, document(prediction_id, rows))


def test_what_is_queued_at_a_clean_shutdown_is_written() -> None:
    store = FakeStore()
    log = PredictionLog(store, flush_seconds=3600)
    log.start()
    for number in range(5000):
        add(log, str(number))
    assert log.stop() == 0
    assert len(store.rows) == 5000
    assert (log.status()["written"], log.status()["queued"]) == (5000, 0)


@pytest.mark.parametrize(
    "problem",
    [ServiceError("the ledger does not respond"), OSError(24, "too many open files"), MemoryError()],
)
def test_a_ledger_that_is_away_for_a_while_loses_nothing(problem: Exception) -> None:
    store = FakeStore()
    store.problem = problem
    store.down.set()
    log = PredictionLog(store, flush_seconds=0.01)
    log.start()
    add(log, "a", 3)
    assert became_true(lambda: log.status()["problem"] is not None or log.status()["lost"] > 0)
    assert (log.status()["lost"], log.loops()["prediction_log"]["alive"]) == (0, True)
    store.down.clear()
    assert became_true(lambda: log.status()["written"] == 3)
    assert log.status()["problem"] is None
    assert log.stop() == 0


def test_what_does_not_fit_and_what_cannot_be_written_is_counted() -> None:
    store = FakeStore()
    store.down.set()
    log = PredictionLog(store, most_rows=4, flush_seconds=0.01)
    log.start()
    add(log, "a", 3)
    add(log, "b", 2)
    assert (log.status()["queued"], log.status()["lost"]) == (3, 2)
    assert log.stop(seconds=0.2) == 5
    store.down.clear()


class PanicException(BaseException):
    """What polars raises when it panics: not an Exception."""


@pytest.mark.parametrize("error", [LedgerError("refused"), AttributeError("None"), PanicException("panic")])
def test_a_row_that_the_ledger_refuses_does_not_take_the_others_along(error: BaseException) -> None:
    store = FakeStore()
    store.refuses, store.raises = "b", error
    log = PredictionLog(store, flush_seconds=3600)
    log.start()
    for prediction_id in ("a", "b", "c"):
        add(log, prediction_id)
    assert log.stop() == 1
    assert {prediction_id for prediction_id, _ in store.rows} == {"a", "c"}


def test_predictions_are_logged_and_labels_join_them_by_their_ids(ledger: Ledger) -> None:
    champions: Any = FakeChampions()
    log = PredictionLog(ledger.store_served, flush_seconds=0.01)
    with TestClient(create_app(champions, Keys("secret"), ledger, log)) as client:
        response = client.post("/predict/double", json={"readings": [READING, READING]}, headers=KEY).json()
        other = client.post("/invocations", json={"instances": [READING]}, headers=KEY).json()
        for value in (3.5, 4.25):  # the second label corrects the first
            label = {"id": response["id"], "row": 2, "value": value}
            posted = client.post("/labels/double", json={"labels": [label]}, headers=KEY)
            assert (posted.status_code, posted.json()) == (200, {"stored": 1})
    rows = ledger.served_prediction("double", response["id"])
    assert [(row.row, row.version, row.revision, row.value, row.low) for row in rows] == [
        (1, 3, 1, 4.0, 3.0),
        (2, 3, 1, 4.0, 3.0),
    ]
    assert rows[0].readings == READING
    joined = ledger.labeled_predictions("double", since=LONG_AGO, until=LATER)
    assert joined.select("id", "row", "truth").rows() == [
        (response["id"], 1, None),
        (response["id"], 2, "4.25"),
        (other["id"], 1, None),
    ]
    assert ledger.store_served(rows) == 0  # a retry doubles nothing


def test_text_that_postgresql_does_not_store_is_no_obstacle(ledger: Ledger) -> None:
    now = datetime.now(UTC)
    row = ServedPrediction(
        *("id", 1, "m", 1, 1, "a\x00b", now, now + timedelta(seconds=1)),
        *(1.0, None, None, "hi\x00gh", {"kind": "\x00"}),
    )
    assert ledger.store_served([row]) == 1
    [stored] = ledger.served_prediction("m", "id")
    assert (stored.entity, stored.label, stored.readings) == ("a\ufffdb", "hi\ufffdgh", {"kind": "\x00"})


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{}", 'send {"labels"'),
        (b'{"labels": []}', "a list of 1 to"),
        (b'{"labels": [1]}', "label 1: a label has"),
        (b'{"labels": [{"id": "a"}]}', "label 1: a label has"),
        (b'{"labels": [{"id": "", "value": 1}]}', "'id' is the id"),
        (b'{"labels": [{"id": "a", "row": 0, "value": 1}]}', "'row' is a whole number"),
        (b'{"labels": [{"id": "a", "value": NaN}]}', "'value' is a finite number"),
        (b'{"labels": [{"id": "a", "value": null}]}', "'value' is a finite number"),
        (b'{"labels": [{"id": "a", "value": 1}, {"id": "a", "value": 2}]}', "the same row"),
    ],
)
def test_labels_that_say_nothing_are_refused(ledger: Ledger, body: bytes, reason: str) -> None:
    champions: Any = FakeChampions()
    with TestClient(create_app(champions, Keys("secret"), ledger)) as client:
        response = client.post("/labels/double", content=body, headers=KEY)
        assert response.status_code == 422
        assert reason in response.json()["detail"]
        assert client.post("/labels/nobody", content=body, headers=KEY).status_code == 404
