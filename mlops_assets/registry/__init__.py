"""Registry: what people look up in MLflow, written from what we know; the only room that imports mlflow.

Comes in: params, metrics, tags, files, and the ledger's standing. Goes out: experiments, runs, registered versions and
the alias `champion`. Nothing is decided from what MLflow says: which version serves is the ledger's answer.
"""

from mlops_assets.registry.registry import Registry, experiment_name
from mlops_assets.registry.tracked import Tracked

__all__ = ["Registry", "Tracked", "experiment_name"]
