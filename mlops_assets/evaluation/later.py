"""What rows that came after two fits say of them: the fair comparison of fits that production serves.

Comes in: two models, rows that neither was fitted on, and the accumulated tests so far. Goes out: both models' metrics
there, and the tests continued with these rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from mlops_assets.artifacts import LaterRows, Predictor, SequentialTest
from mlops_assets.evaluation.assessment import metrics_of
from mlops_assets.evaluation.clusters import Dependence, dependence_of
from mlops_assets.evaluation.comparison import compare
from mlops_assets.evaluation.scoring import in_order, known_classes, score, truth_column
from mlops_assets.evaluation.sequential import sequential_test
from mlops_assets.metrics import Scored
from mlops_assets.model_file import ModelSpec


def later_rows(
    spec: ModelSpec,
    version: int,
    challenger: Predictor,
    champion: Predictor,
    rows: pl.DataFrame,
    metrics: Sequence[str],
    before: Sequence[SequentialTest],
) -> tuple[LaterRows, tuple[SequentialTest, ...]]:
    """Return what these rows say, and the accumulated tests after them.

    Args:
        spec: The model file; it has a timestamp.
        version: The earlier challenger.
        challenger: Its fit that would have been served.
        champion: The champion's fit that is served.
        rows: Rows with targets that came after both were fitted.
        metrics: Those that are compared and that a test is accumulated for.
        before: The tests of earlier later rows; a metric without one begins here.

    Returns:
        The metrics of both, and each test with the new blocks; a test that these rows complete no block of is returned
        as it was.
    """
    assert spec.timestamp is not None
    recipe = spec.digest()
    ordered = in_order(spec, rows)
    theirs, ours = scored_pair(spec, champion, challenger, ordered)
    times = ordered[spec.timestamp]
    known = {one.metric: one for one in before}
    tests = tuple(
        test
        for metric in metrics
        if (test := sequential_test(metric, ours, theirs, times, recipe=recipe, before=known.get(metric)))
        is not None
    )
    dependence = dependence_in_time(spec, ordered)
    comparisons = tuple(
        compare(metric, ours, theirs, dependence=dependence, seed=spec.training.seed) for metric in metrics
    )
    record = LaterRows(
        version,
        ordered.height,
        times[0],
        times[-1],
        metrics_of(spec, ours),
        metrics_of(spec, theirs),
        comparisons,
    )
    return record, tests


def dependence_in_time(spec: ModelSpec, rows: pl.DataFrame) -> Dependence:
    """Return how rows that came after both fits depend on each other.

    Args:
        spec: The model file; it has a timestamp.
        rows: Rows in order of time.

    Returns:
        The dependence.
    """
    return dependence_of(
        rows, "temporal", timestamp=spec.timestamp, group=spec.split.group, entity=spec.entity
    )


def scored_pair(
    spec: ModelSpec, older: Predictor, newer: Predictor, rows: pl.DataFrame
) -> tuple[Scored, Scored]:
    """Score two models on the same rows, with the same codes of classes.

    Args:
        spec: The model file.
        older: The first model.
        newer: The second model.
        rows: Rows with the target, in any order.

    Returns:
        Truth and predictions of both, in order of time.
    """
    ordered = in_order(spec, rows)
    classes = (
        known_classes(spec, truth_column(spec, ordered), newer, older)
        if spec.problem == "classification"
        else ()
    )
    first = score(spec, older, ordered, classes=classes, model_name="the older model")
    return first, score(spec, newer, ordered, classes=classes, model_name="the newer model")
