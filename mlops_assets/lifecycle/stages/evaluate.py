"""Evaluation of a challenger: read it and the champion, build the evidence, record it, write the report.

Goes out: a `ReportRecord` and, in the ledger, the hashed evidence a promotion rests on. What the evidence says is in
`evidence`; moving or keeping the champion is the task of `promote`, which evaluates the gates again.
"""

from __future__ import annotations

import math
import platform as machine
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version as installed

import polars as pl
from pydantic import JsonValue

from mlops_assets import evaluation, features, promotion, reports, stages
from mlops_assets.artifacts import (
    PARTS,
    ChampionRef,
    Decision,
    Evidence,
    Predictor,
    TableVersion,
    TrainedModel,
    from_json,
    to_json,
)
from mlops_assets.errors import BundleError, EvidenceError
from mlops_assets.ledger import Performance, Waiver
from mlops_assets.lifecycle.alerts import send_alert
from mlops_assets.lifecycle.approvals.hold import hold_on, with_hold
from mlops_assets.lifecycle.approvals.waivers import waived_gate
from mlops_assets.lifecycle.champion_features import with_features_of
from mlops_assets.lifecycle.delivery import history_with_delivery
from mlops_assets.lifecycle.model_loading import load_version, spec_of_bundle
from mlops_assets.lifecycle.platform import Platform, Run, keep_record, record_of
from mlops_assets.lifecycle.records import FeaturesRecord, ReportRecord, ValidatedRecord
from mlops_assets.lifecycle.stages.deliver import measure_delivery, promotion_of_champion
from mlops_assets.lifecycle.stages.evidence import Contest, FindLeaks, Later, build_evidence
from mlops_assets.lifecycle.stages.promote import apply_decision
from mlops_assets.lifecycle.stages.sensor_failures import needs_readings
from mlops_assets.lifecycle.unseen_rows import FEWEST_LATER_ROWS, comparable_rows, rows_after
from mlops_assets.model_file import ModelSpec
from mlops_assets.training import LoadedBundle

LIBRARIES = ("dagster", "lightgbm", "mlflow", "numpy", "polars", "scikit-learn", "shap")


@dataclass(frozen=True, slots=True)
class Judged:
    """A challenger that was measured and decided on.

    Attributes:
        trained: The challenger's training.
        contest: Challenger, champion and rows.
        evidence: What was measured, with the gate results.
        evidence_hash: sha256 of the recorded evidence.
        shap: The SHAP values behind the ranking; None where nothing was explained.
        decision: What the gates lead to.
        waivers: Those in force.
        features: The feature table that it was trained on.
    """

    trained: TrainedModel
    contest: Contest
    evidence: Evidence
    evidence_hash: str
    shap: evaluation.ShapValues | None
    decision: Decision
    waivers: Sequence[Waiver]
    features: TableVersion


def judge_model(
    spec: ModelSpec,
    platform: Platform,
    run: Run,
    *,
    explain: bool = True,
    find_leaks: FindLeaks = features.leakage_findings,
) -> Judged:
    """Measure the latest challenger, record the evidence, and evaluate the gates.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.
        explain: Compute SHAP values also where no gate reads them.
        find_leaks: As in `build_evidence`.

    Returns:
        Evidence and decision.

    Raises:
        EvidenceError: When the challenger was trained on other features.
    """
    trained = record_of(platform, spec, stages.TRAINED_MODEL, run.id, TrainedModel)
    built = record_of(platform, spec, stages.FEATURES, run.id, FeaturesRecord)
    contest = _contest(spec, platform, run, trained, built)
    run.progress(f"measuring version {trained.version} on {contest.split.test.height:,} holdout rows")
    evidence, shap = build_evidence(spec, contest, run.progress, explain=explain, find_leaks=find_leaks)
    evidence_hash = platform.ledger.record_evidence(spec.name, trained.version, to_json(evidence), run.now())
    platform.ledger.record_performance(_holdout(evidence))
    _alert_of_champion(spec, platform, run, evidence)
    measure_delivery(spec, platform, run, built)
    waivers = platform.ledger.waivers(spec.name, run.now())
    decision = promotion.decide(spec, evidence.gates, contest.reference, waivers=waivers, now=run.now())
    decision, _ = with_hold(decision, hold_on(platform, spec.name), evidence.spec_digest, None, run.now())
    return Judged(trained, contest, evidence, evidence_hash, shap, decision, waivers, built.table)


def _holdout(evidence: Evidence) -> list[Performance]:
    """Return the challenger's metrics on the holdout as rows of the trend; what is not finite is left out."""
    return [
        Performance(
            evidence.model,
            evidence.version,
            evidence.as_of,
            metric,
            "test",
            value,
            evidence.evaluation.holdout_rows,
        )
        for metric, value in evidence.evaluation.challenger.get("test", {}).items()
        if math.isfinite(value) and evidence.evaluation.holdout_rows > 0
    ]


def keep_report(
    spec: ModelSpec,
    platform: Platform,
    run: Run,
    judged: Judged,
    plots: Sequence[str] = (),
) -> ReportRecord:
    """Record the evaluation for later stages, and apply a refusal at once.

    The failing check ends the run here, before `production_model` could ask promotion to record it.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.
        judged: Evidence and decision.
        plots: Names of the report's plots.

    Returns:
        The record.
    """
    trained, evidence, decision = judged.trained, judged.evidence, judged.decision
    run.progress(f"the gates say {decision.outcome}: {decision.reason}")
    if decision.outcome == "refuse":
        apply_decision(spec, platform, run, trained.version, judged.evidence_hash)
    record = ReportRecord(
        model=spec.name,
        version=trained.version,
        evidence_hash=judged.evidence_hash,
        decision=decision,
        gates=evidence.gates,
        metrics=_metric_rows(evidence.evaluation),
        folder=str(platform.reports(spec.name, trained.version)),
        plots=tuple(plots),
        features=judged.features,
        as_of=trained.as_of,
        comparisons=evidence.evaluation.comparisons,
    )
    keep_record(platform, spec, stages.EVALUATION_REPORT, run, record)
    return record


def evaluate_model(spec: ModelSpec, platform: Platform, run: Run) -> ReportRecord:
    """Evaluate the latest challenger: read, build the evidence, record it, write the report.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.

    Returns:
        Metrics, gate results, decision and the folder of the report.

    Raises:
        EvidenceError: When the challenger was trained on other features.
    """
    judged = judge_model(spec, platform, run)
    trained, contest, evidence = judged.trained, judged.contest, judged.evidence
    folder = platform.reports(spec.name, trained.version)
    assert judged.shap is not None
    plots = reports.draw_plots(
        spec,
        contest.challenger,
        contest.champion,
        contest.split,
        evidence.evaluation,
        judged.shap,
        evidence.suspected,
    )
    reports.write_report(
        folder,
        spec,
        _with_waivers(evidence, judged.waivers, run),
        judged.decision,
        judged.evidence_hash,
        plots,
        history_with_delivery(platform, spec.name, 10),
        recorded=evidence,
        candidates=trained.candidates,
    )
    platform.registry.log_evaluation(trained, evidence.evaluation, folder)
    return keep_report(spec, platform, run, judged, tuple(plots))


def _alert_of_champion(spec: ModelSpec, platform: Platform, run: Run, evidence: Evidence) -> None:
    """Send an alert for each gate that the champion in production fails itself."""
    champion = evidence.champion.version
    for reason in promotion.failing_champion(evidence.gates):
        send_alert(
            platform,
            "champion_fails",
            f"{spec.name} v{champion}, in production: {reason}",
            key=f"champion-fails-{spec.name}-{evidence.version}-{reason}",
            at=run.now(),
            spec=spec,
            group=f"champion_fails/{spec.name}/{champion}",
            progress=run.progress,
        )


def _contest(
    spec: ModelSpec, platform: Platform, run: Run, trained: TrainedModel, built: FeaturesRecord
) -> Contest:
    """Read challenger, champion and the rows they are compared on."""
    if built.table.content_hash not in {table.content_hash for table in trained.data}:
        raise EvidenceError(
            f"{spec.name}: the features changed after version {trained.version} was trained; "
            "materialize trained_model again"
        )
    frame = platform.datasets.read(built.table)
    optimistic = features.autocorrelation_warning(spec, frame)
    state = platform.ledger.champion_state(spec.name)
    reference = ChampionRef(state.champion.version if state.champion else None, state.revision)
    champion = serving_champion = champion_bundle = None
    if state.champion is not None:
        champion, champion_bundle = load_version(platform, spec.name, state.champion.version)
        serving_champion = champion
        frame = with_features_of(champion, champion_bundle, frame, spec=spec, platform=platform, run=run)
    split = features.split(spec, frame, columns=built.table.columns)
    if split.digest != trained.split_digest:
        raise EvidenceError(f"{spec.name}: the split is not the one version {trained.version} was trained on")
    served, bundle = load_version(platform, spec.name, trained.version)
    challenger = served
    if bundle.has_judged_fit:
        challenger, _ = load_version(platform, spec.name, trained.version, "judged")
    comparable = None
    if champion_bundle is not None and state.champion is not None:
        judged = judged_bundle = None
        if champion_bundle.has_judged_fit:
            judged, judged_bundle = load_version(platform, spec.name, state.champion.version, "judged")
        comparable = comparable_rows(spec, split, state.champion.version, champion_bundle, judged_bundle)
        champion = judged if comparable.fit == "judged" else champion
    validated = record_of(platform, spec, stages.VALIDATED_DATA, run.id, ValidatedRecord)
    previous = _previous(spec, platform, reference, trained.version)
    serving = (serving_champion, champion_bundle) if serving_champion and champion_bundle else None
    return Contest(
        trained=trained,
        challenger=challenger,
        champion=champion,
        served=served,
        serving_champion=serving_champion,
        reference=reference,
        split=comparable.split if comparable else split,
        full_split=split,
        size_bytes=bundle.size_bytes,
        analysis=_analysis_number(spec, platform, reference, trained.version),
        accumulated=previous.evaluation.sequential if previous else (),
        later=_later(spec, platform, previous, serving, frame, run),
        freshness=None if previous else _freshness(spec, platform, serving, frame, run),
        comparable=comparable,
        same_recipe=_same_recipe(spec, champion_bundle),
        warnings=((optimistic,) if optimistic else ())
        + features.match_warnings(spec, frame)
        + stored_as(bundle),
        critical_quality_failures=sum(rule.critical and not rule.passed for rule in validated.rules),
        environment={"python": machine.python_version(), **{name: installed(name) for name in LIBRARIES}},
        code_commit=run.code_commit,
        readings=platform.datasets.read(validated.table) if needs_readings(spec) else None,
    )


def _with_waivers(evidence: Evidence, waivers: Sequence[Waiver], run: Run) -> Evidence:
    """Return the evidence as a report shows it: waived gates as such, waivers in force on top."""
    gates, _ = promotion.with_people(evidence.gates, None, waivers, run.now())
    in_force = tuple(f"the gate {waived_gate(one)}" for one in waivers)
    warnings = (*evidence.evaluation.warnings, *in_force)
    return replace(evidence, gates=gates, evaluation=replace(evidence.evaluation, warnings=warnings))


def stored_as(bundle: LoadedBundle) -> tuple[str, ...]:
    """Return warnings about the storage format of a model.

    Args:
        bundle: A loaded bundle, verified.

    Returns:
        One sentence for a pickle, which runs code when it is loaded; empty otherwise.
    """
    if bundle.manifest.pickled is None:
        return ()
    warning = (
        f"this model is stored as a pickle ({bundle.manifest.pickled}): loading it runs code that lies in the file; "
        "approve it only if you trust who trained it, and where"
    )
    return (warning,)


def _analysis_number(spec: ModelSpec, platform: Platform, champion: ChampionRef, version: int) -> int:
    """How many challengers have been compared with this champion, `version` included; those that wait count too."""
    since = [
        entry for entry in platform.ledger.history(spec.name, None) if entry.revision == champion.revision
    ]
    waiting = [
        one.version
        for one in platform.ledger.versions(spec.name, "challenger")
        if one.version != version
        and any(
            from_json(ChampionRef, stored_evidence.body["champion"]).revision == champion.revision
            for stored_evidence in platform.ledger.evidence_of(spec.name, one.version)
        )
    ]
    return 1 + len({*waiting, *(entry.version for entry in since if entry.action == "kept")})


def _previous(spec: ModelSpec, platform: Platform, champion: ChampionRef, version: int) -> Evidence | None:
    """Return the evidence of the newest earlier look with this champion and this model file."""
    if champion.version is None:
        return None
    for row in sorted(platform.ledger.versions(spec.name), key=lambda row: row.version, reverse=True):
        for stored in platform.ledger.evidence_of(spec.name, row.version) if row.version < version else ():
            earlier = from_json(Evidence, stored.body)
            if earlier.champion == champion and earlier.spec_digest == spec.digest():
                return earlier
    return None


def _same_recipe(spec: ModelSpec, champion: LoadedBundle | None) -> bool:
    """Return whether the champion was trained with this model file; not where this code no longer reads its own."""
    try:
        return champion is not None and spec_of_bundle(champion).digest() == spec.digest()
    except BundleError:
        return False


def _later(
    spec: ModelSpec,
    platform: Platform,
    previous: Evidence | None,
    champion: tuple[Predictor, LoadedBundle] | None,
    frame: pl.DataFrame,
    run: Run,
) -> Later | None:
    """Return the previous challenger, the champion, and the rows that came after both fits that production would serve.

    A previous challenger whose bundle is damaged or gone has nothing to say.
    """
    if previous is None or previous.refit is None or champion is None:
        return None
    try:
        predictor, bundle = load_version(platform, spec.name, previous.version)
    except BundleError as error:
        run.progress(f"the previous challenger v{previous.version} is not scored on later rows: {error}")
        return None
    rows = rows_after(spec, features.labeled(spec, frame), (bundle, champion[1]))
    return Later(previous.version, predictor, champion[0], rows) if rows.height >= FEWEST_LATER_ROWS else None


def _freshness(
    spec: ModelSpec,
    platform: Platform,
    champion: tuple[Predictor, LoadedBundle] | None,
    frame: pl.DataFrame,
    run: Run,
) -> Later | None:
    """Return the champion, its predecessor of the same model file, and the rows that came after both fits.

    They say, before there is another challenger, whether newer rows still make this model better.
    """
    entry = promotion_of_champion(platform, spec.name)
    if entry is None or entry.from_version is None or champion is None or champion[1].refit is None:
        return None
    try:
        predictor, bundle = load_version(platform, spec.name, entry.from_version)
    except BundleError as error:
        run.progress(f"the former champion v{entry.from_version} is not scored on later rows: {error}")
        return None
    if bundle.refit is None or not _same_recipe(spec, bundle):
        return None
    rows = rows_after(spec, features.labeled(spec, frame), (bundle, champion[1]))
    return Later(entry.version, champion[0], predictor, rows) if rows.height >= FEWEST_LATER_ROWS else None


def _metric_rows(measured: evaluation.Evaluation) -> tuple[dict[str, JsonValue], ...]:
    return tuple(
        {
            "part": part,
            "metric": name,
            "challenger": value,
            "champion": (measured.champion or {}).get(part, {}).get(name),
            "baseline": measured.baseline.get(part, {}).get(name),
        }
        for part in PARTS
        for name, value in measured.challenger[part].items()
    )
