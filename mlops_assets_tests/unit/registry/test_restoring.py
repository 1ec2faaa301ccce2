"""What somebody deletes in MLflow comes back, against a real MLflow store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlops_assets.registry import Registry
from mlops_assets.registry.restoring import StoredVersion
from mlops_assets_tests.unit.registry.test_registry import (
    Version,
    bundle,
    champion_state,
    registry,
    trained,
)

__all__ = ["bundle", "registry"]

Delete = Callable[[Any, str, str], object]


def forget(client: Any, _name: str, run_id: str) -> None:
    """Remove a run for good, as `mlflow gc` does."""
    client.delete_run(run_id)
    client._tracking_client.store._hard_delete_run(run_id)


DELETIONS: dict[str, tuple[Delete, str]] = {
    "version": (lambda client, name, _: client.delete_model_version(name, "1"), "registered again"),
    "model": (lambda client, name, _: client.delete_registered_model(name), "registered again"),
    "run": (lambda client, _, run_id: client.delete_run(run_id), "was deleted; it was restored"),
    "run for good": (forget, "replaces it"),
    "status": (lambda client, _, run_id: client.update_run(run_id, status="RUNNING"), "said RUNNING"),
    "experiment": (
        lambda client, _, run_id: client.delete_experiment(client.get_run(run_id).info.experiment_id),
        "restored",
    ),
}


@pytest.mark.parametrize("what", DELETIONS)
def test_what_was_deleted_comes_back(registry: Registry, bundle: Path, what: str) -> None:
    name = f"deleted_{what.replace(' ', '_')}"
    with registry.training(name) as tracked:
        tracked.register(trained(bundle, tracked.run_id, model=name), {})
    champion = [Version(1, "champion")]
    registry.mirror(name, champion_state(1), champion)
    stored = StoredVersion(name, 1, bundle, "0" * 64, tracked.run_id)
    assert registry.restore(stored) == ()
    delete, sentence = DELETIONS[what]
    delete(registry.client, name, tracked.run_id)
    repairs = registry.restore(stored)
    if what == "experiment":
        assert registry.client.get_experiment_by_name(f"{name}_model").lifecycle_stage == "active"
    else:
        assert sentence in "; ".join(repairs)
    registry.mirror(name, champion_state(1), champion)
    entry = registry.client.get_model_version_by_alias(name, "champion")
    assert (entry.tags["mlops.version"], entry.tags["promoted"]) == ("1", "true")
    run = registry.client.get_run(entry.run_id)
    assert (run.info.lifecycle_stage, run.info.status) == ("active", "FINISHED")
    assert [one.path for one in registry.client.list_artifacts(entry.run_id, "model")]
    assert registry.restore(stored) == ()
    assert registry.mirror(name, champion_state(1), champion) == 0
