"""Where the runs and steps of a model go and which come first: `resources` of a model file as tags of each executor."""

import json
from typing import Any, Final

from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.resources import USUAL_PRIORITY

QUEUE_TAG: Final = "mlops/queue"
"""Limited to one run per queue in `dagster.yaml`."""
PRIORITY_TAG: Final = "dagster/priority"
CELERY_QUEUE_TAG: Final = "dagster-celery/queue"
CELERY_PRIORITY_TAG: Final = "dagster-celery/priority"
KUBERNETES_TAG: Final = "dagster-k8s/config"
CELERY_LAST: Final = 9
"""The number of a Celery task that is taken last; a step without the tag has 5, as `USUAL_PRIORITY` gives."""


def run_tags(spec: ModelSpec) -> dict[str, str]:
    """Return the tags of a model's runs: their queue, their place in it, and what their pod needs.

    Args:
        spec: The model file.

    Returns:
        Tags; empty for a model file without `resources`.
    """
    needs = spec.resources
    container = _container(spec)
    order = needs.priority - USUAL_PRIORITY  # a run without the tag counts as 0
    return {
        **({QUEUE_TAG: needs.queue} if needs.queue else {}),
        **({PRIORITY_TAG: str(order)} if order else {}),
        **({KUBERNETES_TAG: json.dumps(container, sort_keys=True)} if container else {}),
    }


def step_tags(spec: ModelSpec) -> dict[str, Any]:
    """Return the tags of a model's steps: the Celery queue and its order, and what a step's pod needs.

    Args:
        spec: The model file.

    Returns:
        Tags; empty for a model file without `resources`.
    """
    needs = spec.resources
    container = _container(spec)
    # on Redis the lowest number is taken first
    order = str(min(2 * USUAL_PRIORITY - needs.priority, CELERY_LAST))
    return {
        **({CELERY_QUEUE_TAG: needs.queue} if needs.queue else {}),
        **({CELERY_PRIORITY_TAG: order} if needs.priority != USUAL_PRIORITY else {}),
        **({KUBERNETES_TAG: container} if container else {}),
    }


def _container(spec: ModelSpec) -> dict[str, Any]:
    """Return Kubernetes' requests and limits; processors are reserved and not capped, memory and GPUs are both."""
    needs = spec.resources
    limits = {
        **({"memory": needs.memory} if needs.memory else {}),
        **({"nvidia.com/gpu": str(needs.gpu)} if needs.gpu else {}),
    }
    requests = {**limits, **({"cpu": f"{needs.cpu:g}"} if needs.cpu else {})}
    if not requests:
        return {}
    return {"container_config": {"resources": {"requests": requests, "limits": limits}}}
