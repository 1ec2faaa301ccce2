"""A version, its run or its experiment that somebody deleted in MLflow, made again from the bundle.

Comes in: what the ledger knows about a version. Goes out: MLflow with that version, and a sentence per repair. Alias
and tags are not written here (`mirror`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mlops_assets.registry.mirror import registered_versions
from mlops_assets.registry.package import package
from mlops_assets.registry.tracked import VERSION_TAG, log, register_version, start

MISSING: Final = "RESOURCE_DOES_NOT_EXIST"


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A version as the ledger records it.

    Attributes:
        model: Name of the model.
        version: Number of the version in the ledger.
        bundle: Folder of its bundle.
        manifest_sha256: Hash of the bundle's manifest.
        run_id: Its MLflow run when it was trained; None when it was trained without one.
    """

    model: str
    version: int
    bundle: Path
    manifest_sha256: str
    run_id: str | None


def restore(client: Any, experiment: str, stored: StoredVersion, loader: str) -> tuple[str, ...]:
    """Restore what MLflow lacks of a version.

    Args:
        client: The MlflowClient.
        experiment: Id of the model's experiment.
        stored: The version.
        loader: `module:function` that opens a packaged bundle.

    Returns:
        One sentence for each repair; empty when nothing was missing.
    """
    registered = registered_versions(client, stored.model).get(stored.version)
    run = _run(client, stored.run_id if registered is None else str(registered.run_id))
    repairs = [] if run is None else _repair_state(client, run)
    if registered is not None and run is not None:
        return tuple(repairs)
    if run is None:
        if registered is not None:  # an entry whose run is gone cannot be loaded, tagged or repaired
            client.delete_model_version(stored.model, registered.version)
            registered = None
        run_id = start(client, experiment, f"restored version {stored.version}", None, ours=True)
        repairs.append(f"its run was gone; run {run_id} replaces it")
    else:
        run_id = str(run.info.run_id)
    log(client, run_id, tags={VERSION_TAG: stored.version})
    if not client.list_artifacts(run_id, "model"):
        with package(stored.bundle, loader) as folder:
            client.log_artifacts(run_id, str(folder), "model")
    if run is None:
        client.set_terminated(run_id, "FINISHED")
    if registered is None:
        number = register_version(client, run_id, stored)
        repairs.append(f"it was registered again from its bundle, as version {number} of MLflow")
    return tuple(repairs)


def _run(client: Any, run_id: str | None) -> Any | None:
    """Return the run, deleted or not; None when MLflow has forgotten it."""
    from mlflow.exceptions import MlflowException

    if run_id is None:
        return None
    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code == MISSING:
            return None
        raise


def _repair_state(client: Any, run: Any) -> list[str]:
    """Bring the run back from deletion, and to the status of a training that ended well."""
    repairs = []
    experiment = client.get_experiment(run.info.experiment_id)
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(run.info.experiment_id)
        repairs.append(f"its experiment {experiment.name} was deleted; it was restored")
        run = client.get_run(run.info.run_id)
    if run.info.lifecycle_stage == "deleted":
        client.restore_run(run.info.run_id)
        repairs.append(f"its run {run.info.run_id} was deleted; it was restored")
    if run.info.status != "FINISHED":
        client.set_terminated(run.info.run_id, "FINISHED")
        repairs.append(f"its run said {run.info.status}; it says FINISHED again")
    return repairs
