"""A source whose library is not installed says which extra brings it."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from mlops_assets.errors import MissingExtraError
from mlops_assets_tests.unit.readings.reading_factory import read_model, read_text


@pytest.mark.parametrize(
    "source, library, extra",
    [
        ({"kind": "file", "path": "s3://b/a.csv"}, "s3fs", "s3"),
        ({"kind": "mongo", "url_env": "U", "database": "d", "collection": "c"}, "pymongo", "mongo"),
        ({"kind": "kafka", "servers": ["h:9"], "topic": "t"}, "confluent_kafka", "kafka"),
        ({"kind": "kinesis", "stream": "s", "region": "eu-west-1"}, "boto3", "kinesis"),
        ({"kind": "sql", "table": "t", "url_env": "M"}, "pymysql", "mysql"),
    ],
)
def test_missing_library(
    monkeypatch: pytest.MonkeyPatch, source: dict[str, Any], library: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=rf"needs the extra '{extra}'"):
        read_model(source, environ={"U": "mongodb://h/", "M": "mysql://h/d"})


@pytest.mark.parametrize(
    "url, library, extra",
    [
        ("snowflake://a/b", "snowflake.sqlalchemy", "snowflake"),
        ("bigquery://p/d", "sqlalchemy_bigquery", "bigquery"),
        ("redshift+psycopg2://h/d", "sqlalchemy_redshift.dialect", "redshift"),
    ],
)
def test_missing_dialect(monkeypatch: pytest.MonkeyPatch, url: str, library: str, extra: str) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=extra):
        read_model({"kind": "sql", "table": "t", "url_env": "U"}, environ={"U": url})


def test_missing_avro(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setitem(sys.modules, "fastavro", None)
    with pytest.raises(MissingExtraError, match="avro"):
        read_text(tmp_path, b"Obj\x01", "a.avro")
