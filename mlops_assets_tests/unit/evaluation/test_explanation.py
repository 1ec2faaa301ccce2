"""SHAP values add up to the answer, agree with the library, and stay within their budget; pictures are small."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from mlops_assets import evaluation
from mlops_assets.artifacts import Explanation, FeatureMatrix
from mlops_assets.evaluation import explanation, pictures
from mlops_assets.evaluation.scoring import Scored
from mlops_assets_tests.unit.promotion.judging import spec_with

NAMES = ("a", "b", "c")


@dataclass(frozen=True)
class Fitted:
    """A library's estimator over three columns; `estimator` answers for a matrix as a bundle's does."""

    native: Any
    classes: tuple[str, ...] = ()
    algorithm: str = "fitted"
    feature_names: tuple[str, ...] = NAMES
    calls: Any = None
    target_transform: str = "none"

    @property
    def estimator(self) -> Any:
        return self

    def matrix(self, features: pl.DataFrame) -> FeatureMatrix:
        return FeatureMatrix(NAMES, features.select(NAMES).to_numpy())

    def predict(self, features: Any) -> NDArray[Any]:
        if self.calls is not None:
            self.calls.append(1)
        return np.asarray(self.native.predict(features.values))

    def predict_proba(self, features: Any) -> NDArray[Any]:
        return np.asarray(self.native.predict_proba(features.values))

    def probabilities(self, features: pl.DataFrame) -> NDArray[np.float64] | None:
        return None


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    columns = {name: rng.normal(size=600) for name in NAMES}
    return pl.DataFrame(columns).with_columns(
        y=3 * pl.col("a") + pl.col("b") * pl.col("c"), k=(pl.col("a") > 0).cast(pl.Int64)
    )


def explained(native: Any, frame: pl.DataFrame, **changes: Any) -> evaluation.ShapValues:
    spec = spec_with([], evaluation={"primary": "rmse", "shap_rows": 40})
    return evaluation.explain(spec, Fitted(native, **changes), frame[:400], frame[400:])


def fitted(kind: str, frame: pl.DataFrame) -> Any:
    from lightgbm import LGBMRegressor
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.linear_model import Ridge
    from sklearn.neighbors import KNeighborsRegressor

    models = {
        "lightgbm": LGBMRegressor(n_estimators=20, verbose=-1, n_jobs=1),
        "forest": RandomForestRegressor(10, random_state=0),
        "ridge": Ridge(),
        "neighbours": KNeighborsRegressor(),
    }
    return models[kind].fit(frame.select(NAMES).to_numpy()[:400], frame["y"].to_numpy()[:400])


@pytest.mark.parametrize("kind", ["lightgbm", "forest", "ridge", "neighbours"])
def test_values_add_up_to_the_prediction(kind: str, frame: pl.DataFrame) -> None:
    native = fitted(kind, frame)
    found = explained(native, frame)
    assert found.values.shape == found.inputs.shape == (40, 3)
    assert found.base + found.values.sum(axis=1) == pytest.approx(native.predict(found.inputs), abs=1e-6)
    ranked = evaluation.ranking(found)
    assert ranked.ranking[0][0] == "a"
    assert ranked.rows == 40
    assert ("estimated" in ranked.method) == (kind == "neighbours")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("ridge", "exact linear SHAP, in units of log1p(y)"),
        ("lightgbm", "exact tree SHAP (lightgbm), in units of log1p(y)"),
        ("neighbours", "permutations (estimated)"),
    ],
)
def test_values_of_a_logarithm_say_so(kind: str, said: str, frame: pl.DataFrame) -> None:
    assert explained(fitted(kind, frame), frame, target_transform="log1p").method == said


def test_boosted_trees_explain_themselves_as_the_library_does(frame: pl.DataFrame) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import shap

        native = fitted("lightgbm", frame)
        found = explained(native, frame)
        assert shap.TreeExplainer(native).shap_values(found.inputs) == pytest.approx(found.values, abs=1e-6)


def test_several_classes_are_explained_by_the_one_predicted(frame: pl.DataFrame) -> None:
    from sklearn.linear_model import LogisticRegression

    kinds = (frame["a"].to_numpy() > 0).astype(int) + (frame["a"].to_numpy() > 1)
    native = LogisticRegression().fit(frame.select(NAMES).to_numpy(), kinds)
    found = explained(native, frame, classes=("0", "1", "2"))
    scores = native.decision_function(found.inputs).max(axis=1)
    assert found.base + found.values.sum(axis=1) == pytest.approx(scores, abs=1e-6)


def test_a_deep_forest_is_explained_on_fewer_rows(
    frame: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explanation, "TREE_WORK", 1.0)
    monkeypatch.setattr(explanation, "FEWEST_ROWS", 10)
    found = explained(fitted("forest", frame), frame)
    assert found.values.shape == found.inputs.shape == (10, 3)


def test_estimation_is_bounded_in_calls(frame: pl.DataFrame) -> None:
    calls: list[int] = []
    explained(fitted("neighbours", frame), frame, calls=calls)
    assert len(calls) <= 1 + 4 * (len(NAMES) + 1)


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ({"a": 3, "b": 2, "c": 1}, {"a": 30, "b": 20, "c": 10}, 1.0),
        ({"a": 3, "b": 2, "c": 1}, {"a": 1, "b": 2, "c": 3}, -1.0),
        ({"a": 1}, {"a": 9}, 1.0),
        ({"a": 1}, {"b": 1}, -1.0),
    ],
)
def test_agreement_of_two_rankings(ours: dict[str, float], theirs: dict[str, float], expected: float) -> None:
    pair = [Explanation("m", 1, tuple(sizes.items())) for sizes in (ours, theirs)]
    assert evaluation.importance_correlation(pair[0], pair[1]) == pytest.approx(expected)
    assert evaluation.importance_correlation(pair[0], None) is None


def test_every_picture_is_a_small_png(frame: pl.DataFrame) -> None:
    shap = explained(fitted("lightgbm", frame), frame)
    rng = np.random.default_rng(0)
    truth = rng.normal(50, 5, 7_200)
    scored = Scored(truth, truth + rng.normal(size=7_200), None, np.roll(truth, 1))
    called = rng.integers(0, 3, 500).astype(float)
    kinds = Scored(
        called, np.roll(called, 1), rng.dirichlet(np.ones(3), 500), None, ("low", "middle", "high")
    )
    metrics = {"rmse": 1.0, "r2": 0.9, "bias": -0.1}
    drawn = [
        pictures.predicted_against_actual(scored, "y"),
        pictures.residuals_over_time(scored, None, "y"),
        pictures.forecast(scored, None, "y"),
        pictures.shap_bar(shap),
        pictures.shap_summary(shap),
        pictures.shap_waterfall(shap, 0),
        pictures.shap_force(shap, 0),
        pictures.confusion(kinds),
        pictures.calibration(kinds),
        pictures.metric_bars(
            metrics, {"rmse": 1.1, "r2": 0.8, "bias": 0.2}, {"rmse": 4.0, "r2": 0.0, "bias": 0.0}
        ),
        pictures.metric_bars(metrics, None, {"rmse": 4.0, "r2": float("nan"), "bias": 0.0}),
    ]
    assert all(picture.startswith(b"\x89PNG") for picture in drawn)
    assert max(len(picture) for picture in drawn) < 80_000


def test_the_recent_past_of_a_column_is_explained_as_one(frame: pl.DataFrame) -> None:
    names, line = ("plan", "y@0", "y@-1"), np.array([5.0, 1.0, 1.0])

    class Sequence(Fitted):
        def matrix(self, features: pl.DataFrame) -> FeatureMatrix:
            return FeatureMatrix(names, features.select(NAMES).to_numpy())

        def predict(self, features: Any) -> NDArray[Any]:
            return np.asarray(features.values @ line)

    spec = spec_with([], evaluation={"primary": "rmse", "shap_rows": 40})
    found = evaluation.explain(spec, Sequence(object()), frame[:400], frame[400:])
    assert found.names == ("plan", "y (recent past)")
    assert found.values.shape == found.inputs.shape
    rows = frame.select(NAMES).to_numpy()
    explained_rows = [rows[np.flatnonzero((rows[:, :2] == one).all(axis=1))[0]] for one in found.inputs]
    np.testing.assert_allclose(found.base + found.values.sum(axis=1), explained_rows @ line, atol=1e-6)
