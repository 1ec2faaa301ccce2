"""What was just stored is loaded by another process, which answers the sample, before anything trusts it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin

from mlops_assets import training
from mlops_assets.artifacts import FeatureMatrix
from mlops_assets.errors import BundleError
from mlops_assets.training.fitting import worker_pool
from mlops_assets_tests import stored_bundles

ROWS = FeatureMatrix(("a", "b"), np.random.default_rng(0).normal(size=(40, 2)))
HERE = os.getpid()


class FromHere(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Answers with what it knows of the process that it is in; in another it answers something else, or dies."""

    def __init__(self, dies: bool = False) -> None:
        self.dies = dies

    def fit(self, x: Any, _y: Any) -> Any:
        self.n_features_in_, self.born = x.shape[1], os.getpid()
        return self

    def predict(self, x: Any) -> Any:
        if self.dies and os.getpid() != self.born:
            os._exit(3)
        return np.full(len(x), float(os.getpid()))


def stored(folder: Path, name: str = "ridge", **params: Any) -> tuple[str, Path, str]:
    algorithm = training.ALGORITHMS[name]("regression", params).fit(ROWS, ROWS.values[:, 0])
    return name, folder, stored_bundles.stored(folder, algorithm, ROWS)


def test_another_process_loads_it_and_waits_for_the_next(tmp_path: Path) -> None:
    worker_pool._close_all()
    training.verify(*stored(tmp_path / "1"))
    [[first]] = worker_pool._idle.values()
    assert first.process.pid != HERE
    training.verify(*stored(tmp_path / "2"))
    assert worker_pool._idle[HERE, training.ALGORITHMS["ridge"].packages] == [first]


def test_damage_is_named(tmp_path: Path) -> None:
    name, folder, digest = stored(tmp_path / "1")
    body = bytearray((folder / "model.skops").read_bytes())
    body[len(body) // 2] ^= 1
    (folder / "model.skops").write_bytes(body)
    with pytest.raises(BundleError, match=r"a fresh process refused it: .*'model.skops' was altered"):
        training.verify(name, folder, digest)
    with pytest.raises(BundleError, match=r"manifest.json was altered"):
        training.verify(name, folder, "0" * 64)


def test_answers_that_depend_on_the_process_are_found_out(tmp_path: Path) -> None:
    estimator = f"{__name__}:FromHere"
    with pytest.raises(BundleError, match="no longer predicts"):
        training.verify(*stored(tmp_path / "1", "python", estimator=estimator))
    with pytest.raises(BundleError, match="process died of exit code 3"):
        training.verify(*stored(tmp_path / "2", "python", estimator=estimator, params={"dies": True}))
