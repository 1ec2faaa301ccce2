"""The Open Inference Protocol, version 2: tensors in, tensors out, in JSON or with the binary extension for inputs.

https://github.com/kserve/open-inference-protocol; the extension is Triton's "binary tensor data". A model takes either
one tensor for each column, of shape [rows] or [rows, 1], or one tensor of shape [rows, columns] in the order of
`GET /v2/models/{model}`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from mlops_assets.errors import DataError
from mlops_assets.serving import payload
from mlops_assets.serving.payload import MAX_ROWS, Row, shorten
from mlops_assets.serving.protocols.protocol import Decoded, Headers, Protocol

TYPES: Final[dict[str, str]] = {
    "BOOL": "?",
    "UINT8": "<u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "<i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
"""Data types of the protocol as numpy writes them; BYTES is text."""
HEADER_LENGTH: Final = b"inference-header-content-length"


def _decode(body: bytes, headers: Headers, columns: Sequence[str]) -> Decoded:
    document, binary = _split(body, headers)
    if not isinstance(document, dict) or not isinstance(document.get("inputs"), list):
        raise DataError('send {"inputs": [{"name": ..., "shape": [...], "datatype": ..., "data": [...]}]}')
    request_id = document.get("id")
    if request_id is not None and (not isinstance(request_id, str) or len(request_id) > 200):
        raise DataError("'id' must be text of at most 200 characters")
    tensors: dict[str, list[Any]] = {}
    for number, tensor in enumerate(document["inputs"], start=1):
        name, shape, values, binary = _tensor(number, tensor, binary)
        if name in tensors:
            raise DataError(f"the input {shorten(name)} occurs twice")
        if len(shape) == 2 and shape[1] != 1:
            if len(document["inputs"]) != 1:
                raise DataError(f"input {shorten(name)}: send one tensor per column, or one of all columns")
            width = shape[1]
            rows = [values[start : start + width] for start in range(0, len(values), width)] if width else []
            return Decoded(payload.matrix(rows, name, None, columns), request_id)
        tensors[name] = values
    if binary:
        raise DataError(f"{len(binary):,} bytes after the last tensor belong to no input")
    return Decoded(payload.by_column(tensors, "inputs"), request_id)


def _split(body: bytes, headers: Headers) -> tuple[Any, bytes]:
    """Return the document, and the bytes of binary tensors behind it."""
    length = headers.get(HEADER_LENGTH)
    if length is None:
        return payload.parse(body), b""
    if not length.isdigit() or len(length) > 10 or int(length) > len(body):
        raise DataError("the header Inference-Header-Content-Length is not a length within the body")
    return payload.parse(body[: int(length)]), body[int(length) :]


def _tensor(number: int, tensor: Any, binary: bytes) -> tuple[str, list[int], list[Any], bytes]:
    """Return name, shape and values of a tensor, and the binary data that is left."""
    if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
        raise DataError(f"input {number}: an input is an object with name, shape, datatype and data")
    name, shape, datatype = tensor["name"], tensor.get("shape"), tensor.get("datatype")
    where = f"input {shorten(name)}"
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise DataError(f"{where}: 'shape' must be a list of whole numbers")
    if len(shape) not in (1, 2) or not shape[0]:
        raise DataError(f"{where}: 'shape' must be [rows] or [rows, columns], with at least one row")
    if shape[0] > MAX_ROWS:
        raise DataError(f"{where}: {shape[0]:,} rows; send at most {MAX_ROWS:,} at a time")
    if datatype not in TYPES and datatype != "BYTES":
        raise DataError(f"{where}: the data type {shorten(datatype)} is not one of {', '.join(TYPES)}, BYTES")
    count = math.prod(shape)
    parameters = tensor.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is None:
        values = _flat(tensor.get("data"), where)
    elif type(size) is not int or not 0 <= size <= len(binary) or "data" in tensor:
        raise DataError(f"{where}: 'binary_data_size' is not a number of bytes behind the JSON document")
    else:
        values = _from_bytes(binary[:size], datatype, where)
        binary = binary[size:]
    if len(values) != count:
        raise DataError(f"{where}: {len(values)} values, expected {count} for the shape {shorten(shape)}")
    return name, shape, values, binary


def _flat(data: Any, where: str) -> list[Any]:
    if not isinstance(data, list):
        raise DataError(f"{where}: 'data' must be a list")
    if data and all(isinstance(row, list) for row in data):
        return [value for row in data for value in row]
    return data


def _from_bytes(data: bytes, datatype: str, where: str) -> list[Any]:
    if datatype != "BYTES":
        dtype = np.dtype(TYPES[datatype])
        if len(data) % dtype.itemsize:
            raise DataError(f"{where}: {len(data)} bytes are no whole number of {datatype}")
        values: list[Any] = np.frombuffer(data, dtype).tolist()
        return values
    texts, start = [], 0
    while start < len(data):
        end = start + 4 + int.from_bytes(data[start : start + 4], "little")
        if end > len(data):
            raise DataError(f"{where}: a text is longer than its data")
        try:
            texts.append(data[start + 4 : end].decode())
        except UnicodeDecodeError:
            raise DataError(f"{where}: a text is not UTF-8") from None
        start = end
    return texts


def _encode(document: dict[str, Any], request_id: str | None) -> dict[str, Any]:
    predictions = document["predictions"]
    text = bool(predictions) and isinstance(predictions[0], str)
    outputs: list[Row | dict[str, Any]] = [_output("predictions", "BYTES" if text else "FP64", predictions)]
    for side in ("low", "high"):
        if side in document and all(value is not None for value in document[side]):
            outputs.append(_output(side, "FP64", document[side]))
    if "probabilities" in document:
        rows: list[list[float]] = document["probabilities"]
        flat = [value for row in rows for value in row]
        output = _output("probabilities", "FP64", flat) | {"shape": [len(rows), len(document["classes"])]}
        outputs.append({**output, "parameters": {"classes": ",".join(document["classes"])}})
    parameters = {"prediction_id": document.get("id"), "revision": document["revision"]}
    if "rungs" in document:
        parameters["rungs"] = ",".join(document["rungs"])
    return {
        "model_name": document["model"],
        "model_version": str(document["version"]),
        "id": request_id or document.get("id"),
        "parameters": parameters,
        "outputs": outputs,
    }


def _output(name: str, datatype: str, data: list[Any]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [len(data)], "data": data}


def _error(_: int, reason: str) -> dict[str, Any]:
    return {"error": reason}


OPEN_INFERENCE: Final = Protocol(_decode, _encode, _error)


def metadata(
    model: str, version: int, needed: Sequence[str], text: frozenset[str], *, classes: bool
) -> dict[str, Any]:
    """Return the metadata of a model: its tensors in the order of a matrix.

    Args:
        model: The model's name.
        version: The champion's version.
        needed: The columns.
        text: Those that are text.
        classes: Whether predictions are class labels.

    Returns:
        The response's document.
    """
    inputs = [
        {"name": name, "datatype": "BYTES" if name in text else "FP64", "shape": [-1]} for name in needed
    ]
    output = {"name": "predictions", "datatype": "BYTES" if classes else "FP64", "shape": [-1]}
    return {
        "name": model,
        "versions": [str(version)],
        "platform": "mlops_assets",
        "inputs": inputs,
        "outputs": [output],
    }
