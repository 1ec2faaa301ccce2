"""Evidence about a challenger: a pure function of the model file, champion, challenger and rows.

Comes in: a `Contest`. Goes out: `Evidence` with the results of all gates. Nothing is read or written here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import polars as pl

from mlops_assets import evaluation, features, promotion
from mlops_assets.artifacts import (
    ChampionRef,
    Evaluation,
    Evidence,
    LaterRows,
    Predictor,
    SensorFailure,
    SequentialTest,
    Split,
    TrainedModel,
)
from mlops_assets.leakage import Finding
from mlops_assets.lifecycle.stages.sensor_failures import sensor_failures
from mlops_assets.lifecycle.stages.shap_budget import explain_both
from mlops_assets.lifecycle.unseen_rows import Comparable
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.gates import BeatsChampion, DegradesGracefully, ImportanceShift

FindLeaks = Callable[[ModelSpec, Split], tuple[Finding, ...]]


@dataclass(frozen=True, slots=True)
class Later:
    """An earlier challenger and the champion, both as served, and the rows that came after both were fitted."""

    version: int
    challenger: Predictor
    champion: Predictor
    rows: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Contest:
    """A challenger, the champion, and all that is known about both before they are compared.

    Attributes:
        trained: The challenger's training.
        challenger: Its judged fit, which has learned from no holdout row.
        champion: The champion's fit that it is compared with; None for a first champion.
        served: The challenger's fit that would be served, which is explained.
        serving_champion: The champion's fit that is served, which is explained.
        reference: Version and revision of the champion.
        split: The rows that both are measured on.
        full_split: The split that the challenger was trained with.
        size_bytes: Size of the challenger's bundle.
        analysis: Number of this comparison with the same champion, from 1: repeated tests share the error rate.
        accumulated: Tests that earlier comparisons with this champion began.
        later: The previous challenger on rows that came after it, for models that are fitted again on all rows.
        freshness: The champion and its predecessor, right after a promotion of the same model file.
        comparable: Rows of the holdout that the champion was not trained on; None for a first champion.
        same_recipe: Whether the champion was trained with the model file as it is now.
        warnings: What makes the numbers look better than they will be.
        critical_quality_failures: Critical validation rules that failed.
        environment: Versions of Python and the libraries.
        code_commit: Commit of the code.
        readings: The validated readings, where features look back.
    """

    trained: TrainedModel
    challenger: Predictor
    champion: Predictor | None
    served: Predictor
    serving_champion: Predictor | None
    reference: ChampionRef
    split: Split
    full_split: Split
    size_bytes: int
    analysis: int
    accumulated: tuple[SequentialTest, ...]
    later: Later | None
    freshness: Later | None
    comparable: Comparable | None
    same_recipe: bool
    warnings: tuple[str, ...]
    critical_quality_failures: int
    environment: Mapping[str, str]
    code_commit: str
    readings: pl.DataFrame | None = None


def build_evidence(
    spec: ModelSpec,
    contest: Contest,
    progress: Callable[[str], None] = lambda _sentence: None,
    *,
    explain: bool = True,
    find_leaks: FindLeaks = features.leakage_findings,
) -> tuple[Evidence, evaluation.ShapValues | None]:
    """Measure and explain a challenger, and evaluate all gates of the model file on the result.

    Args:
        spec: The model file.
        contest: Challenger, champion and rows.
        progress: Called with one sentence per step.
        explain: Compute SHAP values, which cost as much as the training and decide nothing unless a gate reads them.
        find_leaks: Checks the split; a backtest passes one that does so once for equal splits.

    Returns:
        The evidence, and the SHAP values that its ranking rests on, for plots; None where nothing was explained.
    """
    measured = _measure(spec, contest, progress)
    shap = None
    if explain or any(isinstance(gate, DegradesGracefully | ImportanceShift) for gate in spec.gates):
        measured, shap = _explained(spec, contest, measured, progress)
    trained, split = contest.trained, contest.full_split
    leaks = find_leaks(spec, split)
    evidence = Evidence(
        model=spec.name,
        version=trained.version,
        algorithm=trained.algorithm,
        spec_digest=trained.spec_digest,
        manifest_sha256=trained.manifest_sha256,
        data=trained.data,
        champion=contest.reference,
        split={
            "strategy": split.strategy,
            "digest": split.digest,
            "train": split.train.height,
            "validation": split.validation.height,
            "test": split.test.height,
        },
        evaluation=measured,
        training_rows=trained.rows,
        min_rows=spec.validation.min_rows,
        training_seconds=trained.seconds,
        time_limit_seconds=spec.training.time_limit.total_seconds(),
        critical_quality_failures=contest.critical_quality_failures,
        gates=(),
        environment=dict(contest.environment),
        code_commit=contest.code_commit,
        seed=trained.seed,
        as_of=trained.as_of,
        importance_correlation=evaluation.importance_correlation(
            measured.explanation, measured.champion_explanation
        ),
        leakage=tuple(one.sentence for one in leaks if one.strength == "proof"),
        suspicions=tuple(one.sentence for one in leaks if one.strength != "proof"),
        suspected=tuple(dict.fromkeys(name for one in leaks for name in one.columns)),
        refit=trained.refit,
    )
    warnings = promotion.unjudged(spec, evidence)
    for warning in warnings:
        progress(f"warning: {warning}")
    evidence = replace(evidence, evaluation=replace(measured, warnings=(*measured.warnings, *warnings)))
    return replace(evidence, gates=promotion.evaluate_gates(spec, evidence)), shap


def _measure(spec: ModelSpec, contest: Contest, progress: Callable[[str], None]) -> Evaluation:
    measured = evaluation.evaluate(
        spec,
        contest.challenger,
        contest.champion,
        contest.split,
        size_bytes=contest.size_bytes,
        look=contest.analysis,
        before=contest.accumulated,
    )
    if contest.comparable is not None:
        notes = (contest.comparable.note, *measured.notes)
        measured = replace(
            measured,
            notes=notes,
            comparable_rows=contest.comparable.rows,
            champion_fit=contest.comparable.fit,
            same_recipe=contest.same_recipe,
        )
    if contest.freshness is not None:
        measured = replace(measured, freshness=_freshness(spec, contest.freshness))
    if contest.trained.refit is not None:
        # Fits that are served decide over the weeks: the judged fits' holdout is no part of that test.
        measured = replace(measured, sequential=contest.accumulated)
    if contest.later is not None:
        measured = _with_later(spec, contest.later, contest.accumulated, measured)
    if contest.trained.refit is not None:
        measured = replace(measured, notes=(contest.trained.refit.sentence, *measured.notes))
    for warning in contest.warnings:
        progress(f"warning: {warning}")
    for note in measured.notes:
        progress(note)
    return replace(measured, warnings=contest.warnings)


def _explained(
    spec: ModelSpec, contest: Contest, measured: Evaluation, progress: Callable[[str], None]
) -> tuple[Evaluation, evaluation.ShapValues]:
    progress("explaining it with SHAP")
    shap, champion_shap = explain_both(
        spec, contest.served, contest.serving_champion, contest.split, contest.trained.seconds
    )
    explanation = evaluation.ranking(shap)
    failures: tuple[SensorFailure, ...] = ()
    if spec.features.history is None or any(isinstance(gate, DegradesGracefully) for gate in spec.gates):
        # a sequence algorithm takes its time for each row: its inputs fail only where a gate asks for it
        progress("letting each input fail")
        failures = sensor_failures(
            spec, contest.challenger, contest.full_split, explanation, contest.readings
        )
    return (
        replace(
            measured,
            explanation=explanation,
            sensor_failures=failures,
            champion_explanation=evaluation.ranking(champion_shap) if champion_shap else None,
        ),
        shap,
    )


def _with_later(
    spec: ModelSpec, later: Later, accumulated: tuple[SequentialTest, ...], measured: Evaluation
) -> Evaluation:
    """Return the evaluation with what later rows say."""
    record, tests = evaluation.later_rows(
        spec,
        later.version,
        later.challenger,
        later.champion,
        later.rows,
        _gate_metrics(spec),
        accumulated,
    )
    primary = spec.evaluation.primary
    gain = evaluation.relative_improvement(primary, record.challenger[primary], record.champion[primary])
    note = (
        f"on {record.rows:,} later rows the previous challenger v{record.version}, as it would have been served, has "
        f"{primary} {record.challenger[primary]:.4g}, the served champion {record.champion[primary]:.4g} ({gain:+.1%})"
    )
    return replace(measured, later=record, sequential=tests, notes=(*measured.notes, note))


def _freshness(spec: ModelSpec, pair: Later) -> LaterRows:
    """Return the comparison of two served fits on rows that came after both; no test is accumulated."""
    record, _ = evaluation.later_rows(
        spec, pair.version, pair.challenger, pair.champion, pair.rows, _gate_metrics(spec), ()
    )
    return record


def _gate_metrics(spec: ModelSpec) -> tuple[str, ...]:
    """Metrics that later rows are compared by."""
    gates = [gate for gate in spec.gates if isinstance(gate, BeatsChampion) and gate.on == "test"]
    return tuple(dict.fromkeys(gate.metric for gate in gates))
