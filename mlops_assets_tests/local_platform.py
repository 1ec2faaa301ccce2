"""A whole platform for tests: real PostgreSQL, Delta tables and MLflow below one temporary folder, tiny readings.

`LocalPlatform.run_lifecycle` runs a model's graph as `mlops run` does. Models of different tests differ in name, so
that they can share the databases.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from mlops_assets.local.environment import environment
from mlops_assets.local.postgres import grant, prepare, restricted
from mlops_assets.model_file import ModelSpec
from mlops_assets.settings import APPLICATION_ROLE, Settings, Stores, with_user

if TYPE_CHECKING:
    import dagster as dg

    from mlops_assets.defs.execution import FinishedRun
    from mlops_assets.lifecycle.platform import Platform, Run

START = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(minutes=5)
GATES: list[Any] = [
    {"beats_champion": {"metric": "rmse", "by": 0.02}},
    {"metric_at_most": {"metric": "rmse", "limit": 2.0}},
    "no_missing_predictions",
    "min_rows",
    "time_limit",
]
_numbers = count(1)


def readings(rows: int = 400, *, slope: float = 3.0, shift: float = 0.0, noise: float = 0.2) -> pl.DataFrame:
    """Five-minute readings of x, z and y = slope * x + z + noise; more rows begin with the same rows."""
    random = np.random.default_rng(7).standard_normal((rows, 3))
    return pl.DataFrame(
        {
            "at": pl.Series([START + STEP * i for i in range(rows)], dtype=pl.Datetime("us", "UTC")),
            "x": random[:, 0] + shift,
            "z": random[:, 1],
            "y": slope * (random[:, 0] + shift) + random[:, 1] + noise * random[:, 2],
        }
    )


def end_of(rows: int) -> datetime:
    """An instant just after the last of so many readings."""
    return START + STEP * rows


@dataclass
class LocalPlatform:
    """The stores, open as the roles that programs connect as, and ways to use them. owner_url: the ledger's owner."""

    settings: Settings
    stores: Stores
    platform: Platform
    folder: Path
    owner_url: str
    sentences: list[str] = field(default_factory=list)

    def file(self, name: str) -> Path:
        """Where a model's readings lie."""
        return self.folder / f"{name}.parquet"

    def model(self, frame: pl.DataFrame | None = None, /, **changes: Any) -> ModelSpec:
        """A small regression over its own Parquet file, under a name of its own."""
        name = changes.pop("name", f"m{next(_numbers)}")
        (readings() if frame is None else frame).write_parquet(self.file(name))
        body: dict[str, Any] = {
            "name": name,
            "description": "y from x and z",
            "owners": ["people@example.com"],
            "problem": "regression",
            "target": "y",
            "timestamp": "at",
            "source": {"kind": "file", "path": str(self.file(name))},
            "training": {"algorithms": [{"ridge": {}}], "time_limit": "5m"},
            "evaluation": {"primary": "rmse"},
            "gates": GATES,
        }
        return ModelSpec.model_validate_json(json.dumps(body | changes))

    def run_lifecycle(
        self, spec: ModelSpec, *, rows: int = 400, reuse: bool = True, job: str = "lifecycle"
    ) -> FinishedRun:
        """One run of the model's graph, looked at from the end of so many readings."""
        from mlops_assets.defs.execution import materialize

        self.sentences.clear()
        return materialize(
            spec, as_of=end_of(rows), actor="tester", progress=self.sentences.append, reuse=reuse, job=job
        )

    def alone(self, spec: ModelSpec, stages: Sequence[str], checks: bool = True) -> dg.ExecuteInProcessResult:
        """Only these assets of the model, as from the UI; without their checks when told so."""
        import dagster as dg

        from mlops_assets.defs.model_defs import build_definitions

        keys = [dg.AssetKey([spec.name, stage]) for stage in stages]
        definitions = build_definitions([spec], retries=None)
        selection: dg.AssetSelection = dg.AssetSelection.assets(*keys)
        if not checks:
            selection = selection.without_checks()
        job = dg.define_asset_job("alone", selection=selection)
        with dg.DagsterInstance.get() as instance:
            return (
                dg.Definitions.merge(definitions, dg.Definitions(jobs=[job]))
                .resolve_job_def("alone")
                .execute_in_process(instance=instance, raise_on_error=False)
            )

    def run(self, id_: str = "by-hand", rows: int = 400) -> Run:
        """The circumstances of a stage called without Dagster."""
        from mlops_assets.lifecycle.platform import Run

        return Run(id_, end_of(rows), lambda: datetime.now(UTC), "tester", "abc", self.sentences.append)

    def champion(self, spec: ModelSpec) -> int | None:
        """The version in production."""
        current_champion = self.platform.ledger.champion(spec.name)
        return current_champion.version if current_champion else None

    def status(self, spec: ModelSpec) -> list[str]:
        """The status of every version, oldest first."""
        return [version.status for version in reversed(self.platform.ledger.versions(spec.name))]

    def actions(self, spec: ModelSpec) -> list[tuple[str, int]]:
        """The history, oldest first."""
        entries = self.platform.ledger.history(spec.name, None)
        return [(entry.action, entry.version) for entry in reversed(entries)]


@pytest.fixture(scope="session")
def _local_platform(postgres_server: str) -> Iterator[tuple[LocalPlatform, dict[str, str]]]:
    from mlops_assets.lifecycle.platform import Platform

    home = Path(tempfile.mkdtemp(prefix="ml", dir="/tmp"))
    (home / "models").mkdir()
    (home / "readings").mkdir()
    plain = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MLOPS_", "MLFLOW_", "DAGSTER_"))
    }
    ours = {
        "MLOPS_HOME": str(home),
        "MLOPS_MODELS": str(home / "models"),
        "MLOPS_DATABASE_URL": postgres_server,
    }
    settings = Settings.from_environment({**plain, **ours})
    owned = prepare(settings)
    grant(settings, owned)
    stores = restricted(postgres_server)
    settings = replace(settings, database_url=with_user(postgres_server, APPLICATION_ROLE))
    variables = environment(settings, stores)
    opened = Platform.open(Settings.from_environment(variables), stores)
    try:
        yield LocalPlatform(opened.settings, stores, opened, home / "readings", owned.ledger_url), variables
    finally:
        opened.ledger.close()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def local_platform(
    _local_platform: tuple[LocalPlatform, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> LocalPlatform:
    """The platform, and its addresses in the environment for as long as the test runs."""
    current_champion, variables = _local_platform
    for name, value in variables.items():
        if os.environ.get(name) != value:
            monkeypatch.setenv(name, value)
    return current_champion
