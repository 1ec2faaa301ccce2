"""The body of a stream's message to a record, the same for every stream."""

from __future__ import annotations

from typing import Any, Literal

from mlops_assets.artifacts import Repair
from mlops_assets.errors import SourceError
from mlops_assets.readings.formats.json_text import RepeatedKeyError, parse_json


def decode_all(
    messages: list[tuple[str, bytes | None]], bad: Literal["refuse", "drop"], who: str
) -> tuple[list[dict[str, Any]], tuple[Repair, ...]]:
    """Return the records of messages.

    A message without a body is a tombstone, which says that a key was deleted: it is skipped and counted.

    Args:
        messages: Pairs of position and body.
        bad: Whether a body that is no JSON object refuses the read, or is dropped and counted.
        who: The source, for error messages.

    Returns:
        Records, and the counts of what was skipped.

    Raises:
        SourceError: A body is no JSON object, or names a key twice.
    """
    records: list[dict[str, Any]] = []
    dropped = tombstones = 0
    for position, body in messages:
        if body is None:
            tombstones += 1
            continue
        try:
            record = parse_json(body)
        except RepeatedKeyError as error:
            if bad == "refuse":
                raise SourceError(f"{who}: the message at {position}: {error}") from None
            record = None
        except (ValueError, RecursionError):
            record = None
        if isinstance(record, dict):
            records.append(record)
        elif bad == "drop":
            dropped += 1
        else:
            shown = body[:40].decode(errors="replace")
            raise SourceError(
                f"{who}: the message at {position} is no JSON object: {shown!r}; "
                "source.bad_messages: drop leaves such out and counts them"
            )
    counts = (("bad_message_dropped", dropped), ("tombstone_skipped", tombstones))
    return records, tuple(Repair(name, None, count) for name, count in counts if count)
