"""Where things live: read from the environment once per door, passed down as a value.

Comes in: environment variables. Goes out: a frozen `Settings`. Nothing else in the project reads the environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """Addresses of every store. `None` means: the embedded local one below `home`.

    home: folder of all local state. models: folder of model files.
    database_url: a PostgreSQL server (`postgresql://user:password@host:5432`); databases are named
    mlops_ledger, mlops_dagster, mlops_mlflow and mlops_readings on it.
    readings_url: where `kind: sql` sources read unless they name their own variable.
    data_root: root of the Delta tables, a folder or s3://. model_root: root of model bundles, a folder.
    mlflow_tracking_uri: an MLflow server, else the database directly.
    environ: the environment itself, for sources that name a variable holding their secret.
    """

    home: Path
    models: Path
    database_url: str | None
    readings_url: str | None
    data_root: str
    model_root: Path
    mlflow_tracking_uri: str | None
    host: str
    environ: Mapping[str, str]

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Read every setting; folders become absolute so that a change of directory moves nothing."""
        home = Path(environ.get("MLOPS_HOME", ".mlops")).absolute()
        return cls(
            home=home,
            models=Path(environ.get("MLOPS_MODELS", "models")).absolute(),
            database_url=environ.get("MLOPS_DATABASE_URL") or environ.get("DATABASE_URL"),
            readings_url=environ.get("MLOPS_READINGS_URL"),
            data_root=environ.get("MLOPS_DATA_ROOT", str(home / "data")),
            model_root=Path(environ.get("MLOPS_MODEL_ROOT", home / "bundles")).absolute(),
            mlflow_tracking_uri=environ.get("MLFLOW_TRACKING_URI"),
            host=environ.get("MLOPS_HOST", "127.0.0.1"),
            environ=environ,
        )
