"""What a protocol provides: records from a body, and a body from predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlops_assets.serving.payload import Row

Headers = Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Decoded:
    """The records of a request. request_id: what the client calls the request, where the protocol has that."""

    rows: list[Row]
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Protocol:
    """One request format and its response.

    Attributes:
        decode: Takes the body, the headers (lower case) and the columns in the order of a matrix; raises DataError.
        encode: Takes the response document of `Served` and the client's request id; returns the body as a document.
        error: Takes the status and the reason; returns the body of an error.
    """

    decode: Callable[[bytes, Headers, Sequence[str]], Decoded]
    encode: Callable[[dict[str, Any], str | None], dict[str, Any]]
    error: Callable[[int, str], dict[str, Any]]
