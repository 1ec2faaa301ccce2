"""The reader of each kind of source. A new kind is one file here, with a line in `SOURCES` here and in `model_file`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from mlops_assets.errors import SourceError
from mlops_assets.model_file.source_parameters import SourceParameters, Windowed
from mlops_assets.readings.formats.size import check_size
from mlops_assets.readings.request import Fetched, Request
from mlops_assets.readings.sources.files import read_files
from mlops_assets.readings.sources.kafka import read_kafka
from mlops_assets.readings.sources.kinesis import read_kinesis
from mlops_assets.readings.sources.mongo import read_mongo
from mlops_assets.readings.sources.rest import read_rest
from mlops_assets.readings.sources.sample import read_sample
from mlops_assets.readings.sources.simulated import read_simulated
from mlops_assets.readings.sources.sql import read_sql

Reader = Callable[[Any, Request], Fetched]

SOURCES: Final[dict[str, Reader]] = {
    "sql": read_sql,
    "file": read_files,
    "sample": read_sample,
    "simulated": read_simulated,
    "rest": read_rest,
    "mongo": read_mongo,
    "kafka": read_kafka,
    "kinesis": read_kinesis,
}
"""Single sources; `joined` puts several of them side by side."""


def fetch(source: SourceParameters, request: Request) -> Fetched:
    """Read one source with the reader of its kind.

    Args:
        source: The `source` section of a model file.
        request: The window.

    Returns:
        The readings with their origin.

    Raises:
        SourceError: The source cannot be read, or gives more than its limits allow.
        MissingExtraError: The library of this kind of source is not installed.
    """
    if source.kind not in SOURCES:
        raise SourceError(
            f"source kind {source.kind!r} has no reader: add one to SOURCES in {__name__.replace('.', '/')}.py"
        )
    fetched = SOURCES[source.kind](source, request)
    if isinstance(source, Windowed):
        check_size(fetched.frame.height, fetched.frame.width, source.limits, fetched.source)
    return fetched
