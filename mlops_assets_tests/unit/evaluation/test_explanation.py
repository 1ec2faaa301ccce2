"""SHAP values add up to the prediction, agree with the library, and stay within their budget; plots are small."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from mlops_assets import evaluation, training
from mlops_assets.artifacts import Bounds, Explanation, FeatureMatrix
from mlops_assets.evaluation import explainer as explainer_module
from mlops_assets.evaluation import native_shap
from mlops_assets.evaluation.explainer import MIN_ROWS, rows_in_memory
from mlops_assets.evaluation.native_shap import booster_explainer, count_leaf_values, native_explainer
from mlops_assets.metrics import Scored
from mlops_assets.reports import plots
from mlops_assets_tests.unit.promotion.evidence_factory import spec_with
from mlops_assets_tests.unit.training import test_conformity as conformity

NAMES = ("a", "b", "c")


@dataclass(frozen=True)
class Fitted:
    """A library's estimator over three columns; `estimator` predicts from a matrix as a bundle's does."""

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

    def bounds(self, features: pl.DataFrame, predictions: NDArray[Any]) -> Bounds | None:
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
        "neighbors": KNeighborsRegressor(),
    }
    return models[kind].fit(frame.select(NAMES).to_numpy()[:400], frame["y"].to_numpy()[:400])


@pytest.mark.parametrize("kind", ["lightgbm", "forest", "ridge", "neighbors"])
def test_values_add_up_to_the_prediction(kind: str, frame: pl.DataFrame) -> None:
    native = fitted(kind, frame)
    result = explained(native, frame)
    assert result.values.shape == result.inputs.shape == (40, 3)
    assert result.base + result.values.sum(axis=1) == pytest.approx(native.predict(result.inputs), abs=1e-6)
    ranked = evaluation.ranking(result)
    assert ranked.ranking[0][0] == "a"
    assert ranked.rows == 40
    assert ("estimated" in ranked.method) == (kind == "neighbors")


@pytest.mark.parametrize(
    ("kind", "expected_method"),
    [
        ("ridge", "exact linear SHAP, in units of log1p(y)"),
        ("lightgbm", "exact tree SHAP (lightgbm), in units of log1p(y)"),
        ("neighbors", "permutations (estimated)"),
    ],
)
def test_values_of_a_logarithm_say_so(kind: str, expected_method: str, frame: pl.DataFrame) -> None:
    result = explained(fitted(kind, frame), frame, target_transform="log1p")
    assert result.method == f"{expected_method}, 40 rows"
    assert result.unit == ("" if kind == "neighbors" else ", in units of log1p(y)")


def test_boosted_trees_explain_themselves_as_the_library_does(frame: pl.DataFrame) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import shap

        native = fitted("lightgbm", frame)
        result = explained(native, frame)
        assert shap.TreeExplainer(native).shap_values(result.inputs) == pytest.approx(result.values, abs=1e-6)


def test_several_classes_are_explained_by_the_one_predicted(frame: pl.DataFrame) -> None:
    from sklearn.linear_model import LogisticRegression

    kinds = (frame["a"].to_numpy() > 0).astype(int) + (frame["a"].to_numpy() > 1)
    native = LogisticRegression().fit(frame.select(NAMES).to_numpy(), kinds)
    result = explained(native, frame, classes=("0", "1", "2"))
    scores = native.decision_function(result.inputs).max(axis=1)
    assert result.base + result.values.sum(axis=1) == pytest.approx(scores, abs=1e-6)


@dataclass
class Clock:
    """Seconds left, of which every predicted row takes `each`, and every call `call`."""

    left: float
    each: float = 0.0
    call: float = 0.0

    def __call__(self) -> float:
        return self.left

    def spend(self, rows: int) -> None:
        self.left -= self.call + rows * self.each


@dataclass(frozen=True)
class Slow:
    """A boosted tree, or any other model of a library, whose predictions and explanations take time."""

    native: Any
    clock: Clock

    def predict(self, rows: Any, pred_contrib: bool = False) -> Any:
        self.clock.spend(len(rows))
        return self.native.predict(rows, **({"pred_contrib": True} if pred_contrib else {}))


class SlowTrees(Slow):
    """Says that it comes from LightGBM."""


SlowTrees.__module__ = "lightgbm.slow"


def in_time(native: Any, frame: pl.DataFrame, clock: Clock, rows: int = 150) -> evaluation.ShapValues:
    spec = spec_with([], evaluation={"primary": "rmse", "shap_rows": rows})
    return evaluation.explain(spec, Fitted(native), frame[:400], frame[400:], clock)


@pytest.mark.parametrize(
    ("each", "rows"), [(0.0, 150), (0.001, 150), (0.05, range(50, 101)), (0.5, 10), (1e6, 10)]
)
def test_as_many_rows_are_explained_as_there_is_time_for(each: float, rows: Any, frame: pl.DataFrame) -> None:
    trees = fitted("lightgbm", frame)
    clock = Clock(5.0, each)
    result = in_time(SlowTrees(trees, clock), frame, clock)
    count = len(result.values)
    assert count in (rows if isinstance(rows, range) else (rows,))
    assert clock.left >= 0 or count == MIN_ROWS
    expected_method = (
        "150 rows" if count == 150 else f"{count} of 150 rows: as many as the time of the training paid for"
    )
    assert result.method == f"exact tree SHAP (lightgbm), {expected_method}"


def test_less_time_explains_fewer_rows_never_others(frame: pl.DataFrame) -> None:
    for kind, slow in (("lightgbm", SlowTrees), ("neighbors", Slow)):
        native = fitted(kind, frame)
        whole = in_time(native, frame, Clock(1e6))
        clock = Clock(5.0, *((0.05, 0.0) if kind == "lightgbm" else (0.0003, 0.0001)))
        part = in_time(slow(native, clock), frame, clock)
        count = len(part.values)
        assert MIN_ROWS <= count < 150
        np.testing.assert_array_equal(part.inputs, whole.inputs[:count])
        np.testing.assert_allclose(part.values, whole.values[:count])


@pytest.mark.parametrize(
    ("each", "call"), [(1e-5, 1e-4), (1e-4, 1e-3), (1e-3, 1e-3), (1e-2, 1e-2), (0.0, 0.05), (0.0, 0.3)]
)
def test_permutations_predict_no_more_than_the_time_allows(
    each: float, call: float, frame: pl.DataFrame
) -> None:
    clock = Clock(5.0, each, call)
    result = in_time(Slow(fitted("neighbors", frame), clock), frame, clock)
    assert clock.left >= 0
    assert len(result.values) >= MIN_ROWS
    assert np.isfinite(result.values).all()


def test_a_model_too_slow_for_any_estimate_predicts_as_little_as_possible(frame: pl.DataFrame) -> None:
    clock = Clock(1.0, 0.0, 60.0)
    result = in_time(Slow(fitted("neighbors", frame), clock), frame, clock)
    assert result.method.startswith("permutations (estimated against 1 training row), 10 of 150 rows")
    assert clock.left >= 1 - 60 * (3 + len(NAMES))


def test_permutations_of_a_fast_model_use_every_row(frame: pl.DataFrame) -> None:
    result = in_time(fitted("neighbors", frame), frame, Clock(1.0), 200)
    assert result.method == "permutations (estimated), 200 rows"


def forest_of_many_classes(classes: int, rows: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    rng = np.random.default_rng(0)
    labels = np.arange(rows) % classes
    return RandomForestClassifier(20, random_state=0, n_jobs=1).fit(rng.normal(size=(rows, 3)), labels)


def test_a_forest_that_would_need_gigabytes_is_estimated(
    frame: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """shap.TreeExplainer copies nodes x classes; a forest of 200 classes took 4.3 GB for ten rows."""
    forest = forest_of_many_classes(200, 2_000)
    values = count_leaf_values(forest)
    assert values == sum(tree.tree_.node_count for tree in forest.estimators_) * 200
    monkeypatch.setattr(native_shap, "MAX_LEAF_VALUES", values - 1)
    rows = frame.select(NAMES).to_numpy()
    assert native_explainer(forest, forest, rows, 200, lambda: rows.mean(axis=0)) is None
    names = tuple(str(label) for label in range(200))
    result = explained(forest, frame, classes=names)
    assert result.method.startswith("permutations (estimated")
    assert result.values.shape == (40, 3)
    probabilities = forest.predict_proba(result.inputs).max(axis=1)
    assert result.base + result.values.sum(axis=1) == pytest.approx(probabilities, abs=1e-6)


def test_values_in_memory_are_bounded_in_rows_classes_and_features() -> None:
    for outputs, features in ((1, 10), (200, 150), (5, 3_000), (1_000, 3_000), (10**6, 10**4)):
        rows = rows_in_memory(outputs, features)
        assert rows == 1 or rows * outputs * features <= 20_000_000
        assert 1 <= rows <= 2_000


def test_blocks_smaller_than_the_least_number_of_rows_still_explain_that_many(frame: pl.DataFrame) -> None:
    trees = fitted("lightgbm", frame)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explainer_module, "MAX_VALUES", 8)
        result = in_time(fitted("neighbors", frame), frame, Clock(1e6), 30)
        assert len(result.values) == 30
        assert len(explained(trees, frame).values) == 40


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


def test_every_plot_is_a_small_png(frame: pl.DataFrame) -> None:
    shap = explained(fitted("lightgbm", frame), frame)
    rng = np.random.default_rng(0)
    truth = rng.normal(50, 5, 7_200)
    scored = Scored(truth, truth + rng.normal(size=7_200), None, np.roll(truth, 1))
    banded = replace(scored, bounds=Bounds(0.9, scored.predicted - 2, scored.predicted + 3))
    called = rng.integers(0, 3, 500).astype(float)
    kinds = Scored(
        called, np.roll(called, 1), rng.dirichlet(np.ones(3), 500), None, ("low", "middle", "high")
    )
    metrics = {"rmse": 1.0, "r2": 0.9, "bias": -0.1}
    drawn = [
        plots.predicted_against_actual(scored, "y"),
        plots.predicted_against_actual(banded, "y"),
        plots.residuals_over_time(scored, None, "y"),
        plots.forecast(scored, None, "y"),
        plots.forecast(banded, None, "y"),
        plots.shap_bar(shap),
        plots.shap_summary(shap),
        plots.shap_waterfall(shap, 0),
        plots.shap_force(shap, 0),
        plots.confusion(kinds),
        plots.calibration(kinds),
        plots.metric_bars(
            metrics, {"rmse": 1.1, "r2": 0.8, "bias": 0.2}, {"rmse": 4.0, "r2": 0.0, "bias": 0.0}
        ),
        plots.metric_bars(metrics, None, {"rmse": 4.0, "r2": float("nan"), "bias": 0.0}),
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
    result = evaluation.explain(spec, Sequence(object()), frame[:400], frame[400:])
    assert result.names == ("plan", "y (recent past)")
    assert result.values.shape == result.inputs.shape
    rows = frame.select(NAMES).to_numpy()
    explained_rows = [rows[np.flatnonzero((rows[:, :2] == one).all(axis=1))[0]] for one in result.inputs]
    np.testing.assert_allclose(result.base + result.values.sum(axis=1), explained_rows @ line, atol=1e-6)


def test_a_forecast_is_explained_by_its_exogenous_inputs() -> None:
    """Sales are a wave of eight hours and five times what `power` will be, which is known."""
    pytest.importorskip("statsmodels")
    model = conformity.fitted("sarimax", "forecasting")
    train, test = conformity.rows(300, 1, "forecasting"), conformity.rows(200, 3, "forecasting")

    class Forecaster(Fitted):
        def matrix(self, features: pl.DataFrame) -> FeatureMatrix:
            return FeatureMatrix(train.names, features.select(train.names).to_numpy())

        @property
        def estimator(self) -> Any:
            return model

    train_rows, fresh = (
        pl.DataFrame(dict(zip(one.names, one.values.T, strict=True))) for one in (train, test)
    )
    spec = spec_with([], evaluation={"primary": "rmse", "shap_rows": 100})
    result = evaluation.explain(spec, Forecaster(model), train_rows, fresh)
    ranked = dict(evaluation.ranking(result).ranking)
    assert ranked.keys() == {"sales (recent past)", "power (recent past)", "power next", "@time"}
    assert next(iter(ranked)) == "sales (recent past)"
    planned = result.names.index("power next")
    slope = np.polyfit(result.inputs[:, planned], result.values[:, planned], 1)[0]
    assert slope == pytest.approx(5, abs=0.3)
    assert result.base + result.values.sum(axis=1) == pytest.approx(
        model.predict(FeatureMatrix(train.names, _rows_of(fresh, result, train.names)))
    )


def _rows_of(frame: pl.DataFrame, result: evaluation.ShapValues, names: tuple[str, ...]) -> Any:
    """The whole rows that were explained, found by their time."""
    times = result.inputs[:, result.names.index("@time")]
    rows = frame.select(names).to_numpy()
    return rows[[int(np.flatnonzero(rows[:, -1] == time)[0]) for time in times]]


@pytest.mark.parametrize("library", ["lightgbm", "xgboost", "catboost"])
@pytest.mark.parametrize("loss", ["huber", "log_cosh", "focal", "focal of three"])
def test_boosted_trees_with_a_loss_of_our_own_add_up_to_their_score(
    library: str, loss: str, frame: pl.DataFrame
) -> None:
    pytest.importorskip(library)
    if (library, loss) == ("catboost", "focal of three"):
        pytest.skip("CatBoost has a focal loss of two classes only")
    matrix = FeatureMatrix(NAMES, frame.select(NAMES).to_numpy())
    y = 700 + 100 * frame["y"].to_numpy()
    if loss.startswith("focal"):
        y = np.digitize(frame["a"].to_numpy(), [0.0, 1.0] if loss == "focal of three" else [0.0])
    model = training.ALGORITHMS[library](
        "classification" if loss.startswith("focal") else "regression",
        {"loss": loss.split()[0], "n_estimators": 30},
    ).fit(matrix, y, seed=1)
    model = training.ALGORITHMS[library].load(model.dump())
    explainer = booster_explainer(model.native)
    assert explainer is not None
    values, base = explainer.explain(matrix.values)
    score = base + values.sum(axis=2)
    if not model.classes:
        np.testing.assert_allclose(score[:, 0], model.predict(matrix), rtol=1e-5, atol=1e-2)
        return
    shares = model.predict_proba(matrix)
    against = np.log(shares[:, 1:] / shares[:, :1])  # of each class against the first
    np.testing.assert_allclose(
        score if score.shape[1] == 1 else score[:, 1:] - score[:, :1], against, atol=1e-4
    )
