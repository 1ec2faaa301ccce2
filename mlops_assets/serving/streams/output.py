"""What the output topics have already of messages that come again: the last messages of the same partition number.

Every batch is produced, logged and committed before the next one begins: what was produced and not committed is at most
one batch, at the end of a partition.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from mlops_assets.errors import ServiceError

SOURCE_HEADER: Final = "mlops-source"
GROUP_HEADER: Final = "mlops-group"
"""Whose prediction it is: scorers of several models may write to one topic."""
REASON_HEADER: Final = "mlops-reason"
MOST_REPEATED: Final = 500
"""Messages of a batch at most, and so of an output partition's end that may belong to messages that come again."""


def newest_outputs(
    output: str, dead_letters: str, partition: int, group: str, options: Mapping[str, Any], seconds: float
) -> dict[str, bytes | None]:
    """Return the newest messages of one partition of the output topics.

    Args:
        output: Topic of predictions.
        dead_letters: Topic of messages without a prediction.
        partition: Number of the partition in both.
        group: The consumer group that wrote them; those of others are left out.
        options: librdkafka's properties of a consumer.
        seconds: How long the broker may take.

    Returns:
        Prediction by position of the message that it was made from; None for a dead letter.

    Raises:
        ServiceError: The broker does not send them; predicting without them would write messages twice.
    """
    from confluent_kafka import Consumer, KafkaException, TopicPartition

    consumer: Any = Consumer({**options, "group.id": "mlops_assets.outputs", "enable.auto.commit": False})
    bodies: dict[str, bytes | None] = {}
    try:
        for topic in (output, dead_letters):
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=seconds)
            start, end = max(low, high - MOST_REPEATED), time.monotonic() + seconds
            consumer.assign([TopicPartition(topic, partition, start)])
            while start < high:
                if time.monotonic() > end:
                    raise ServiceError(f"kafka does not send the newest messages of {topic}/{partition}")
                for message in consumer.consume(MOST_REPEATED, timeout=0.1):
                    if message.error() is not None:
                        raise ServiceError(f"kafka {topic}/{partition}: {message.error().str()}")
                    start = message.offset() + 1
                    headers = dict(message.headers() or ())
                    source = headers.get(SOURCE_HEADER)
                    if source is not None and headers.get(GROUP_HEADER) == group.encode():
                        body = message.value() if topic == output else None
                        bodies[source.decode(errors="replace")] = body
    except KafkaException as error:
        raise ServiceError(f"kafka {output}, {dead_letters}: {error.args[0].str()}") from None
    finally:
        consumer.close()
    return bodies
