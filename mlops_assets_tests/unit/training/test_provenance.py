"""A model of a user's own class depends on the package that provides it, or on its source where there is none."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlops_assets import training
from mlops_assets.artifacts import FeatureMatrix
from mlops_assets.errors import BundleError
from mlops_assets.training.algorithms.base.provenance import distributions_of
from mlops_assets.training.bundles.manifest import sha256
from mlops_assets_tests.stored_bundles import stored

ROWS = FeatureMatrix(("a", "b"), np.random.default_rng(0).normal(size=(40, 2)))
SOURCE = """
from sklearn.linear_model import LinearRegression


class Robust(LinearRegression):
    pass
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's package on the path; nothing installed says that it is there."""
    folder = tmp_path / "code" / "shop"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "models.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(folder.parent))
    for name in ("shop", "shop.models"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return folder


def store(folder: Path, estimator: str = "shop.models:Robust") -> str:
    model = training.ALGORITHMS["python"]("regression", {"estimator": estimator})
    return stored(folder, model.fit(ROWS, ROWS.values[:, 0]), ROWS)


def manifest(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "manifest.json").read_bytes())
    return content


def test_a_plain_file_is_known_by_its_source(shop: Path, tmp_path: Path) -> None:
    digest = store(tmp_path / "1")
    assert manifest(tmp_path / "1")["environment"]["sources"] == {"shop.models": sha256(SOURCE.encode())}
    training.load_bundle(tmp_path / "1", expected_manifest_sha256=digest)
    (shop / "models.py").write_text(SOURCE.replace("pass", "alpha = 1"))
    with pytest.raises(
        BundleError, match=r"the source of shop\.models is not the one that trained it; .* train again"
    ):
        training.load_bundle(tmp_path / "1", expected_manifest_sha256=digest)


def test_a_file_that_is_gone_is_not_the_same(shop: Path, tmp_path: Path) -> None:
    digest = store(tmp_path / "1")
    (shop / "models.py").unlink()
    with pytest.raises(BundleError, match=r"the source of shop\.models is not the one"):
        training.load_bundle(tmp_path / "1", expected_manifest_sha256=digest)


def test_an_installed_package_is_known_by_its_version(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Installed as pip would leave it: metadata beside the package."""
    installed = shop.parent / "shop_models-1.4.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-models\nVersion: 1.4.0\n")
    (installed / "top_level.txt").write_text("shop\n")
    assert distributions_of("shop.models") == ("shop-models",)
    digest = store(tmp_path / "1")
    written = manifest(tmp_path / "1")
    assert written["packages"] == ["scikit-learn", "shop-models"]
    assert "sources" not in written["environment"]
    training.load_bundle(tmp_path / "1", expected_manifest_sha256=digest)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-models\nVersion: 1.5.0\n")
    with pytest.raises(BundleError, match=r"shop-models 1\.4\.0 trained it, 1\.5\.0 is installed"):
        training.load_bundle(tmp_path / "1", expected_manifest_sha256=digest)


def test_a_class_of_a_library_depends_on_that_library_alone(tmp_path: Path) -> None:
    store(tmp_path / "1", "sklearn.linear_model:LinearRegression")
    assert manifest(tmp_path / "1")["packages"] == ["scikit-learn"]
