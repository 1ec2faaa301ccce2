"""The champion's mirror in MLflow: alias and tags follow the ledger.

Comes in: a model. Goes out: what was written to MLflow. What moves the champion is in `stages.promote` and
`recovery.rollback`; the repair of a mirror that somebody changed is in `recovery.mlflow_sync`.
"""

from __future__ import annotations

from mlops_assets.lifecycle.platform import Platform, Run


def mirror(platform: Platform, model: str, run: Run) -> None:
    """Bring MLflow's alias and tags in line with the ledger. An MLflow that fails stops nothing.

    Args:
        platform: The open stores and settings.
        model: Name of the model.
        run: The run: id, actor, clock, `as_of` and progress callback.
    """
    try:
        sync_mlflow(platform, model)
    except Exception as error:  # noqa: BLE001 - the ledger has decided; whatever ails the mirror must not undo that
        run.progress(f"MLflow does not mirror this yet ({type(error).__name__}); the ledger is the truth")


def sync_mlflow(platform: Platform, model: str) -> int:
    """Write to MLflow what differs from the ledger.

    Args:
        platform: The open stores and settings.
        model: Name of the model.

    Returns:
        Number of writes.

    Raises:
        ServiceError: When MLflow does not respond.
    """
    ledger = platform.ledger
    approved = {
        version: approval.verdict == "approve" for version, approval in ledger.approvals_of(model).items()
    }
    return platform.registry.mirror(model, ledger.champion_state(model), ledger.versions(model), approved)
