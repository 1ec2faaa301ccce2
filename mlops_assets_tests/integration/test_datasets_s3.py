"""Tables on object storage: the same promises over HTTP, against a local server that speaks S3."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.datasets import Datasets, Provenance, checkout, tag, tags, verify

BY = Provenance("a", datetime(2025, 3, 1, tzinfo=UTC), "r", "c")

SERVER = """
import logging, sys
logging.disable()
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print("port", server.get_host_and_port()[1], flush=True)
sys.stdin.read()
server.stop()
"""

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def options() -> Iterator[dict[str, str]]:
    """Storage options of an S3 server with one empty bucket."""
    pytest.importorskip("moto.server", reason="needs moto")
    boto3 = pytest.importorskip("boto3", reason="needs boto3")
    # A process of its own: delta-rs holds Python's lock while it reads a log, a server in this one could not answer.
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    endpoint = f"http://127.0.0.1:{server.stdout.readline().split()[-1]}"
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys).create_bucket(Bucket="bucket")
    try:
        yield {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_ALLOW_HTTP": "true",
        }
    finally:
        server.communicate("stop")


def test_versions_tags_and_checkout_on_object_storage(options: dict[str, str], tmp_path: Path) -> None:
    datasets = Datasets("s3://bucket/data", options)
    frame = pl.DataFrame({"at": [datetime(2025, 1, 1, tzinfo=UTC)], "v": [1.5], "s": ["ä"]})
    assert datasets.latest("m", "t") is None
    first = datasets.write("m", "t", frame, BY)
    assert datasets.write("m", "t", frame, BY) == first
    second = datasets.write("m", "t", frame.clear(), BY)
    assert datasets.read(first).equals(frame)
    assert datasets.read(second).equals(frame.clear())
    tag(datasets, "m", "dataset-v1.0", [first], BY)
    assert tags(datasets, "m")[0].versions == (first,)
    checkout(datasets, [first], tmp_path / "out")
    assert verify(tmp_path / "out") == (first,)


def test_racing_additions_are_all_kept(options: dict[str, str]) -> None:
    def add(number: int) -> None:
        Datasets("s3://bucket/race", options).append("m", "t", pl.DataFrame({"n": [number]}), BY)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(8)))
    datasets = Datasets("s3://bucket/race", options)
    newest = datasets.latest("m", "t")
    assert newest is not None
    assert sorted(datasets.read(newest)["n"]) == list(range(8))
