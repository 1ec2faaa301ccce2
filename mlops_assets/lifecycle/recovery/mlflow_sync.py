"""MLflow kept in line with the ledger, and whoever changes it by hand noticed.

Comes in: a model. Goes out: what was repaired, and whether anybody but us can have caused it. The ledger is the truth:
nothing is ever read back from MLflow into it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import AliasChoices, Field

from mlops_assets.artifacts import digest, from_json, to_json
from mlops_assets.errors import BundleError, ServiceError
from mlops_assets.ledger import invariants
from mlops_assets.lifecycle.alerts import close_alert, send_alert
from mlops_assets.lifecycle.champions import sync_mlflow
from mlops_assets.lifecycle.model_loading import bundle_location
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.model_file import ModelSpec
from mlops_assets.registry.restoring import StoredVersion

RECORD: Final = "mlflow_mirror"
RECORD_RUN: Final = "mirror"


@dataclass(frozen=True, slots=True)
class Mirrored:
    """Stored. Digest of the ledger's state that MLflow last showed."""

    ledger_digest: Annotated[str, Field(validation_alias=AliasChoices("ledger_digest", "standing"))]


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What one reconciliation did.

    Attributes:
        model: Name of the model.
        writes: How many values had to be written to MLflow.
        tampered: The ledger had not moved since MLflow last showed it, so somebody else changed MLflow.
    """

    model: str
    writes: int
    tampered: bool


def reconcile(platform: Platform, spec: ModelSpec, run: Run) -> Reconciled:
    """Repair alias and tags of one model; send an alert when they were changed by hand.

    Args:
        platform: The open stores and settings.
        spec: The model file.
        run: The run: id, actor, clock, `as_of` and progress callback.

    Returns:
        Number of writes, and whether MLflow was changed by hand.

    Raises:
        ServiceError: When MLflow does not respond.
    """
    model = spec.name
    now = _ledger_digest(platform, model)
    body = platform.ledger.get_record(f"{model}/{RECORD}", RECORD_RUN, exact=True)
    before = None if body is None else from_json(Mirrored, body).ledger_digest
    restored, missing = _restore(platform, model)
    writes = len(restored) + sync_mlflow(platform, model)  # raises when MLflow does not respond at all
    _report_missing(platform, spec, run, missing)
    tampered = bool(restored) or (writes > 0 and before == now)
    if tampered:
        what = "; ".join(restored) or f"its alias or tags ({writes} values)"
        send_alert(
            platform,
            "mlflow_changed",
            f"MLflow was changed by hand at {model} and repaired from the ledger: {what}. "
            f"To move the champion use mlops promote or mlops rollback {model}",
            key=f"mlflow-{model}-{run.now().isoformat()}",
            spec=spec,
            at=run.now(),
        )
    if before != now:
        platform.ledger.put_record(f"{model}/{RECORD}", RECORD_RUN, to_json(Mirrored(now)), run.now())
    return Reconciled(model, writes, tampered)


def _restore(platform: Platform, model: str) -> tuple[list[str], list[str]]:
    """Bring back what MLflow lost of the champion and of the version that a rollback would go to.

    Returns:
        A sentence for each repair, and one for each version that could not be brought back.
    """
    ledger, repairs, missing = platform.ledger, [], []
    champion = ledger.champion(model)
    needed = [] if champion is None else [champion.version, ledger.rollback_target(model)]
    for version in needed:
        if version is None:
            continue
        try:
            folder, manifest = bundle_location(platform, model, version)
            run_id = ledger.model_version(model, version).mlflow_run_id
            sentences = platform.registry.restore(StoredVersion(model, version, folder, manifest, run_id))
        except (BundleError, ServiceError, OSError, ValueError, KeyError) as error:
            missing.append(f"version {version}: {error}")
            continue
        repairs += [f"version {version}: {sentence}" for sentence in sentences]
    return repairs, missing


def _report_missing(platform: Platform, spec: ModelSpec, run: Run, missing: list[str]) -> None:
    if not missing:
        close_alert(platform, "mlflow_version_missing", spec.name, run.now())
        return
    send_alert(
        platform,
        "mlflow_version_missing",
        f"MLflow cannot show {spec.name} as the ledger has it; predictions go on from the bundles: "
        f"{'; '.join(missing)}",
        key=f"mlflow-missing-{spec.name}-{run.now():%Y-%m-%d}",
        spec=spec,
        at=run.now(),
    )


def check_ledger(platform: Platform, run: Run) -> tuple[str, ...]:
    """Check the ledger's own rules across its tables, and send an alert for each broken rule, once a day.

    Args:
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.

    Returns:
        One sentence for each broken rule.
    """
    broken = tuple(invariants(platform.ledger))
    for sentence in broken:
        send_alert(
            platform,
            "ledger_broken",
            f"the ledger breaks one of its own rules: {sentence}",
            key=f"ledger-{digest({'broken': sentence})[:16]}-{run.now():%Y-%m-%d}",
            at=run.now(),
        )
    if not broken:
        close_alert(platform, "ledger_broken", None, run.now())
    return broken


def _ledger_digest(platform: Platform, model: str) -> str:
    ledger = platform.ledger
    approvals = {str(version): approval.verdict for version, approval in ledger.approvals_of(model).items()}
    statuses = {str(one.version): one.status for one in ledger.versions(model)}
    return digest(
        {"revision": ledger.champion_state(model).revision, "statuses": statuses, "answers": approvals}
    )
