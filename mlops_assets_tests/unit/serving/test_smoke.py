"""`mlops smoke` over a real server: a champion that predicts, one that refuses its own example, no server at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlops_assets.errors import ServiceError
from mlops_assets.ledger import Ledger
from mlops_assets.serving.app import create_app
from mlops_assets.serving.champions import Champions
from mlops_assets.serving.keys import Keys
from mlops_assets.serving.smoke import smoke
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import begin
from mlops_assets_tests.unit.serving.served_models import FakeChampions, FakeServed, server


def test_a_champion_that_looks_back_predicts_its_example(tmp_path: Path, ledger: Ledger) -> None:
    station = begin(tmp_path, ledger)
    station.challenge()
    with server(create_app(Champions(station.platform, poll_seconds=3600), Keys("secret"))) as port:
        [outcome] = smoke(f"http://127.0.0.1:{port}", "secret")
    assert (outcome.model, outcome.version, outcome.problem) == ("station", 1, "")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"version": 2}, "version 2 predicted, 3 is the champion"),
        ({"predictions": [None]}, "the prediction is None"),
        ({"predictions": []}, "the prediction is None"),
    ],
)
def test_a_model_that_does_not_predict_as_it_should_is_named(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], problem: str
) -> None:
    respond = FakeServed.respond
    monkeypatch.setattr(FakeServed, "respond", lambda self, rows: respond(self, rows) | change)
    champions: Any = FakeChampions()
    with server(create_app(champions, Keys("secret"))) as port:
        [outcome] = smoke(f"http://127.0.0.1:{port}", "secret")
    assert outcome.problem == problem


def test_no_server_and_a_wrong_key_are_errors() -> None:
    champions: Any = FakeChampions()
    with server(create_app(champions, Keys("secret"))) as port, pytest.raises(ServiceError, match="401"):
        smoke(f"http://127.0.0.1:{port}", "wrong")
    with pytest.raises(ServiceError, match="does not respond"):
        smoke(f"http://127.0.0.1:{port}", "secret")
