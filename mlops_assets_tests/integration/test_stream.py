"""A champion that predicts a Kafka topic: librdkafka's mock brokers, a real ledger, real processes that are killed."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import generate_latest
from starlette.testclient import TestClient
from typing_extensions import override

from mlops_assets.errors import DataError, ServiceError
from mlops_assets.ledger import Ledger, ServedPrediction
from mlops_assets.serving.app import create_app
from mlops_assets.serving.keys import Keys
from mlops_assets.serving.streams import kafka
from mlops_assets.serving.streams.kafka import KafkaStream, StreamPlan
from mlops_assets.serving.streams.metrics import StreamMetrics
from mlops_assets.serving.streams.scorer import Scorer
from mlops_assets_tests.unit.serving.served_models import FakeChampions, FakeServed
from mlops_assets_tests.waiting import patience, wait_until

pytestmark = pytest.mark.integration


class Brokers:
    """A cluster inside a librdkafka client, and the means to write to it and to read it."""

    def __init__(self) -> None:
        self.kafka: Any = pytest.importorskip("confluent_kafka")
        self.producer = self.kafka.Producer(
            {"bootstrap.servers": "mock", "test.mock.num.brokers": 3, "log_level": 0}
        )
        brokers = self.producer.list_topics(timeout=20).brokers.values()
        self.servers = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)

    def plan(self, topic: str) -> StreamPlan:
        """Topics of one test, which exist: a mock cluster creates what a producer looks up, with four partitions."""
        plan = StreamPlan(
            topic,
            topic,
            f"{topic}.out",
            f"{topic}.bad",
            {"bootstrap.servers": self.servers, "session.timeout.ms": "6000"},
        )
        for name in (plan.topic, plan.output, plan.dead_letters):
            self.producer.list_topics(name, timeout=20)
        return plan

    def write(self, topic: str, bodies: Sequence[bytes | None], partitions: int = 4) -> None:
        for number, body in enumerate(bodies):
            self.producer.produce(topic, body, partition=number % partitions, key=f"key-{number}")
        assert self.producer.flush(30) == 0

    def read(self, topic: str) -> list[Any]:
        """Every message of a topic."""
        reader = self.kafka.Consumer(
            {"bootstrap.servers": self.servers, "group.id": "reader", "log_level": 0}
        )
        messages: list[Any] = []
        for number in reader.list_topics(topic, timeout=20).topics[topic].partitions:
            partition = self.kafka.TopicPartition(topic, number, 0)
            _, high = reader.get_watermark_offsets(partition, timeout=20)
            reader.assign([partition])
            end = time.monotonic() + 30
            before = len(messages)
            while len(messages) - before < high:
                assert time.monotonic() < end
                messages += reader.consume(high, timeout=0.1)
        reader.close()
        return messages


@pytest.fixture(scope="module")
def brokers() -> Brokers:
    return Brokers()


def reading(number: int) -> dict[str, Any]:
    return {"x": number, "z": 0.5, "kind": "a"}


def body(number: int) -> bytes:
    return json.dumps(reading(number)).encode()


def scorer_of(champions: Any) -> Scorer:
    return Scorer("double", champions)


@contextmanager
def running(
    ledger: Ledger, plan: StreamPlan, store: Any = None, champions: Any = None
) -> Iterator[StreamMetrics]:
    """A scorer in a thread of this process."""
    metrics = StreamMetrics("double", plan.topic)
    scorer = scorer_of(champions or FakeChampions())
    stream = KafkaStream(plan, scorer, store or ledger.store_served, metrics)
    stop = threading.Event()
    thread = threading.Thread(target=stream.run, args=(stop,))
    thread.start()
    try:
        yield metrics
    finally:
        stop.set()
        thread.join(60)
        assert not thread.is_alive()


def count(metrics: StreamMetrics, outcome: str) -> float:
    labels = {"model": "double", "topic": metrics.topic, "outcome": outcome}
    return metrics.registry.get_sample_value("mlops_stream_messages_total", labels) or 0.0


def logged(ledger: Ledger) -> list[ServedPrediction]:
    now = datetime.now(UTC)
    rows = ledger.labeled_predictions("double", since=now - timedelta(1), until=now + timedelta(1))
    ids = rows["id"].unique(maintain_order=True)
    return [one for prediction_id in ids for one in ledger.served_prediction("double", prediction_id)]


@pytest.fixture
def api() -> Iterator[TestClient]:
    """The API over the same champion."""
    with TestClient(create_app(FakeChampions(), Keys("secret"))) as client:  # type: ignore[arg-type]
        yield client


def respond(api: TestClient, body: bytes) -> Any:
    return api.post("/predict/double", content=body, headers={"x-api-key": "secret"}).json()


def test_predictions_are_those_of_the_api_and_logged_once(
    ledger: Ledger, brokers: Brokers, api: TestClient
) -> None:
    plan = brokers.plan("plain")
    wrapped = json.dumps({"readings": [reading(100), reading(101)]}).encode()
    brokers.write("plain", [*(body(number) for number in range(30)), wrapped])
    with running(ledger, plan) as metrics:
        wait_until(lambda: count(metrics, "predicted") == 31)
    outputs = brokers.read(plan.output)
    assert len(outputs) == 31
    for message in outputs:
        document, headers = json.loads(message.value()), dict(message.headers())
        number = int(message.key().decode().partition("-")[2])
        sent = wrapped if number == 30 else json.dumps({"readings": [reading(number)]}).encode()
        assert {**document, "id": ""} == {**respond(api, sent), "id": ""}
        assert headers["mlops-source"].startswith(f"plain/{message.partition()}/".encode())
    log = logged(ledger)
    assert len(log) == 32
    assert {row.id for row in log} == {json.loads(message.value())["id"] for message in outputs}
    assert brokers.read(plan.dead_letters) == []


def test_a_poison_message_is_a_dead_letter_with_the_reason_of_the_api(
    ledger: Ledger, brokers: Brokers, api: TestClient
) -> None:
    plan = brokers.plan("poison")
    poison: list[bytes | None] = [
        b"\xff\xfe",
        b"not json",
        b"[1]",
        b'{"x": 1, "x": 2}',
        b"[" * 100_000,
        b'{"readings": []}',
        b'{"readings": [{"x": "many", "z": 1, "kind": "a"}]}',
        b'{"readings": [{"x": 1}]}',
        b'{"features": [[1]]}',
        b"",
        None,
    ]
    brokers.write("poison", [item for bad in poison for item in (bad, body(1))], partitions=1)
    with running(ledger, plan) as metrics:
        wait_until(lambda: count(metrics, "predicted") == len(poison))
        wait_until(lambda: count(metrics, "dead_letter") == len(poison) - 1)
        assert count(metrics, "empty") == 1
        wait_until(lambda: lag(metrics).endswith(" 0.0"))
    letters = brokers.read(plan.dead_letters)
    assert [message.value() or b"" for message in letters] == [bad for bad in poison if bad is not None]
    for message in letters:
        reason = dict(message.headers())["mlops-reason"].decode()
        assert reason == respond(api, message.value() or b"")["detail"]
    assert len(logged(ledger)) == len(poison)


def test_what_is_too_large_to_produce_does_not_stop_the_messages_behind_it(
    ledger: Ledger, brokers: Brokers
) -> None:
    plan = brokers.plan("large")
    plan = replace(plan, options={**plan.options, "message.max.bytes": "1000"})
    digits = b'{"features": [%s]}' % b",".join([b'[0.1,0.1,"a"]'] * 45)  # 0.30000000000000004 each
    brokers.write("large", [digits, b"poison" * 200, body(1)], partitions=1)
    with running(ledger, plan) as metrics:
        wait_until(lambda: count(metrics, "predicted") == 1)
        wait_until(lambda: lag(metrics).endswith(" 0.0"))
    letters = brokers.read(plan.dead_letters)
    assert [message.value() or b"" for message in letters] == [digits, b""]
    reasons = [dict(message.headers())["mlops-reason"].decode() for message in letters]
    assert reasons[0].startswith("the prediction is larger than a message may be")
    assert reasons[1].startswith("the body is too large for large.bad; ")
    assert len(brokers.read(plan.output)) == len(logged(ledger)) == 1


def test_two_groups_may_write_to_one_topic(ledger: Ledger, brokers: Brokers) -> None:
    plan = brokers.plan("shared")
    brokers.write("shared", [body(number) for number in range(4)], partitions=1)
    with running(ledger, plan) as metrics:
        wait_until(lambda: count(metrics, "predicted") == 4)
    with running(ledger, replace(plan, group="another")) as others:
        wait_until(lambda: count(others, "predicted") + count(others, "repeated") == 4)
    outputs = brokers.read(plan.output)
    assert len({json.loads(message.value())["id"] for message in outputs}) == len(outputs) == 8


def lag(metrics: StreamMetrics) -> str:
    lines = generate_latest(metrics.registry).decode().splitlines()
    return next(
        (line for line in lines if line.startswith("mlops_stream_lag") and 'partition="0"' in line), ""
    )


@pytest.mark.parametrize("moment", ["output", "log", "commit"])
def test_killed_at_any_step_no_message_is_lost_or_written_twice(
    ledger: Ledger, ledger_url: str, brokers: Brokers, moment: str
) -> None:
    topic = f"kill-{moment}"
    plan = brokers.plan(topic)
    brokers.write(topic, [b"poison" if number % 10 == 3 else body(number) for number in range(40)])
    child = multiprocessing.get_context("spawn").Process(
        target=score_until_killed, args=(ledger_url, plan, moment)
    )
    child.start()
    child.join(patience(60))
    child.kill()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert len(brokers.read(plan.output)) == 36, "killed after the output"
    with running(ledger, plan) as metrics:
        # what was committed does not come again; all else comes, and is in the output already
        wait_until(lambda: count(metrics, "repeated") == (0 if moment == "commit" else 40))
        brokers.write(topic, [body(number) for number in range(40, 44)])
        wait_until(lambda: count(metrics, "predicted") == 4)
    outputs, letters = brokers.read(plan.output), brokers.read(plan.dead_letters)
    sources = Counter(dict(message.headers())["mlops-source"] for message in [*outputs, *letters])
    assert len(sources) == 44
    assert set(sources.values()) == {1}, "no message has two results"
    assert len(letters) == 4
    rows = logged(ledger)
    assert len(rows) == 40
    values = {json.loads(message.value())["id"]: json.loads(message.value()) for message in outputs}
    assert {row.id: row.value for row in rows} == {
        key: value["predictions"][0] for key, value in values.items()
    }


def score_until_killed(url: str, plan: StreamPlan, moment: str) -> None:
    """In a process of its own, which ends without any clean-up after the output, after the log, or after the commit."""

    def die(*_: Any, **__: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)

    with Ledger.open(url) as ledger:
        metrics = StreamMetrics("double", plan.topic)
        store = die if moment == "output" else ledger.store_served
        stream = KafkaStream(plan, scorer_of(FakeChampions()), store, metrics)
        consumer = stream._consumer
        batch: list[Any] = []

        class Dying:
            """The consumer, until it commits; every partition is read at once, so that one batch has all messages."""

            def __getattr__(self, name: str) -> Any:
                return getattr(consumer, name)

            def consume(self, most: int, timeout: float) -> Any:
                batch.extend(consumer.consume(most, timeout))
                return batch if len(batch) == 40 else []

            def commit(self, **more: Any) -> None:
                if moment == "commit":
                    consumer.commit(**more)
                die()

        stream._consumer = Dying()
        stream.run(threading.Event())


def test_messages_wait_while_the_ledger_or_the_champion_is_away(ledger: Ledger, brokers: Brokers) -> None:
    plan = brokers.plan("away")
    failures: list[int] = []
    waiting = threading.Event()
    waiting.set()

    class Away(FakeChampions):
        @override
        def served(self, model: str) -> FakeServed | None:
            return None if waiting.is_set() else super().served(model)

    def store(rows: Sequence[ServedPrediction]) -> int:
        if len(failures) < 2:
            failures.append(len(rows))
            raise ServiceError("the database does not respond")
        return ledger.store_served(rows)

    brokers.write("away", [body(number) for number in range(8)])
    with running(ledger, plan, store, Away()) as metrics:
        wait_until(lambda: lag(metrics).endswith(" 2.0"))
        assert count(metrics, "predicted") == 0
        waiting.clear()
        wait_until(lambda: len(logged(ledger)) == 8)
        wait_until(lambda: lag(metrics).endswith(" 0.0"))
    assert len(failures) == 2
    assert len(brokers.read(plan.output)) == 8


def test_what_is_wrong_with_brokers_and_topics_is_an_error_at_the_start(
    brokers: Brokers, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = scorer_of(FakeChampions())
    metrics = StreamMetrics("double", "narrow")
    monkeypatch.setattr(kafka, "BROKER_SECONDS", 1.0)
    silent = StreamPlan("g", "a", "b", "c", {"bootstrap.servers": "127.0.0.1:1"})
    with pytest.raises(ServiceError, match="kafka does not respond"):
        KafkaStream(silent, scorer, lambda _: 0, metrics)
    wrong = StreamPlan("g", "a", "b", "c", {"bootstrap.servers": "127.0.0.1:1", "sessions": "1"})
    with pytest.raises(DataError, match='No such configuration property: "sessions"'):
        KafkaStream(wrong, scorer, lambda _: 0, metrics)
    monkeypatch.setattr(kafka, "BROKER_SECONDS", 30.0)
    missing = StreamPlan("g", "missing", "b", "c", {"bootstrap.servers": brokers.servers})
    with pytest.raises(DataError, match="no topic 'missing'; create it"):
        KafkaStream(missing, scorer, lambda _: 0, metrics)
    sizes = {"a": 4, "b": 1, "c": 4}
    topics = {name: SimpleNamespace(error=None, partitions=range(size)) for name, size in sizes.items()}
    fake = SimpleNamespace(list_topics=lambda *_, **__: SimpleNamespace(topics=topics))
    monkeypatch.setattr("confluent_kafka.Consumer", lambda _: fake)
    with pytest.raises(DataError, match="'b' has 1 partitions, 'a' has 4"):
        KafkaStream(silent, scorer, lambda _: 0, metrics)
