"""Readings from an Amazon Kinesis stream: every shard from the start of the window to what has arrived by now.

Nothing is stored at Amazon (no lease table): what was read is known by the data itself. Records that the producer
library aggregated into one are not split.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from mlops_assets.errors import MissingExtraError, SourceError
from mlops_assets.model_file.source import KinesisSource
from mlops_assets.readings.formats.json_records import to_frame
from mlops_assets.readings.request import Fetched, Request, text_names
from mlops_assets.readings.sources.messages import decode_all

_SKEW: Final = timedelta(minutes=5)
_KEYS: Final = {
    "aws_access_key_id": "AWS_ACCESS_KEY_ID",
    "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "aws_session_token": "AWS_SESSION_TOKEN",
}


def read_kinesis(source: KinesisSource, request: Request) -> Fetched:
    """Read the records of the window as rows.

    Args:
        source: Stream and region.
        request: The window.

    Returns:
        The readings with their origin.

    Raises:
        SourceError: The stream cannot be read, or a record is no JSON object.
        MissingExtraError: boto3 is not installed.
    """
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise MissingExtraError("reading from Kinesis", "kinesis") from None
    where = f"kinesis {source.stream} in {source.region}"
    who = f"model {request.model!r}: {where}"
    keys = {
        name: value for name, variable in _KEYS.items() if (value := request.settings.environ.get(variable))
    }
    client_config = Config(
        retries={"mode": "standard", "max_attempts": 8}, connect_timeout=10, read_timeout=30
    )
    try:
        client = boto3.client(
            "kinesis", region_name=source.region, endpoint_url=source.endpoint, config=client_config, **keys
        )
        messages = [
            message
            for shard in _shards(client, source.stream)
            for message in _records(client, source.stream, shard, request)
        ]
    except (BotoCoreError, ClientError) as error:
        raise SourceError(f"{who}: {error}") from None
    records, repairs = decode_all(messages, source.bad_messages, who)
    frame = to_frame(records, who, source.limits)
    return Fetched(frame, where, repairs, text_names(frame))


def _shards(client: Any, stream: str) -> list[str]:
    shards: list[str] = []
    arguments: dict[str, str] = {"StreamName": stream}
    while True:
        response = client.list_shards(**arguments)
        shards += [shard["ShardId"] for shard in response["Shards"]]
        if not response.get("NextToken"):
            return shards
        arguments = {"NextToken": response["NextToken"]}


def _records(client: Any, stream: str, shard: str, request: Request) -> list[tuple[str, bytes | None]]:
    begin: dict[str, Any] = {"ShardIteratorType": "TRIM_HORIZON"}
    if request.start is not None:
        begin = {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": request.start - _SKEW}
    iterator = client.get_shard_iterator(StreamName=stream, ShardId=shard, **begin)["ShardIterator"]
    batch: list[tuple[str, bytes | None]] = []
    while iterator:
        response = client.get_records(ShardIterator=iterator, Limit=10_000)
        batch += [
            (f"shard {shard}, record {record['SequenceNumber']}", record["Data"])
            for record in response["Records"]
        ]
        if not response["Records"] and response.get("MillisBehindLatest", 0) == 0:
            break  # a batch may be empty in the middle of a shard; only the end has nothing behind it
        iterator = response.get("NextShardIterator")
    return batch
