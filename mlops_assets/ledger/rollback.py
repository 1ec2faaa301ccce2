"""Where a rollback may go, from the database; the reading of the history itself is in serving_order.py."""

from __future__ import annotations

from sqlalchemy import Connection, select

from mlops_assets.errors import LedgerError
from mlops_assets.ledger.history import serving_order_of
from mlops_assets.ledger.records import ChampionState
from mlops_assets.ledger.schema import history, model_versions


def last_served(connection: Connection, model: str) -> int | None:
    """Return the version that a rollback chooses: the last that served, not rolled back from, never refused.

    Args:
        connection: An open connection; the caller owns its transaction.
        model: Name of the model, as in its model file.

    Returns:
        Version number, or None when there is none.
    """
    return serving_order_of(connection, model).target(_refused(connection, model))


def choose(connection: Connection, before: ChampionState, to_version: int | None) -> int:
    """Return the target of a rollback after checking that it may serve.

    Args:
        connection: An open connection; the caller owns its transaction.
        before: Champion state in this transaction.
        to_version: Version that was requested; None for `last_served`.

    Returns:
        Version number.

    Raises:
        LedgerError: When there is no earlier version, or `to_version` is champion, never served or was
            refused.
    """
    model, current = before.model, before.champion.version if before.champion else None
    if to_version is None:
        target = last_served(connection, model)
        if target is None:
            raise LedgerError(
                f"model '{model}' has no earlier version that served and was not rolled back from; "
                "retire it, or name a version with to_version"
            )
        return target
    if to_version == current:
        raise LedgerError(f"{model} version {to_version} is the champion already")
    ever = serving_order_of(connection, model).ever
    if to_version not in ever:
        served = ", ".join(str(version) for version in sorted(ever - {current})) or "none"
        raise LedgerError(
            f"{model} version {to_version} never served, a rollback only returns to one that did ({served})"
        )
    if to_version in _refused(connection, model):
        raise LedgerError(f"{model} version {to_version} was refused; a refused version does not serve")
    return to_version


def evidence_of_promotion(connection: Connection, model: str, version: int) -> str:
    """Return the evidence that last made this version champion.

    Args:
        connection: An open connection; the caller owns its transaction.
        model: Name of the model, as in its model file.
        version: Number of the model version, from 1.

    Returns:
        Its hash, 64 hexadecimal digits.

    Raises:
        LedgerError: When the version was never promoted.
    """
    hash_ = connection.scalar(
        select(history.c.evidence_hash)
        .where(history.c.model == model, history.c.version == version, history.c.action == "promoted")
        .order_by(history.c.id.desc())
        .limit(1)
    )
    if hash_ is None:
        raise LedgerError(f"{model} version {version} was never promoted")
    return str(hash_)


def _refused(connection: Connection, model: str) -> frozenset[int]:
    query = select(model_versions.c.version).where(
        model_versions.c.model == model, model_versions.c.status == "refused"
    )
    return frozenset(connection.scalars(query))
