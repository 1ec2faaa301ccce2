"""A bundle that crashes, hangs or eats memory while it is loaded does so in another process, within limits."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mlops_assets import training
from mlops_assets.artifacts import FeatureMatrix
from mlops_assets.training.fitting import worker_pool
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


def test_a_busy_machine_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that gets a tenth of a core is late by the clock, not by what it used; one that hangs is late."""
    now, used = 0.0, 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(worker_pool._Patience, "_cpu", lambda _: used)
    worker: Any = SimpleNamespace(process=SimpleNamespace(pid=1))

    def waited(share: float, busy: float) -> float:
        nonlocal now, used
        now = used = 0.0
        patience = worker_pool._Patience(worker, 10.0, busy)
        while (left := patience.left()) > 0:
            now, used = now + left, used + share * left
        return now

    assert waited(0.0, 5.0) == 10.0, "it hangs"
    assert waited(1.0, 5.0) == 10.0, "it had its time"
    assert 19.0 < waited(0.5, 5.0) < 21.0
    assert waited(0.1, 5.0) == 50.0
    assert waited(0.1, 1.0) == 10.0, "a time limit of the model file is one of the clock"
