"""Readings from a Kafka topic: every partition from the start of the window to the end it has when reading begins.

Nothing is committed to the broker and no consumer group is joined: each run reads the window again, so a crash
neither skips nor doubles a message, and two readers do not disturb each other.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from mlops_assets.errors import MissingExtraError, SourceError
from mlops_assets.model_file.source import KafkaSource
from mlops_assets.model_file.suggestion import did_you_mean
from mlops_assets.readings.formats.json_records import to_frame
from mlops_assets.readings.request import Fetched, Request, text_names
from mlops_assets.readings.sources.messages import decode_all

_SKEW: Final = timedelta(minutes=5)
"""Allowance for clocks that differ: by its clock, a broker may date a message before its reading."""
_BATCH: Final = 5_000
_TURN_SECONDS: Final = 0.1


def read_kafka(source: KafkaSource, request: Request) -> Fetched:
    """Read the messages of the window as rows.

    Args:
        source: Servers, topic and options.
        request: The window.

    Returns:
        The readings with their origin.

    Raises:
        SourceError: The broker sends nothing, or a message is no JSON object.
        MissingExtraError: confluent-kafka is not installed.
    """
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
    frame = to_frame(records, who, source.limits)
    return Fetched(frame, where, repairs, text_names(frame))


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
    from confluent_kafka import TopicPartition

    timeout_seconds = source.timeout.total_seconds()
    topics = consumer.list_topics(timeout=timeout_seconds).topics
    if source.topic not in topics or not topics[source.topic].partitions:
        raise SourceError(f"{who}: the topic does not exist{did_you_mean(source.topic, topics)}")
    starts: dict[int, int] = {}
    ends: dict[int, int] = {}
    for number in sorted(topics[source.topic].partitions):
        partition = TopicPartition(source.topic, number)
        starts[number], ends[number] = consumer.get_watermark_offsets(partition, timeout=timeout_seconds)
    stall_message = f"{who}: no message for {timeout_seconds:.0f} s although more are there"
    if request.start is not None:
        start_ms = max(int((request.start - _SKEW).timestamp() * 1_000), 0)
        starts = _starts_at(
            consumer, source.topic, start_ms, starts, ends, timeout_seconds, stall_message, errors
        )
    received = _read(consumer, source.topic, starts, ends, timeout_seconds, stall_message, errors)
    return [
        (f"partition {message.partition()}, offset {message.offset()}", message.value())
        for message in received
    ]


def _starts_at(
    consumer: Any,
    topic: str,
    start_ms: int,
    lows: dict[int, int],
    ends: dict[int, int],
    timeout_seconds: float,
    stall_message: str,
    errors: list[str],
) -> dict[int, int]:
    """Offsets of the first message at or after `moment` (ms since 1970).

    Brokers return 'none' both when every message is older and when they keep no times, so the last message is read
    then: where it is not older, the partition is read from its beginning.
    """
    from confluent_kafka import TopicPartition

    requested = [TopicPartition(topic, number, start_ms) for number in lows]
    offsets_by_partition = {
        each.partition: each.offset for each in consumer.offsets_for_times(requested, timeout=timeout_seconds)
    }
    starts = {
        number: max(offset, lows[number]) if 0 <= offset < ends[number] else ends[number]
        for number, offset in offsets_by_partition.items()
    }
    unresolved = {
        number: ends[number] - 1 for number in starts if lows[number] < ends[number] == starts[number]
    }
    for message in _read(consumer, topic, unresolved, ends, timeout_seconds, stall_message, errors):
        if message.timestamp()[1] >= start_ms or message.timestamp()[1] <= 0:
            starts[message.partition()] = lows[message.partition()]
    return starts


def _read(
    consumer: Any,
    topic: str,
    starts: dict[int, int],
    ends: dict[int, int],
    timeout_seconds: float,
    stall_message: str,
    errors: list[str],
) -> list[Any]:
    """Messages from `starts` to before `ends`; a partition is done at its last offset, or where the broker says so."""
    from confluent_kafka import KafkaError, TopicPartition

    unread = {number for number, start in starts.items() if start < ends[number]}
    if not unread:
        return []
    consumer.assign([TopicPartition(topic, number, starts[number]) for number in sorted(unread)])
    received: list[Any] = []
    silent_seconds = 0.0
    while unread:
        batch = consumer.consume(_BATCH, timeout=_TURN_SECONDS)  # waits for a full batch, so turns are short
        silent_seconds = 0.0 if batch else silent_seconds + _TURN_SECONDS
        if silent_seconds >= timeout_seconds:
            raise SourceError(stall_message + (f" ({errors[-1]})" if errors else ""))
        for message in batch:
            number, failure = message.partition(), message.error()
            if failure is None and message.offset() < ends[number]:
                received.append(message)
            elif failure is not None and failure.code() != KafkaError._PARTITION_EOF:
                raise SourceError(
                    f"{stall_message.partition(': no message')[0]}: partition {number}: {failure.str()}"
                )
            if failure is not None or message.offset() >= ends[number] - 1:
                unread.discard(number)
    consumer.unassign()
    return received
