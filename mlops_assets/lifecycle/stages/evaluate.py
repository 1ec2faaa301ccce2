"""From a challenger to evidence: measure it beside the champion on the same rows, ask every gate, write the report.

Goes out: a `ReportRecord` and, in the ledger, the hashed evidence a promotion rests on. Moving or keeping the champion
is `promote`'s business, which asks the gates again; a refusal is written down at once.
"""

from __future__ import annotations

import platform as machine
from dataclasses import replace
from importlib.metadata import version as installed

from pydantic import JsonValue

from mlops_assets import evaluation, features, promotion, reports, stages
from mlops_assets.artifacts import (
    PARTS,
    ChampionRef,
    Evidence,
    SequentialTest,
    Split,
    TrainedModel,
    from_json,
    to_json,
)
from mlops_assets.errors import EvidenceError
from mlops_assets.lifecycle.alerts import send_alert
from mlops_assets.lifecycle.approvals.hold import hold_on, with_hold
from mlops_assets.lifecycle.approvals.waivers import waived_gate
from mlops_assets.lifecycle.champion_features import with_features_of
from mlops_assets.lifecycle.model_loading import load_version
from mlops_assets.lifecycle.platform import Platform, Run, keep_record, record_of
from mlops_assets.lifecycle.records import FeaturesRecord, ReportRecord, ValidatedRecord
from mlops_assets.lifecycle.stages.promote import apply_decision
from mlops_assets.lifecycle.stages.shap_budget import explain_both
from mlops_assets.lifecycle.unseen_rows import comparable_rows
from mlops_assets.model_file import ModelSpec
from mlops_assets.training import LoadedBundle

LIBRARIES = ("dagster", "lightgbm", "mlflow", "numpy", "polars", "scikit-learn", "shap")


def evaluate_model(spec: ModelSpec, platform: Platform, run: Run) -> ReportRecord:
    """Judge the latest challenger. Raises EvidenceError when it was trained on other features."""
    trained = record_of(platform, spec, stages.TRAINED_MODEL, run.id, TrainedModel)
    built = record_of(platform, spec, stages.FEATURES, run.id, FeaturesRecord)
    if built.table.content_hash not in {table.content_hash for table in trained.data}:
        raise EvidenceError(
            f"{spec.name}: the features changed after version {trained.version} was trained; "
            "materialise trained_model again"
        )
    frame = platform.datasets.read(built.table)
    flattering = features.alike_neighbours(spec, frame)
    champion_state = platform.ledger.champion_state(spec.name)
    current_champion = champion_state.champion
    reference = ChampionRef(current_champion.version if current_champion else None, champion_state.revision)
    champion = champion_bundle = None
    if current_champion is not None:
        champion, champion_bundle = load_version(platform, spec.name, current_champion.version)
        frame = with_features_of(champion, champion_bundle, frame, spec=spec, platform=platform, run=run)
    split = features.split(spec, frame, columns=built.table.columns)
    if split.digest != trained.split_digest:
        raise EvidenceError(f"{spec.name}: the split is not the one version {trained.version} was trained on")
    challenger, bundle = load_version(platform, spec.name, trained.version)
    comparable = None
    full_split = split
    if champion_bundle is not None and current_champion is not None:
        comparable = comparable_rows(spec, split, current_champion.version, champion_bundle)
        split = comparable.split
    run.progress(f"measuring version {trained.version} on {split.test.height:,} holdout rows")
    look = _look(spec, platform, reference, trained.version)
    measured = evaluation.evaluate(
        spec,
        challenger,
        champion,
        split,
        size_bytes=bundle.size_bytes,
        look=look,
        before=_accumulated(spec, platform, reference, trained.version),
    )
    if comparable is not None:
        measured = replace(
            measured, notes=(comparable.note, *measured.notes), comparable_rows=comparable.rows
        )
    warnings = ((flattering,) if flattering else ()) + stored_as(bundle)
    for warning in warnings:
        run.progress(f"warning: {warning}")
    for note in measured.notes:
        run.progress(note)
    run.progress("explaining it with SHAP")
    shap, theirs = explain_both(spec, challenger, champion, split, trained.seconds)
    measured = replace(
        measured,
        explanation=evaluation.ranking(shap),
        champion_explanation=evaluation.ranking(theirs) if theirs else None,
        warnings=warnings,
    )
    evidence = _evidence(spec, platform, run, trained, reference, full_split, measured)
    evidence = replace(evidence, gates=promotion.evaluate_gates(spec, evidence))
    waivers = platform.ledger.waivers(spec.name, run.now())
    decision = promotion.decide(spec, evidence.gates, reference, waivers=waivers, now=run.now())
    decision, _ = with_hold(decision, hold_on(platform, spec.name), evidence.spec_digest, None, run.now())
    shown_gates, _ = promotion.with_people(evidence.gates, None, waivers, run.now())
    evidence_hash = platform.ledger.record_evidence(spec.name, trained.version, to_json(evidence), run.now())
    for reason in promotion.failing_champion(evidence.gates):
        send_alert(
            platform,
            "champion_fails",
            f"{spec.name} v{reference.version}, in production: {reason}",
            key=f"champion-fails-{spec.name}-{trained.version}-{reason}",
            at=run.now(),
            spec=spec,
            group=f"champion_fails/{spec.name}/{reference.version}",
            progress=run.progress,
        )
    folder = platform.reports(spec.name, trained.version)
    plots = reports.draw_plots(spec, challenger, champion, split, measured, shap)
    history = platform.ledger.history(spec.name, 10)
    in_force = tuple(f"the gate {waived_gate(one)}" for one in waivers)
    shown = replace(
        evidence, gates=shown_gates, evaluation=replace(measured, warnings=(*measured.warnings, *in_force))
    )
    reports.write_report(
        folder,
        spec,
        shown,
        decision,
        evidence_hash,
        plots,
        history,
        recorded=evidence,
        candidates=trained.candidates,
    )
    platform.registry.log_evaluation(trained, measured, folder)
    run.progress(f"the gates say {decision.outcome}: {decision.reason}")
    if decision.outcome == "refuse":
        # the failing check ends the run here, before anybody else could write it down
        apply_decision(spec, platform, run, trained.version, evidence_hash)
    record = ReportRecord(
        model=spec.name,
        version=trained.version,
        evidence_hash=evidence_hash,
        decision=decision,
        gates=evidence.gates,
        metrics=_metric_rows(measured),
        folder=str(folder),
        plots=tuple(plots),
        features=built.table,
        as_of=trained.as_of,
    )
    keep_record(platform, spec, stages.EVALUATION_REPORT, run, record)
    return record


def stored_as(bundle: LoadedBundle) -> tuple[str, ...]:
    """What to know of how a model is stored before it is trusted."""
    if bundle.manifest.pickled is None:
        return ()
    warning = (
        f"this model is stored as a pickle ({bundle.manifest.pickled}): loading it runs code that lies in the file; "
        "approve it only if you trust who trained it, and where"
    )
    return (warning,)


def _look(spec: ModelSpec, platform: Platform, champion: ChampionRef, version: int) -> int:
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


def _accumulated(
    spec: ModelSpec, platform: Platform, champion: ChampionRef, version: int
) -> tuple[SequentialTest, ...]:
    """The tests that accumulate over looks, after the newest earlier look with this champion and this model file."""
    if champion.version is None:
        return ()
    for row in sorted(platform.ledger.versions(spec.name), key=lambda row: row.version, reverse=True):
        for stored in platform.ledger.evidence_of(spec.name, row.version) if row.version < version else ():
            earlier = from_json(Evidence, stored.body)
            if earlier.champion == champion and earlier.spec_digest == spec.digest():
                return earlier.evaluation.sequential
    return ()


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


def _evidence(
    spec: ModelSpec,
    platform: Platform,
    run: Run,
    trained: TrainedModel,
    champion: ChampionRef,
    split: Split,
    measured: evaluation.Evaluation,
) -> Evidence:
    validated = record_of(platform, spec, stages.VALIDATED_DATA, run.id, ValidatedRecord)
    return Evidence(
        model=spec.name,
        version=trained.version,
        algorithm=trained.algorithm,
        spec_digest=trained.spec_digest,
        manifest_sha256=trained.manifest_sha256,
        data=trained.data,
        champion=champion,
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
        critical_quality_failures=sum(rule.critical and not rule.passed for rule in validated.rules),
        gates=(),
        environment={"python": machine.python_version(), **{name: installed(name) for name in LIBRARIES}},
        code_commit=run.code_commit,
        seed=trained.seed,
        as_of=trained.as_of,
        importance_correlation=evaluation.importance_correlation(
            measured.explanation, measured.champion_explanation
        ),
        leakage=features.leakage(spec, split),
    )
