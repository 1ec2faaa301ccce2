"""ONNX files: they answer as the algorithm does, say what they are about, and are never there when they are wrong."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from mlops_assets import training
from mlops_assets.artifacts import FeatureMatrix
from mlops_assets.errors import MissingExtraError, TrainingError
from mlops_assets.model_file.algorithms import ALGORITHM_CATALOGUE, Problem
from mlops_assets.training import Algorithm
from mlops_assets.training.bundles import onnx
from mlops_assets.training.bundles.onnx import BOOSTED, CONVERTERS, as_onnx, run_onnx
from mlops_assets_tests.stored_bundles import stored
from mlops_assets_tests.unit.training.test_conformity import QUICK, fitted, rows, target

pytest.importorskip("onnx", reason="extra onnx")
pytest.importorskip("onnxruntime", reason="extra onnx")
pytest.importorskip("skl2onnx", reason="extra onnx")


def case(name: str, problem: Problem) -> Any:
    needed = (*training.ALGORITHMS[name].parameters.modules, *(("onnxmltools",) if name in BOOSTED else ()))
    absent = [module for module in needed if find_spec(module) is None]
    marks = pytest.mark.skip(reason=f"{absent[0]} is not installed") if absent else ()
    return pytest.param(name, problem, id=f"{name}-{problem}", marks=marks)


CONVERTED: Final = [name for name, info in ALGORITHM_CATALOGUE.items() if info.onnx]
CASES: Final = [
    case(name, problem)
    for name in CONVERTED
    for problem in ALGORITHM_CATALOGUE[name].problems
    if problem != "forecasting"
]


def ridge(**more: Any) -> Algorithm:
    train = rows(60, 1)
    return training.ALGORITHMS["ridge"]("regression").fit(train, np.abs(train.values[:, 1]), **more)


def test_whoever_says_it_can_has_a_converter() -> None:
    assert {training.ALGORITHMS[name].packages[0] for name in CONVERTED} == set(CONVERTERS)
    assert "python" not in CONVERTED


@pytest.mark.parametrize("name, problem", CASES)
def test_onnx_runtime_answers_alike(name: str, problem: Problem) -> None:
    model, fresh = fitted(name, problem), rows(200, 3, problem)
    body = as_onnx(model, rows(20, 4, problem))
    predictions = run_onnx(body, fresh)
    if problem == "classification":
        assert set(predictions) == {"label", "probabilities"}
        np.testing.assert_allclose(predictions["probabilities"], model.predict_proba(fresh), atol=1e-4)
        labels = np.asarray(model.classes)[predictions["label"]]
        assert (labels == model.predict(fresh)).mean() > 0.99
    else:
        assert set(predictions) == {"prediction"}
        close = np.isclose(predictions["prediction"][:, 0], model.predict(fresh), rtol=1e-4, atol=1e-4)
        assert close.mean() > 0.99, "a row that lies on the edge of a split may fall to its other side"
    assert as_onnx(fitted(name, problem), rows(20, 4, problem)) == body


@pytest.mark.parametrize("name, problem", [one for one in CASES if one.values[1] == "classification"])
def test_two_classes(name: str, problem: Problem) -> None:
    train = rows(300, 1)
    y = np.where(target(train, "regression") > 0, "yes", "no")
    model = training.ALGORITHMS[name](problem, QUICK.get(name)).fit(train, y, seed=1)
    predictions = run_onnx(as_onnx(model, rows(20, 4)), rows(50, 5))
    np.testing.assert_allclose(predictions["probabilities"], model.predict_proba(rows(50, 5)), atol=1e-4)


@pytest.mark.parametrize("name, problem", CASES)
def test_losses_that_the_catalogue_leaves_out_are_those_that_are_refused(name: str, problem: Problem) -> None:
    """A converter that learns a loss one day makes this test fail: the catalogue then says too little."""
    info, train = ALGORITHM_CATALOGUE[name], rows(300, 1)
    classes = problem == "classification"
    known = info.class_losses if classes else info.number_losses
    y = target(train, problem) if classes else np.abs(target(train, problem)) + 1.0
    share = {"hist_gradient_boosting": "quantile", "lightgbm": "alpha", "xgboost": "quantile_alpha"}
    refused = set()
    for loss in known:
        two = np.where(y == "high", "a", "b") if (name, loss) == ("catboost", "focal") else y
        params = {"loss": loss, **({share[name]: 0.8} if loss == "quantile" else {})}
        model = training.ALGORITHMS[name](problem, {**QUICK.get(name, {}), **params}).fit(train, two, seed=1)
        try:
            as_onnx(model, rows(20, 4))
        except TrainingError:
            refused.add(loss)
    assert refused == {loss for loss in info.losses_without_onnx if loss in known}


def test_the_file_says_what_its_columns_and_classes_are() -> None:
    import onnx

    model = fitted("logistic", "classification")
    properties = {
        one.key: json.loads(one.value)
        for one in onnx.load_from_string(as_onnx(model, rows(20, 4))).metadata_props
    }
    assert properties == {"columns": list(model.feature_names), "classes": ["high", "low", "middle"]}


def test_a_target_learnt_as_a_logarithm_comes_out_in_its_own_units() -> None:
    model = ridge(target_transform="log1p")
    fresh = rows(50, 3)
    predictions = run_onnx(as_onnx(model, rows(20, 4)), fresh)
    np.testing.assert_allclose(predictions["prediction"][:, 0], model.predict(fresh), rtol=1e-4)


def test_a_file_that_answers_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    convert, other = CONVERTERS["scikit-learn"], ridge()
    monkeypatch.setitem(CONVERTERS, "scikit-learn", lambda _: convert(other))
    other.native[-1].intercept_ = other.native[-1].intercept_ + 0.1
    with pytest.raises(TrainingError, match=r"the ONNX file predicts otherwise: .* set 'onnx: false'"):
        as_onnx(ridge(), rows(20, 4))
    other.native[-1].intercept_ = np.nan
    with pytest.raises(TrainingError, match="predicts otherwise: the largest relative difference is nan"):
        as_onnx(ridge(), rows(20, 4))
    with pytest.raises(TrainingError):
        store(tmp_path / "1", ridge(), onnx=True)
    assert not (tmp_path / "1").exists()


def test_what_cannot_be_converted_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Algorithm) -> Any:
        raise RuntimeError("no converter for this kind of tree")

    monkeypatch.setitem(CONVERTERS, "scikit-learn", broken)
    with pytest.raises(TrainingError, match=r"ridge cannot be written as ONNX: .*no converter for this kind"):
        as_onnx(ridge(), rows(20, 4))


def test_a_missing_library_is_found_before_anything_is_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx, "LIBRARIES", ("nobody_has_this",))
    with pytest.raises(MissingExtraError, match=r"mlops-assets\[onnx\]"):
        onnx.require_onnx(["ridge"])


def store(folder: Path, model: Algorithm, **more: Any) -> str:
    return stored(folder, model, FeatureMatrix(model.feature_names, rows(20, 4).values), **more)


def test_a_bundle_carries_it_and_equal_trainings_give_equal_bytes(tmp_path: Path) -> None:
    digest = store(tmp_path / "1", ridge(), onnx=True)
    assert store(tmp_path / "2", ridge(), onnx=True) == digest
    loaded = training.load_bundle(tmp_path / "1", expected_manifest_sha256=digest)
    assert "model.onnx" in loaded.manifest.files
    predictions = run_onnx((tmp_path / "1" / "model.onnx").read_bytes(), loaded.sample)
    np.testing.assert_allclose(predictions["prediction"][:, 0], loaded.expected, rtol=1e-4)
    store(tmp_path / "3", ridge())
    assert not (tmp_path / "3" / "model.onnx").exists()


def test_mlflow_keeps_it_with_the_bundle(tmp_path: Path) -> None:
    from mlops_assets.registry.package import package

    store(tmp_path / "1", ridge(), onnx=True)
    with package(tmp_path / "1", "somewhere:open") as folder:
        [file] = folder.rglob("model.onnx")
        assert file.read_bytes() == (tmp_path / "1" / "model.onnx").read_bytes()
