"""Rollback: put an earlier version back in production.

Comes in: a model and, if a person names one, a version. Goes out: the champion after the move. Needs the ledger and the
bundle; neither Dagster nor MLflow.
"""

from __future__ import annotations

from mlops_assets.errors import LedgerError
from mlops_assets.ledger import Champion
from mlops_assets.lifecycle.approvals.hold import hold_on
from mlops_assets.lifecycle.champions import mirror
from mlops_assets.lifecycle.model_loading import load_version
from mlops_assets.lifecycle.platform import Platform, Run


def roll_back(
    platform: Platform,
    model: str,
    to_version: int | None,
    run: Run,
    reason: str,
    expected_revision: int | None = None,
) -> Champion:
    """Return an earlier version to production.

    Its bundle is loaded and its sample is replayed before the champion moves. MLflow's mirror follows when
    MLflow responds.

    Args:
        platform: The open stores and settings.
        model: Name of the model.
        to_version: Version to return to; None: the last that really served.
        run: The run: id, actor, clock, `as_of` and progress callback.
        reason: Text for the history.
        expected_revision: Revision under which the decision was made; None: the present one. A champion that
            moves in between, for example by another person's rollback, stays.

    Returns:
        The champion after the rollback.

    Raises:
        LedgerError: When there is no version to return to.
        BundleError: When the target is damaged.
        LostRaceError: When the champion moved in between.
    """
    revision = (
        platform.ledger.champion_state(model).revision if expected_revision is None else expected_revision
    )
    target = to_version if to_version is not None else platform.ledger.rollback_target(model)
    if target is None:
        raise LedgerError(
            f"{model} has no earlier version that served; 'mlops history {model}' lists every decision"
        )
    load_version(platform, model, target)
    champion = platform.ledger.rollback(
        model, actor=run.actor, reason=reason, at=run.now(), to_version=target, expected_revision=revision
    )
    run.progress(f"{model}: version {champion.version} is champion again, revision {champion.revision}")
    if (hold := hold_on(platform, model)) is not None:
        run.progress(f"{model} is {hold.sentence}")
    mirror(platform, model, run)
    return champion
