"""MLflow's view of the champion brought in line with the ledger's: alias, promoted and status tags.

Safe to repeat: it looks first and writes only what differs. A version that MLflow never heard of is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

from mlops_assets.registry.tracked import VERSION_TAG
from mlops_assets.registry.values import as_bool

ALIAS: Final = "champion"


class HasVersion(Protocol):
    """A version with a number, as the ledger has it."""

    @property
    def version(self) -> int:
        """Return the number of the version."""


class VersionState(HasVersion, Protocol):
    """A version and its status: challenger, champion, archived or refused."""

    @property
    def status(self) -> str:
        """Return challenger, champion, archived or refused."""


class ChampionState(Protocol):
    """The champion, or None."""

    @property
    def champion(self) -> HasVersion | None:
        """Return the champion, or None."""


def mirror(
    client: Any,
    model: str,
    champion_state: ChampionState,
    versions: Iterable[VersionState],
    approved: Mapping[int, bool] | None = None,
) -> int:
    """Write to MLflow what differs from the ledger: the alias and the versions' tags.

    Args:
        client: An MlflowClient.
        model: Name of the model.
        champion_state: The ledger's champion.
        versions: The ledger's versions.
        approved: Whether a person approved, by version; versions without a verdict are absent.

    Returns:
        Number of writes.
    """
    known = registered_versions(client, model)
    if not known:
        return 0
    champion = champion_state.champion.version if champion_state.champion is not None else None
    writes = _alias(client, model, str(known[champion].version) if champion in known else None)
    for version in versions:
        registered = known.get(version.version)
        if registered is None:
            continue
        promoted = version.version == champion
        if as_bool(registered.tags.get("promoted")) != promoted:
            text = str(promoted).lower()
            client.set_model_version_tag(model, registered.version, "promoted", text)
            client.set_tag(registered.run_id, "promoted", text)
            writes += 2
        is_approved = (approved or {}).get(version.version)
        approval_tag = None if is_approved is None else str(is_approved).lower()
        if registered.tags.get("human_approved") != approval_tag:
            writes += _human_approved(client, model, registered, approval_tag)
        if registered.tags.get("status") != version.status:
            client.set_model_version_tag(model, registered.version, "status", version.status)
            client.set_tag(registered.run_id, "status", version.status)
            writes += 2
    return writes


def registered_versions(client: Any, model: str) -> dict[int, Any]:
    """Return MLflow's entries of a model by the version of the ledger that they show.

    Args:
        client: An MlflowClient.
        model: Name of the model.

    Returns:
        MLflow's entry by version number of the ledger.
    """
    return {
        int(registered.tags[VERSION_TAG]): registered
        for registered in client.search_model_versions(f"name = '{model}'", max_results=1_000)
        if VERSION_TAG in registered.tags
    }


def _human_approved(client: Any, model: str, registered: Any, approval_tag: str | None) -> int:
    if approval_tag is None:  # nobody decided, whatever the tag says
        client.delete_model_version_tag(model, registered.version, "human_approved")
        return 1
    client.set_model_version_tag(model, registered.version, "human_approved", approval_tag)
    client.set_tag(registered.run_id, "human_approved", approval_tag)
    return 2


def _alias(client: Any, model: str, wanted: str | None) -> int:
    now = client.get_registered_model(model).aliases.get(ALIAS)
    if (None if now is None else str(now)) == wanted:
        return 0
    if wanted is None:
        client.delete_registered_model_alias(model, ALIAS)
    else:
        client.set_registered_model_alias(model, ALIAS, wanted)
    return 1
