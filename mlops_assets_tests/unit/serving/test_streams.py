"""A message of a stream whose prediction is in the output already."""

from __future__ import annotations

from typing import Any

import pytest

from mlops_assets.serving.streams.scorer import Scored, Scorer
from mlops_assets_tests.unit.serving.served_models import FakeChampions


@pytest.mark.parametrize(
    ("body", "written"),
    [
        (b'{"features": [[1]]}', b'{"id": "a", "version": 2, "revision": 1, "predictions": [1.0]}'),
        (b'{"x": 1, "z": 2, "kind": "a"}', b"not json"),
        (b'{"x": 1, "z": 2, "kind": "a"}', b"{}"),
    ],
    ids=["columns of another version", "no document", "no prediction"],
)
def test_a_prediction_that_cannot_be_logged_any_more_stops_nothing(body: bytes, written: bytes) -> None:
    champions: Any = FakeChampions()
    assert Scorer("double", champions).repeat(body, written) == Scored()
