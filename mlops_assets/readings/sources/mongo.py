"""Readings from a MongoDB collection: documents of the window, nested fields as `outer.inner`."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from mlops_assets.errors import MissingExtraError, SourceError
from mlops_assets.model_file.source import MongoSource
from mlops_assets.model_file.suggestion import did_you_mean
from mlops_assets.readings.formats.json_records import to_frame
from mlops_assets.readings.request import Fetched, Request, text_names

_TIMEOUT_MS = 10_000


def read_mongo(source: MongoSource, request: Request) -> Fetched:
    """Read the documents of the window as rows.

    Timestamps stored as dates are cut to the window by the server, others after reading.

    Args:
        source: Database, collection, filter and fields.
        request: The window.

    Returns:
        The readings with their origin.

    Raises:
        SourceError: The server cannot be reached, or the collection is empty.
        MissingExtraError: pymongo is not installed.
    """
    try:
        from pymongo import MongoClient
        from pymongo.errors import PyMongoError
    except ImportError:
        raise MissingExtraError("reading from MongoDB", "mongo") from None
    url = request.settings.environ.get(source.url_env)
    if not url:
        raise SourceError(
            f"model {request.model!r}: the environment variable {source.url_env} (source.url_env) is not set"
        )
    where = f"mongo {source.database}.{source.collection} at {urlsplit(url).netloc.rpartition('@')[2]}"
    who = f"model {request.model!r}: {where}"
    try:
        client: Any = MongoClient(url, tz_aware=True, serverSelectionTimeoutMS=_TIMEOUT_MS)
        with client:
            collection = client[source.database][source.collection]
            query = _filter(source, request, collection)
            fields = (
                dict.fromkeys(source.fields, True) | {"_id": "_id" in source.fields}
                if source.fields
                else None
            )
            documents = [_plain(document) for document in collection.find(query, fields)]
            if not documents and not collection.find_one({}, {"_id": True}):
                names = client[source.database].list_collection_names()
                hint = "" if source.collection in names else did_you_mean(source.collection, names)
                raise SourceError(f"{who}: the collection is empty or does not exist{hint}")
    except PyMongoError as error:
        raise SourceError(f"{who}: {str(error).split(', Timeout:')[0]}") from None
    frame = to_frame(documents, who, source.limits)
    return Fetched(frame, where, inferred=text_names(frame))


def _filter(source: MongoSource, request: Request, collection: Any) -> dict[str, Any]:
    if request.timestamp is None:
        return dict(source.filter)
    first = collection.find_one(
        {**source.filter, request.timestamp: {"$ne": None}}, {request.timestamp: True}
    )
    value: Any = first
    for key in request.timestamp.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    if not isinstance(value, datetime):
        return dict(source.filter)
    span = {"$lte": request.as_of} | ({"$gt": request.start} if request.start else {})
    return {"$and": [dict(source.filter), {request.timestamp: span}]}


def _plain(value: Any) -> Any:
    """BSON's own types to plain ones: object ids to text, Decimal128 to Decimal."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if hasattr(value, "to_decimal"):
        return value.to_decimal()
    if value is None or isinstance(value, str | int | float | bool | datetime | bytes):
        return int(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return str(value)
