"""`POST /predict/{model}`: records or a matrix, as `payload` describes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from mlops_assets.serving.payload import decode
from mlops_assets.serving.protocols.protocol import Decoded, Headers, Protocol


def _decode(body: bytes, _: Headers, columns: Sequence[str]) -> Decoded:
    return Decoded(decode(body, columns))


def _encode(document: dict[str, Any], _: str | None) -> dict[str, Any]:
    return document


def _error(_: int, reason: str) -> dict[str, Any]:
    return {"detail": reason}


RECORDS: Final = Protocol(_decode, _encode, _error)
