"""The scoring protocol of MLflow's model server: `dataframe_split`, `dataframe_records`, `instances`, `inputs`.

https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally (Inference server, accepted inputs).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from mlops_assets.errors import DataError
from mlops_assets.serving import payload
from mlops_assets.serving.payload import Row, shorten
from mlops_assets.serving.protocols.protocol import Decoded, Headers, Protocol

FORMATS: Final = ("dataframe_split", "dataframe_records", "instances", "inputs")
SHAPES: Final = f"send a JSON object with exactly one of {', '.join(FORMATS)}"


def _decode(body: bytes, headers: Headers, columns: Sequence[str]) -> Decoded:
    content_type = headers.get(b"content-type", b"application/json").partition(b";")[0].strip().lower()
    if content_type != b"application/json":
        raise DataError(f"the content type {shorten(content_type.decode('latin-1'))} is not read; {SHAPES}")
    document = payload.parse(body)
    if not isinstance(document, dict):
        raise DataError(SHAPES)
    formats = [name for name in FORMATS if name in document]
    if len(formats) != 1:
        raise DataError(SHAPES)
    if document.get("params"):
        raise DataError("the models here take no 'params'; leave the key out")
    if unknown := sorted(set(document) - {*FORMATS, "params"}):
        raise DataError(f"unknown key {shorten(unknown[0])}; {SHAPES}")
    return Decoded(_rows(formats[0], document[formats[0]], columns))


def _rows(name: str, value: Any, columns: Sequence[str]) -> list[Row]:
    if name == "dataframe_split":
        if not isinstance(value, dict) or set(value) - {"columns", "index", "data"} or "data" not in value:
            raise DataError("'dataframe_split' is an object with 'columns' and 'data'")
        return payload.matrix(value["data"], "dataframe_split", value.get("columns"), columns)
    if isinstance(value, dict):
        if name == "dataframe_records":
            raise DataError("'dataframe_records' must be a list with an object for each row")
        return payload.by_column(value, name)
    if isinstance(value, list) and value and isinstance(value[0], list):
        return payload.matrix(value, name, None, columns)
    return payload.records(value, name)


def _encode(document: dict[str, Any], _: str | None) -> dict[str, Any]:
    return document  # MLflow's clients read 'predictions'; the other keys say where they come from


def _error(status: int, reason: str) -> dict[str, Any]:
    codes = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "RESOURCE_DOES_NOT_EXIST"}
    default = "BAD_REQUEST" if status < 500 else "TEMPORARILY_UNAVAILABLE"
    return {"error_code": codes.get(status, default), "message": reason}


MLFLOW_SCORING: Final = Protocol(_decode, _encode, _error)
