"""The stores a life is lived in, opened once and handed to every stage; and the circumstances of one run.

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
from mlops_assets.datasets import Datasets
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
    def open(cls, settings: Settings, stores: Stores) -> Platform:
        """Open the stores; connections are made when first used."""
        return cls(
            settings=settings,
            stores=stores,
            ledger=Ledger.open(stores.ledger_url),
            datasets=Datasets(settings.data_root),
            registry=Registry(
                settings.mlflow_tracking_uri or stores.mlflow_url, settings.artifact_root, BUNDLE_LOADER
            ),
        )

    def reports(self, model: str, version: int) -> Path:
        """Folder of a version's report and plots."""
        return self.settings.home / "reports" / model / str(version)


@dataclass(frozen=True, slots=True)
class Run:
    """One run's circumstances: its id, the instant it looks at the world from, and who asked.

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


def keep_record(platform: Platform, spec: ModelSpec, stage: str, run: Run, record: Any) -> None:
    """Store a stage's record for the stages, runs and processes that follow."""
    platform.ledger.put_record(f"{spec.name}/{stage}", run.id, artifacts.to_json(record), run.now())


def record_of(platform: Platform, spec: ModelSpec, stage: str, run_id: str | None, record: type[R]) -> R:
    """Return the record a stage left in this run, or else its latest. Raises DataError when it never ran."""
    body = platform.ledger.get_record(f"{spec.name}/{stage}", run_id)
    if body is None:
        raise DataError(
            f"{spec.name}: '{stage}' has never been materialized; run 'mlops run {spec.name}' first"
        )
    return artifacts.from_json(record, body)


def own_record(platform: Platform, spec: ModelSpec, stage: str, run_id: str, record: type[R]) -> R | None:
    """Return the record a stage left in exactly this run, or None."""
    body = platform.ledger.get_record(f"{spec.name}/{stage}", run_id, exact=True)
    return None if body is None else artifacts.from_json(record, body)


def known_record(platform: Platform, spec: ModelSpec, stage: str, record: type[R]) -> R | None:
    """Return the latest record a stage left in any run, or None."""
    body = platform.ledger.get_record(f"{spec.name}/{stage}")
    return None if body is None else artifacts.from_json(record, body)


@cache
def code_commit(folder: Path) -> str:
    """Return the git commit the code runs from.

    With `-dirty` when files differ from it; `unknown` outside a checkout.
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
