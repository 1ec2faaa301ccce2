"""Everything measured about a challenger: all metrics on all parts, with its champion and the naive baseline.

Comes in: loaded models and a split. Goes out: an `Evaluation`. Gates belong to `promotion`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from mlops_assets.artifacts import (
    PARTS,
    Comparison,
    Evaluation,
    MetricInterval,
    Metrics,
    Part,
    Predictor,
    Rival,
    SequentialTest,
    Split,
)
from mlops_assets.errors import DataError
from mlops_assets.evaluation.baseline import Baseline, baseline
from mlops_assets.evaluation.class_rows import class_rows
from mlops_assets.evaluation.clusters import Dependence, dependence_of
from mlops_assets.evaluation.comparison import compare
from mlops_assets.evaluation.fairness import fairness_rows
from mlops_assets.evaluation.flips import flips
from mlops_assets.evaluation.interval_note import interval_note
from mlops_assets.evaluation.latency import measure_latency
from mlops_assets.evaluation.scoring import in_order, known_classes, score, truth_column
from mlops_assets.evaluation.sequential import sequential_test, spent_confidence
from mlops_assets.evaluation.slices import slice_rows
from mlops_assets.evaluation.value_interval import value_interval
from mlops_assets.metrics import METRICS, Scored
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.gates import BeatsBaseline, BeatsChampion, MetricAtLeast, MetricAtMost

DEFAULT_CONFIDENCE = 0.95


def measured(spec: ModelSpec) -> tuple[str, ...]:
    """Return the names of the metrics that are measured: the primary, the others, and those of the gates.

    Args:
        spec: The model file.

    Returns:
        Names without repetition.
    """
    of_gates = [getattr(gate, "metric", None) for gate in spec.gates]
    return tuple(
        dict.fromkeys([spec.evaluation.primary, *spec.evaluation.also, *(name for name in of_gates if name)])
    )


def measure(spec: ModelSpec, predictor: Predictor, frame: pl.DataFrame) -> Metrics:
    """Compute all metrics of one model on one part.

    Args:
        spec: The model file.
        predictor: The model.
        frame: Rows of one part.

    Returns:
        Value by metric; NaN where a metric cannot be computed.
    """
    scored = score(spec, predictor, in_order(spec, frame))
    return metrics_of(spec, scored)


def metrics_of(spec: ModelSpec, scored: Scored) -> Metrics:
    """Compute all metrics of scored rows.

    Args:
        spec: The model file.
        scored: Truth and predictions.

    Returns:
        Value by metric; NaN where a metric cannot be computed.
    """
    return {name: METRICS[name].measure(scored) for name in measured(spec)}


def evaluate(
    spec: ModelSpec,
    challenger: Predictor,
    champion: Predictor | None,
    split: Split,
    *,
    size_bytes: int,
    look: int = 1,
    before: Sequence[SequentialTest] = (),
) -> Evaluation:
    """Measure a challenger on every part, with its champion scored again on the same rows.

    Args:
        spec: The model file.
        challenger: The model that was just trained.
        champion: The model in production, if there is one.
        split: The rows of all parts.
        size_bytes: Size of the challenger's bundle.
        look: Number of this comparison with this champion, from 1; the intervals widen with it.
        before: Accumulated tests after the previous look with this champion and model file.

    Returns:
        Metrics by part, comparisons, slices, fairness and explanations.

    Raises:
        DataError: If the test part is empty, or a column of slices is missing.
        EvidenceError: If a model cannot predict.
    """
    _check_holdout(spec, split)
    naive_baseline = baseline(spec, split, classes_of(spec, split, challenger, champion))
    challenger_parts = score_parts(spec, challenger, split, naive_baseline, model_name="the challenger")
    champion_parts = (
        score_parts(spec, champion, split, naive_baseline, model_name="the champion") if champion else None
    )
    holdout = challenger_parts["test"]
    champion_holdout = champion_parts["test"] if champion_parts else None
    notes = [f"comparison number {look} with this champion"] if champion_parts else []
    notes += _notes(spec, challenger, split, holdout, naive_baseline.note)
    latency = measure_latency(challenger, split.test)
    return Evaluation(
        challenger={part: metrics_of(spec, challenger_parts[part]) for part in PARTS},
        champion={part: metrics_of(spec, champion_parts[part]) for part in PARTS} if champion_parts else None,
        baseline={part: metrics_of(spec, naive_baseline.parts[part]) for part in PARTS},
        comparisons=tuple(_comparisons(spec, split, challenger_parts, champion_parts, look))
        if champion_parts
        else (),
        holdout_rows=split.test.height,
        missing_predictions=missing(holdout),
        latency_ms=latency.milliseconds if latency else None,
        primary=spec.evaluation.primary,
        intervals=_intervals(spec, split, challenger_parts),
        machine_load=latency.load if latency else None,
        size_bytes=size_bytes,
        explanation=None,
        slices=slice_rows(spec, split, holdout, champion_holdout),
        flips=flips(spec, in_order(spec, split.test), holdout, champion_holdout) if champion_holdout else (),
        fairness=fairness_rows(spec, split, holdout),
        notes=tuple(notes),
        classes=class_rows(holdout, champion_holdout),
        baseline_name=naive_baseline.name,
        sequential=_sequential(spec, split, challenger_parts, champion_parts, before),
        rivals=_rivals(spec, split, naive_baseline, challenger_parts, champion_parts),
    )


def _check_holdout(spec: ModelSpec, split: Split) -> None:
    if split.test.is_empty():
        raise DataError(f"{spec.name}: the test part is empty, nothing can be compared; enlarge split.test")
    for key, columns in (("slices", spec.evaluation.slices), ("sensitive", spec.evaluation.sensitive)):
        if absent := [column for column in columns if column not in split.test.columns]:
            raise DataError(
                f"{spec.name}: evaluation.{key} names {absent[0]!r}, which is not in the feature table; "
                "correct the name, or have the source deliver it"
            )


def _notes(
    spec: ModelSpec, challenger: Predictor, split: Split, holdout: Scored, baseline_note: str
) -> list[str]:
    notes = [baseline_note]
    if (interval := interval_note(spec, holdout)) is not None:
        notes.append(interval)
    if (hundred := measure_latency(challenger, split.test, 100)) is not None:
        milliseconds = hundred.milliseconds
        notes.append(f"100 rows in one call take {milliseconds:.3g} ms, {milliseconds / 100:.3g} ms a row")
    return notes


def classes_of(
    spec: ModelSpec, split: Split, challenger: Predictor, champion: Predictor | None
) -> tuple[str, ...]:
    """Return every class that the rows or the models know, in the order of their codes; empty for numbers.

    Args:
        spec: The model file.
        split: Train, validation and test rows.
        challenger: The new model.
        champion: The model in production; None without one.

    Returns:
        Names of the classes.
    """
    if spec.problem != "classification":
        return ()
    target = pl.concat([truth_column(spec, split.part(part)) for part in PARTS])
    return known_classes(spec, target, *([challenger, champion] if champion else [challenger]))


def score_parts(
    spec: ModelSpec,
    predictor: Predictor,
    split: Split,
    naive_baseline: Baseline,
    *,
    model_name: str = "the model",
) -> dict[Part, Scored]:
    """Score one model on every part, with the classes and the naive forecast of the baseline.

    Args:
        spec: The model file.
        predictor: The model.
        split: Train, validation and test rows.
        naive_baseline: Result of `baseline`.
        model_name: Name of the model in error texts.

    Returns:
        Truth and predictions by part.
    """
    return {
        part: score(
            spec,
            predictor,
            in_order(spec, split.part(part)),
            classes=naive_baseline.parts[part].classes,
            naive=naive_baseline.parts[part].naive,
            model_name=model_name,
        )
        for part in PARTS
    }


def missing(scored: Scored) -> int:
    """Count predictions that are not finite (or not a known class).

    Args:
        scored: Truth and predictions.

    Returns:
        Number of rows.
    """
    known = scored.predicted >= 0 if scored.classes else np.isfinite(scored.predicted)
    bad = ~known
    if scored.probabilities is not None:
        bad |= ~np.isfinite(scored.probabilities).all(axis=1)
    return int(bad.sum())


def _sequential(
    spec: ModelSpec,
    split: Split,
    challenger: Mapping[Part, Scored],
    champion: Mapping[Part, Scored] | None,
    before: Sequence[SequentialTest],
) -> tuple[SequentialTest, ...]:
    """Return the accumulated tests of the `beats_champion` gates after this look."""
    if champion is None or split.strategy != "temporal" or spec.timestamp is None:
        return ()
    gates = [gate for gate in spec.gates if isinstance(gate, BeatsChampion) and gate.on == "test"]
    times = in_order(spec, split.test)[spec.timestamp]
    recipe = spec.digest()
    tests = [
        sequential_test(
            metric,
            challenger["test"],
            champion["test"],
            times,
            recipe=recipe,
            before=next((one for one in before if one.metric == metric and one.recipe == recipe), None),
        )
        for metric in dict.fromkeys(gate.metric for gate in gates)
    ]
    return tuple(one for one in tests if one is not None)


def _rivals(
    spec: ModelSpec,
    split: Split,
    naive: Baseline,
    challenger: Mapping[Part, Scored],
    champion: Mapping[Part, Scored] | None,
) -> tuple[Rival, ...]:
    """Every naive baseline, compared on the same rows with the challenger, and with the champion where there is one."""
    wanted: dict[tuple[Part, str], float] = {("test", spec.evaluation.primary): DEFAULT_CONFIDENCE}
    for gate in spec.gates:
        if isinstance(gate, BeatsBaseline):
            key = (gate.on, gate.metric)
            wanted[key] = max(gate.confidence or 0.0, wanted.get(key, DEFAULT_CONFIDENCE))
    return tuple(
        Rival(
            name,
            tuple(_compared(spec, split, challenger, parts, wanted)),
            tuple(_compared(spec, split, champion, parts, wanted)) if champion else (),
        )
        for name, parts in naive.rivals.items()
    )


def _intervals(
    spec: ModelSpec, split: Split, challenger: Mapping[Part, Scored]
) -> tuple[MetricInterval, ...]:
    """Return the intervals of the metrics that a gate limits."""
    wanted = {
        (gate.on, gate.metric, gate.confidence)
        for gate in spec.gates
        if isinstance(gate, MetricAtMost | MetricAtLeast) and gate.confidence is not None
    }
    return tuple(
        value_interval(
            metric,
            challenger[part],
            part=part,
            confidence=confidence,
            dependence=_dependence(spec, split, in_order(spec, split.part(part))),
            seed=spec.training.seed,
        )
        for part, metric, confidence in sorted(wanted)
    )


def _dependence(spec: ModelSpec, split: Split, frame: pl.DataFrame) -> Dependence:
    return dependence_of(
        frame, split.strategy, timestamp=spec.timestamp, group=spec.split.group, entity=spec.entity
    )


def _comparisons(
    spec: ModelSpec,
    split: Split,
    challenger: Mapping[Part, Scored],
    champion: Mapping[Part, Scored],
    look: int,
) -> list[Comparison]:
    wanted: dict[tuple[Part, str], float] = {("test", name): DEFAULT_CONFIDENCE for name in measured(spec)}
    for gate in spec.gates:
        if isinstance(gate, BeatsChampion) and gate.confidence is not None:
            key = (gate.on, gate.metric)
            wanted[key] = max(gate.confidence, wanted.get(key, 0.0))
    spent = {key: spent_confidence(confidence, look) for key, confidence in wanted.items()}
    return _compared(spec, split, challenger, champion, spent)


def _compared(
    spec: ModelSpec,
    split: Split,
    challenger: Mapping[Part, Scored],
    other: Mapping[Part, Scored],
    wanted: Mapping[tuple[Part, str], float],
) -> list[Comparison]:
    """Paired comparisons by part and metric, each with its confidence."""
    comparisons: list[Comparison] = []
    for part in PARTS:
        names = [(name, confidence) for (on, name), confidence in wanted.items() if on == part]
        if not names:
            continue
        frame = in_order(spec, split.part(part))
        dependence = _dependence(spec, split, frame)
        comparisons += [
            compare(
                name,
                challenger[part],
                other[part],
                part=part,
                confidence=confidence,
                dependence=dependence,
                seed=spec.training.seed,
            )
            for name, confidence in names
        ]
    return comparisons
