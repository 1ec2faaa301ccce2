"""One MLflow run of ours: what is written to it, and that it always ends with a true status."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

from mlops_assets.artifacts import Candidate, TrainedModel
from mlops_assets.registry.connection import reaching
from mlops_assets.registry.package import package
from mlops_assets.registry.values import LONGEST_PARAM, LONGEST_TAG, as_key, as_text, finite, named_by_part

HOST_TAG: Final = "mlops.host"
PID_TAG: Final = "mlops.pid"
BORN_TAG: Final = "mlops.process_started"
VERSION_TAG: Final = "mlops.version"
TASK_TAG: Final = "mlops.task"
MOST_POINTS: Final = 200
STATUS: Final = {"trained": "FINISHED", "failed": "FAILED", "timed_out": "KILLED"}
History = Iterable[tuple[int, Mapping[str, float]]]


@dataclass(slots=True)
class Tracked:
    """A running training. Every method raises ServiceError when MLflow does not respond."""

    is_recorded: ClassVar[bool] = True
    """Whether somebody can read later what is registered."""

    client: Any
    uri: str
    model: str
    experiment_id: str
    run_id: str
    loader: str
    children: dict[int, str] = field(default_factory=dict)

    def describe(self, params: Mapping[str, Any], tags: Mapping[str, Any]) -> None:
        """Log parameters and tags unchanged.

        Args:
            params: Values to log as text.
            tags: Tags to set.

        Raises:
            ServiceError: When MLflow does not respond.
        """
        with reaching(self.uri, f"log the params of run {self.run_id}"):
            log(self.client, self.run_id, params=params, tags=tags)

    def metrics(self, values: Mapping[str, float]) -> None:
        """Log metrics; those that are not finite become tags.

        Args:
            values: Value by name.

        Raises:
            ServiceError: When MLflow does not respond.
        """
        with reaching(self.uri, f"log the metrics of run {self.run_id}"):
            log(self.client, self.run_id, metrics=values)

    def files(self, path: Path, under: str | None = None) -> None:
        """Log one file, or all files of a folder.

        Args:
            path: File or folder.
            under: Folder within the run's artifacts; None for the top.

        Raises:
            ServiceError: When MLflow does not respond.
        """
        with reaching(self.uri, f"store {path.name}"):
            store = self.client.log_artifacts if path.is_dir() else self.client.log_artifact
            store(self.run_id, str(path), under)

    def candidate(
        self,
        candidate: Candidate,
        history: History = (),
        tags: Mapping[str, Any] | None = None,
        task: str | None = None,
    ) -> str:
        """Log a candidate that has ended as a nested run.

        Args:
            candidate: The candidate with its metrics.
            history: (step, losses) of an iterative fit.
            tags: Tags to set.
            task: Name of the candidate within the training, by which a repeated step finds the run that it
                made.

        Returns:
            Id of the nested run.

        Raises:
            ServiceError: When MLflow does not respond.
        """
        with reaching(self.uri, f"log the candidate {candidate.algorithm}"):
            end = _now()
            run_id = self._nested(task) if task else None
            if run_id is None:
                marks = {"mlflow.parentRunId": self.run_id, "mlflow.runName": task or candidate.algorithm}
                run = self.client.create_run(
                    self.experiment_id,
                    start_time=end - int(candidate.seconds * 1000),
                    tags=_own_tags({**marks, **({TASK_TAG: task} if task else {})}),
                )
                run_id = str(run.info.run_id)
            log(
                self.client,
                run_id,
                params={"model_type": candidate.algorithm, **candidate.params},
                tags={
                    "status": candidate.status,
                    "message": candidate.message,
                    "promoted": False,
                    **(tags or {}),
                },
                metrics={**named_by_part(candidate.metrics), "seconds": candidate.seconds},
                history=history,
            )
            self.client.set_terminated(run_id, STATUS[candidate.status], end)
            return run_id

    def _nested(self, task: str) -> str | None:
        mine = f"tags.`mlflow.parentRunId` = '{self.run_id}' and tags.`{TASK_TAG}` = '{task}'"
        metric_values = self.client.search_runs([self.experiment_id], mine, max_results=1)
        return str(metric_values[0].info.run_id) if metric_values else None

    def register(self, model: TrainedModel, metrics: Mapping[str, float]) -> str:
        """Log the winner's metrics and bundle, and register it as a version of the model.

        Args:
            model: The version.
            metrics: Value by name.

        Returns:
            MLflow's version number.

        Raises:
            ServiceError: When MLflow does not respond.
        """
        with reaching(self.uri, f"register {model.model} version {model.version}"):
            log(
                self.client,
                self.run_id,
                metrics=metrics,
                tags={VERSION_TAG: model.version, "algorithm": model.algorithm, "promoted": False},
            )
            with package(Path(model.bundle), self.loader) as folder:
                self.client.log_artifacts(self.run_id, str(folder), "model")
            return register_version(self.client, self.run_id, model)


class Registrable(Protocol):
    """What MLflow's entry of a version says."""

    @property
    def model(self) -> str:
        """Name of the model."""
        ...

    @property
    def version(self) -> int:
        """Number of the version in the ledger."""
        ...

    @property
    def manifest_sha256(self) -> str:
        """Hash of the bundle's manifest."""
        ...


def register_version(client: Any, run_id: str, model: Registrable) -> str:
    """Register the packaged bundle of a run under the model's name, once.

    Args:
        client: An MlflowClient.
        run_id: Id of the MLflow run.
        model: The challenger.

    Returns:
        MLflow's version number.
    """
    ensure_registered(client, model.model)
    for known in client.search_model_versions(f"name = '{model.model}' and run_id = '{run_id}'"):
        return str(known.version)
    tags = {
        VERSION_TAG: str(model.version),
        "status": "challenger",
        "promoted": "false",
        "manifest_sha256": model.manifest_sha256,
    }
    source = f"{client.get_run(run_id).info.artifact_uri}/model"
    made = client.create_model_version(model.model, source, run_id=run_id, tags=tags, await_creation_for=0)
    return str(made.version)


def ensure_registered(client: Any, model: str) -> None:
    """Create the registered model unless it exists.

    Args:
        client: An MlflowClient.
        model: Name of the model.
    """
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def start(client: Any, experiment_id: str, name: str, parent: str | None, *, ours: bool = True) -> str:
    """Start a run.

    Args:
        client: An MlflowClient.
        experiment_id: Id of the experiment.
        name: Name of the run.
        parent: Id of the parent run; None for none.
        ours: Tag the run with this process, so that it is ended when the process dies.

    Returns:
        Id of the run.
    """
    tags = {"mlflow.runName": name, "promoted": "false"}
    if parent:
        tags["mlflow.parentRunId"] = parent
    run = client.create_run(experiment_id, start_time=_now(), tags=_own_tags(tags) if ours else tags)
    return str(run.info.run_id)


def log(
    client: Any,
    run_id: str,
    *,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    metrics: Mapping[str, float] | None = None,
    history: History = (),
) -> None:
    """Write everything in as few calls as MLflow's limits allow.

    Args:
        client: An MlflowClient.
        run_id: Id of the MLflow run.
        params: Values to log as text.
        tags: Tags to set.
        metrics: Value by name; one that is not finite becomes a tag.
        history: (step, losses) of an iterative fit.
    """
    from mlflow.entities import Metric, Param, RunTag

    good, bad = finite(metrics or {})
    now = _now()
    metric_values = [Metric(name, value, now, 0) for name, value in good.items()]
    metric_values += [
        Metric(name, value, now, step)
        for step, values in _thinned(history)
        for name, value in finite(values)[0].items()
    ]
    param_values = [
        Param(as_key(name), as_text(value)[:LONGEST_PARAM]) for name, value in (params or {}).items()
    ]
    marks = [RunTag(as_key(n), as_text(v)[:LONGEST_TAG]) for n, v in {**(tags or {}), **bad}.items()]
    while metric_values or param_values or marks:
        client.log_batch(run_id, metrics=metric_values[:800], params=param_values[:90], tags=marks[:90])
        metric_values, param_values, marks = metric_values[800:], param_values[90:], marks[90:]


def _thinned(history: History) -> list[tuple[int, Mapping[str, float]]]:
    steps = list(history)
    every = -(-len(steps) // MOST_POINTS) or 1
    return [step for index, step in enumerate(steps) if index % every == 0 or index == len(steps) - 1]


def _own_tags(tags: dict[str, str]) -> dict[str, str]:
    import psutil

    born = f"{psutil.Process().create_time():.2f}"
    return {**tags, HOST_TAG: socket.gethostname(), PID_TAG: str(os.getpid()), BORN_TAG: born}


def _now() -> int:
    return int(time.time() * 1000)
