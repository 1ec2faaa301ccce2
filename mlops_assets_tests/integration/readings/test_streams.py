"""Kafka against librdkafka's mock brokers (real client, real protocol), Kinesis and S3 against moto's HTTP server."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mlops_assets.errors import SourceError
from mlops_assets_tests.unit.readings.reading_factory import counted, read_model

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC)
AWS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "eu-west-1"}


def body(number: int) -> bytes:
    return json.dumps(
        {"t": (NOW - timedelta(seconds=600 - number)).isoformat(), "y": number, "tag": {"unit": "m"}}
    ).encode()


class Brokers:
    """A cluster inside a librdkafka client, and the means to write to it."""

    def __init__(self) -> None:
        kafka = pytest.importorskip("confluent_kafka")
        self.producer = kafka.Producer(
            {"bootstrap.servers": "mock", "test.mock.num.brokers": 3, "log_level": 0}
        )
        batch = self.producer.list_topics(timeout=20).brokers.values()
        self.servers = [f"{broker.host}:{broker.port}" for broker in batch]

    def write(self, topic: str, bodies: list[bytes | None]) -> None:
        for number, content in enumerate(bodies):
            self.producer.produce(topic, value=content, partition=number % 4, key=str(number))
        assert self.producer.flush(30) == 0


@pytest.fixture(scope="module")
def brokers() -> Brokers:
    return Brokers()


def kafka(brokers: Brokers, topic: str, **source: Any) -> Any:
    return read_model(
        {"kind": "kafka", "servers": brokers.servers, "topic": topic, **source},
        timestamp="t",
        as_of=datetime.now(UTC),
    )


def test_every_message_of_every_partition_once(brokers: Brokers) -> None:
    brokers.write("plant", [body(number) for number in range(500)])
    for _ in range(2):  # nothing is committed: a second reading gives the same
        read = kafka(brokers, "plant")
        assert sorted(read.frame["y"].to_list()) == list(range(500))
        assert set(read.frame["tag.unit"]) == {"m"}
    assert (
        kafka(brokers, "plant", window="1h").frame.height == 500
    )  # the mock keeps no times: read whole, cut after


def test_bad_messages_refuse_or_are_counted(brokers: Brokers) -> None:
    brokers.write("dirty", [body(1), b"not json", None, body(2), body(3), b"[1]"])
    with pytest.raises(
        SourceError, match=r"the message at partition \d, offset 0 is no JSON object: 'not json'"
    ):
        kafka(brokers, "dirty")
    read = kafka(brokers, "dirty", bad_messages="drop")
    assert sorted(read.frame["y"].to_list()) == [1, 2, 3]
    assert counted(read) == {("bad_message_dropped", None): 2, ("tombstone_skipped", None): 1}


def test_unknown_topic_and_silent_broker(brokers: Brokers) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        silent = [f"127.0.0.1:{deaf.getsockname()[1]}"]
        with pytest.raises(SourceError, match=r"kafka plant at 127\.0\.0\.1"):
            read_model({"kind": "kafka", "servers": silent, "topic": "plant", "timeout": "1s"})
    with pytest.raises(SourceError, match="KAFKA_PASSWORD is not set"):
        kafka(brokers, "plant", password_env="KAFKA_PASSWORD")


@pytest.fixture(scope="module")
def amazon() -> Iterator[str]:
    server = pytest.importorskip("moto.server").ThreadedMotoServer(
        ip_address="127.0.0.1", port=0, verbose=False
    )
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def client(amazon: str, name: str) -> Any:
    boto3 = pytest.importorskip("boto3")
    return boto3.client(
        name,
        region_name="eu-west-1",
        endpoint_url=amazon,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def test_kinesis_reads_every_shard(amazon: str) -> None:
    kinesis = client(amazon, "kinesis")
    kinesis.create_stream(StreamName="plant", ShardCount=3)
    for number in range(0, 300, 100):
        kinesis.put_records(
            StreamName="plant",
            Records=[{"Data": body(each), "PartitionKey": str(each)} for each in range(number, number + 100)],
        )
    source = {"kind": "kinesis", "stream": "plant", "region": "eu-west-1", "endpoint": amazon}
    for window in ({}, {"window": "1h"}):
        read = read_model(source | window, timestamp="t", as_of=datetime.now(UTC), environ=AWS)
        assert sorted(read.frame["y"].to_list()) == list(range(300))
    with pytest.raises(SourceError, match=r"kinesis other in eu-west-1: .*not found"):
        read_model(source | {"stream": "other"}, timestamp="t", environ=AWS)


def test_s3_key_prefix_and_pattern(amazon: str) -> None:
    pytest.importorskip("s3fs")
    store = client(amazon, "s3")
    store.create_bucket(Bucket="plant", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    store.put_object(Bucket="plant", Key="raw/a.csv", Body=b"y,x\n1,a\n")
    store.put_object(Bucket="plant", Key="raw/b.csv", Body=b"y,x\n2,b\n")
    store.put_object(Bucket="plant", Key="raw/notes.md", Body=b"none")
    environ = AWS | {"AWS_ENDPOINT_URL": amazon}
    for path, batch in (("raw/a.csv", [1]), ("raw/", [1, 2]), ("raw/*.csv", [1, 2])):
        read = read_model({"kind": "file", "path": f"s3://plant/{path}"}, environ=environ)
        assert read.frame["y"].to_list() == batch
    for path, message in (
        ("raw/c.csv", "does not exist"),
        ("other/*.csv", "no object matches"),
        ("other/", "no object matches"),
    ):
        with pytest.raises(SourceError, match=message):
            read_model({"kind": "file", "path": f"s3://plant/{path}"}, environ=environ)
