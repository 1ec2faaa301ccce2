"""The section about what a model's runs need of the machines, and which of them comes first."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from mlops_assets.model_file.section import Section
from mlops_assets.model_file.values import Name, Unit

USUAL_PRIORITY: Final = 5


class ResourcesSpec(Section):
    """What a model's runs need, and which of them comes first.

    Celery's workers, Kubernetes, the queue of runs and the processes of a training read what concerns them; see
    `docs/operations.md`.
    """

    queue: Name | None = Field(None, examples=["large"])
    """Models with long runs share a queue: runs of one queue run one at a time, so that the others keep a place. With
    Celery it is the queue of the steps, for which a worker must be started."""
    priority: Annotated[int, Field(ge=0, le=9, examples=[8]), Unit("rank")] = USUAL_PRIORITY
    """Of the runs and steps that wait, those with the higher number come first."""
    cpu: Annotated[float, Field(gt=0, le=1_024), Unit("cores")] | None = Field(None, examples=[4])
    """Cores that a training uses at most, and that Kubernetes reserves for a run. Unset means those that are idle."""
    memory: Annotated[str, Field(pattern=r"^[1-9]\d*(Mi|Gi)$"), Unit("Mi or Gi")] | None = Field(
        None, examples=["8Gi"]
    )
    """Memory that Kubernetes reserves for a run, and ends it above. Unset means the deployment's own."""
    gpu: Annotated[int, Field(ge=0, le=64, examples=[1]), Unit("devices")] = 0
    """GPUs (`nvidia.com/gpu`) that Kubernetes gives a run."""
