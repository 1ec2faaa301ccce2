"""The loop of a Kafka scorer: consume a batch, predict it, produce, log, commit.

A message is committed last: whatever ends the process, it comes again (at least once in). Its prediction has an id that
follows from its position and goes to the partition of the same number: what is in the output topic already is not
produced again, and the ledger has each id once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic_core import to_json

from mlops_assets.errors import DataError, LedgerError, MissingExtraError, ServiceError
from mlops_assets.ledger import ServedPrediction
from mlops_assets.serving.prediction_log import Store
from mlops_assets.serving.streams.metrics import StreamMetrics
from mlops_assets.serving.streams.output import (
    GROUP_HEADER,
    MOST_REPEATED,
    REASON_HEADER,
    SOURCE_HEADER,
    newest_outputs,
)
from mlops_assets.serving.streams.scorer import NotReadyError, Scored, Scorer, Source

TURN_SECONDS: Final = 0.2
BROKER_SECONDS: Final = 30.0
WAIT_SECONDS: Final = 1.0
LAG_SECONDS: Final = 5.0
LONGEST_REASON: Final = 1000

_LOGGER: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """Topics of a scorer. options: librdkafka's properties, such as bootstrap.servers."""

    group: str
    topic: str
    output: str
    dead_letters: str
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def consumer_options(self) -> dict[str, Any]:
        """Properties of every consumer."""
        return {**self.options, "log_level": 0, "auto.offset.reset": "earliest", "enable.auto.commit": False}


class KafkaStream:
    """Predicts the messages of a topic, until it is stopped.

    Args:
        plan: The topics.
        scorer: Predicts a message.
        store: Writes rows of the prediction log; rows that exist stay as they are.
        metrics: Where messages are counted.

    Raises:
        MissingExtraError: confluent-kafka is not installed.
        ServiceError: The broker does not respond.
        DataError: An option is wrong, a topic is missing, or an output topic has fewer partitions than the input.
    """

    def __init__(self, plan: StreamPlan, scorer: Scorer, store: Store, metrics: StreamMetrics) -> None:
        try:
            from confluent_kafka import Consumer, KafkaException, Producer
        except ImportError:
            raise MissingExtraError("a stream of Kafka", "kafka") from None
        self._plan, self._scorer, self._store, self._metrics = plan, scorer, store, metrics
        try:
            self._consumer: Any = Consumer({**plan.consumer_options, "group.id": plan.group})
            self._producer: Any = Producer({**plan.options, "log_level": 0, "enable.idempotence": True})
        except KafkaException as error:
            raise DataError(f"kafka's options cannot be used: {error.args[0].str()}") from None
        self._written: dict[int, dict[str, bytes | None]] = {}
        self._committed: dict[int, int] = {}
        self._is_paused = False
        self._next_lag = 0.0
        self._undelivered: str | None = None
        self._check_topics()

    def run(self, stop: threading.Event) -> None:
        """Consume until stopped; the batch under way is finished first.

        Args:
            stop: Set to end.

        Raises:
            ServiceError: The broker refuses to read, write or commit. What was not committed comes again.
        """
        from confluent_kafka import KafkaException

        try:
            self._consumer.subscribe([self._plan.topic], on_assign=self._assigned, on_revoke=self._revoked)
            while not stop.is_set():
                self._wait_for_champion()
                messages = self._consumer.consume(MOST_REPEATED, timeout=TURN_SECONDS)
                if messages:
                    self._handle(messages, stop)
                self._report_lag()
        except KafkaException as error:
            raise ServiceError(f"kafka {self._plan.topic}: {error.args[0].str()}") from None
        finally:
            self._consumer.close()

    def _check_topics(self) -> None:
        from confluent_kafka import KafkaException

        plan = self._plan
        partitions: dict[str, int] = {}
        for name in (plan.topic, plan.output, plan.dead_letters):
            try:
                topic = self._consumer.list_topics(name, timeout=BROKER_SECONDS).topics[name]
            except KafkaException as error:
                raise ServiceError(f"kafka does not respond: {error.args[0].str()}") from None
            if topic.error is not None or not topic.partitions:
                raise DataError(f"kafka has no topic {name!r}; create it")
            partitions[name] = len(topic.partitions)
        for name in (plan.output, plan.dead_letters):
            if partitions[name] < partitions[plan.topic]:
                raise DataError(
                    f"kafka topic {name!r} has {partitions[name]} partitions, {plan.topic!r} has "
                    f"{partitions[plan.topic]}; a prediction goes to the partition of its message: add some"
                )

    def _assigned(self, _consumer: Any, partitions: Sequence[Any]) -> None:
        plan = self._plan
        for one in self._consumer.committed(partitions, timeout=BROKER_SECONDS):
            self._committed[one.partition] = max(one.offset, 0)
            self._written[one.partition] = newest_outputs(
                plan.output,
                plan.dead_letters,
                one.partition,
                plan.group,
                plan.consumer_options,
                BROKER_SECONDS,
            )

    def _revoked(self, _consumer: Any, partitions: Sequence[Any]) -> None:
        for one in partitions:
            self._written.pop(one.partition, None)
            self._metrics.revoke(one.partition)

    def _wait_for_champion(self) -> None:
        """Read nothing while the model has no champion, and stay a member of the group."""
        if not self._scorer.is_ready:
            self._consumer.pause(self._consumer.assignment())
            self._is_paused = True
        elif self._is_paused:
            self._consumer.resume(self._consumer.assignment())
            self._is_paused = False

    def _handle(self, messages: Sequence[Any], stop: threading.Event) -> None:
        from confluent_kafka import TopicPartition

        rows: list[ServedPrediction] = []
        ends: dict[int, int] = {}
        for message in messages:
            if message.error() is not None:
                if message.error().fatal() or not message.error().retriable():
                    raise ServiceError(f"kafka {self._plan.topic}: {message.error().str()}")
                continue
            source = Source(message.topic(), message.partition(), message.offset())
            scored = self._scored(message, source, stop)
            if scored is None:
                return
            rows += scored.rows
            ends[source.partition] = source.offset + 1
        self._flush()
        if self._log(rows, stop) and ends:
            offsets = [TopicPartition(self._plan.topic, number, end) for number, end in ends.items()]
            self._consumer.commit(offsets=offsets, asynchronous=False)

    def _scored(self, message: Any, source: Source, stop: threading.Event) -> Scored | None:
        """Predict a message and produce what becomes of it; None where the process is stopped before it can."""
        while True:
            try:
                return self._predict(message, source)
            except NotReadyError:
                if stop.wait(WAIT_SECONDS):
                    return None

    def _predict(self, message: Any, source: Source) -> Scored:
        body, outputs = message.value(), self._written.get(source.partition, {})
        if body is None:  # a tombstone says that a key was deleted: nothing to predict
            self._metrics.count("empty")
            return Scored()
        if source.text in outputs:
            written = outputs[source.text]
            scored = Scored() if written is None else self._scorer.repeat(body, written)
            self._metrics.count("repeated")
            return scored
        scored = self._scorer.score(body, message.key(), source.prediction_id(self._plan.group))
        if scored.document is not None:
            if self._produce(self._plan.output, to_json(scored.document), message, source):
                self._metrics.count("predicted")
                return scored
            scored = Scored(reason="the prediction is larger than a message may be (message.max.bytes)")
        letters, reason = self._plan.dead_letters, scored.reason[:LONGEST_REASON]
        # what is too large for the topic must not stop the messages behind it: its source says where it is
        if not self._produce(letters, body, message, source, reason) and not self._produce(
            letters, b"", message, source, f"the body is too large for {letters}; {reason}"
        ):
            raise ServiceError(f"kafka {letters}: the key of {source.text} is too large")
        self._metrics.count("dead_letter")
        return scored

    def _produce(self, topic: str, body: bytes, message: Any, source: Source, reason: str = "") -> bool:
        """Produce what becomes of a message; False where it is larger than a message may be."""
        from confluent_kafka import KafkaError, KafkaException

        headers = [(SOURCE_HEADER, source.text.encode()), (GROUP_HEADER, self._plan.group.encode())]
        if reason:
            headers.append((REASON_HEADER, reason.encode(errors="replace")))
        while True:
            try:
                self._producer.produce(
                    topic,
                    body,
                    key=message.key(),
                    partition=source.partition,
                    headers=headers,
                    on_delivery=self._delivered,
                )
                return True
            except BufferError:
                self._producer.poll(TURN_SECONDS)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE:
                    raise
                return False

    def _delivered(self, error: Any, _message: Any) -> None:
        if error is not None:
            self._undelivered = error.str()

    def _flush(self) -> None:
        left = self._producer.flush(BROKER_SECONDS)
        if left or self._undelivered is not None:
            raise ServiceError(
                f"kafka did not take {left or 'some'} predictions: {self._undelivered or 'too slow'}"
            )

    def _log(self, rows: Sequence[ServedPrediction], stop: threading.Event) -> bool:
        """Write rows to the ledger, however long that takes; False where the process is stopped before it could."""
        while rows:
            try:
                self._store(rows)
                return True
            except ServiceError as error:
                _LOGGER.warning("the ledger does not respond, messages wait: %s", error)
                if stop.wait(WAIT_SECONDS):
                    return False
            except LedgerError as error:
                if len(rows) > 1:
                    return all(self._log([row], stop) for row in rows)
                _LOGGER.error("a prediction cannot be logged: %s", error)
                self._metrics.refuse()
                return True
        return True

    def _report_lag(self) -> None:
        if time.monotonic() < self._next_lag:
            return
        self._next_lag = time.monotonic() + LAG_SECONDS
        for one in self._consumer.position(self._consumer.assignment()):
            _, high = self._consumer.get_watermark_offsets(one, timeout=BROKER_SECONDS)
            position = one.offset if one.offset >= 0 else self._committed.get(one.partition, 0)
            self._metrics.lag(one.partition, max(high - position, 0))
