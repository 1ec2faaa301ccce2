"""Bodies: what is not unambiguous JSON of the right shape is refused with a sentence."""

from __future__ import annotations

import pytest

from mlops_assets.errors import DataError
from mlops_assets.serving.payload import decode


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff", "is not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"readings":' * 5000, "nested too deeply"),
        (b"[]", "send {"),
        (b'"readings"', "send {"),
        (b'{"readings":[{"x":1,"x":2}]}', "the key 'x' occurs twice"),
        (b'{"readings":[{"x":1}],"readings":[{"x":2}]}', "occurs twice"),
        (b'{"readings":[1]}', "row 1: a reading is an object"),
        (b'{"readings":[{"x":1},{"x":[]}]}', "row 2, column 'x': a list"),
        (b'{"readings":{"x":1}}', "must be a list"),
        (b'{"features":[1]}', "row 1: no list"),
        (b'{"features":[[1],[1,2]]}', "row 2: 2 values, expected 1: x"),
        (b'{"features":[[1,2]],"columns":["x","x"]}', "twice"),
        (b'{"features":[[1]],"columns":[1]}', "a list of names"),
        (b'{"readings":[{"x":1}],"columns":["x"]}', "belongs to 'features'"),
    ],
)
def test_what_is_no_document_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(DataError) as error:
        decode(body, ["x"])
    assert reason in str(error.value)
    assert len(str(error.value)) < 500


def test_integers_are_exact() -> None:
    [row] = decode(b'{"readings":[{"device":9007199254740993}]}', ["device"])
    assert row == {"device": 9007199254740993}
