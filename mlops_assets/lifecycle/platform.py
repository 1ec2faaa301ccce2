"""The stores of a lifecycle run, opened once and handed to every stage; and the circumstances of one run.

Addresses come from above (`settings`, `local`); nothing here reads the environment or the clock.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

from mlops_assets import artifacts
from mlops_assets.datasets import Datasets, Provenance
from mlops_assets.errors import DataError
from mlops_assets.ledger import Ledger
from mlops_assets.model_file import ModelSpec
from mlops_assets.registry import Registry
from mlops_assets.settings import Settings, Stores

R = TypeVar("R")

BUNDLE_LOADER: Final = "mlops_assets.lifecycle.predictor:open_bundle"
"""What MLflow calls to load a registered version, outside of this platform too."""


@dataclass(frozen=True, slots=True)
class Platform:
    """Every store, open."""

    settings: Settings
    stores: Stores
    ledger: Ledger
    datasets: Datasets
    registry: Registry

    @classmethod
    def open(cls, settings: Settings, stores: Stores, ledger: Ledger | None = None) -> Platform:
        """Open the stores; connections are made at the first use.

        Args:
            settings: Settings of the installation.
            stores: URLs of the ledger and of MLflow.
            ledger: The ledger where it is open already.

        Returns:
            The platform.

        Raises:
            LedgerError: When the ledger's schema is missing or at another revision.
        """
        return cls(
            settings=settings,
            stores=stores,
            ledger=ledger or Ledger.open(stores.ledger_url, stores.approvals_url),
            datasets=Datasets(settings.data_root),
            registry=Registry(
                settings.mlflow_tracking_uri or stores.mlflow_url, settings.artifact_root, BUNDLE_LOADER
            ),
        )

    def reports(self, model: str, version: int) -> Path:
        """Return the folder of a version's report and plots.

        Args:
            model: Name of the model.
            version: Number of the model version.

        Returns:
            A folder below `home`; it need not exist.
        """
        return self.settings.home / "reports" / model / str(version)


@dataclass(frozen=True, slots=True)
class Run:
    """One run's circumstances: its id, the instant as of which it reads data, and who requested it.

    progress takes one sentence per step of long work. parent is the MLflow run that trainings nest under.
    uid: user id of the operating system, where a person acts.
    reuse: do not train again when neither data nor model file changed since a challenger that was already judged.
    """

    id: str
    as_of: datetime
    now: Callable[[], datetime]
    actor: str
    code_commit: str
    progress: Callable[[str], None]
    parent: str | None = None
    reuse: bool = False
    uid: int | None = None

    @property
    def provenance(self) -> Provenance:
        """What a version of a table that this run writes records about it."""
        return Provenance(self.actor, self.now(), self.id, self.code_commit)


def keep_record(platform: Platform, spec: ModelSpec, stage: str, run: Run, record: Any) -> None:
    """Store a stage's record for later stages, runs and processes.

    Args:
        platform: The open stores and settings.
        spec: The model file.
        stage: Name of the stage, from `stages.py`.
        run: The run: id, actor, clock, `as_of` and progress callback.
        record: A frozen record of `artifacts`.
    """
    platform.ledger.put_record(f"{spec.name}/{stage}", run.id, artifacts.to_json(record), run.now())


def record_of(platform: Platform, spec: ModelSpec, stage: str, run_id: str | None, record: type[R]) -> R:
    """Return the record that a stage stored in this run, or else its latest.

    Args:
        platform: The open stores and settings.
        spec: The model file.
        stage: Name of the stage, from `stages.py`.
        run_id: Id of the run; None for the latest record.
        record: Class of the record.

    Returns:
        The record.

    Raises:
        DataError: When the stage never ran.
    """
    body = platform.ledger.get_record(f"{spec.name}/{stage}", run_id)
    if body is None:
        raise DataError(
            f"{spec.name}: '{stage}' has never been materialized; run 'mlops run {spec.name}' first"
        )
    return artifacts.from_json(record, body)


def own_record(platform: Platform, spec: ModelSpec, stage: str, run_id: str, record: type[R]) -> R | None:
    """Return the record that a stage stored in exactly this run.

    Args:
        platform: The open stores and settings.
        spec: The model file.
        stage: Name of the stage, from `stages.py`.
        run_id: Id of the run.
        record: Class of the record.

    Returns:
        The record, or None.
    """
    body = platform.ledger.get_record(f"{spec.name}/{stage}", run_id, exact=True)
    return None if body is None else artifacts.from_json(record, body)


def known_record(platform: Platform, spec: ModelSpec, stage: str, record: type[R]) -> R | None:
    """Return the latest record that a stage stored in any run.

    Args:
        platform: The open stores and settings.
        spec: The model file.
        stage: Name of the stage, from `stages.py`.
        record: Class of the record.

    Returns:
        The record, or None.
    """
    body = platform.ledger.get_record(f"{spec.name}/{stage}")
    return None if body is None else artifacts.from_json(record, body)


@cache
def code_commit(folder: Path) -> str:
    """Return the git commit of the running code.

    Args:
        folder: A folder inside the checkout.

    Returns:
        The commit, with `-dirty` when tracked files differ from it; `unknown` outside a checkout.
    """

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
        return done.stdout.strip()

    try:
        commit = git("rev-parse", "HEAD")
        return f"{commit}-dirty" if git("status", "--porcelain", "--untracked-files=no") else commit
    except (OSError, subprocess.SubprocessError):
        return "unknown"
