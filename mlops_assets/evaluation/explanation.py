"""Which features move a model's answers, and by how much: SHAP values of a bounded sample.

Comes in: a fitted model and feature rows. Goes out: a ranking (`Explanation`) and the values behind it for pictures.
A SHAP value is an association inside the model, not a cause in the world.

Exact ways first: tree boosters compute their own (the algorithm of TreeExplainer, without its import), scikit-learn's
trees go through shap.TreeExplainer, linear models have a closed form. Everything else is estimated by permutations on
few rows, bounded in calls.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlops_assets.artifacts import Explanation, FeatureMatrix, Predictor
from mlops_assets.evaluation.metrics import midranks
from mlops_assets.evaluation.scoring import Floats
from mlops_assets.spec import ModelSpec
from mlops_assets.spec.features import past_of

PERMUTED_ROWS: Final = 40
BACKGROUND_ROWS: Final = 20
FEWEST_ROWS: Final = 40
TREE_WORK: Final = 6e9
"""Leaves x depth squared x rows that shap.TreeExplainer may spend on a forest: two to three seconds."""


@dataclass(frozen=True, slots=True)
class ShapValues:
    """SHAP values and the inputs they explain, both (rows, features); `base` is the answer before any feature.

    For classifiers the values explain one class: the positive one of two, or the class predicted for the row.
    """

    names: tuple[str, ...]
    values: Floats
    inputs: Floats
    base: Floats
    method: str


def explain(spec: ModelSpec, predictor: Predictor, train: pl.DataFrame, test: pl.DataFrame) -> ShapValues:
    """SHAP values of at most `evaluation.shap_rows` rows of `test`, against `train`. Raises what the model raises."""
    rng = np.random.default_rng(spec.training.seed)
    sample = predictor.matrix(_some(test, spec.evaluation.shap_rows, rng))
    native = getattr(predictor.estimator, "native", predictor.estimator)
    rows = _some_rows(sample.values, _affordable(native), rng)
    centre = predictor.matrix(train).values.mean(axis=0)
    for way in (_own_trees, _linear, _shap_trees):
        found = way(predictor.estimator, native, rows, centre)
        if found is not None:
            values, base, method = found
            picked, level = _one_class(values, base)
            unit = _unit(spec, predictor, native)
            return ShapValues(sample.names, picked, rows, level, method + unit)
    rows = _some_rows(rows, PERMUTED_ROWS, rng)
    background = predictor.matrix(_some(train, BACKGROUND_ROWS, rng)).values
    together = _groups(sample.names)
    values, base = _permuted(
        _answers(predictor, sample.names), rows, background, rng, list(together.values())
    )
    picked, level = _one_class(values, base)
    shown = rows[:, [places[0] for places in together.values()]]
    return ShapValues(tuple(together), picked, shown, level, "permutations (estimated)")


def _unit(spec: ModelSpec, predictor: Predictor, native: Any) -> str:
    """What the values of an exact way add up to, where that is not the answer itself."""
    if predictor.classes:
        return ", in log-odds" if _in_log_odds(native) else ""
    scale = getattr(predictor.estimator, "target_transform", "none")
    return "" if scale == "none" else f", in units of {scale}({spec.target})"


def _groups(names: tuple[str, ...]) -> dict[str, list[int]]:
    """Column positions by what they are explained as: the steps of a column's recent past belong together, newest
    first; any other column stands alone."""
    found: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        past = past_of(name)
        found.setdefault(f"{past[0]} (recent past)" if past else name, []).append(place)
    return found


def ranking(values: ShapValues) -> Explanation:
    """Mean size of the SHAP values per feature, largest first."""
    sizes = np.abs(values.values).mean(axis=0) if values.values.size else np.zeros(len(values.names))
    order = np.argsort(-sizes, kind="stable")
    ranked = tuple((values.names[place], float(sizes[place])) for place in order)
    return Explanation(values.method, int(values.values.shape[0]), ranked)


def importance_correlation(challenger: Explanation | None, champion: Explanation | None) -> float | None:
    """Spearman correlation of two rankings over the features of either (absent ones count 0); None without two of them.

    Constant importances, as of a single feature, agree when they are the same feature.
    """
    if challenger is None or champion is None:
        return None
    ours, theirs = dict(challenger.ranking), dict(champion.ranking)
    names = sorted(ours | theirs)
    if not names:
        return None
    pair = [midranks(np.array([sizes.get(name, 0.0) for name in names])) for sizes in (ours, theirs)]
    if any(np.ptp(ranks) == 0 for ranks in pair):
        return 1.0 if ours.keys() == theirs.keys() else 0.0
    return float(np.corrcoef(pair[0], pair[1])[0, 1])


Found = tuple[Floats, Floats, str]


def _own_trees(_estimator: Any, native: Any, rows: Floats, _centre: Floats) -> Found | None:
    """LightGBM, XGBoost and CatBoost give exact path-dependent tree SHAP values themselves."""
    home = type(native).__module__.split(".")[0]
    if home == "lightgbm":
        booster = getattr(native, "booster_", native)
        flat = np.asarray(booster.predict(rows, pred_contrib=True), dtype=np.float64)
        stacked = flat.reshape(rows.shape[0], -1, rows.shape[1] + 1)
    elif home == "xgboost":
        from xgboost import DMatrix

        booster = native.get_booster() if hasattr(native, "get_booster") else native
        flat = np.asarray(booster.predict(DMatrix(rows), pred_contribs=True, validate_features=False))
        stacked = flat.reshape(rows.shape[0], -1, rows.shape[1] + 1).astype(np.float64)
    elif home == "catboost":
        from catboost import Pool

        flat = np.asarray(native.get_feature_importance(Pool(rows), type="ShapValues"), dtype=np.float64)
        stacked = flat.reshape(rows.shape[0], -1, rows.shape[1] + 1)
    else:
        return None
    return stacked[:, :, :-1], stacked[:, :, -1], f"exact tree SHAP ({home})"


def _linear(estimator: Any, native: Any, rows: Floats, centre: Floats) -> Found | None:
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
    if slopes.shape[1] != rows.shape[1]:
        return None
    values = slopes[None, :, :] * (rows - centre)[:, None, :]
    start = np.atleast_1d(np.asarray(level, dtype=np.float64)) + slopes @ centre
    return values, np.tile(start, (rows.shape[0], 1)), "exact linear SHAP"


def _shap_trees(_estimator: Any, native: Any, rows: Floats, _centre: Floats) -> Found | None:
    """Trees and forests of scikit-learn."""
    if not type(native).__module__.startswith(("sklearn.ensemble", "sklearn.tree")):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # shap warns of its own dependencies
        import shap

        try:
            explainer = shap.TreeExplainer(native)
            values = np.asarray(explainer.shap_values(rows, check_additivity=False), dtype=np.float64)
        except Exception:  # noqa: BLE001 - a tree model that shap does not know is explained by permutations
            return None
    if values.ndim == 2:
        values = values[:, :, None]
    base = np.broadcast_to(
        np.atleast_1d(np.asarray(explainer.expected_value, dtype=np.float64)), values.shape[::2]
    )
    return values.transpose(0, 2, 1), np.asarray(base), "exact tree SHAP (shap.TreeExplainer)"


def _in_log_odds(native: Any) -> bool:
    """Boosted trees and linear models add up to log-odds, forests to probabilities."""
    return not any(word in type(native).__name__ for word in ("Forest", "ExtraTrees", "DecisionTree"))


def _affordable(native: Any) -> int:
    """Rows of a forest that can be explained within TREE_WORK, at least FEWEST_ROWS."""
    trees = [getattr(tree, "tree_", None) for tree in getattr(native, "estimators_", ())]
    if not trees or any(tree is None for tree in trees):
        return 10**6
    work = sum(float(tree.n_leaves) * max(int(tree.max_depth), 1) ** 2 for tree in trees if tree is not None)
    outputs = max(int(np.size(getattr(native, "classes_", ()))), 1)
    return max(FEWEST_ROWS, int(TREE_WORK / max(work * outputs, 1.0)))


def _answers(predictor: Predictor, names: tuple[str, ...]) -> Callable[[Floats], Floats]:
    estimator = predictor.estimator

    def answers(rows: Floats) -> Floats:
        wrapped = FeatureMatrix(names, rows)
        raw = estimator.predict_proba(wrapped) if predictor.classes else estimator.predict(wrapped)
        found = np.asarray(raw, dtype=np.float64)
        return found if found.ndim == 2 else found[:, None]

    return answers


def _permuted(
    answers: Callable[[Floats], Floats],
    rows: Floats,
    background: Floats,
    rng: np.random.Generator,
    features: list[list[int]],
) -> tuple[Floats, Floats]:
    """Antithetic permutation sampling (Castro et al. 2009): features (columns that belong together) switched one by one
    from a background row."""
    count, width = rows.shape[0], len(features)
    start = answers(background)
    total = np.zeros((count, start.shape[1], width))
    rounds = 2
    for _ in range(rounds):
        order = rng.permutation(width)
        for way in (order, order[::-1]):
            mixed = np.repeat(background, count, axis=0)
            target = np.tile(rows, (background.shape[0], 1))
            before = answers(mixed)
            for feature in way:
                mixed[:, features[feature]] = target[:, features[feature]]
                after = answers(mixed)
                step = (after - before).reshape(background.shape[0], count, -1).mean(axis=0)
                total[:, :, feature] += step
                before = after
    return total / (2 * rounds), np.tile(start.mean(axis=0), (count, 1))


def _one_class(values: Floats, base: Floats) -> tuple[Floats, Floats]:
    """From (rows, outputs, features) to (rows, features): the last of two outputs, else the strongest of the row."""
    outputs = values.shape[1]
    if outputs <= 2:
        return values[:, -1, :], base[:, -1]
    chosen = np.argmax(base + values.sum(axis=2), axis=1)
    rows = np.arange(values.shape[0])
    return values[rows, chosen], base[rows, chosen]


def _some(frame: pl.DataFrame, most: int, rng: np.random.Generator) -> pl.DataFrame:
    if frame.height <= most:
        return frame
    chosen: pl.DataFrame = frame[np.sort(rng.choice(frame.height, most, replace=False)).tolist()]
    return chosen


def _some_rows(rows: NDArray[Any], most: int, rng: np.random.Generator) -> NDArray[Any]:
    return rows if rows.shape[0] <= most else rows[np.sort(rng.choice(rows.shape[0], most, replace=False))]
