"""Whole lives of models that are stored otherwise than most: as a pickle by permission, and with an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from mlops_assets.lifecycle.model_loading import load_version
from mlops_assets_tests.local_platform import LocalPlatform

pytestmark = [pytest.mark.integration, pytest.mark.slow]

GATES: list[Any] = ["no_missing_predictions", {"metric_at_most": {"metric": "rmse", "limit": 5.0}}]


def test_a_pickled_champion_is_warned_of_and_goes_with_its_permission(local_platform: LocalPlatform) -> None:
    own = {"python": {"estimator": "mlops_assets_tests.unstorable_estimators:Unstorable", "pickle": True}}
    training: dict[str, Any] = {"algorithms": [own]}
    spec = local_platform.model(gates=GATES, training=training)
    file = local_platform.settings.models / f"{spec.name}.yaml"
    body = spec.model_dump(mode="json", exclude_unset=True)
    file.write_text(yaml.safe_dump({**body, "training": training}))
    try:
        finished = local_platform.run_lifecycle(spec)
        assert finished.success, finished.failures
        assert local_platform.champion(spec) == 1
        folder = local_platform.platform.reports(spec.name, 1)
        for report in ("report.md", "report.html"):
            text = (folder / report).read_text()
            assert (
                "this model is stored as a pickle (mlops_assets_tests.unstorable_estimators:Unstorable)"
                in text
            )
            assert text.index("stored as a pickle") < text.index("Gates")
        assert any(
            message.startswith("warning: this model is stored as a pickle")
            for message in local_platform.sentences
        )
        own["python"]["pickle"] = False
        file.write_text(yaml.safe_dump({**body, "training": training}))
        failed = local_platform.run_lifecycle(spec, rows=420, reuse=False)
        assert any("in force does not allow it" in sentence for _, sentence in failed.failures)
        assert local_platform.champion(spec) == 1
    finally:
        file.unlink()  # the folder is every test's


def test_the_onnx_file_answers_as_the_champion_does(local_platform: LocalPlatform) -> None:
    for library in ("onnx", "onnxruntime", "skl2onnx"):
        pytest.importorskip(library, reason="extra onnx")
    from mlops_assets.training.bundles.onnx import run_onnx

    spec = local_platform.model(gates=GATES, training={"algorithms": ["ridge"], "onnx": True})
    finished = local_platform.run_lifecycle(spec)
    assert finished.success, finished.failures
    predictor, bundle = load_version(local_platform.platform, spec.name, 1)
    row = local_platform.platform.ledger.model_version(spec.name, 1)
    fresh = pl.DataFrame({"x": [0.5, -1.0], "z": [0.0, 2.0]})
    responses = run_onnx((Path(str(row.bundle_path)) / "model.onnx").read_bytes(), predictor.matrix(fresh))
    np.testing.assert_allclose(responses["prediction"][:, 0], predictor.predict(fresh), rtol=1e-4)
    assert "model.onnx" in bundle.manifest.files
    copies = list(local_platform.settings.home.rglob("model.onnx"))
    assert len(copies) == 2, "the bundle and MLflow's copy"
