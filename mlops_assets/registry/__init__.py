"""Registry: what people look up in MLflow, written from what we know; the only package that imports mlflow.

Comes in: params, metrics, tags, files, and the ledger's champion state. Goes out: experiments, runs, versions and
the alias `champion`. Nothing is decided from what MLflow says: the ledger says which version serves.
"""

from mlops_assets.registry.registry import Registry, experiment_name
from mlops_assets.registry.tracked import Tracked
from mlops_assets.registry.untracked import UntrackedRegistry

__all__ = ["Registry", "Tracked", "UntrackedRegistry", "experiment_name"]
