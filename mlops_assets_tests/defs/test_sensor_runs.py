"""A sensor gives every model its turn, whatever one of them raises."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import cast

import pytest

from mlops_assets.defs.sensor_runs import for_each_model, sensor_run
from mlops_assets.errors import LedgerError
from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.model_file import ModelSpec


def spec_named(name: str) -> ModelSpec:
    body = {
        "name": name,
        "description": "d",
        "owners": ["a@example.com"],
        "problem": "regression",
        "target": "y",
        "source": {"kind": "sample", "name": "diabetes"},
        "training": {"algorithms": ["ridge"]},
        "evaluation": {"primary": "rmse"},
    }
    return ModelSpec.model_validate_json(json.dumps(body))


@pytest.mark.parametrize(
    "error, kinds", [(MemoryError("no memory"), ["sensor_failed"]), (LedgerError("no"), [])]
)
def test_an_error_of_one_model_is_named_and_the_others_get_their_turn(
    ledger: Ledger, error: Exception, kinds: list[str]
) -> None:
    platform = cast(Platform, SimpleNamespace(ledger=ledger, settings=SimpleNamespace(environ={})))
    turns = []

    def turn(spec: ModelSpec, _platform: Platform, _run: Run) -> str | None:
        turns.append(spec.name)
        if spec.name == "bad":
            raise error
        return f"{spec.name} done"

    specs = [spec_named(name) for name in ("first", "bad", "last")]
    for _ in range(2):
        first, bad, last = for_each_model(specs, platform, sensor_run(lambda _sentence: None), turn)
        assert (first, last) == ("first done", "last done")
        assert bad.startswith("bad: ")
    assert turns == ["first", "bad", "last"] * 2
    assert [alert.kind for alert in ledger.alerts()] == kinds
