"""MLflow kept in line with the ledger, and whoever changes it by hand noticed.

Comes in: a model. Goes out: what was repaired, and whether anybody but us can have caused it. The ledger is the truth:
nothing is ever read back from MLflow into it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import AliasChoices, Field

from mlops_assets.artifacts import digest, from_json, to_json
from mlops_assets.ledger import invariants
from mlops_assets.lifecycle.alerts import close_alert, send_alert
from mlops_assets.lifecycle.champions import sync_mlflow
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.model_file import ModelSpec

RECORD: Final = "mlflow_mirror"
RECORD_RUN: Final = "mirror"


@dataclass(frozen=True, slots=True)
class Mirrored:
    """Stored. Digest of the ledger's state that MLflow was last seen to show."""

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
    writes = sync_mlflow(platform, model)
    _check_champion_version(platform, spec, run)
    tampered = writes > 0 and before == now
    if tampered:
        send_alert(
            platform,
            "mlflow_changed",
            f"MLflow's alias or tags of {model} were changed by hand ({writes} repaired from the ledger); "
            f"to move the champion use mlops promote or mlops rollback {model}",
            key=f"mlflow-{model}-{run.now().isoformat()}",
            spec=spec,
            at=run.now(),
        )
    if before != now:
        platform.ledger.put_record(f"{model}/{RECORD}", RECORD_RUN, to_json(Mirrored(now)), run.now())
    return Reconciled(model, writes, tampered)


def _check_champion_version(platform: Platform, spec: ModelSpec, run: Run) -> None:
    champion = platform.ledger.champion(spec.name)
    if champion is None or platform.registry.has_version(spec.name, champion.version):
        close_alert(platform, "mlflow_version_missing", spec.name, run.now())
        return
    send_alert(
        platform,
        "mlflow_version_missing",
        f"MLflow has no version for the champion of {spec.name}, version {champion.version} in the ledger; "
        f"predictions go on from its bundle, but MLflow's alias cannot show it",
        key=f"mlflow-missing-{spec.name}-{champion.version}-{run.now():%Y-%m-%d}",
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
