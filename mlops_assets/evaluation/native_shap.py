"""SHAP values that need no sampling.

Boosters compute their own (the algorithm of TreeExplainer, without its import), scikit-learn's trees go through
shap.TreeExplainer, linear models have a closed form.

Comes in: a fitted model and the rows to explain. Goes out: an `Explainer`, or None where only permutations
are possible.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from mlops_assets.evaluation.explainer import Explainer, ShapArrays, rows_in_memory
from mlops_assets.metrics import Floats

MAX_LEAF_VALUES: Final = 10_000_000
"""Nodes x classes that shap.TreeExplainer may copy: about 0.4 GB, and 6 seconds for ten rows. A forest of 200 classes
took 4.3 GB and 80 seconds for ten rows; permutations explain it in the time that there is."""


def native_explainer(
    estimator: Any, native: Any, rows: Floats, outputs: int, training_means: Callable[[], Floats]
) -> Explainer | None:
    """Return the explainer that computes the values of this model without sampling.

    Args:
        estimator: The algorithm of the bundle.
        native: The library's model inside it.
        rows: Rows to explain, (rows, features).
        outputs: Numbers that the model predicts per row.
        training_means: Computes the mean of each feature over the training rows.

    Returns:
        The explainer; None if only permutations are possible, or if its cost would have no bound.
    """
    return (
        booster_explainer(native, outputs)
        or linear_explainer(estimator, native, rows.shape[1], training_means)
        or tree_explainer(native, rows)
    )


def booster_explainer(native: Any, outputs: int = 1) -> Explainer | None:
    """Return the explainer of LightGBM, XGBoost or CatBoost, which compute path-dependent tree SHAP themselves.

    Args:
        native: The library's model.
        outputs: Numbers that the model predicts per row.

    Returns:
        The explainer; None for models of other libraries.
    """
    library = type(native).__module__.split(".")[0]
    contributions: dict[str, Callable[[Any, Floats], Any]] = {
        "lightgbm": _lightgbm_contributions,
        "xgboost": _xgboost_contributions,
        "catboost": _catboost_contributions,
    }
    if library not in contributions:
        return None
    compute = contributions[library]

    def explain_block(rows: Floats) -> Floats:
        flat = np.asarray(compute(native, rows), dtype=np.float64)
        return flat.reshape(rows.shape[0], -1, rows.shape[1] + 1)

    def explain(rows: Floats) -> ShapArrays:
        size = rows_in_memory(outputs, rows.shape[1])
        values = np.concatenate([explain_block(rows[i : i + size]) for i in range(0, len(rows), size)])
        return values[:, :, :-1], values[:, :, -1]

    return Explainer(f"exact tree SHAP ({library})", explain)


def linear_explainer(
    estimator: Any, native: Any, features: int, training_means: Callable[[], Floats]
) -> Explainer | None:
    """Return the closed form: coefficient times distance from the training mean, exact for independent features.

    Args:
        estimator: The algorithm of the bundle; one with `explain = "linear"` gives its coefficients.
        native: The library's model inside it.
        features: Number of columns.
        training_means: Computes the mean of each feature over the training rows.

    Returns:
        The explainer; None for models that are not linear.
    """
    if getattr(estimator, "explain", None) == "linear":
        slope, intercept = estimator.coefficients()
    elif getattr(native, "kernel", "linear") == "linear":
        slope, intercept = getattr(native, "coef_", None), getattr(native, "intercept_", None)
    else:
        return None
    if slope is None or intercept is None:
        return None
    slopes = np.atleast_2d(np.asarray(slope, dtype=np.float64))
    if slopes.shape[1] != features:
        return None
    means = training_means()
    base = np.atleast_1d(np.asarray(intercept, dtype=np.float64)) + slopes @ means

    def explain(rows: Floats) -> ShapArrays:
        return slopes[None, :, :] * (rows - means)[:, None, :], np.tile(base, (rows.shape[0], 1))

    return Explainer("exact linear SHAP", explain, max_rows=rows_in_memory(len(slopes), features))


def tree_explainer(native: Any, rows: Floats) -> Explainer | None:
    """Return the explainer of scikit-learn's trees and forests.

    Args:
        native: The library's model.
        rows: Rows to explain; the first is tried.

    Returns:
        The explainer; None for a model that shap does not know or that is too large for it.
    """
    if not type(native).__module__.startswith(("sklearn.ensemble", "sklearn.tree")):
        return None
    if count_leaf_values(native) > MAX_LEAF_VALUES:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # shap warns of its own dependencies
        import shap

        try:
            explainer = shap.TreeExplainer(native)
            explainer.shap_values(rows[:1], check_additivity=False)
        except Exception:  # noqa: BLE001 - whatever it raises, permutations need no knowledge of the model
            return None
    base = np.atleast_1d(np.asarray(explainer.expected_value, dtype=np.float64))

    def explain(rows: Floats) -> ShapArrays:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = np.asarray(explainer.shap_values(rows, check_additivity=False), dtype=np.float64)
        if values.ndim == 2:
            values = values[:, :, None]
        return values.transpose(0, 2, 1), np.tile(base, (rows.shape[0], 1))

    return Explainer(
        "exact tree SHAP (shap.TreeExplainer)", explain, max_rows=rows_in_memory(base.size, rows.shape[1])
    )


def count_leaf_values(native: Any) -> int:
    """Return nodes x outputs of a tree or forest of scikit-learn, which sets the cost of exact SHAP.

    Args:
        native: The estimator.

    Returns:
        The number; 0 for models without trees.
    """
    estimators = getattr(native, "estimators_", [native])
    trees = [getattr(one, "tree_", None) for one in np.ravel(np.asarray(estimators, dtype=object))]
    return sum(int(tree.value.size) for tree in trees if tree is not None)


def _lightgbm_contributions(native: Any, rows: Floats) -> Any:
    return getattr(native, "booster_", native).predict(rows, pred_contrib=True)


def _xgboost_contributions(native: Any, rows: Floats) -> Any:
    from xgboost import DMatrix

    booster = native.get_booster() if hasattr(native, "get_booster") else native
    return booster.predict(DMatrix(rows), pred_contribs=True, validate_features=False)


def _catboost_contributions(native: Any, rows: Floats) -> Any:
    from catboost import Pool

    return native.get_feature_importance(Pool(rows), type="ShapValues")
