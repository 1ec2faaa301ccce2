"""A bundle that crashes, hangs or eats memory while it is loaded does so in another process, within limits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlops_assets import training
from mlops_assets.artifacts import FeatureMatrix
from mlops_assets_tests import stored_bundles
from mlops_assets_tests.waiting import patience

ROWS = FeatureMatrix(("a", "b"), np.random.default_rng(0).normal(size=(40, 2)))
ESTIMATOR = "mlops_assets_tests.faulty_estimators:HarmsLoader"


def reason(folder: Path, harm: str) -> str:
    """Return why a bundle with an estimator of that kind cannot be loaded."""
    params = {"estimator": ESTIMATOR, "params": {"harm": harm}}
    algorithm = training.ALGORITHMS["python"]("regression", params).fit(ROWS, ROWS.values[:, 0])
    digest = stored_bundles.stored(folder, algorithm, ROWS)
    assert training.algorithm_of(folder, expected_manifest_sha256=digest) == "python"
    seconds = 10.0 if harm == "loop" else patience(60)  # no limit of a busy machine is what harms a loader
    return training.try_loading("python", folder, digest, [ESTIMATOR], seconds, 1024**3)


@pytest.mark.parametrize(
    ("harm", "message"), [("crash", "SIGSEGV"), ("memory", "MemoryError"), ("loop", "time limit")]
)
def test_what_harms_a_process_is_named_and_the_next_bundle_loads(
    tmp_path: Path, harm: str, message: str
) -> None:
    assert message in reason(tmp_path / "1", harm)
    assert reason(tmp_path / "2", "") == ""
