"""A pickle is read where a model file and a recorded hash both allow it, and nowhere else; hostile ones never run."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlops_assets import training
from mlops_assets.artifacts import FeatureMatrix
from mlops_assets.errors import BundleError
from mlops_assets.training.fitting import worker_pool
from mlops_assets_tests.stored_bundles import replaced, stored
from mlops_assets_tests.unstorable_estimators import Bomb

ESTIMATOR = "mlops_assets_tests.unstorable_estimators:Unstorable"
ROWS = FeatureMatrix(("a", "b"), np.random.default_rng(0).normal(size=(40, 2)))


def allowed(estimator: str) -> str:
    return "" if estimator == ESTIMATOR else "another estimator"


def store(folder: Path, **params: Any) -> str:
    params = {"estimator": ESTIMATOR, "pickle": True, **params}
    model = training.ALGORITHMS["python"]("regression", params).fit(ROWS, ROWS.values[:, 0] * 2)
    return stored(folder, model, ROWS)


@pytest.fixture
def bundle(tmp_path: Path) -> tuple[Path, str]:
    return tmp_path / "1", store(tmp_path / "1")


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "the-bomb-went-off"


def test_with_leave_it_comes_back_and_equal_trainings_give_equal_bytes(
    bundle: tuple[Path, str], tmp_path: Path
) -> None:
    folder, digest = bundle
    assert (folder / "model.pkl").is_file()
    loaded = training.load_bundle(folder, expected_manifest_sha256=digest, may_unpickle=allowed)
    np.testing.assert_allclose(loaded.algorithm.predict(ROWS), ROWS.values[:, 0] * 2)
    assert loaded.manifest.pickled == ESTIMATOR
    assert store(tmp_path / "2") == digest
    training.verify("python", folder, digest, [ESTIMATOR])
    with pytest.raises(BundleError, match="its model file does not allow it"):
        training.verify("python", folder, digest)


def test_without_leave_the_training_fails_as_ever(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="not trusted"):
        store(tmp_path / "1", pickle=False)
    assert not (tmp_path / "1").exists()


def test_what_skops_can_store_is_no_pickle(tmp_path: Path) -> None:
    store(tmp_path / "1", estimator="sklearn.linear_model:LinearRegression")
    assert (tmp_path / "1" / "model.skops").is_file()
    assert "pickled" not in json.loads((tmp_path / "1" / "manifest.json").read_bytes())


def test_a_copy_without_a_recorded_hash_is_not_read(bundle: tuple[Path, str], mark: Path) -> None:
    """As MLflow's copy: nobody vouches for it, whoever asks."""
    folder, _ = bundle
    replaced(folder, "model.pkl", pickle.dumps(Bomb(mark)))
    with pytest.raises(BundleError, match="no hash from the ledger vouches"):
        training.load_bundle(folder, expected_manifest_sha256=None, may_unpickle=allowed)
    assert not mark.exists()


def test_a_flipped_bit_is_found_before_it_is_read(bundle: tuple[Path, str], mark: Path) -> None:
    folder, digest = bundle
    body = bytearray((folder / "model.pkl").read_bytes())
    body[len(body) // 2] ^= 1
    (folder / "model.pkl").write_bytes(body)
    with pytest.raises(BundleError, match=r"'model\.pkl' was altered"):
        training.load_bundle(folder, expected_manifest_sha256=digest, may_unpickle=allowed)
    (folder / "model.pkl").write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises(BundleError, match=r"'model.pkl' is (truncated|longer)"):
        training.load_bundle(folder, expected_manifest_sha256=digest, may_unpickle=allowed)
    assert not mark.exists()


def test_leave_that_is_taken_back_counts(bundle: tuple[Path, str], mark: Path) -> None:
    folder, _ = bundle
    digest = replaced(folder, "model.pkl", pickle.dumps(Bomb(mark)))
    with pytest.raises(BundleError, match="reads no pickles"):
        training.load_bundle(folder, expected_manifest_sha256=digest)
    with pytest.raises(BundleError, match="taken back"):
        training.load_bundle(
            folder, expected_manifest_sha256=digest, may_unpickle=lambda _: "leave was taken back"
        )
    assert not mark.exists()


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib", "other.pkl"])
def test_a_hostile_pickle_in_a_bundle_that_never_had_leave(tmp_path: Path, mark: Path, name: str) -> None:
    folder = tmp_path / "1"
    store(folder, estimator="sklearn.linear_model:LinearRegression")
    digest = replaced(folder, name, pickle.dumps(Bomb(mark)))
    with pytest.raises(BundleError, match="is a pickle or may hold one"):
        training.load_bundle(folder, expected_manifest_sha256=digest, may_unpickle=lambda _: "")
    assert not mark.exists()


def test_only_the_one_file_of_a_model_with_leave(bundle: tuple[Path, str], mark: Path) -> None:
    folder, _ = bundle
    digest = replaced(folder, "extra.pkl", pickle.dumps(Bomb(mark)))
    with pytest.raises(BundleError, match=r"'extra.pkl' is a pickle"):
        training.load_bundle(folder, expected_manifest_sha256=digest, may_unpickle=allowed)
    assert not mark.exists()


def test_files_of_an_algorithm_that_has_no_leave_are_not_unpickled(
    bundle: tuple[Path, str], mark: Path
) -> None:
    files = {path.name: path.read_bytes() for path in bundle[0].iterdir()} | {
        "model.pkl": pickle.dumps(Bomb(mark))
    }
    description = json.loads(files["algorithm.json"])
    description["params"].pop("pickle")
    with pytest.raises(BundleError, match="which this model may not be"):
        training.ALGORITHMS["python"].load({**files, "algorithm.json": json.dumps(description).encode()})
    assert not mark.exists()


def test_a_pickle_of_something_else_is_not_used(bundle: tuple[Path, str]) -> None:
    folder, _ = bundle
    digest = replaced(folder, "model.pkl", pickle.dumps([1, 2, 3]))
    with pytest.raises(BundleError, match="holds a list, not a Unstorable"):
        training.load_bundle(folder, expected_manifest_sha256=digest, may_unpickle=allowed)
    worker_pool._close_all()
