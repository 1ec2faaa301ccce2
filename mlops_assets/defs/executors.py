"""How the steps of a run are carried out: in one process, in several, by Celery's workers, as Kubernetes jobs.

Chosen by one setting, MLOPS_EXECUTOR. With any but the first, every candidate of a training is a step of its own.
"""

from collections.abc import Callable
from typing import Final

import dagster as dg

from mlops_assets.errors import MissingExtraError, SpecError
from mlops_assets.model_file.suggestion import near_and_all

IN_PROCESS: Final = "in_process"


def _multiprocess() -> dg.ExecutorDefinition:
    return dg.multiprocess_executor


def _celery() -> dg.ExecutorDefinition:
    try:
        from dagster_celery import celery_executor
    except ImportError:
        raise MissingExtraError("MLOPS_EXECUTOR=celery", "celery") from None
    # read where a run starts; the workers read the same variable through deploy/celery.yaml
    address = {"env": "MLOPS_CELERY_URL"}
    return celery_executor.configured({"broker": address, "backend": address}, name="celery")


def _kubernetes() -> dg.ExecutorDefinition:
    try:
        from dagster_k8s import k8s_job_executor
    except ImportError:
        raise MissingExtraError("MLOPS_EXECUTOR=kubernetes", "k8s") from None
    executor: dg.ExecutorDefinition = k8s_job_executor
    return executor


EXECUTORS: Final[dict[str, Callable[[], dg.ExecutorDefinition]]] = {
    IN_PROCESS: lambda: dg.in_process_executor,
    "multiprocess": _multiprocess,
    "celery": _celery,
    "kubernetes": _kubernetes,
}


def executor_named(name: str) -> dg.ExecutorDefinition:
    """Return the executor.

    Args:
        name: Value of `MLOPS_EXECUTOR`, a key of `EXECUTORS`.

    Returns:
        The executor.

    Raises:
        SpecError: There is no executor of this name.
        MissingExtraError: Its library is not installed.
    """
    if name not in EXECUTORS:
        raise SpecError(f"MLOPS_EXECUTOR: there is no executor {name!r}{near_and_all(name, EXECUTORS)}")
    return EXECUTORS[name]()
