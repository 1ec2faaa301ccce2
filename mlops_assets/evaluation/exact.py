"""SHAP values that need no sampling: boosters compute their own (the algorithm of TreeExplainer, without its import),
scikit-learn's trees go through shap.TreeExplainer, linear models have a closed form.

Comes in: a fitted model and the rows to explain. Goes out: a `Way` that explains any number of rows at a time, or None
where only permutations help.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from mlops_assets.metrics import Floats

FEWEST: Final = 10
"""Rows that are explained however little time there is."""

Values: TypeAlias = tuple[Floats, Floats]
"""SHAP values (rows, outputs, features) and what the model answers before any feature (rows, outputs)."""
Explainer: TypeAlias = Callable[[Floats], Values]


@dataclass(frozen=True, slots=True)
class Way:
    """How a model is explained: `explain` takes rows (rows, features). first: rows to begin with; most: as many rows at
    once as memory should hold."""

    method: str
    explain: Explainer
    first: int = FEWEST
    most: int = 2_000


def exact_way(estimator: Any, native: Any, rows: Floats, centre: Callable[[], Floats]) -> Way | None:
    """The exact way for this model, None where there is none. centre: mean of each feature over the training rows."""
    return own_trees(native) or linear(estimator, native, rows.shape[1], centre) or shap_trees(native, rows)


def own_trees(native: Any) -> Way | None:
    """LightGBM, XGBoost and CatBoost give exact path-dependent tree SHAP values themselves."""
    home = type(native).__module__.split(".")[0]
    ways: dict[str, Callable[[Any, Floats], Any]] = {
        "lightgbm": _of_lightgbm,
        "xgboost": _of_xgboost,
        "catboost": _of_catboost,
    }
    if home not in ways:
        return None

    def explain(rows: Floats) -> Values:
        flat = np.asarray(ways[home](native, rows), dtype=np.float64)
        stacked = flat.reshape(rows.shape[0], -1, rows.shape[1] + 1)
        return stacked[:, :, :-1], stacked[:, :, -1]

    return Way(f"exact tree SHAP ({home})", explain)


def _of_lightgbm(native: Any, rows: Floats) -> Any:
    return getattr(native, "booster_", native).predict(rows, pred_contrib=True)


def _of_xgboost(native: Any, rows: Floats) -> Any:
    from xgboost import DMatrix

    booster = native.get_booster() if hasattr(native, "get_booster") else native
    return booster.predict(DMatrix(rows), pred_contribs=True, validate_features=False)


def _of_catboost(native: Any, rows: Floats) -> Any:
    from catboost import Pool

    return native.get_feature_importance(Pool(rows), type="ShapValues")


def linear(estimator: Any, native: Any, width: int, centre: Callable[[], Floats]) -> Way | None:
    """Coefficient times distance from the training mean: exact for linear models with independent features."""
    if getattr(estimator, "explain", None) == "linear":
        slope, level = estimator.coefficients()
    elif getattr(native, "kernel", "linear") == "linear":
        slope, level = getattr(native, "coef_", None), getattr(native, "intercept_", None)
    else:
        return None
    if slope is None or level is None:
        return None
    slopes = np.atleast_2d(np.asarray(slope, dtype=np.float64))
    if slopes.shape[1] != width:
        return None
    middle = centre()
    start = np.atleast_1d(np.asarray(level, dtype=np.float64)) + slopes @ middle

    def explain(rows: Floats) -> Values:
        return slopes[None, :, :] * (rows - middle)[:, None, :], np.tile(start, (rows.shape[0], 1))

    return Way("exact linear SHAP", explain)


def shap_trees(native: Any, rows: Floats) -> Way | None:
    """Trees and forests of scikit-learn; None for one that shap does not know."""
    if not type(native).__module__.startswith(("sklearn.ensemble", "sklearn.tree")):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # shap warns of its own dependencies
        import shap

        try:
            explainer = shap.TreeExplainer(native)
            explainer.shap_values(rows[:1], check_additivity=False)
        except Exception:  # noqa: BLE001 - whatever it raises, permutations need no knowledge of the model
            return None
    level = np.atleast_1d(np.asarray(explainer.expected_value, dtype=np.float64))

    def explain(rows: Floats) -> Values:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = np.asarray(explainer.shap_values(rows, check_additivity=False), dtype=np.float64)
        if values.ndim == 2:
            values = values[:, :, None]
        return values.transpose(0, 2, 1), np.tile(level, (rows.shape[0], 1))

    return Way("exact tree SHAP (shap.TreeExplainer)", explain)
