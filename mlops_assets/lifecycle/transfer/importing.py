"""A version from another environment: compared with this one by name, then a challenger that the gates here decide on.

Nothing is taken on trust. The bundle has to be loadable here byte for byte, the model file and the data have to be the
same, and then the version is measured here, against the champion here, and decided on as any challenger is. A verdict
of the other environment is stored and shown; a gate that requires a person requires one here.
"""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mlops_assets import stages, training
from mlops_assets.artifacts import Evidence, TableVersion, TrainedModel, to_json
from mlops_assets.errors import BundleError, DataError, EvidenceError
from mlops_assets.ledger import ModelVersion
from mlops_assets.lifecycle.file_history import changes
from mlops_assets.lifecycle.model_loading import spec_of_bundle
from mlops_assets.lifecycle.platform import Platform, Run, known_record
from mlops_assets.lifecycle.records import FeaturesRecord, PromotionRecord, ReportRecord
from mlops_assets.lifecycle.recovery.bundles import free_number
from mlops_assets.lifecycle.stages.data import build_features, read_readings, validate_readings
from mlops_assets.lifecycle.stages.evaluate import evaluate_model
from mlops_assets.lifecycle.stages.promote import apply_decision, promote_model, stored_evidence
from mlops_assets.lifecycle.stages.train import keep_model
from mlops_assets.lifecycle.transfer.archive import Archive
from mlops_assets.model_file import ModelSpec

RECORD: Final = "imported"
"""Name of the record that keeps where a version came from, with its evidence there as text."""
FIRST_DIFFERENCES: Final = 3


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file.

    Attributes:
        version: Number of the version here.
        promotion: The decision of the gates here; None where the version had been decided on before.
        status: Status of the version now.
    """

    version: int
    promotion: PromotionRecord | None
    status: str


def import_version(spec: ModelSpec, platform: Platform, run: Run, archive: Archive) -> Imported:
    """Register the version as a challenger and let this environment's gates decide on it.

    A second import of the same bundle continues where the first one ended; a decided version stays as it is.

    Args:
        spec: The model file of this environment.
        platform: The open stores and settings.
        run: The run: id, actor, clock and progress callback. Its `as_of` is that of the evidence.
        archive: The version, as `archive.read` returned it.

    Returns:
        The version here, and what was decided.

    Raises:
        BundleError: When the bundle cannot be loaded here: damaged, other library versions, a pickle not allowed here.
        EvidenceError: When the model file here is another one, or the gates refuse the version.
        DataError: When the data here is not the data that the version was trained on.
    """
    _require_same_file(spec, platform, archive)
    with _one_at_a_time(platform, spec.name):
        known = _known(platform, spec.name, archive.head.manifest_sha256)
        if known is not None and known.status != "challenger":
            return Imported(known.version, None, known.status)
        if known is not None and (evidence_hash := _judged(spec, platform, known.version)) is not None:
            record = apply_decision(spec, platform, run, known.version, evidence_hash)
            return Imported(known.version, record, _status(platform, known))
        data = _same_data(spec, platform, run, archive)
        trained = _trained(platform, run, archive, data, known)
        keep_model(spec, platform, run, trained)
        body = {"head": to_json(archive.head), "evidence": archive.evidence_text, "version": trained.version}
        platform.ledger.put_record(f"{spec.name}/{RECORD}", run.id, body, run.now())
        evaluate_model(spec, platform, run)
        record = promote_model(spec, platform, run)
        return Imported(trained.version, record, _status(platform, trained))


def _status(platform: Platform, version: ModelVersion | TrainedModel) -> str:
    return platform.ledger.model_version(version.model, version.version).status


def _judged(spec: ModelSpec, platform: Platform, version: int) -> str | None:
    """Return the evidence of an evaluation here that was finished, unless the champion has moved since."""
    report = known_record(platform, spec, stages.EVALUATION_REPORT, ReportRecord)
    if report is None or report.version != version:
        return None
    evidence = stored_evidence(platform, report.evidence_hash, version)
    current = platform.ledger.champion_state(spec.name).revision
    return report.evidence_hash if evidence.champion.revision == current else None


def _require_same_file(spec: ModelSpec, platform: Platform, archive: Archive) -> None:
    """Load the bundle in a process of its own, and compare its model file with the one here."""
    head, pickled = archive.head, spec.training.pickled
    with tempfile.TemporaryDirectory(prefix=".import.", dir=_folder(platform, spec.name)) as temporary:
        folder = Path(temporary) / "bundle"
        training.write_atomically(folder, archive.bundle)
        try:
            algorithm = training.algorithm_of(folder, expected_manifest_sha256=head.manifest_sha256)
            reason = training.try_loading(algorithm, folder, head.manifest_sha256, pickled)
        except BundleError as error:
            reason = str(error)
        if reason:
            raise BundleError(
                f"{spec.name} version {head.version} cannot be loaded here: {reason.replace(f'{folder}: ', '')}"
            )
        bundle = training.load_bundle(
            folder,
            expected_manifest_sha256=head.manifest_sha256,
            may_unpickle=lambda estimator: "" if estimator in pickled else "the model file does not allow it",
        )
    there = spec_of_bundle(bundle)
    if archive.evidence.spec_digest == spec.digest() == there.digest():
        return
    differing = [f"{one.key} is {one.after} here, {one.before} there" for one in changes(there, spec)]
    more = f" and {len(differing) - FIRST_DIFFERENCES} more" if len(differing) > FIRST_DIFFERENCES else ""
    raise EvidenceError(
        f"{spec.name}: the model file here is not the one that version {head.version} was judged by: "
        f"{'; '.join(differing[:FIRST_DIFFERENCES]) or 'it was read by another release'}{more}"
    )


def _same_data(spec: ModelSpec, platform: Platform, run: Run, archive: Archive) -> FeaturesRecord:
    """Read the data as of the instant of the evidence, and compare every table by its content."""
    read_readings(spec, platform, run)
    validate_readings(spec, platform, run)
    built = build_features(spec, platform, run)
    here = {table.table: table for table in built.data}
    for there in archive.evidence.data:
        if difference := _difference(there, here.get(there.table)):
            raise DataError(
                f"{spec.name}: {there.table} as of {run.as_of:%Y-%m-%d %H:%M} UTC is not the table that version "
                f"{archive.head.version} was trained on: {difference}. Train here with 'mlops run {spec.name}'"
            )
    return built


def _difference(there: TableVersion, here: TableVersion | None) -> str:
    if here is None:
        return "it does not exist here"
    if missing := set(there.columns) ^ set(here.columns):
        return f"column {min(missing)!r} exists in one of both environments only"
    if there.rows != here.rows:
        return f"{here.rows:,} rows here, {there.rows:,} there"
    if there.content_hash != here.content_hash:
        return f"content {here.content_hash[:12]} here, {there.content_hash[:12]} there"
    return ""


def _trained(
    platform: Platform, run: Run, archive: Archive, data: FeaturesRecord, known: ModelVersion | None
) -> TrainedModel:
    """Return the challenger as a training would have left it: number, bundle, MLflow's entry."""
    model, evidence = archive.head.model, archive.evidence
    if known is not None:
        return _record(evidence, known.version, str(known.bundle_path), data, known.mlflow_run_id)
    with platform.registry.training(model, run.parent) as tracked:
        tracked.describe(*_description(archive, run))
        version = platform.ledger.new_version(
            model,
            run.now(),
            mlflow_run_id=tracked.run_id,
            data_versions={table.table: to_json(table) for table in data.data},
            code_commit=evidence.code_commit,
            seed=evidence.seed,
            at_least=free_number(platform.settings.model_root, model),
        ).version
        folder = platform.settings.model_root / model / str(version)
        training.write_atomically(folder, archive.bundle)
        trained = _record(evidence, version, str(folder), data, tracked.run_id)
        tracked.register(trained, {})
    return trained


def _record(
    evidence: Evidence, version: int, bundle: str, data: FeaturesRecord, mlflow_run_id: str | None
) -> TrainedModel:
    return TrainedModel(
        model=evidence.model,
        version=version,
        algorithm=evidence.algorithm,
        bundle=bundle,
        manifest_sha256=evidence.manifest_sha256,
        data=data.data,
        rows=evidence.training_rows,
        split_digest=str(evidence.split["digest"]),
        seconds=evidence.training_seconds,
        candidates=(),
        spec_digest=evidence.spec_digest,
        code_commit=evidence.code_commit,
        seed=evidence.seed,
        as_of=evidence.as_of,
        mlflow_run_id=mlflow_run_id,
        refit=evidence.refit,
    )


def _description(archive: Archive, run: Run) -> tuple[dict[str, Any], dict[str, Any]]:
    head = archive.head
    verdict = (
        {}
        if head.verdict is None
        else {"imported.verdict": head.verdict.verdict, "imported.by": head.verdict.actor}
    )
    return {"training_rows": archive.evidence.training_rows, "seed": archive.evidence.seed}, {
        "imported.version": head.version,
        "imported.evidence": head.evidence_hash,
        "dagster.run_id": run.id,
        **verdict,
    }


def _known(platform: Platform, model: str, manifest: str) -> ModelVersion | None:
    """Return the version here that has this bundle; the one that got furthest."""
    same = [one for one in platform.ledger.versions(model) if one.manifest_sha256 == manifest]
    return next((one for one in same if one.status != "challenger"), same[0] if same else None)


@contextmanager
def _one_at_a_time(platform: Platform, model: str) -> Iterator[None]:
    """Let one process register imports of a model at a time: two would make two versions of one bundle."""
    with (_folder(platform, model) / ".import.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _folder(platform: Platform, model: str) -> Path:
    folder = platform.settings.model_root / model
    folder.mkdir(parents=True, exist_ok=True)
    return folder
