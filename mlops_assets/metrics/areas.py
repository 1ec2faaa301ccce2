"""Areas under the ROC and the precision-recall curve, and the influence of each row on them.

For ROC, the influence values are the structural components of DeLong, DeLong & Clarke-Pearson (1988).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from mlops_assets.lazy_numpy import Booleans, Floats, np
from mlops_assets.metrics.influence import mean_of
from mlops_assets.metrics.metric import CLASSES, NAN, Metric
from mlops_assets.metrics.scored import Scored

Positive: TypeAlias = Booleans


def roc_auc(scored: Scored) -> float:
    """Compute the area under the ROC curve; one class against the rest, averaged, if there are more than two.

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        0 to 1, 0.5 for chance; NaN when only one class occurs.
    """
    return _over_classes(_roc_area, scored)


def pr_auc(scored: Scored) -> float:
    """Compute the average precision; one class against the rest, averaged, if there are more than two.

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        0 to 1; NaN when the class does not occur.
    """
    return _over_classes(_average_precision, scored)


def midranks(scores: Floats) -> Floats:
    """Return ranks from 1; equal scores share the mean of their ranks.

    Args:
        scores: Scores of the positive class, float64, shape (n,).

    Returns:
        Float64, shape (n,).
    """
    _, index, count = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank: Floats = np.cumsum(count) - (count - 1) / 2
    return mean_rank[index]


def roc_influence(positive: Positive, scores: Floats) -> Floats:
    """Return the influence of each row on the area under the ROC curve (DeLong et al. 1988); the mean is the area.

    Args:
        positive: True where the row's class is the positive one, shape (n,).
        scores: Scores of the positive class, float64, shape (n,).

    Returns:
        Shape (n,); NaN when only one class occurs.
    """
    first, second = int(positive.sum()), int((~positive).sum())
    if not first or not second:
        return np.full(scores.size, np.nan)
    overall = midranks(scores)
    component = np.empty(scores.size)
    component[positive] = (overall[positive] - midranks(scores[positive])) / second
    component[~positive] = 1.0 - (overall[~positive] - midranks(scores[~positive])) / first
    area = float(component[positive].mean())
    weight = np.where(positive, scores.size / first, scores.size / second)
    return area + weight * (component - area)


def precision_influence(positive: Positive, scores: Floats) -> Floats:
    """Return the derivative of average precision by each row's weight, plus the area; the mean is the area.

    Args:
        positive: True where the row's class is the positive one, shape (n,).
        scores: Scores of the positive class, float64, shape (n,).

    Returns:
        Shape (n,); NaN without a positive row.
    """
    if not positive.any():
        return np.full(scores.size, np.nan)
    order = np.argsort(-scores, kind="stable")
    hit = positive[order].astype(float)
    last = np.append(np.flatnonzero(np.diff(scores[order])), scores.size - 1)
    group = np.searchsorted(last, np.arange(scores.size))
    true_positives, predicted_positives = np.cumsum(hit)[last], last + 1.0
    steps = np.diff(true_positives, prepend=0.0)
    total = float(hit.sum())
    precision = true_positives / predicted_positives
    area = float(np.sum(steps * precision) / total)
    gain = np.cumsum((steps / predicted_positives)[::-1])[::-1][group]
    loss = np.cumsum((steps * precision / predicted_positives)[::-1])[::-1][group]
    slope = (hit * (precision[group] - area + gain) - loss) / total
    influence = np.empty(scores.size)
    influence[order] = area + scores.size * slope
    return influence


def _roc_area(positive: Positive, scores: Floats) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(positive, scores)) if positive.any() and not positive.all() else NAN


def _average_precision(positive: Positive, scores: Floats) -> float:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(positive, scores)) if positive.any() else NAN


def _one_against_rest(scored: Scored) -> list[tuple[Positive, Floats]]:
    """Which rows are positive, and their probabilities: of class 1 of two, else of each class that occurs."""
    probabilities = scored.probabilities
    if probabilities is None:
        return []
    if probabilities.shape[1] == 2:
        return [(scored.truth == 1, probabilities[:, 1])]
    present = [code for code in range(probabilities.shape[1]) if bool((scored.truth == code).any())]
    return [(scored.truth == code, probabilities[:, code]) for code in present] if len(present) > 1 else []


def _over_classes(area: Callable[[Positive, Floats], float], scored: Scored) -> float:
    areas = [area(positive, scores) for positive, scores in _one_against_rest(scored)]
    return float(np.mean(areas)) if areas else NAN


def _rarest(scored: Scored) -> float:
    """Return the fewest rows that one class has: an area ranks the rows of one class among all others."""
    return float(np.unique(scored.truth, return_counts=True)[1].min(initial=scored.truth.size))


def _terms(influence: Callable[[Positive, Floats], Floats]) -> Callable[[Scored], Floats]:
    def terms(scored: Scored) -> Floats:
        values = [influence(positive, scores) for positive, scores in _one_against_rest(scored)]
        mean: Floats = np.mean(values, axis=0) if values else np.full(scored.truth.size, np.nan)
        return mean

    return terms


AREA_METRICS: Final = (
    Metric(
        "roc_auc",
        "higher",
        CLASSES,
        roc_auc,
        bound=1.0,
        needs="probabilities",
        influence=mean_of(_terms(roc_influence)),
        sample=_rarest,
    ),
    Metric(
        "pr_auc",
        "higher",
        CLASSES,
        pr_auc,
        bound=1.0,
        needs="probabilities",
        influence=mean_of(_terms(precision_influence)),
        sample=_rarest,
    ),
)
