"""MLflow's copy of a bundle says which columns it takes, and shows a row that it takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlops_assets import training
from mlops_assets.artifacts import FeatureMatrix
from mlops_assets.registry.package import package
from mlops_assets.registry.signature import example_row, input_example
from mlops_assets_tests.stored_bundles import stored

PREPARATION: dict[str, Any] = {
    "numbers": [{"name": "flow", "fill": 3.5}, {"name": "level", "fill": None}],
    "categories": [{"name": "kind", "values": ["pump", "valve"]}],
    "groups": [{"by": "site", "values": ["north"]}],
    "past": ["flow@1"],
    "timestamp": "recorded_at",
}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    values = np.arange(40, dtype=np.float64).reshape(20, 2)
    matrix = FeatureMatrix(("a", "b"), values)
    stored(tmp_path / "1", training.ALGORITHMS["linear"]("regression").fit(matrix, values[:, 0]), matrix)
    return tmp_path / "1"


def test_the_example_is_a_row_of_the_feature_table(bundle: Path) -> None:
    (bundle / "preparation.json").write_text(json.dumps(PREPARATION))
    assert example_row(bundle) == {
        "flow": 3.5,
        "level": 0.0,
        "kind": "pump",
        "site": "north",
        "flow@1": 0.0,
        "recorded_at": "2026-01-01T00:00:00Z",
    }
    frame = input_example(bundle)
    assert str(frame["recorded_at"].dtype) == "datetime64[ns, UTC]"
    assert frame["kind"].tolist() == ["pump"]


def test_the_copy_has_signature_and_example_and_takes_whole_numbers(bundle: Path) -> None:
    from mlflow.models import Model
    from mlflow.models.utils import _enforce_schema

    (bundle / "preparation.json").write_text(json.dumps(PREPARATION))
    with package(bundle, "somewhere:open") as folder:
        model = Model.load(str(folder))
        example = model.load_input_example(str(folder))
    assert model.signature.inputs.input_names() == list(example_row(bundle))
    assert [column.type.name for column in model.signature.outputs] == ["double"]
    assert list(example.columns) == list(example_row(bundle))
    frame = pd.DataFrame([{**example_row(bundle), "flow": 3}])
    assert len(_enforce_schema(frame, model.signature.inputs)) == 1
    with pytest.raises(Exception, match="missing inputs"):
        _enforce_schema(frame.drop(columns="kind"), model.signature.inputs)
