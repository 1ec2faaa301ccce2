"""A sensor's tick gives every model its turn, whatever happens in another's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mlops_assets.defs import sensor_runs
from mlops_assets.errors import DataError


class PanicException(BaseException):
    """What polars raises when it panics: not an Exception."""


SPECS: Any = [SimpleNamespace(name=name) for name in ("a", "b", "c")]


def turns(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], list[str]]:
    monkeypatch.setattr(sensor_runs, "_report", lambda *_: None)
    visited: list[str] = []

    def turn(spec: Any, platform: Any, run: Any) -> None:
        visited.append(spec.name)
        if spec.name == "b":
            raise error

    platform: Any = None
    sentences = sensor_runs.for_each_model(SPECS, platform, sensor_runs.sensor_run(print), turn)
    return visited, sentences


@pytest.mark.parametrize(
    "error", [DataError("gone"), OSError("full"), MemoryError("full"), PanicException("panic")]
)
def test_an_error_of_one_model_keeps_no_other_from_its_turn(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    visited, sentences = turns(error, monkeypatch)
    assert visited == ["a", "b", "c"]
    assert len(sentences) == 1
    assert str(error) in sentences[0]


def test_a_request_to_stop_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardInterrupt):
        turns(KeyboardInterrupt(), monkeypatch)
