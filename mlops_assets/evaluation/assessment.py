"""Everything measured about a challenger: all metrics on all parts, beside its champion and the naive baseline.

Comes in: loaded models and a split. Goes out: an `Evaluation`. Answers to gates are `promotion`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from mlops_assets.artifacts import PARTS, Comparison, Evaluation, Metrics, Part, Predictor, Split
from mlops_assets.errors import DataError
from mlops_assets.evaluation.baseline import Baseline, baseline
from mlops_assets.evaluation.class_rows import class_rows
from mlops_assets.evaluation.comparison import clusters_of, compare, spent_confidence
from mlops_assets.evaluation.fairness import fairness_rows
from mlops_assets.evaluation.interval_note import interval_note
from mlops_assets.evaluation.latency import measure_latency
from mlops_assets.evaluation.scoring import in_order, known_classes, score, truth_column
from mlops_assets.evaluation.slices import slice_rows
from mlops_assets.metrics import METRICS, Scored
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.gates import BeatsChampion

DEFAULT_CONFIDENCE = 0.95


def measured(spec: ModelSpec) -> tuple[str, ...]:
    """Names of the metrics that are measured: the primary, the others, and what gates ask for."""
    asked = [getattr(gate, "metric", None) for gate in spec.gates]
    return tuple(
        dict.fromkeys([spec.evaluation.primary, *spec.evaluation.also, *(name for name in asked if name)])
    )


def measure(spec: ModelSpec, predictor: Predictor, frame: pl.DataFrame) -> Metrics:
    """All metrics of one model on one part."""
    scored = score(spec, predictor, in_order(spec, frame))
    return metrics_of(spec, scored)


def metrics_of(spec: ModelSpec, scored: Scored) -> Metrics:
    """All metrics of one model's answers."""
    return {name: METRICS[name].measure(scored) for name in measured(spec)}


def evaluate(
    spec: ModelSpec,
    challenger: Predictor,
    champion: Predictor | None,
    split: Split,
    *,
    size_bytes: int,
    look: int = 1,
) -> Evaluation:
    """Measure a challenger on every part, with its champion scored again on the same rows.

    look counts the comparisons with this champion, this one included; the intervals widen with it.
    Raises DataError for an empty test part, EvidenceError when a model cannot answer.
    """
    if split.test.is_empty():
        raise DataError(f"{spec.name}: the test part is empty, nothing can be judged; enlarge split.test")
    for key, columns in (("slices", spec.evaluation.slices), ("sensitive", spec.evaluation.sensitive)):
        if absent := [column for column in columns if column not in split.test.columns]:
            raise DataError(
                f"{spec.name}: evaluation.{key} names {absent[0]!r}, which is not in the feature table; "
                "correct the name, or have the source deliver it"
            )
    floor = baseline(spec, split, classes_of(spec, split, challenger, champion))
    ours = score_parts(spec, challenger, split, floor, who="the challenger")
    theirs = score_parts(spec, champion, split, floor, who="the champion") if champion else None
    holdout = ours["test"]
    notes = [f"comparison number {look} with this champion"] if theirs else []
    notes.append(floor.note)
    if (interval := interval_note(spec, holdout)) is not None:
        notes.append(interval)
    if (hundred := measure_latency(challenger, split.test, 100)) is not None:
        milliseconds = hundred.milliseconds
        notes.append(f"100 rows in one call take {milliseconds:.3g} ms, {milliseconds / 100:.3g} ms a row")
    latency = measure_latency(challenger, split.test)
    return Evaluation(
        challenger={part: metrics_of(spec, ours[part]) for part in PARTS},
        champion={part: metrics_of(spec, theirs[part]) for part in PARTS} if theirs else None,
        baseline={part: metrics_of(spec, floor.parts[part]) for part in PARTS},
        comparisons=tuple(_comparisons(spec, split, ours, theirs, look)) if theirs else (),
        holdout_rows=split.test.height,
        missing_predictions=missing(holdout),
        latency_ms=latency.milliseconds if latency else None,
        machine_load=latency.load if latency else None,
        size_bytes=size_bytes,
        explanation=None,
        slices=slice_rows(spec, split, ours["test"], theirs["test"] if theirs else None),
        fairness=fairness_rows(spec, split, ours["test"]),
        notes=tuple(notes),
        classes=class_rows(holdout, theirs["test"] if theirs else None),
        baseline_name=floor.name,
    )


def classes_of(
    spec: ModelSpec, split: Split, challenger: Predictor, champion: Predictor | None
) -> tuple[str, ...]:
    """Every class that the rows or the models know, in the order of their codes; none for numbers."""
    if spec.problem != "classification":
        return ()
    target = pl.concat([truth_column(spec, split.part(part)) for part in PARTS])
    return known_classes(spec, target, *([challenger, champion] if champion else [challenger]))


def score_parts(
    spec: ModelSpec, predictor: Predictor, split: Split, floor: Baseline, *, who: str = "the model"
) -> dict[Part, Scored]:
    """One model's answers on every part, with the classes and the naive forecast of the baseline."""
    return {
        part: score(
            spec,
            predictor,
            in_order(spec, split.part(part)),
            classes=floor.parts[part].classes,
            naive=floor.parts[part].naive,
            who=who,
        )
        for part in PARTS
    }


def missing(scored: Scored) -> int:
    """Predictions that are no finite number (or no known class)."""
    known = scored.predicted >= 0 if scored.classes else np.isfinite(scored.predicted)
    bad = ~known
    if scored.probabilities is not None:
        bad |= ~np.isfinite(scored.probabilities).all(axis=1)
    return int(bad.sum())


def _comparisons(
    spec: ModelSpec, split: Split, ours: Mapping[Part, Scored], theirs: Mapping[Part, Scored], look: int
) -> list[Comparison]:
    wanted = {("test", name): DEFAULT_CONFIDENCE for name in measured(spec)}
    for gate in spec.gates:
        if isinstance(gate, BeatsChampion) and gate.confidence is not None:
            key = (gate.on, gate.metric)
            wanted[key] = max(gate.confidence, wanted.get(key, 0.0))
    found: list[Comparison] = []
    for part in PARTS:
        names = [(name, sure) for (on, name), sure in wanted.items() if on == part]
        if not names:
            continue
        frame = in_order(spec, split.part(part))
        clusters = clusters_of(frame, split.strategy, timestamp=spec.timestamp, group=spec.split.group)
        found += [
            compare(
                name,
                ours[part],
                theirs[part],
                part=part,
                confidence=spent_confidence(sure, look),
                clusters=clusters,
                ordered=split.strategy == "temporal",
                seed=spec.training.seed,
            )
            for name, sure in names
        ]
    return found
