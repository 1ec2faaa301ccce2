"""SHAP values of any model, estimated: features change one by one from a training row's value to the explained row's.

Antithetic permutation sampling (Castro et al. 2009). It needs thousands of predictions; how many training rows and
orders of features it uses depends on how long the model takes to predict.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import numpy as np

from mlops_assets.artifacts import FeatureMatrix, Predictor
from mlops_assets.evaluation.explainer import MIN_ROWS, Explainer, ShapArrays, rows_in_memory
from mlops_assets.metrics import Floats

BACKGROUND_ROWS: Final = 20
BREADTHS: Final = ((BACKGROUND_ROWS, 4), (10, 4), (5, 4), (5, 2), (1, 2), (1, 1))
"""Training rows, and orders of features: the first with which MIN_ROWS rows take a quarter of the time."""
MAX_ROWS_AT_ONCE: Final = 200

Predict: TypeAlias = Callable[[Floats], Floats]
"""From rows (rows, columns) to predictions (rows, outputs)."""


def permutation_explainer(
    predict: Predict,
    background: Floats,
    features: Sequence[Sequence[int]],
    rng: np.random.Generator,
    seconds_left: Callable[[], float],
) -> Explainer:
    """Return an explainer that estimates the values within the time left.

    Args:
        predict: The model.
        background: Training rows (rows, columns), in the order in which they are used.
        features: Columns that change together.
        rng: Source of randomness for the orders of features.
        seconds_left: Returns the seconds left.

    Returns:
        The explainer, with its method's name.
    """
    count = len(features)
    drawn = [rng.permutation(count).tolist() for _ in range(2)]
    orders = [order for one in drawn for order in (one, one[::-1])]
    base = predict(background)  # its first call may import, so that it is not the one to be timed
    one_row = _seconds(predict, background[:1], seconds_left)
    many_rows = _seconds(predict, np.repeat(background, MIN_ROWS, axis=0), seconds_left)
    per_row = max(0.0, (many_rows - one_row) / max(1, MIN_ROWS * len(background) - 1))

    def cost(rows: int, breadth: tuple[int, int]) -> float:
        return breadth[1] * count * (one_row + per_row * rows * min(breadth[0], len(background)))

    breadth = next((one for one in BREADTHS if cost(MIN_ROWS, one) <= seconds_left() / 4), BREADTHS[-1])
    max_rows = _rows_at_once(background[: breadth[0]], base.shape[1], count)
    first_rows = next(
        (
            rows
            for rows in (max_rows, 100, 40, 20)
            if rows <= max_rows and cost(rows, breadth) <= seconds_left() / 2
        ),
        min(MIN_ROWS, max_rows),
    )
    chosen, chosen_base = background[: breadth[0]], base[: breadth[0]]

    def explain(rows: Floats) -> ShapArrays:
        return _permute(predict, rows, chosen, chosen_base, orders[: breadth[1]], features)

    noun = "row" if len(chosen) == 1 else "rows"
    against = "" if breadth == BREADTHS[0] else f" against {len(chosen)} training {noun}"
    return Explainer(f"permutations (estimated{against})", explain, first_rows, max_rows)


def prediction_function(predictor: Predictor, names: tuple[str, ...]) -> Predict:
    """Return a function from rows of the model's matrix to numbers, or to the probability of every class.

    Args:
        predictor: The model.
        names: Columns of the rows.

    Returns:
        Function from shape (rows, features) to shape (rows, outputs).
    """
    estimator = predictor.estimator

    def predict(rows: Floats) -> Floats:
        matrix = FeatureMatrix(names, rows)
        raw = estimator.predict_proba(matrix) if predictor.classes else estimator.predict(matrix)
        predictions = np.asarray(raw, dtype=np.float64)
        return predictions if predictions.ndim == 2 else predictions[:, None]

    return predict


def _rows_at_once(background: Floats, outputs: int, features: int) -> int:
    """As many rows as memory allows: their values, their mixtures with the background, and the predictions of those."""
    values = rows_in_memory(outputs, features, MAX_ROWS_AT_ONCE)
    mixtures = rows_in_memory(len(background), max(background.shape[1], outputs), MAX_ROWS_AT_ONCE)
    return min(values, mixtures)


def _seconds(predict: Predict, rows: Floats, seconds_left: Callable[[], float]) -> float:
    before = seconds_left()
    predict(rows)
    return before - seconds_left()


def _permute(
    predict: Predict,
    rows: Floats,
    background: Floats,
    base: Floats,
    orders: Sequence[Sequence[int]],
    features: Sequence[Sequence[int]],
) -> ShapArrays:
    """Start from the predictions for the background (`base`: background rows, outputs)."""
    count = rows.shape[0]
    total = np.zeros((count, base.shape[1], len(features)))
    target = np.tile(rows, (background.shape[0], 1))
    for order in orders:
        mixed, before = np.repeat(background, count, axis=0), np.repeat(base, count, axis=0)
        for feature in order:
            columns = list(features[feature])
            mixed[:, columns] = target[:, columns]
            after = predict(mixed)
            total[:, :, feature] += (after - before).reshape(background.shape[0], count, -1).mean(axis=0)
            before = after
    return total / len(orders), np.tile(base.mean(axis=0), (count, 1))
