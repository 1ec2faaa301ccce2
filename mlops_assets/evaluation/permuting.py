"""SHAP values of any model, estimated: features are switched one by one from a training row to the row explained.

Antithetic permutation sampling (Castro et al. 2009). It asks the model thousands of questions; how many training rows
and orders of features it takes is decided by how long the model takes to answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from mlops_assets.artifacts import FeatureMatrix, Predictor
from mlops_assets.evaluation.exact import FEWEST, Values, Way
from mlops_assets.metrics import Floats

BACKGROUND_ROWS: Final = 20
BREADTHS: Final = ((BACKGROUND_ROWS, 4), (10, 4), (5, 4), (5, 2), (1, 2), (1, 1))
"""Training rows, and orders of features: the first that FEWEST rows can be explained with in a quarter of the time."""
MOST_AT_ONCE: Final = 200

Answers = Callable[[Floats], Floats]


def permuting_way(
    answers: Answers,
    background: Floats,
    features: Sequence[Sequence[int]],
    rng: np.random.Generator,
    left: Callable[[], float],
) -> Way:
    """The way for a model that answers (rows, outputs). background: training rows (rows, columns), in the order
    in which they are taken; features: columns that are switched together; left: seconds left."""
    width = len(features)
    drawn = [rng.permutation(width).tolist() for _ in range(2)]
    orders = [order for one in drawn for order in (one, one[::-1])]
    level = answers(background)  # its first call may import, so that it is not the one to be timed
    one, many = _seconds(answers, background[:1], left), _seconds(answers, _repeated(background), left)

    def cost(rows: int, breadth: tuple[int, int]) -> float:
        each = (many - one) / max(1, FEWEST * len(background) - 1)
        return breadth[1] * width * (one + max(0.0, each) * rows * min(breadth[0], len(background)))

    breadth = next((wide for wide in BREADTHS if cost(FEWEST, wide) <= left() / 4), BREADTHS[-1])
    first = next((rows for rows in (MOST_AT_ONCE, 100, 40, 20) if cost(rows, breadth) <= left() / 2), FEWEST)
    chosen, known = background[: breadth[0]], level[: breadth[0]]

    def explain(rows: Floats) -> Values:
        return _permuted(answers, rows, chosen, known, orders[: breadth[1]], features)

    noun = "row" if len(chosen) == 1 else "rows"
    against = "" if breadth == BREADTHS[0] else f" against {len(chosen)} training {noun}"
    return Way(f"permutations (estimated{against})", explain, first, MOST_AT_ONCE)


def answers_of(predictor: Predictor, names: tuple[str, ...]) -> Answers:
    """What a model says of rows of its matrix: numbers, or the probability of every class."""
    estimator = predictor.estimator

    def answers(rows: Floats) -> Floats:
        wrapped = FeatureMatrix(names, rows)
        raw = estimator.predict_proba(wrapped) if predictor.classes else estimator.predict(wrapped)
        found = np.asarray(raw, dtype=np.float64)
        return found if found.ndim == 2 else found[:, None]

    return answers


def _repeated(background: Floats) -> Floats:
    return np.repeat(background, FEWEST, axis=0)


def _seconds(answers: Answers, rows: Floats, left: Callable[[], float]) -> float:
    before = left()
    answers(rows)
    return before - left()


def _permuted(
    answers: Answers,
    rows: Floats,
    background: Floats,
    level: Floats,
    orders: Sequence[Sequence[int]],
    features: Sequence[Sequence[int]],
) -> Values:
    """level: the answers for the background (background rows, outputs)."""
    count = rows.shape[0]
    total = np.zeros((count, level.shape[1], len(features)))
    target = np.tile(rows, (background.shape[0], 1))
    for order in orders:
        mixed, before = np.repeat(background, count, axis=0), np.repeat(level, count, axis=0)
        for feature in order:
            columns = list(features[feature])
            mixed[:, columns] = target[:, columns]
            after = answers(mixed)
            step = (after - before).reshape(background.shape[0], count, -1).mean(axis=0)
            total[:, :, feature] += step
            before = after
    return total / len(orders), np.tile(level.mean(axis=0), (count, 1))
