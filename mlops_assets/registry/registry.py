"""`Registry`: the interface to MLflow. Connects on first use, never at import or construction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from mlops_assets.artifacts import Evaluation, TrainedModel
from mlops_assets.errors import ServiceError
from mlops_assets.registry import mirror as mirroring
from mlops_assets.registry import reaping, restoring
from mlops_assets.registry.connection import listens, mlflow_client, reaching, without_secret
from mlops_assets.registry.restoring import StoredVersion
from mlops_assets.registry.tracked import Tracked, log, start
from mlops_assets.registry.values import as_key, named_by_part


def experiment_name(model: str) -> str:
    """Return the experiment of a model: `pump_efficiency_model`.

    Args:
        model: Name of the model.

    Returns:
        Name of the experiment.
    """
    return f"{model}_model"


@dataclass(slots=True)
class Registry:
    """MLflow at one address. Every method raises ServiceError when MLflow does not respond.

    tracking_uri: a database URL (`postgresql+psycopg2://`) or a server (`http://`). artifact_root: a URI or folder
    that artifacts go below when there is no server to say where.
    loader: `module:function` that opens a packaged bundle (path in, something with `predict(frame)` out); the package
    that can do it hands it in.
    """

    tracking_uri: str
    artifact_root: str
    loader: str
    _client: Any = field(default=None, repr=False)
    _experiments: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def client(self) -> Any:
        """The MlflowClient."""
        if self._client is None:
            with reaching(self.tracking_uri, "be opened"):
                self._client = mlflow_client(self.tracking_uri)
        return self._client

    def experiment(self, model: str) -> str:
        """Return the id of the model's experiment, which is created where it is missing.

        Args:
            model: Name of the model.

        Returns:
            Id of the experiment.

        Raises:
            ServiceError: When MLflow does not respond.
        """
        if model not in self._experiments:
            with reaching(self.tracking_uri, f"open the experiment {experiment_name(model)}"):
                self._experiments[model] = _experiment(
                    self.client, experiment_name(model), self._location(model)
                )
        return self._experiments[model]

    def parent_config(self, model: str) -> dict[str, Any]:
        """Return the configuration of dagster-mlflow's resource, so that its run lies in the model's experiment.

        Args:
            model: Name of the model.

        Returns:
            Configuration values.

        Raises:
            ServiceError: When MLflow does not respond.
        """
        self.experiment(model)
        return {
            "experiment_name": experiment_name(model),
            "mlflow_tracking_uri": self.tracking_uri,
            "env": {},
            "extra_tags": {"promoted": "false"},
        }

    @contextmanager
    def training(self, model: str, parent: str | None = None) -> Iterator[Tracked]:
        """Open a run for one training. It ends FINISHED, FAILED or KILLED as the block does.

        Args:
            model: Name of the model.
            parent: Id of the parent run; None for a run of its own.

        Yields:
            The run.

        Raises:
            ServiceError: When MLflow does not respond.
        """
        tracked = self.begin(model, parent, ours=True)
        with self.ending(tracked):
            yield tracked

    def begin(self, model: str, parent: str | None = None, *, ours: bool = False) -> Tracked:
        """Start the MLflow run of a training.

        Args:
            model: Name of the model; it names the experiment.
            parent: MLflow run that it nests below.
            ours: This process ends the run, also when it dies. Otherwise several processes write to it, and `ending`
                ends it.

        Returns:
            The run, which the caller ends.
        """
        experiment = self.experiment(model)
        with reaching(self.tracking_uri, "start a run"):
            run_id = start(self.client, experiment, f"train {model}", parent, ours=ours)
        return self.reopen(model, run_id)

    def reopen(self, model: str, run_id: str) -> Tracked:
        """Return a training that another process began.

        Args:
            model: Name of the model.
            run_id: Id of the MLflow run.

        Returns:
            The run, as `training` yields it.
        """
        return Tracked(self.client, self.tracking_uri, model, self.experiment(model), run_id, self.loader)

    @contextmanager
    def ending(self, tracked: Tracked, *, finish: bool = True) -> Iterator[None]:
        """End a training as the block does: FAILED, KILLED, or FINISHED.

        Args:
            tracked: The training's run.
            finish: False leaves a successful run open, because other processes continue it.

        Yields:
            Nothing.
        """
        try:
            yield
        except Exception as error:
            self._end(tracked.run_id, "FAILED", str(error))
            raise
        except BaseException:
            self._end(tracked.run_id, "KILLED", "interrupted")
            raise
        if finish:
            with reaching(self.tracking_uri, f"end run {tracked.run_id}"):
                self.client.set_terminated(tracked.run_id, "FINISHED")

    def log_evaluation(self, trained: TrainedModel, measured: Evaluation, folder: Path) -> None:
        """Add the evaluation of a version to its training run: metrics of every part, and the report with its plots.

        Args:
            trained: The version that was evaluated.
            measured: Its metrics.
            folder: Folder of the report and plots.

        Raises:
            ServiceError: When MLflow does not respond.
        """
        run_id = trained.mlflow_run_id
        if run_id is None:
            return
        numbers = named_by_part(measured.challenger)
        for comparison in measured.comparisons:
            numbers[f"improvement_{comparison.metric}_{comparison.part}"] = comparison.improvement
        if measured.latency_ms is not None:
            numbers["latency_ms"] = measured.latency_ms
        numbers["size_bytes"] = measured.size_bytes
        numbers |= {f"baseline_{name}": value for name, value in named_by_part(measured.baseline).items()}
        numbers |= {
            f"champion_{name}": value for name, value in named_by_part(measured.champion or {}).items()
        }
        ranking = measured.explanation.ranking if measured.explanation is not None else ()
        numbers |= {f"importance/{as_key(feature)}": value for feature, value in ranking}
        with reaching(self.tracking_uri, f"log the evaluation of run {run_id}"):
            log(self.client, run_id, metrics=numbers)
            self.client.log_artifacts(run_id, str(folder), "evaluation")

    def mirror(
        self,
        model: str,
        champion_state: mirroring.ChampionState,
        versions: Iterable[mirroring.VersionState],
        approved: Mapping[int, bool] | None = None,
    ) -> int:
        """Bring alias and tags in line with the ledger.

        Args:
            model: Name of the model.
            champion_state: The ledger's champion.
            versions: The ledger's versions.
            approved: Whether a person approved, by version.

        Returns:
            Number of writes, 0 when nothing differs.

        Raises:
            ServiceError: When MLflow does not respond.
        """
        if not listens(self.tracking_uri):
            raise ServiceError(f"MLflow at {without_secret(self.tracking_uri)} does not respond")
        with reaching(self.tracking_uri, f"mirror the champion of {model}"):
            return mirroring.mirror(self.client, model, champion_state, versions, approved)

    def restore(self, stored: StoredVersion) -> tuple[str, ...]:
        """Bring back what somebody deleted of a version in MLflow: its entry, its run, its experiment.

        Args:
            stored: The version as the ledger records it.

        Returns:
            One sentence for each repair; empty when MLflow has everything.

        Raises:
            ServiceError: When MLflow does not respond.
        """
        if not listens(self.tracking_uri):
            raise ServiceError(f"MLflow at {without_secret(self.tracking_uri)} does not respond")
        self._experiments.pop(stored.model, None)  # it may have been deleted since
        experiment = self.experiment(stored.model)
        with reaching(self.tracking_uri, f"restore version {stored.version} of {stored.model}"):
            return restoring.restore(self.client, experiment, stored, self.loader)

    def leave(self) -> None:
        """End the run that is active in this process, so that the next one in it starts its own."""
        import mlflow

        with reaching(self.tracking_uri, "end the active run"):
            mlflow.end_run()

    def close_parents(self, dagster_run_id: str, status: str) -> int:
        """End every MLflow run of a Dagster run that is still RUNNING, nested ones too.

        Args:
            dagster_run_id: Id of Dagster's run.
            status: New status: `FINISHED`, `FAILED` or `KILLED`.

        Returns:
            Number of runs.

        Raises:
            ServiceError: When MLflow does not respond.
        """
        with reaching(self.tracking_uri, "close runs"):
            return _close(self.client, dagster_run_id, status)

    def reap(self, now: datetime, older_than: timedelta) -> tuple[str, ...]:
        """End RUNNING runs of a process that is gone, or older than any run may be.

        Args:
            now: Present time, with a zone.
            older_than: Longest time that a run may take.

        Returns:
            Ids of the ended runs.

        Raises:
            ServiceError: When MLflow does not respond.
        """
        with reaching(self.tracking_uri, "look for lost runs"):
            return tuple(reaping.reap(self.client, _experiments(self.client), now, older_than))

    def run_url(self, run_id: str, address: str | None = None) -> str | None:
        """Return the URL of a run's page.

        Args:
            run_id: Id of the MLflow run.
            address: Address of MLflow as browsers open it; None for that of `tracking_uri`.

        Returns:
            The URL, or None when MLflow is a database without a server.

        Raises:
            ServiceError: When MLflow does not respond.
        """
        address = address or self.tracking_uri
        if not address.startswith(("http://", "https://")):
            return None
        with reaching(self.tracking_uri, f"find run {run_id}"):
            experiment = self.client.get_run(run_id).info.experiment_id
        return f"{address.rstrip('/')}/#/experiments/{experiment}/runs/{run_id}"

    def _location(self, model: str) -> str | None:
        if self.tracking_uri.startswith(("http://", "https://")):
            return None
        root = self.artifact_root
        uri = root if "://" in root else Path(root).absolute().as_uri()
        return f"{uri.rstrip('/')}/{experiment_name(model)}"

    def _end(self, run_id: str, status: str, why: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            log(self.client, run_id, tags={"failure": why})
            self.client.set_terminated(run_id, status)
        except (MlflowException, OSError):
            return  # what ended the block matters more; `reap` ends the run later


def _experiment(client: Any, name: str, location: str | None) -> str:
    from mlflow.exceptions import MlflowException

    existing = client.get_experiment_by_name(name)
    if existing is None:
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except MlflowException:  # another process was faster
            existing = client.get_experiment_by_name(name)
            if existing is None:
                raise
    if existing.lifecycle_stage == "deleted":
        client.restore_experiment(existing.experiment_id)
    return str(existing.experiment_id)


def _experiments(client: Any) -> list[str]:
    ours = client.search_experiments(filter_string="name LIKE '%_model'", max_results=1_000)
    return [str(one.experiment_id) for one in ours if one.name.endswith("_model")]


def _close(client: Any, dagster_run_id: str, status: str) -> int:
    experiments = _experiments(client)
    if not experiments:
        return 0
    closed = 0
    for parent in client.search_runs(experiments, f"tags.dagster_run_id = '{dagster_run_id}'"):
        inside = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}' and attributes.status = 'RUNNING'"
        for run in client.search_runs(experiments, inside):
            # A training that is still open when its Dagster run has ended did not finish.
            client.set_terminated(run.info.run_id, "FAILED" if status == "FINISHED" else status)
            closed += 1
        if parent.info.status == "RUNNING":
            client.set_terminated(parent.info.run_id, status)
            closed += 1
    return closed
