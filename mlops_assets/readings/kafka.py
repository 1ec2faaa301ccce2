"""Readings from a Kafka topic: every partition from the start of the window to the end it has when reading begins.

Nothing is committed to the broker and no consumer group is joined: what was read is known by the data itself (the
watermark), so a crash neither skips nor doubles a message, and two readers do not disturb each other.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from mlops_assets.errors import MissingExtraError, SourceError
from mlops_assets.readings.messages import decode_all
from mlops_assets.readings.records import to_frame
from mlops_assets.readings.request import Fetched, Request
from mlops_assets.spec.source import KafkaSource
from mlops_assets.spec.suggestion import did_you_mean

_SKEW: Final = timedelta(minutes=5)
"""Room for clocks that differ: a message is never older at the broker than its reading, but clocks may say so."""
_BATCH: Final = 5_000


def read_kafka(source: KafkaSource, request: Request) -> Fetched:
    """Messages of the window as rows. Raises SourceError when the broker is silent or a message is no JSON object."""
    try:
        from confluent_kafka import Consumer, KafkaException
    except ImportError:
        raise MissingExtraError("reading from Kafka", "kafka") from None
    where = f"kafka {source.topic} at {', '.join(source.servers)}"
    who = f"model {request.model!r}: {where}"
    errors: list[str] = []
    consumer: Any = Consumer(_options(source, request, who, errors))
    try:
        messages = _messages(consumer, source, request, who, errors)
    except KafkaException as error:
        raise SourceError(f"{who}: {error.args[0].str()}{f' ({errors[-1]})' if errors else ''}") from None
    finally:
        consumer.close()
    records, repairs = decode_all(messages, source.bad_messages, who)
    return Fetched(to_frame(records, who), where, repairs)


def _options(source: KafkaSource, request: Request, who: str, errors: list[str]) -> dict[str, Any]:
    options: dict[str, Any] = {
        **source.options,
        "bootstrap.servers": ",".join(source.servers),
        "group.id": f"mlops_assets.{request.model}",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "error",
        "error_cb": lambda error: errors.append(str(error.str())),
        "log_level": 0,
    }
    for variable, option in ((source.username_env, "sasl.username"), (source.password_env, "sasl.password")):
        if variable is not None:
            value = request.settings.environ.get(variable)
            if not value:
                raise SourceError(f"{who}: the environment variable {variable} is not set")
            options[option] = value
    return options


def _messages(
    consumer: Any, source: KafkaSource, request: Request, who: str, errors: list[str]
) -> list[tuple[str, bytes | None]]:
    from confluent_kafka import KafkaError, TopicPartition

    patience = source.timeout.total_seconds()
    topics = consumer.list_topics(timeout=patience).topics
    if source.topic not in topics or not topics[source.topic].partitions:
        raise SourceError(f"{who}: the topic does not exist{did_you_mean(source.topic, topics)}")
    partitions = [TopicPartition(source.topic, number) for number in sorted(topics[source.topic].partitions)]
    starts: dict[int, int] = {}
    ends: dict[int, int] = {}
    for partition in partitions:
        starts[partition.partition], ends[partition.partition] = consumer.get_watermark_offsets(
            partition, timeout=patience
        )
    if request.start is not None:
        moment = max(int((request.start - _SKEW).timestamp() * 1_000), 0)
        asked = [TopicPartition(source.topic, number, moment) for number in starts]
        for found in consumer.offsets_for_times(asked, timeout=patience):
            late = found.offset < 0  # no message so late
            starts[found.partition] = (
                ends[found.partition] if late else max(found.offset, starts[found.partition])
            )
    open_ones = {number for number in starts if starts[number] < ends[number]}
    consumer.assign([TopicPartition(source.topic, number, starts[number]) for number in sorted(open_ones)])
    messages: list[tuple[str, bytes | None]] = []
    while open_ones:
        batch = consumer.consume(_BATCH, timeout=patience)
        if not batch:
            raise SourceError(
                f"{who}: no message for {patience:.0f} s, with {len(open_ones)} partitions unread"
                + (f" ({errors[-1]})" if errors else "")
            )
        for message in batch:
            number = message.partition()
            failure = message.error()
            if failure is not None and failure.code() == KafkaError._PARTITION_EOF:
                open_ones.discard(number)
            elif failure is not None:
                raise SourceError(f"{who}: partition {number}: {failure.str()}")
            elif message.offset() < ends[number]:
                messages.append((f"partition {number}, offset {message.offset()}", message.value()))
            if failure is None and message.offset() >= ends[number] - 1:
                open_ones.discard(number)
    return messages
